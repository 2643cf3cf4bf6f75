"""The oracle: what the café's tables must hold after any history, stated as one pure function.

It reads the files with `penstock.testing.tills`, and knows the promises: a delivery equal to its slot's current content
changes nothing, any other replaces the slot's rows; what cannot be read is refused and replaces nothing; a withdrawal
takes the rows away; a patch brings rejected lines back; a product stays as long as anybody sells it. It imports
nothing that compiles or runs pipelines. Numbers of rows and keys are computed here once more, by the rules that
`penstock.model.rows` and the documentation of surrogate keys state.

    >>> day = b'04/03/2024 09:00,Leeds,Ada Baker,Large Latte - 2.45,2.45,CASH,'
    >>> told = expected([Delivery(1, "landing/leeds_04-03-2024_1.csv", day)])
    >>> sorted((name, rows.total()) for name, rows in told.tables.items())
    [('branches', 1), ('order_items', 1), ('orders', 1), ('products', 1)]
"""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from penstock.model.fates import Fates
from penstock.testing.tills import Order, Record, Unreadable, judged, mended, read

PIPELINE = "cafe"
TABLES = {
    "branches": ("branch_id", "branch"),
    "products": ("product_id", "product", "size"),
    "orders": ("order_id", "branch_id", "ordered_at", "total", "payment", "card"),
    "order_items": ("order_id", "product_id", "line_no", "price"),
}
"""The tables and their columns."""
SHOWN = 3
"""How many rows of a table a difference quotes."""

Row = tuple[tuple[str, Any], ...]
"""Names and values of one row, in the order of the names."""


# --- a history ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Delivery:
    """An object was written, wholly; `at` is its place in the history. A reload loads what lies there once more."""

    at: int
    address: str
    data: bytes
    reload: bool = False


@dataclass(frozen=True, slots=True)
class Patch:
    """Rejected lines were sent again: all that waited unless `lines` says which, some with corrected values."""

    at: int
    address: str
    edits: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    lines: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A person took a delivery back."""

    at: int
    address: str


Event = Delivery | Patch | Withdrawal


@dataclass(frozen=True, slots=True)
class Key:
    """The key of the privacy marks."""

    id: str = "k1"
    secret: bytes = b""


# --- what must be so ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Account:
    """One slot. `fates` are those of the delivery whose rows are in the tables and of each patch of it, in order;
    `waiting`, `healed` and `superseded` are lines that were rejected."""

    standing: str = ""
    """Of the newest delivery: `loaded`, `refused` or `withdrawn`."""
    generations: int = 0
    fates: tuple[Fates, ...] = ()
    waiting: frozenset[int] = frozenset()
    healed: frozenset[int] = frozenset()
    superseded: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Told:
    """Everything: rows by table, and accounts by address."""

    tables: Mapping[str, Counter[Row]]
    slots: Mapping[str, Account]


@dataclass(frozen=True, slots=True)
class _Slot:
    """A slot after some of its history."""

    account: Account = Account()
    content: bytes | None = None
    records: Mapping[int, Record] = field(default_factory=dict)
    orders: Mapping[int, Order] = field(default_factory=dict)


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
    slots: dict[str, _Slot] = {}
    history: list[Event] = [*deliveries, *patches, *withdrawals]
    for event in sorted(history, key=lambda event: event.at):
        slots[event.address] = _after(slots.get(event.address, _Slot()), event)
    tables = {name: Counter[Row]() for name in TABLES}
    for address, slot in slots.items():
        for name, row in _rows(address, slot.orders, key):
            tables[name][row] += 1
    for shared in ("branches", "products"):
        tables[shared] = Counter(dict.fromkeys(tables[shared], 1))
    return Told(tables, {address: slot.account for address, slot in slots.items()})


def _after(slot: _Slot, event: Event) -> _Slot:
    if isinstance(event, Delivery):
        return _delivered(slot, event)
    if slot.content is None or (isinstance(event, Patch) and slot.account.standing != "loaded"):
        raise ValueError(f"nothing is loaded as {event.address}")
    return _patched(slot, event) if isinstance(event, Patch) else _withdrawn(slot)


def _delivered(slot: _Slot, event: Delivery) -> _Slot:
    if event.data == slot.content and not event.reload and slot.account.standing != "withdrawn":
        return slot
    account = _superseding(slot.account)
    try:
        records = read(event.data)
    except Unreadable:
        return replace(slot, content=event.data, account=replace(account, standing="refused", fates=slot.account.fates))
    orders = _good(records.values())
    fates = Fates(len(records), len(orders), quarantined=len(records) - len(orders))
    account = replace(account, standing="loaded", fates=(fates,), waiting=frozenset(records.keys() - orders.keys()))
    return _Slot(account, event.data, records, orders)


def _withdrawn(slot: _Slot) -> _Slot:
    return _Slot(replace(_superseding(slot.account), standing="withdrawn"), slot.content)


def _patched(slot: _Slot, event: Patch) -> _Slot:
    account = slot.account
    lines = account.waiting if event.lines is None else frozenset(event.lines)
    if not lines <= account.waiting or not event.edits.keys() <= lines:
        raise ValueError(f"lines of {event.address} that do not wait cannot be sent again")
    if not lines:
        return slot
    records = {line: mended(slot.records[line], event.edits.get(line, {})) for line in lines}
    orders = _good(records.values())
    again = lines - orders.keys()
    account = replace(
        account,
        generations=account.generations + 1,
        fates=(*account.fates, Fates(len(lines), len(orders), quarantined=len(again))),
        waiting=account.waiting - orders.keys(),
        healed=account.healed | orders.keys(),
    )
    return replace(slot, account=account, orders={**slot.orders, **orders})


def _superseding(account: Account) -> Account:
    """The slot's next generation: whatever was rejected before it is moot."""
    gone = account.superseded | account.waiting | account.healed
    return Account(generations=account.generations + 1, superseded=gone)


def _good(records: Iterable[Record]) -> dict[int, Order]:
    found = {record.line: judged(record) for record in records}
    return {line: order for line, order in found.items() if order is not None}


# --- rows --------------------------------------------------------------------------------------------------------


def _rows(address: str, orders: Mapping[int, Order], key: Key) -> Iterator[tuple[str, Row]]:
    """The rows of one slot in third normal form, with the table of each."""
    first = int.from_bytes(_digest("slot", PIPELINE, address)[:8], "big") >> 2
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


def row(**values: Any) -> Row:
    """A row of a table, ready to be compared and counted."""
    return tuple(sorted(values.items()))


def surrogate(*natural: str) -> int:
    """A shared table's key: 64 bits, signed, of SHA-256 over the natural key."""
    return int.from_bytes(_digest(*natural)[:8], "big", signed=True)


def token(value: str, key: Key) -> str:
    """A tokenized value with its last four characters, if they are at most half of it."""
    digest = hmac.new(key.secret, value.encode(), hashlib.sha256).hexdigest()
    return f"{key.id}:{digest}:{value[-4:]}" if len(value) >= 8 else f"{key.id}:{digest}"


def _digest(*texts: str) -> bytes:
    """SHA-256 over texts, each behind `s`, its length in bytes and a colon."""
    parts = [b"s%d:%b" % (len(text.encode()), text.encode()) for text in texts]
    return hashlib.sha256(b"".join(parts)).digest()


# --- comparing ---------------------------------------------------------------------------------------------------


def differences(told: Told, found: Told) -> list[str]:
    """How a system differs from what the oracle tells; empty where it does not."""
    lines = [line for name in told.tables for line in _table_differences(name, told.tables[name], found.tables[name])]
    for address in sorted(told.slots.keys() | found.slots.keys()):
        pair = told.slots.get(address, Account()), found.slots.get(address, Account())
        lines += [f"{address}: {line}" for line in _account_differences(*pair)]
    return lines


def _table_differences(name: str, told: Counter[Row], found: Counter[Row]) -> Iterator[str]:
    for word, rows in (("missing", told - found), ("too many", found - told)):
        if rows:
            yield f"{name}: {rows.total()} rows {word}: {_quoted(rows)}"


def _account_differences(told: Account, found: Account) -> Iterator[str]:
    for name in ("standing", "generations", "fates", "waiting", "healed"):
        if getattr(told, name) != getattr(found, name):
            yield f"{name} must be {getattr(told, name)}, is {getattr(found, name)}"
    if not found.superseded <= told.superseded:
        yield f"lines {sorted(found.superseded - told.superseded)} are superseded by nothing"


def _quoted(rows: Counter[Row]) -> str:
    shown: Sequence[Row] = sorted(rows, key=repr)[:SHOWN]
    return "; ".join(str(dict(row)) for row in shown)
