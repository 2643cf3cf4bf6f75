"""`verify`: landing, ledger and destinations say the same, or here is where they differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from penstock.authoring.templates import LANDING
from penstock.compile.outputs import TablePlan
from penstock.compile.plan import Plan
from penstock.ledger.port import Record
from penstock.model.readiness import Readiness
from penstock.model.runs import Result
from penstock.model.slots import Generation, Slot, key_address
from penstock.model.tables import Mode
from penstock.runtime.intake import Match
from penstock.runtime.ports import Destination, Found, Holding


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it should be."""

    kind: str
    """`not_accepted`, `changed`, `unfinished`, `not_loaded`, `rows_missing`, `rows_double`, `rows_differ` (as many,
    but not the same), or `unknown_rows`."""
    pipeline: str
    slot: str
    destination: str = ""
    table: str = ""
    expected: int = 0
    found: int = 0

    @property
    def fix(self) -> str:
        """The command that mends it."""
        if self.kind in ("not_accepted", "changed", "unfinished"):
            return f"penstock run {self.pipeline}"
        if self.kind == "unknown_rows":
            return f"restore the newest ledger, or delete these rows from {self.destination}"
        named = f" {self.slot}" if self.slot.startswith(LANDING) else ""
        return f"penstock run {self.pipeline}{named} --reload"

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "fix": self.fix}

    def __str__(self) -> str:
        where = " ".join(filter(None, (self.destination, self.table)))
        there = f"{where} {self.slot}" if where else self.slot
        if self.kind == "not_loaded":
            return f"not_loaded: {there}: generation {self.expected} is not there"
        return f"{self.kind}: {there}: expected {self.expected}, found {self.found}"


@dataclass(frozen=True, slots=True)
class _Expected:
    """What a slot's live generations come to."""

    number: int
    rows: Mapping[str, int]
    checksums: Mapping[str, int]


def expected_holdings(live: Iterable[tuple[Generation, Result]]) -> dict[Slot, _Expected]:
    """Rows and checksums by slot and owned table, from the ledger's account of the live generations."""
    found: dict[Slot, _Expected] = {}
    for generation, result in live:
        before = found.get(generation.slot, _Expected(0, {}, {}))
        found[generation.slot] = _Expected(
            max(before.number, generation.number),
            _sum(before.rows, result.rows),
            _sum(before.checksums, result.checksums),
        )
    return found


def _sum(first: Mapping[str, int], second: Mapping[str, int]) -> dict[str, int]:
    return {name: first.get(name, 0) + second.get(name, 0) for name in {*first, *second}}


def compare_destination(plan: Plan, record: Record, destination: Destination, name: str) -> Iterator[Difference]:
    """Owned rows, slot by slot: counted at the destination from the rows themselves."""
    owned = [
        table.spec.name
        for table in plan.tables
        if not table.spec.shared and table.spec.mode in (Mode.APPEND, Mode.MERGE) and name in _names(table)
    ]
    if not owned:
        return
    expected = expected_holdings(record.live(plan.pipeline))
    held = {holding.slot: holding for holding in destination.holdings(plan.pipeline, owned)}
    for slot in sorted({*expected, *held}):
        yield from _compare_slot(slot, expected.get(slot), held.get(slot), owned, name)


def _names(table: TablePlan) -> set[str]:
    return {f"{target.kind}:{target.name}" for target in table.targets}


def _compare_slot(
    slot: Slot, wanted: _Expected | None, held: Holding | None, tables: list[str], name: str
) -> Iterator[Difference]:
    rows = dict(held.rows) if held else {}
    sums = dict(held.checksums) if held else {}
    if wanted and wanted.rows and held is None:
        yield Difference("not_loaded", slot.pipeline, slot.address, name, "", wanted.number, 0)
        return
    for table in tables:
        want = wanted.rows.get(table, 0) if wanted else 0
        have = rows.get(table, 0)
        if want != have:
            kind = "rows_missing" if have < want else "rows_double" if wanted else "unknown_rows"
            yield Difference(kind, slot.pipeline, slot.address, name, table, want, have)
        elif wanted and table in wanted.checksums and wanted.checksums[table] != sums.get(table, 0):
            yield Difference("rows_differ", slot.pipeline, slot.address, name, table, want, have)


def compare_landing(pipeline: str, record: Record, objects: Iterable[tuple[Found, str]]) -> Iterator[Difference]:
    """Objects of a pipeline (with their hash) against the ledger: everything that lies there was accepted as it is."""
    for found, sha256 in objects:
        history = record.history(Slot(pipeline, found.address))
        contents = [generation.content.sha256 for generation in history if generation.content]
        if not contents:
            yield Difference("not_accepted", pipeline, found.address, expected=1)
        elif contents[-1] != sha256:
            yield Difference("changed", pipeline, found.address, expected=len(contents), found=len(contents))


def compare_members(
    condition: Readiness, record: Record, objects: Iterable[tuple[Found, str, Match]]
) -> Iterator[Difference]:
    """The same of a pipeline with several sources: every object is marked as the member that it is."""
    for found, sha256, match in objects:
        state = record.key(Slot(condition.pipeline, key_address(condition.key(match.parts) or {})))
        marked = [item.content.sha256 for item in state.members if item.name == match.member] if state else []
        if sha256 not in marked:
            kind = "changed" if marked else "not_accepted"
            yield Difference(kind, condition.pipeline, found.address, expected=1)


def unfinished(record: Record, pipeline: str) -> Iterator[Difference]:
    """Slots whose newest generation has not come to rest."""
    for slot in record.slots(pipeline):
        current = record.current(slot)
        if current is not None and not current.standing.final:
            yield Difference("unfinished", pipeline, slot.address, expected=current.number)
