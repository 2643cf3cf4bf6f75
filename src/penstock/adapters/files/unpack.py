"""The bytes of a stored file, decompressed piece by piece, and refused when they grow beyond the limits."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO

from penstock.adapters.files.dialect import Limits
from penstock.errors import MissingExtra, RefusedFile, StorageUnavailable

PIECE = 1 << 19
"""Read at a time: small enough that what follows finds it in the processor's cache."""
MAGIC = {"gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd"}
# One byte of zstd may stand for 32 kB: small sips keep the output of each below 32 MB.
_SIP = 1 << 10


class Meter:
    """Counts what is stored and what comes out of it, and feeds the digest."""

    def __init__(self, stream: BinaryIO, limits: Limits, digest: Any = None, piece: int = PIECE) -> None:
        self._stream, self._limits, self._digest, self._piece = stream, limits, digest, piece
        self.stored = self.expanded = 0

    def stored_pieces(self) -> Iterator[bytes]:
        while piece := self._read():
            self.stored += len(piece)
            if self._digest is not None:
                self._digest.update(piece)
            yield piece

    def _read(self) -> bytes:
        try:
            return self._stream.read(self._piece)
        except OSError as error:
            raise StorageUnavailable("a file cannot be read", why=error.strerror or type(error).__name__) from error

    def checked(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self.expanded += len(piece)
            self._check()
            yield piece

    def _check(self) -> None:
        limits = self._limits
        if self.expanded > limits.file_bytes:
            raise RefusedFile(
                "the file is too large",
                why=f"it holds more than {limits.file_bytes:,} bytes decompressed",
                fix="raise the limit on decompressed bytes, or deliver the file in parts",
            )
        if self.expanded > limits.ratio_from and self.expanded > limits.ratio * self.stored:
            raise RefusedFile(
                "the file looks like a zip bomb",
                why=f"it decompresses to more than {limits.ratio} times its size",
                fix="if the file is genuine, raise the limit on the ratio",
            )


def unpack(meter: Meter, compression: str) -> Iterator[bytes]:
    """Decompressed pieces of a file. `auto` goes by its first bytes."""
    pieces = meter.stored_pieces()
    head, pieces = peek(pieces, 4)
    kind = kind_of(head, compression)
    if kind == "none" or not head:
        return meter.checked(pieces)
    if not head.startswith(MAGIC[kind]):
        raise RefusedFile(f"the file is not {kind}", why="its first bytes say otherwise", fix='set compression="auto"')
    return meter.checked(_members(pieces, *_STREAMS[kind]()))


def peek(pieces: Iterator[bytes], count: int) -> tuple[bytes, Iterator[bytes]]:
    """The first `count` bytes (all, where there are fewer), and the pieces from the start again."""
    taken: list[bytes] = []
    have = 0
    while have < count and (piece := next(pieces, None)) is not None:
        taken.append(piece)
        have += len(piece)
    return b"".join(taken)[:count], _chain(taken, pieces)


def _chain(taken: list[bytes], rest: Iterator[bytes]) -> Iterator[bytes]:
    yield from taken
    yield from rest


def kind_of(head: bytes, compression: str) -> str:
    """The compression of a file that begins with `head`."""
    if compression != "auto":
        return compression
    return next((kind for kind, magic in MAGIC.items() if head.startswith(magic)), "none")


def _members(pieces: Iterable[bytes], make: Callable[[], Any], failure: type[Exception]) -> Iterator[bytes]:
    """One compressed member after another; zeros after the last are padding, anything else is damage."""
    member = make()
    fresh = True
    for piece in pieces:
        rest = piece
        while rest:
            if fresh and not (rest := rest.lstrip(b"\0")):
                break
            yield from _bites(member, rest, failure)
            fresh = member.eof
            rest = member.unused_data if fresh else b""
            member = make() if fresh else member
    if not fresh:
        raise RefusedFile("the compressed file is cut off", why="it ends inside its data", fix="deliver it again")


def _bites(member: Any, data: bytes, failure: type[Exception]) -> Iterator[bytes]:
    try:
        yield from member.bites(data)
    except failure as error:
        raise RefusedFile(
            "the compressed file is damaged", why="it cannot be unpacked", fix="deliver it again"
        ) from error


class _Gzip:
    """A member of a gzip file, in bounded bites."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=31)

    def bites(self, data: bytes) -> Iterator[bytes]:
        while data and not self.eof:
            yield self._inner.decompress(data, PIECE)
            data = self._inner.unconsumed_tail

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data


class _Zstd:
    """A frame of a zstd file, in small sips."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.unused_data = b""

    def bites(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), _SIP):
            yield self._inner.decompress(data[start : start + _SIP])
            if self.eof:
                self.unused_data = self._inner.unused_data + data[start + _SIP :]
                return

    @property
    def eof(self) -> bool:
        return bool(self._inner.eof)


def _zstd() -> tuple[Callable[[], _Zstd], type[Exception]]:
    try:
        import zstandard
    except ImportError as error:
        raise MissingExtra("zstd files need the package zstandard", fix="pip install zstandard") from error
    return lambda: _Zstd(zstandard.ZstdDecompressor().decompressobj()), zstandard.ZstdError


_STREAMS: dict[str, Callable[[], tuple[Callable[[], Any], type[Exception]]]] = {
    "gzip": lambda: (_Gzip, zlib.error),
    "zstd": _zstd,
}
