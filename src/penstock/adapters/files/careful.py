"""The careful path: slabs framed in Python and written again as clean, numbered CSV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from penstock.adapters.files.chunk import Chunk, Rejected, shape
from penstock.adapters.files.codec import Codec
from penstock.adapters.files.dialect import Dialect, Limits
from penstock.adapters.files.framing import Fault, Framing, Run, lines_of, without_end
from penstock.adapters.files.slabs import Slab
from penstock.adapters.files.writing import numbered
from penstock.model.reasons import TOO_LONG


@dataclass(frozen=True, slots=True)
class Place:
    """The next physical line, and its byte in the decompressed file."""

    line: int
    offset: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What stays the same while one file is read. `columns` are in the order of the file."""

    columns: tuple[str, ...]
    dialect: Dialect
    limits: Limits
    codec: Codec
    framing: Framing
    base: int = 0
    """Added to the line numbers that are written into numbered chunks."""


class Builder:
    """Builds one numbered chunk. `carry` begins a record that may go on in the next slab; `place` is its place."""

    def __init__(self, reading: Reading, place: Place, carry: bytes = b"") -> None:
        self._reading, self._first = reading, place
        self._parts: list[bytes] = []
        self._rejected: list[Rejected] = []
        self._records = self._widest = 0
        self.place, self.carry = place, carry

    def add(self, slab: Slab) -> None:
        """Frame one more slab. A line too long to hold is rejected, and ends what was open before it."""
        self._settle(b"" if slab.long else slab.data, final=slab.final or slab.long)
        if slab.long:
            self._reject_long(slab)

    def chunk(self) -> Chunk:
        delimiter, quote = self._reading.dialect.written()
        return Chunk(
            data=b"".join(self._parts),
            columns=self._reading.columns,
            numbered=True,
            first_line=self._first.line,
            lines=self.place.line - self._first.line,
            records=self._records,
            start=self._first.offset,
            rejected=tuple(self._rejected),
            delimiter=delimiter,
            quote=quote,
            encoding=self._reading.codec.name,
            widest=self._widest,
        )

    def _settle(self, data: bytes, *, final: bool) -> None:
        data = self.carry + data
        text, sound = _decoded(data, self._reading.codec)
        lines = lines_of(text)
        doubtful = not sound or len(data) > self._reading.limits.record_bytes
        first = self._reading.base + self.place.line
        frames = self._reading.framing(lines, first, final=final, doubtful=doubtful)
        if frames.faults:
            self._rejected += locators(data.splitlines(keepends=True), frames.faults, self.place, self._reading.codec)
        self._records += len(frames.faults)
        for run in frames.runs:
            self._write(run)
        self.carry = self._reading.codec.back("".join(lines[frames.taken :]))
        self._advance(frames.taken, self._reading.codec.size(data[: len(data) - len(self.carry)]))

    def _write(self, run: Run) -> None:
        part = numbered(run, self._reading.dialect)
        # Of a record over the limit there is none here; its quotes may double, and it has a number in front.
        self._widest = max(self._widest, min(len(part), 2 * self._reading.limits.record_bytes + 32))
        self._records += len(run.numbers)
        self._parts.append(part)

    def _reject_long(self, slab: Slab) -> None:
        start, head = self.place.offset, slab.data.decode("utf-8", "replace")
        self._rejected.append(Rejected(self.place.line, start, start + slab.size - slab.ended, TOO_LONG, shape(head)))
        self._records += 1
        self._advance(1, slab.size)

    def _advance(self, lines: int, size: int) -> None:
        self.place = Place(self.place.line + lines, self.place.offset + size)


def _decoded(data: bytes, codec: Codec) -> tuple[str, bool]:
    """The text, and whether it is free of broken bytes and NUL."""
    try:
        return data.decode(), b"\0" not in data
    except UnicodeDecodeError:
        return codec.text(data), False


def locators(lines: Sequence[bytes], faults: Sequence[Fault], place: Place, codec: Codec) -> list[Rejected]:
    """Where the faults stand, in order, when `place` is that of the first line."""
    found, at, offset = [], 0, place.offset
    for fault in faults:
        offset += codec.size(b"".join(lines[at : fault.at]))
        text = without_end(codec.text(b"".join(lines[fault.at : fault.at + fault.taken])))
        end = offset + codec.size(codec.back(text))
        found.append(Rejected(place.line + fault.at, offset, end, fault.reason, shape(text)))
        at = fault.at
    return found
