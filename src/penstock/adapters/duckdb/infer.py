"""The columns that a raw file has, whatever is declared: names and types, never a value."""

from __future__ import annotations

import csv
import io
from contextlib import closing
from itertools import chain, islice
from pathlib import Path

import duckdb

from penstock.adapters.duckdb.session import readable
from penstock.adapters.files.dialect import Dialect, Layout
from penstock.adapters.files.records import open_pieces
from penstock.adapters.files.writing import written
from penstock.adapters.scratch import Scratch
from penstock.authoring.sources import Source
from penstock.compile.sql import quote_literal
from penstock.errors import DataError
from penstock.model.schemas import canonical
from penstock.model.shapes import Columns

SAMPLE = 20_480
"""Rows that types are inferred from."""

HEAD = 4_000_000
"""Bytes that are looked at of a delimited file that the engine does not read as it is."""


class Inference:
    """Looks at files, one after the other: a connection for each would cost thirty times as much."""

    def __init__(self, scratch: Path) -> None:
        """`scratch` is where a copy lies where the system has no files without names."""
        self._scratch = scratch
        self._connection = duckdb.connect(config={"threads": 1})

    def columns(self, path: Path, source: Source) -> Columns:
        """The columns of a file in canonical types; none where it cannot be read."""
        found = self._described(_reader(path, source))
        if not found and source.format == "csv":
            found = self._good_records(path, source)
        if source.format.startswith("json") and _nothing(found):
            return ()
        return tuple((source.aliases.get(name, name), canonical(kind)) for name, kind, *_ in found)

    def _described(self, relation: str) -> list[tuple[str, ...]]:
        try:
            return self._connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
        except duckdb.Error:
            return []

    def _good_records(self, path: Path, source: Source) -> list[tuple[str, ...]]:
        """The columns of the records that have all of their fields: torn ones, or an encoding that the engine does not
        know, keep it from reading the file."""
        try:
            clean = _clean(path, source)
        except (DataError, OSError, csv.Error):
            return []
        with closing(Scratch(self._scratch)) as place, readable(clean, place.folder) as copy:
            return self._described(_delimited(copy, Dialect(), header=True, names=()))

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
    dialect = Dialect(source.delimiter, source.quote)
    return _delimited(str(path), dialect, header=source.header, names=source.names)


def _delimited(path: str, dialect: Dialect, *, header: bool, names: tuple[str, ...]) -> str:
    named = "" if header else ", names = [" + ", ".join(map(quote_literal, names)) + "]"
    return (
        f"read_csv({quote_literal(path)}, header = {str(header).lower()}, delim = {quote_literal(dialect.delimiter)}, "
        f"quote = {quote_literal(dialect.quote)}, sample_size = {SAMPLE}, hive_partitioning = false{named})"
    )


def _clean(path: Path, source: Source) -> bytes:
    """The first records that have as many fields as there are columns, as plain CSV with a header."""
    dialect = Dialect(source.delimiter, source.quote, None, source.header, source.encoding, source.compression)
    with path.open("rb") as stream:
        _, pieces = open_pieces(stream, Layout(source.names, dialect))
        head = b""
        while len(head) < HEAD and (piece := next(pieces, b"")):
            head += piece
    records = csv.reader(
        io.StringIO(head.decode("utf-8", "replace"), newline=""), **dialect.options() | {"strict": False}
    )
    names = next(records, []) if source.header else list(source.names)
    good = (record for record in records if len(record) == len(names))
    return written(list(islice(chain([names], good), SAMPLE)), Dialect())
