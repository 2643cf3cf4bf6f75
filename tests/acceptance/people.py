"""Generated files with and without personal data, for measuring proposals: known truth, fixed seeds.

There are two pools of words. Rules may be tuned on files from `TUNING`; what is reported comes from `HELD_OUT`, whose
headers, names, products and cities were written before the first measurement and never looked at again.
"""

# ruff: noqa: S311  these numbers must come again, and keep no secret

from __future__ import annotations

import csv
import io
import random
import re
from collections.abc import Callable
from dataclasses import dataclass

NAME, EMAIL, CARD, PHONE, IBAN = "person name", "e-mail", "payment card", "phone", "IBAN"
BIRTH, POSTCODE, ADDRESS, NATIONAL, IP = "date of birth", "postcode", "address", "national id", "IP address"


@dataclass(frozen=True)
class Pool:
    """Words to make files from: for every kind of column its headers, and what values are made of."""

    headers: dict[str, list[str]]
    given: list[str]
    family: list[str]
    products: list[str]
    cities: list[str]
    streets: list[str]
    eastern: list[str]


def _lines(text: str) -> dict[str, list[str]]:
    """`kind: header | header`, one kind a line; a line that begins with `|` continues the one before."""
    joined = re.sub(r"\n\s*\|", " |", text.strip())
    pairs = (line.split(":", 1) for line in joined.splitlines())
    return {kind.strip(): [header.strip() for header in headers.split("|")] for kind, headers in pairs}


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split("|")]


TUNING = Pool(
    headers=_lines("""
        person name: name | full_name | Customer Name | first_name | LastName | Nachname | Vorname | nom
            | prenom | nombre | apellidos | nome | cognome | Imię | nazwisko | фамилия | имя | 姓名 | 氏名
            | CUSTOMER | patient_name | surname | etunimi | voornaam
        e-mail: email | E-Mail | e_mail_address | mail | correo | courriel | EMAIL_ADDR | customerEmail
            | почта | メール | adres_email | contact_email
        payment card: card | card_number | CardNo | credit card | cc_num | Kreditkarte | numero_carte
            | tarjeta | PAN | carta_credito | 卡号 | kartennummer | kortnummer
        phone: phone | Phone Number | tel | mobile | Telefon | telefono | téléphone | Handy | телефон | 電話
            | cell | contact_phone | telefoonnummer | puhelin
        IBAN: iban | IBAN | Iban_Nr | customer_iban | Konto (IBAN) | bank_iban
        date of birth: dob | date_of_birth | BirthDate | Geburtsdatum | date_naissance | fecha_nacimiento
            | data_di_nascita | geboortedatum | дата рождения | 生年月日 | birthday
        postcode: postcode | zip | Zip Code | PLZ | code_postal | codigo_postal | CAP | kod_pocztowy
            | postnummer | 郵便番号 | postal_code
        address: address | street | Street Address | Adresse | Straße | rue | direccion | indirizzo | адрес
            | 住所 | adres | home_address
        national id: ssn | SSN | national_id | NINO | dni | codice_fiscale | PESEL | personnummer
            | social_security_number | tax_id | passport_no | 身份证号
        IP address: ip | ip_address | client_ip | IP | remote_addr | adresse_ip | source_ip
        order number: order_no | OrderId | Bestellnummer | commande | pedido | reference | invoice_number
            | номер заказа
        product code: sku | product_code | Artikelnummer | item | ref_produit | codigo
        timestamp: timestamp | created_at | Datum | date | fecha | ordered_at | время
        price: price | Preis | prix | amount | total | precio | importo | сумма
        city: city | Stadt | ville | ciudad | город | town | 都市
        product: product | product_name | Artikel | produit | item_name | title | producto
        quantity: qty | quantity | Menge | quantité | count | количество
        status: status | state | payment | type | category
        barcode: ean | barcode | gtin
        version: version | build | firmware
        company: company | Firma | supplier | entreprise
        epoch: ts | epoch | event_time
        comment: comment | note | Bemerkung | description
        published: published | release_date | erschienen
        hired: hire_date | Eintrittsdatum | opened | founded
        part: part_no | Teilenummer | serial | ref
        location: location | shelf | Platz | gate
        plate: plate | Kennzeichen | vehicle
        digest: hash | token | uuid
    """),
    given="""James Mary Robert Patricia Hans Ursula Pierre Nathalie Jose Carmen Luca Giulia Piotr Agnieszka
        Lars Ingrid Jan Eva Ivan Olga Mohammed Fatima Rahul Priya Kenji Yuki Joao Ana Thomas Sarah David
        Emma""".split(),
    family="""Smith Jones Müller Schmidt Dubois Moreau García López Rossi Bianchi Kowalski Nowak Hansen
        Lindqvist Novák Horváth Petrov Ivanova Hussain Khan Sharma Patel Tanaka Suzuki Silva O'Neill
        Van-Dyke MacLeod Baker Fletcher Whitlock Ashworth""".split(),
    products=_listed(
        """Green Tea|Flat White|Chocolate Brownie|Walnut Cake|Iced Latte|Desk Lamp|Office Chair|Running Shoes|
        Cotton Shirt|Steel Bottle|Garden Hose|Tomato Soup|Cheese Sandwich|Water Filter|Yoga Mat"""
    ),
    cities=_listed(
        """Leeds|York|London|Berlin|Paris|Madrid|San Francisco|New York|Rome|Oslo|Austin|Victoria|Santiago|
        Kraków|Lyon|Tokyo|Florence|Salt Lake City"""
    ),
    streets=_listed(
        """High Street|Church Road|Hauptstraße|Bahnhofstr.|rue de la Paix|Calle Mayor|Via Roma|Park Avenue|
        Kerkstraat|ul. Długa"""
    ),
    eastern="王小明 李娜 张伟 刘洋 陈静 田中太郎 鈴木花子 佐藤健 김민수 이영희 박지훈".split(),
)

HELD_OUT = Pool(
    headers=_lines("""
        person name: Name | fullname | Cardholder Name | given name | family_name | Mitarbeitername
            | Familienname | Nom complet | Nom de famille | Apellido | Nombre y apellidos | Nome e cognome
            | Sobrenome | Achternaam | Efternamn | Jméno | ФИО | お名前 | 성명 | Employee | guestName
            | borrower_name | DRIVER NAME | Soyadı | contact_person
        e-mail: Email Address | user_email | MAIL_ADRESSE | e-post | E-mailadres | Correo electrónico
            | Adresse courriel | электронная почта | 邮箱 | emailId | work email | Adres e-mail
            | indirizzo_email
        payment card: Card # | creditCardNumber | card_no | debit card number | Kartennummer | N° de carte
            | Número de tarjeta | numero carta | Cartão de crédito | Номер карты | カード番号 | payment_card
            | Betaalkaart
        phone: Telephone | mobile_number | Tel. | Telefonnummer | Mobilnummer | N° de téléphone
            | Teléfono móvil | Cellulare | Telemóvel | Mobiele telefoon | Номер телефона | 携帯電話
            | cell phone | Telefon komórkowy | emergency contact phone
        IBAN: IBAN code | iban_number | Kunden-IBAN | IBAN du client | ibanCode | account_iban
        date of birth: birth_date | D.O.B. | Born | Geburtstag | Date de naissance | Fecha de nacimiento
            | Data nascita | Data de nascimento | Födelsedatum | Data urodzenia | Дата рождения | 出生日期
            | birthDate | member dob
        postcode: Post Code | zipcode | ZIP | Postleitzahl | Code postal | C.P. | Código Postal
            | Kod pocztowy | Postnr | Индекс | 邮政编码 | shipping_zip | postal
        address: Street address | addr_line_1 | Billing Address | Anschrift | Straße und Hausnummer
            | Adresse postale | Domicilio | Dirección | Indirizzo di casa | Endereço | Ulica
            | Адрес доставки | 地址 | Straat | deliveryAddress
        national id: Social Security No | national insurance number | N.I. number | DNI/NIE | Código fiscal
            | codiceFiscale | nr PESEL | Personnummer | NIR | Sozialversicherungsnummer | CPF | BSN | 身份证
            | henkilötunnus | passportNumber
        IP address: IP Address | ipaddr | last_login_ip | IP-Adresse | Adresse IP | client ip | visitorIp
        order number: Order number | invoiceNo | Auftragsnummer | n° commande | Número de pedido
            | zamówienie | receipt_id | tracking number | Bon-Nr
        product code: SKU | Article no | Artikel-Nr. | part_number | référence | codigo_producto | model
        timestamp: Created | Zeitstempel | horodatage | fecha_hora | updatedAt | event_ts | Zeitpunkt
            | data_ora
        price: Unit price | Betrag | montant | importe | prezzo | цена | gross | Umsatz
        city: Town | Ort | Ville | Ciudad | Città | Miasto | 城市 | branch_city | destination
        product: Product name | Bezeichnung | désignation | Artikelname | descripción del producto
            | menu_item | товар | dish
        quantity: units | Anzahl | nombre_articles | cantidad | pieces | sztuk
        status: order_status | Zahlungsart | mode_paiement | estado | channel | segment
        barcode: EAN13 | Barcode | gtin_code | UPC
        version: app_version | release | firmware_version
        company: vendor | Lieferant | fournisseur | account_name | Company name
        epoch: unix_time | time_ms | recorded
        comment: remarks | Notiz | commentaire | observaciones | feedback
        published: Erscheinungsdatum | first_published | date_parution | released_on
        hired: joined_on | Gründungsdatum | fecha_alta | established
        part: component | Seriennummer | part number | n° série
        location: bin | Lagerplatz | emplacement | stand
        plate: registration | Nummernschild | vehicle_reg
        digest: checksum | session_id | trace
    """),
    given="""Olivia Declan Bronwen Marcus Tabitha Rupert Cordelia Desmond Philippa Keisha Tyrone Madeline Wyatt
        Savannah Detlef Heinrich Annegret Liesel Konstantin Thibaut Capucine Gwendoline Fabien Anselmo
        Itziar Macarena Nuria Ignacio Ludovica Tommaso Fiorella Ermes Zbigniew Bożena Jolanta Sławomir
        Torbjørn Ragnhild Åsa Mattias Vlasta Bohumil Zsófia Gergő Yevgeniy Lyudmila Timofey Nasrin Tariq
        Zainab Bilal Shreya Arjun Kavita Vikram Haruto Sakura Ren Minh Thuy Thiago Larissa Caetano Chinwe
        Oluwaseun Kwabena Amara Siobhán Eoghan Maria Anna Paul Peter Laura Daniel Julia Michael Sophie
        Alexander Elena Marta Andreas Katarina Martin Simon Helen Nina Victor Oscar""".split(),
    family="""Pemberton Hollingsworth Tate Okafor Winterbourne Braithwaite Ellsworth Delgado Marchetti
        Zimmermann Pfeiffer Kellermann Oberhauser Lachance Beaulieu Castagnier Etxeberria Villanueva
        Quintero Pellegrini Santangelo Wójtowicz Dąbrowska Lindström Bjørnstad Havelka Szabados Papadakis
        Kuznetsova Zhuravlev Al-Rashid Chaudhry Iyer Banerjee Nakagawa Nguyen Pham Figueiredo Nascimento
        Adeyemi Mensah O'Sullivan McAllister D'Angelo Saint-Clair Thompson Wood Young Hill Fischer Weber
        Martin Garcia Evans Roberts Johnson Williams de-Vries Jansen""".split(),
    products=_listed(
        """Oat Milk|Espresso Macchiato|Lemon Drizzle|Pumpkin Spice Latte|Blueberry Muffin|Standing Desk|
        Phone Holder|Hiking Boots|Linen Trousers|Copper Kettle|Patio Heater|Lentil Curry|Ham Toastie|
        Noise Cancelling Headphones|Resistance Band|Vacuum Cleaner|Baby Monitor|Ground Coffee|
        Sparkling Water|Rose Wine|Red Pepper Hummus|Ginger Beer|Travel Pillow|Cordless Drill|Picture Frame|
        Olive Oil|Scented Candle|Wall Clock|Bath Towel|Cutting Board"""
    ),
    cities=_listed(
        """Manchester|Bristol|Newcastle upon Tyne|Hamburg|München|Bordeaux|Saint-Étienne|Sevilla|Las Palmas|
        Bologna|Reggio Emilia|Porto|Gdańsk|Nowy Sącz|Göteborg|Brno|Los Angeles|Kansas City|Charlotte|
        Jackson|Adelaide|San Antonio|Kuala Lumpur|Addis Ababa|Buenos Aires|Houston|Lincoln|Marseille|
        Valencia|Sydney|Stockholm|Utrecht"""
    ),
    streets=_listed(
        """Station Road|Mill Lane|Victoria Terrace|King Street|Oak Drive|Maple Avenue|Goethestraße|
        Am Lindenweg|Schillerplatz|Lange Gasse|avenue Victor Hugo|boulevard Voltaire|Calle de Alcalá|
        Avenida Libertad|Via Garibaldi|Piazza Dante|Rua Augusta|Prinsengracht|Dorpsstraat|ul. Mickiewicza|
        Storgatan|улица Ленина"""
    ),
    eastern="""赵丽颖 孙建国 周杰 吴秀英 徐志强 黄晓东 渡辺直美 伊藤誠 山本由美子 中村大輔 小林美咲 최지우 정해인
        강동원 윤서연""".split(),
)

Value = Callable[[], str]


@dataclass(frozen=True)
class Generated:
    """A file's text, and the kind of every personal column by its place (from 0)."""

    text: str
    truth: dict[int, str]
    headed: bool
    delimiter: str


class Maker:
    """Makes files of one pool from one seed."""

    def __init__(self, pool: Pool, seed: int) -> None:
        self.pool, self.random = pool, random.Random(seed)

    def file(self) -> Generated:
        """One file: some personal columns, some that only look so, shuffled; with a header in seven of ten cases."""
        rng = self.random
        personal = rng.sample(sorted(_PERSONAL), rng.choice((0, 1, 2, 3, 3, 4, 5)))
        others = rng.choices(sorted(_OTHERS), k=rng.randint(2, 6))
        kinds = [*personal, *others]
        rng.shuffle(kinds)
        rows, headed = rng.randint(25, 100), rng.random() < 0.7
        columns = [self._column(kind, rows, headed) for kind in kinds]
        headers = self._headers(kinds)
        lines = [list(row) for row in zip(*columns, strict=True)]
        delimiter = rng.choice(",,,;;\t|")
        text = self._written(([headers] if headed else []) + lines, delimiter)
        truth = {place: kind for place, kind in enumerate(kinds) if kind in _PERSONAL}
        return Generated(text, truth, headed, delimiter)

    def _written(self, lines: list[list[str]], delimiter: str) -> str:
        target = io.StringIO()
        csv.writer(target, delimiter=delimiter, lineterminator=self.random.choice(("\n", "\r\n"))).writerows(lines)
        return target.getvalue()

    def _column(self, kind: str, rows: int, headed: bool) -> list[str]:
        if headed and kind in _PERSONAL and self.random.random() < 0.03:
            return [""] * rows
        missing = self.random.choice((0, 0, 0, 0.1, 0.4))
        value = {**_PERSONAL, **_OTHERS}[kind](self)
        blank = self.random.choice(("", "", "N/A"))
        return [blank if self.random.random() < missing else value() for _ in range(rows)]

    def _headers(self, kinds: list[str]) -> list[str]:
        found: list[str] = []
        for kind in kinds:
            choices = [header for header in self.pool.headers[kind] if header not in found]
            found.append(self._styled(self.random.choice(choices)))
        return found

    def _styled(self, header: str) -> str:
        style = self.random.choice(("as is", "as is", "as is", "lower", "upper", "snake", "hostile"))
        if style == "hostile":
            return self.random.choice(
                (f' "{header}" ', f"{header}; DROP TABLE x", f"{header} ☕", f"  {header}\t", f"{header}'")
            )
        changed = {"lower": header.lower(), "upper": header.upper(), "snake": header.lower().replace(" ", "_")}
        return changed.get(style, header)

    # --- personal -----------------------------------------------------------------------------------------------

    def names(self) -> Value:
        style = self.random.choice(
            ("first last", "first last", "first last", "last, first", "first", "last", "upper", "east")
        )
        return lambda: self.name(style)

    def name(self, style: str) -> str:
        first, last = self.random.choice(self.pool.given), self.random.choice(self.pool.family)
        if self.random.random() < 0.15 and style == "first last":
            first = f"{self.random.choice(('Dr.', 'Mrs', first))} {first}"
        forms = {"last, first": f"{last}, {first}", "first": first, "last": last, "upper": f"{first} {last}".upper()}
        return self.random.choice(self.pool.eastern) if style == "east" else forms.get(style, f"{first} {last}")

    def emails(self) -> Value:
        return lambda: f"{self.name('first').lower()}.{self.number(3)}@{self.random.choice(_HOSTS)}"

    def number(self, digits: int) -> str:
        return "".join(self.random.choices("0123456789", k=digits))

    def cards(self) -> Value:
        valid, grouped = self.random.random() < 0.5, self.random.random() < 0.25
        return lambda: self.card(valid, grouped)

    def card(self, valid: bool, grouped: bool) -> str:
        body = self.random.choice("34569") + self.number(14)
        last = next(digit for digit in "0123456789" if _luhn(body + digit)) if valid else self.number(1)
        number = body + last
        return " ".join(number[at : at + 4] for at in range(0, 16, 4)) if grouped else number

    def phones(self) -> Value:
        forms = (
            "+44 7### ######", "+49 1## #######", "07#########", "(###) 2##-####", "555-2##-####", "+1-3##-5##-####",
            "06 ## ## ## ##", "0###/######", "0033#########", "+7 (9##) ###-##-##", "020 7### ####",
        )  # fmt: skip
        return self.masked(self.random.choice(forms))

    def masked(self, form: str) -> Value:
        signs = {"#": "123456789", "@": "ABCEHKLNPRSTVXY"}
        return lambda: "".join(self.random.choice(signs.get(char, char)) for char in form)

    def ibans(self) -> Value:
        spaced = self.random.random() < 0.3
        return lambda: self.iban(spaced)

    def iban(self, spaced: bool) -> str:
        country, length = self.random.choice((("DE", 22), ("FR", 27), ("ES", 24), ("AT", 20), ("BE", 16)))
        body = self.number(length - 4)
        check = 98 - int(body + "".join(str(int(char, 36)) for char in country) + "00") % 97
        text = f"{country}{check:02d}{body}"
        return " ".join(text[at : at + 4] for at in range(0, len(text), 4)) if spaced else text

    def births(self) -> Value:
        form = self.random.choice(
            ("{y}-{m:02}-{d:02}", "{d:02}/{m:02}/{y}", "{d:02}.{m:02}.{y}", "{m}/{d}/{y}", "{y}{m:02}{d:02}")
        )
        return self.dated(form, 1938, 2005)

    def dated(self, form: str, first: int, last: int) -> Value:
        rng = self.random
        return lambda: form.format(y=rng.randint(first, last), m=rng.randint(1, 12), d=rng.randint(1, 28))

    def postcodes(self) -> Value:
        forms = ("@@# #@@", "@@#@ #@@", "@#1 #@@", "#####", "#### @@", "##-###", "@#@ #@#", "#####-####", "### ##")
        return self.masked(self.random.choice(forms))

    def addresses(self) -> Value:
        after = self.random.random() < 0.5
        return lambda: self.address(after)

    def address(self, after: bool) -> str:
        street, number = self.random.choice(self.pool.streets), self.random.randint(1, 250)
        return f"{street} {number}" if after else f"{number} {street}"

    def nationals(self) -> Value:
        forms = ("4##-5#-6###", "@@######C", "@@@@@@8#A1#H#0#@", "19#60#15-####", "###.###.###-##", "#########")
        form = self.random.choice(forms)
        return self.pesels if form == "#########" else self.masked(form)

    def pesels(self) -> str:
        rng = self.random
        body = f"{rng.randint(40, 99)}{rng.randint(1, 12):02}{rng.randint(1, 28):02}{self.number(4)}"
        total = sum(int(char) * weight for char, weight in zip(body, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3), strict=True))
        return f"{body}{-total % 10}"

    def addresses_ip(self) -> Value:
        six = self.random.random() < 0.2
        return lambda: (
            ("2001:db8::" + self.number(4)) if six else ".".join(str(self.random.randint(1, 254)) for _ in range(4))
        )

    # --- not personal -------------------------------------------------------------------------------------------

    def orders(self) -> Value:
        start, style = self.random.randint(10**15, 4 * 10**15), self.random.choice(_ORDER_STYLES)
        count = iter(range(start, start + 10**6, self.random.randint(1, 9)))
        makers: dict[str, Value] = {
            "count": lambda: str(next(count)),
            "date": lambda: f"2024{self.random.randint(1, 12):02}{self.random.randint(1, 28):02}{self.number(8)}",
            "letters": lambda: f"ORD-{self.number(8)}",
            "ten": lambda: self.number(10),
            "sixteen": lambda: self.random.choice("123456789") + self.number(15),
        }
        return makers[style]

    def codes(self) -> Value:
        return self.masked(self.random.choice(("AB-####", "SKU######", "P##-##-XL", "A####B", "##-####-##", "X#Y#Z#")))

    def stamps(self) -> Value:
        form = self.random.choice(
            ("{y}-{m:02}-{d:02} 1", "{d:02}/{m:02}/{y} 0", "{y}-{m:02}-{d:02}T1", "{m:02}/{d:02}/{y} 1")
        )
        day = self.dated(form, 2023, 2024)
        return lambda: f"{day()}{self.random.randint(0, 9)}:{self.random.randint(10, 59)}:{self.random.randint(10, 59)}"

    def prices(self) -> Value:
        return lambda: f"{self.random.uniform(0.5, 900):.2f}"

    def cities(self) -> Value:
        return lambda: self.random.choice(self.pool.cities).strip()

    def products(self) -> Value:
        return lambda: self.random.choice(self.pool.products).strip()

    def quantities(self) -> Value:
        return lambda: str(self.random.randint(1, 40))

    def statuses(self) -> Value:
        words = self.random.choice(
            (("CASH", "CARD"), ("open", "paid", "cancelled"), ("A", "B", "C"), ("web", "store", "phone"))
        )
        return lambda: self.random.choice(words)

    def barcodes(self) -> Value:
        return lambda: "40" + self.number(11)

    def versions(self) -> Value:
        return lambda: ".".join(str(self.random.randint(0, 12)) for _ in range(4))

    def companies(self) -> Value:
        ends = ("Ltd", "GmbH", "Inc.", "& Sons", "Group", "SARL", "Logistics")
        return lambda: f"{self.random.choice(self.pool.family)} {self.random.choice(ends)}"

    def epochs(self) -> Value:
        unit = self.random.choice((1, 1000, 1_000_000))
        return lambda: str(self.random.randint(1_690_000_000, 1_720_000_000) * unit)

    def comments(self) -> Value:
        words = """please call before noon leave with neighbour gate code is broken very happy thanks again no sugar
            late""".split()
        return lambda: " ".join(self.random.choices(words, k=self.random.randint(3, 9)))

    def hires(self) -> Value:
        return self.dated(self.random.choice(("{y}-{m:02}-{d:02}", "{d:02}.{m:02}.{y}")), 1992, 2024)

    def parts(self) -> Value:
        return self.masked(self.random.choice(("###-###-####", "## ### ###", "####-####", "@@-###/##", "00####-###")))

    def locations(self) -> Value:
        word = self.random.choice(("Gate", "Shelf", "Hall B Row", "Platz"))
        return lambda: f"{word} {self.random.randint(1, 99)}"

    def plates(self) -> Value:
        return self.masked(self.random.choice(("@@##@@@", "@-@@ ####", "###-@@@")))

    def digests(self) -> Value:
        return lambda: f"{self.random.getrandbits(128):032x}"

    def publications(self) -> Value:
        return self.dated("{y}-{m:02}-{d:02}", 2009, 2024)


def _luhn(number: str) -> bool:
    doubled = (int(char) * (2 if place % 2 else 1) for place, char in enumerate(reversed(number)))
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


_HOSTS = ("example.org", "mail.test", "firma.example")
_ORDER_STYLES = ("count", "date", "letters", "ten", "sixteen")
_PERSONAL: dict[str, Callable[[Maker], Value]] = {
    NAME: Maker.names, EMAIL: Maker.emails, CARD: Maker.cards, PHONE: Maker.phones, IBAN: Maker.ibans,
    BIRTH: Maker.births, POSTCODE: Maker.postcodes, ADDRESS: Maker.addresses, NATIONAL: Maker.nationals,
    IP: Maker.addresses_ip,
}  # fmt: skip
_OTHERS: dict[str, Callable[[Maker], Value]] = {
    "order number": Maker.orders, "product code": Maker.codes, "timestamp": Maker.stamps, "price": Maker.prices,
    "city": Maker.cities, "product": Maker.products, "quantity": Maker.quantities, "status": Maker.statuses,
    "barcode": Maker.barcodes, "version": Maker.versions, "company": Maker.companies, "epoch": Maker.epochs,
    "comment": Maker.comments, "published": Maker.publications, "hired": Maker.hires, "part": Maker.parts,
    "location": Maker.locations, "plate": Maker.plates, "digest": Maker.digests,
}  # fmt: skip
