"""SQL over what was published: the lake's tables as views, read only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC
from typing import Any

import duckdb

from penstock.compile.sql import quote_identifier, quote_literal
from penstock.errors import UsageError

_BATCH = 1000
_INSTANT = "TIMESTAMP WITH TIME ZONE"
_READING = ("SELECT", "EXPLAIN", "MULTI")
"""Statements that change nothing; DuckDB reads WITH, FROM, VALUES, SHOW and DESCRIBE as SELECT, PIVOT as MULTI."""


class Inspection:
    """A connection over published Parquet files, with nothing else within reach."""

    def __init__(self, relations: Mapping[str, str], files: Iterable[str]) -> None:
        """`relations` maps each table to SQL that reads it from some of the files."""
        self.connection = duckdb.connect()
        self.connection.execute("SET TimeZone = 'UTC'")
        folders = {file.rsplit("/", 1)[0] for file in files}
        for name, relation in relations.items():
            self.connection.execute(f"CREATE VIEW {quote_identifier(name)} AS FROM {relation}")
        allowed = ", ".join(quote_literal(f"{folder}/") for folder in sorted(folders))
        self.connection.execute(f"SET allowed_directories = [{allowed}]")
        self.connection.execute("SET enable_external_access = false")
        self.connection.execute("SET lock_configuration = true")

    def query(self, sql: str) -> tuple[list[str], Iterator[tuple[Any, ...]]]:
        """Column names and rows of one query. The engine's message is the author's own SQL: it may be shown."""
        try:
            kinds = [statement.type.name for statement in self.connection.extract_statements(sql)]
            if len(kinds) != 1 or kinds[0] not in _READING:
                raise UsageError("a query is one SELECT", why="the tables are published by runs alone")
            cursor = self.connection.execute(sql)
            columns = [(str(column[0]), str(column[1])) for column in cursor.description or ()]
            instants = [place for place, (_, kind) in enumerate(columns) if kind == _INSTANT]
            if instants:
                cursor = self.connection.execute(_in_utc(sql, len(columns), instants))
        except duckdb.Error as error:
            raise UsageError("the query cannot be run", why=str(error)) from None
        return [name for name, _ in columns], _rows(cursor, instants)

    def close(self) -> None:
        self.connection.close()


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
