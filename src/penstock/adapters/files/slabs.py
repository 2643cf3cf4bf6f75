r"""Pieces of a file cut at line ends (LF, CRLF, CR) into slabs of whole lines."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass

from penstock.adapters.files.codec import Codec
from penstock.adapters.files.dialect import Limits
from penstock.errors import RefusedFile

HEAD = 256
_LINE_END = re.compile(rb"\n|\r\n?")


@dataclass(frozen=True, slots=True)
class Slab:
    """Whole lines of UTF-8. The last slab of a file is `final`, may be empty, and may lack its last line end.

    `long`: one line over the limit, of which `data` is only the beginning.
    """

    data: bytes
    size: int
    """Bytes in the file."""
    final: bool = False
    long: bool = False
    ended: int = 0
    """Of a long line: the bytes of its line end in the file."""


def cut(pieces: Iterable[bytes], codec: Codec, limits: Limits) -> Iterator[Slab]:
    """Every byte of the pieces stands in exactly one slab, in order."""
    tail = b""
    pieces = iter(pieces)
    for piece in pieces:
        if end := piece.rfind(b"\n") + 1:
            data, tail = b"".join((tail, memoryview(piece)[:end])), piece[end:]
        else:
            data, tail = _cut_at_returns(tail + piece)
        if data:
            yield Slab(data, codec.size(data))
        if len(tail.removesuffix(b"\r")) > limits.record_bytes:
            tail = yield from _long(tail, pieces, codec, limits)
    yield Slab(tail, codec.size(tail), final=True)


def _cut_at_returns(data: bytes) -> tuple[bytes, bytes]:
    """Cut data without an LF after its last CR; but a CR that ends the data may be half of a CRLF."""
    end = data.rfind(b"\r", 0, max(len(data) - 1, 0)) + 1
    return data[:end], data[end:]


def _long(tail: bytes, pieces: Iterator[bytes], codec: Codec, limits: Limits) -> Generator[Slab, None, bytes]:
    """Pass over a line that is too long to hold, and return what follows its end."""
    held = b"\r" if tail.endswith(b"\r") else b""  # it may be half of a CRLF
    size = codec.size(tail[: len(tail) - len(held)])
    for piece in pieces:
        window = held + piece
        end = _LINE_END.search(window)
        if end and (end[0] != b"\r" or end.end() < len(window)):
            yield Slab(tail[:HEAD], size + codec.size(window[: end.end()]), long=True, ended=codec.size(end[0]))
            return window[end.end() :]
        held = b"\r" if window.endswith(b"\r") else b""
        size += codec.size(window[: len(window) - len(held)])
        if size > limits.skip_bytes:
            raise _endless(limits)
    yield Slab(tail[:HEAD], size + codec.size(held), long=True, ended=codec.size(held))
    return b""


def _endless(limits: Limits) -> RefusedFile:
    return RefusedFile(
        "the file has a line without an end",
        why=f"no line end was found in {limits.skip_bytes:,} bytes",
        fix="check that the file is delimited text; otherwise raise the limit on skipped bytes",
    )
