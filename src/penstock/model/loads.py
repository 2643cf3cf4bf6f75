"""What a load means for a destination: which units move their slot forward, which rows they bring and which go.

Pure decisions that every destination shares. A destination remembers one `Record` for each slot; ranges of row
identities are half-open, and a range is all that an adapter needs to tell one slot's rows from another's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

from penstock.errors import DestinationError, EntityConflict, KeyCollision, PenstockError
from penstock.model.records import changed
from penstock.model.slots import Kind
from penstock.model.tables import Load, Mode, Reference, TableSpec, Unit


class Range(NamedTuple):
    """Row identities from `low` up to, not including, `high`."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Record:
    """What a destination remembers of a slot: moves forward only, and stays after a withdrawal."""

    slot: str
    generation: int
    sequence: int
    base: int
    span: int
    token: str = ""
    rows: Mapping[str, int] = field(default_factory=dict)
    """The rows that this generation brought, by table."""
    identity: str = ""
    revision: int = 0

    @property
    def range(self) -> Range:
        return Range(self.base, self.base + self.span)


@dataclass(frozen=True, slots=True)
class Change:
    """One applied unit: the row identities that it may bring, and those whose rows go first."""

    unit: Unit
    brings: tuple[Range, ...]
    removes: tuple[Range, ...]
    record: Record

    @property
    def slot(self) -> str:
        return self.unit.slot.address


@dataclass(frozen=True, slots=True)
class Verdict:
    """A load, judged against the records of its slots."""

    changes: tuple[Change, ...]
    stale: tuple[Unit, ...]
    overtaken: tuple[Unit, ...] = ()
    """The stale ones whose slot holds a newer generation, or another one of the same number."""

    @property
    def applied(self) -> tuple[Unit, ...]:
        return tuple(change.unit for change in self.changes)

    @property
    def removes(self) -> tuple[Range, ...]:
        return tuple(sorted(range_ for change in self.changes for range_ in change.removes))


class Holder(NamedTuple):
    """The slot whose rows a table of mode `replace` (or one partition) holds, and that slot's sequence."""

    slot: str
    sequence: int


class Share(NamedTuple):
    """A range of staged rows, and whose it is: the ordinal of an applied change, or -1 where it is left out."""

    range: Range
    change: int


def judge(load: Load, recorded: Mapping[str, Record]) -> Verdict:
    """Apply every unit whose generation is higher than the recorded one, or whose revision of the same one is.

    Raises `DestinationError` when the load names a slot twice, `KeyCollision` when two of its slots share identities.
    """
    _distinct(load.units)
    changes, stale = [], []
    for unit in load.units:
        known = recorded.get(unit.slot.address)
        if known is not None and not _newer(unit, known):
            stale.append(unit)
        else:
            changes.append(_change(unit, known, load.token))
    overtaken = tuple(unit for unit in stale if not _same(unit, recorded[unit.slot.address]))
    return Verdict(tuple(changes), tuple(stale), overtaken)


def _newer(unit: Unit, known: Record) -> bool:
    """A revision says something about the very generation that it revises, and nothing about another one."""
    revised = _same(unit, known) and unit.revision > known.revision
    return unit.number > known.generation or revised


def _same(unit: Unit, known: Record) -> bool:
    """Whether a slot holds this very generation. What was recorded without an identity is taken to be the same."""
    identities = {unit.identity, known.identity}
    return unit.number == known.generation and (len(identities) == 1 or "" in identities)


def whole(unit: Unit) -> Range:
    """The slot's range. Even an empty slot occupies its base, so that ranges can be compared."""
    return Range(unit.base, unit.base + max(unit.span, 1))


def collision(one: str, other: str, pipeline: str) -> KeyCollision:
    """Two slots claim the same row identities."""
    return KeyCollision(
        f"the slots {one} and {other} share row identities",
        at=f"pipeline {pipeline}",
        why="the hashes of their addresses lie closer together than their files are long",
        fix="give one of the two files another name",
    )


def shares(verdict: Verdict) -> list[Share]:
    """Whose rows the staged files may hold, in ascending order. A row outside all of them belongs to no unit."""
    brought = [Share(range_, number) for number, change in enumerate(verdict.changes) for range_ in change.brings]
    return sorted(brought + [Share(whole(unit), -1) for unit in verdict.stale])


def stray(table: str, rows: int) -> DestinationError:
    """Staged rows that no unit of the load explains."""
    return DestinationError(
        f"{rows} staged rows belong to no unit of the load",
        at=f"table {table}",
        why="their row identities lie outside the ranges of the slots that are being loaded",
        fix="report this: prepare and load disagree about a slot's span",
    )


def refuse(table: str, collided: int, conflicting: int) -> None:
    """Raise for keys of a shared table that two contributions disagree about."""
    if collided:
        raise KeyCollision(
            f"{collided} surrogate keys stand for two different natural keys",
            at=f"table {table}",
            why="their hashes are equal, or a key was made under two privacy keys",
            fix="if the privacy key has changed, reload the table's deliveries",
        )
    if conflicting:
        raise EntityConflict(
            f"{conflicting} entities have other attributes than other deliveries say",
            at=f"table {table}",
            why='the entity is declared conflict="reject"',
            fix='correct the delivery, or declare conflict="latest" or "version"',
        )


def successor(verdict: Verdict, holder: Holder | None) -> tuple[int, Holder | None]:
    """For mode `replace`: the ordinal of the change whose rows the table gets (-1: none), and its holder afterwards.

    The highest sequence wins and the table never goes back. A withdrawn holder stays the holder of an empty table, so
    that the order in which loads arrive makes no difference.
    """
    bringing = [number for number, change in enumerate(verdict.changes) if change.brings]
    if not bringing:
        return -1, holder
    best = max(bringing, key=lambda number: verdict.changes[number].unit.sequence)
    claim = _claim(verdict.changes[best])
    return (best, claim) if overtakes(claim, holder) else (-1, holder)


def partition_holders(
    brought: Iterable[tuple[str, int]], verdict: Verdict, held: Mapping[str, Holder]
) -> dict[str, tuple[int, Holder]]:
    """For mode `partition`: from (partition, change) pairs, the change that wins each partition and its new holder."""
    best: dict[str, tuple[int, Holder]] = {}
    for partition, number in brought:
        claim = _claim(verdict.changes[number])
        rival = best.get(partition)
        if overtakes(claim, held.get(partition)) and (rival is None or claim.sequence > rival[1].sequence):
            best[partition] = (number, claim)
    return best


def overtakes(claim: Holder, holder: Holder | None) -> bool:
    """Whether a claim may take what a holder has: a slot follows itself, anyone else needs a later sequence."""
    return holder is None or holder.slot == claim.slot or claim.sequence > holder.sequence


def merged(ranges: Iterable[Range]) -> Iterator[Range]:
    """The same identities in as few ascending ranges as possible."""
    current: Range | None = None
    for range_ in sorted(ranges):
        if current is not None and range_.low <= current.high:
            current = Range(current.low, max(current.high, range_.high))
            continue
        if current is not None:
            yield current
        current = range_
    if current is not None:
        yield current


def counted(verdict: Verdict, rows: Mapping[tuple[int, str], int]) -> tuple[Change, ...]:
    """The changes, each record completed with the rows that its unit brought by (ordinal, table)."""
    own: dict[int, dict[str, int]] = {}
    for (ordinal, table), count in rows.items():
        own.setdefault(ordinal, {})[table] = count
    return tuple(
        changed(change, record=changed(change.record, rows=own.get(number, {})))
        for number, change in enumerate(verdict.changes)
    )


def described(spec: TableSpec) -> dict[str, Any]:
    """A table's declaration as plain data, for a destination to keep beside the table."""
    return asdict(spec)


def declared(facts: Mapping[str, Any]) -> TableSpec:
    """The declaration again: the inverse of `described`, through JSON or not."""
    references = tuple(
        Reference(tuple(item["columns"]), item["table"], tuple(item["keys"])) for item in facts["references"]
    )
    lists = {name: tuple(facts[name]) for name in ("key", "natural", "partition_by")}
    return TableSpec(**{**facts, **lists, "mode": Mode(facts["mode"]), "references": references})


def _distinct(units: Sequence[Unit]) -> None:
    ordered = sorted((*whole(unit), place) for place, unit in enumerate(units))
    for (_, high, before), (low, _, after) in pairwise(ordered):
        if high > low:
            raise _overlap(units[before], units[after])


def _overlap(before: Unit, after: Unit) -> PenstockError:
    if before.slot != after.slot:
        return collision(before.slot.address, after.slot.address, after.slot.pipeline)
    return DestinationError(
        "two generations of one slot are in one load",
        at=str(after.slot),
        why="their rows have the same identities and cannot be told apart",
        fix="load them one after the other",
    )


def _change(unit: Unit, known: Record | None, token: str) -> Change:
    own = whole(unit)
    span = own.high - own.low
    if unit.kind is Kind.PATCH:
        lines = tuple(merged(Range(unit.base + line, unit.base + line + 1) for line in unit.lines))
        brings, removes = lines, lines if known else ()
        span = max(span, known.span if known else 0)
    else:
        brings = () if unit.kind is Kind.WITHDRAWAL else (own,)
        removes = tuple(merged((own, known.range))) if known else ()
    record = Record(
        unit.slot.address, unit.number, unit.sequence, unit.base, span, token, {}, unit.identity, unit.revision
    )
    return Change(unit, brings, removes, record)


def _claim(change: Change) -> Holder:
    return Holder(change.slot, change.unit.sequence)
