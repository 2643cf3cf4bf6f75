"""The beginning of a file: its header, or its first records, judged against the declared columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from penstock.adapters.files.careful import Place
from penstock.adapters.files.codec import Codec
from penstock.adapters.files.dialect import Layout
from penstock.adapters.files.framing import Grammar, Record, lines_of, record_at
from penstock.adapters.files.header import SAMPLE, check_widths, order_of
from penstock.adapters.files.slabs import Slab
from penstock.errors import ContractBroken, RefusedFile
from penstock.model.reasons import worded


def begin(slabs: Iterator[Slab], layout: Layout, codec: Codec) -> tuple[tuple[str, ...], Place, Iterator[Slab]]:
    """The columns in the order of the file, where its data begins, and the slabs from there on."""
    header, columns = layout.dialect.header, layout.columns
    grammar = Grammar.of(layout.dialect, None if header else len(columns), layout.limits, codec.errors)
    first = _first(slabs, grammar, codec, 1 if header else SAMPLE)
    if not header:
        check_widths([record.row for record in first.records if record.row], len(columns))
        return columns, Place(1, codec.mark), chain(first.held, slabs)
    order = order_of(_header(first), columns, layout.aliases)
    place, rest = _after(first, codec)
    return order, place, chain(rest, slabs)


@dataclass(frozen=True, slots=True)
class _First:
    """The first records of a file, and the slabs that were taken to find them."""

    held: list[Slab]
    lines: list[str]
    records: list[Record]


def _first(slabs: Iterator[Slab], grammar: Grammar, codec: Codec, count: int) -> _First:
    held: list[Slab] = []
    data = b""
    while True:
        held.append(slab := next(slabs))
        data += b"" if slab.long else slab.data
        lines = lines_of(codec.text(data))
        records = _records(lines, grammar, count, final=slab.final or slab.long)
        if records is not None or len(data) > grammar.limits.record_bytes:
            return _First(held, lines, records or [])


def _records(lines: list[str], grammar: Grammar, count: int, *, final: bool) -> list[Record] | None:
    """`count` records and the blank lines among them; None when more lines are needed to tell."""
    records: list[Record] = []
    at = 0
    while count and at < len(lines):
        record = record_at(lines, at, grammar, final=final)
        if record is None:
            return None
        records.append(record)
        at += record.taken
        count -= bool(record.row or record.reason)
    return records if final or not count else None


def _header(first: _First) -> list[str]:
    record = first.records[-1] if first.records else Record(0, [])
    if record.reason:
        raise ContractBroken("wrong columns: the header cannot be read", why=f"its record is {worded(record.reason)}")
    if not record.row:
        raise RefusedFile("the file is empty", why="it holds only blank lines", fix="deliver it again with its records")
    return record.row


def _after(first: _First, codec: Codec) -> tuple[Place, list[Slab]]:
    """Where the data begins, and what was held of it."""
    taken = sum(record.taken for record in first.records)
    size = codec.size(codec.back("".join(first.lines[:taken])))
    rest = codec.back("".join(first.lines[taken:]))
    last = first.held[-1]
    slab = Slab(rest, codec.size(rest), final=last.final)
    return Place(1 + taken, codec.mark + size), [slab, last] if last.long else [slab]
