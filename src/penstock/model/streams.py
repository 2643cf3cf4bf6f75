"""Streams: records that come one by one and are kept until enough of them make a file."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Record:
    """One JSON object as it was sent, in one line. `id` names the event; the same id is kept once."""

    body: bytes
    id: str = ""


@dataclass(frozen=True, slots=True)
class Appended:
    """What is durable now: how many records are new, and how many were known by their ids."""

    accepted: int
    duplicates: int = 0


@dataclass(frozen=True, slots=True)
class Level:
    """How full a stream's buffer is. `oldest` is when the first waiting record came; None where none waits."""

    rows: int = 0
    bytes: int = 0
    oldest: datetime | None = None


@dataclass(frozen=True, slots=True)
class Sealed:
    """A range of a stream's records that will be written under this address, and no other records ever will be."""

    low: int
    high: int
    address: str


@dataclass(frozen=True, slots=True)
class Size:
    """When waiting records become a file: at so many rows or bytes, or when the oldest is so old."""

    rows: int = 10_000
    bytes: int = 8_000_000
    seconds: float = 60.0

    def reached(self, level: Level, now: datetime) -> bool:
        """Whether a file is due."""
        if level.oldest is None:
            return False
        old = (now - level.oldest).total_seconds() >= self.seconds
        return old or level.rows >= self.rows or level.bytes >= self.bytes
