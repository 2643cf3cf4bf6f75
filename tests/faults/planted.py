"""Bugs that a runtime could have, planted from outside by wrapping its ports; most fool the runtime's own accounts."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import duckdb

from penstock.model.runs import Staged
from penstock.model.slots import Delivery, Kind, Standing
from penstock.model.tables import Load, Loaded, Unit
from penstock.runtime.ports import Preparation, Prepared
from penstock.testing.machine import Opened

SHIFT = 2**40
ROW = {"orders": "order_id", "order_items": "order_id", "branches": "_row", "products": "_row"}


class Wrapped:
    """A port that is what it wraps, but for what a subclass says."""

    def __init__(self, port: Any) -> None:
        self.port = port

    def __getattr__(self, name: str) -> Any:
        return getattr(self.port, name)


def in_ledger(kind: type[Wrapped]):
    def rig(project: Opened) -> None:
        project.ledger = kind(project.ledger)

    return rig


def in_engine(kind: type[Wrapped]):
    def rig(project: Opened) -> None:
        project.engine = kind(project.engine)

    return rig


def in_destinations(kind: type[Wrapped]):
    def rig(project: Opened) -> None:
        project.destinations = {name: kind(port) for name, port in project.destinations.items()}

    return rig


def rows_in(files: Sequence[str], column: str) -> list[int]:
    if not files:
        return []
    with duckdb.connect() as connection:
        found = connection.execute(f"SELECT {column} FROM read_parquet($1)", [list(files)]).fetchall()
    return [row for (row,) in found]


def rewritten(file: str, select: str) -> None:
    """The staged file again, as a query over itself (`staged`) makes it."""
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE staged AS FROM read_parquet('{file}')")
        connection.execute(f"COPY ({select}) TO '{file}' (FORMAT parquet)")


def copied(load: Load, folder: Path) -> Load:
    """The same load over files of its own, which outlive the run."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = []
    for table in load.tables:
        targets = [folder / f"{table.spec.name}-{place}.parquet" for place in range(len(table.files))]
        for file, target in zip(table.files, targets, strict=True):
            shutil.copy(file, target)
        tables.append(replace(table, files=tuple(map(str, targets))))
    return replace(load, tables=tuple(tables))


def replacing(unit: Unit) -> bool:
    return unit.kind in (Kind.DELIVERY, Kind.RELOAD) and unit.number > 1


# --- bugs --------------------------------------------------------------------------------------------------------


class ForgetsDuplicates(Wrapped):
    """Acceptance does not look at what the slot holds."""

    def accept(self, deliveries: Sequence[Delivery], now: Any) -> Any:
        return self.port.accept([self._fresh(delivery) for delivery in deliveries], now)

    @staticmethod
    def _fresh(delivery: Delivery) -> Delivery:
        return replace(delivery, kind=Kind.RELOAD) if delivery.kind is Kind.DELIVERY else delivery


class LosesARow(Wrapped):
    """One good order of each run vanishes, and is told to have been filtered."""

    def prepare(self, work: Preparation) -> Prepared:
        prepared = self.port.prepare(work)
        staged = {item.table: item for item in prepared.staged}
        lost = max(rows_in(staged["orders"].files, "order_id"), default=None) if "orders" in staged else None
        return prepared if lost is None else self._without(prepared, staged, lost)

    @staticmethod
    def _without(prepared: Prepared, staged: Mapping[str, Staged], lost: int) -> Prepared:
        counts = {name: rows_in(staged[name].files, "order_id").count(lost) for name in ("orders", "order_items")}
        for name in counts:
            for file in staged[name].files:
                rewritten(file, f"SELECT * FROM staged WHERE order_id <> {lost}")
        owner = next(item for item in prepared.results if 0 < lost - item.slot.base < item.span)
        told = replace(
            owner,
            fates=replace(owner.fates, kept=owner.fates.kept - 1, filtered=owner.fates.filtered + 1),
            rows={name: rows - counts.get(name, 0) for name, rows in owner.rows.items()},
            checksums={name: total - counts.get(name, 0) * lost for name, total in owner.checksums.items()},
        )
        results = tuple(told if item is owner else item for item in prepared.results)
        left = tuple(replace(item, rows=item.rows - counts.get(item.table, 0)) for item in prepared.staged)
        return replace(prepared, results=results, staged=left)


class TakesRefusedForEmpty(Wrapped):
    """A file that cannot be read counts as one without rows."""

    def prepare(self, work: Preparation) -> Prepared:
        prepared = self.port.prepare(work)
        results = tuple(
            replace(item, standing=Standing.PREPARED, error=None) if item.standing is Standing.REFUSED else item
            for item in prepared.results
        )
        return replace(prepared, results=results)


class KeepsOldRows(Wrapped):
    """A replacement brings the new rows, and forgets those of the old that it does not overwrite."""

    def load(self, load: Load) -> Loaded:
        rows = sorted({row for table in load.tables for row in rows_in(table.files, ROW[table.spec.name])})
        return self.port.load(replace(load, units=tuple(self._patch(unit, rows) for unit in load.units)))

    @staticmethod
    def _patch(unit: Unit, rows: Iterable[int]) -> Unit:
        lines = tuple(row - unit.base for row in rows if unit.base < row < unit.base + unit.span)
        return replace(unit, kind=Kind.PATCH, lines=lines) if replacing(unit) and lines else unit


class Remembers(Wrapped):
    """Keeps what it loaded first for each slot, with files of its own, for as long as the tests run."""

    memory: ClassVar[dict[Path, Load]] = {}

    def load(self, load: Load) -> Loaded:
        if not any(table.files for table in load.tables):
            return self.port.load(load)
        zones = Path(next(file for table in load.tables for file in table.files)).parents[5]
        folders = [zones / "kept" / str(unit.slot.base) for unit in load.units]
        if load.units[0].number == 1:
            self.memory[folders[0]] = copied(load, folders[0])
        return self.load_again(load, [self.memory[folder] for folder in folders if folder in self.memory])


class LoadsAnOldGenerationLate(Remembers):
    """A worker that was thought dead wakes up and loads what has long been replaced, as if it were the newest."""

    def load_again(self, load: Load, earlier: Sequence[Load]) -> Loaded:
        loaded = self.port.load(load)
        for old in earlier if replacing(load.units[0]) else ():
            units = tuple(replace(unit, number=load.units[0].number + 1) for unit in old.units)
            self.port.load(replace(old, units=units, token="late"))
        return loaded


class KeepsOldContributions(Remembers):
    """A replacement does not take back what the slot said of shared tables."""

    def load_again(self, load: Load, earlier: Sequence[Load]) -> Loaded:
        if not replacing(load.units[0]):
            return self.port.load(load)
        (old,) = earlier
        before = {table.spec.name: table.files for table in old.tables if table.spec.shared}
        tables = (replace(table, files=(*before.get(table.spec.name, ()), *table.files)) for table in load.tables)
        units = (replace(unit, span=max(unit.span, old.units[0].span)) for unit in load.units)
        return self.port.load(replace(load, tables=tuple(tables), units=tuple(units)))


class LoadsPatchesTwice(Wrapped):
    """The lines of a patch come in once as a patch, and once more as a delivery of their own."""

    def load(self, load: Load) -> Loaded:
        folder = Path(load.tables[0].files[0]).parents[3] / "kept" if load.tables and load.tables[0].files else None
        again = copied(load, folder) if folder else None
        loaded = self.port.load(load)
        if again and all(unit.kind is Kind.PATCH for unit in load.units):
            for table in again.tables:
                for file in table.files:
                    row = ROW[table.spec.name]
                    rewritten(file, f"SELECT * REPLACE ({row} + {SHIFT} AS {row}) FROM staged")
            self.port.load(replace(again, units=tuple(map(self._shifted, load.units)), token="twice"))
        return loaded

    @staticmethod
    def _shifted(unit: Unit) -> Unit:
        slot = replace(unit.slot, address=f"{unit.slot.address}#patch")
        return replace(unit, slot=slot, base=unit.base + SHIFT, kind=Kind.DELIVERY, number=1, lines=())


class IgnoresWithdrawals(Wrapped):
    """What a person takes back stays."""

    def load(self, load: Load) -> Loaded:
        if all(unit.kind is Kind.WITHDRAWAL for unit in load.units):
            return Loaded(load.units)
        return self.port.load(load)


BUGS = {
    "acceptance forgets duplicates": in_ledger(ForgetsDuplicates),
    "the engine loses a row and says it was filtered": in_engine(LosesARow),
    "a refused file counts as an empty one": in_engine(TakesRefusedForEmpty),
    "a replacement keeps old rows": in_destinations(KeepsOldRows),
    "an old generation is loaded late": in_destinations(LoadsAnOldGenerationLate),
    "a replacement keeps old contributions to shared tables": in_destinations(KeepsOldContributions),
    "a patch is loaded twice": in_destinations(LoadsPatchesTwice),
    "a withdrawal removes nothing": in_destinations(IgnoresWithdrawals),
}
