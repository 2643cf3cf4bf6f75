"""Numbers and codes that belong to people: e-mail and IP addresses, cards, phones, accounts, national ids, logins."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from ipaddress import ip_address

from penstock.adapters.duckdb.proposals.checksums import bsn, digits, dni, iban, iban_shape, luhn, nir, pesel
from penstock.adapters.duckdb.proposals.values import DATELIKE, Fit, Values, counted, percent

_EMAIL = re.compile(r"[^@\s\"<>,;:]+@[^@\s,;]+\.[^\W\d_]{2,}\.?")


def email(values: Values) -> Fit:
    """Addresses of the form of RFC 5322, as people write them."""
    share = values.share(_EMAIL.fullmatch)
    why = (f"{percent(share)} have the form of an address",)
    return Fit(share, 0.58 + 0.4 * share if share >= 0.4 else 0.0, why, proof=share >= 0.4)


_CARD = re.compile(r"([0-9]{12,19}|\d{4}([ -])\d{4}\2\d{4}\2\d{1,7}|\d{4}([ -])\d{6}\3\d{4,5})")
_MASKED = re.compile(r"(?=[^xX*•#]*[xX*•#]{3})[0-9xX*•# -]{6,21}[0-9]{2,4}")
_GROUPED = re.compile(r"\d{4}([ -])(\d{4}\1\d{4}\1\d{4}|\d{6}\1\d{5})")


def card(values: Values) -> Fit:
    """Payment cards: 15 or 16 digits that nobody counted up; the Luhn check raises confidence, but is not required."""
    masked = values.share(_MASKED.fullmatch)
    plausible = values.share(_CARD.fullmatch) + masked
    numbers = [digits(text) for text in values.texts if _CARD.fullmatch(text)]
    typical = values.share(lambda text: _CARD.fullmatch(text) and len(digits(text)) in (15, 16))
    if plausible < 0.5 or not numbers:
        return Fit(plausible, 0.6 if masked >= 0.8 else 0.0, ("masked card numbers",))
    passing = sum(map(luhn, numbers)) / len(numbers)
    why = (f"{percent(plausible)} have 12 to 19 digits", f"{percent(passing)} pass the Luhn check")
    if passing >= 0.9 and plausible >= 0.9 and len(numbers) >= 5:
        return Fit(plausible, 0.95, why, proof=len(numbers) >= 20)
    if typical < 0.8:
        return Fit(plausible, 0.0, why)
    if values.share(_GROUPED.fullmatch) >= 0.8:
        return Fit(plausible, 0.8, why)
    return Fit(plausible, 0.1 if counted(numbers) or _padded(numbers) else 0.6, why)


def _padded(numbers: Sequence[str]) -> bool:
    return sum(number.startswith("0") for number in numbers) >= 0.5 * len(numbers)


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
    return bool(DATELIKE.fullmatch(text)) or text.count(".") == 1 or _is_ip(text) or digits(text).startswith("000")


def phone(values: Values) -> Fit:
    """Phone numbers as they are written: international, with an area code, with or without separators."""
    plausible = values.share(_dials)
    typical = values.share(lambda text: _dials(text) and any(form.fullmatch(text) for form in _PHONES))
    why = (f"{percent(typical)} are written as phone numbers are",)
    bare = [text[-7:] for text in values.texts if text.isdecimal() and len(text) >= 9]
    if len(bare) > len(values.texts) / 2 and counted(bare):
        return Fit(plausible, 0.0, why)
    least = 0.5 if values.share(lambda text: _dials(text) and text.startswith(("+", "(", "00"))) >= 0.1 else 0.8
    return Fit(plausible, 0.5 + 0.4 * typical if typical >= least else 0.0, why)


def bank(values: Values) -> Fit:
    """IBAN, ISO 13616."""
    share, passing = values.share(iban_shape), values.share(iban)
    loose = values.share(re.compile(r"[A-Za-z]{2}\d\d[A-Za-z0-9 ]{8,36}").fullmatch)
    why = (f"{percent(share)} have a country's IBAN length", f"{percent(passing)} pass the check modulo 97")
    return Fit(max(share, loose), 0.65 + 0.3 * share if share >= 0.6 else 0.0, why, proof=passing >= 0.6)


_ACCOUNT = re.compile(r"(?=(?:.*\d){5})[\d\s\-/]{5,26}")


def account(values: Values) -> Fit:
    """National account numbers, which only a header can tell from other numbers."""
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
    """National ids: forms that no other number has, or check digits that nearly all values pass."""
    plausible = values.share(lambda text: _CODE.fullmatch(text) and not DATELIKE.fullmatch(text))
    formed = {country: values.share(form.fullmatch) for country, (form, _) in _NATIONAL.items()}
    usual = max(formed, key=lambda country: formed[country] * _NATIONAL[country][1])
    checked = {country: values.share(test) for country, test in _CHECKED.items()}
    best = max(checked, key=lambda country: checked[country])
    if checked[best] >= 0.9 and len(values.texts) >= 10:
        why = f"{percent(checked[best])} pass the check digits of a national id ({best})"
        return Fit(1.0, 0.93, (why,), proof=True)
    if formed[usual] >= 0.8:
        why = f"{percent(formed[usual])} have the form of a national id ({usual})"
        return Fit(1.0, _NATIONAL[usual][1] * formed[usual], (why,))
    return Fit(plausible, 0.0, (f"{percent(plausible)} are codes of an id's length",))


def _is_ip(text: str) -> bool:
    if text.count(".") != 3 and text.count(":") < 2:
        return False
    try:
        ip_address(text.partition("/")[0])
    except ValueError:
        return False
    return True


def internet(values: Values) -> Fit:
    """IP addresses, versions 4 and 6; four small numbers are a program's version."""
    found = [text for text in values.texts if _is_ip(text)]
    share = values.share(_is_ip)
    small = [text for text in found if ":" not in text and max(map(int, re.findall(r"[0-9]+", text))) <= 25]
    sure = share >= 0.7 and len(small) <= 0.5 * len(found)
    return Fit(share, 0.55 + 0.4 * share if sure else 0.0, (f"{percent(share)} are IP addresses",))


_LOGIN = re.compile(r"(?=.*[^\W\d_]{2})[\w.\-]{2,40}")


def login(values: Values) -> Fit:
    """Login names, which only a header can tell from other words."""
    share = values.share(
        lambda text: _LOGIN.fullmatch(text) and sum(map(str.isalpha, text)) >= sum(map(str.isdecimal, text))
    )
    return Fit(share, 0.0, (f"{percent(share)} are single words",))
