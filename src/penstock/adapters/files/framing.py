"""The reference: what is a record. Everything else in this package must agree with it.

A record is one physical line, parsed as strictly as Python's `csv` can: after a closing quote only a delimiter or the
end; quotes inside an unquoted field are text. A quoted field that is open at the end of its line is followed into the
next lines, and the record that results is taken only if it is well-formed and has exactly the declared number of
columns; otherwise the first line alone is torn, and framing goes on with the very next line. So no damage to one line
can swallow another. Empty lines are no records. Surplus fields at the end of a line count only if one is not empty:
a delimiter too many says nothing.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import compress
from typing import Any, NamedTuple, Protocol

from penstock.adapters.files.dialect import Dialect, Limits
from penstock.adapters.files.plain import prove
from penstock.model.reasons import ENCODING, NULL_BYTE, TOO_FEW, TOO_LONG, TOO_MANY, TORN

BATCH = 256


@dataclass(frozen=True, slots=True)
class Grammar:
    """A dialect, the number of columns (None: any), and the limits of a record."""

    dialect: Dialect
    prepared: Any
    """The dialect as `csv` keeps it."""
    width: int | None
    limits: Limits
    errors: str = "surrogateescape"
    """How lone surrogates in the text become bytes again."""

    @classmethod
    def of(cls, dialect: Dialect, width: int | None, limits: Limits, errors: str = "surrogateescape") -> Grammar:
        # The csv module has one limit for the whole process: it is only ever raised.
        csv.field_size_limit(max(csv.field_size_limit(), 2 * limits.record_bytes))
        return cls(dialect, _prepared(dialect), width, limits, errors)


@lru_cache(maxsize=64)
def _prepared(dialect: Dialect) -> Any:
    """The dialect in the form that `csv` keeps inside, which costs least to pass."""
    return csv.reader([], **dialect.options()).dialect


class Record(NamedTuple):
    """One record on `taken` lines: its fields, or why it is rejected. A blank line has neither."""

    taken: int
    row: list[str]
    reason: str = ""


class Fault(NamedTuple):
    """A rejected record that begins `at` one of the lines given."""

    at: int
    taken: int
    reason: str


class Run(NamedTuple):
    """Good records: the numbers of their first lines, and either their fields or their lines.

    `texts` are lines that any reader takes for the same fields, each with an LF; `rows` are empty then.
    """

    numbers: Sequence[int]
    rows: Sequence[list[str]]
    texts: Sequence[str]


@dataclass(slots=True)
class Frames:
    """The good records, the faults, and how many lines are settled."""

    runs: list[Run] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    taken: int = 0


class Framing(Protocol):
    """Frames lines, of which the first has the number `first`.

    Unless `final`, lines at the end whose record may go on in lines to come are left (`taken < len(lines)`).
    Unless `doubtful`, no line has a flaw of its text or is too long: only then may batches be settled at once.
    """

    def __call__(self, lines: list[str], first: int, *, final: bool, doubtful: bool = True) -> Frames: ...


def lines_of(text: str) -> list[str]:
    """Physical lines with their ends: LF, CRLF or CR, and nothing else."""
    return list(io.StringIO(text, newline=""))


def frame(grammar: Grammar, lines: list[str], first: int, *, final: bool, doubtful: bool = True) -> Frames:
    """The framing of delimited text: see `Framing`."""
    frames = Frames()
    going = True
    while going and frames.taken < len(lines):
        if doubtful or not _bulk(lines, grammar, first, frames):
            going = _singly(lines, grammar, first, frames, final=final)
    return frames


def record_at(lines: list[str], at: int, grammar: Grammar, *, final: bool) -> Record | None:
    """The record that begins on a line; None when only lines to come can tell."""
    line = lines[at]
    if too_long(line, grammar.limits, grammar.errors):
        return Record(1, [], TOO_LONG)
    try:
        row = _trimmed(next(csv.reader([line], grammar.prepared)), grammar.width)
    except csv.Error:
        return _extended(lines, at, grammar, final=final)
    return Record(1, row, flaw(line) or _misfit(row, grammar.width))


def _extended(lines: list[str], at: int, grammar: Grammar, *, final: bool) -> Record | None:
    """A record whose first line is not well-formed by itself: one of more lines, or torn."""
    supply = _Supply(lines, at, grammar.limits)
    reader = csv.reader(supply, grammar.prepared)
    try:
        row = next(reader)
    except csv.Error:
        return None if supply.dry and not final else Record(1, [], TORN)
    if grammar.width not in (None, len(row)):
        return Record(1, [], TORN)
    return Record(reader.line_num, row, flaw("".join(lines[at : at + reader.line_num])))


class _Supply:
    """Lines for a reader, within the limits; `dry` when one more was asked for that is not here yet."""

    def __init__(self, lines: list[str], at: int, limits: Limits) -> None:
        self._lines, self._at = lines, at
        self._stop = at + limits.span_lines
        self._room = max(min(limits.span_chars, limits.record_bytes), len(lines[at]))
        self.dry = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._at >= self._stop:
            raise StopIteration
        if self._at == len(self._lines):
            self.dry = True
            raise StopIteration
        line = self._lines[self._at]
        self._at, self._room = self._at + 1, self._room - len(line)
        if self._room < 0:
            raise StopIteration
        return line


def _bulk(lines: list[str], grammar: Grammar, first: int, frames: Frames) -> bool:
    """Settle a batch at the speed of C, if each of its lines is a record by itself."""
    batch = lines[frames.taken : frames.taken + BATCH]
    start = first + frames.taken
    numbers = range(start, start + len(batch))
    if not _standing(batch, numbers, grammar, frames) and not _parsed(batch, numbers, grammar, frames):
        return False
    frames.taken += len(batch)
    return True


def _standing(batch: list[str], numbers: range, grammar: Grammar, frames: Frames) -> bool:
    """For proven lines, whose fields need not be looked at: it is enough to count the delimiters outside quotes."""
    proof = prove("".join(batch).encode(), grammar.dialect) if grammar.dialect.kept else None
    if proof is None or grammar.width is None:
        return False
    newline, outside = proof
    delimiter, due = grammar.dialect.delimiter.encode(), grammar.width - 1
    fits = [line.count(delimiter) == due for line in outside.removesuffix(b"\n").split(b"\n")]
    faults = [Fault(frames.taken + at, 1, _reason(batch, at, grammar)) for at, fit in enumerate(fits) if not fit]
    if not all(fault.reason for fault in faults):
        return False
    if newline != "\n" or not batch[-1].endswith("\n"):
        batch = [without_end(line) + "\n" for line in batch]
    frames.faults += faults
    frames.runs.append(Run(list(compress(numbers, fits)), (), list(compress(batch, fits))))
    return True


def _reason(batch: list[str], at: int, grammar: Grammar) -> str:
    record = record_at(batch, at, grammar, final=True)
    return record.reason if record else ""


def _parsed(batch: list[str], numbers: range, grammar: Grammar, frames: Frames) -> bool:
    """For lines that `csv` finds to be one record each."""
    try:
        rows = [_trimmed(row, grammar.width) for row in csv.reader(batch, grammar.prepared)]
    except csv.Error:
        return False
    if len(rows) != len(batch):
        return False
    whys = [_misfit(row, grammar.width) for row in rows]
    frames.faults += [Fault(frames.taken + at, 1, why) for at, why in enumerate(whys) if why]
    fits = [bool(row) and not why for row, why in zip(rows, whys, strict=True)]
    frames.runs.append(Run(list(compress(numbers, fits)), list(compress(rows, fits)), ()))
    return True


def _singly(lines: list[str], grammar: Grammar, first: int, frames: Frames, *, final: bool) -> bool:
    """Settle a batch record by record; False when the last one may go on in lines to come."""
    numbers, rows = [], []
    stop = min(frames.taken + BATCH, len(lines))
    while frames.taken < stop and (record := record_at(lines, frames.taken, grammar, final=final)):
        at, frames.taken = frames.taken, frames.taken + record.taken
        if record.reason:
            frames.faults.append(Fault(at, record.taken, record.reason))
        elif record.row:
            numbers.append(first + at)
            rows.append(record.row)
    frames.runs.append(Run(numbers, rows, ()))
    return frames.taken >= stop


def _trimmed(row: list[str], width: int | None) -> list[str]:
    return row if width is None or len(row) <= width or any(row[width:]) else row[:width]


def _misfit(row: list[Any], width: int | None) -> str:
    """Why a row does not fit; a blank line always does."""
    if not row or width is None or len(row) == width:
        return ""
    return TOO_FEW if len(row) < width else TOO_MANY


def flaw(text: str) -> str:
    """Why a record's text cannot be handed on, however well-formed it is."""
    if "\0" in text:
        return NULL_BYTE
    return "" if encodable(text) else ENCODING


def encodable(text: str) -> bool:
    """Whether text is free of the lone surrogates that stand for broken bytes."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def too_long(line: str, limits: Limits, errors: str) -> bool:
    """Counted in bytes of UTF-8, without the line end."""
    limit = limits.record_bytes
    return len(line) * 4 > limit and len(without_end(line).encode("utf-8", errors)) > limit


def without_end(line: str) -> str:
    """The line without its one line end."""
    return line.removesuffix("\n").removesuffix("\r")
