"""What reading hands to the engine: chunks of clean text, and locators of the records that are not in them."""

from __future__ import annotations

import re
from dataclasses import dataclass

SHAPE_LENGTH = 60
_SAMPLE = 4000  # runs are short in a mask: this much text always fills it
_RUNS = (
    (re.compile(r"\d+"), lambda run: "9" * min(len(run[0]), 4)),
    (re.compile(r"[^\W\d_]+"), lambda _: "a"),
    (re.compile(r"[^\x20-\x7e]+"), lambda _: "?"),
    (re.compile(r" +"), lambda _: " "),
)


@dataclass(frozen=True, slots=True)
class Rejected:
    """Where a record that could not be read stands; never its text.

    `line` is its first physical line (1-based; the element's number in a JSON array), `start` and `end` its bytes
    in the decompressed file without the line end, `shape` what `shape()` makes of it.
    """

    line: int
    start: int
    end: int
    reason: str
    shape: str


@dataclass(frozen=True, slots=True)
class Chunk:
    r"""A run of records as UTF-8 text without a header, one record a row, fields in the order of `columns`.

    `numbered`: each row begins with one more column, its record's first physical line (plus the base given), and
    rows end in LF. Not numbered: the bytes are the file's own, record `i` is on line `first_line + i`, and rows
    whose number of columns is wrong are still among them: the engine finds these, and `reject_at` names them.
    `records` counts what stands in the chunk, `rejected` included; rows read + rows the engine rejects +
    `len(rejected)` must equal it. `start` is the chunk's first byte in the decompressed file. No row is longer than
    `widest` bytes. `quote` is empty where nothing is quoted; in any chunk a quote inside quotes is doubled.
    """

    data: bytes
    columns: tuple[str, ...]
    numbered: bool
    first_line: int
    lines: int
    records: int
    start: int
    rejected: tuple[Rejected, ...] = ()
    delimiter: str = ","
    quote: str = '"'
    newline: str = "\n"
    encoding: str = "utf-8"
    widest: int = 0


def shape(text: str) -> str:
    """A mask that shows how a record is built and none of its values: `99/99/9999 99:99,a,a a,"a`.

    Letters of any script become one `a`, digits `9` (at most four of a run), what is neither ASCII nor a letter `?`.
    """
    mask = text[:_SAMPLE]
    for pattern, replacement in _RUNS:
        mask = pattern.sub(replacement, mask)
    return mask if len(mask) <= SHAPE_LENGTH else mask[: SHAPE_LENGTH - 1] + "…"
