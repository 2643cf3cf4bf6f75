"""Pages of the lake's tables, for those who ask for a few rows at a time."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC
from typing import TYPE_CHECKING, Any

from penstock.adapters.lake.scribe import physical
from penstock.compile.lookups import Dialect, page, statement
from penstock.compile.summaries import DUCKDB, question
from penstock.errors import DestinationError, PenstockError, StorageUnavailable, UsageError
from penstock.model.lookups import Lookup, Page
from penstock.model.shapes import Columns
from penstock.model.summaries import Answer, Summary
from penstock.model.tables import TableSpec

if TYPE_CHECKING:
    import duckdb

# DuckDB hands instants to Python only where pytz is: they pass as times in UTC.
SUMMARIES = replace(DUCKDB, type_name=physical)
DIALECT = Dialect(physical, "VARCHAR", instant="timezone('UTC', {})")
THREADS = 2


class Pages:
    """A kept connection for small questions, several at a time; `memory` bounds all of them together."""

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._turn = threading.Lock()
        self._connection: duckdb.DuckDBPyConnection | None = None

    def page(self, lookup: Lookup, columns: Columns, spec: TableSpec, relation: str) -> Page:
        """A page of the relation that `spec` describes."""
        kinds = dict(columns)
        asked = statement(lookup, kinds, relation, spec.key or (spec.row,), DIALECT)
        answer = page(self._rows(asked.sql, asked.values), lookup, asked)
        shown = [kinds[column] for column in lookup.columns]
        return Page([_row(row, shown) for row in answer.rows], answer.next)

    def summarize(self, summary: Summary, columns: Columns, relation: str) -> Answer:
        """The numbers of a chart."""
        asked = question(summary, dict(columns), relation, SUMMARIES)
        return Answer(self._rows(asked.sql, asked.values))

    def _rows(self, sql: str, values: Sequence[str]) -> list[tuple[Any, ...]]:
        import duckdb

        try:
            with self._cursor() as cursor:
                return cursor.execute(sql, list(values)).fetchall()
        except (duckdb.ConversionException, duckdb.OutOfRangeException) as error:
            raise UsageError("a value is none of its column's type", why=type(error).__name__) from None
        except duckdb.Error as error:
            raise _refused(error) from None

    def close(self) -> None:
        with self._turn:
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        import duckdb

        with self._turn:
            if self._connection is None:
                self._connection = duckdb.connect(config={"memory_limit": f"{self._memory}B", "threads": THREADS})
                self._connection.execute("SET GLOBAL TimeZone = 'UTC'")
            return self._connection.cursor()


def _refused(error: duckdb.Error) -> PenstockError:
    """The engine's own words may quote data: only their kind passes."""
    name = type(error).__name__
    if name == "BinderException":
        why = "a column has a type that this cannot be asked of"
        return DestinationError("the question does not fit the table", why=why, fix="sums need numbers")
    return StorageUnavailable("the lake cannot be read", why=name)


def _row(row: Sequence[Any], kinds: Sequence[str]) -> tuple[Any, ...]:
    return tuple(_value(value, kind) for value, kind in zip(row, kinds, strict=True))


def _value(value: Any, kind: str) -> Any:
    if value is None:
        return None
    if kind == "TIMESTAMPTZ":
        return value.replace(tzinfo=UTC)
    return json.loads(value) if kind == "JSON" else value
