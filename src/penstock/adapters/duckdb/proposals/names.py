"""Given names and family names that tell a column of people from a column of places or products.

A sample of common names of many countries, folded. It need not be complete: a column is judged by the share of its
values that hold one of them. Names that are as often a place, a month or a thing (`Florence`, `April`, `Rose`) are left
out on purpose.
"""

from __future__ import annotations

from functools import cache

from penstock.adapters.duckdb.proposals.vocabulary import fold

_GIVEN = """
james john robert michael william david richard joseph thomas charles christopher daniel matthew anthony donald
steven paul andrew joshua kenneth kevin brian george edward ronald timothy jason jeffrey ryan jacob gary
nicholas eric jonathan stephen larry justin scott brandon benjamin samuel gregory frank alexander raymond
patrick jack dennis jerry tyler aaron jose henry adam douglas nathan peter zachary kyle walter harold jeremy
ethan carl keith roger gerald christian terry sean arthur lawrence albert joe willie ralph roy billy bruce louis
eugene philip bobby johnny bradley russell randy howard vincent carlos martin fred todd leonard harry lewis
oliver liam noah elijah lucas mason logan owen dylan connor callum jamie stuart graham nigel ian neil simon
colin trevor gareth rhys alan allan barry clive derek duncan ewan fraser gavin hamish craig darren glenn wayne
curtis marvin melvin calvin leroy tony luis clarence stanley ernest herbert mary patricia jennifer linda
elizabeth barbara susan jessica sarah karen lisa nancy betty sandra margaret ashley kimberly emily donna
michelle carol amanda melissa deborah stephanie rebecca sharon laura cynthia dorothy amy kathleen angela shirley
emma brenda pamela nicole anna samantha katherine christine helen debra rachel carolyn janet maria catherine
heather diane olivia julie joyce ruth lauren kelly christina joan evelyn judith andrea hannah megan cheryl
jacqueline martha teresa gloria sara janice ann abigail kathryn alice julia judy sophia grace denise marilyn
danielle isabella theresa diana natalie brittany kayla lori alexis tiffany tammy beverly erin bonnie zoe chloe
lucy ellie poppy freya imogen gemma fiona eilidh siobhan niamh aoife caitlin bethany holly leah molly doris
mildred gertrude edith ethel wanda annie ella irene lillian tracy wendy kim jane peggy norma tina robin hans
juergen klaus wolfgang dieter manfred uwe guenter horst bernd heinz rainer stefan andreas markus sebastian
tobias florian matthias juergen joachim jens sven kai lars torsten thorsten ralf juergen gerhard helmut werner
karl heinrich friedrich fritz otto emil felix jonas leon lukas maximilian moritz niklas tim philipp dominik
fabian marcel patrick ursula monika petra sabine renate karin brigitte ingrid erika gisela claudia susanne
gabriele angelika birgit heike andrea silke katrin kathrin anja tanja nicole jutta frida greta johanna katharina
lena leonie marie mia emilia hannelore helga elke martina cornelia ulrike anke ute antje svenja franziska annika
jean pierre michel andre philippe alain bernard jacques francois christophe nicolas laurent stephane frederic
olivier julien thierry eric didier pascal patrice gilles yves guillaume sebastien antoine mathieu thibault
benoit remi xavier hugo lucas enzo theo nathan gabriel raphael maxime romain arnaud cedric fabrice herve etienne
gaston marcel lucien nathalie isabelle sylvie catherine francoise monique martine valerie veronique sandrine
stephanie celine sophie chantal camille manon chloe ines juliette amelie aurelie elodie emilie pauline mathilde
margaux clemence genevieve odile brigitte josiane mireille solange yvette colette simone therese agathe apolline
maelle antonio manuel francisco juan jose javier carlos miguel rafael pedro pablo sergio fernando jorge luis
alberto alvaro diego adrian raul enrique ramon vicente ivan ruben oscar andres joaquin eduardo victor roberto
jaime ignacio alejandro gonzalo marcos hector julio cesar emilio tomas mateo nicolas esteban felipe gustavo
ricardo rodrigo carmen josefa pilar isabel teresa rosa lucia cristina marta elena paula raquel mercedes rocio
silvia beatriz montserrat nuria alba irene ines valentina camila ximena guadalupe leticia veronica gabriela
alejandra daniela mariana luciana esperanza concepcion encarnacion consuelo yolanda noelia giuseppe giovanni
mario luigi francesco angelo vincenzo pietro salvatore carlo franco domenico bruno paolo michele marco andrea
luca matteo alessandro davide simone stefano roberto riccardo lorenzo leonardo tommaso federico filippo edoardo
giorgio giulio claudio enrico fabio massimo maurizio sergio alessio emanuele gennaro umberto giulia chiara
francesca sara martina alessia elisa giorgia silvia valentina elena federica paola laura anna rosa angela
giovanna lucia carmela caterina antonella ilaria beatrice ginevra bianca serena roberta simona joao pedro tiago
rui nuno miguel goncalo duarte paulo marcelo rodrigo thiago vinicius caio murilo otavio luiz fabricio ana
mariana beatriz joana catarina leonor matilde raquel fernanda juliana larissa leticia bruna camila rafaela
tatiana piotr krzysztof andrzej tomasz jan pawel michal marcin stanislaw jakub adam zbigniew jerzy lukasz
mateusz wojciech maciej kamil grzegorz rafal przemyslaw dariusz mariusz bartosz szymon slawomir ryszard
kazimierz agnieszka malgorzata katarzyna magdalena ewa joanna zofia krystyna barbara elzbieta aleksandra monika
jadwiga danuta halina irena beata dorota karolina natalia justyna wiktoria zuzanna iwona grazyna jeroen pieter
willem johannes cornelis hendrik gerrit dirk maarten sander bram daan thijs jasper ruben stijn wouter bart joost
koen niels rik tijn anouk sanne femke lotte fleur maaike marieke saskia ilse annelies wilhelmina lieke eva erik
lars karl anders johan nils jan mikael magnus fredrik oskar gustav henrik bjorn mats leif sven gunnar rasmus
mikkel soren jesper kasper mads emil frederik christoffer morten ole kjell oyvind sindre torbjorn hakon ingrid
astrid karin birgitta kerstin elin linnea maja ebba freja mette kirsten hanne sofie ida nora solveig silje marit
ragnhild gunilla ulla juha matti timo kari mikko antti jukka pekka seppo heikki marko jari tapio eero olli ville
aleksi minna tuula ritva leena tarja paivi sari tiina aino helmi pirjo anneli kaarina jiri jan petr josef pavel
tomas jaroslav miroslav zdenek vaclav milan vladimir martin ondrej radek stanislav jana eva lenka katerina lucie
alena petra veronika jitka tereza marketa zuzana laszlo istvan jozsef janos zoltan sandor gabor ferenc attila
tamas balazs csaba gergely zsolt imre katalin ilona zsuzsanna eszter agnes erzsebet judit piroska reka timea ion
andrei mihai alexandru gheorghe vasile constantin florin cristian bogdan radu adrian ionut elena ioana mihaela
gabriela alina raluca simona anca dimitris giorgos nikos kostas yannis panagiotis vasilis christos eleni maria
katerina vasiliki mehmet mustafa ahmet ali huseyin hasan ibrahim ismail osman yusuf murat omer emre burak kerem
fatma ayse emine hatice zeynep elif meryem merve esra busra ivan dmitry dmitri sergey sergei alexey aleksei
andrey mikhail nikolay nikolai vladimir igor oleg yuri viktor pavel maxim konstantin evgeny anatoly boris
gennady ruslan vadim stanislav svetlana olga tatiana tatyana natalia natalya irina elena ekaterina marina
lyudmila galina nadezhda oksana yulia anastasia ksenia daria polina larisa vera lyubov иван дмитрии дмитрий
сергеи сергей алексеи алексей андреи андрей михаил николаи николай владимир игорь олег юрии юрий виктор павел
максим константин евгении евгений анатолии анатолий борис александр роман денис антон артем кирилл никита илья
егор светлана ольга татьяна наталья наталия ирина елена екатерина марина людмила галина надежда оксана юлия
анастасия ксения дарья полина лариса вера любовь анна мария александра алина виктория валентина mohammed
muhammad mohamed ahmed mahmoud mustafa abdullah omar khalid hassan hussein ibrahim youssef yusuf karim tariq
bilal hamza rashid samir nasser faisal salman saeed imran usman fatima aisha khadija zainab maryam layla leila
noor amina yasmin salma huda rania samira nadia mariam hind محمد احمد علي حسن حسين عبد محمود مصطفي ابراهيم يوسف
خالد عمر فاطمه عايشه مريم زينب نور ساره سعيد كريم طارق david yosef moshe avraham yitzhak shlomo yaakov eitan
itai noam tamar rivka miriam shira yael noa rahul amit rajesh sanjay vijay suresh ramesh anil sunil arjun rohan
vikram ravi ajay deepak manoj ashok aditya karthik krishna pradeep sandeep nikhil ganesh harish mohan priya
anjali pooja neha sunita anita kavita lakshmi deepa divya meena rekha shreya sneha swati asha usha radha geeta
nisha ananya aarav ishaan wei ming jun lei jian xin ling mei fang jing xiaoming xiaohong yong qiang chen zhang
liu huang zhao zhou hiroshi takashi kenji akira satoshi kazuo yuki haruto sota yuto takeshi makoto kenta daisuke
ryo naoki shinji yoko keiko yumi akiko haruka aoi misaki ayumi tomoko naomi emi minjun jihoon seojun jiwoo
minseo seoyeon jimin hyun nguyen tran anh tuan dung linh trang phuong thanh quang duc budi agus slamet siti dewi
sri wahyu rizky putri nur hidayat andi kwame kofi kwabena yaw ama akosua abena chinedu emeka ngozi chioma adaeze
ifeoma oluwaseun tunde babatunde yetunde folake sipho thabo nomsa lerato themba zanele tendai wanjiku kamau
otieno achieng abdi halima amara chidi obinna serkan volkan tolga selin ebru gizem melis deniz onur baris cem
ozgur sevgi hulya nurcan gulsen leyla oleksandr volodymyr serhiy andriy mykola vasyl taras bohdan yulia tetiana
oksana iryna nataliia khrystyna oleksii олександр володимир сергій андрій микола василь тарас богдан юлія тетяна
ірина наталія христина софія марія γιωργος γιαννης δημητρης νικος κωστας παναγιωτης βασιλης χρηστος μαρια ελενη
κατερινα βασιλικη σοφια αγγελικη γεωργια דוד יוסף משה אברהם יצחק שלמה יעקב איתן נועם תמר רבקה שירה יעל נועה אורי
אריאל राहुल अमित राजेश संजय विजय सुरेश रमेश अनिल सुनील प्रिया अंजलि पूजा नेहा सुनीता कविता लक्ष्मी سلمان فيصل زياد
سامي هشام وليد رشيد جمال ليلي هدي سلمي رانيا نادية امينة حنان منى eladio leopold ermanno romolo gorm thor
kenneth victor axel arne knut viggo asger svend bent jorgen hanna pia
"""

_FAMILY = """
smith johnson williams jones davis miller wilson moore taylor anderson thomas jackson harris martin thompson
garcia martinez robinson clark rodriguez lewis walker allen hernandez wright lopez scott adams gonzalez nelson
carter mitchell perez roberts turner phillips campbell parker evans edwards collins stewart sanchez morris
rogers morgan murphy bailey rivera cooper richardson howard torres peterson ramirez watson kelly sanders bennett
barnes ross henderson coleman jenkins perry patterson hughes flores washington simmons foster gonzales bryant
alexander russell griffin diaz hayes mueller schmidt schneider fischer weber meyer wagner becker schulz hoffmann
schaefer koch bauer richter wolf schroeder neumann schwarz zimmermann braun krueger hofmann hartmann werner
krause lehmann schmid maier martin bernard dubois durand leroy moreau simon laurent lefebvre michel girard
bonnet dupont lambert fontaine rousseau fernandez gomez ruiz jimenez moreno munoz alvarez romero alonso
gutierrez navarro dominguez vazquez ramos serrano rossi russo ferrari esposito bianchi colombo ricci marino
greco gallo deluca mancini silva santos oliveira souza pereira ferreira carvalho ribeiro alves almeida rodrigues
gomes martins araujo nowak kowalski wisniewski wojcik kowalczyk kaminski lewandowski zielinski szymanski wozniak
dabrowski jansen bakker visser smit meijer mulder peters hendriks dekker brouwer andersson johansson karlsson
nilsson eriksson larsson olsson persson svensson gustafsson hansen johansen olsen larsen jensen nielsen pedersen
andersen christensen rasmussen sorensen korhonen virtanen makinen nieminen novak svoboda novotny dvorak cerny
prochazka nagy kovacs toth szabo horvath varga popescu ionescu popa yilmaz kaya demir sahin celik yildiz ozturk
aydin papadopoulos ivanov petrov sidorov smirnov kuznetsov popov volkov иванов петров смирнов кузнецов попов
волков иванова петрова singh kumar sharma patel gupta khan shah reddy rao mehta das nair iyer joshi verma
agarwal chopra li wang zhang chen yang huang zhao wu zhou xu sun zhu hu guo lin gao liang zheng xie tang sato
suzuki takahashi tanaka watanabe ito yamamoto nakamura kobayashi kato yoshida yamada sasaki kim park choi jung
kang cho yoon jang lim han nguyen tran pham hoang phan vu vo dang bui ngo duong okafor adeyemi okonkwo mensah
owusu boateng mwangi otieno dlamini nkosi ndlovu diallo traore
"""

_HAN = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈"
    "姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤"
    "張劉陳楊黃趙吳孫馬鄭謝許韓馮鄧蕭蔣葉蘇呂盧鐘陸"
)
_HANGUL = (
    "김이박최정강조윤장임한오서신권황안송류홍전고문손양배백허유남심노하곽성차주우구민진지엄채원천방공현함"
    "변염여추도소석선설마길연위표명기반왕금옥육인맹제모"
)
_JAPANESE = tuple(
    """佐藤 鈴木 高橋 田中 伊藤 渡辺 山本 中村 小林 加藤 吉田 山田 佐々木 山口 松本 井上 木村 斎藤 清水 山崎 森
        阿部 池田 橋本 山下 石川 中島 前田 藤田 小川 後藤 岡田 長谷川 石井 村上 近藤 坂本 遠藤 青木 藤井 西村
        福田 太田 三浦 藤原 岡本 松田 中川 中野 原田""".split()
)
_ENDINGS = (
    "ovich",
    "evich",
    "ovna",
    "evna",
    "ович",
    "евич",
    "овна",
    "евна",
    "opoulos",
    "szky",
    "enko",
    "енко",
    "ashvili",
)


@cache
def given() -> frozenset[str]:
    """Folded given names."""
    return frozenset(fold(name) for name in _GIVEN.split())


@cache
def family() -> frozenset[str]:
    """Folded family names."""
    return frozenset(fold(name) for name in _FAMILY.split())


def known(parts: list[str]) -> bool:
    """Whether folded words hold a given name, or, where there are two or more, a family name."""
    if any(part in given() or (len(part) > 6 and part.endswith(_ENDINGS)) for part in parts):
        return True
    return len(parts) > 1 and any(part in family() for part in parts)


def eastern(text: str) -> bool:
    """A Chinese, Japanese or Korean full name: two to five characters that begin with a common family name."""
    bare = text.replace(" ", "").replace("　", "").replace("·", "")
    if not 2 <= len(bare) <= 5:
        return False
    if all("가" <= char <= "힣" for char in bare):
        return bare[0] in _HANGUL and len(bare) <= 4
    if all("一" <= char <= "鿿" or char == "々" or "ぁ" <= char <= "ヶ" for char in bare):
        return (bare[0] in _HAN and len(bare) <= 4) or bare.startswith(_JAPANESE)
    return False
