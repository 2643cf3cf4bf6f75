"""What the values of a column look like: for each kind of personal data, how far they fit it.

Two numbers for each kind: `plausible`, the share of values that could be of the kind at all (a header that names the
kind is believed only then), and `alone`, how sure the values make it without any header.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address

from penstock.adapters.duckdb.proposals import names, vocabulary
from penstock.adapters.duckdb.proposals.checksums import bsn, digits, dni, iban, iban_shape, luhn, nir, pesel
from penstock.adapters.duckdb.proposals.vocabulary import fold

_NOTHING = frozenset("n/a na none null nil nan - -- ? unknown unbekannt keine leer tbd xxx #n/a".split())
_MOST = 1000


@dataclass(frozen=True, slots=True)
class Values:
    """A column's values as they are judged: distinct, without blanks and words for “nothing”."""

    texts: tuple[str, ...]
    rows: int
    """How many rows hold a value."""

    @classmethod
    def of(cls, column: Iterable[str | None]) -> Values:
        held = [text.strip() for text in column if text is not None]
        held = [text for text in held if text and text.casefold() not in _NOTHING]
        return cls(tuple(dict.fromkeys(held))[:_MOST], len(held))

    def share(self, test: Callable[[str], object]) -> float:
        return sum(1 for text in self.texts if test(text)) / len(self.texts) if self.texts else 0.0


@dataclass(frozen=True, slots=True)
class Fit:
    """How far values fit a kind. `proof`: the shape is so particular that no header talks it away."""

    plausible: float
    alone: float
    why: tuple[str, ...] = ()
    proof: bool = False


NO_FIT = Fit(0.0, 0.0)


def percent(share: float) -> str:
    return f"{share:.0%}".replace("%", " %")


# --- numbers and codes ---------------------------------------------------------------------------------------------

_EMAIL = re.compile(r"[^@\s\"<>,;:]+@[^@\s,;]+\.[^\W\d_]{2,}\.?")


def email(values: Values) -> Fit:
    share = values.share(_EMAIL.fullmatch)
    return Fit(
        share,
        0.58 + 0.4 * share if share >= 0.4 else 0.0,
        (f"{percent(share)} have the form of an address",),
        share >= 0.4,
    )


_CARD = re.compile(r"(\d{12,19}|\d{4}([ -])\d{4}\2\d{4}\2\d{1,7}|\d{4}([ -])\d{6}\3\d{4,5})")
_MASKED = re.compile(r"[\dxX*•#]{0,6}([xX*•#]{3,}[ -]?)+[\dxX*•# -]*\d{2,4}")
_GROUPED = re.compile(r"\d{4}([ -])(\d{4}\1\d{4}\1\d{4}|\d{6}\1\d{5})")
_DATED = re.compile(r"(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])")


def card(values: Values) -> Fit:
    masked = values.share(_MASKED.fullmatch)
    plausible = values.share(_CARD.fullmatch) + masked
    numbers = [digits(text) for text in values.texts if _CARD.fullmatch(text)]
    typical = values.share(lambda text: _CARD.fullmatch(text) and len(digits(text)) in (15, 16))
    if plausible < 0.5 or not numbers:
        return Fit(plausible, 0.6 if masked >= 0.8 else 0.0, ("masked card numbers",))
    passing = sum(map(luhn, numbers)) / len(numbers)
    why = (f"{percent(plausible)} have 12 to 19 digits", f"{percent(passing)} pass the Luhn check")
    if passing >= 0.9 and plausible >= 0.9 and len(numbers) >= 5:
        return Fit(plausible, 0.95, why, len(numbers) >= 20)
    if typical < 0.8:
        return Fit(plausible, 0.0, why)
    if values.share(_GROUPED.fullmatch) >= 0.8:
        return Fit(plausible, 0.8, why)
    return Fit(plausible, 0.1 if _counted(numbers) or _padded(numbers) else 0.6, why)


def _padded(numbers: Sequence[str]) -> bool:
    return sum(number.startswith("0") for number in numbers) >= 0.5 * len(numbers)


def _counted(numbers: Sequence[str]) -> bool:
    """Numbers that were given out in order, or begin alike or with a date: what tills and shops print on receipts."""
    if len(numbers) < 5:
        return False
    sizes = sorted(map(int, filter(None, numbers)))
    if sizes and sizes[-1] - sizes[0] < 0.2 * sizes[-1]:
        return True
    rising = sum(first < second for first, second in zip(numbers, numbers[1:], strict=False))
    ordered = len(numbers) >= 8 and (rising >= 0.95 * (len(numbers) - 1) or rising <= 0.05 * (len(numbers) - 1))
    dated = sum(bool(_DATED.match(number)) for number in numbers)
    return ordered or dated >= 0.8 * len(numbers)


_DATELIKE = re.compile(r"(\d{1,4}[./\-]\d{1,2}[./\-]\d{1,4}|\d{8})([ T]\d.*)?")
_DIALLED = re.compile(r"[+(\d][\d\s()./\-]{5,20}(\s*(x|ext\.?)\s*\d{1,5})?")
_PHONES = tuple(
    re.compile(form)
    for form in (
        r"\+\s?\d[\d\s()./\-]{6,18}(\s*(x|ext\.?)\s*\d{1,5})?",
        r"00[1-9]\d[\d\s()./\-]{7,16}",
        r"\(\+\d{1,3}\)\s?\d[\d\s()./\-]{6,16}",
        r"1[3-9]\d{9}",
        r"\(0?\d{2,5}\)\s?\d[\d\s\-]{4,10}(\s*(x|ext\.?)\s*\d{1,5})?",
        r"(1[\s.\-])?[2-9]\d\d[\s.\-][2-9]\d\d[\s.\-]\d{4}(\s*(x|ext\.?)\s*\d{1,5})?",
        r"0[1-9]\d{0,3}[\s/\-.]\d[\d\s\-./]{4,11}",
        r"0[1-9]\d{8,9}",
    )
)


def _dials(text: str) -> bool:
    return bool(_DIALLED.fullmatch(text)) and 6 <= len(digits(text)) <= 15 and not _elsewhere(text)


def _elsewhere(text: str) -> bool:
    return bool(_DATELIKE.fullmatch(text)) or text.count(".") == 1 or _is_ip(text) or digits(text).startswith("000")


def phone(values: Values) -> Fit:
    plausible = values.share(_dials)
    typical = values.share(lambda text: _dials(text) and any(form.fullmatch(text) for form in _PHONES))
    why = (f"{percent(typical)} are written as phone numbers are",)
    bare = [text[-7:] for text in values.texts if text.isdecimal() and len(text) >= 9]
    if len(bare) > len(values.texts) / 2 and _counted(bare):
        return Fit(plausible, 0.0, why)
    least = 0.5 if values.share(lambda text: _dials(text) and text.startswith(("+", "(", "00"))) >= 0.1 else 0.8
    return Fit(plausible, 0.5 + 0.4 * typical if typical >= least else 0.0, why)


def bank(values: Values) -> Fit:
    """IBAN, ISO 13616."""
    share, passing = values.share(iban_shape), values.share(iban)
    loose = values.share(re.compile(r"[A-Za-z]{2}\d\d[A-Za-z0-9 ]{8,36}").fullmatch)
    why = (f"{percent(share)} have a country's IBAN length", f"{percent(passing)} pass the check modulo 97")
    return Fit(max(share, loose), 0.65 + 0.3 * share if share >= 0.6 else 0.0, why, passing >= 0.6)


_ACCOUNT = re.compile(r"(?=(?:.*\d){5})[\d\s\-/.]{5,26}")


def account(values: Values) -> Fit:
    share = values.share(_ACCOUNT.fullmatch)
    return Fit(share, 0.0, (f"{percent(share)} are numbers of an account's length",))


_NATIONAL: dict[str, tuple[re.Pattern[str], float]] = {
    "US": (re.compile(r"(?!000|666)[0-8]\d\d-(?!00)\d\d-(?!0000)\d{4}"), 0.85),
    "GB": (re.compile(r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d\d ?\d\d ?\d\d ?[A-D]"), 0.9),
    "IT": (re.compile(r"[A-Z]{6}\d\d[A-EHLMPR-T]\d\d[A-Z]\d{3}[A-Z]"), 0.95),
    "SE": (re.compile(r"(\d\d)?\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])[-+]\d{4}"), 0.8),
    "FI": (re.compile(r"(0[1-9]|[12]\d|3[01])(0[1-9]|1[0-2])\d\d[-+A]\d{3}[0-9A-FHJ-NPR-Y]"), 0.9),
    "DK": (re.compile(r"(0[1-9]|[12]\d|3[01])(0[1-9]|1[0-2])\d\d-\d{4}"), 0.8),
    "BR": (re.compile(r"\d{3}\.\d{3}\.\d{3}-\d\d"), 0.9),
    "KR": (re.compile(r"\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])-[1-4]\d{6}"), 0.9),
    "CN": (re.compile(r"[1-8]\d{5}(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])\d{3}[\dXx]"), 0.9),
    "ES": (re.compile(r"[XYZ\d]\d{7}-?[A-Z]"), 0.6),
    "FR": (re.compile(r"[12]( ?)\d\d\1(0[1-9]|1[0-2]|[2-9]\d)\1(\d\d|2[AB])\1\d{3}\1\d{3} ?\d\d"), 0.7),
}
_CHECKED: dict[str, Callable[[str], bool]] = {
    "ES": lambda text: bool(_NATIONAL["ES"][0].fullmatch(text)) and dni(text.replace("-", "")),
    "FR": lambda text: nir(text.replace(" ", "")) if text.replace(" ", "").isdecimal() else False,
    "PL": lambda text: text.isascii() and text.isdecimal() and pesel(text),
    "NL": lambda text: text.isascii() and text.isdecimal() and bsn(text),
}
_CODE = re.compile(r"(?=(?:.*\d){3})[A-Za-z\d][A-Za-z\d .\-/]{4,22}")


def national(values: Values) -> Fit:
    plausible = values.share(lambda text: _CODE.fullmatch(text) and not _DATELIKE.fullmatch(text))
    shares = {country: values.share(form.fullmatch) for country, (form, _) in _NATIONAL.items()}
    country = max(shares, key=lambda name: shares[name] * _NATIONAL[name][1])
    checked = {name: values.share(test) for name, test in _CHECKED.items()}
    best = max(checked, key=lambda name: checked[name])
    if checked[best] >= 0.9 and len(values.texts) >= 10:
        return Fit(
            1.0, 0.93, (f"{percent(checked[best])} pass the check digits of a national id ({best})",), proof=True
        )
    if shares[country] >= 0.8:
        return Fit(
            1.0,
            _NATIONAL[country][1] * shares[country],
            (f"{percent(shares[country])} have the form of a national id ({country})",),
        )
    return Fit(plausible, 0.0, (f"{percent(plausible)} are codes of an id's length",))


def _is_ip(text: str) -> bool:
    if text.count(".") != 3 and text.count(":") < 2:
        return False
    try:
        ip_address(text.split("/")[0])
    except ValueError:
        return False
    return True


def internet(values: Values) -> Fit:
    share = values.share(_is_ip)
    octets = [
        max(map(int, digits_of))
        for text in values.texts
        if _is_ip(text) and (digits_of := re.findall(r"\d+", text)) and ":" not in text
    ]
    versions = octets and sum(octet > 25 for octet in octets) < 0.5 * len(octets)
    return Fit(
        share, 0.55 + 0.4 * share if share >= 0.7 and not versions else 0.0, (f"{percent(share)} are IP addresses",)
    )


# --- dates, places --------------------------------------------------------------------------------------------------

_YEARS = (
    re.compile(r"((?:18|19|20)\d\d)[-./]?(?:0?[1-9]|1[0-2])[-./]?(?:0?[1-9]|[12]\d|3[01])(?:[ T]00:00(?::00)?)?"),
    re.compile(r"(?:0?[1-9]|[12]\d|3[01])[-./](?:0?[1-9]|[12]\d|3[01])[-./]((?:18|19|20)\d\d)(?: 00:00(?::00)?)?"),
    re.compile(r"(?:0?[1-9]|[12]\d|3[01])\.?[ \-][^\W\d_]{3,10}\.?[ \-]((?:18|19|20)\d\d)"),
    re.compile(r"[^\W\d_]{3,10}\.? (?:0?[1-9]|[12]\d|3[01]),? ((?:18|19|20)\d\d)"),
    re.compile(r"((?:18|19|20)\d\d)年\d{1,2}月\d{1,2}日"),
)
_SHORT_YEAR = re.compile(r"\d{1,2}[-./]\d{1,2}[-./]\d\d")


def _year(text: str) -> int:
    return next((int(match[1]) for form in _YEARS if (match := form.fullmatch(text))), 0)


def birth(values: Values) -> Fit:
    years = sorted(filter(None, map(_year, values.texts)))
    share = len(years) / len(values.texts) if values.texts else 0.0
    plausible = max(share, values.share(_SHORT_YEAR.fullmatch))
    if share < 0.9 or len(years) < 10:
        return Fit(plausible, 0.0, (f"{percent(plausible)} are dates",))
    this, low, high = datetime.now().year, years[len(years) // 20], years[-1 - len(years) // 20]  # noqa: DTZ005  a year
    lives = high - low >= 20 and years[len(years) // 2] <= this - 25 and low >= this - 120
    return Fit(
        plausible, 0.62 if lives else 0.0, (f"{percent(share)} are dates without a time, {high - low} years wide",)
    )


_POSTCODES = re.compile(
    r"[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}|[A-Z]\d[A-Z][ -]?\d[A-Z]\d|\d{4} ?[A-Z]{2}|\d{5}-\d{4}|\d{2}-\d{3}|\d{3} \d{2}"
    r"|〒?\d{3}-\d{4}|\d{4}-\d{3}|\d{5}-\d{3}|[A-Z]{1,2}-\d{4,5}|[A-Z]\d[\dW] ?[A-Z\d]{4}",
    re.IGNORECASE,
)
_PLACED = re.compile(r"(?=.*\d)[A-Z\d][A-Z\d \-]{1,8}[A-Z\d]", re.IGNORECASE)


def postcode(values: Values) -> Fit:
    typical = values.share(_POSTCODES.fullmatch)
    plausible = max(typical, values.share(_PLACED.fullmatch))
    mixed = values.share(lambda text: _POSTCODES.fullmatch(text) and re.search("[A-Za-z]", text))
    counted = _counted([digits(text) for text in values.texts]) if len(values.texts) >= 8 else False
    letters = {re.sub(r"[^A-Za-z]", "", text) for text in values.texts}
    coded = len(letters) == 1 if mixed >= 0.8 else counted
    alone = 0.0 if typical < 0.8 or coded else (0.75 if mixed >= 0.8 else 0.6)
    return Fit(plausible, alone, (f"{percent(max(typical, plausible))} have the length of a postcode",))


_COMPOUND = ("strasse", "straße", "str.", "weg", "gasse", "platz", "allee", "straat", "laan", "gracht", "gatan", "vagen",
             "veien", "gata", "vej", "gade", "katu", "tie", "utca", "ufer", "damm", "kade", "plein")  # fmt: skip
_ASIAN_STREET = re.compile(r"[路街道巷弄号號]|丁目|番地|[都県府市区區町村].*\d|로 ?\d|길 ?\d")
_WORDS = re.compile(r"[^\W\d_]+")


def _street(text: str) -> bool:
    found = _WORDS.findall(fold(text))
    return bool(
        set(found) & vocabulary.STREETS
        or any(len(word) > 5 and word.endswith(_COMPOUND) for word in found)
        or _ASIAN_STREET.search(text)
    )


def _numbered(text: str) -> bool:
    return bool(re.search(r"(^|[\s,#])\d{1,5}\s?[A-Za-z]?([\s,/\-]|$)|\d+[号號番-]", text))


def _addressed(text: str) -> bool:
    return (
        "@" not in text
        and bool(re.search(r"[^\W\d_]{3}|[一-鿿가-힣]{2}", text))
        and (_street(text) or bool(re.search(r"\d", text)) or " " in text)
    )


def address(values: Values) -> Fit:
    typical = values.share(lambda text: _numbered(text) and _street(text) and len(text) < 120)
    plausible = values.share(_addressed)
    why = (f"{percent(typical)} name a street and a number",)
    if len({" ".join(_WORDS.findall(text)) for text in values.texts}) < min(5, len(values.texts) / 2):
        return Fit(plausible, 0.0, why)  # one or two words with numbers: gates, rooms, shelves
    if typical >= 0.4:
        return Fit(plausible, 0.5 + 0.4 * typical, why)
    return Fit(plausible, 0.55 if _like_addresses(values) else 0.0, ("each joins other words with another number",))


def _like_addresses(values: Values) -> bool:
    """Nearly every row has a value of its own, and words and numbers vary both: no product or event is named so."""
    if len(values.texts) < 20 or len(values.texts) < 0.8 * min(values.rows, _MOST):
        return False
    if values.share(lambda text: _numbered(text) and _addressed(text) and 2 <= len(text.split()) <= 14) < 0.8:
        return False
    worded = {" ".join(_WORDS.findall(text)) for text in values.texts}
    numbered = {tuple(re.findall(r"\d+", text)) for text in values.texts}
    return len(worded) >= 0.5 * len(values.texts) and len(numbered) >= 0.3 * len(values.texts)


# --- names ----------------------------------------------------------------------------------------------------------

_TITLES = frozenset(
    "mr mrs ms miss mx dr prof sir dame herr frau hr fr sr sra srta dott ing mme mlle m pan pani de jr iii ii".split()
)
_PARTICLES = frozenset(
    "de la le du del della di da dos das do van der den von zu ten ter al el bin ibn ben abu y e i af av".split()
)
_TOKEN = re.compile(r"[^\W\d_]+(?:['’´`.\-·][^\W\d_]+)*[.'’]?")


def _tokens(text: str) -> list[str]:
    """The words of a text if it is made of nothing but words, a comma perhaps."""
    parts = text.replace(",", " ").split()
    return parts if parts and all(_TOKEN.fullmatch(part) for part in parts) and text.count(",") <= 1 else []


def _capital(word: str) -> bool:
    return word[0].isupper() or not (word[0].isupper() or word[0].islower())


def _called(text: str) -> int:
    """How many words a text has if it is written as a person's name is, else 0."""
    parts = [part for part in _tokens(text) if fold(part.strip(".")) not in _TITLES]
    main = [part for part in parts if fold(part) not in _PARTICLES]
    if not main or len(main) > 4 or len(text) > 60 or not all(map(_capital, main)):
        return 0
    folded = {fold(part.strip(".'’")) for part in main}
    return 0 if folded & vocabulary.COMPANY or (len(main) > 1 and fold(main[-1]) in vocabulary.STREETS) else len(main)


def _hit(text: str) -> bool:
    found = [part for word in _WORDS.findall(fold(text)) for part in (word,) if len(part) > 1]
    return names.known(found) or names.eastern(text)


def person(values: Values) -> Fit:
    counts = {text: _called(text) for text in values.texts}
    several = values.share(lambda text: counts[text] >= 2)
    called = values.share(lambda text: counts[text] >= 1)
    eastern = values.share(names.eastern)
    hits = values.share(lambda text: counts[text] and _hit(text))
    loose = values.share(
        lambda text: _tokens(text) and len(text) <= 60 and not set(map(fold, _tokens(text))) & vocabulary.COMPANY
    )
    common = values.share(lambda text: set(_WORDS.findall(fold(text))) & vocabulary.COMMON)
    plausible = max(loose, eastern) * (1 - 0.6 * common)
    why = (f"{percent(max(called, eastern))} are written like a name", f"{percent(hits)} hold a common name")
    if len(values.texts) < 5:
        return Fit(plausible, 0.3 * hits, why)
    if eastern >= 0.7:
        return Fit(plausible, 0.55 + 0.3 * eastern, why)
    if called >= 0.75 and several >= 0.4:
        return Fit(
            plausible,
            _sure(hits, ((0.55, 0.9), (0.35, 0.8), (0.2, 0.68), (0.12, 0.55), (0.05, 0.2)), 0.12) * (1 - common),
            why,
        )
    alone = _sure(hits, ((0.8, 0.85), (0.65, 0.75), (0.5, 0.55), (0.3, 0.3)), 0.0) if called >= 0.8 else 0.0
    related = values.share(lambda text: counts[text] and set(_WORDS.findall(fold(text))) & names.family())
    return Fit(plausible, max(alone, 0.3) if called >= 0.8 and related >= 0.2 else alone, why)


def _sure(share: float, steps: Sequence[tuple[float, float]], least: float) -> float:
    return next((sure for bound, sure in steps if share >= bound), least)


_LOGIN = re.compile(r"(?=.*[^\W\d_]{2})[\w.\-]{2,40}")


def login(values: Values) -> Fit:
    share = values.share(
        lambda text: _LOGIN.fullmatch(text) and sum(map(str.isalpha, text)) >= sum(map(str.isdecimal, text))
    )
    return Fit(share, 0.0, (f"{percent(share)} are single words",))


FITS: dict[str, Callable[[Values], Fit]] = {
    vocabulary.EMAIL: email,
    vocabulary.IBAN: bank,
    vocabulary.IP: internet,
    vocabulary.CARD: card,
    vocabulary.PHONE: phone,
    vocabulary.NATIONAL: national,
    vocabulary.BIRTH: birth,
    vocabulary.POSTCODE: postcode,
    vocabulary.ACCOUNT: account,
    vocabulary.NAME: person,
    vocabulary.ADDRESS: address,
    vocabulary.LOGIN: login,
}
"""In the order of preference where a header names two kinds and no value decides."""
