"""SQL over what was published: the lake's tables as views, read only; what has landed may be among them."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any

import duckdb

from penstock.compile.sql import quote_identifier, quote_literal
from penstock.errors import UnknownName, UsageError

_BATCH = 1000
_SMALL = 64_000_000
"""Tables of fewer bytes are read twice for `explain`: the first time their footers are read, which are most of a tiny
file. Of more bytes a footer is less than one in a hundred."""
_INSTANT = "TIMESTAMP WITH TIME ZONE"
_ABSENT = re.compile(r"Table with name (\S+) does not exist")
_READING = ("SELECT", "EXPLAIN", "MULTI")
"""Statements that change nothing; DuckDB reads WITH, FROM, VALUES, SHOW and DESCRIBE as SELECT, PIVOT as MULTI."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a query has read, of how much there is in the tables that it names."""

    tables: tuple[str, ...]
    files_read: int
    files: int
    row_groups_read: int
    row_groups: int
    """Of the files that were read."""
    bytes_read: int
    """Of rows. What describes the files (their footers) is counted only where it is a small part: see `_SMALL`."""
    bytes: int
    """What all files of the tables hold."""
    rows_read: int
    rows: int
    """How many rows were found."""


class Inspection:
    """A connection over published Parquet files, with nothing else within reach."""

    def __init__(
        self, relations: Mapping[str, str], files: Mapping[str, Sequence[str]], declared: Collection[str] = ()
    ) -> None:
        """`relations` maps each table to SQL that reads it from its `files`; `declared` are those that may come."""
        self._files = files
        self._known, self._declared = relations.keys(), declared
        self.connection = duckdb.connect()
        self.connection.execute("SET TimeZone = 'UTC'")
        self.connection.execute("SET parquet_metadata_cache = true")
        folders = {file.rsplit("/", 1)[0] for paths in files.values() for file in paths}
        for schema in {name.split(".")[0] for name in relations if "." in name}:
            self.connection.execute(f"CREATE SCHEMA {quote_identifier(schema)}")
        for name, relation in relations.items():
            quoted = ".".join(quote_identifier(part) for part in name.split("."))
            self.connection.execute(f"CREATE VIEW {quoted} AS FROM {relation}")
        allowed = ", ".join(quote_literal(f"{folder}/") for folder in sorted(folders))
        self.connection.execute(f"SET allowed_directories = [{allowed}]")
        self.connection.execute("SET enable_external_access = false")
        self.connection.execute("SET lock_configuration = true")

    def query(self, sql: str) -> tuple[list[str], Iterator[tuple[Any, ...]]]:
        """Column names and rows of one query. The engine's message is the author's own SQL: it may be shown."""
        try:
            self._check(sql)
            cursor = self.connection.execute(sql)
            columns = [(str(column[0]), str(column[1])) for column in cursor.description or ()]
            instants = [place for place, (_, kind) in enumerate(columns) if kind == _INSTANT]
            if instants:
                cursor = self.connection.execute(_in_utc(sql, len(columns), instants))
        except duckdb.Error as error:
            raise self._refused(sql, str(error)) from None
        return [name for name, _ in columns], _rows(cursor, instants)

    def explain(self, sql: str) -> Reading:
        """Run one query for what it reads. The rows themselves are not returned."""
        try:
            self._check(sql)
            told = self.connection.execute("SELECT json_serialize_sql($1)", [sql]).fetchall()[0][0]
            tables = tuple(sorted({*_named(json.loads(told))} & self._files.keys()))
            files = [file for name in tables for file in self._files[name]]
            held = sum(Path(file).stat().st_size for file in files)
            for _ in range(2 if held < _SMALL else 1):
                profile = self.connection.execute(f"EXPLAIN (ANALYZE, FORMAT json) {sql}").fetchall()[0][1]
            found = json.loads(profile)
            if "operator" not in found:  # answered from footers alone, some queries have no profile
                rows = len(self.connection.execute(sql).fetchall())
                return Reading(tables, 0, len(files), 0, 0, 0, held, 0, rows)
        except duckdb.Error as error:
            raise self._refused(sql, str(error)) from None
        return _reading(found, tables, len(files), held)

    def _refused(self, sql: str, told: str) -> UsageError:
        """What the engine says, but for a table that is not there: it would name the nearest of its own."""
        found = _ABSENT.search(told)
        if found is None:
            return UsageError("the query cannot be run", why=told)
        name = found[1]
        if name in self._declared:
            why = "nothing was loaded into it so far, or the version that is published is older than it"
            return UnknownName(f"the table {name!r} is not there yet", why=why, fix="penstock run, penstock publish")
        qualified = re.search(rf'(\w+)"?\s*\.\s*"?{re.escape(name)}\b', sql)
        return UnknownName.among("table", f"{qualified[1]}.{name}" if qualified else name, self._known)

    def _check(self, sql: str) -> None:
        kinds = [statement.type.name for statement in self.connection.extract_statements(sql)]
        if len(kinds) != 1 or kinds[0] not in _READING:
            raise UsageError("a query is one SELECT", why="the tables are published by runs alone")

    def close(self) -> None:
        self.connection.close()


def _reading(profile: Mapping[str, Any], tables: tuple[str, ...], files: int, held: int) -> Reading:
    scans = [found for root in profile["operator"] for found in _scans(root)]
    # What is answered from footers alone scans nothing, and has no figures of scans.
    query = profile["query"]
    return Reading(
        tables,
        sum(int(scan.get("Total Files Read", 0)) for scan in scans),
        files,
        query.get("total_row_groups_scanned", 0),
        query.get("total_row_groups_to_scan", 0),
        profile.get("io", {}).get("total_bytes_read", 0),
        held,
        query.get("total_rows_scanned", 0),
        _found(profile["operator"]),
    )


def _named(node: object) -> Iterator[str]:
    """The tables that a parsed query names, wherever it does."""
    if isinstance(node, dict) and node.get("type") == "BASE_TABLE":
        schema = node.get("schema_name")
        yield (f"{schema}." if schema else "") + str(node["table_name"]).lower()
    for part in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _named(part)


def _scans(operator: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """What is told of every operator that reads files."""
    if operator["type"] == "TABLE_SCAN":
        yield operator["extra_info"]
    for child in operator.get("children", ()):
        yield from _scans(child)


def _found(operators: Sequence[Mapping[str, Any]]) -> int:
    """The rows of the first operator below what collects and explains them."""
    operator = operators[0]
    while operator["type"] in ("RESULT_COLLECTOR", "EXPLAIN_ANALYZE"):
        operator = operator["children"][0]
    return int(operator["intermediate_rows"])


def _in_utc(sql: str, width: int, instants: Sequence[int]) -> str:
    """The same query with its instants as times in UTC: DuckDB hands instants to Python only where pytz is."""
    names = [f"c{place}" for place in range(width)]
    items = ", ".join(f"timezone('UTC', {name})" if place in instants else name for place, name in enumerate(names))
    return f"SELECT {items} FROM (\n{sql.rstrip().removesuffix(';')}\n) AS found({', '.join(names)})"


def _rows(cursor: duckdb.DuckDBPyConnection, instants: Sequence[int]) -> Iterator[tuple[Any, ...]]:
    while batch := cursor.fetchmany(_BATCH):
        yield from (_dated(row, instants) for row in batch) if instants else batch


def _dated(row: tuple[Any, ...], instants: Sequence[int]) -> tuple[Any, ...]:
    known = {place: row[place].replace(tzinfo=UTC) for place in instants if row[place] is not None}
    return tuple(known.get(place, value) for place, value in enumerate(row))
