"""Words that say what a column holds: as they stand in headers, in many languages, and as they stand in values.

A word counts when it is one of the header's words; from five letters on (two in scripts without spaces) also as a
part of one, since many languages write compounds, unless it stands here with a `=`. Words are compared folded: without
case, accents and separators.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import pairwise

NAME, EMAIL, CARD, PHONE, IBAN = "person name", "e-mail", "payment card", "phone", "IBAN"
BIRTH, POSTCODE, ADDRESS, NATIONAL, IP = "date of birth", "postcode", "address", "national id", "IP address"
ACCOUNT, LOGIN = "bank account", "login name"

KINDS = (NAME, EMAIL, CARD, PHONE, IBAN, BIRTH, POSTCODE, ADDRESS, NATIONAL, IP, ACCOUNT, LOGIN)

_STRONG = {
    NAME: """firstname lastname surname fullname givenname familyname middlename maidenname forename vorname
        nachname familienname rufname prenom nomdefamille apellido apellidos primernombre nombrecompleto
        nombreyapellidos nomecompleto cognome sobrenome apelido nomeproprio imie nazwisko imienazwisko фамилия
        имя отчество фио achternaam voornaam efternamn fornamn fornavn efternavn etternavn etunimi sukunimi
        soyad soyadi adsoyad jmeno prijmeni priezvisko vezeteknev keresztnev 氏名 姓名 お名前 名前 성명 이름
        성함 ονοματεπωνυμο επωνυμο cardholder karteninhaber titulaire displayname personname personenname
        namadepan namalengkap hoten tennguoi prenume""",
    EMAIL: """mail email emails emailaddress emailid mailadresse correo correoelectronico courriel emailadres
        =epost =eposta sahkoposti почта емейл メール 邮箱 电子邮件 电邮 이메일 postaelettronica adresemail
        emaill""",
    CARD: """ccn ccnum cardnumber cardno cardnum cardnr pan creditcard debitcard kreditkarte kreditkartennummer
        kartennummer kartennr cartebancaire numerocarte numerodecarte cartebleue tarjeta numerotarjeta
        numerodetarjeta cartadicredito cartacredito numerocarta cartao numerocartao numerodocartao
        creditcardnumber kaartnummer kortnummer kontokort kreditkort numerkarty kartanumer номеркарты карта
        cislokarty kartyaszam kartno kartnumarasi korttinumero 卡号 银行卡号 カード番号 카드번호 paymentcard""",
    PHONE: """tel phone phones telephone telefon telefone telefono mobile mobilephone mobil mobilnummer cell
        cellphone cellular fax handy handynummer gsm msisdn rufnummer telefonnummer telefonnr celular movil
        cellulare telefoon telefoonnummer telefoonnr mobiel телефон мобильный puhelin puhelinnumero phonenumber
        phoneno telno telnr tlf telefonszam 電話 電話番号 携帯 电话 手机 手机号 전화 전화번호 휴대폰 sodienthoai
        τηλεφωνο whatsapp portable""",
    IBAN: "iban ibannumber ibannr ibanno codeiban codiceiban kontoiban numeroiban",
    BIRTH: """dob birth birthdate birthday bday dateofbirth borndate bornon geburtsdatum geburtstag gebdatum
        gebdat geboren datenaissance datedenaissance naissance fechanacimiento fechadenacimiento nacimiento
        datanascita dinascita datanascimento nascimento geboortedatum geboorte fodselsdato fodelsedatum
        fodselsdag syntymaaika dataurodzenia urodzenia датарождения рождения деньрождения dogumtarihi dogum
        szuletesi szuletesidatum datumnarozeni narozeni nasterii datanasterii tanggallahir lahir ngaysinh
        生年月日 誕生日 出生日期 生日 생년월일 ημερομηνιαγεννησης""",
    POSTCODE: """zip zipcode plz postcode postalcode postleitzahl codepostal codigopostal codicepostale cap cep
        psc kodpocztowy postnummer postnr postinumero индекс почтовыйиндекс postakodu iranyitoszam 郵便番号 邮编
        邮政编码 우편번호 kodepos postkode codpostal eircode pincode""",
    ADDRESS: """address addresses addressline addr street streetaddress streetname adresse strasse strassenname
        hausnummer anschrift wohnadresse rue adressepostale direccion domicilio calle indirizzo via endereco rua
        logradouro adres ulica straat straatnaam адрес улица 住所 地址 주소 osoite katuosoite gateadresse
        gatuadress cim lakcim utca alamat diachi διευθυνση homeaddress lieferadresse rechnungsadresse""",
    NATIONAL: """ssn nino nin socialsecurity socialsecuritynumber socialsecurityno nationalinsurance nationalid
        nationalidnumber dni nie dninie nif cpf pesel bsn burgerservicenummer cnp tckn tckimlik tckimlikno egn
        jmbg oib aadhaar personnummer personnr fodselsnummer cprnummer cpr sozialversicherungsnummer svnummer
        rentenversicherungsnummer steuerid steueridnr codicefiscale codfiscale passport passportno
        passportnumber reisepass ausweisnummer personalausweis numerosecu securitesociale numsecu nir insee
        taxpayerid taxid taxidnumber taxidentificationnumber identitycard паспорт снилс 身份证 身份证号
        身份证号码 マイナンバー 주민등록번호 cedula rodnecislo henkilotunnus hetu cccd""",
    IP: """ip ipv ipaddress ipaddr ipadresse ipadresa adresseip direccionip indirizzoip clientip remoteip
        remoteaddr sourceip userip ipadres ipадрес""",
    ACCOUNT: """accountnumber accountno accountnr acctno acctnumber accnumber bankaccount kontonummer kontonr
        numerocompte numerodecompte numerocuenta numerodecuenta numeroconto rekeningnummer numerkonta номерсчета
        sortcode bankaccountnumber 银行账号 口座番号 계좌번호""",
    LOGIN: """user username userlogin login loginname loginid benutzer benutzername utilisateur nomutilisateur
        usuario nombreusuario utente nomeutente usuario gebruiker gebruikersnaam anvandarnamn brukernavn
        uzytkownik пользователь логин ユーザー名 用户名 nickname screenname userhandle""",
}  # fmt: skip

_PERSONS = """customer client kunde kundin kunden cliente clienta klient member mitglied patient employee
    mitarbeiter staff student schueler teacher lehrer driver fahrer chauffeur conducteur cashier kassierer guest
    gast passenger contact kontakt owner eigentuemer inhaber person borrower reader leser lecteur subscriber
    abonnent buyer kaeufer acheteur comprador acquirente seller recipient empfaenger destinataire destinatario
    beneficiary payee payer doctor arzt medico medecin agent tenant mieter donor applicant bewerber participant
    teilnehmer attendee клиент покупатель сотрудник пациент водитель получатель 顧客 客户 顾客 会員 고객 회원
    employe empleado empleada dipendente funcionario salarie klant kund asiakas musteri zakaznik ugyfel
    pracownik medewerker anstalld resident insured holder socio alumno eleve client signatory signedby
    registrant rider pacjent pasajero nutzer lector ansprechpartner adherent"""

_NAMEWORDS = "name names nom noms nombre nome nomi naam namn navn nimi nev nama nombres имя 名 名称 nazwa nume isim ad"

_CARDWORDS = "card cards karte carte tarjeta carta kort cc"

_ATTRIBUTES = """id ids no nr num nummer number numero numer numbers code kode codigo codice type typ tipo
    status state count anzahl since segment category kategorie group gruppe score rating flag level tier class
    value points balance language lang sprache gender sex key hash token uuid guid preference номер код тип 番号
    编号 번호 cislo szam numara since index ref reference referenz consent verified"""

_THINGS = """start end begin ende beginn debut fin inicio order orders bestellung bestellnummer auftrag
    auftragsnummer commande pedido ordine encomenda zamowienie заказ 注文 订单 주문 bestelling ordernummer
    invoice rechnung rechnungsnummer facture factura fattura fatura faktura счет 発票 发票 receipt beleg product
    products produkt produkte produit producto prodotto produto товар продукт 商品 产品 제품 item items artikel
    article articulo articolo artigo sku ean gtin isbn issn asin barcode upc imei serial seriennummer amount
    betrag montant importe importo valor kwota сумма 金額 金额 금액 price preis prix precio prezzo preco cena
    цена 価格 价格 prijs pris total summe gesamt somme totale cost kosten cout costo quantity qty menge quantite
    cantidad quantita quantidade ilosc количество 数量 수량 aantal antal city stadt ort ville ciudad citta
    cidade miasto город 都市 城市 도시 stad kaupunki sehir mesto varos town place location lieu lugar country
    land pays pais paese kraj страна 国 국가 region provincia province county bundesland branch filiale filial
    agence sucursal agenzia oddzial filiaal филиал store shop laden magasin tienda negozio loja sklep магазин
    店舗 门店 매장 winkel butik company firma unternehmen entreprise empresa azienda компания 会社 公司 회사
    bedrijf foretag supplier lieferant fournisseur proveedor fornitore vendor manufacturer hersteller brand
    marke marque marca marka бренд ブランド 品牌 category kategorie categorie categoria type typ tipo status
    state currency waehrung devise moneda valuta date datum fecha data дата 日付 日期 날짜 dato time zeit
    uhrzeit heure hora ora czas время 時刻 时间 시간 tijd tid timestamp zeitstempel created updated modified ts
    event events ereignis project projekt projet proyecto version build release file filename datei dateiname
    fichier archivo path url link tracking trackingnumber sendungsnummer batch lot charge shipment delivery
    lieferung livraison warehouse lager entrepot station bahnhof gare estacion stop device geraet title titel
    titre titulo titolo titulo book buch livre libro film movie song album course kurs cours curso department
    abteilung service campaign kampagne payment zahlung zahlungsart paiement pago pagamento method description
    beschreibung beschrijving descripcion descrizione comment kommentar note notes notiz text message nachricht
    size groesse taille colour color farbe couleur weight gewicht table column field server host hostname domain
    browser os session transaction transaktion transaktionsnummer temperature latitude longitude lat lon long
    lng hours duration rate vehicle plate sensor reading room zone area forecast model modell modele menu dish
    gericht plat plato piatto recipe ingredient airline flight flug publisher verlag genre topic team club
    school university league species breed language subject published publication erscheinungsdatum
    veroeffentlicht founded gegruendet hired released opened expiry expires ablaufdatum lastseen author artist
    kunstlaeufer hotel restaurant museum gene protein symbol ticker"""

COMPANY = frozenset(
    """ltd limited gmbh inc llc corp corporation ag plc sarl srl spa bv nv oy ab as co company kg ohg ug sa sl
        sas group holdings bank university college school hospital church association foundation council
        department ooo ооо оао зао pty llp trust partners solutions services systems technologies industries
        international consulting logistics""".split()
)

STREETS = frozenset(
    """street st road rd avenue ave lane ln drive dr boulevard blvd court ct square sq terrace close crescent
        way place pl parkway pkwy highway hwy strasse str weg platz allee gasse ring ufer rue chemin quai
        impasse cours calle avenida plaza paseo camino carrera via viale piazza corso vicolo rua travessa praca
        ulica ul aleja al улица ул проспект пр переулок straat laan plein gracht kade gatan gata vagen vej gade
        allé vei gate katu tie utca ut korut sokak cadde caddesi mahallesi dori jalan jl grove gardens mews row
        hill park rise green walk alley circle trail""".split()
)

COMMON = frozenset(
    """county township parish borough district province state republic tea coffee latte chai mocha espresso
        cappuccino chocolate cake bread juice water milk cream cheese pizza pasta salad soup burger sandwich
        beer wine premium classic deluxe organic fresh large small medium regular mini pro plus max ultra set
        pack kit box bag bottle case cable adapter charger lamp chair table desk shirt jacket shoes socks hat
        blue red green black white grey brown yellow pink golden silver wooden steel cotton leather wireless
        electric smart digital portable mountain city lake river north south east west new saint san los las el
        la upper lower port fort beach island bay creek falls spring springs valley grand royal old""".split()
)  # fmt: skip

_LETTERS = {"ł": "l", "ø": "o", "đ": "d", "ı": "i", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th"}
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORD = re.compile(r"[^\W\d_]+")
_SENTENCE = 7
"""A header of more words is a question of a survey: what it speaks of need not be what the answers hold."""
_VAGUE = re.compile(
    r"(column|col|field|feld|spalte|var|attr|f|c|v|x|a|unnamed|value|wert|data|info|misc|key|other)?\d*"
)


@lru_cache(maxsize=1 << 16)
def fold(text: str) -> str:
    """Without case, accents and the letters that only look different: `Straße` and `STRASSE` become one."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(char for char in plain if not unicodedata.combining(char))
    return unicodedata.normalize("NFC", "".join(_LETTERS.get(char, char) for char in bare))


def words(header: str) -> tuple[str, ...]:
    """The folded words of a header: `billingAddress_2` becomes `billing address`."""
    return tuple(_WORD.findall(fold(_CAMEL.sub(" ", header))))


@dataclass(frozen=True, slots=True)
class Hint:
    """What a header says: how strongly it names each kind (0 to 1), and whether it names something else."""

    kinds: dict[str, float]
    thing: bool = False
    numbered: bool = False
    """It is some number, key or property (`customer_id`), not the thing itself."""

    def of(self, kind: str) -> float:
        return self.kinds.get(kind, 0.0)


@cache
def _set(text: str) -> frozenset[str]:
    return frozenset(fold(word).removeprefix("=") for word in text.split())


@cache
def _stems(text: str) -> frozenset[str]:
    """The words that count as a part of a longer one, too."""
    folded = (fold(word) for word in text.split() if not word.startswith("="))
    return frozenset(word for word in folded if len(word) >= 5 or (len(word) >= 2 and not word.isascii()))


def _names(tokens: tuple[str, ...], vocabulary: str) -> bool:
    """Whether a word of the vocabulary is the header, one or two of its words, or a part of it."""
    joined = "".join(tokens)
    pairs = {first + second for first, second in pairwise(tokens)}
    return bool({joined, *tokens, *pairs} & _set(vocabulary)) or any(stem in joined for stem in _stems(vocabulary))


@cache
def _long() -> dict[str, str]:
    """Long words that stand for one kind, by word."""
    return {word: kind for kind in KINDS for word in _set(_STRONG[kind]) if len(word) >= 7 and word.isascii()}


def _misspelt(joined: str) -> dict[str, float]:
    """The kind of a long word with a letter missing, doubled or swapped: `accout_number`."""
    near = [word for word in _long() if abs(len(word) - len(joined)) <= 1 and word[0] == joined[:1]]
    found = difflib.get_close_matches(joined, near, 1, 0.9)
    return {_long()[word]: 1.0 for word in found}


def hint(header: str) -> Hint:
    """Read a header. An empty or counted one (`col7`) says nothing, for or against."""
    tokens = words(header)
    joined = "".join(tokens)
    if _VAGUE.fullmatch(joined) or len(tokens) > _SENTENCE:
        return Hint({})
    kinds = {kind: 1.0 for kind in KINDS if _names(tokens, _STRONG[kind])}
    if set(tokens) & _set(_CARDWORDS):
        kinds.setdefault(CARD, 0.5)
    thing = _names(tokens, _THINGS)
    attribute = bool(set(tokens) & _set(_ATTRIBUTES)) or joined.endswith(("nummer", "number", "numero", "nr", "code"))
    person = _names(tokens, _PERSONS)
    named = bool(set(tokens) & _set(_NAMEWORDS)) or joined.endswith(("name", "naam", "namn", "navn"))
    if person and named and not attribute:
        kinds[NAME] = 1.0
    elif NAME not in kinds and not attribute and not thing and (person or named):
        kinds[NAME] = 0.45 if person else 0.35
    if not kinds and not thing:
        kinds |= _misspelt(joined)
    return Hint(kinds, thing, numbered=attribute and not kinds)


def plain(header: str) -> bool:
    """Whether a text is a word that headers are made of: it names a kind, a thing or an attribute."""
    if len(header.split()) > 4:
        return False
    found = hint(header)
    tokens = set(words(header))
    return bool(
        found.kinds or found.thing or found.numbered or tokens & (_set(_ATTRIBUTES) | _set(_PERSONS) | _set(_NAMEWORDS))
    )
