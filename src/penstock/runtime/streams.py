"""From waiting records to files of the landing zone, each written once.

A range of records is sealed, with its address, before it is written, and its records are let go when its file is
durable. Whoever dies in between leaves a sealed range: the next flush writes the same bytes under the same name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from penstock.authoring.streams import FOLDER, Stream
from penstock.model.faults import point
from penstock.model.streams import Appended, Level, Record, Sealed, Size

MEMORY = timedelta(days=1)
"""How long an event's id is remembered after it came."""


class Buffer(Protocol):
    """Waiting records of one stream, durable. Safe among threads and processes."""

    name: str
    """Tells its numbers from those of a buffer that was there before it."""

    def submit(self, records: Sequence[Record]) -> Future[Appended]:
        """Append all of them or none; the future is done when they are durable. Its error is `BufferFull` when they
        do not fit now, `StorageUnavailable` when they cannot be written."""
        ...

    def level(self) -> Level:
        """What waits and is not sealed yet."""
        ...

    def sealed(self) -> list[Sealed]:
        """Ranges whose files may not be there yet."""
        ...

    def seal(self, size: Size, address: Callable[[int, int, datetime], str]) -> Sealed | None:
        """Seal the oldest records: at most a file's worth, and all of one hour. Their numbers never recur."""
        ...

    def read(self, sealed: Sealed) -> bytes | None:
        """The records of a range as JSON lines: the same bytes every time. None when it has been released meanwhile."""
        ...

    def release(self, sealed: Sealed, forget: datetime) -> None:
        """The file is durable: let the range's records go, and ids that came before `forget`."""
        ...


class Shelf(Protocol):
    """Where files are put (`penstock.runtime.ports.Landing`)."""

    def store(self, data: bytes, address: str) -> str:
        """Durably, wholly, or not at all."""
        ...


def address_of(stream: str, buffer: str, low: int, high: int, hour: datetime) -> str:
    """Where a range lies. `buffer` tells its numbers from those of a buffer that was there before."""
    folder = f"{FOLDER}/{stream}/year={hour:%Y}/month={hour:%m}/day={hour:%d}/hour={hour:%H}"
    return f"{folder}/{stream}-{buffer}-{low:012d}-{high:012d}.jsonl"


class Flusher:
    """Writes what is due. Several may work at once: they write the same bytes under the same names."""

    def __init__(
        self, streams: Mapping[str, Stream], open_buffer: Callable[[Stream], Buffer], shelf: Shelf,
        clock: Callable[[], datetime],
    ) -> None:  # fmt: skip
        self._streams, self._open, self._shelf, self._clock = streams, open_buffer, shelf, clock

    def flush(self, *, everything: bool = False) -> list[str]:
        """The addresses that were written: all that is due, or `everything` that waits."""
        return [address for stream in self._streams.values() for address in self._flush(stream, everything=everything)]

    def _flush(self, stream: Stream, *, everything: bool) -> Iterable[str]:
        buffer = self._open(stream)
        for sealed in buffer.sealed():
            yield self._write(buffer, sealed)
        while self._due(buffer.level(), stream.size, everything=everything):
            point("stream.before_seal")
            sealed_now = buffer.seal(stream.size, partial(address_of, stream.name, buffer.name))
            if sealed_now is None:
                return
            point("stream.sealed")
            yield self._write(buffer, sealed_now)

    def _due(self, level: Level, size: Size, *, everything: bool) -> bool:
        return level.rows > 0 if everything else size.reached(level, self._clock())

    def _write(self, buffer: Buffer, sealed: Sealed) -> str:
        data = buffer.read(sealed)
        if data is not None:
            self._shelf.store(data, sealed.address)
            point("stream.written")
            buffer.release(sealed, self._clock() - MEMORY)
            point("stream.released")
        return sealed.address
