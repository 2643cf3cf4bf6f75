"""JSON Lines: one object a line. A bad line is rejected alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from penstock.adapters.files.careful import Place, Reading
from penstock.adapters.files.chunk import Chunk
from penstock.adapters.files.codec import Codec
from penstock.adapters.files.dialect import Dialect, Layout
from penstock.adapters.files.framing import Fault, Frames, Run, flaw, too_long
from penstock.adapters.files.jsonvalues import Flawed, Rows, decoder
from penstock.adapters.files.records import CHUNK_BYTES, chunks_of, open_slabs, some
from penstock.adapters.files.unpack import PIECE
from penstock.model.reasons import NOT_JSON, TOO_LONG


def open_json_lines(
    stream: BinaryIO, layout: Layout, *, chunk_bytes: int = CHUNK_BYTES, base: int = 0, digest: Any = None
) -> Iterator[Chunk]:
    """Numbered chunks of the objects' declared keys; other keys are left out.

    Of the layout's dialect only encoding and compression count. null, a missing key and "" are all the empty field.
    """
    codec, slabs = open_slabs(stream, layout, piece=min(PIECE, max(chunk_bytes, 1)), digest=digest)
    rows = Rows(layout)
    reading = Reading(layout.columns, Dialect(), layout.limits, codec, _Objects(layout, codec, rows), base)
    yield from some(chunks_of(slabs, reading, Place(1, codec.mark), chunk_bytes, careful=True))
    rows.finish()


class _Objects:
    """The framing: a line is a record."""

    def __init__(self, layout: Layout, codec: Codec, rows: Rows) -> None:
        self._layout, self._codec, self._rows = layout, codec, rows

    def __call__(self, lines: list[str], first: int, *, final: bool, doubtful: bool = True) -> Frames:  # noqa: ARG002
        frames = Frames(taken=len(lines))
        numbers, rows = [], []
        for at, line in enumerate(lines):
            try:
                if row := self._row(line, doubtful=doubtful):
                    rows.append(row)
                    numbers.append(first + at)
            except Flawed as flawed:
                frames.faults.append(Fault(at, 1, flawed.reason))
        frames.runs.append(Run(numbers, rows, ()))
        return frames

    def _row(self, line: str, *, doubtful: bool) -> list[str]:
        """The row of a line, nothing for a blank one."""
        if doubtful and (reason := self._reason(line)):
            raise Flawed(reason)
        if line.isspace():
            return []
        try:
            value = decoder.decode(line)
        except Flawed:
            raise
        except (ValueError, RecursionError):
            raise Flawed(NOT_JSON) from None
        return self._rows.row(value, line)

    def _reason(self, line: str) -> str:
        return TOO_LONG if too_long(line, self._layout.limits, self._codec.errors) else flaw(line)
