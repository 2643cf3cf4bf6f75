"""Inputs as batches of whole deliveries, and each batch as parts that the engine reads one after the other.

Small deliveries are numbered by the framer and joined, so that a batch of them pays for planning once. A long one
comes in parts, the next of which is framed while the last is worked on.
"""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
import json
import math
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, BinaryIO

from penstock.adapters.duckdb.parts import ChunkPart, JoinedPart, ParquetPart, Part
from penstock.adapters.duckdb.session import Resources
from penstock.adapters.duckdb.tally import Tally
from penstock.adapters.files.chunk import Chunk, Rejected
from penstock.adapters.files.dialect import Dialect, Layout, Limits, dialect_of
from penstock.adapters.files.jsonarray import open_json
from penstock.adapters.files.jsonlines import open_json_lines
from penstock.adapters.files.records import open_records
from penstock.adapters.files.small import read_small
from penstock.adapters.files.unpack import MAGIC
from penstock.adapters.files.writing import written
from penstock.authoring.sources import Source
from penstock.compile.plan import Plan
from penstock.errors import DataError, PenstockError, RefusedFile, UnknownName
from penstock.model.slots import Kind, Standing
from penstock.runtime.ports import Landing

SMALL = 1024 * 1024
"""Deliveries of up to this many stored bytes are joined with others."""

WORTHWHILE = 8 * 1024 * 1024
"""Fewer stored bytes than these take less time than another lane's start."""

_PARQUET_ROWS = 200_000
_WRITTEN = Dialect()
"""How rows that a person edited are written again, whatever their file's dialect."""
PACKED = tuple(MAGIC.values())


@dataclass(frozen=True, slots=True)
class Batch:
    """Whole deliveries that are worked on together; `part` is there when they are one part already."""

    tallies: tuple[Tally, ...]
    part: Part | None = None


class _Joints:
    """A joined part while it grows: only chunks of one form can be read as one."""

    def __init__(self) -> None:
        self.size = self.stored = 0
        self._joints: dict[object, list[tuple[Tally, Chunk]]] = {}

    def add(self, tally: Tally, chunk: Chunk) -> None:
        # The columns stand in the order of the file's header.
        form = chunk.numbered, chunk.newline, chunk.delimiter, chunk.quote, chunk.columns
        self._joints.setdefault(form, []).append((tally, chunk))
        self.size += len(chunk.data)
        self.stored += tally.content.size if tally.content else 0

    def take(self, plan: Plan) -> Iterator[Batch]:
        """What is here, if anything, the largest joint first; nothing is left."""
        joints = sorted(self._joints.values(), key=len, reverse=True)
        self._joints, self.size, self.stored = {}, 0, 0
        if joints:
            yield Batch(tuple(tally for joint in joints for tally, _ in joint), JoinedPart(joints, plan))


class Feed:
    """Opens what was accepted, and nothing else: content is hashed while it is read."""

    def __init__(
        self, landing: Landing, plan: Plan, resources: Resources, lanes: tuple[int, int], limits: Limits
    ) -> None:
        """Among so many lanes the parts of one long delivery are shared out; among so many, joints of small ones."""
        self.landing, self.plan, self.limits = landing, plan, limits
        self.resources, self.abreast, self.room = resources.divided(lanes[0]), lanes[1], resources.chunk_bytes
        self.most = min(SMALL, self.resources.chunk_bytes)

    def batches(self, tallies: list[Tally]) -> Iterator[Batch]:
        """Small deliveries joined, each other one alone. What cannot be opened ends its tally here."""
        joints, lanes, share = _Joints(), *self._shares(tallies)
        for tally in tallies:
            if not self._small(tally):
                yield Batch((tally,))
                continue
            chunks = self._take(tally)
            if len(chunks) > 1:
                yield Batch((tally,))
            if len(chunks) != 1:
                continue
            joints.add(tally, chunks[0])
            if joints.stored >= share or joints.size >= self.room // lanes:
                yield from joints.take(self.plan)
        yield from joints.take(self.plan)

    def _shares(self, tallies: Iterable[Tally]) -> tuple[int, int]:
        """Among how many lanes small deliveries are shared out, and how many stored bytes each lane has at a time: as
        many as the others, so that none waits for the last one."""
        stored = sum(tally.content.size for tally in tallies if tally.content and self._small(tally))
        lanes = self.abreast if stored >= self.abreast * WORTHWHILE else 1
        rounds = math.ceil(stored / self.room) or 1
        return lanes, max(1, math.ceil(stored / (lanes * rounds)))

    def parts(self, batch: Batch) -> Iterator[Part]:
        """The parts of a batch; asked for again, the delivery is opened again."""
        if batch.part is not None:
            return iter((batch.part,))
        tally = batch.tallies[0]
        if self.plan.source.format == "parquet":
            return self._parquet(tally)
        return ahead(lambda: (ChunkPart(tally, chunk, self.plan) for chunk in self._chunks(tally)))

    def _small(self, tally: Tally) -> bool:
        content = tally.content
        return self.plan.source.format != "parquet" and content is not None and content.size <= self.most

    def _take(self, tally: Tally) -> list[Chunk]:
        """Up to two chunks of a small delivery, numbered with its row identities; none of one that was refused."""
        try:
            chunks = self._few(tally)
        except DataError as error:
            tally.end(Standing.REFUSED, error)
        return chunks if tally.good else []

    def _few(self, tally: Tally) -> list[Chunk]:
        generation = tally.generation
        if self.plan.source.format == "csv" and generation.kind is not Kind.PATCH and not generation.fixes:
            return self._at_once(tally)
        return list(itertools.islice(self._chunks(tally, careful=True), 2))

    def _at_once(self, tally: Tally) -> list[Chunk]:
        """A small delimited file in one read; a packed one may be large inside and goes the long way."""
        stream = self._open(tally)
        if stream is None:
            return []
        with stream:
            data = stream.read()
        if data.startswith(PACKED):
            return list(itertools.islice(self._chunks(tally, careful=True), 2))
        chunk = read_small(data, self._layout, base=tally.base)
        self._check_content(tally, hashlib.sha256(data).hexdigest())
        return [chunk]

    def _chunks(self, tally: Tally, *, careful: bool = False) -> Iterator[Chunk]:
        generation = tally.generation
        stream = self._open(tally)
        if stream is None:
            return
        digest = hashlib.sha256()
        with closing(stream):
            patch, fixes = generation.kind is Kind.PATCH, read_fixes(self.landing, generation.fixes)
            chunks = self._opened(stream, tally.base, digest, careful=careful or patch or bool(fixes))
            if patch:
                yield patched(chunks, self.plan.source, frozenset(generation.lines), fixes, tally.base)
            else:
                yield from (edited(chunk, fixes, tally.base) for chunk in chunks)
        self._check_content(tally, digest.hexdigest())

    def _check_content(self, tally: Tally, sha256: str) -> None:
        """What was read must be what was accepted."""
        content = tally.content
        if content and sha256 != content.sha256:
            tally.end(Standing.REFUSED, _changed(tally.address))

    @cached_property
    def _layout(self) -> Layout:
        source = self.plan.source
        documents = frozenset(name for name, kind in source.columns if kind.name == "JSON")
        path = tuple(source.at.split(".")) if source.at else ()
        return Layout(source.names, dialect_of(source), source.aliases, self.limits, documents, path)

    def _opened(self, stream: BinaryIO, base: int, digest: Any, *, careful: bool) -> Iterator[Chunk]:
        source, size, layout = self.plan.source, self.resources.chunk_bytes, self._layout
        if source.format == "json_lines":
            return open_json_lines(stream, layout, chunk_bytes=size, base=base, digest=digest)
        if source.format == "json":
            return open_json(stream, layout, chunk_bytes=size, base=base, digest=digest)
        return open_records(stream, layout, chunk_bytes=size, base=base, digest=digest, careful=careful)

    def _open(self, tally: Tally) -> BinaryIO | None:
        address = tally.address
        try:
            return self.landing.open(address)
        except UnknownName:
            tally.end(Standing.REFUSED, RefusedFile("the object is no longer there", fix="deliver it again"))
            return None

    def _parquet(self, tally: Tally) -> Iterator[Part]:
        content = tally.content
        if self.landing.content(tally.address) != content:
            tally.end(Standing.REFUSED, _changed(tally.address))
            return
        stream = self._open(tally)
        if stream is None:
            return
        with closing(stream):
            rows, fixes = ParquetPart.count(stream), read_fixes(self.landing, tally.generation.fixes)
            for start in range(0, rows, _PARQUET_ROWS):
                yield ParquetPart(tally, stream, start, min(start + _PARQUET_ROWS, rows), self.plan, fixes)


def _changed(address: str) -> PenstockError:
    return DataError(
        "the object is not the content that was accepted",
        at=address,
        why="it was written again before it was read",
        fix="what is there now is accepted as the next generation",
    )


def read_fixes(landing: Landing, address: str) -> dict[int, Mapping[str, str]]:
    """A replay's edits: JSON Lines of `{"line": 17, "set": {"total": "5.20"}}` in the landing zone."""
    if not address:
        return {}
    with closing(landing.open(address)) as stream:
        edits = [json.loads(line) for line in stream.read().decode().splitlines() if line.strip()]
    return {int(edit["line"]): edit["set"] for edit in edits}


def patched(
    chunks: Iterable[Chunk], source: Source, lines: frozenset[int], fixes: Mapping[int, Mapping[str, str]], base: int
) -> Chunk:
    """One chunk of the lines that a patch brings, with its edits."""
    rows: dict[int, list[str]] = {}
    rejected: list[Rejected] = []
    columns: tuple[str, ...] = source.names
    for chunk in chunks:
        columns = chunk.columns
        rejected += [item for item in chunk.rejected if item.line in lines]
        rows |= {line: row for line, row in _rows(chunk, base) if line in lines}
    whole = Chunk(
        _written(rows.items(), base), columns, numbered=True, first_line=1, lines=max(lines, default=1),
        records=len(lines), start=0, rejected=tuple(rejected),
    )  # fmt: skip
    return edited(whole, {line: edit for line, edit in fixes.items() if line in lines}, base)


def edited(chunk: Chunk, fixes: Mapping[int, Mapping[str, str]], base: int) -> Chunk:
    """The chunk with a person's edits. A line that never split into columns comes back only if its edit gives every
    column."""
    here = range(chunk.first_line, chunk.first_line + chunk.lines)
    own = {line: edit for line, edit in fixes.items() if line in here}
    if not own:
        return chunk
    columns, torn, rows = chunk.columns, {item.line for item in chunk.rejected}, dict(_rows(chunk, base))
    for line, edit in own.items():
        if line in rows:
            rows[line] = [edit.get(name, value) for name, value in zip(columns, rows[line], strict=True)]
        elif line in torn and set(edit) == set(columns):
            rows[line] = [edit[name] for name in columns]
    data = _written(sorted(rows.items()), base)
    still = tuple(item for item in chunk.rejected if item.line not in rows)
    return replace(
        chunk, data=data, rejected=still, widest=len(data), delimiter=_WRITTEN.delimiter, quote=_WRITTEN.quote
    )


def _rows(chunk: Chunk, base: int) -> Iterator[tuple[int, list[str]]]:
    """The rows of a numbered chunk by line."""
    text = io.StringIO(chunk.data.decode(), newline="")
    for record in csv.reader(text, delimiter=chunk.delimiter, quotechar=chunk.quote):
        yield int(record[0]) - base, record[1:]


def _written(rows: Iterable[tuple[int, list[str]]], base: int) -> bytes:
    return written([[base + line, *row] for line, row in rows], _WRITTEN)


def ahead(make: Callable[[], Iterator[Part]]) -> Iterator[Part]:
    """The same parts, the next one made by a thread while the last is worked on."""
    ready: queue.Queue[Part | BaseException | None] = queue.Queue(maxsize=1)
    stop = threading.Event()

    def produce() -> None:
        try:
            for part in make():
                if not _put(ready, part, stop):
                    return
            _put(ready, None, stop)
        except BaseException as error:  # noqa: BLE001  carried to the reader's thread
            _put(ready, error, stop)

    thread = threading.Thread(target=produce, name="framer", daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()
        thread.join()


def _put(ready: queue.Queue[Any], item: Any, stop: threading.Event) -> bool:
    """Hand an item over; false when nobody waits for it any more."""
    while not stop.is_set():
        with suppress(queue.Full):
            ready.put(item, timeout=0.1)
            break
    return not stop.is_set()
