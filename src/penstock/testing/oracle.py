"""The oracle: what the café's tables must hold after any history, stated as one pure function.

It reads the files with `penstock.testing.tills`; `penstock.testing.promises` says what a history makes of them. A
product stays as long as anybody sells it. Nothing is imported that compiles or runs pipelines. Numbers of rows and keys
are computed here once more, by the rules that `penstock.model.rows` and the documentation of surrogate keys state.

    >>> day = b'04/03/2024 09:00,Leeds,Ada Baker,Large Latte - 2.45,2.45,CASH,'
    >>> told = expected([Delivery(1, "landing/leeds_04-03-2024_1.csv", day)])
    >>> sorted((name, rows.total()) for name, rows in told.tables.items())
    [('branches', 1), ('order_items', 1), ('orders', 1), ('products', 1)]
"""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from penstock.testing.promises import (
    Account,
    Delivery,
    Event,
    Patch,
    Row,
    Slot,
    Told,
    Withdrawal,
    after,
    base,
    differences,
    digest,
    row,
)
from penstock.testing.tills import TILLS, Order

__all__ = [
    "PIPELINE", "TABLES", "Account", "Delivery", "Event", "Key", "Patch", "Row", "Told", "Withdrawal", "differences",
    "expected", "row", "surrogate", "token", "told",
]  # fmt: skip

PIPELINE = "cafe"
TABLES = {
    "branches": ("branch_id", "branch"),
    "products": ("product_id", "product", "size"),
    "orders": ("order_id", "branch_id", "ordered_at", "total", "payment", "card"),
    "order_items": ("order_id", "product_id", "line_no", "price"),
}
"""The tables and their columns."""


@dataclass(frozen=True, slots=True)
class Key:
    """The key of the privacy marks."""

    id: str = "k1"
    secret: bytes = b""


def expected(
    deliveries: Iterable[Delivery],
    patches: Iterable[Patch] = (),
    withdrawals: Iterable[Withdrawal] = (),
    *,
    key: Key = Key(),
) -> Told:
    """What tables and accounts must be once everything has come to rest. Raises `ValueError` for an impossible history.

    Each delivery is taken to have been read before its object was written over, unless what came next can be read.
    """
    slots: dict[str, Slot] = {}
    history: list[Event] = [*deliveries, *patches, *withdrawals]
    for event in sorted(history, key=lambda event: event.at):
        slots[event.address] = after(slots.get(event.address, Slot()), event, TILLS)
    return told(slots, key)


def told(slots: Mapping[str, Slot], key: Key) -> Told:
    """The same of slots that have come so far."""
    tables = {name: Counter[Row]() for name in TABLES}
    for address, slot in slots.items():
        for name, each in _rows(address, slot.good, key):
            tables[name][each] += 1
    for shared in ("branches", "products"):
        tables[shared] = Counter(dict.fromkeys(tables[shared], 1))
    return Told(tables, {address: slot.account for address, slot in slots.items()})


def _rows(address: str, orders: Mapping[int, Order], key: Key) -> Iterator[tuple[str, Row]]:
    """The rows of one slot in third normal form, with the table of each."""
    first = base(PIPELINE, address)
    for line, order in orders.items():
        branch, number = surrogate(order.branch), first + line
        yield "branches", row(branch_id=branch, branch=order.branch)
        yield (
            "orders",
            row(
                order_id=number,
                branch_id=branch,
                ordered_at=order.ordered_at,
                total=order.total,
                payment=order.payment,
                card=token(order.card, key) if order.card else None,
            ),
        )
        for place, item in enumerate(order.items, 1):
            product = surrogate(item.product, item.size)
            yield "products", row(product_id=product, product=item.product, size=item.size)
            yield "order_items", row(order_id=number, product_id=product, line_no=place, price=item.price)


def surrogate(*natural: str) -> int:
    """A shared table's key: 64 bits, signed, of SHA-256 over the natural key."""
    return int.from_bytes(digest(*natural)[:8], "big", signed=True)


def token(value: str, key: Key) -> str:
    """A tokenized value with its last four characters, if they are at most half of it."""
    digest = hmac.new(key.secret, value.encode(), hashlib.sha256).hexdigest()
    return f"{key.id}:{digest}:{value[-4:]}" if len(value) >= 8 else f"{key.id}:{digest}"
