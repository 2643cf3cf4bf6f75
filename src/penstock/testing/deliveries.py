"""Loads made by hand, for tests of destinations: slots, units, staged Parquet files."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from penstock.compile.sql import quote_identifier, quote_literal
from penstock.model.rows import ROW, SEQUENCE
from penstock.model.slots import Kind, Slot
from penstock.model.tables import Load, TableLoad, TableSpec, Unit

PIPELINE = "shop"
SPAN = 1000

Rows = Sequence[tuple[Any, ...]]
"""A table's rows. The first value of each is its line, which becomes the row identity."""


@dataclass(frozen=True, slots=True)
class Declared:
    """A table, its canonical columns without the row identity, and where that stands: in front, as an owned table's
    key would, or at the end with the sequence, as in contributions."""

    spec: TableSpec
    columns: tuple[tuple[str, str], ...]

    @property
    def staged(self) -> tuple[tuple[str, str], ...]:
        if self.spec.shared:
            return (*self.columns, (ROW, "BIGINT"), (SEQUENCE, "BIGINT"))
        return ((self.spec.row, "BIGINT"), *self.columns)

    def having(self, **columns: str) -> Declared:
        """The same table with columns added or given another type."""
        return replace(self, columns=tuple({**dict(self.columns), **columns}.items()))

    def lacking(self, column: str) -> Declared:
        return replace(self, columns=tuple(item for item in self.columns if item[0] != column))


@dataclass(frozen=True, slots=True)
class Part:
    """One unit with its rows by table."""

    unit: Unit
    rows: Mapping[str, Rows]


class Sender:
    """Makes units and stages their rows; sequences count up as parts are made."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sequences, self._files = itertools.count(1), itertools.count(1)

    def part(self, address: str, number: int, kind: Kind = Kind.DELIVERY, **rows: Rows) -> Part:
        """The next unit in the order of acceptance."""
        return Part(self.unit(address, number, kind, next(self._sequences)), rows)

    def patch(self, healed: Part, number: int, **rows: Rows) -> Part:
        """A patch carries the sequence of what it heals, and brings the lines of its rows."""
        lines = tuple(sorted({row[0] for table in rows.values() for row in table}))
        return Part(replace(healed.unit, kind=Kind.PATCH, number=number, lines=lines), rows)

    @staticmethod
    def unit(address: str, number: int, kind: Kind, sequence: int) -> Unit:
        slot = Slot(PIPELINE, address)
        return Unit(slot, number, kind, sequence, slot.base, SPAN)

    def load(self, tables: Sequence[Declared], *parts: Part, token: str = "run-1") -> Load:  # noqa: S107 - no secret
        """A load of some parts, each table's rows staged in one Parquet file (none where no part brings it rows)."""
        staged = []
        for table in tables:
            rows = [self._row(table, part.unit, row) for part in parts for row in part.rows.get(table.spec.name, ())]
            brought = any(table.spec.name in part.rows for part in parts)
            files = (self._stage(table, rows),) if brought else ()
            staged.append(TableLoad(table.spec, table.staged, files, len(rows)))
        units = tuple(replace(part.unit, rows={name: len(rows) for name, rows in part.rows.items()}) for part in parts)
        return Load(PIPELINE, token, units, tuple(staged))

    @staticmethod
    def _row(table: Declared, unit: Unit, row: tuple[Any, ...]) -> tuple[Any, ...]:
        line, *values = row
        identity = unit.base + line
        return (*values, identity, unit.sequence) if table.spec.shared else (identity, *values)

    def _stage(self, table: Declared, rows: Rows) -> str:
        path = self._folder / f"{next(self._files):05d}.parquet"
        columns = ", ".join(f"{quote_identifier(name)} {_physical(kind)}" for name, kind in table.staged)
        with _engine().cursor() as connection:
            connection.execute(f"CREATE TEMP TABLE staged ({columns})")
            if rows:
                places = ", ".join("?" for _ in table.staged)
                connection.executemany(f"INSERT INTO staged VALUES ({places})", rows)  # noqa: S608 - only places
            connection.execute(f"COPY staged TO {quote_literal(str(path))} (FORMAT parquet)")
        return str(path)


@cache
def _engine() -> Any:
    """One engine for all senders: starting it costs more than staging a few rows."""
    import duckdb

    return duckdb.connect()


def _physical(kind: str) -> str:
    """JSON is staged as text."""
    return "VARCHAR" if kind == "JSON" else kind
