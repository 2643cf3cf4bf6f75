"""The ledger itself: the decisions of this package applied to a store, each method one transaction.

Every method may be called again after a lost answer. What carries an epoch finds its own work done and returns it;
a repeated delivery is a duplicate of itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from penstock.errors import ClaimLost, UnknownName, UsageError
from penstock.ledger import changes, judging, transitions
from penstock.ledger.claiming import choose
from penstock.ledger.port import ClaimLimits, Ledger, RetryPolicy
from penstock.ledger.store import Pages, Store
from penstock.model.events import Event
from penstock.model.runs import Result, Run, RunState, Stage, Staged
from penstock.model.slots import Acceptance, Delivery, Generation, Kind, Slot, Standing

LIMITS = ClaimLimits()
POLICY = RetryPolicy()


class Book(Ledger):
    """A ledger over any store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    # --- intake --------------------------------------------------------------------------------------------------

    def accept(self, deliveries: Sequence[Delivery], now: datetime) -> list[Acceptance]:
        with self._store.writing() as pages:
            return [_judge(pages, delivery, now) for delivery in deliveries]

    # --- claims --------------------------------------------------------------------------------------------------

    def claim(
        self,
        worker: str,
        now: datetime,
        *,
        pipelines: Iterable[str] | None = None,
        limits: ClaimLimits = LIMITS,
        policies: Mapping[str, RetryPolicy] | None = None,
    ) -> Run | None:
        wanted = None if pipelines is None else tuple(pipelines)
        with self._store.writing() as pages:
            while (run := pages.due(now, wanted)) is not None:
                policy = (policies or {}).get(run.pipeline, POLICY)
                taken = _take_over(pages, run, worker, now, limits.lease, policy)
                if taken is not None:
                    return taken
            return _start(pages, wanted, worker, now, limits)

    def renew(self, run: str, epoch: int, now: datetime, lease: timedelta) -> None:
        with self._store.writing() as pages:
            found = _claimed(pages, run, epoch)
            if found.state.final:
                raise _lost(found, epoch)
            pages.save(replace(found, lease_until=now + lease))

    def bury(self, worker: str, now: datetime) -> list[Run]:
        with self._store.writing() as pages:
            runs = [replace(run, lease_until=now) for run in pages.held_by(worker)]
            for run in runs:
                pages.save(run)
            return runs

    def prepared(
        self, run: str, epoch: int, now: datetime, results: Sequence[Result], staged: Sequence[Staged], fingerprint: str
    ) -> Run:
        with self._store.writing() as pages:
            before = _claimed(pages, run, epoch)
            if before.stage is not Stage.PREPARE or before.state.final:
                return before
            after = transitions.prepare(before, now, results, staged, fingerprint)
            event = changes.of_run(
                "prepared", after, now, attempt=after.attempt, rows=after.fates.as_dict(), left=len(after.open)
            )
            return _turn(pages, before, after, now, event)

    def loaded(self, run: str, epoch: int, now: datetime, results: Sequence[Result]) -> Run:
        with self._store.writing() as pages:
            before = _claimed(pages, run, epoch)
            if before.stage is Stage.PUBLISH or before.state.final:
                return before
            after = transitions.load(before, results)
            return _turn(pages, before, after, now, changes.of_run("loaded", after, now, loaded=after.loaded))

    def published(self, run: str, epoch: int, now: datetime) -> Run:
        with self._store.writing() as pages:
            before = _claimed(pages, run, epoch)
            if before.state.final:
                return before
            return _turn(pages, before, transitions.publish(before, now), now)

    def completed(
        self, run: str, epoch: int, now: datetime, results: Sequence[Result], staged: Sequence[Staged], fingerprint: str
    ) -> Run:
        with self._store.writing() as pages:
            before = _claimed(pages, run, epoch)
            if before.state.final:
                return before
            after = transitions.complete(before, now, results, staged, fingerprint)
            loaded = [changes.of_run("loaded", after, now, loaded=after.loaded)] if after.stage is Stage.PUBLISH else []
            return _turn(pages, before, after, now, *loaded)

    def failed(
        self, run: str, epoch: int, now: datetime, error: Mapping[str, str], *, retry: bool, policy: RetryPolicy
    ) -> list[Run]:
        with self._store.writing() as pages:
            before = _known(pages, run)
            if before.epoch != epoch:
                raise _lost(before, epoch)
            if before.state is not RunState.RUNNING:
                return pages.halves(run) or [before]
            halves = _names(pages, before.pipeline)
            after = transitions.fail(before, error, now, policy, halves, retry=retry)
            return _fall(pages, before, after, now)

    def restage(self, run: str, epoch: int, now: datetime) -> Run:
        with self._store.writing() as pages:
            before = _claimed(pages, run, epoch)
            if before.stage is Stage.PREPARE or before.state.final:
                return before
            after = transitions.restage(before)
            return _turn(pages, before, after, now, changes.of_run("restaged", after, now, attempt=after.attempt))

    # --- a person's word -----------------------------------------------------------------------------------------

    def release(self, run: str, now: datetime, *, by: str) -> Run:
        with self._store.writing() as pages:
            before = _known(pages, run)
            if not before.state.final:
                raise _refused(before, f"it is {before.state}: wait until it has ended", "release")
            if not transitions.ending(before, Standing.SUSPENDED):
                raise _refused(before, "nothing of it is suspended", "release")
            after = transitions.reopen(before, Standing.SUSPENDED, now, released=True)
            return _reopen(pages, after, now, "released", by)

    def redrive(self, run: str, now: datetime, *, by: str) -> Run:
        with self._store.writing() as pages:
            before = _known(pages, run)
            if before.state is not RunState.DEAD:
                raise _refused(before, f"it is {before.state}, not dead", "redrive")
            after = transitions.reopen(before, Standing.DEAD, now)
            return _reopen(pages, after, now, "redriven", by)

    def drop(self, run: str, now: datetime, *, by: str) -> Run:
        with self._store.writing() as pages:
            before = _known(pages, run)
            given_up = [item.slot for item in transitions.ending(before, *judging.AWAITING_A_PERSON)]
            if not given_up:
                raise _refused(before, "nothing of it is suspended or dead", "drop")
            after = transitions.settle(before, given_up, Standing.DROPPED)
            return _turn(pages, before, after, now, changes.of_run("dropped", after, now, by=by))

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

    def run(self, run: str) -> Run | None:
        with self._store.reading() as record:
            return record.run(run)

    def runs(self, *, pipeline: str | None = None, limit: int = 50, slot: Slot | None = None) -> list[Run]:
        with self._store.reading() as record:
            return record.runs(pipeline=pipeline, limit=limit, slot=slot)

    def events(self, after: int = 0, limit: int = 1000) -> list[Event]:
        with self._store.reading() as record:
            return record.events(after, limit)

    def live(self, pipeline: str) -> list[tuple[Generation, Result]]:
        with self._store.reading() as record:
            return record.live(pipeline)

    def pending(self, pipelines: Iterable[str] | None = None) -> int:
        with self._store.reading() as record:
            return record.pending(pipelines)

    def next_due(self) -> datetime | None:
        with self._store.reading() as record:
            return record.next_due()


# --- acceptance --------------------------------------------------------------------------------------------------


def _judge(pages: Pages, delivery: Delivery, now: datetime) -> Acceptance:
    tail = pages.tail(delivery.slot)
    if judging.duplicate(delivery, tail):
        return _repeat(pages, delivery, tail, now)
    generation = judging.next_generation(delivery, tail, pages.places() + 1, now)
    if not tail:
        pages.add(generation, ready=True)
        pages.record((changes.accepted(generation),))
        return Acceptance(generation, fresh=True)
    outdated = judging.superseded(tail, delivery.kind)
    pages.add(generation, ready=_first_in_line(pages, tail, outdated))
    pages.record((changes.accepted(generation),))
    for item in outdated:
        _give_way(pages, item, generation)
    return Acceptance(generation, fresh=True)


def _first_in_line(pages: Pages, tail: Sequence[Generation], outdated: Sequence[Generation]) -> bool:
    """Whether nothing of its slot stands before a new generation. What gives way leaves it its place in the line."""
    waiting = [item for item in tail if judging.waits(item)]
    if not waiting:
        return not pages.held(tail[0].slot)
    return pages.ready(waiting[0]) and all(item in outdated for item in waiting)


def _repeat(pages: Pages, delivery: Delivery, tail: Sequence[Generation], now: datetime) -> Acceptance:
    head = tail[0]
    pages.record([changes.repeated(delivery, head, now)])
    for item in tail:
        anew = judging.pinned_anew(item, delivery.content)
        if anew is not item and (item.standing.final or not item.run):
            pages.amend(anew)
            head = anew if item is head else head
    return Acceptance(head, fresh=False)


def _give_way(pages: Pages, generation: Generation, by: Generation) -> None:
    if generation.run:
        before = _known(pages, generation.run)
        after = transitions.settle(before, [generation.slot], Standing.SUPERSEDED)
        pages.save(after)
        pages.record(changes.generation_changes(before, after, by.accepted_at))
        return
    pages.amend(replace(generation, standing=Standing.SUPERSEDED))
    pages.record([changes.superseded(generation, by)])


# --- claims ------------------------------------------------------------------------------------------------------


def _start(
    pages: Pages, pipelines: Sequence[str] | None, worker: str, now: datetime, limits: ClaimLimits
) -> Run | None:
    generations = choose(pages.queue(pipelines), limits)
    if not generations:
        return None
    name = _names(pages, generations[0].slot.pipeline)[0]
    run = transitions.begin(name, generations, worker, now, limits.lease)
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
        runs = transitions.expire(before, policy, now, _names(pages, before.pipeline))
    if runs[0].state.final:
        _fall(pages, before, runs, now)
        return None
    run = _without_outdated(pages, runs[0])
    if not run.open and run.stage is not Stage.PUBLISH:
        _turn(pages, before, transitions.close(run, now), now)
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
    return _turn(pages, before, after, now, event)


def _without_outdated(pages: Pages, run: Run) -> Run:
    """Patches whose slot has a newer delivery by now need not be prepared any more."""
    if run.stage is not Stage.PREPARE:
        return run
    patches = [item for item in run.open if item.kind is Kind.PATCH]
    outdated = [item.slot for item in patches if pages.tail(item.slot)[0].number > item.number]
    return transitions.settle(run, outdated, Standing.SUPERSEDED) if outdated else run


def _claimed(pages: Pages, run: str, epoch: int) -> Run:
    """The run, which is running under this epoch or has ended under it."""
    found = _known(pages, run)
    if found.epoch != epoch or found.state is RunState.WAITING:
        raise _lost(found, epoch)
    return found


def _known(pages: Pages, run: str) -> Run:
    found = pages.run(run)
    if found is None:
        raise UnknownName(f"there is no run {run!r}", fix="penstock status   lists the latest runs")
    return found


def _names(pages: Pages, pipeline: str) -> tuple[str, str]:
    """The names of the next two runs."""
    begun = pages.begun()
    return f"{pipeline}-{begun + 1}", f"{pipeline}-{begun + 2}"


def _lost(run: Run, epoch: int) -> ClaimLost:
    return ClaimLost(
        f"the claim on run {run.id} has passed",
        at=run.pipeline,
        why=f"it was made in epoch {epoch}; the run is {run.state} in epoch {run.epoch}",
        fix="let go: whoever holds the run now goes on from its last boundary",
    )


def _refused(run: Run, why: str, verb: str) -> UsageError:
    return UsageError(
        f"there is nothing to {verb} in run {run.id}", at=run.pipeline, why=why, fix=f"penstock logs {run.id}"
    )


# --- writing what was decided ------------------------------------------------------------------------------------


def _turn(pages: Pages, before: Run, after: Run, now: datetime, *events: Event) -> Run:
    """Write a run's next state with its events; a run that ends lets go of its slots."""
    after = _mooted(pages, before, after)
    pages.save(after)
    pages.record([*changes.generation_changes(before, after, now), *events])
    if after.state.final and not before.state.final:
        pages.record(changes.finished(after, now))
        _free(pages, after)
    return after


def _fall(pages: Pages, before: Run, runs: Sequence[Run], now: datetime) -> list[Run]:
    """Write what became of a run that failed: it waits, it is dead, or it was bisected."""
    run, *halves = runs
    for half in halves:
        pages.begin(half)
        pages.hold(half.id, [item.slot for item in half.generations])
    if halves:
        into = [half.id for half in halves]
        _turn(pages, before, run, now, changes.of_run("bisected", run, now, into=into, error=run.error))
        return halves
    if run.state is RunState.WAITING:
        event = changes.of_run(
            "waiting",
            run,
            now,
            attempt=run.attempt,
            retry_at=run.retry_at and run.retry_at.isoformat(),
            error=run.error,
        )
        return [_turn(pages, before, run, now, event)]
    return [_turn(pages, before, run, now)]


def _reopen(pages: Pages, after: Run, now: datetime, word: str, by: str) -> Run:
    again = [item.slot for item in after.open]
    pages.save(after)
    pages.hold(after.id, again)
    pages.record([changes.of_run(word, after, now, by=by, generations=len(again))])
    return after


def _mooted(pages: Pages, before: Run, after: Run) -> Run:
    """What has just become a person's to decide, but has a newer generation already, gives way to it."""
    stood = {item.slot: item.standing for item in before.generations}
    fallen = [
        item
        for item in transitions.ending(after, *judging.AWAITING_A_PERSON)
        if stood[item.slot] not in judging.AWAITING_A_PERSON
    ]
    outdated = [item.slot for item in fallen if pages.tail(item.slot)[-1].number > item.number]
    return transitions.settle(after, outdated, Standing.SUPERSEDED) if outdated else after


def _free(pages: Pages, run: Run) -> None:
    for generation in pages.free(run):
        pages.unblock(generation)
