"""A ledger in memory: the same decisions as everywhere over dictionaries. For tests, and for trying things out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from penstock.ledger.book import Book
from penstock.ledger.judging import waits
from penstock.ledger.store import Pages
from penstock.model.events import Event
from penstock.model.firings import Firing, Pulled, Timetable
from penstock.model.messages import Message
from penstock.model.readiness import KeyState
from penstock.model.refusals import Waiting
from penstock.model.runs import Result, Run, RunState
from penstock.model.slots import Generation, Kind, Member, Slot, Standing
from penstock.model.strays import Stray
from penstock.testing.outbox import MemoryOutbox

Key = tuple[Slot, int]


class MemoryLedger(Book):
    """A whole ledger that ends with the process."""

    def __init__(self) -> None:
        super().__init__(MemoryStore())


class MemoryStore:
    """Keeps records in dictionaries, and undoes what a failed transaction wrote. Safe among threads."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._undo: list[Callable[[], object]] = []
        self._depth = 0
        self._pages = _Pages(self._undo)

    @contextmanager
    def writing(self) -> Iterator[Pages]:
        with self._lock:
            begin = len(self._undo)
            self._depth += 1
            try:
                yield self._pages
            except BaseException:
                while len(self._undo) > begin:
                    self._undo.pop()()
                raise
            finally:
                self._depth -= 1
                if not self._depth:
                    self._undo.clear()

    @contextmanager
    def reading(self) -> Iterator[_Pages]:
        with self._lock:
            yield self._pages


class _Pages(MemoryOutbox):
    """The dictionaries. Whatever changes one says first how to undo it."""

    def __init__(self, undo: list[Callable[[], object]]) -> None:
        self._undo = undo
        self._generations: dict[Key, Generation] = {}
        self._newest: dict[Slot, int] = {}
        self._places: dict[Key, int] = {}
        self._ready: dict[Key, bool] = {}
        self._runs: dict[str, Run] = {}
        self._holders: dict[Slot, str] = {}
        self._events: list[Event] = []
        self._cursors: dict[str, int] = {}
        self._messages: dict[str, Message] = {}
        self._keys: dict[Slot, KeyState] = {}
        self._waiting: dict[Key, Waiting] = {}
        self._timetables: dict[str, Timetable] = {}
        self._firings: dict[str, Firing] = {}
        self._pulled: dict[tuple[str, str], Pulled] = {}
        self._strays: dict[str, Stray] = {}
        self._drifts: dict[tuple[Any, ...], bool] = {}

    def _put(self, records: dict[Any, Any], key: Any, value: Any) -> None:
        if key in records:
            old = records[key]
            self._undo.append(lambda: records.__setitem__(key, old))
        else:
            self._undo.append(lambda: records.pop(key))
        records[key] = value

    def _remove(self, records: dict[Any, Any], key: Any) -> None:
        if key in records:
            old = records.pop(key)
            self._undo.append(lambda: records.__setitem__(key, old))

    # --- slots and generations -----------------------------------------------------------------------------------

    def tail(self, slot: Slot) -> Sequence[Generation]:
        found: list[Generation] = []
        for number in range(self._newest.get(slot, 0), 0, -1):
            found.append(self._generations[slot, number])
            if found[-1].kind is not Kind.PATCH:
                break
        return found[::-1]

    def places(self) -> int:
        return len(self._places)

    def add(self, generation: Generation, *, ready: bool) -> None:
        key = (generation.slot, generation.number)
        self._put(self._generations, key, generation)
        self._put(self._newest, generation.slot, generation.number)
        self._put(self._places, key, len(self._places) + 1)
        self._put(self._ready, key, ready)

    def amend(self, generation: Generation) -> None:
        key = (generation.slot, generation.number)
        self._put(self._generations, key, generation)
        if not waits(generation):
            self._remove(self._ready, key)

    def ready(self, generation: Generation) -> bool:
        return self._ready.get((generation.slot, generation.number), False)

    def unblock(self, generation: Generation) -> None:
        self._put(self._ready, (generation.slot, generation.number), True)  # noqa: FBT003 - a record, not a switch

    def queue(self, pipelines: Sequence[str] | None) -> Iterator[Generation]:
        ready = sorted(
            (key for key, is_ready in self._ready.items() if is_ready and _among(key[0].pipeline, pipelines)),
            key=self._places.__getitem__,
        )
        return (self._generations[key] for key in ready if key[0].pipeline == ready[0][0].pipeline)

    # --- keys ----------------------------------------------------------------------------------------------------

    def key(self, slot: Slot) -> KeyState | None:
        return self._keys.get(slot)

    def keys(self, pipeline: str) -> list[KeyState]:
        return [self._keys[slot] for slot in sorted(self._keys) if slot.pipeline == pipeline]

    def open_key(self, state: KeyState) -> None:
        self._put(self._keys, Slot(state.pipeline, state.address), state)

    def put_mark(self, slot: Slot, member: Member, instead: Sequence[Member]) -> None:
        kept = [known for known in self._keys[slot].members if known not in instead]
        self._set_members(slot, [*kept, member])

    def drop_mark(self, slot: Slot, member: Member) -> None:
        self._set_members(slot, [known for known in self._keys[slot].members if known != member])

    def _set_members(self, slot: Slot, members: Iterable[Member]) -> None:
        ordered = sorted(members, key=lambda member: (member.name, member.pipeline, member.address))
        self._put(self._keys, slot, replace(self._keys[slot], members=tuple(ordered)))

    def reported(self, slot: Slot) -> None:
        self._put(self._keys, slot, replace(self._keys[slot], overdue=True))

    # --- holds ---------------------------------------------------------------------------------------------------

    def held(self, slot: Slot) -> bool:
        return slot in self._holders

    def hold(self, run: str, slots: Iterable[Slot]) -> None:
        for slot in slots:
            self._put(self._holders, slot, run)

    def free(self, run: Run) -> list[Generation]:
        freed = [slot for slot, holder in self._holders.items() if holder == run.id]
        for slot in freed:
            self._remove(self._holders, slot)
        blocked = [next((item for item in self.history(slot) if waits(item)), None) for slot in freed]
        first = [item for item in blocked if item is not None]
        return sorted(first, key=lambda item: self._places[item.slot, item.number])

    # --- runs ----------------------------------------------------------------------------------------------------

    def run(self, run: str) -> Run | None:
        found = self._runs.get(run)
        return None if found is None else self._as_now(found)

    def _as_now(self, run: Run) -> Run:
        generations = tuple(self._generations[item.slot, item.number] for item in run.generations)
        return replace(run, generations=generations)

    def begin(self, run: Run) -> None:
        self.save(run)

    def save(self, run: Run) -> None:
        self._put(self._runs, run.id, run)
        for item in run.generations:
            key = (item.slot, item.number)
            kept = self._generations[key]
            self._put(self._generations, key, replace(kept, standing=item.standing, run=item.run, hard=item.hard))
            self._remove(self._ready, key)

    def begun(self) -> int:
        return len(self._runs)

    def due(self, now: datetime, pipelines: Sequence[str] | None) -> Run | None:
        due = [
            (run.state, moment, place, run)
            for place, run in enumerate(self._runs.values())
            if (moment := _moment(run)) is not None and moment <= now and _among(run.pipeline, pipelines)
        ]
        return self._as_now(min(due)[3]) if due else None

    def halves(self, run: str) -> list[Run]:
        return [self._as_now(item) for item in self._runs.values() if item.parent == run]

    def held_by(self, worker: str) -> list[Run]:
        runs = self._runs.values()
        return [self._as_now(item) for item in runs if item.worker == worker and item.state is RunState.RUNNING]

    def record(self, events: Iterable[Event]) -> None:
        length = len(self._events)
        self._undo.append(lambda: self._events.__delitem__(slice(length, None)))
        for event in events:
            self._events.append(replace(event, sequence=len(self._events) + 1))

    def keep_drift(self, pipeline: str, table: str, drift: Mapping[str, str]) -> bool:
        key = (pipeline, table, *sorted(drift.items()))
        if key in self._drifts:
            return False
        self._put(self._drifts, key, True)  # noqa: FBT003 - a record, not a switch
        return True

    def keep_stray(self, stray: Stray) -> bool:
        known = self._strays.get(stray.address)
        if known is not None and known.version == stray.version:
            return False
        self._put(self._strays, stray.address, stray)
        return True

    def strays(self) -> list[Stray]:
        return [self._strays[address] for address in sorted(self._strays)]

    # --- rows that wait ------------------------------------------------------------------------------------------

    def waiting(self, pipeline: str) -> list[Waiting]:
        return [item for (slot, _), item in sorted(self._waiting.items()) if slot.pipeline == pipeline]

    def keep_waiting(self, item: Waiting) -> None:
        self._put(self._waiting, (item.slot, item.number), item)

    def drop_waiting(self, item: Waiting) -> None:
        self._remove(self._waiting, (item.slot, item.number))

    # --- schedules -----------------------------------------------------------------------------------------------

    def timetable(self, pipeline: str) -> Timetable | None:
        return self._timetables.get(pipeline)

    def keep_timetable(self, item: Timetable) -> None:
        self._put(self._timetables, item.pipeline, item)

    def keep_firing(self, item: Firing) -> None:
        self._put(self._firings, item.id, item)

    def keep_pulled(self, pipeline: str, item: Pulled) -> None:
        self._put(self._pulled, (pipeline, item.source), item)

    def timetables(self) -> list[Timetable]:
        return [self._timetables[name] for name in sorted(self._timetables)]

    def firing(self, firing: str) -> Firing | None:
        return self._firings.get(firing)

    def firings(self, pipeline: str | None = None, limit: int = 50) -> list[Firing]:
        return [item for item in reversed(self._firings.values()) if pipeline in (None, item.pipeline)][:limit]

    def open_firings(self) -> list[Firing]:
        return [item for item in self._firings.values() if not item.state.final]

    def pulled(self, pipeline: str) -> dict[str, Pulled]:
        return {name: self._pulled[owner, name] for owner, name in sorted(self._pulled) if owner == pipeline}

    # --- the record ----------------------------------------------------------------------------------------------

    def current(self, slot: Slot) -> Generation | None:
        return self._generations.get((slot, self._newest.get(slot, 0)))

    def history(self, slot: Slot) -> list[Generation]:
        return [self._generations[slot, number] for number in range(1, self._newest.get(slot, 0) + 1)]

    def slots(self, pipeline: str) -> list[Slot]:
        return sorted(slot for slot in self._newest if slot.pipeline == pipeline)

    def generations(self, pipeline: str, limit: int = 50) -> list[Generation]:
        mine = [key for key in self._places if key[0].pipeline == pipeline]
        newest = sorted(mine, key=self._places.__getitem__, reverse=True)[:limit]
        return [self._generations[key] for key in newest]

    def runs(self, *, pipeline: str | None = None, limit: int = 50, slot: Slot | None = None) -> list[Run]:
        found = [
            run
            for run in reversed(self._runs.values())
            if pipeline in (None, run.pipeline) and (slot is None or any(item.slot == slot for item in run.generations))
        ]
        return [self._as_now(run) for run in found[:limit]]

    def events(self, after: int = 0, limit: int = 1000) -> list[Event]:
        return self._events[after : after + limit]

    def live(self, pipeline: str) -> list[tuple[Generation, Result]]:
        return [item for slot in self.slots(pipeline) for item in self._live_of(slot)]

    def _live_of(self, slot: Slot) -> Iterator[tuple[Generation, Result]]:
        loaded = [item for item in self.history(slot) if item.standing is Standing.LOADED]
        heads = [item for item in loaded if item.kind is not Kind.PATCH]
        if not heads or heads[-1].kind is Kind.WITHDRAWAL:
            return
        for item in loaded:
            result = self._runs[item.run].result(slot)
            if item.number >= heads[-1].number and result is not None:
                yield item, result

    def pending(self, pipelines: Iterable[str] | None = None) -> int:
        wanted = None if pipelines is None else tuple(pipelines)
        waiting = sum(_among(slot.pipeline, wanted) for slot, _ in self._ready)
        return waiting + sum(not run.state.final and _among(run.pipeline, wanted) for run in self._runs.values())

    def oldest(self, pipeline: str) -> Generation | None:
        return next(self.queue((pipeline,)), None)

    def next_due(self) -> datetime | None:
        return min((moment for run in self._runs.values() if (moment := _moment(run)) is not None), default=None)


def _moment(run: Run) -> datetime | None:
    """When the run may be claimed."""
    return run.lease_until if run.state is RunState.RUNNING else run.retry_at


def _among(pipeline: str, pipelines: Sequence[str] | None) -> bool:
    return pipelines is None or pipeline in pipelines
