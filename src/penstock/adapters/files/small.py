"""Small files, thousands of which are joined into one chunk: numbered with as little work for each as can be."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import replace

from penstock.adapters.files.chunk import Chunk
from penstock.adapters.files.codec import Codec, name_of
from penstock.adapters.files.dialect import Layout
from penstock.adapters.files.framing import Grammar
from penstock.adapters.files.header import order_of
from penstock.adapters.files.plain import prove
from penstock.adapters.files.records import open_records
from penstock.adapters.files.sniff import HEAD, inspect
from penstock.adapters.files.unpack import MAGIC


def number_small(data: bytes, layout: Layout, *, base: int = 0) -> Chunk:
    """A whole small file, as stored, in one numbered chunk; each row's number is `base` + its line.

    Every chunk of one layout has the same delimiter and quote, so that their data can be joined (the order of
    `columns` may differ, where files have headers). Raises what `open_records` raises.
    """
    return _quick(data, layout, base) or _thorough(data, layout, base)


def _quick(data: bytes, layout: Layout, base: int) -> Chunk | None:
    """Plain files without a single fault, in a few passes at the speed of C."""
    if not data or not _usual(data, layout):
        return None
    codec = inspect(data[:HEAD], layout.dialect.encoding, layout.dialect.delimiter)
    body = data[codec.mark :]
    proof = prove(body, layout.dialect)
    width = len(layout.columns)
    if proof is None or not _even(proof[1], layout.dialect.delimiter.encode(), width) or (text := _text(body)) is None:
        return None
    lines = (text if proof[0] == "\n" else text.replace("\r\n", "\n")).removesuffix("\n").split("\n")
    return _numbered(lines, layout, codec, base)


def _usual(data: bytes, layout: Layout) -> bool:
    dialect = layout.dialect
    packed = dialect.compression in MAGIC or (dialect.compression == "auto" and data.startswith(tuple(MAGIC.values())))
    return (
        dialect.kept and not packed and name_of(dialect.encoding) == "utf-8" and len(data) <= layout.limits.record_bytes
    )


def _even(outside: bytes, delimiter: bytes, width: int) -> bool:
    """Whether every line has the declared number of columns."""
    return {line.count(delimiter) for line in outside.removesuffix(b"\n").split(b"\n")} == {width - 1}


def _text(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _numbered(lines: list[str], layout: Layout, codec: Codec, base: int) -> Chunk:
    order, above = _order(lines[0], layout)
    delimiter, quote = layout.dialect.written()
    rows = [f"{number}{delimiter}{line}\n" for number, line in enumerate(lines[above:], base + 1 + above)]
    return Chunk(
        data="".join(rows).encode(),
        columns=order,
        numbered=True,
        first_line=1 + above,
        lines=len(rows),
        records=len(rows),
        start=codec.mark,
        delimiter=delimiter,
        quote=quote,
        encoding=codec.name,
        widest=4 * max(map(len, rows), default=0),
    )


def _order(first: str, layout: Layout) -> tuple[tuple[str, ...], int]:
    """The columns in the order of the file, and how many lines its header takes."""
    if not layout.dialect.header:
        return layout.columns, 0
    header = next(csv.reader([first], Grammar.of(layout.dialect, None, layout.limits).prepared))
    return order_of(header, layout.columns, layout.aliases), 1


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
