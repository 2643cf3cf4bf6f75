"""The ledger itself: the decisions of this package applied to a store, each method one transaction.

Every method may be called again after a lost answer. What carries an epoch finds its own work done and returns it;
a repeated delivery is a duplicate of itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from penstock.ledger import changes, judging, marking, transitions
from penstock.ledger.accepting import judge
from penstock.ledger.almanac import Schedules
from penstock.ledger.claiming import choose
from penstock.ledger.outbox import Outbox
from penstock.ledger.port import ClaimLimits, Ledger, RetryPolicy
from penstock.ledger.readying import mark, remind
from penstock.ledger.resending import send_again
from penstock.ledger.store import Pages, Store
from penstock.ledger.turning import claimed, fall, known, lost, names, refused, reopen, turn
from penstock.model.events import Event
from penstock.model.readiness import KeyState, Late, Mark, Readiness
from penstock.model.refusals import Refused, Waiting
from penstock.model.runs import Reached, Result, Run, RunState, Stage, Staged
from penstock.model.slots import Acceptance, Delivery, Generation, Kind, Slot, Standing
from penstock.model.strays import Stray
from penstock.model.surveys import Surveyed

LIMITS = ClaimLimits()
POLICY = RetryPolicy()
NEW = (Kind.DELIVERY, Kind.RELOAD)


class Book(Outbox, Schedules, Ledger):
    """A ledger over any store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    # --- intake --------------------------------------------------------------------------------------------------

    def accept(self, deliveries: Sequence[Delivery], now: datetime) -> list[Acceptance]:
        with self._store.writing() as pages:
            return [judge(pages, delivery, now) for delivery in deliveries]

    def retry(self, pipelines: Iterable[str], now: datetime) -> list[Acceptance]:
        with self._store.writing() as pages:
            return [
                acceptance for pipeline in pipelines for acceptance in send_again(pages, pipeline, now, rested=False)
            ]

    def waiting(self, pipeline: str) -> list[Waiting]:
        with self._store.reading() as record:
            return record.waiting(pipeline)

    def mark(self, marks: Sequence[Mark], now: datetime) -> list[Acceptance]:
        with self._store.writing() as pages:
            return mark(pages, marks, now)

    def remind(self, triggers: Sequence[Readiness], now: datetime) -> list[Late]:
        with self._store.writing() as pages:
            return [late for trigger in triggers for late in remind(pages, trigger, now)]

    # --- claims --------------------------------------------------------------------------------------------------

    def claim(
        self,
        worker: str,
        now: datetime,
        *,
        pipelines: Iterable[str] | None = None,
        limits: ClaimLimits = LIMITS,
        policies: Mapping[str, RetryPolicy] | None = None,
        surveyed: Collection[str] = (),
    ) -> Run | None:
        wanted = None if pipelines is None else tuple(pipelines)
        with self._store.writing() as pages:
            while (run := pages.due(now, wanted)) is not None:
                policy = (policies or {}).get(run.pipeline, POLICY)
                taken = _take_over(pages, run, worker, now, limits.lease, policy)
                if taken is not None:
                    return taken
            return _start(pages, wanted, worker, now, limits, surveyed)

    def renew(self, run: str, epoch: int, now: datetime, lease: timedelta) -> None:
        with self._store.writing() as pages:
            found = claimed(pages, run, epoch)
            if found.state.final:
                raise lost(found, epoch)
            pages.save(replace(found, lease_until=now + lease))

    def bury(self, worker: str, now: datetime) -> list[Run]:
        with self._store.writing() as pages:
            runs = [replace(run, lease_until=now) for run in pages.held_by(worker)]
            for run in runs:
                pages.save(run)
            return runs

    def catalogued(self, run: str, epoch: int, now: datetime, found: Sequence[Surveyed]) -> Run:
        with self._store.writing() as pages:
            before = claimed(pages, run, epoch)
            if before.stage is not Stage.CATALOG or before.state.final:
                return before
            after = turn(pages, before, transitions.catalogue(before), now, changes.catalogued(before, found, now))
            for item in found:
                _tell_drifts(pages, after.pipeline, item.table, item.drifts, now, after.id)
            return after

    def halfway(
        self, run: str, epoch: int, now: datetime, results: Sequence[Result], kept: Staged, fingerprint: str
    ) -> Run:
        with self._store.writing() as pages:
            before = claimed(pages, run, epoch)
            if before.stage is not Stage.PREPARE or before.state.final:
                return before
            after = transitions.halfway(before, now, results, kept, fingerprint)
            event = changes.of_run("halfway", after, now, attempt=after.attempt, left=len(after.open))
            return turn(pages, before, after, now, event)

    def prepared(
        self, run: str, epoch: int, now: datetime, results: Sequence[Result], staged: Sequence[Staged], fingerprint: str
    ) -> Run:
        with self._store.writing() as pages:
            before = claimed(pages, run, epoch)
            if before.stage in (Stage.LOAD, Stage.PUBLISH) or before.state.final:
                return before
            after = transitions.prepare(before, now, results, staged, fingerprint)
            event = changes.of_run(
                "prepared", after, now, attempt=after.attempt, rows=after.fates.as_dict(), left=len(after.open)
            )
            return turn(pages, before, after, now, event)

    def loaded(self, run: str, epoch: int, now: datetime, results: Sequence[Result]) -> Run:
        with self._store.writing() as pages:
            before = claimed(pages, run, epoch)
            if before.stage is Stage.PUBLISH or before.state.final:
                return before
            after = transitions.load(before, results)
            return turn(pages, before, after, now, changes.of_run("loaded", after, now, loaded=after.loaded))

    def published(self, run: str, epoch: int, now: datetime, triggers: Sequence[Readiness] = ()) -> Run:
        with self._store.writing() as pages:
            before = claimed(pages, run, epoch)
            if before.state.final:
                return before
            after = turn(pages, before, transitions.publish(before, now), now)
            mark(pages, tuple(marking.of_run(after, triggers)), now)
            return after

    def failed(
        self,
        run: str,
        epoch: int,
        now: datetime,
        error: Mapping[str, str],
        *,
        retry: bool,
        policy: RetryPolicy,
        reached: Reached | None = None,
    ) -> list[Run]:
        with self._store.writing() as pages:
            before = known(pages, run)
            if before.epoch != epoch:
                raise lost(before, epoch)
            if before.state is not RunState.RUNNING:
                return pages.halves(run) or [before]
            halves = names(pages, before.pipeline)
            told = transitions.reach(before, reached or {})
            after = transitions.fail(told, error, now, policy, halves, retry=retry)
            return fall(pages, before, after, now)

    def set_aside(self, run: str, epoch: int, now: datetime, refused: Sequence[Refused]) -> Run:
        with self._store.writing() as pages:
            before = claimed(pages, run, epoch)
            if before.stage is not Stage.LOAD or before.state.final:
                return before
            after = transitions.set_aside(before, refused)
            return turn(pages, before, after, now, changes.refused(after, refused, now))

    def restage(self, run: str, epoch: int, now: datetime) -> Run:
        with self._store.writing() as pages:
            before = claimed(pages, run, epoch)
            if before.stage is Stage.PREPARE or before.state.final:
                return before
            after = transitions.restage(before)
            return turn(pages, before, after, now, changes.of_run("restaged", after, now, attempt=after.attempt))

    # --- a person's word -----------------------------------------------------------------------------------------

    def release(self, run: str, now: datetime, *, by: str) -> Run:
        with self._store.writing() as pages:
            before = known(pages, run)
            if not before.state.final:
                raise refused(before, f"it is {before.state}: wait until it has ended", "release")
            if not transitions.ending(before, Standing.SUSPENDED):
                raise refused(before, "nothing of it is suspended", "release")
            after = transitions.reopen(before, Standing.SUSPENDED, now, released=True)
            return reopen(pages, after, now, "released", by)

    def redrive(self, run: str, now: datetime, *, by: str) -> Run:
        with self._store.writing() as pages:
            before = known(pages, run)
            if before.state is not RunState.DEAD:
                raise refused(before, f"it is {before.state}, not dead", "redrive")
            after = transitions.reopen(before, Standing.DEAD, now)
            return reopen(pages, after, now, "redriven", by)

    def drop(self, run: str, now: datetime, *, by: str) -> Run:
        with self._store.writing() as pages:
            before = known(pages, run)
            given_up = [item.slot for item in transitions.ending(before, *judging.AWAITING_A_PERSON)]
            if not given_up:
                raise refused(before, "nothing of it is suspended or dead", "drop")
            after = transitions.settle(before, given_up, Standing.DROPPED)
            return turn(pages, before, after, now, changes.of_run("dropped", after, now, by=by))

    def shown(self, pipeline: str, version: int, now: datetime, *, before: int, newest: int, by: str) -> None:
        with self._store.writing() as pages:
            told = {"version": version, "before": before, "newest": newest, "by": by}
            pages.record([Event("version.published", pipeline, pipeline, now, told)])

    def drifted(self, pipeline: str, table: str, drifts: Sequence[Mapping[str, str]], now: datetime) -> None:
        with self._store.writing() as pages:
            _tell_drifts(pages, pipeline, table, drifts, now)

    def strayed(self, strays: Sequence[Stray], now: datetime) -> None:
        with self._store.writing() as pages:
            pages.record([changes.stray(found, now) for found in strays if pages.keep_stray(found)])

    # --- the record ----------------------------------------------------------------------------------------------

    def current(self, slot: Slot) -> Generation | None:
        with self._store.reading() as record:
            return record.current(slot)

    def history(self, slot: Slot) -> list[Generation]:
        with self._store.reading() as record:
            return record.history(slot)

    def slots(self, pipeline: str) -> list[Slot]:
        with self._store.reading() as record:
            return record.slots(pipeline)

    def key(self, slot: Slot) -> KeyState | None:
        with self._store.reading() as record:
            return record.key(slot)

    def keys(self, pipeline: str) -> list[KeyState]:
        with self._store.reading() as record:
            return record.keys(pipeline)

    def generations(self, pipeline: str, limit: int = 50) -> list[Generation]:
        with self._store.reading() as record:
            return record.generations(pipeline, limit)

    def run(self, run: str) -> Run | None:
        with self._store.reading() as record:
            return record.run(run)

    def runs(self, *, pipeline: str | None = None, limit: int = 50, slot: Slot | None = None) -> list[Run]:
        with self._store.reading() as record:
            return record.runs(pipeline=pipeline, limit=limit, slot=slot)

    def events(self, after: int = 0, limit: int = 1000) -> list[Event]:
        with self._store.reading() as record:
            return record.events(after, limit)

    def strays(self) -> list[Stray]:
        with self._store.reading() as record:
            return record.strays()

    def live(self, pipeline: str) -> list[tuple[Generation, Result]]:
        with self._store.reading() as record:
            return record.live(pipeline)

    def pending(self, pipelines: Iterable[str] | None = None) -> int:
        with self._store.reading() as record:
            return record.pending(pipelines)

    def oldest(self, pipeline: str) -> Generation | None:
        with self._store.reading() as record:
            return record.oldest(pipeline)

    def next_due(self) -> datetime | None:
        with self._store.reading() as record:
            return record.next_due()


def _start(
    pages: Pages,
    pipelines: Sequence[str] | None,
    worker: str,
    now: datetime,
    limits: ClaimLimits,
    surveyed: Collection[str],
) -> Run | None:
    generations = choose(pages.queue(pipelines), limits)
    if not generations:
        return None
    pipeline = generations[0].slot.pipeline
    if any(item.kind in NEW for item in generations) and send_again(pages, pipeline, now):
        generations = choose(pages.queue((pipeline,)), limits)
    name = names(pages, pipeline)[0]
    run = transitions.begin(name, generations, worker, now, limits.lease, survey=pipeline in surveyed)
    pages.begin(run)
    pages.hold(run.id, [item.slot for item in generations])
    pages.record([changes.of_run("started", run, now, generations=len(generations), worker=worker)])
    return run


def _take_over(
    pages: Pages, before: Run, worker: str, now: datetime, lease: timedelta, policy: RetryPolicy
) -> Run | None:
    """The run under the next epoch; None when it came to an end instead."""
    expired = before.state is RunState.RUNNING
    runs: tuple[Run, ...] = (before,)
    if expired:
        runs = transitions.expire(before, policy, now, names(pages, before.pipeline))
    if runs[0].state.final:
        fall(pages, before, runs, now)
        return None
    run = _without_outdated(pages, runs[0])
    if not run.open and run.stage is not Stage.PUBLISH:
        turn(pages, before, transitions.close(run, now), now)
        return None
    after = transitions.resume(run, worker, now, lease)
    why = "lease expired" if expired else "due"
    event = changes.of_run(
        "resumed",
        after,
        now,
        attempt=after.attempt,
        stage=str(after.stage),
        worker=worker,
        deaths=after.deaths,
        why=why,
    )
    return turn(pages, before, after, now, event)


def _tell_drifts(
    pages: Pages, pipeline: str, table: str, drifts: Sequence[Mapping[str, str]], now: datetime, run: str = ""
) -> None:
    fresh = [drift for drift in drifts if pages.keep_drift(pipeline, table, drift)]
    pages.record(changes.drifted(pipeline, table, drift, now, run) for drift in fresh)


def _without_outdated(pages: Pages, run: Run) -> Run:
    """Patches whose slot has a newer delivery by now need not be prepared any more."""
    if run.stage not in (Stage.CATALOG, Stage.PREPARE):
        return run
    patches = [item for item in run.open if item.kind is Kind.PATCH]
    outdated = [item.slot for item in patches if pages.tail(item.slot)[0].number > item.number]
    return transitions.settle(run, outdated, Standing.SUPERSEDED) if outdated else run
