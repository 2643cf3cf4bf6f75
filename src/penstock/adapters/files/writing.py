"""Good records as numbered CSV: as they stand in the file where that is safe, otherwise written anew."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import Any

from penstock.adapters.files.dialect import Dialect
from penstock.adapters.files.framing import Run, without_end
from penstock.adapters.files.plain import plain


def numbered(run: Run, dialect: Dialect) -> bytes:
    """The records of a run, each with its number in front and an LF behind."""
    texts = _reusable(run.texts, dialect)
    if texts is None:
        return written([[number, *row] for number, row in zip(run.numbers, run.rows, strict=True)], dialect)
    delimiter = dialect.delimiter
    return "".join([f"{number}{delimiter}{text}" for number, text in zip(run.numbers, texts, strict=True)]).encode()


def _reusable(texts: Sequence[str], dialect: Dialect) -> Sequence[str] | None:
    """The lines, each with an LF, if it is proven that any reader takes them for the same fields."""
    if not texts or dialect.written() != (dialect.delimiter, dialect.quote):
        return None
    proof = plain("".join(texts).encode(), dialect)
    if proof is None:
        return None
    return texts if proof.newline == "\n" and texts[-1].endswith("\n") else [without_end(text) + "\n" for text in texts]


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
