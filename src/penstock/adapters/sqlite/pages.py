"""Writing the record: the book's verbs as statements, within one transaction of the one connection that writes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import zip_longest

from penstock.adapters.sqlite import rows
from penstock.adapters.sqlite.almanac import AlmanacPages
from penstock.adapters.sqlite.outbox import OutboxPages
from penstock.adapters.sqlite.record import SqliteRecord
from penstock.adapters.sqlite.rows import GENERATION
from penstock.model.events import Event
from penstock.model.readiness import KeyState
from penstock.model.refusals import Waiting
from penstock.model.runs import Run
from penstock.model.slots import Generation, Kind, Member, Slot
from penstock.model.strays import Stray

PLACES = "SELECT coalesce(max(id), 0) FROM generations"
NEW_SLOT = "INSERT INTO slots (pipeline, address) VALUES (?, ?)"
NEW_GENERATION = """
INSERT INTO generations (
    slot, number, kind, sequence, accepted_at, sha256, size, version, parts, cause, fingerprint, hard, lines, fixes,
    heals, standing, run, queue, vector, run_time
)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
AMEND = """
UPDATE generations
SET standing = ?1, version = ?2, vector = ?3, queue = CASE WHEN ?1 = 'accepted' AND run IS NULL THEN queue END
WHERE slot = ?4 AND number = ?5
"""
READY = "SELECT 1 FROM generations WHERE slot = ? AND number = ? AND queue IS NOT NULL"
UNBLOCK = "UPDATE generations SET queue = ? WHERE slot = ? AND number = ?"

# Looks only at the first of each queue: pipelines are few, what waits may be much.
QUEUES = """
WITH RECURSIVE queues (name) AS (
    SELECT min(queue) FROM generations WHERE queue IS NOT NULL
    UNION ALL
    SELECT (SELECT min(queue) FROM generations WHERE queue > queues.name) FROM queues WHERE queues.name IS NOT NULL
)
SELECT name FROM queues WHERE name IS NOT NULL
"""
OLDEST = "SELECT min(id) FROM generations WHERE queue = ?"
QUEUE = f"""
SELECT s.address, {GENERATION} FROM generations AS g JOIN slots AS s ON s.id = g.slot WHERE g.queue = ? ORDER BY g.id
"""

OPEN_KEY = "INSERT INTO keys (pipeline, address, parts, since, overdue) VALUES (?, ?, ?, ?, 0)"
KEY_ID = "(SELECT id FROM keys WHERE pipeline = ? AND address = ?)"
PUT_MARK = f"""
INSERT INTO marks (key, name, address, pipeline, sha256, size, version) VALUES ({KEY_ID}, ?, ?, ?, ?, ?, ?)
"""
DROP_MARK = f"DELETE FROM marks WHERE key = {KEY_ID} AND name = ? AND pipeline = ? AND address = ?"
REPORTED = "UPDATE keys SET overdue = 1 WHERE pipeline = ? AND address = ?"

HELD = "SELECT 1 FROM slots WHERE id = ? AND holder IS NOT NULL"
HOLD = "UPDATE slots SET holder = ? WHERE id = ?"
BLOCKED = f"""
SELECT s.holder, s.pipeline, s.address, {GENERATION}
FROM generations AS g JOIN slots AS s ON s.id = g.slot
WHERE g.standing = 'accepted' AND g.run IS NULL AND g.queue IS NULL AND g.slot = ?
ORDER BY g.number LIMIT 1
"""
ANY_BLOCKED = "SELECT 1 FROM generations WHERE standing = 'accepted' AND run IS NULL AND queue IS NULL LIMIT 1"
FREE = "UPDATE slots SET holder = NULL WHERE id = ? AND holder = ?"

BEGUN = "SELECT coalesce(max(number), 0) FROM runs"
DUE = "SELECT pipeline, id FROM runs WHERE due <= ? ORDER BY state, due, number"
HALVES = "SELECT id FROM runs WHERE parent = ? ORDER BY number"
HELD_BY = """
SELECT id FROM runs INDEXED BY runs_due WHERE due IS NOT NULL AND state = 'running' AND worker = ? ORDER BY number
"""
NEW_RUN = """
INSERT INTO runs (
    stage, state, attempt, first_attempt, epoch, deaths, worker, due, fingerprint, staged_attempt, error, finished_at,
    tries, revision, staged, results, refused, id, pipeline, parent, created_at, run_time, members
)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
RUN_CHANGED = """
UPDATE runs
SET stage = ?, state = ?, attempt = ?, first_attempt = ?, epoch = ?, deaths = ?, worker = ?, due = ?, fingerprint = ?,
    staged_attempt = ?, error = ?, finished_at = ?, tries = ?, revision = ?, staged = coalesce(?, staged),
    results = coalesce(?, results), refused = coalesce(?, refused)
WHERE id = ?
"""
GENERATION_TAKEN = "UPDATE generations SET standing = ?, run = ?, hard = ?, queue = NULL WHERE slot = ? AND number = ?"
GENERATION_STANDS = "UPDATE generations SET standing = ? WHERE slot = ? AND number = ?"

KEEP_WAITING = "INSERT OR REPLACE INTO waiting (slot, number, since, aside) VALUES (?, ?, ?, ?)"
DROP_WAITING = "DELETE FROM waiting WHERE slot = ? AND number = ?"

LAST_EVENT = "SELECT coalesce(max(last), 0) FROM events"
NEW_EVENTS = "INSERT INTO events (last, first, block) VALUES (?, ?, ?)"

MOST_EVENTS = 500
"""How many events one row holds at most."""

KEEP_STRAY = """
INSERT INTO strays (address, version, size, near, why) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (address) DO UPDATE SET version = excluded.version, size = excluded.size, near = excluded.near,
    why = excluded.why
WHERE strays.version <> excluded.version
"""
KEEP_DRIFT = "INSERT OR IGNORE INTO drifts (pipeline, name, drift) VALUES (?, ?, ?)"

ANSWER = "SELECT answer FROM answers WHERE call = ?"
KEEP_ANSWER = "INSERT INTO answers (call, answer) VALUES (?, ?)"
FORGET_ANSWERS = "DELETE FROM answers WHERE rowid <= ?"

Key = tuple[int, int]
"""A generation's slot, by its id, and its number."""

MOST_ANSWERS = 1000
"""How many answers are kept: a lost one is asked for again within seconds."""

MOST_SLOTS = 50_000
"""How many ids of slots are remembered."""

UNKNOWN = -1
"""No slot's id."""


class SqlitePages(OutboxPages, AlmanacPages, SqliteRecord):
    """Remembers what it has read: open runs, and ids of slots. `forget` when anybody else may have written."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(connection)
        self._many = connection.executemany
        self._ids: dict[Slot, int | None] = {}
        self._open: dict[str, tuple[Run, list[Key]]] = {}
        self._ended: list[str] = []
        self._places: int | None = None
        self._begun: int | None = None
        self._told: int | None = None
        self.unwritten: list[Event] = []

    def forget(self) -> None:
        """Read everything anew."""
        self._ids.clear()
        self._open.clear()
        self._ended.clear()
        self._places = self._begun = self._told = None

    def undo(self, unwritten: int) -> None:
        """What was written is written no more: keep the first events only, and read everything anew."""
        del self.unwritten[unwritten:]
        self.forget()

    def flush(self) -> None:
        """Write the events of this transaction, and forget the runs that it ended."""
        while self.unwritten:
            block = self.unwritten[:MOST_EVENTS]
            first = 1 + (self._execute(LAST_EVENT).fetchone()[0] if self._told is None else self._told)
            self._told = first + len(block) - 1
            self._execute(NEW_EVENTS, (self._told, first, rows.block(block)))
            del self.unwritten[:MOST_EVENTS]
        while self._ended:
            self._open.pop(self._ended.pop(), None)

    def record(self, events: Iterable[Event]) -> None:
        self.unwritten.extend(events)

    def told(self) -> int:
        return int(self._execute(LAST_EVENT).fetchone()[0])

    # --- slots and generations -----------------------------------------------------------------------------------

    def _slot_id(self, slot: Slot) -> int | None:
        found = self._ids.get(slot, UNKNOWN)
        if found == UNKNOWN:
            if len(self._ids) >= MOST_SLOTS:
                self._ids.clear()
            found = self._ids[slot] = super()._slot_id(slot)
        return found

    def _key(self, item: Generation) -> Key:
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
            found = self._ids[slot] = self._execute(NEW_SLOT, (slot.pipeline, slot.address)).lastrowid or 0
        row = rows.generation_row(found, generation, slot.pipeline if ready else None)
        self._places = self._execute(NEW_GENERATION, row).lastrowid

    def amend(self, generation: Generation) -> None:
        version = generation.content and generation.content.version
        vector = rows.vector_text(generation.members)
        self._execute(AMEND, (str(generation.standing), version, vector, *self._key(generation)))
        self._open.pop(generation.run, None)

    def ready(self, generation: Generation) -> bool:
        return self._execute(READY, self._key(generation)).fetchone() is not None

    def unblock(self, generation: Generation) -> None:
        self._execute(UNBLOCK, (generation.slot.pipeline, *self._key(generation)))

    def queue(self, pipelines: Sequence[str] | None) -> Iterator[Generation]:
        names = [name for (name,) in self._execute(QUEUES)] if pipelines is None else pipelines
        oldest = [(self._execute(OLDEST, (name,)).fetchone()[0], name) for name in names]
        waiting = [item for item in oldest if item[0] is not None]
        if waiting:
            _, name = min(waiting)
            for address, *row in self._execute(QUEUE, (name,)):
                yield rows.generation(Slot(name, address), row)

    # --- keys ----------------------------------------------------------------------------------------------------

    def open_key(self, state: KeyState) -> None:
        values = (state.pipeline, state.address, rows.parts_text(state.parts), rows.instant(state.since))
        self._execute(OPEN_KEY, values)

    def put_mark(self, slot: Slot, member: Member, instead: Sequence[Member]) -> None:
        for old in instead:
            self.drop_mark(slot, old)
        self._execute(PUT_MARK, (slot.pipeline, slot.address, *rows.mark_row(member)))

    def drop_mark(self, slot: Slot, member: Member) -> None:
        self._execute(DROP_MARK, (slot.pipeline, slot.address, member.name, member.pipeline, member.address))

    def reported(self, slot: Slot) -> None:
        self._execute(REPORTED, (slot.pipeline, slot.address))

    # --- holds ---------------------------------------------------------------------------------------------------

    def held(self, slot: Slot) -> bool:
        return self._execute(HELD, (self._slot_id(slot),)).fetchone() is not None

    def hold(self, run: str, slots: Iterable[Slot]) -> None:
        self._many(HOLD, ((run, self._slot_id(slot)) for slot in slots))

    def free(self, run: Run) -> list[Generation]:
        _, keys = self._open.get(run.id) or self._read(run.id)
        slots = [slot for slot, _ in keys]
        blocked = []
        if self._execute(ANY_BLOCKED).fetchone() is not None:
            first = [row for slot in slots for row in self._execute(BLOCKED, (slot,))]
            blocked = [
                rows.generation(Slot(pipeline, address), row)
                for holder, pipeline, address, *row in first
                if holder == run.id
            ]
        self._many(FREE, ((slot, run.id) for slot in slots))
        return blocked

    # --- runs ----------------------------------------------------------------------------------------------------

    def run(self, run: str) -> Run | None:
        known = self._open.get(run)
        return super().run(run) if known is None else known[0]

    def begun(self) -> int:
        if self._begun is None:
            self._begun = int(self._execute(BEGUN).fetchone()[0])
        return self._begun

    def due(self, now: datetime, pipelines: Sequence[str] | None) -> Run | None:
        for pipeline, name in self._execute(DUE, (rows.instant(now),)):
            if pipelines is None or pipeline in pipelines:
                return self.run(name)
        return None

    def halves(self, run: str) -> list[Run]:
        return self._runs(HALVES, (run,))

    def held_by(self, worker: str) -> list[Run]:
        return self._runs(HELD_BY, (worker,))

    def begin(self, run: Run) -> None:
        keys = [self._key(item) for item in run.generations]
        results = rows.results_text(run.results, run.generations)
        bulk = rows.staged_text(run.staged), results, rows.refused_text(run.refused)
        self._execute(NEW_RUN, (*rows.run_row(run), *bulk, *rows.run_origin(run), rows.members_text(keys)))
        self._save_generations((), run.generations, keys)
        self._begun = self.begun() + 1
        self._open[run.id] = (run, keys)

    def save(self, run: Run) -> None:
        before, keys = self._open.get(run.id) or self._read(run.id)
        # The bulk is written only when it has changed.
        staged = None if run.staged is before.staged else rows.staged_text(run.staged)
        results = None if run.results is before.results else rows.results_text(run.results, run.generations)
        refused = None if run.refused is before.refused else rows.refused_text(run.refused)
        self._execute(RUN_CHANGED, (*rows.run_row(run), staged, results, refused, run.id))
        if run.generations is not before.generations:
            self._save_generations(before.generations, run.generations, keys)
        self._open[run.id] = (run, keys)
        if run.state.final:
            self._ended.append(run.id)

    def _read(self, run: str) -> tuple[Run, list[Key]]:
        found = super().run(run)
        if found is None:
            message = f"run {run} was never begun"
            raise KeyError(message)
        return found, [self._key(item) for item in found.generations]

    def _save_generations(self, before: Sequence[Generation], after: Sequence[Generation], keys: Sequence[Key]) -> None:
        """Most boundaries change nothing but how generations stand."""
        stand, taken = [], []
        for old, new, key in zip_longest(before, after, keys):
            if old is new:
                continue
            if old is not None and old.run == new.run and old.hard == new.hard:
                stand.append((str(new.standing), *key))
            else:
                taken.append((str(new.standing), new.run, new.hard, *key))
        if stand:
            self._many(GENERATION_STANDS, stand)
        if taken:
            self._many(GENERATION_TAKEN, taken)

    # --- strays --------------------------------------------------------------------------------------------------

    def keep_stray(self, stray: Stray) -> bool:
        row = stray.address, stray.version, stray.size, stray.near, stray.why
        return self._execute(KEEP_STRAY, row).rowcount > 0

    # --- drifts --------------------------------------------------------------------------------------------------

    def keep_drift(self, pipeline: str, table: str, drift: Mapping[str, str]) -> bool:
        text = rows.parts_text(dict(sorted(drift.items())))
        return self._execute(KEEP_DRIFT, (pipeline, table, text)).rowcount > 0

    # --- rows that wait ------------------------------------------------------------------------------------------

    def keep_waiting(self, item: Waiting) -> None:
        values = (self._slot_id(item.slot), item.number, rows.instant(item.since), rows.aside_text(item.aside))
        self._execute(KEEP_WAITING, values)

    def drop_waiting(self, item: Waiting) -> None:
        self._execute(DROP_WAITING, (self._slot_id(item.slot), item.number))

    # --- answers -------------------------------------------------------------------------------------------------

    def answer(self, call: str) -> bytes | None:
        """What was answered to this call, if it was carried out."""
        row = self._execute(ANSWER, (call,)).fetchone()
        return None if row is None else row[0]

    def keep_answer(self, call: str, answer: bytes) -> None:
        """Keep the answer with what the call did."""
        number = self._execute(KEEP_ANSWER, (call, answer)).lastrowid or 0
        self._execute(FORGET_ANSWERS, (number - MOST_ANSWERS,))
