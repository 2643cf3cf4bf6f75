"""Pages of the lake's tables, for those who ask for a few rows at a time."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from datetime import UTC
from typing import TYPE_CHECKING, Any

from penstock.adapters.lake.scribe import physical
from penstock.compile.lookups import Dialect, page, statement
from penstock.errors import StorageUnavailable, UsageError
from penstock.model.lookups import Lookup, Page
from penstock.model.shapes import Columns
from penstock.model.tables import TableSpec

if TYPE_CHECKING:
    import duckdb

# DuckDB hands instants to Python only where pytz is: they pass as times in UTC.
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
        import duckdb

        kinds = dict(columns)
        asked = statement(lookup, kinds, relation, spec.key or (spec.row,), DIALECT)
        try:
            with self._cursor() as cursor:
                found = cursor.execute(asked.sql, list(asked.values)).fetchall()
        except (duckdb.ConversionException, duckdb.OutOfRangeException) as error:
            raise UsageError("a value is none of its column's type", why=type(error).__name__) from None
        except duckdb.Error as error:
            raise StorageUnavailable("the lake cannot be read", why=type(error).__name__) from None
        answer = page(found, lookup, asked)
        shown = [kinds[column] for column in lookup.columns]
        return Page([_row(row, shown) for row in answer.rows], answer.next)

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


def _row(row: Sequence[Any], kinds: Sequence[str]) -> tuple[Any, ...]:
    return tuple(_value(value, kind) for value, kind in zip(row, kinds, strict=True))


def _value(value: Any, kind: str) -> Any:
    if value is None:
        return None
    if kind == "TIMESTAMPTZ":
        return value.replace(tzinfo=UTC)
    return json.loads(value) if kind == "JSON" else value
