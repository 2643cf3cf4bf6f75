"""Reading the quarantine zone, and exporting from it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from penstock.adapters.duckdb.session import translated

_COLUMNS = (
    "pipeline, run, slot, generation, member, line, reasons, shape, byte_start, byte_end, row, retriable, tries, parked"
)
_BATCH = 1000


def read_rejects(files: Sequence[Path]) -> Iterator[dict[str, Any]]:
    """The rejected rows of some quarantine files, in the order of slot and line."""
    if not files:
        return
    with duckdb.connect() as connection:
        try:
            cursor = connection.execute(
                f"SELECT {_COLUMNS} FROM read_parquet($1) ORDER BY slot, generation, member, line",
                [[str(file) for file in files]],
            )
            names = [part.strip() for part in _COLUMNS.split(",")]
            while batch := cursor.fetchmany(_BATCH):
                for values in batch:
                    found = dict(zip(names, values, strict=True))
                    found["row"] = json.loads(found["row"], parse_float=Decimal) if found["row"] else None
                    yield found
        except duckdb.Error as error:
            raise translated(error, "quarantine") from None
