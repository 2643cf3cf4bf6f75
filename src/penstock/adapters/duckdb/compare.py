"""Whether two stagings of a table hold the same rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb

from penstock.compile.sql import quote_literal
from penstock.model.runs import Staged

_SAMPLE = 3


@dataclass(frozen=True, slots=True)
class Unlike:
    """How two stagings of a table differ: as multisets, with a few protected rows of each side."""

    table: str
    columns: tuple[str, ...]
    missing: int
    extra: int
    examples: tuple[tuple[str, tuple[Any, ...]], ...]
    """(`-` or `+`, row)."""


def unlike(first: Staged | None, second: Staged | None) -> Unlike | None:
    """How the second differs from the first; None when they hold the same rows. Either may be absent: no rows."""
    present = first or second
    if present is None:
        return None
    with duckdb.connect() as connection:
        missing, lost = _only(connection, first, second)
        extra, new = _only(connection, second, first)
    if not missing and not extra:
        return None
    examples = [*(("-", row) for row in lost), *(("+", row) for row in new)]
    return Unlike(present.table, tuple(name for name, _ in present.columns), missing, extra, tuple(examples))


def _only(
    connection: duckdb.DuckDBPyConnection, first: Staged | None, second: Staged | None
) -> tuple[int, list[tuple[Any, ...]]]:
    """Rows of the first that the second lacks, counted as often as they occur."""
    if first is None or not first.files:
        return 0, []
    query = f"SELECT * FROM {_files(first)}"
    if second is not None and second.files:
        query += f" EXCEPT ALL SELECT * FROM {_files(second)}"
    rows = connection.execute(f"SELECT * FROM ({query}) LIMIT {_SAMPLE}").fetchall()
    found = connection.execute(f"SELECT count(*) FROM ({query})").fetchone()
    return int(found[0]) if found else 0, rows


def _files(staged: Staged) -> str:
    return f"read_parquet([{', '.join(quote_literal(file) for file in staged.files)}])"
