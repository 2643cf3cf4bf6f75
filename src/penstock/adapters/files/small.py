"""Small files, thousands of which are read together: each with as little work as can be."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from itertools import repeat

from penstock.adapters.files.chunk import Chunk
from penstock.adapters.files.codec import Codec, name_of
from penstock.adapters.files.dialect import Layout
from penstock.adapters.files.framing import Grammar
from penstock.adapters.files.header import order_of
from penstock.adapters.files.plain import prove
from penstock.adapters.files.records import open_records
from penstock.adapters.files.sniff import HEAD, inspect
from penstock.adapters.files.unpack import MAGIC

_PACKED = tuple(MAGIC.values())


def read_small(data: bytes, layout: Layout, *, base: int = 0) -> Chunk:
    """A whole small file, as stored, in one chunk: as it is, where each line is proven to be a record of the declared
    width; else numbered, with `base` added to each line.

    Chunks of one layout have the same delimiter and quote: those with the same columns and line ends can be joined.
    Raises what `open_records` raises.
    """
    return _quick(data, layout) or _thorough(data, layout, base)


def _quick(data: bytes, layout: Layout) -> Chunk | None:
    """Plain files without a single fault, in a few passes at the speed of C."""
    if not data or not _usual(data, layout):
        return None
    codec = inspect(data[:HEAD], layout.dialect.encoding, layout.dialect.delimiter)
    body = data[codec.mark :]
    proof = prove(body, layout.dialect)
    width = len(layout.columns)
    if proof is None or not _even(proof[1], layout.dialect.delimiter.encode(), width) or not _is_text(body):
        return None
    return _plain(body, proof[0] or "\n", layout, codec)


def _usual(data: bytes, layout: Layout) -> bool:
    dialect = layout.dialect
    packed = dialect.compression in MAGIC or (dialect.compression == "auto" and data.startswith(_PACKED))
    return (
        dialect.kept and not packed and name_of(dialect.encoding) == "utf-8" and len(data) <= layout.limits.record_bytes
    )


def _even(outside: bytes, delimiter: bytes, width: int) -> bool:
    """Whether every line has the declared number of columns."""
    lines = outside.removesuffix(b"\n").split(b"\n")
    return set(map(bytes.count, lines, repeat(delimiter))) == {width - 1}


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _plain(body: bytes, newline: str, layout: Layout, codec: Codec) -> Chunk:
    end = newline.encode()
    body = body if body.endswith(end) else body + end
    order, above = layout.columns, 0
    if layout.dialect.header:
        above = body.index(end) + len(end)
        order = _order(body[:above].decode(), layout)
    lines = body.count(b"\n", above)
    return Chunk(
        data=body[above:],
        columns=order,
        numbered=False,
        first_line=1 + bool(above),
        lines=lines,
        records=lines,
        start=codec.mark + above,
        delimiter=layout.dialect.delimiter,
        quote=layout.dialect.quote,
        newline=newline,
        encoding=codec.name,
        widest=len(body),
    )


def _order(first: str, layout: Layout) -> tuple[str, ...]:
    """The columns in the order of the file."""
    header = next(csv.reader([first], Grammar.of(layout.dialect, None, layout.limits).prepared))
    return order_of(header, layout.columns, layout.aliases)


def _thorough(data: bytes, layout: Layout, base: int) -> Chunk:
    chunks = list(open_records(io.BytesIO(data), layout, careful=True, base=base))
    return _joined(chunks) if chunks else _empty(layout)


def _joined(chunks: Sequence[Chunk]) -> Chunk:
    return replace(
        chunks[0],
        data=b"".join(chunk.data for chunk in chunks),
        lines=sum(chunk.lines for chunk in chunks),
        records=sum(chunk.records for chunk in chunks),
        rejected=tuple(rejected for chunk in chunks for rejected in chunk.rejected),
        widest=max(chunk.widest for chunk in chunks),
    )


def _empty(layout: Layout) -> Chunk:
    """A header and nothing below it."""
    delimiter, quote = layout.dialect.written()
    return Chunk(
        b"", layout.columns, numbered=True, first_line=1, lines=0, records=0, start=0, delimiter=delimiter, quote=quote
    )
