"""Invented till exports with every kind of mistake that tills make, and how a person would correct each."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from penstock.testing.tellers import Made
from penstock.testing.tills import COLUMNS

BRANCHES = ("Leeds", "Chesterfield", "Uppingham", "Zürich")
DRINKS = ("Latte", "Mocha", "Espresso", "Flat white", "Speciality Tea - Green", "Flavoured latte - Caramel")
SEASONAL = ("Pumpkin latte", "Eggnog", "Iced cherry", "Rhubarb fizz")
"""Rarely sold: a correction often drops the only sale of one."""

Fields = list[str]
Line = tuple[bytes, Mapping[str, str] | None]
"""A line as it is written, and the correction that it needs, if any."""
Spoiler = Callable[[random.Random, Fields], tuple[bytes, Mapping[str, str]]]


def export(rng: random.Random, branch: str, day: datetime, orders: int) -> Made:
    """One branch's day. Some lines are wrong, some files are written in an odd but lawful way."""
    moment, lines = day, list[Line]()
    for _ in range(orders):
        fields = _order(rng, branch, moment)
        lines.append(_spoilt(rng, fields) if rng.random() < 0.15 else (_written(fields), None))
        lines += _oddity(rng, lines[-1])
        moment += timedelta(minutes=rng.choice((0, 1, 1, 2)))
    return _assembled(rng, lines)


def _order(rng: random.Random, branch: str, moment: datetime) -> Fields:
    names = rng.choices((*DRINKS, rng.choice(SEASONAL)), k=rng.choice((1, 1, 2, 3)))
    items = [(rng.choice(("Regular", "Large")), name, Decimal(rng.randrange(100, 400)) / 100) for name in names]
    basket = ", ".join(f"{size} {name} - {price:.2f}" for size, name, price in items)
    total = sum((price for _, _, price in items), Decimal(0))
    payment = rng.choice(("CASH", "CARD"))
    card = "".join(rng.choices("0123456789", k=rng.choice((16, 16, 16, 6)))) if payment == "CARD" else ""
    customer = rng.choice(("Ada Baker", "Jonas Groß", 'Bilal "Bo" Gray', "Esther\nEriksen", "Doyle, Dylan"))
    return [f"{moment:%d/%m/%Y %H:%M}", branch, customer, basket, str(total), payment, card]


def _written(fields: Fields) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerow(fields)
    return text.getvalue().encode()


def _oddity(rng: random.Random, last: Line) -> list[Line]:
    """Sometimes the same line once more, which tills do and which counts twice, or a blank line, which counts for
    nothing."""
    chance = rng.random()
    if chance < 0.05:
        return [last]
    return [(b"\n", None)] if chance < 0.1 else []


def _assembled(rng: random.Random, lines: list[Line]) -> Made:
    at, edits = 1, {}
    for line, edit in lines:
        if edit is not None:
            edits[at] = edit
        at += line.count(b"\n")
    data = b"".join(line for line, _ in lines)
    if rng.random() < 0.2:
        data = data.replace(b"\n", b"\r\n")
    if rng.random() < 0.1:
        data = b"\xef\xbb\xbf" + data
    return Made(data.removesuffix(b"\n") if rng.random() < 0.3 else data, edits)


# --- mistakes ----------------------------------------------------------------------------------------------------


def _spoilt(rng: random.Random, fields: Fields) -> tuple[bytes, Mapping[str, str]]:
    return rng.choice(MISTAKES)(rng, fields)


def _wrong(column: str, value: str) -> Spoiler:
    """One column is wrong; to correct it is enough."""
    place = COLUMNS.index(column)

    def spoil(_: random.Random, fields: Fields) -> tuple[bytes, Mapping[str, str]]:
        return _written([*fields[:place], value, *fields[place + 1 :]]), {column: fields[place]}

    return spoil


def _garbled(garble: Callable[[random.Random, bytes], bytes]) -> Spoiler:
    """The line cannot be split into columns; only a person who gives them all brings it back."""

    def spoil(rng: random.Random, fields: Fields) -> tuple[bytes, Mapping[str, str]]:
        plain = [field.replace("\n", " ") for field in fields]
        return garble(rng, _written(plain)), dict(zip(COLUMNS, plain, strict=True))

    return spoil


MISTAKES = (
    _wrong("ordered_at", "31/02/2024 09:00"),
    _wrong("ordered_at", ""),
    _wrong("branch", ""),
    _wrong("basket", "Large Latte"),
    _wrong("total", "0.05"),
    _wrong("total", "-2.45"),
    _wrong("total", "2.455"),
    _wrong("payment", "CHEQUE"),
    _garbled(lambda _, line: b",".join(line.split(b",")[:3]) + b"\n"),
    _garbled(lambda _, line: line[:-1] + b",surplus\n"),
    _garbled(lambda rng, line: b'"' + line[: rng.randrange(4, 30)].replace(b'"', b"") + b"\n"),
    _garbled(lambda _, line: line[:3] + b"\xff" + line[3:]),
    _garbled(lambda _, line: line[:3] + b"\0" + line[3:]),
)
"""What tills do wrong."""


def no_export(rng: random.Random) -> bytes:
    """A file that is no till export at all."""
    return rng.choice(
        (
            b"",
            b"\n\n\n",
            b"PK\x03\x04\x14\0\0\0\x08\0" + rng.randbytes(200),
            b"<!doctype html><html><body>Not found</body></html>\n",
            b"".join(b"%d;Leeds;2.45\n" % number for number in range(rng.randrange(1, 30))),
            "04/03/2024 09:00,Leeds,Ada,Large Latte - 2.45,2.45,CASH,\n".encode("utf-16"),
        )
    )
