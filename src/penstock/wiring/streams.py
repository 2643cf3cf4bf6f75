"""Streams of a project: their buffers, the flusher, and the writer for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.authoring.streams import Stream, streams_of
from penstock.errors import RefusedFile, UnknownName, UsageError
from penstock.model.streams import Appended, Level, Record
from penstock.runtime.courier import Courier
from penstock.runtime.streams import Flusher
from penstock.wiring.parts import Parts

if TYPE_CHECKING:
    from penstock.adapters.sqlite.buffer import SqliteBuffer
    from penstock.runtime.streams import Buffer

WAIT_SECONDS = 60


class Writer:
    """Sends records to a stream from a program."""

    def __init__(self, stream: Stream, buffer: Buffer) -> None:
        self._stream, self._buffer = stream, buffer

    def write(self, *records: Mapping[str, Any], ids: Iterable[str] = ()) -> Appended:
        """Append records, all or none; returns when they are durable. An id names each record's event.

        Raises `BufferFull` when they do not fit now: keep them, and write them again later.
        """
        names = list(ids) or [self._id(record) for record in records]
        if len(names) != len(records):
            raise UsageError(f"{len(records)} records have {len(names)} ids", fix="one id for each record, or none")
        found = [Record(_line(record), name) for record, name in zip(records, names, strict=True)]
        return self._buffer.submit(found).result(WAIT_SECONDS) if found else Appended(0)

    def _id(self, record: Mapping[str, Any]) -> str:
        if not self._stream.id:
            return ""
        name = record.get(self._stream.id)
        if not name or isinstance(name, bool) or not isinstance(name, str | int):
            raise UsageError(f"a record has no {self._stream.id!r} that could name it", fix="a text or a whole number")
        return f"{type(name).__name__}:{name}"


class Streaming(Parts):
    """What a project keeps before it becomes files."""

    @cached_property
    def streams(self) -> dict[str, Stream]:
        """The declared streams by name. Raises `DefinitionError`."""
        return streams_of(pipeline.trigger for pipeline in self.pipelines.values())

    @cached_property
    def buffers(self) -> dict[str, SqliteBuffer]:
        """The streams' buffers, opened."""
        from penstock.adapters.sqlite.buffer import SqliteBuffer

        found = {}
        for name, stream in self.streams.items():
            found[name] = SqliteBuffer(self._buffer_file(name), stream.capacity, self.clock)
            self._stack.callback(found[name].close)
        return found

    @cached_property
    def flusher(self) -> Flusher:
        """What writes waiting records to the landing zone."""
        return Flusher(self.streams, lambda stream: self.buffers[stream.name], self.landing, self.clock)

    @cached_property
    def courier(self) -> Courier:
        """Who acts on firings; what it polls for a stream it puts there."""
        return Courier(replace(super().courier.route, send=self.pour))

    def pour(self, stream: Stream, data: bytes, name: str) -> bool:
        """Append one JSON object to a stream, durably; False where it is there already. Raises `RefusedFile` for
        anything else, `BufferFull`."""
        try:
            text = data.decode()
            whole = isinstance(json.loads(text), dict)
        except (ValueError, RecursionError):
            whole = False
        if not whole:
            what = f"what was polled for the stream {stream.name!r} is no JSON object"
            raise RefusedFile(what, fix="one object, in UTF-8")
        line = text.strip().replace("\r", " ").replace("\n", " ")
        return self.buffers[stream.name].submit([Record(line.encode(), name)]).result(WAIT_SECONDS).accepted > 0

    def waiting(self, pipeline: str) -> tuple[Stream, Level] | None:
        """A pipeline's stream, and what waits in it for a file; None where there is none, or nothing ever came."""
        trigger = self.pipeline(pipeline).trigger
        if not isinstance(trigger, Stream) or not self._buffer_file(trigger.name).exists():
            return None
        return trigger, self.buffers[trigger.name].level()

    def _buffer_file(self, stream: str) -> Path:
        return self.store / "streams" / f"{stream}.sqlite"

    def writer(self, stream: str) -> Writer:
        """A writer of a stream. Raises `UnknownName`."""
        if stream not in self.streams:
            raise UnknownName.among("stream", stream, self.streams)
        return Writer(self.streams[stream], self.buffers[stream])


@contextmanager
def writer(stream: str, *, project: str | Path = ".", environment: str | None = None) -> Iterator[Writer]:
    """Write to a stream from a program: `with ps.writer("taxis") as taxis: taxis.write({"free": 7})`.

    `project` is the project's folder, or one below it. What `write` has returned for is durable.
    """
    from penstock.wiring.local import open_project

    with open_project(Path(project).resolve(), environment) as opened:
        yield opened.writer(stream)


def _line(record: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(record, ensure_ascii=False, allow_nan=False, default=_plain).encode()
    except (TypeError, ValueError) as error:
        raise UsageError("a record is not JSON", why=type(error).__name__, fix="texts, numbers, dates, lists") from None


def _plain(value: Any) -> str:
    from datetime import date
    from decimal import Decimal

    if isinstance(value, date):  # and datetime
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(type(value).__name__)
