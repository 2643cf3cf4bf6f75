"""Reading the record: what anybody may ask, on a connection that only reads."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from penstock.adapters.sqlite import rows
from penstock.adapters.sqlite.almanac import AlmanacRecord
from penstock.adapters.sqlite.outbox import OutboxRecord
from penstock.adapters.sqlite.rows import GENERATION, RUN
from penstock.model.events import Event
from penstock.model.readiness import KeyState
from penstock.model.refusals import Waiting
from penstock.model.runs import Result, Run
from penstock.model.slots import Generation, Slot
from penstock.model.strays import Stray

# `?1 IS NULL OR …` would keep an index from being used where it matters; the few open runs need none.
_AMONG = "(?1 IS NULL OR {} IN (SELECT value FROM json_each(?1)))"

SLOT = "SELECT id FROM slots WHERE pipeline = ? AND address = ?"
HISTORY = f"SELECT {GENERATION} FROM generations AS g WHERE g.slot = ? ORDER BY g.number DESC"
SLOTS = "SELECT address FROM slots WHERE pipeline = ? ORDER BY address"

KEYS = "SELECT id, address, parts, since, overdue FROM keys WHERE pipeline = ? ORDER BY address"
KEY = "SELECT id, address, parts, since, overdue FROM keys WHERE pipeline = ? AND address = ?"
MARKS = """
SELECT name, address, pipeline, sha256, size, version FROM marks WHERE key = ? ORDER BY name, pipeline, address
"""

RUN_BY_ID = f"SELECT {RUN}, members, staged, results, refused FROM runs AS r WHERE r.id = ?"

MEMBERS = f"""
SELECT s.pipeline, s.address, {GENERATION}
FROM json_each(?) AS m
CROSS JOIN generations AS g ON g.slot = json_extract(m.value, '$[0]') AND g.number = json_extract(m.value, '$[1]')
JOIN slots AS s ON s.id = g.slot
ORDER BY m.key
"""

NEWEST_RUNS = "SELECT id FROM runs ORDER BY number DESC LIMIT ?"
NEWEST_RUNS_OF_PIPELINE = "SELECT id FROM runs WHERE pipeline = ? ORDER BY number DESC LIMIT ?"

# A bisected run had the generations of its halves.
RUNS_OF_SLOT = """
WITH RECURSIVE mine (id) AS (
    SELECT run FROM generations WHERE slot = ?1 AND run IS NOT NULL
    UNION
    SELECT r.parent FROM mine JOIN runs AS r ON r.id = mine.id WHERE r.parent IS NOT NULL
)
SELECT r.id FROM mine JOIN runs AS r ON r.id = mine.id
WHERE ?2 IS NULL OR r.pipeline = ?2
ORDER BY r.number DESC LIMIT ?3
"""

NEWEST_GENERATIONS = f"""
SELECT s.address, {GENERATION} FROM generations AS g JOIN slots AS s ON s.id = g.slot
WHERE s.pipeline = ? ORDER BY g.id DESC LIMIT ?
"""

STRAYS = "SELECT address, version, size, near, why FROM strays ORDER BY address"
EVENTS = "SELECT first, block FROM events WHERE last > ? ORDER BY last"

# The head of a slot is its newest loaded generation that is no patch; behind a withdrawal nothing is live.
LIVE = f"""
WITH heads AS (
    SELECT s.id, s.address, (
        SELECT number FROM generations
        WHERE slot = s.id AND standing = 'loaded' AND kind <> 'patch'
        ORDER BY number DESC LIMIT 1
    ) AS head
    FROM slots AS s WHERE s.pipeline = ?
)
SELECT h.id, h.address, {GENERATION}
FROM heads AS h
JOIN generations AS top ON top.slot = h.id AND top.number = h.head AND top.kind <> 'withdrawal'
JOIN generations AS g ON g.slot = h.id AND g.number >= h.head AND g.standing = 'loaded'
ORDER BY h.address, g.number
"""

# Rows wait in few slots, if any: those are looked at first.
WAITING = """
SELECT s.address, w.number, w.since, w.aside FROM waiting AS w CROSS JOIN slots AS s ON s.id = w.slot
WHERE s.pipeline = ? ORDER BY s.address, w.number
"""

FOUND = "SELECT members, results FROM runs WHERE id = ?"

PENDING = f"""
SELECT (SELECT count(*) FROM generations WHERE queue IS NOT NULL AND {_AMONG.format("queue")})
    + (
        SELECT count(*) FROM generations AS g JOIN slots AS s ON s.id = g.slot
        WHERE g.standing = 'accepted' AND g.run IS NULL AND g.queue IS NULL AND {_AMONG.format("s.pipeline")}
    )
    + (SELECT count(*) FROM runs WHERE due IS NOT NULL AND {_AMONG.format("pipeline")})
"""

OLDEST = f"""
SELECT s.address, {GENERATION} FROM generations AS g JOIN slots AS s ON s.id = g.slot
WHERE g.queue = ? ORDER BY g.id LIMIT 1
"""

NEXT_DUE = "SELECT min(due) FROM runs WHERE due IS NOT NULL"


class SqliteRecord(OutboxRecord, AlmanacRecord):
    """The record as it was when the transaction around it began."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._execute = connection.execute

    def _slot_id(self, slot: Slot) -> int | None:
        row = self._execute(SLOT, (slot.pipeline, slot.address)).fetchone()
        return None if row is None else row[0]

    def current(self, slot: Slot) -> Generation | None:
        return next(self._newest_first(slot), None)

    def history(self, slot: Slot) -> list[Generation]:
        return list(self._newest_first(slot))[::-1]

    def _newest_first(self, slot: Slot) -> Iterator[Generation]:
        found = self._slot_id(slot)
        if found is not None:
            for row in self._execute(HISTORY, (found,)):
                yield rows.generation(slot, row)

    def slots(self, pipeline: str) -> list[Slot]:
        return [Slot(pipeline, address) for (address,) in self._execute(SLOTS, (pipeline,))]

    def keys(self, pipeline: str) -> list[KeyState]:
        return [self._key_state(pipeline, row) for row in self._execute(KEYS, (pipeline,)).fetchall()]

    def key(self, slot: Slot) -> KeyState | None:
        row = self._execute(KEY, (slot.pipeline, slot.address)).fetchone()
        return None if row is None else self._key_state(slot.pipeline, row)

    def _key_state(self, pipeline: str, row: Sequence[Any]) -> KeyState:
        key, address, parts, since, overdue = row
        members = tuple(rows.member(*mark) for mark in self._execute(MARKS, (key,)))
        return KeyState(pipeline, address, rows.parts_of(parts), rows.moment(since), members, bool(overdue))

    def generations(self, pipeline: str, limit: int = 50) -> list[Generation]:
        found = self._execute(NEWEST_GENERATIONS, (pipeline, limit))
        return [rows.generation(Slot(pipeline, address), row) for address, *row in found]

    def run(self, run: str) -> Run | None:
        row = self._execute(RUN_BY_ID, (run,)).fetchone()
        if row is None:
            return None
        *plain, members, staged, results, refused = row
        return rows.run(plain, self._members(members), staged, results, refused)

    def _members(self, members: str) -> tuple[Generation, ...]:
        return tuple(
            rows.generation(Slot(pipeline, address), row)
            for pipeline, address, *row in self._execute(MEMBERS, (members,))
        )

    def _runs(self, statement: str, values: Sequence[Any]) -> list[Run]:
        names = self._execute(statement, values).fetchall()
        return [run for (name,) in names if (run := self.run(name)) is not None]

    def runs(self, *, pipeline: str | None = None, limit: int = 50, slot: Slot | None = None) -> list[Run]:
        if slot is not None:
            return self._runs(RUNS_OF_SLOT, (self._slot_id(slot), pipeline, limit))
        if pipeline is not None:
            return self._runs(NEWEST_RUNS_OF_PIPELINE, (pipeline, limit))
        return self._runs(NEWEST_RUNS, (limit,))

    def events(self, after: int = 0, limit: int = 1000) -> list[Event]:
        blocks = self._execute(EVENTS, (after,))
        found = (event for first, block in blocks for event in rows.events(block, first) if event.sequence > after)
        return list(islice(found, limit))

    def strays(self) -> list[Stray]:
        return [Stray(*row) for row in self._execute(STRAYS)]

    def live(self, pipeline: str) -> list[tuple[Generation, Result]]:
        found: list[tuple[Generation, Result]] = []
        known: dict[str, dict[tuple[int, int], rows.Found]] = {}
        for slot, address, *row in self._execute(LIVE, (pipeline,)).fetchall():
            generation = rows.generation(Slot(pipeline, address), row)
            if generation.run not in known:
                known[generation.run] = rows.found_of(*self._execute(FOUND, (generation.run,)).fetchone())
            result = known[generation.run].get((slot, generation.number))
            if result is not None:
                found.append((generation, rows.result(generation, result)))
        return found

    def waiting(self, pipeline: str) -> list[Waiting]:
        return [
            Waiting(Slot(pipeline, address), number, rows.aside_of(aside), rows.moment(since))
            for address, number, since, aside in self._execute(WAITING, (pipeline,)).fetchall()
        ]

    def pending(self, pipelines: Iterable[str] | None = None) -> int:
        wanted = rows.json_list(None if pipelines is None else tuple(pipelines))
        return int(self._execute(PENDING, (wanted,)).fetchone()[0])

    def oldest(self, pipeline: str) -> Generation | None:
        row = self._execute(OLDEST, (pipeline,)).fetchone()
        return None if row is None else rows.generation(Slot(pipeline, row[0]), row[1:])

    def next_due(self) -> datetime | None:
        due = self._execute(NEXT_DUE).fetchone()[0]
        return None if due is None else rows.moment(due)
