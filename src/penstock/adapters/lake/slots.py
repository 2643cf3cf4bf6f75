"""What the lake remembers of its slots: a log of records in segments, and an index of it in memory."""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from penstock.adapters.lake.manifest import Segment
from penstock.model.loads import Record, collision, whole
from penstock.model.tables import Unit

FANOUT = 16
"""How many segments of one size are kept before they become one: a record is written about log16(n) times."""


class Slots:
    """All records of a pipeline, by address and by base."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        self._bases: list[tuple[int, str]] = []

    def add(self, record: Record) -> None:
        """Take a newer record of a slot."""
        old = self.records.get(record.slot)
        if old is None or old.base != record.base:
            if old is not None:
                del self._bases[bisect_left(self._bases, (old.base, old.slot))]
            insort(self._bases, (record.base, record.slot))
        self.records[record.slot] = record

    def of(self, row: int) -> Record | None:
        """The slot whose range holds a row identity."""
        place = bisect_right(self._bases, (row, "\U0010ffff")) - 1
        record = self.records[self._bases[place][1]] if place >= 0 else None
        return record if record is not None and row < record.range.high else None

    def refuse_crossing(self, pipeline: str, units: Iterable[Unit]) -> None:
        """Raise `KeyCollision` for a unit whose range reaches into another slot's."""
        for unit in units:
            low, high = whole(unit)
            place = bisect_left(self._bases, (high, ""))
            # Ranges that are there do not overlap: of those that begin before the end, only the last two can matter.
            for _, slot in self._bases[max(place - 2, 0) : place]:
                if slot != unit.slot.address and self.records[slot].range.high > low:
                    raise collision(unit.slot.address, slot, pipeline)


def written(records: Iterable[Record]) -> str:
    """Records as lines of JSON."""
    return "".join(json.dumps(asdict(record)) + "\n" for record in records)


def read(path: Path) -> list[Record]:
    """The records of one segment."""
    return [Record(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines() if line]


def due(segments: Sequence[Segment]) -> int:
    """How many segments at the end of the log are to become one, so that their number grows with a logarithm."""
    run = 0
    for segment in reversed(segments):
        if _size(segment) > _size(segments[-1]):
            break
        run += 1
    return run if run >= FANOUT else 0


def _size(segment: Segment) -> int:
    """The segment's order of magnitude."""
    size = 0
    while segment.records >= FANOUT ** (size + 1):
        size += 1
    return size
