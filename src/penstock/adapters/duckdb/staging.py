"""What `prepare` leaves on disk: staged tables as Parquet, durable before the ledger hears of them."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from penstock.adapters.duckdb.session import Session
from penstock.compile.sql import quote_identifier, quote_literal
from penstock.errors import StepFailed, StorageUnavailable
from penstock.model.faults import point
from penstock.model.runs import Staged
from penstock.model.schemas import canonical, union

PACKED, PLAIN = "snappy", "uncompressed"
"""For files that a lake may publish as they are; for files that are read once and go."""
_NESTED = "JSON"


@dataclass(frozen=True, slots=True)
class _Part:
    """One file of a table, in the order of writing."""

    number: int
    path: Path
    columns: tuple[tuple[str, str], ...]
    rows: int = 0
    place: int = 0


class Staging:
    """The files of one attempt. Another attempt writes to another folder, so that two never meet."""

    place = 0
    """Of the part whose rows are written now, among the parts of its delivery."""

    def __init__(
        self, session: Session, folder: Path, compression: str = PACKED, numbers: Iterator[int] | None = None
    ) -> None:
        """`numbers` tells files apart; those who write to one folder share it."""
        self.session, self.folder = session, folder
        self._numbers = numbers or itertools.count()
        self._format = f"(FORMAT parquet, COMPRESSION {compression})"
        self.tables: dict[str, list[_Part]] = {}

    def begin(self) -> None:
        """An empty folder of its own: leftovers of a dead worker with the same attempt are removed."""
        make_empty(self.folder)

    def add(self, table: str, sql: str) -> int:
        """Append the rows of a query to a table's files; returns how many."""
        columns, stored = self.stored(sql)
        part = self._part(table, columns)
        statement = f"COPY ({stored}) TO {quote_literal(str(part.path))} {self._format}"
        rows = self.session.number(statement, where=f"table {table}")
        point("prepare.staged")
        self.tables[table].append(replace(part, rows=rows))
        return rows

    def mark(self) -> int:
        """A point to come back to: all files that are written from now on have this number or a higher one."""
        return next(self._numbers)

    def parts(self, table: str, *, since: int = 0) -> list[str]:
        """A table's files, or those that were written after a mark."""
        return [str(part.path) for part in self.tables.get(table, ()) if part.number >= since]

    def columns(self, table: str) -> list[str]:
        """The names of the columns of a table's newest file."""
        return [name for name, _ in self.tables[table][-1].columns]

    def absorb(self, others: Sequence[Staging]) -> None:
        """Take over what others have written to the same folder, in the order of the parts that it came from."""
        for table in {table: None for other in others for table in other.tables}:
            parts = [part for other in others for part in other.tables.get(table, ())]
            self.tables.setdefault(table, []).extend(sorted(parts, key=lambda part: (part.place, part.number)))

    def rollback(self, mark: int) -> None:
        """Remove every file that was written after a mark."""
        for table, parts in self.tables.items():
            for part in [part for part in parts if part.number >= mark]:
                part.path.unlink(missing_ok=True)
                parts.remove(part)
            self.tables[table] = parts

    def replace(self, table: str, sql: str, *, since: int) -> int:
        """Put a query's rows (which may read them) in the place of the files after a mark; returns how many."""
        new = self._part(table, self.tables[table][-1].columns)
        rows = self.session.number(f"COPY ({sql}) TO {quote_literal(str(new.path))} {self._format}", where=table)
        old = [part for part in self.tables[table] if part.number >= since]
        for part in old:
            part.path.unlink()
        self.tables[table] = [part for part in self.tables[table] if part not in old]
        self.tables[table].append(replace(new, rows=rows))
        return rows

    def finish(self, order: Iterable[str]) -> tuple[Staged, ...]:
        """Make the files durable and name them."""
        staged = tuple(self._staged(table) for table in order if self.tables.get(table))
        for path in (part.path for parts in self.tables.values() for part in parts):
            persist(path)
        for folder in (*(self.folder / table for table in self.tables), self.folder, *list(self.folder.parents)[:3]):
            persist(folder)
        return staged

    def _staged(self, table: str) -> Staged:
        """A table's files, all with the same columns: types that a step inferred for each delivery are united."""
        columns = self.tables[table][0].columns
        for part in self.tables[table]:
            columns = _united(table, columns, part.columns)
        for part in self.tables[table]:
            if part.columns != columns:
                self._cast(part, columns)
        rows = sum(part.rows for part in self.tables[table])
        return Staged(table, tuple(self.parts(table)), columns, rows)

    def _cast(self, part: _Part, columns: tuple[tuple[str, str], ...]) -> None:
        casts = ", ".join(
            f"CAST({quote_identifier(name)} AS {kind}) AS {quote_identifier(name)}" for name, kind in columns
        )
        other = part.path.with_suffix(".cast")
        source = f"SELECT {casts} FROM read_parquet({quote_literal(str(part.path))})"
        self.session.run(f"COPY ({source}) TO {quote_literal(str(other))} {self._format}")
        other.replace(part.path)

    def _part(self, table: str, columns: tuple[tuple[str, str], ...]) -> _Part:
        """The next file of a table. Numbers never recur within an attempt."""
        self.tables.setdefault(table, [])
        (self.folder / table).mkdir(exist_ok=True)
        self.tables.setdefault(table, [])
        (self.folder / table).mkdir(exist_ok=True)
        number = next(self._numbers)
        return _Part(number, self.folder / table / f"part-{number:05d}.parquet", columns, place=self.place)

    def stored(self, sql: str) -> tuple[tuple[tuple[str, str], ...], str]:
        """The columns of a query in their canonical types, and the query that gives them so."""
        described = [(row[0], row[1]) for row in self.session.rows(f"DESCRIBE {sql}")]
        columns = tuple((name, canonical(kind)) for name, kind in described)
        casts = {name: cast for name, kind in described if (cast := _stored_as(name, kind))}
        listed = ", ".join(f"{cast} AS {quote_identifier(name)}" for name, cast in casts.items())
        return columns, f"SELECT * REPLACE ({listed}) FROM ({sql})" if casts else sql


def _united(
    table: str, first: tuple[tuple[str, str], ...], second: tuple[tuple[str, str], ...]
) -> tuple[tuple[str, str], ...]:
    """Columns that hold both. Raises `StepFailed` where deliveries of one table do not agree."""
    if first == second:
        return first
    kinds = dict(second)
    united = tuple((name, union(kind, kinds.get(name, ""))) for name, kind in first)
    wrong = [name for name, kind in united if kind is None]
    if wrong or len(first) != len(second):
        names = wrong or sorted({name for name, _ in first} ^ set(kinds))
        raise StepFailed(
            f"table {table!r} has different columns for different deliveries: {', '.join(names)}",
            fix="let the step give each column one type, with a cast",
        )
    return tuple((name, kind) for name, kind in united if kind is not None)


def _stored_as(name: str, kind: str) -> str:
    """How a column is stored that is not of a canonical type: lists and structs as JSON text, which every destination
    keeps exactly, and whole numbers of 128 bits as decimals, for Parquet would round them. Empty for all others."""
    stored = canonical(kind)
    if stored == _NESTED:
        return f"to_json({quote_identifier(name)})::VARCHAR"
    return f"CAST({quote_identifier(name)} AS {stored})" if stored != kind else ""


def make_empty(folder: Path) -> None:
    """A new folder in the staging zone; what lay under its name goes. Raises `StorageUnavailable`."""
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    except OSError as error:
        raise StorageUnavailable("the staging zone cannot be written", why=error.strerror or "") from error


def persist(path: Path) -> None:
    """Make a file or a folder durable."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StorageUnavailable(f"{path.name} cannot be made durable", why=error.strerror or "") from error
