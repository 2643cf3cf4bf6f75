"""Staged Parquet files, read with DuckDB on behalf of a destination: surveyed, counted by slot, cut into parts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from penstock.adapters.scratch import Scratch
from penstock.compile.sql import quote_identifier, quote_literal
from penstock.errors import DestinationError, PenstockError, StorageUnavailable
from penstock.model.loads import Share, Verdict, shares, stray
from penstock.model.rows import ROW
from penstock.model.tables import TableLoad, TableSpec

PART_ROWS = 200_000
"""How many rows pass through memory at once: some 10 MB of text."""

_GLOB = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class StagedFile:
    """One staged file, with the smallest and largest row identity in it."""

    path: str
    rows: int
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Survey:
    """What the staged files of one table hold. `counts` is by ordinal of the change; -1 counts the rows left out."""

    table: TableLoad
    files: tuple[StagedFile, ...]
    counts: Mapping[int, int]

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)


@dataclass(frozen=True, slots=True)
class Part:
    """Some rows of some files, few enough to be held in memory: all rows, or those from `start` up to `stop`."""

    files: tuple[str, ...]
    start: int = 0
    stop: int = 0

    def relation(self) -> str:
        if not self.stop:
            return relation(self.files)
        files = ", ".join(path_literal(file) for file in self.files)
        within = f"file_row_number >= {self.start} AND file_row_number < {self.stop}"
        numbered = f"read_parquet([{files}], file_row_number = true, hive_partitioning = false)"
        return f"(SELECT * EXCLUDE (file_row_number) FROM {numbered} WHERE {within})"


def relation(files: Sequence[str]) -> str:
    """Parquet files as a relation of SQL."""
    return f"read_parquet([{', '.join(path_literal(file) for file in files)}], hive_partitioning = false)"


def parts(files: Iterable[StagedFile], limit: int = PART_ROWS) -> Iterator[Part]:
    """Cut files into parts: small files together, large ones by their row groups' order."""
    waiting: list[str] = []
    rows = 0
    for file in files:
        if waiting and rows + file.rows > limit:
            yield Part(tuple(waiting))
            waiting, rows = [], 0
        if file.rows > limit:
            yield from (Part((file.path,), start, start + limit) for start in range(0, file.rows, limit))
        elif file.rows:
            waiting.append(file.path)
            rows += file.rows
    if waiting:
        yield Part(tuple(waiting))


class Reader:
    """A kept DuckDB connection, bounded in memory. Its errors come out as ours, without values of the data."""

    def __init__(self, scratch: Path, memory: int) -> None:
        self._parent, self._memory = scratch, memory
        self._scratch: Scratch | None = None
        self._session: Any = None

    @property
    def session(self) -> Any:
        if self._session is None:
            from penstock.adapters.duckdb.session import Resources, Session

            self._scratch = Scratch(self._parent)
            self._session = Session(Resources(self._scratch.folder, self._memory))
        return self._session

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        try:
            found: list[tuple[Any, ...]] = self.session.rows(sql, parameters)
        except StorageUnavailable:
            raise
        except PenstockError as error:
            raise DestinationError("staged rows could not be read", at=error.at, why=error.why) from None
        return found

    @cached_property
    def quick(self) -> Reader:
        """The same engine without its optimizer, for queries that are read faster than they are planned."""
        other = self.cursor()
        other.rows("PRAGMA disable_optimizer")
        return other

    def cursor(self) -> Reader:
        """A second connection to the same engine, for another thread."""
        other = Reader(self._parent, self._memory)
        other._session = _cursor(self.session)
        return other

    def close(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None
            self.__dict__.pop("quick", self).close()
        if self._scratch is not None:
            self._scratch.close()
            self._scratch = None

    def survey(self, tables: Sequence[TableLoad], verdict: Verdict) -> dict[str, Survey]:
        """Count the staged rows of every table by change. Raises `DestinationError` for rows that nobody brings."""
        facts = self._facts(tables)
        owners = shares(verdict)
        counts = (
            self._counts_by_facts(tables, facts, owners)
            or _counts_as_staged(tables, facts, verdict)
            or self._counts_by_rows(tables, owners)
        )
        return {table.spec.name: Survey(table, facts[table.spec.name], counts[table.spec.name]) for table in tables}

    def _facts(self, tables: Sequence[TableLoad]) -> dict[str, tuple[StagedFile, ...]]:
        """What the files' footers say: rows, smallest and largest identity."""
        files = [path_literal(file) for table in tables for file in table.files]
        groups: dict[tuple[str, str], list[tuple[Any, ...]]] = {}
        for file, column, *group in self.rows(_FOOTERS.format(files=", ".join(files))) if files else ():
            groups.setdefault((file, column), []).append(tuple(group))
        return {
            table.spec.name: tuple(_facts(file, groups.get((file, row_column(table.spec)), [])) for file in table.files)
            for table in tables
        }

    def _counts_by_facts(
        self, tables: Sequence[TableLoad], facts: Mapping[str, Sequence[StagedFile]], owners: Sequence[Share]
    ) -> dict[str, dict[int, int]]:
        """With one owner the footers tell everything; empty where they do not."""
        if len(owners) != 1:
            return {}
        (low, high), change = owners[0]
        if any(file.rows and not low <= file.low <= file.high < high for files in facts.values() for file in files):
            return {}
        return {table.spec.name: {change: sum(file.rows for file in facts[table.spec.name])} for table in tables}

    def _counts_by_rows(self, tables: Sequence[TableLoad], owners: Sequence[Share]) -> dict[str, dict[int, int]]:
        counts: dict[str, dict[int, int]] = {table.spec.name: {} for table in tables}
        self.share(owners)
        selects = [
            f"SELECT {number} AS number, {identity(table)} AS row FROM {relation(table.files)}"
            for number, table in enumerate(tables)
            if table.files
        ]
        for number, change, rows in self.rows(_OWNERS.format(rows=" UNION ALL ".join(selects))) if selects else ():
            if change is None:
                raise stray(tables[number].spec.name, rows)
            counts[tables[number].spec.name][change] = rows
        return counts

    def share(self, owners: Sequence[Share]) -> None:
        """Let SQL know whose rows are whose: the table `shares (low, high, change)`."""
        lows, highs = [owner.range.low for owner in owners], [owner.range.high for owner in owners]
        self.rows(_SHARES, [lows, highs, [owner.change for owner in owners]])

    def partitions(self, table: TableLoad) -> list[tuple[str, int, int]]:
        """Partition, change and rows of what is brought to a partitioned table; `share` comes first."""
        if not table.files:
            return []
        staged = owned(relation(table.files), table)
        found = self.rows(
            f"SELECT {partition_key(table)}, change, count(*) FROM {staged} WHERE change >= 0 GROUP BY ALL"
        )
        return [(key, change, rows) for key, change, rows in found]

    def allow(self, name: str, winners: Iterable[tuple[str, int]]) -> None:
        """Let SQL know which change may write which partition: the table `name (key, change)`."""
        pairs = list(winners)
        self.rows(
            _ALLOWED.format(name=quote_identifier(name)), [[key for key, _ in pairs], [change for _, change in pairs]]
        )


def _counts_as_staged(
    tables: Sequence[TableLoad], facts: Mapping[str, Sequence[StagedFile]], verdict: Verdict
) -> dict[str, dict[int, int]]:
    """As they were counted when they were staged, and found within their slots; empty where the files hold other rows
    than those of the units that come now. To find thousands of owners of millions of rows costs as much as to write
    them."""
    counts: dict[str, dict[int, int]] = {}
    for table in tables:
        name = table.spec.name
        counts[name] = {
            number: change.unit.rows[name]
            for number, change in enumerate(verdict.changes)
            if change.unit.rows.get(name)
        }
        if (
            len(verdict.changes) == 1
            or verdict.stale
            or sum(counts[name].values()) != sum(file.rows for file in facts[name])
        ):
            return {}
    return counts


def row_column(spec: TableSpec) -> str:
    """The column that holds a row's identity."""
    return ROW if spec.shared else spec.row


def identity(table: TableLoad) -> str:
    """The same, quoted."""
    return quote_identifier(row_column(table.spec))


def owned(rows: str, table: TableLoad) -> str:
    """Staged rows with the ordinal of the change that brings them; `Reader.share` comes first."""
    return f"(SELECT s.*, x.change FROM {rows} AS s ASOF JOIN shares AS x ON s.{identity(table)} >= x.low)"


def partition_key(table: TableLoad) -> str:
    """The partition of a row as JSON text: canonical texts of its `partition_by` columns."""
    values = ", ".join(f"CAST({quote_identifier(column)} AS VARCHAR)" for column in table.spec.partition_by)
    return f"CAST(to_json([{values}]) AS VARCHAR)"


def partition_values(key: str) -> list[str | None]:
    """The texts that a partition's key was made of."""
    values: list[str | None] = json.loads(key)
    return values


def _facts(file: str, groups: Sequence[tuple[Any, ...]]) -> StagedFile:
    """One file's row groups together; without statistics its identities are unknown, and an impossible range."""
    lows, highs = [group[1] for group in groups], [group[2] for group in groups]
    known = groups and None not in (*lows, *highs)
    low, high = (min(map(int, lows)), max(map(int, highs))) if known else (-1, -1)
    return StagedFile(file, sum(group[0] for group in groups), low, high)


def path_literal(file: str) -> str:
    """A path for `read_parquet`, in which no character means a pattern."""
    return quote_literal(_GLOB.sub(lambda match: f"[{match[0]}]", file))


def _cursor(session: Any) -> Any:
    from copy import copy

    other = copy(session)
    other.connection = session.connection.cursor()
    return other


_FOOTERS = """
SELECT file_name, path_in_schema, row_group_num_rows, stats_min_value, stats_max_value
FROM parquet_metadata([{files}])
"""

_SHARES = """
CREATE OR REPLACE TABLE shares AS
SELECT unnest($1::BIGINT[]) AS low, unnest($2::BIGINT[]) AS high, unnest($3::INTEGER[]) AS change
"""

_ALLOWED = """
CREATE OR REPLACE TABLE {name} AS SELECT unnest($1::VARCHAR[]) AS key, unnest($2::INTEGER[]) AS change
"""

_OWNERS = """
SELECT s.number, CASE WHEN s.row < x.high THEN x.change END AS owner, count(*)
FROM ({rows}) AS s ASOF LEFT JOIN shares AS x ON s.row >= x.low
GROUP BY ALL
"""
