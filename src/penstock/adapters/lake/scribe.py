"""Writes data files with DuckDB: new rows, rows without some slots', small files made one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any
from uuid import uuid4

from penstock.adapters.choice import Choice
from penstock.adapters.lake.manifest import DataFile
from penstock.adapters.lake.snapshots import Draft
from penstock.adapters.staged import Reader, path_literal, relation
from penstock.compile.sql import quote_identifier, quote_literal
from penstock.model.loads import Range, merged
from penstock.model.shapes import Columns

FANOUT = 16
"""How many files of one size are kept before they become one: a row is written about log16(n) times."""

LARGE_ROWS = FANOUT**4
"""A file of 65,536 rows is not merged any more, so that no load pays for more than a million old rows."""

FEW_RANGES = 20
"""So many ranges are told as conditions, which let whole row groups be skipped; more are joined."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """One relation's folder: its columns, the column of row identities (if any), and its partition columns."""

    relation: str
    columns: Columns
    row: str = ""
    partition_by: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    """What rows are sorted by when files are made one."""

    @property
    def names(self) -> str:
        return ", ".join(quote_identifier(name) for name, _ in self.columns)


def physical(kind: str) -> str:
    """How a canonical type is stored: JSON as its text."""
    return "VARCHAR" if kind == "JSON" else kind


def scan(paths: Iterable[str], shelf: Shelf) -> str:
    """Files as a relation of SQL, with the partition columns that stand in their folders' names."""
    files = ", ".join(path_literal(path) for path in paths)
    if not files:
        return f"(SELECT {_nothing(shelf.columns)} WHERE false)"
    kinds = dict(shelf.columns)
    types = ", ".join(f"{quote_literal(name)}: {physical(kinds[name])}" for name in shelf.partition_by)
    hive = f"hive_partitioning = true, hive_types = {{{types}}}" if types else "hive_partitioning = false"
    return f"(SELECT {shelf.names} FROM read_parquet([{files}], {hive}))"


class Scribe:
    """Works on one draft. Files are never changed: every method returns the files to go on with."""

    def __init__(self, reader: Reader, draft: Draft, staged: Sequence[str]) -> None:
        self.reader, self.draft = reader, draft
        self._shapes: dict[str, list[tuple[str, str]]] = {}
        files = ", ".join(path_literal(file) for file in staged)
        for file, name, kind in reader.rows(_SHAPES.format(files=files)) if staged else ():
            self._shapes.setdefault(file, []).append((name, _LONG_NAMES.get(kind, kind)))

    def scan(self, shelf: Shelf, files: Iterable[DataFile]) -> str:
        return scan((self.draft.path(shelf.relation, file.path) for file in files), shelf)

    def write(self, shelf: Shelf, query: str) -> tuple[DataFile, ...]:
        """The rows of a query as new files: one, or one for each partition."""
        folder = self.draft.place(shelf.relation)
        if shelf.partition_by:
            listed = ", ".join(quote_identifier(name) for name in shelf.partition_by)
            options = f"PARTITION_BY ({listed}), FILENAME_PATTERN '{uuid4().hex[:12]}-{{i}}', OVERWRITE_OR_IGNORE"
            target = folder
        else:
            options, target = "USE_TMP_FILE false", folder / f"{uuid4().hex}.parquet"
        copy = f"COPY ({query}) TO {quote_literal(str(target))} (FORMAT parquet, RETURN_STATS, {options})"
        found = [self._file(shelf, folder, row) for row in self.reader.rows(copy)]
        for file in found:
            self.draft.made(shelf.relation, file.path)
        return tuple(file for file in found if file.rows)

    def adopt(self, shelf: Shelf, choice: Choice) -> tuple[DataFile, ...]:
        """Staged rows as files: the staged file itself where every row of it goes in, just as it is."""
        staged = [file for file in choice.survey.files if file.rows]
        if not choice.rows or not staged:
            return ()
        same = not choice.where and not shelf.partition_by and self._same_shape(shelf, choice)
        if not same:
            return self.write(shelf, choice.query(relation([file.path for file in staged]), _values(shelf, choice)))
        found = []
        for file in staged:
            name = f"{uuid4().hex}.parquet"
            self.draft.adopt(shelf.relation, file.path, name)
            found.append(DataFile(name, file.rows, file.low, file.high))
        return tuple(found)

    def reshape(self, before: Shelf, shelf: Shelf, files: Sequence[DataFile]) -> tuple[DataFile, ...]:
        """The same rows with new columns or wider types; plain readers expect every file to have one shape."""
        known = {name for name, _ in before.columns}
        values = ", ".join(_value(name, kind, known) for name, kind in shelf.columns)
        return tuple(
            new for file in files for new in self.write(shelf, f"SELECT {values} FROM {self.scan(before, [file])}")
        )

    def erase(self, shelf: Shelf, files: Sequence[DataFile], ranges: Sequence[Range]) -> tuple[DataFile, ...]:
        """The files without the rows of some identities; only files that hold such rows are written again."""
        hits = self.hits(shelf, files, ranges)
        kept: list[DataFile] = []
        for file in files:
            if file not in hits:
                kept.append(file)
            elif hits[file] < file.rows:
                rest = self._outside(shelf, file, ranges)
                kept.extend(self.write(shelf, rest))
        return tuple(kept)

    def hits(self, shelf: Shelf, files: Sequence[DataFile], ranges: Sequence[Range]) -> dict[DataFile, int]:
        """The files that hold rows of some identities, and how many."""
        within = list(merged(ranges))
        near = [file for file in files if any(file.low < high and file.high >= low for low, high in within)]
        if not near:
            return {}
        names = {self.draft.path(shelf.relation, file.path): file for file in near}
        row = quote_identifier(shelf.row)
        listed = ", ".join(path_literal(name) for name in names)
        rows = (
            f"(SELECT {row}, filename FROM read_parquet([{listed}], filename = true, hive_partitioning = false)) AS s"
        )
        inside = f"{rows} WHERE {_within(shelf.row, within)}"
        if len(within) > FEW_RANGES:
            inside = f"{rows} ASOF JOIN {self._gone(within)} ON s.{row} >= g.low WHERE s.{row} < g.high"
        found = self.reader.rows(f"SELECT filename, count(*) FROM {inside} GROUP BY ALL")
        return {names[name]: count for name, count in found}

    def inside(self, shelf: Shelf, files: Sequence[DataFile], ranges: Sequence[Range]) -> str:
        """The rows of some identities, as a relation of SQL."""
        within, row = list(merged(ranges)), quote_identifier(shelf.row)
        rows = self.scan(shelf, files if within else ())
        if len(within) <= FEW_RANGES:
            return f"(SELECT * FROM {rows} WHERE {_within(shelf.row, within) or 'false'})"
        return (
            f"(SELECT s.* FROM {rows} AS s ASOF JOIN {self._gone(within)} ON s.{row} >= g.low WHERE s.{row} < g.high)"
        )

    def compact(self, shelf: Shelf, files: Sequence[DataFile]) -> tuple[DataFile, ...]:
        """Many small files become one, size by size, so that their number grows with a logarithm."""
        ordered = sorted(files, key=_bin)
        kept: list[DataFile] = []
        for (_, size), group in groupby(ordered, key=_bin):
            members = list(group)
            if size < _size(LARGE_ROWS) and len(members) >= FANOUT:
                order = ", ".join(quote_identifier(name) for name in shelf.order)
                kept.extend(self.write(shelf, f"SELECT * FROM {self.scan(shelf, members)} ORDER BY {order}"))
            else:
                kept.extend(members)
        return tuple(kept)

    def empty(self, shelf: Shelf) -> tuple[DataFile, ...]:
        """A file without rows, so that a reader of an empty table finds its columns."""
        name = "empty.parquet"
        target = self.draft.place(shelf.relation) / name
        query = f"SELECT {_nothing(shelf.columns)} WHERE false"
        self.reader.rows(f"COPY ({query}) TO {quote_literal(str(target))} (FORMAT parquet, USE_TMP_FILE false)")
        self.draft.made(shelf.relation, name)
        return (DataFile(name, 0),)

    def _outside(self, shelf: Shelf, file: DataFile, ranges: Sequence[Range]) -> str:
        within = list(merged(ranges))
        row = quote_identifier(shelf.row)
        if len(within) <= FEW_RANGES:
            return f"SELECT * FROM {self.scan(shelf, [file])} WHERE NOT ({_within(shelf.row, within)})"
        joined = f"{self.scan(shelf, [file])} AS s ASOF LEFT JOIN {self._gone(within)} ON s.{row} >= g.low"
        return f"SELECT s.* FROM {joined} WHERE g.high IS NULL OR s.{row} >= g.high ORDER BY s.{row}"

    def _gone(self, ranges: Sequence[Range]) -> str:
        lows, highs = [range_.low for range_ in ranges], [range_.high for range_ in ranges]
        self.reader.rows(_GONE, [lows, highs])
        return "gone AS g"

    def _same_shape(self, shelf: Shelf, choice: Choice) -> bool:
        """Whether every staged file has exactly the table's columns, in name, type and order."""
        wanted = [(name, physical(kind)) for name, kind in shelf.columns]
        return all(self._shapes[file.path] == wanted for file in choice.survey.files if file.rows)

    def _file(self, shelf: Shelf, folder: Path, facts: Sequence[Any]) -> DataFile:
        path, rows, _, _, statistics, partition, _ = facts
        bounds = statistics.get(quote_identifier(shelf.row), {}) if shelf.row and rows else {}
        values = tuple(partition[name] for name in shelf.partition_by) if partition else ()
        relative = str(Path(path).relative_to(folder))
        return DataFile(relative, rows, int(bounds.get("min", -1)), int(bounds.get("max", -1)), values)


def _values(shelf: Shelf, choice: Choice) -> str:
    """The table's columns out of staged ones."""
    staged = {name for name, _ in choice.table.columns}
    return ", ".join(_value(name, kind, staged) for name, kind in shelf.columns)


def _value(name: str, kind: str, known: Iterable[str]) -> str:
    value = quote_identifier(name) if name in known else "NULL"
    return f"CAST({value} AS {physical(kind)}) AS {quote_identifier(name)}"


def _nothing(columns: Columns) -> str:
    return ", ".join(_value(name, kind, ()) for name, kind in columns)


def _within(row: str, ranges: Iterable[Range]) -> str:
    column = quote_identifier(row)
    return " OR ".join(f"({column} >= {low} AND {column} < {high})" for low, high in ranges)


def _bin(file: DataFile) -> tuple[tuple[str, ...], int]:
    """What files are compared by: the same partition, the same order of magnitude."""
    return tuple(repr(value) for value in file.partition), _size(file.rows)


def _size(rows: int) -> int:
    size = 0
    while rows >= FANOUT ** (size + 1):
        size += 1
    return size


_LONG_NAMES = {"TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ"}

_SHAPES = "SELECT file_name, name, duckdb_type FROM parquet_schema([{files}]) WHERE duckdb_type IS NOT NULL"

_GONE = "CREATE OR REPLACE TABLE gone AS SELECT unnest($1::BIGINT[]) AS low, unnest($2::BIGINT[]) AS high"
"""Ranges of identities that are to go."""
