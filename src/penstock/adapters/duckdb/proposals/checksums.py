"""Check digits of numbers that belong to people. They only raise confidence: real files hold numbers that fail them."""

from __future__ import annotations

import re

IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29, "BY": 28,
    "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18,
    "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22,
    "IL": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LI": 21, "LT": 20, "LU": 20, "LV": 21,
    "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MR": 27, "MT": 31, "MU": 30, "NL": 18, "NO": 15, "PK": 24, "PL": 28,
    "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "SA": 24, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "TN": 24,
    "TR": 26, "UA": 29, "XK": 20,
}  # fmt: skip
"""Lengths by country, from the registry of ISO 13616."""


_ASCII = frozenset("0123456789")


def digits(text: str) -> str:
    """The ASCII digits of a text."""
    return "".join(filter(_ASCII.__contains__, text))


def luhn(number: str) -> bool:
    """ISO/IEC 7812-1, annex B: every second digit from the right is doubled."""
    total = 0
    for place, char in enumerate(reversed(number)):
        value = int(char) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def iban_shape(text: str) -> bool:
    """A known country, two check digits and the country's length."""
    bare = text.replace(" ", "").upper()
    return bool(re.fullmatch(r"[A-Z]{2}\d\d[A-Z0-9]+", bare)) and IBAN_LENGTHS.get(bare[:2]) == len(bare)


def iban(text: str) -> bool:
    """ISO 7064 modulo 97 over the rearranged number."""
    bare = text.replace(" ", "").upper()
    return iban_shape(text) and int("".join(str(int(char, 36)) for char in bare[4:] + bare[:4])) % 97 == 1


def _weighted(number: str, weights: tuple[int, ...], modulus: int) -> int:
    return sum(int(char) * weight for char, weight in zip(number, weights, strict=False)) % modulus


def pesel(number: str) -> bool:
    """Poland: eleven digits, a date of birth, a weighted sum."""
    if len(number) != 11 or not 1 <= int(number[2:4]) % 20 <= 12 or not 1 <= int(number[4:6]) <= 31:
        return False
    return _weighted(number, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1), 10) == 0


def bsn(number: str) -> bool:
    """Netherlands: nine digits, the test by eleven."""
    return len(number) == 9 and _weighted(number, (9, 8, 7, 6, 5, 4, 3, 2, -1), 11) == 0


def nir(number: str) -> bool:
    """France: thirteen digits that tell sex, year and month of birth, and a key modulo 97."""
    return len(number) == 15 and number[0] in "12" and int(number[13:]) == 97 - int(number[:13]) % 97


def dni(text: str) -> bool:
    """Spain: eight digits (seven after X, Y or Z) and the letter that their remainder by 23 gives."""
    number = text[:-1].translate(str.maketrans("XYZ", "012"))
    return number.isdecimal() and text[-1] == "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23]
