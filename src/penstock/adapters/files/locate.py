"""Back from a locator to the text, for those who may see it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from penstock.adapters.files.codec import resolve
from penstock.adapters.files.dialect import Dialect, Limits
from penstock.adapters.files.sniff import HEAD
from penstock.adapters.files.unpack import Meter, kind_of, peek, unpack
from penstock.errors import StorageUnavailable, UsageError


def locate(source: Path | BinaryIO, dialect: Dialect, start: int, end: int) -> str:
    """The text of the bytes `start` to `end` of the decompressed file. Bytes outside the encoding become U+FFFD.

    The caller makes sure that the file is still the content that the locator was made from.
    """
    if not isinstance(source, Path):
        return _read(source, dialect, start, end)
    try:
        with source.open("rb") as stream:
            return _read(stream, dialect, start, end)
    except OSError as error:
        raise StorageUnavailable("a file cannot be read", why=error.strerror or "") from error


def _read(stream: BinaryIO, dialect: Dialect, start: int, end: int) -> str:
    head, data = _sought(stream, start, end) if _stored(stream, dialect) else _unpacked(stream, dialect, start, end)
    if len(data) < end - start:
        raise UsageError("the locator points behind the end of the file", fix="look it up in the file it was made from")
    return data.decode(resolve(dialect.encoding, head).name, "replace")


def _stored(stream: BinaryIO, dialect: Dialect) -> bool:
    """Whether the bytes stand in the file as they are, so that they can be sought."""
    if not stream.seekable():
        return False
    stream.seek(0)
    plain = kind_of(stream.read(4), dialect.compression) == "none"
    stream.seek(0)
    return plain


def _sought(stream: BinaryIO, start: int, end: int) -> tuple[bytes, bytes]:
    head = stream.read(HEAD)
    stream.seek(start)
    return head, stream.read(end - start)


def _unpacked(stream: BinaryIO, dialect: Dialect, start: int, end: int) -> tuple[bytes, bytes]:
    head, pieces = peek(unpack(Meter(stream, Limits()), dialect.compression), HEAD)
    return head, b"".join(_between(pieces, start, end))


def _between(pieces: Iterator[bytes], start: int, end: int) -> Iterator[bytes]:
    at = 0
    for piece in pieces:
        yield piece[max(start - at, 0) : max(end - at, 0)]
        at += len(piece)
        if at >= end:
            return
