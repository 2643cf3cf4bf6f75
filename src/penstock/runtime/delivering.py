"""What a run brings to destinations: its units and tables, and what came of loading them one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from penstock.compile.plan import Plan
from penstock.errors import DestinationAhead, PenstockError, RowsRefused
from penstock.model.faults import point
from penstock.model.records import changed
from penstock.model.refusals import BY
from penstock.model.runs import Reached, Result, Staged
from penstock.model.slots import Generation, Slot, Standing
from penstock.model.tables import Load, Loaded, TableLoad, TableSpec, Unit
from penstock.runtime.ports import Destination


def unit_of(generation: Generation, result: Result | None, revision: int) -> Unit:
    """A generation as destinations load it."""
    return Unit(
        generation.slot,
        generation.number,
        generation.kind,
        generation.sequence,
        generation.slot.base,
        result.span if result else 0,
        generation.lines,
        result.rows if result else {},
        generation.identity,
        revision,
    )


def table_load(spec: TableSpec, staged: Staged | None) -> TableLoad:
    """A table's part of a load; one of which nothing is staged brings no rows."""
    if staged is None:
        return TableLoad(spec, (), (), 0)
    return TableLoad(spec, staged.columns, staged.files, staged.rows)


class Halfway(Exception):
    """Some destinations hold the rows, another does not answer."""

    def __init__(self, error: PenstockError, rows: Reached) -> None:
        super().__init__(error.what)
        self.error, self.rows = error, rows


def delivered(plan: Plan, loads: Sequence[tuple[str, Load, Destination]]) -> dict[str, dict[str, int]]:
    """Rows by address and table, once all destinations hold them. One that does not answer keeps none from the next.

    Raises the first error, as `Halfway` where rows have been loaded all the same; but before any other the refusal of
    rows, with the destination's name: what is loaded already gives way to what is prepared again.
    """
    rows: dict[str, dict[str, int]] = {}
    failed: PenstockError | None = None
    for name, load, destination in loads:
        try:
            point("load.before")
            loaded = destination.load(load)
            point("load.after")
            _refuse_overtaken(loaded, plan, destination)
            _note(rows, loaded)
        except RowsRefused as error:
            error.rows = tuple(replace(item, reason=f"{BY}{name}: {item.reason}") for item in error.rows)
            raise
        except PenstockError as error:
            failed = failed or error
            if not error.retry:
                break
    if failed:
        raise Halfway(failed, rows) if rows else failed
    return rows


def _refuse_overtaken(loaded: Loaded, plan: Plan, destination: Destination) -> None:
    """A destination that is ahead of the ledger: this ledger is not the one that loaded it, or an older copy of it.

    (A worker that wakes up late meets a newer generation too, but then its claim is lost, and this is never recorded.)
    """
    if loaded.overtaken:
        address, number = loaded.overtaken[0].slot.address, loaded.overtaken[0].number
        raise DestinationAhead(
            f"{destination.name} holds a newer generation of {address}, or another one of number {number}",
            at=f"pipeline {plan.pipeline}",
            why="the ledger was lost or restored from an older copy, or another project loads to the same place",
            fix="restore the newest ledger; or run the file with --reload until its generation is the higher one",
        )


def _note(rows: dict[str, dict[str, int]], loaded: Loaded) -> None:
    for (address, table), count in loaded.rows.items():
        rows.setdefault(address, {})[table] = count


def results_of(
    results: Mapping[Slot, Result], units: tuple[Unit, ...], rows: Mapping[str, Mapping[str, int]]
) -> list[Result]:
    """What each unit loaded. A destination that found a load done already reports no rows: the staged count stands."""
    found = []
    for unit in units:
        known = results.get(unit.slot) or Result(unit.slot, unit.number)
        counted = {**known.rows, **rows.get(unit.slot.address, {})}
        found.append(changed(known, standing=Standing.LOADED, rows=counted))
    return found
