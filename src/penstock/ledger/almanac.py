"""Schedules in the ledger: which firings are recorded, who acts on one, and what came of it.

A firing is recorded before anybody acts on it, and the instant up to which a schedule is settled moves with it: however
many processes look at the clock, each firing is recorded once. Who acts has a claim with an epoch, as a run has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from penstock.errors import ClaimLost, UnknownName, WorkersLost
from penstock.ledger.accepting import judge
from penstock.ledger.port import Almanac, RetryPolicy
from penstock.ledger.readying import keep
from penstock.ledger.resending import send_again
from penstock.ledger.retrying import pause
from penstock.ledger.store import Pages, Store
from penstock.model.events import Event
from penstock.model.firings import BY_HAND, BY_SCHEDULE, POURED, Fired, Firing, FiringState, Pulled, Timetable
from penstock.model.readiness import Mark
from penstock.model.slots import Delivery

POLICY = RetryPolicy()
_Item = TypeVar("_Item")


class Schedules(Almanac):
    """The part of the book that is about schedules."""

    _store: Store

    # --- timetables ----------------------------------------------------------------------------------------------

    def plan(self, pipeline: str, text: str, now: datetime) -> Timetable:
        with self._store.writing() as pages:
            known = pages.timetable(pipeline)
            if known is not None and known.text == text:
                return known
            enabled = known is None or known.enabled
            return _keep(pages.keep_timetable, Timetable(pipeline, text, now, enabled))

    def switch(self, pipeline: str, text: str, now: datetime, *, on: bool, by: str) -> Timetable:
        with self._store.writing() as pages:
            known = pages.timetable(pipeline) or Timetable(pipeline, text, now)
            if known.enabled == on and known.text == text:
                return _keep(pages.keep_timetable, known)
            word = "enabled" if on else "disabled"
            pages.record([Event(f"schedule.{word}", pipeline, pipeline, now, {"by": by, "schedule": text})])
            return _keep(pages.keep_timetable, replace(known, text=text, enabled=on, since=now))

    # --- firings -------------------------------------------------------------------------------------------------

    def fire(
        self,
        timetable: Timetable,
        dues: Sequence[datetime],
        until: datetime,
        now: datetime,
        *,
        missed: int = 0,
        each: bool = False,
    ) -> list[Firing]:
        with self._store.writing() as pages:
            if pages.timetable(timetable.pipeline) != timetable or not timetable.enabled:
                return []
            if missed:
                data = {"count": missed, "until": until.isoformat()}
                pages.record([Event("firing.missed", timetable.pipeline, timetable.pipeline, now, data)])
            fresh = [Firing(_name(pages, timetable.pipeline, due), timetable.pipeline, due, now) for due in dues]
            if fresh and not each:
                _give_way(pages, fresh[-1], now)
            pages.keep_timetable(replace(timetable, since=until, missed=timetable.missed + missed))
            return [_record(pages, item) for item in fresh]

    def fire_by_hand(
        self, pipeline: str, due: datetime, now: datetime, *, reload: bool = False, hard: bool | None = None
    ) -> Firing:
        with self._store.writing() as pages:
            name = _name(pages, pipeline, due)
            return _record(pages, Firing(name, pipeline, due, now, BY_HAND, reload, hard))

    def claim_firing(
        self,
        worker: str,
        now: datetime,
        lease: timedelta,
        *,
        pipelines: Iterable[str] | None = None,
        only: str = "",
        policy: RetryPolicy = POLICY,
    ) -> Firing | None:
        wanted = None if pipelines is None else set(pipelines)
        with self._store.writing() as pages:
            for item in _in_line(pages.open_firings(), now):
                if (wanted is not None and item.pipeline not in wanted) or (only and item.id != only):
                    continue
                if item.state is FiringState.ACTING and item.attempt >= policy.attempts:
                    _end(pages, item, FiringState.FAILED, now, error=_vanished(item))
                    continue
                taken = replace(
                    item,
                    state=FiringState.ACTING,
                    attempt=item.attempt + 1,
                    epoch=item.epoch + 1,
                    worker=worker,
                    moment=now + lease,
                )
                return _keep(pages.keep_firing, taken)
            return None

    def fired(
        self,
        firing: str,
        epoch: int,
        now: datetime,
        deliveries: Sequence[Delivery],
        pulled: Sequence[Pulled] = (),
        told: Mapping[str, str] | None = None,
        marks: Sequence[Mark] = (),
    ) -> Fired:
        with self._store.writing() as pages:
            item = _claimed(pages, firing, epoch)
            keep(pages, marks, now)
            acceptances = tuple(judge(pages, delivery, now) for delivery in deliveries)
            for found in pulled:
                pages.keep_pulled(item.pipeline, found)
            fresh = [found.generation.slot.address for found in acceptances if found.fresh]
            news = fresh or POURED in (told or {}).values()
            state = FiringState.DONE if news else FiringState.UNCHANGED
            send_again(pages, item.pipeline, now)
            item = replace(item, held_until=None)
            return Fired(_end(pages, item, state, now, accepted=tuple(fresh), told=told), acceptances)

    def firing_failed(
        self,
        firing: str,
        epoch: int,
        now: datetime,
        error: Mapping[str, str],
        *,
        retry: bool,
        policy: RetryPolicy,
        held_until: datetime | None = None,
    ) -> Firing:
        with self._store.writing() as pages:
            item = replace(_claimed(pages, firing, epoch), held_until=held_until)
            if held_until is not None:
                _hold(pages, item, held_until)
            if not retry or item.attempt >= policy.attempts:
                return _end(pages, item, FiringState.FAILED, now, error=error)
            due = max(now + pause(policy, item.attempt, item.id, item.attempt), held_until or now)
            data = {"attempt": item.attempt, "retry_at": due.isoformat(), "error": dict(error)}
            pages.record([_event("waiting", item, now, data)])
            return _keep(pages.keep_firing, replace(item, state=FiringState.WAITING, moment=due, error=dict(error)))

    def bury_firings(self, worker: str, now: datetime) -> list[Firing]:
        with self._store.writing() as pages:
            held = [item for item in pages.open_firings() if item.worker == worker]
            acting = [replace(item, moment=now) for item in held if item.state is FiringState.ACTING]
            return [_keep(pages.keep_firing, item) for item in acting]

    # --- the record ----------------------------------------------------------------------------------------------

    def timetables(self) -> list[Timetable]:
        with self._store.reading() as record:
            return record.timetables()

    def firing(self, firing: str) -> Firing | None:
        with self._store.reading() as record:
            return record.firing(firing)

    def firings(self, pipeline: str | None = None, limit: int = 50) -> list[Firing]:
        with self._store.reading() as record:
            return record.firings(pipeline, limit)

    def open_firings(self) -> list[Firing]:
        with self._store.reading() as record:
            return record.open_firings()

    def pulled(self, pipeline: str) -> dict[str, Pulled]:
        with self._store.reading() as record:
            return record.pulled(pipeline)


def _in_line(firings: Sequence[Firing], now: datetime) -> list[Firing]:
    """Those that may be claimed now. One at a time acts for a pipeline; a schedule's firings go in order; what a person
    asks for does not wait for a retry."""
    busy = {item.pipeline for item in firings if item.state is FiringState.ACTING and _later(item, now)}
    found, seen = [], set()
    for item in firings:
        blocked = item.cause == BY_SCHEDULE and item.pipeline in seen
        if item.cause == BY_SCHEDULE:
            seen.add(item.pipeline)
        if not blocked and item.pipeline not in busy and not _later(item, now):
            found.append(item)
    return found


def _later(item: Firing, now: datetime) -> bool:
    return item.moment is not None and item.moment > now


def _give_way(pages: Pages, by: Firing, now: datetime) -> None:
    """A newer firing is enough: what nobody acts on at the moment need not be made up for."""
    for item in pages.open_firings():
        if item.pipeline == by.pipeline and _yields(item):
            ended = replace(item, state=FiringState.SUPERSEDED, moment=None, finished_at=now)
            pages.keep_firing(ended)
            pages.record([_event("superseded", ended, now, {"by": by.id})])


def _hold(pages: Pages, by: Firing, until: datetime) -> None:
    """What the schedule has recorded meanwhile waits as long."""
    for item in pages.open_firings():
        if item.id != by.id and item.pipeline == by.pipeline and _yields(item):
            pages.keep_firing(replace(item, moment=max(item.moment or until, until), held_until=until))


def _yields(item: Firing) -> bool:
    """Whether nobody acts on it, and no person asked for it."""
    return item.state in (FiringState.DUE, FiringState.WAITING) and item.cause == BY_SCHEDULE


def _record(pages: Pages, item: Firing) -> Firing:
    before = next(iter(pages.firings(item.pipeline, 1)), None)
    held = before.held_until if before is not None else None
    held = held if held is not None and held > item.recorded_at else None
    moment = held if held is not None and item.cause == BY_SCHEDULE else item.recorded_at
    item = replace(item, moment=moment, held_until=held)
    pages.record([_event("recorded", item, item.recorded_at, {"due": item.due.isoformat(), "cause": item.cause})])
    return _keep(pages.keep_firing, item)


def _end(
    pages: Pages,
    item: Firing,
    state: FiringState,
    now: datetime,
    *,
    accepted: tuple[str, ...] = (),
    error: Mapping[str, str] | None = None,
    told: Mapping[str, str] | None = None,
) -> Firing:
    error = None if error is None else dict(error)
    ended = replace(item, state=state, moment=None, finished_at=now, accepted=accepted, error=error)
    data = {"due": item.due.isoformat(), "attempt": item.attempt, "accepted": accepted, "sources": told, "error": error}
    pages.record([_event(str(state), ended, now, {name: value for name, value in data.items() if value})])
    return _keep(pages.keep_firing, ended)


def _event(kind: str, item: Firing, now: datetime, data: Mapping[str, object]) -> Event:
    return Event(f"firing.{kind}", item.pipeline, item.id, now, data)


def _keep(write: Callable[[_Item], None], item: _Item) -> _Item:
    write(item)
    return item


def _name(pages: Pages, pipeline: str, due: datetime) -> str:
    """The pipeline and the time; a person may ask twice for the same one."""
    name = first = f"{pipeline}@{due:%Y-%m-%dT%H:%M:%S}Z"
    count = 1
    while pages.firing(name) is not None:
        count += 1
        name = f"{first}-{count}"
    return name


def _claimed(pages: Pages, firing: str, epoch: int) -> Firing:
    item = pages.firing(firing)
    if item is None:
        raise UnknownName(f"there is no firing {firing!r}", fix="penstock schedule list")
    if item.epoch != epoch or item.state is not FiringState.ACTING:
        raise ClaimLost(
            f"the claim on firing {firing} has passed",
            at=item.pipeline,
            why=f"it was made in epoch {epoch}; the firing is {item.state} in epoch {item.epoch}",
            fix="let go: whoever holds it now goes on",
        )
    return item


def _vanished(item: Firing) -> Mapping[str, str]:
    return WorkersLost(
        f"{item.attempt} workers vanished over firing {item.id}",
        at=item.pipeline,
        why="killed, out of memory, or the machine stopped",
        fix=f"penstock run {item.pipeline}",
    ).facts()
