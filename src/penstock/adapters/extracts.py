"""Rows of some slots of a table as a Parquet file, for the pipelines that read it: what both destinations share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from penstock.adapters.staged import Reader
from penstock.compile.sql import quote_identifier, quote_literal
from penstock.errors import DestinationError
from penstock.model.loads import Range, merged
from penstock.model.rows import RESERVED, SLOT
from penstock.model.shapes import Columns

FEW = 50
"""So many ranges are told as conditions, for which an index or a row group's statistics help; more are joined."""
PLACE = "_place_of_contribution"
"""Among the contributions to one key, while they are ranked."""


def values(columns: Columns) -> list[tuple[str, str]]:
    """The columns that readers of a table want: all but Penstock's own."""
    return [(name, kind) for name, kind in columns if name not in RESERVED]


@dataclass(frozen=True, slots=True)
class Stock:
    """A table as it is kept: of a shared one the contributions, of which those to one `key` are ranked by `order`."""

    relation: str
    columns: Columns
    row: str
    key: tuple[str, ...] = ()
    order: str = ""


class Owned(NamedTuple):
    """Row identities from `low` up to, not including, `high`, and the reader that they are for."""

    low: int
    high: int
    reader: int


def owned(readers: Iterable[Iterable[Range]]) -> list[Owned]:
    """The identities that each reader wants, in as few ranges as possible."""
    return [Owned(low, high, number) for number, ranges in enumerate(readers) for low, high in merged(ranges)]


def selection(stock: Stock, wanted: Sequence[Owned], span: str) -> str:
    """SQL for the rows in these ranges of identities, by reader, each in the order of identities. `span` is a relation
    `(low, high, reader)` of them, which is used when they are many. Of contributions to one key a reader gets the
    first, as if nobody else had contributed.
    """
    identity = f"t.{quote_identifier(stock.row)}"
    rows = f"SELECT t.*, {_taken(stock.relation, identity, wanted, span)}"
    if stock.key:
        key = ", ".join(quote_identifier(name) for name in stock.key)
        ranked = f"row_number() OVER (PARTITION BY {SLOT}, {key} ORDER BY {stock.order}) AS {PLACE}"
        rows = f"SELECT * FROM (SELECT *, {ranked} FROM ({rows}) AS t) AS t WHERE t.{PLACE} = 1"
    listed = ", ".join([f"t.{SLOT}", *(f"t.{quote_identifier(name)}" for name, _ in values(stock.columns))])
    return f"SELECT {listed} FROM ({rows}) AS t ORDER BY t.{SLOT}, {identity}"


def speaking(stock: Stock, columns: Sequence[str], limit: int) -> str:
    """SQL for the identities of the contributions that have the query's parameters, as texts, in these columns."""
    row = quote_identifier(stock.row)
    same = [f"CAST({quote_identifier(name)} AS VARCHAR) = ${place}" for place, name in enumerate(columns, 1)]
    return f"SELECT {row} FROM {stock.relation} WHERE {' AND '.join(same)} ORDER BY {row} LIMIT {limit}"


def _taken(relation: str, identity: str, wanted: Sequence[Owned], span: str) -> str:
    """The reader of each row, and what follows FROM."""
    if len(wanted) > FEW or len({item.reader for item in wanted}) > 1:
        return (
            f"s.reader AS {SLOT} FROM {relation} AS t JOIN {span} AS s ON {identity} >= s.low AND {identity} < s.high"
        )
    within = " OR ".join(f"({identity} >= {low} AND {identity} < {high})" for low, high, _ in wanted)
    reader = wanted[0].reader if wanted else 0
    return f"CAST({reader} AS INTEGER) AS {SLOT} FROM {relation} AS t WHERE {within or 'false'}"


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
    kept = [(SLOT, "INTEGER"), *values(columns)]
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
