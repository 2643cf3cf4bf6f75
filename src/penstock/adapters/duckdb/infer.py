"""The columns that a raw file has, whatever is declared: names and types, never a value."""

from __future__ import annotations

from pathlib import Path

import duckdb

from penstock.authoring.sources import Source
from penstock.compile.sql import quote_literal
from penstock.model.schemas import canonical
from penstock.model.shapes import Columns

SAMPLE = 20_480
"""Rows that types are inferred from."""


class Inference:
    """Looks at files, one after the other: a connection for each would cost thirty times as much."""

    def __init__(self) -> None:
        self._connection = duckdb.connect(config={"threads": 1})

    def columns(self, path: Path, source: Source) -> Columns:
        """The columns of a file in canonical types; none where it cannot be read."""
        try:
            found = self._connection.execute(f"DESCRIBE SELECT * FROM {_reader(path, source)}").fetchall()
        except duckdb.Error:
            return ()
        if source.format.startswith("json") and _nothing(found):
            return ()
        return tuple((source.aliases.get(name, name), canonical(kind)) for name, kind, *_ in found)

    def close(self) -> None:
        self._connection.close()


def _nothing(found: list[tuple[str, ...]]) -> bool:
    """DuckDB calls the only column of JSON that holds no object `json`."""
    return len(found) == 1 and found[0][0] == "json"


def _reader(path: Path, source: Source) -> str:
    file = quote_literal(str(path))
    if source.format == "parquet":
        return f"read_parquet({file}, hive_partitioning = false)"
    if source.format in ("json", "json_lines"):
        form = "array" if source.format == "json" else "newline_delimited"
        return f"read_json({file}, format = '{form}', sample_size = {SAMPLE}, hive_partitioning = false)"
    names = "" if source.header else ", names = [" + ", ".join(map(quote_literal, source.names)) + "]"
    return (
        f"read_csv({file}, header = {str(source.header).lower()}, delim = {quote_literal(source.delimiter)}, "
        f"quote = {quote_literal(source.quote)}, sample_size = {SAMPLE}, hive_partitioning = false{names})"
    )
