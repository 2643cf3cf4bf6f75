"""The café's tables, read as a stranger would: Parquet files behind `current`, tables of a PostgreSQL schema."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from penstock.testing.oracle import TABLES, Row, row


def lake_tables(zones: Path) -> dict[str, Counter[Row]]:
    """The tables of a lake; one that has no files is empty."""
    import duckdb

    with duckdb.connect() as connection:
        return {name: _parquet(connection, zones / "curated" / name / "current", name) for name in TABLES}


def _parquet(connection: Any, folder: Path, name: str) -> Counter[Row]:
    files = sorted(str(path) for path in folder.rglob("*.parquet"))
    if not files:
        return Counter()
    found = connection.execute(f"SELECT {', '.join(TABLES[name])} FROM read_parquet($1)", [files])  # noqa: S608 - ours
    return _counted(name, found.fetchall())


def postgres_tables(url: str, schema: str = "public") -> dict[str, Counter[Row]]:
    """The tables of a PostgreSQL schema; one that is not there is empty."""
    import psycopg

    found: dict[str, Counter[Row]] = {}
    with psycopg.connect(url) as connection:
        for name, columns in TABLES.items():
            there = connection.execute("SELECT to_regclass(%s)", [f"{schema}.{name}"]).fetchone()
            rows: Iterable[Any] = ()
            if there and there[0]:
                rows = connection.execute(f"SELECT {', '.join(columns)} FROM {schema}.{name}").fetchall()  # noqa: S608 - ours
            found[name] = _counted(name, rows)
    return found


def _counted(name: str, rows: Iterable[tuple[Any, ...]]) -> Counter[Row]:
    return Counter(row(**dict(zip(TABLES[name], values, strict=True))) for values in rows)
