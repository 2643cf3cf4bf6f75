"""A JSON array of objects, read element by element in bounded memory.

An element that parses but is no proper object is rejected alone. In text that does not parse, the next element cannot
be found again, so then the whole file is refused.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

from penstock.adapters.files.chunk import Chunk, Rejected, shape
from penstock.adapters.files.codec import Codec
from penstock.adapters.files.dialect import Dialect, Layout, Limits
from penstock.adapters.files.framing import Run, encodable, too_long
from penstock.adapters.files.jsonvalues import Flawed, Rows, decoder
from penstock.adapters.files.records import CHUNK_BYTES, open_pieces
from penstock.adapters.files.unpack import PIECE
from penstock.adapters.files.writing import numbered
from penstock.errors import RefusedFile
from penstock.model.reasons import ENCODING, TOO_LONG

_SPACE = re.compile(r"[ \t\r\n]*")
_BATCH = 1000
_lenient = json.JSONDecoder()
_Record = tuple[int, list[str]] | Rejected


def open_json(
    stream: BinaryIO, layout: Layout, *, chunk_bytes: int = CHUNK_BYTES, base: int = 0, digest: Any = None
) -> Iterator[Chunk]:
    """Numbered chunks like those of `open_json_lines`; a record's line is its place in the array, from 1."""
    codec, pieces = open_pieces(stream, layout, piece=min(PIECE, max(chunk_bytes, 1)), digest=digest)
    rows = Rows(layout)
    builder = _Builder(layout, base, 1)
    for record in _records(_Array(pieces, codec, layout.limits, layout.path), rows):
        builder.add(record)
        if builder.size >= chunk_bytes:
            yield builder.chunk()
            builder = _Builder(layout, base, builder.next)
    rows.finish()
    last = builder.chunk()
    if last.records:
        yield last


def _records(array: _Array, rows: Rows) -> Iterator[_Record]:
    for number, (text, value) in enumerate(array.elements(), 1):
        try:
            yield number, _row(text, value, array, rows)
        except Flawed as flawed:
            yield array.rejected(number, text, flawed.reason)


def _row(text: str, value: Any, array: _Array, rows: Rows) -> list[str]:
    if isinstance(value, Flawed):
        raise value
    if not encodable(text):
        raise Flawed(ENCODING)
    if too_long(text, array.limits, array.codec.errors):
        raise Flawed(TOO_LONG)
    return rows.row(value, text)


class _Array:
    """The text as far as it is read. Parsing stands `at`; `offset` is the byte in the file of the character `mark`."""

    def __init__(self, pieces: Iterator[bytes], codec: Codec, limits: Limits, path: Sequence[str] = ()) -> None:
        self.codec, self.limits, self.path = codec, limits, path
        self._pieces = pieces
        self._decoder = codecs.getincrementaldecoder("utf-8")(codec.errors)
        self._text, self._at, self._mark, self._offset = "", 0, 0, codec.mark
        self._ended = False

    def elements(self) -> Iterator[tuple[str, Any]]:
        """The text and the value of each element; the value is a `Flawed` where it has one."""
        for key in self.path:
            self._enter(key)
        self._expect("[")
        if self._sign() != "]":
            yield self._element()
            while self._sign() == ",":
                self._at += 1
                yield self._element()
        self._expect("]")
        for _ in self.path:
            self._leave()
        self._expect("")

    def _enter(self, key: str) -> None:
        """To the value of a key of the object that begins here; what stands before it is passed over."""
        self._expect("{")
        while self._name() != key:
            self._element()
            if self._sign() != ",":
                raise _nowhere(self.path, key)
            self._at += 1

    def _leave(self) -> None:
        """To the end of the object, past whatever follows."""
        while self._sign() == ",":
            self._at += 1
            self._name()
            self._element()
        self._expect("}")

    def _name(self) -> Any:
        if self._sign() != '"':
            raise _nowhere(self.path, self.path[-1])
        _, name = self._element()
        self._expect(":")
        return name

    def rejected(self, number: int, text: str, reason: str) -> Rejected:
        """The locator of the element that was taken last."""
        self._settle(self._at - len(text))
        end = self._offset + self._size(text)
        return Rejected(number, self._offset, end, reason, shape(text))

    def _element(self) -> tuple[str, Any]:
        self._sign()
        found = self._decoded()
        # What reaches to the end of the text may go on: 12 may be the beginning of 123.
        while (found is None or found[1] == len(self._text)) and self._may_grow() and self._more():
            found = self._decoded()
        if found is None or found[1] - self._at > 2 * self.limits.record_bytes:
            raise _refused("an element is not JSON, or far too long")
        start, (value, self._at) = self._at, found
        return self._text[start : self._at], value

    def _decoded(self) -> tuple[Any, int] | None:
        """The value at this place and its end; None when what is read of it is not JSON."""
        try:
            return decoder.raw_decode(self._text, self._at)
        except Flawed as flawed:
            return self._flawed(flawed)
        except (ValueError, RecursionError):
            return None

    def _flawed(self, flawed: Flawed) -> tuple[Any, int] | None:
        try:
            return flawed, _lenient.raw_decode(self._text, self._at)[1]
        except (ValueError, RecursionError):
            return None

    def _expect(self, sign: str) -> None:
        if self._sign() != sign:
            raise _refused(f"{sign} was expected" if sign else "text follows the array")
        self._at += len(sign)

    def _sign(self) -> str:
        """The next character that is not white space; nothing at the end."""
        while True:
            self._at = _end_of_space(self._text, self._at)
            if self._at < len(self._text) or not self._more():
                return self._text[self._at : self._at + 1]

    def _may_grow(self) -> bool:
        return len(self._text) - self._at <= 2 * self.limits.record_bytes

    def _more(self) -> bool:
        """Drop what is behind, and read at least as much again as is kept, so that no text is parsed too often."""
        self._settle(self._at)
        parts, wanted = [self._text[self._at :]], max(len(self._text) - self._at, 1)
        self._at = self._mark = 0
        while wanted > 0 and not self._ended:
            piece = next(self._pieces, None)
            self._ended = piece is None
            parts.append(self._decoder.decode(piece or b"", final=self._ended))
            wanted -= len(parts[-1])
        self._text = "".join(parts)
        return len(self._text) > len(parts[0])

    def _settle(self, at: int) -> None:
        self._offset += self._size(self._text[self._mark : at])
        self._mark = at

    def _size(self, text: str) -> int:
        return self.codec.size(self.codec.back(text))


class _Builder:
    """Builds one chunk; `next` is the number of the record to come, `size` the bytes written."""

    def __init__(self, layout: Layout, base: int, first: int) -> None:
        self._layout, self._base, self._first, self.next = layout, base, first, first
        self._waiting: list[tuple[int, list[str]]] = []
        self._parts: list[bytes] = []
        self._rejected: list[Rejected] = []
        self.size = 0

    def add(self, record: _Record) -> None:
        self.next += 1
        if isinstance(record, Rejected):
            self._rejected.append(record)
            return
        self._waiting.append(record)
        if len(self._waiting) >= _BATCH:
            self._write()

    def _write(self) -> None:
        if self._waiting:
            numbers, rows = zip(*self._waiting, strict=True)
            self._parts.append(numbered(Run([self._base + number for number in numbers], rows, ()), Dialect()))
            self.size += len(self._parts[-1])
        self._waiting = []

    def chunk(self) -> Chunk:
        self._write()
        return Chunk(
            data=b"".join(self._parts),
            columns=self._layout.columns,
            numbered=True,
            first_line=self._first,
            lines=self.next - self._first,
            records=self.next - self._first,
            start=0,
            rejected=tuple(self._rejected),
            widest=max(map(len, self._parts), default=0),
        )


def _end_of_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _nowhere(path: Sequence[str], key: str) -> RefusedFile:
    return RefusedFile(
        f"the file has no array at {'.'.join(path)!r}",
        why=f"there is no key {key!r}",
        fix="at=… names the keys that lead to the array, joined by dots",
    )


def _refused(why: str) -> RefusedFile:
    return RefusedFile(
        "the file is not a JSON array",
        why=why,
        fix="deliver [{…}, {…}]; if the file has one object a line, declare ps.json_lines",
    )
