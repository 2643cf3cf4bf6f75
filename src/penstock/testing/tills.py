"""A café's till export, read by hand: what each of its lines says, or that it has to be set aside.

Written from the promises with nothing but Python's `csv`, `re` and `decimal`, so that it can contradict the product.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

COLUMNS = ("ordered_at", "branch", "customer", "basket", "total", "payment", "card")
FIRST_RECORDS = 20
"""How many records tell whether a file without a header is such an export at all."""

_MOMENT = re.compile(r"\d\d?/\d\d?/\d{4} \d\d?:\d\d?")
_TOTAL = re.compile(r"\s*[+-]?(\d+(\.\d{0,2}0*)?|\.\d{1,2}0*)\s*", re.ASCII)
_ITEM = re.compile(r"(\S+) (.+) - (\d+\.\d\d)", re.ASCII)
_PRICE = re.compile(r"- (\d+\.\d\d)(?=,|$)", re.ASCII)
_LARGEST = Decimal("999999.99")
_LINE_END = re.compile(r"\r\n|\n|\r")
_NO_TEXT = re.compile(r"[\0\ud800-\udfff]")


class Unreadable(ValueError):
    """The file as a whole is no till export: nothing of it may be loaded."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record on its first physical line; `fields` is None where it cannot be split into columns. `width` tells
    how many fields there are, 0 where it is no CSV at all."""

    line: int
    fields: tuple[str, ...] | None
    width: int = len(COLUMNS)


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that was sold."""

    size: str
    product: str
    price: Decimal


@dataclass(frozen=True, slots=True)
class Order:
    """A record that passed every check. `card` is the clear number."""

    ordered_at: datetime
    branch: str
    total: Decimal
    payment: str
    card: str
    items: tuple[Item, ...]


def read(data: bytes) -> dict[int, Record]:
    """The records of an export by line. Raises `Unreadable`."""
    if data[1:64:2].count(0) > len(data[:64]) // 4:
        raise Unreadable("not UTF-8")
    found = {record.line: record for record in _records(data.decode("utf-8-sig", "surrogateescape"))}
    if not found:
        raise Unreadable("empty")
    widths = [record.width for record in list(found.values())[:FIRST_RECORDS] if record.width]
    if sum(width != len(COLUMNS) for width in widths) * 2 > len(widths):
        raise Unreadable("other columns")
    return found


def _records(text: str) -> Iterator[Record]:
    lines = _LINE_END.split(text)
    at = 0
    while at < len(lines):
        if not lines[at]:
            at += 1
            continue
        taken, fields = _fields(lines, at)
        extra = fields[len(COLUMNS) :]
        width = len(fields) if any(extra) else min(len(fields), len(COLUMNS))
        sound = width == len(COLUMNS) and not _NO_TEXT.search("".join(lines[at : at + taken]))
        yield Record(at + 1, tuple(fields[: len(COLUMNS)]) if sound else None, width)
        at += taken


def _fields(lines: list[str], at: int) -> tuple[int, list[str]]:
    """How many lines the record takes, and its fields. A quote that is left open tears its own line and no other."""
    found = _split(lines[at])
    if not isinstance(found, csv.Error):
        return 1, found
    taken = 1
    while isinstance(found, csv.Error) and "unexpected end" in str(found) and at + taken < len(lines):
        taken += 1
        found = _split("\n".join(lines[at : at + taken]))
    return (1, []) if isinstance(found, csv.Error) or len(found) != len(COLUMNS) else (taken, found)


def _split(text: str) -> list[str] | csv.Error:
    try:
        return next(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        return error


def mended(record: Record, edit: Mapping[str, str]) -> Record:
    """The record with a person's corrections. What never had columns needs all of them."""
    if record.fields is None:
        return Record(record.line, tuple(edit[name] for name in COLUMNS)) if set(edit) == set(COLUMNS) else record
    values = {**dict(zip(COLUMNS, record.fields, strict=True)), **edit}
    return Record(record.line, tuple(values[name] for name in COLUMNS))


def judged(record: Record) -> Order | None:
    """The order, or None where a check fails or a value is not of its type."""
    if record.fields is None:
        return None
    values = dict(zip(COLUMNS, record.fields, strict=True))
    moment, total, items = _moment(values["ordered_at"]), _total(values["total"]), _items(values["basket"])
    if moment is None or total is None or items is None or not values["branch"]:
        return None
    if total < 0 or values["payment"] not in ("CASH", "CARD") or total != _sum(values["basket"]):
        return None
    return Order(moment, values["branch"], total, values["payment"], values["card"], items)


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.strptime(text, "%d/%m/%Y %H:%M") if _MOMENT.fullmatch(text) else None  # noqa: DTZ007  local time
    except ValueError:
        return None
    return found if found and found.year >= 1000 else None


def _total(text: str) -> Decimal | None:
    if not _TOTAL.fullmatch(text):
        return None
    found = Decimal(text.strip())
    return found if abs(found) <= _LARGEST else None


def _items(basket: str) -> tuple[Item, ...] | None:
    found = [_ITEM.fullmatch(item) for item in basket.split(", ")]
    if not basket or None in found:
        return None
    items = tuple(Item(match[1], match[2], Decimal(match[3])) for match in found if match)
    return items if all(item.price <= _LARGEST for item in items) else None


def _sum(basket: str) -> Decimal:
    return sum((Decimal(price) for price in _PRICE.findall(basket)), Decimal(0))
