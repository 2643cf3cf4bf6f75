"""Rows of some slots of a table as a Parquet file, for the pipelines that read it: what both destinations share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from penstock.adapters.staged import Reader
from penstock.compile.sql import quote_identifier, quote_literal
from penstock.errors import DestinationError
from penstock.model.loads import Range, merged
from penstock.model.rows import RESERVED
from penstock.model.shapes import Columns

FEW = 50
"""So many ranges are told as conditions, for which an index or a row group's statistics help; more are joined."""
PLACE = "_place_of_contribution"
"""Among the contributions to one key, while they are ranked."""


def values(columns: Columns) -> list[tuple[str, str]]:
    """The columns that readers of a table want: all but Penstock's own."""
    return [(name, kind) for name, kind in columns if name not in RESERVED]


def selection(relation: str, columns: Columns, row: str, ranges: Sequence[Range], span: str, best: str = "") -> str:
    """SQL for the rows in these ranges of identities, in their order. `span` is a relation `(low, high)` of them,
    which is used when they are many. `best` is the window that ranks a shared table's contributions: of those to one
    key the first stays, as if nobody else had contributed.
    """
    listed = ", ".join(f"t.{quote_identifier(name)}" for name, _ in values(columns))
    identity = f"t.{quote_identifier(row)}"
    rows = f"{relation} AS t{_within(identity, ranges, span)}"
    if best:
        ranked = f"SELECT *, row_number() OVER ({best}) AS {PLACE} FROM (SELECT t.* FROM {rows}) AS t"
        rows = f"({ranked}) AS t WHERE t.{PLACE} = 1"
    return f"SELECT {listed} FROM {rows} ORDER BY {identity}"


def _within(identity: str, ranges: Sequence[Range], span: str) -> str:
    if len(ranges) > FEW:
        return f" JOIN {span} AS s ON {identity} >= s.low AND {identity} < s.high"
    within = " OR ".join(f"({identity} >= {low} AND {identity} < {high})" for low, high in ranges)
    return f" WHERE {within or 'false'}"


def joined(ranges: Iterable[Range]) -> list[Range]:
    """The same identities in as few ranges as possible."""
    return list(merged(ranges))


def absent(table: str) -> DestinationError:
    """A table of which nothing was ever loaded has no columns to read."""
    return DestinationError(
        f"the table {table!r} is not there", why="no delivery has brought it a row yet", fix="penstock status --ready"
    )


def write(reader: Reader, sql: str, path: Path) -> None:
    """A query's rows as a Parquet file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    reader.rows(f"COPY ({sql}) TO {quote_literal(str(path))} (FORMAT parquet)")


def from_text(columns: Columns, source: Path) -> str:
    """SQL for rows that PostgreSQL has written as CSV, with their types."""
    kept = values(columns)
    texts = ", ".join(f"{quote_literal(name)}: 'VARCHAR'" for name, _ in kept)
    casts = ", ".join(f"{_typed(name, kind)} AS {quote_identifier(name)}" for name, kind in kept)
    return (
        f"SELECT {casts} FROM read_csv({quote_literal(str(source))}, header = false, auto_detect = false, delim = ',', "
        f"quote = '\"', escape = '\"', columns = {{{texts}}}, nullstr = '', allow_quoted_nulls = false, "
        "parallel = false, max_line_size = 67108864)"
    )


def _typed(name: str, kind: str) -> str:
    column = quote_identifier(name)
    if kind == "BLOB":
        return f"unhex(substr({column}, 3))"
    return column if kind in ("VARCHAR", "JSON") else f"CAST({column} AS {kind})"
