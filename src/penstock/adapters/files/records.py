"""A delimited file as chunks of records that the engine can read in strict mode, in constant memory.

The file's own bytes pass untouched wherever `plain` can prove that each line is a record; the rest is framed in
Python and written again. Either way every record is counted here, and what cannot be a row is set aside by locator.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, BinaryIO

from penstock.adapters.files.careful import Builder, Place, Reading
from penstock.adapters.files.chunk import Chunk, Rejected, shape
from penstock.adapters.files.codec import Codec
from penstock.adapters.files.dialect import Dialect, Layout, Limits
from penstock.adapters.files.framing import Grammar, frame, record_at, without_end
from penstock.adapters.files.opening import begin
from penstock.adapters.files.plain import Plain, plain
from penstock.adapters.files.slabs import Slab, cut
from penstock.adapters.files.sniff import HEAD, inspect
from penstock.adapters.files.unpack import PIECE, Meter, peek, unpack
from penstock.errors import RefusedFile

CHUNK_BYTES = 32_000_000
_BLOCK = 4096
_LIMITS = Limits()


def open_records(
    stream: BinaryIO,
    layout: Layout,
    *,
    chunk_bytes: int = CHUNK_BYTES,
    careful: bool = False,
    base: int = 0,
    digest: Any = None,
) -> Iterator[Chunk]:
    """The records of a file, chunk by chunk, each of about `chunk_bytes`.

    `digest` is updated with the stored bytes, all of them once the iterator has ended. `careful` leaves out the fast
    path. Raises `RefusedFile` and `ContractBroken`. A damaged archive may show itself only after good chunks: nothing
    may be kept before the end.
    """
    codec, slabs = open_slabs(stream, layout, piece=min(PIECE, max(chunk_bytes, 1)), digest=digest)
    order, place, slabs = begin(slabs, layout, codec)
    reading = _reading(order, layout.dialect, layout.limits, codec, base)
    chunks = chunks_of(slabs, reading, place, chunk_bytes, careful=careful)
    yield from chunks if layout.dialect.header else some(chunks)


def some(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """The chunks, of which there must be one."""
    if (first := next(chunks, None)) is None:
        raise RefusedFile("the file is empty", why="it holds only blank lines", fix="deliver it again with its records")
    yield first
    yield from chunks


def _reading(columns: tuple[str, ...], dialect: Dialect, limits: Limits, codec: Codec, base: int) -> Reading:
    framing = partial(frame, Grammar.of(dialect, len(columns), limits, codec.errors))
    return Reading(columns, dialect, limits, codec, framing, base)


def open_slabs(
    stream: BinaryIO, layout: Layout, *, piece: int = PIECE, digest: Any = None
) -> tuple[Codec, Iterator[Slab]]:
    """Whole lines of the file as UTF-8."""
    codec, pieces = open_pieces(stream, layout, piece=piece, digest=digest)
    return codec, cut(pieces, codec, layout.limits)


def open_pieces(
    stream: BinaryIO, layout: Layout, *, piece: int = PIECE, digest: Any = None
) -> tuple[Codec, Iterator[bytes]]:
    """The file as UTF-8 without its mark, once its first bytes have been found to be text."""
    dialect = layout.dialect
    pieces = unpack(Meter(stream, layout.limits, digest, piece), dialect.compression)
    head, pieces = peek(pieces, HEAD)
    if not head:
        raise RefusedFile("the file is empty", why="it has no bytes", fix="deliver it again with its records")
    codec = inspect(head, dialect.encoding, dialect.delimiter)
    return codec, codec.stream(pieces)


def chunks_of(
    slabs: Iterable[Slab], reading: Reading, place: Place, chunk_bytes: int, *, careful: bool
) -> Iterator[Chunk]:
    """Chunks of about `chunk_bytes`, plain ones where that is proven."""
    carry = b""
    for group, proof in _groups(slabs, reading, chunk_bytes, careful=careful):
        if proof is None or carry:
            chunk, place, carry = _careful_chunk(group, reading, place, carry)
        else:
            chunk = _plain_chunk(group, proof, reading, place)
            place = Place(place.line + chunk.lines, place.offset + sum(slab.size for slab in group))
        if chunk.records:
            yield chunk


def _groups(
    slabs: Iterable[Slab], reading: Reading, chunk_bytes: int, *, careful: bool
) -> Iterator[tuple[list[Slab], Plain | None]]:
    """Slabs for one chunk, and the proof that all of them are plain."""
    start = None if careful else Plain("", 0)
    group, proof, size = [], start, 0
    for slab in slabs:
        group.append(slab)
        size += len(slab.data)
        proof = _joined(proof, slab, reading)
        if size >= chunk_bytes or slab.final:
            yield group, proof
            group, proof, size = [], start, 0


def _joined(before: Plain | None, slab: Slab, reading: Reading) -> Plain | None:
    """Judged slab by slab while the bytes are still in the processor's cache; nothing more after the first doubt."""
    if before is None or slab.long or len(slab.data) > reading.limits.record_bytes:
        return None
    proof = plain(slab.data, reading.dialect)
    if proof is None or len({before.newline, proof.newline} - {""}) > 1:
        return None
    return Plain(before.newline or proof.newline, before.lines + proof.lines)


def _plain_chunk(group: Sequence[Slab], proof: Plain, reading: Reading, place: Place) -> Chunk:
    return Chunk(
        data=group[0].data if len(group) == 1 else b"".join(slab.data for slab in group),
        columns=reading.columns,
        numbered=False,
        first_line=place.line,
        lines=proof.lines,
        records=proof.lines,
        start=place.offset,
        delimiter=reading.dialect.delimiter,
        quote=reading.dialect.quote,
        newline=proof.newline or "\n",
        encoding=reading.codec.name,
        widest=max(len(slab.data) for slab in group),
    )


def _careful_chunk(group: Iterable[Slab], reading: Reading, place: Place, carry: bytes) -> tuple[Chunk, Place, bytes]:
    builder = Builder(reading, place, carry)
    for slab in group:
        builder.add(slab)
    return builder.chunk(), builder.place, builder.carry


def recheck(chunk: Chunk, *, base: int = 0, limits: Limits = _LIMITS) -> Chunk:
    """A plain chunk again, the careful way: for when the engine's counts differ from `records`."""
    codec = Codec(chunk.encoding)
    reading = _reading(chunk.columns, _dialect(chunk), limits, codec, base)
    place = Place(chunk.first_line, chunk.start)
    return _careful_chunk(cut(_pieces(chunk.data), codec, limits), reading, place, b"")[0]


def reject_at(
    chunk: Chunk, ordinals: Iterable[int], *, reason: str = "", limits: Limits = _LIMITS
) -> tuple[Rejected, ...]:
    """Locators of records of a plain chunk, by their 0-based ordinal, in the order of the file.

    Without a `reason` each gets the one that framing gives; a record that framing finds nothing wrong with is left
    out, and the engine that rejected it should `recheck` the chunk.
    """
    codec, grammar = Codec(chunk.encoding), Grammar.of(_dialect(chunk), len(chunk.columns), limits)
    wanted = sorted(set(ordinals))
    found: list[Rejected] = []
    last, offset = 0, chunk.start
    for at, start in zip(wanted, _starts(chunk.data, wanted), strict=True):
        line = codec.text(chunk.data[start : chunk.data.find(b"\n", start) + 1 or None])
        last, offset = start, offset + codec.size(chunk.data[last:start])
        if why := reason or _why(line, grammar):
            text = without_end(line)
            end = offset + codec.size(codec.back(text))
            found.append(Rejected(chunk.first_line + at, offset, end, why, shape(text)))
    return tuple(found)


def _starts(data: bytes, ordinals: Iterable[int]) -> Iterator[int]:
    """Where some lines begin, given by ascending 0-based ordinals. Blocks that hold none of them are only counted."""
    at = line = 0
    for ordinal in ordinals:
        while at < len(data) and line + (ends := data.count(b"\n", at, at + _BLOCK)) < ordinal:
            at, line = at + _BLOCK, line + ends
        while line < ordinal:
            at, line = data.index(b"\n", at) + 1, line + 1
        yield at


def _why(line: str, grammar: Grammar) -> str:
    record = record_at([line], 0, grammar, final=True)
    return record.reason if record else ""


def _pieces(data: bytes) -> Iterator[bytes]:
    return (data[at : at + PIECE] for at in range(0, len(data), PIECE))


def _dialect(chunk: Chunk) -> Dialect:
    return Dialect(chunk.delimiter, chunk.quote, header=False)
