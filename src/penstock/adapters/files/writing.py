"""Good records as numbered CSV: as they stand in the file where that is safe, otherwise written anew."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import Any

from penstock.adapters.files.dialect import Dialect
from penstock.adapters.files.framing import Run


def numbered(run: Run, dialect: Dialect) -> bytes:
    """The records of a run, each with its number in front and an LF behind."""
    if run.texts:
        pairs = zip(run.numbers, run.texts, strict=True)
        return "".join([f"{number}{dialect.delimiter}{text}" for number, text in pairs]).encode()
    return written([[number, *row] for number, row in zip(run.numbers, run.rows, strict=True)], dialect)


def written(rows: Sequence[Sequence[Any]], dialect: Dialect) -> bytes:
    """Rows as clean CSV."""
    lines = _Lines()
    delimiter, quote = dialect.written()
    # The writer quotes what its line end consists of: a carriage return in a field must never pass bare.
    csv.writer(lines, delimiter=delimiter, quotechar=quote, lineterminator="\r\n").writerows(rows)
    return "".join([line[:-2] + "\n" for line in lines.written]).encode()


class _Lines:
    def __init__(self) -> None:
        self.written: list[str] = []
        self.write = self.written.append
