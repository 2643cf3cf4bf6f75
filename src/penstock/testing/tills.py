"""A café's till export, read by hand: what each of its lines says, or that it has to be set aside."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from penstock.testing.sheets import Parser, Record, Sheet, Unreadable, Values, amount, moment, text

__all__ = ["COLUMNS", "TILLS", "Item", "Order", "Record", "Till", "Unreadable"]

_MOMENT = re.compile(r"\d\d?/\d\d?/\d{4} \d\d?:\d\d?")
_ITEM = re.compile(r"(\S+) (.+) - (\d+\.\d\d)", re.ASCII)
_PRICE = re.compile(r"- (\d+\.\d\d)(?=,|$)", re.ASCII)
_LARGEST = Decimal("999999.99")


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


def _ordered_at() -> Parser:
    parse = moment("%d/%m/%Y %H:%M")

    def strictly(value: str) -> datetime:
        if not _MOMENT.fullmatch(value):
            raise ValueError(value)
        found: datetime = parse(value)
        return found

    return strictly


def _passes(row: Values) -> bool:
    complete = all(row[name] is not None for name in ("ordered_at", "branch", "basket", "total"))
    if not complete or row["payment"] not in ("CASH", "CARD") or _items(row["basket"]) is None:
        return False
    return bool(0 <= row["total"] == _sum(row["basket"]))


_SHEET = Sheet(
    {
        "ordered_at": _ordered_at(), "branch": text, "customer": text, "basket": text, "total": amount(8, 2),
        "payment": text, "card": text,
    },
    passes=_passes,
    header=False,
)  # fmt: skip
COLUMNS = tuple(_SHEET.columns)


class Till:
    """See `penstock.testing.promises.Form`."""

    indivisible = False
    read = staticmethod(_SHEET.read)
    mended = staticmethod(_SHEET.mended)

    def judged(self, rows: Mapping[int, Record]) -> dict[int, Order]:
        """The orders by line."""
        return {line: _order(values) for line, values in _SHEET.judged(rows).items()}


TILLS = Till()


def _order(row: Values) -> Order:
    items = _items(row["basket"]) or ()
    return Order(row["ordered_at"], row["branch"], row["total"], row["payment"], row["card"] or "", items)


def _items(basket: str) -> tuple[Item, ...] | None:
    found = [_ITEM.fullmatch(item) for item in basket.split(", ")]
    if None in found:
        return None
    items = tuple(Item(match[1], match[2], Decimal(match[3])) for match in found if match)
    return items if all(item.price <= _LARGEST for item in items) else None


def _sum(basket: str) -> Decimal:
    return sum((Decimal(price) for price in _PRICE.findall(basket)), Decimal(0))
