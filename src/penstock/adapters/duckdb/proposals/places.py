"""Dates of birth, postcodes and addresses."""

from __future__ import annotations

import re

from penstock.adapters.duckdb.proposals import vocabulary
from penstock.adapters.duckdb.proposals.checksums import digits
from penstock.adapters.duckdb.proposals.values import MOST, Fit, Values, counted, percent
from penstock.adapters.duckdb.proposals.vocabulary import fold

_YEARS = (
    re.compile(r"((?:18|19|20)\d\d)[-./]?(?:0?[1-9]|1[0-2])[-./]?(?:0?[1-9]|[12]\d|3[01])(?:[ T]00:00(?::00)?)?"),
    re.compile(r"(?:0?[1-9]|[12]\d|3[01])[-./](?:0?[1-9]|[12]\d|3[01])[-./]((?:18|19|20)\d\d)(?: 00:00(?::00)?)?"),
    re.compile(r"(?:0?[1-9]|[12]\d|3[01])\.?[ \-][^\W\d_]{3,10}\.?[ \-]((?:18|19|20)\d\d)"),
    re.compile(r"[^\W\d_]{3,10}\.? (?:0?[1-9]|[12]\d|3[01]),? ((?:18|19|20)\d\d)"),
    re.compile(r"((?:18|19|20)\d\d)年\d{1,2}月\d{1,2}日"),
)
_NOW = 2026
"""The year in which the rule was measured: the same file gives the same proposal in every year."""
_SHORT_YEAR = re.compile(r"\d{1,2}[-./]\d{1,2}[-./]\d\d")


def _year(text: str) -> int:
    return next((int(match[1]) for form in _YEARS if (match := form.fullmatch(text))), 0)


def birth(values: Values) -> Fit:
    """Dates without a time; on their own only those that spread over the years in which living adults were born."""
    years = sorted(filter(None, map(_year, values.texts)))
    share = len(years) / len(values.texts) if values.texts else 0.0
    plausible = max(share, values.share(_SHORT_YEAR.fullmatch))
    if share < 0.9 or len(years) < 10:
        return Fit(plausible, 0.0, (f"{percent(plausible)} are dates",))
    low, middle, high = (years[int(place * (len(years) - 1))] for place in (0.05, 0.5, 0.95))
    lives = high - low >= 20 and low >= _NOW - 120 and middle <= _NOW - 25
    why = f"{percent(share)} are dates without a time, {high - low} years wide"
    return Fit(plausible, 0.62 if lives else 0.0, (why,))


_POSTCODES = re.compile(
    r"[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}|[A-Z]\d[A-Z][ -]?\d[A-Z]\d|\d{4} ?[A-Z]{2}|\d{5}-\d{4}|\d{2}-\d{3}|\d{3} \d{2}"
    r"|〒?\d{3}-\d{4}|\d{4}-\d{3}|\d{5}-\d{3}|[A-Z]{1,2}-\d{4,5}|[A-Z]\d[\dW] ?(?=\d*[A-Z])[A-Z\d]{4}",
    re.IGNORECASE,
)
_PLACED = re.compile(r"(?=.*\d)[A-Z\d][A-Z\d \-]{1,8}[A-Z\d]", re.IGNORECASE)


def postcode(values: Values) -> Fit:
    """Postcodes of a form of their own; four to six plain digits only under a header that says so."""
    typical = values.share(_POSTCODES.fullmatch)
    plausible = max(typical, values.share(_PLACED.fullmatch))
    mixed = values.share(lambda text: _POSTCODES.fullmatch(text) and re.search("[A-Za-z]", text))
    letters = {re.sub(r"[^A-Za-z]", "", text) for text in values.texts}
    coded = len(letters) == 1 if mixed >= 0.8 else counted([digits(text) for text in values.texts])
    alone = 0.0 if typical < 0.8 or coded else (0.75 if mixed >= 0.8 else 0.6)
    return Fit(plausible, alone, (f"{percent(max(typical, plausible))} have the length of a postcode",))


_COMPOUND = (
    "strasse", "str.", "weg", "gasse", "platz", "allee", "straat", "laan", "gracht", "gatan", "vagen", "veien", "gata",
    "vej", "gade", "katu", "tie", "utca", "ufer", "damm", "kade", "plein",
)  # fmt: skip
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
    """Streets with numbers, before or behind, in many languages; or what is built alike and never comes twice."""
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
    if len(values.texts) < 20 or len(values.texts) < 0.8 * min(values.rows, MOST):
        return False
    if values.share(lambda text: _numbered(text) and _addressed(text) and 2 <= len(text.split()) <= 14) < 0.8:
        return False
    worded = {" ".join(_WORDS.findall(text)) for text in values.texts}
    numbered = {tuple(re.findall(r"\d+", text)) for text in values.texts}
    return len(worded) >= 0.5 * len(values.texts) and len(numbered) >= 0.3 * len(values.texts)
