"""Tables read as a stranger would: Parquet files behind `current`, tables of a PostgreSQL schema."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC
from pathlib import Path
from typing import Any

from penstock.testing.promises import Row, row

Tables = Mapping[str, Sequence[str]]
"""The tables that are read, with their columns."""


def lake_tables(zones: Path, tables: Tables) -> dict[str, Counter[Row]]:
    """The tables of a lake; one that has no files is empty."""
    import duckdb

    with duckdb.connect() as connection:
        return {
            name: _parquet(connection, zones / "curated" / name / "current", columns)
            for name, columns in tables.items()
        }


def _parquet(connection: Any, folder: Path, columns: Sequence[str]) -> Counter[Row]:
    files = sorted(str(path) for path in folder.rglob("*.parquet"))
    if not files:
        return Counter()
    described = connection.execute("DESCRIBE FROM read_parquet($1)", [files]).fetchall()
    instants = {name for name, kind, *_ in described if kind == "TIMESTAMP WITH TIME ZONE"}
    # Of an instant DuckDB makes a Python object only with a library that nothing else here needs.
    listed = ", ".join(f"timezone('UTC', \"{name}\")" if name in instants else f'"{name}"' for name in columns)
    found = connection.execute(f"SELECT {listed} FROM read_parquet($1)", [files]).fetchall()  # noqa: S608 - ours
    aware = [name in instants for name in columns]
    return _counted(columns, (tuple(map(_instant, values, aware)) for values in found))


def _instant(value: Any, aware: bool) -> Any:  # noqa: FBT001 - mapped over columns
    return value.replace(tzinfo=UTC) if aware and value is not None else value


def postgres_tables(url: str, tables: Tables, schema: str = "public") -> dict[str, Counter[Row]]:
    """The tables of a PostgreSQL schema; one that is not there is empty."""
    import psycopg

    found: dict[str, Counter[Row]] = {}
    with psycopg.connect(url) as connection:
        for name, columns in tables.items():
            there = connection.execute("SELECT to_regclass(%s)", [f"{schema}.{name}"]).fetchone()
            rows: Iterable[Any] = ()
            if there and there[0]:
                rows = connection.execute(f"SELECT {_listed(columns)} FROM {schema}.{name}").fetchall()  # noqa: S608 - ours
            found[name] = _counted(columns, rows)
    return found


def _listed(columns: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in columns)


def _counted(columns: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> Counter[Row]:
    return Counter(row(**dict(zip(columns, values, strict=True))) for values in rows)
