"""What the promises make of a history of deliveries, whatever their files say, as pure functions.

A delivery equal to its slot's current content changes nothing, any other replaces the slot's rows; what cannot be read
is refused and replaces nothing; a withdrawal takes the rows away; a patch brings rejected lines back. What a file says
is told by a `Form`. Nothing here is imported that compiles or runs pipelines.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from penstock.model.fates import Fates
from penstock.testing.sheets import Unreadable

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


class Form(Protocol):
    """How the files of one kind are read by hand: a `penstock.testing.sheets.Sheet`, say."""

    @property
    def indivisible(self) -> bool:
        """Whether what becomes of a row depends on the others: a patch is judged with all of its delivery then."""
        ...

    def read(self, data: bytes) -> Mapping[int, Any]:
        """The records by line. Raises `Unreadable` for a file of which nothing may be loaded."""
        ...

    def mended(self, record: Any, edit: Mapping[str, str], /) -> Any:
        """The record with a person's corrections."""
        ...

    def judged(self, rows: Mapping[int, Any], /) -> Mapping[int, Any]:
        """What those of a delivery's records say that nothing is wrong with."""
        ...


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
class Between:
    """A fact that is a number, of which only the bounds are known."""

    least: int
    most: int

    def __eq__(self, other: object) -> bool:
        return isinstance(other, int) and self.least <= other <= self.most

    __hash__ = None  # type: ignore[assignment]  # equal to several


@dataclass(frozen=True, slots=True)
class Told:
    """Everything: rows by table, accounts by address, and whatever else is compared, by its name."""

    tables: Mapping[str, Counter[Row]]
    slots: Mapping[str, Account] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot after some of its history. `loads` holds what the lines of its delivery say, and of each patch of it."""

    account: Account = Account()
    content: bytes | None = None
    records: Mapping[int, Any] = field(default_factory=dict)
    loads: tuple[Mapping[int, Any], ...] = ()

    @property
    def loaded(self) -> bool:
        """Whether it has rows in the tables, be they none."""
        return bool(self.loads)

    @property
    def good(self) -> dict[int, Any]:
        """What its lines in the tables say."""
        return {line: found for load in self.loads for line, found in load.items()}


def after(slot: Slot, event: Event, form: Form) -> Slot:
    """The slot once this has come to rest, too. Raises `ValueError` for what cannot happen.

    A delivery is taken to have been read before its object was written over, unless what came next can be read.
    """
    if isinstance(event, Delivery):
        return _delivered(slot, event, form)
    if slot.content is None or (isinstance(event, Patch) and slot.account.standing != "loaded"):
        raise ValueError(f"nothing is loaded as {event.address}")
    return _patched(slot, event, form) if isinstance(event, Patch) else _withdrawn(slot)


def _delivered(slot: Slot, event: Delivery, form: Form) -> Slot:
    if event.data == slot.content and not event.reload and slot.account.standing != "withdrawn":
        return slot
    account = _superseding(slot.account)
    try:
        records = form.read(event.data)
    except Unreadable:
        return replace(slot, content=event.data, account=replace(account, standing="refused", fates=slot.account.fates))
    good = form.judged(records)
    fates = Fates(len(records), len(good), quarantined=len(records) - len(good))
    account = replace(account, standing="loaded", fates=(fates,), waiting=frozenset(records.keys() - good.keys()))
    return Slot(account, event.data, records, (good,))


def _withdrawn(slot: Slot) -> Slot:
    return Slot(replace(_superseding(slot.account), standing="withdrawn"), slot.content)


def _patched(slot: Slot, event: Patch, form: Form) -> Slot:
    account = slot.account
    lines = account.waiting if event.lines is None else frozenset(event.lines)
    if not lines <= account.waiting or not event.edits.keys() <= lines:
        raise ValueError(f"lines of {event.address} that do not wait cannot be sent again")
    if not lines:
        return slot
    records = {**slot.records, **{line: form.mended(slot.records[line], event.edits.get(line, {})) for line in lines}}
    brought = records if form.indivisible else {line: records[line] for line in lines}
    good = form.judged(brought)
    rejected = brought.keys() - good.keys()
    fates = Fates(len(brought), len(good), quarantined=len(rejected))
    account = replace(
        account,
        generations=account.generations + 1,
        fates=(fates,) if form.indivisible else (*account.fates, fates),
        waiting=(account.waiting - good.keys()) | rejected,
        healed=account.healed | (account.waiting & good.keys()),
    )
    loads = (good,) if form.indivisible else (*slot.loads, good)
    return replace(slot, account=account, records=records, loads=loads)


def _superseding(account: Account) -> Account:
    """The slot's next generation: whatever was rejected before it is moot."""
    gone = account.superseded | account.waiting | account.healed
    return Account(generations=account.generations + 1, superseded=gone)


# --- rows and differences ----------------------------------------------------------------------------------------


def row(**values: Any) -> Row:
    """A row of a table, ready to be compared and counted."""
    return tuple(sorted(values.items()))


def base(pipeline: str, address: str) -> int:
    """The number in front of a slot's rows: that of line 7 is 7 more."""
    return int.from_bytes(digest("slot", pipeline, address)[:8], "big") >> 2


def digest(*texts: str) -> bytes:
    """SHA-256 over texts, each behind `s`, its length in bytes and a colon."""
    parts = [b"s%d:%b" % (len(text.encode()), text.encode()) for text in texts]
    return hashlib.sha256(b"".join(parts)).digest()


def differences(told: Told, found: Told) -> list[str]:
    """How a system differs from what an oracle tells; empty where it does not."""
    lines = [line for name in told.tables for line in _table_differences(name, told.tables[name], found.tables[name])]
    for address in sorted(told.slots.keys() | found.slots.keys()):
        pair = told.slots.get(address, Account()), found.slots.get(address, Account())
        lines += [f"{address}: {line}" for line in _account_differences(*pair)]
    for name in sorted(told.facts.keys() | found.facts.keys()):
        must, is_ = told.facts.get(name), found.facts.get(name)
        lines += [f"{name} must be {must}, is {is_}"] if must != is_ else []
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
