"""Writing the record: the book's verbs as statements, within one transaction of the one connection that writes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from penstock.adapters.sqlite import rows
from penstock.adapters.sqlite.record import SqliteRecord
from penstock.adapters.sqlite.rows import GENERATION
from penstock.model.events import Event
from penstock.model.runs import Run
from penstock.model.slots import Generation, Kind, Slot

PLACES = "SELECT coalesce(max(id), 0) FROM generations"
NEW_SLOT = "INSERT INTO slots (pipeline, address) VALUES (?, ?)"
NEW_GENERATION = """
INSERT INTO generations (
    slot, number, kind, sequence, accepted_at, sha256, size, version, parts, cause, fingerprint, hard, lines, fixes,
    heals, standing, run, queue
)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
AMEND = """
UPDATE generations
SET standing = ?1, version = ?2, queue = CASE WHEN ?1 = 'accepted' AND run IS NULL THEN queue END
WHERE slot = ?3 AND number = ?4
"""
UNBLOCK = "UPDATE generations SET queue = ? WHERE slot = ? AND number = ?"

# Looks only at the first of each queue: pipelines are few, what waits may be much.
FIRST_QUEUE = """
WITH RECURSIVE queues (name) AS (
    SELECT min(queue) FROM generations WHERE queue IS NOT NULL
    UNION ALL
    SELECT (SELECT min(queue) FROM generations WHERE queue > queues.name) FROM queues WHERE queues.name IS NOT NULL
),
wanted (name) AS (
    SELECT value FROM json_each(?1)
    UNION ALL
    SELECT name FROM queues WHERE ?1 IS NULL AND name IS NOT NULL
)
SELECT name, (SELECT min(id) FROM generations WHERE queue = wanted.name) AS oldest
FROM wanted WHERE oldest IS NOT NULL ORDER BY oldest LIMIT 1
"""
QUEUE = f"""
SELECT s.address, {GENERATION} FROM generations AS g JOIN slots AS s ON s.id = g.slot WHERE g.queue = ? ORDER BY g.id
"""

HELD = "SELECT 1 FROM holds WHERE slot = ?"
HOLD = "INSERT INTO holds (slot, run) VALUES (?, ?) ON CONFLICT (slot) DO UPDATE SET run = excluded.run"
BLOCKED = f"""
SELECT s.pipeline, s.address, {GENERATION}
FROM holds AS h CROSS JOIN generations AS g ON g.slot = h.slot JOIN slots AS s ON s.id = g.slot
WHERE h.run = ? AND g.standing = 'accepted' AND g.run IS NULL AND g.queue IS NULL
ORDER BY g.id
"""
FREE = "DELETE FROM holds WHERE run = ?"

BEGUN = "SELECT coalesce(max(number), 0) FROM runs"
DUE = """
SELECT id FROM runs
WHERE due <= ?2 AND (?1 IS NULL OR pipeline IN (SELECT value FROM json_each(?1)))
ORDER BY state, due, number LIMIT 1
"""
HALVES = "SELECT id FROM runs WHERE parent = ? ORDER BY number"
HELD_BY = "SELECT id FROM runs WHERE due IS NOT NULL AND state = 'running' AND worker = ? ORDER BY number"
NEW_RUN = """
INSERT INTO runs (
    stage, state, attempt, first_attempt, epoch, deaths, worker, due, fingerprint, staged_attempt, error, finished_at,
    id, pipeline, parent, created_at, run_time
)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
NEW_WORK = "INSERT INTO work (run, members, staged, results) VALUES (?, ?, ?, ?)"
RUN_CHANGED = """
UPDATE runs
SET stage = ?, state = ?, attempt = ?, first_attempt = ?, epoch = ?, deaths = ?, worker = ?, due = ?, fingerprint = ?,
    staged_attempt = ?, error = ?, finished_at = ?
WHERE id = ?
"""
WORK_CHANGED = "UPDATE work SET staged = ?, results = ? WHERE run = (SELECT number FROM runs WHERE id = ?)"
GENERATION_CHANGED = (
    "UPDATE generations SET standing = ?, run = ?, hard = ?, queue = NULL WHERE slot = ? AND number = ?"
)

NEW_EVENT = "INSERT INTO events (type, source, subject, time, data) VALUES (?, ?, ?, ?, ?)"

ANSWER = "SELECT answer FROM answers WHERE call = ?"
KEEP_ANSWER = "INSERT INTO answers (call, answer) VALUES (?, ?)"
FORGET_ANSWERS = "DELETE FROM answers WHERE rowid <= ?"

MOST_ANSWERS = 1000
"""How many answers are kept: a lost one is asked for again within seconds."""

MOST_SLOTS = 50_000
"""How many ids of slots are remembered."""


class SqlitePages(SqliteRecord):
    """Remembers what it has read: open runs, and ids of slots. `forget` when anybody else may have written."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(connection)
        self._many = connection.executemany
        self._ids: dict[Slot, int] = {}
        self._open: dict[str, Run] = {}
        self._places: int | None = None
        self.unwritten: list[Event] = []

    def forget(self) -> None:
        """Read everything anew."""
        self._ids.clear()
        self._open.clear()
        self._places = None

    def undo(self, unwritten: int) -> None:
        """What was written is written no more: keep the first events only, and read everything anew."""
        del self.unwritten[unwritten:]
        self.forget()

    def flush(self) -> None:
        """Write the events of this transaction."""
        if self.unwritten:
            self._many(NEW_EVENT, map(rows.event_row, self.unwritten))
            self.unwritten.clear()

    def record(self, events: Iterable[Event]) -> None:
        self.unwritten.extend(events)

    # --- slots and generations -----------------------------------------------------------------------------------

    def _slot_id(self, slot: Slot) -> int | None:
        found = self._ids.get(slot)
        if found is None and (found := super()._slot_id(slot)) is not None:
            self._remember(slot, found)
        return found

    def _remember(self, slot: Slot, number: int) -> None:
        if len(self._ids) >= MOST_SLOTS:
            self._ids.clear()
        self._ids[slot] = number

    def _key(self, item: Generation) -> tuple[int, int]:
        found = self._slot_id(item.slot)
        if found is None:
            message = f"slot {item.slot} was never delivered to"
            raise KeyError(message)
        return found, item.number

    def tail(self, slot: Slot) -> Sequence[Generation]:
        found: list[Generation] = []
        for item in self._newest_first(slot):
            found.append(item)
            if item.kind is not Kind.PATCH:
                break
        return found[::-1]

    def places(self) -> int:
        if self._places is None:
            self._places = int(self._execute(PLACES).fetchone()[0])
        return self._places

    def add(self, generation: Generation, *, ready: bool) -> None:
        slot = generation.slot
        found = self._slot_id(slot)
        if found is None:
            found = self._execute(NEW_SLOT, (slot.pipeline, slot.address)).lastrowid or 0
            self._remember(slot, found)
        row = rows.generation_row(found, generation, slot.pipeline if ready else None)
        self._places = self._execute(NEW_GENERATION, row).lastrowid

    def amend(self, generation: Generation) -> None:
        version = generation.content and generation.content.version
        self._execute(AMEND, (generation.standing.value, version, *self._key(generation)))
        self._open.pop(generation.run, None)

    def unblock(self, generation: Generation) -> None:
        self._execute(UNBLOCK, (generation.slot.pipeline, *self._key(generation)))

    def queue(self, pipelines: Sequence[str] | None) -> Iterator[Generation]:
        first = self._execute(FIRST_QUEUE, (rows.json_list(pipelines),)).fetchone()
        if first is None:
            return
        for address, *row in self._execute(QUEUE, (first[0],)):
            yield rows.generation(Slot(first[0], address), row)

    # --- holds ---------------------------------------------------------------------------------------------------

    def held(self, slot: Slot) -> bool:
        return self._execute(HELD, (self._slot_id(slot),)).fetchone() is not None

    def hold(self, run: str, slots: Iterable[Slot]) -> None:
        self._many(HOLD, ((self._slot_id(slot), run) for slot in slots))

    def free(self, run: str) -> list[Generation]:
        first: dict[Slot, Generation] = {}
        for pipeline, address, *row in self._execute(BLOCKED, (run,)):
            slot = Slot(pipeline, address)
            first.setdefault(slot, rows.generation(slot, row))
        self._execute(FREE, (run,))
        return list(first.values())

    # --- runs ----------------------------------------------------------------------------------------------------

    def run(self, run: str) -> Run | None:
        known = self._open.get(run)
        return known if known is not None else super().run(run)

    def begun(self) -> int:
        return int(self._execute(BEGUN).fetchone()[0])

    def due(self, now: datetime, pipelines: Sequence[str] | None) -> Run | None:
        return next(iter(self._runs(DUE, (rows.json_list(pipelines), rows.instant(now)))), None)

    def halves(self, run: str) -> list[Run]:
        return self._runs(HALVES, (run,))

    def held_by(self, worker: str) -> list[Run]:
        return self._runs(HELD_BY, (worker,))

    def save(self, run: Run) -> None:
        before = self.run(run.id)
        if before is None:
            self._insert(run)
            changed: Iterable[Generation] = run.generations
        else:
            self._update(before, run)
            changed = (new for old, new in zip(before.generations, run.generations, strict=True) if new is not old)
        self._many(
            GENERATION_CHANGED,
            ((item.standing.value, item.run or None, item.hard, *self._key(item)) for item in changed),
        )
        if run.state.final:
            self._open.pop(run.id, None)
        else:
            self._open[run.id] = run

    def _insert(self, run: Run) -> None:
        number = self._execute(NEW_RUN, rows.new_run_row(run)).lastrowid
        members = rows.members_text([self._key(item) for item in run.generations])
        results = rows.results_text(run.results, run.generations)
        self._execute(NEW_WORK, (number, members, rows.staged_text(run.staged), results))

    def _update(self, before: Run, run: Run) -> None:
        self._execute(RUN_CHANGED, rows.run_row(run))
        if run.results is not before.results or run.staged is not before.staged:
            results = rows.results_text(run.results, run.generations)
            self._execute(WORK_CHANGED, (rows.staged_text(run.staged), results, run.id))

    # --- answers -------------------------------------------------------------------------------------------------

    def answer(self, call: str) -> bytes | None:
        """What was answered to this call, if it was carried out."""
        row = self._execute(ANSWER, (call,)).fetchone()
        return None if row is None else row[0]

    def keep_answer(self, call: str, answer: bytes) -> None:
        """Keep the answer with what the call did."""
        number = self._execute(KEEP_ANSWER, (call, answer)).lastrowid or 0
        self._execute(FORGET_ANSWERS, (number - MOST_ANSWERS,))
