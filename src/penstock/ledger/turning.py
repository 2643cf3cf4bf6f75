"""Turning a run to its next state: reading it under its claim, and writing what was decided with its events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from penstock.errors import ClaimLost, UnknownName, UsageError
from penstock.ledger import changes, judging, transitions
from penstock.ledger.store import Pages
from penstock.ledger.waiting import remember
from penstock.model.events import Event
from penstock.model.runs import Run, RunState
from penstock.model.slots import Standing


def claimed(pages: Pages, run: str, epoch: int) -> Run:
    """The run, which is running under this epoch or has ended under it."""
    found = known(pages, run)
    if found.epoch != epoch or found.state is RunState.WAITING:
        raise lost(found, epoch)
    return found


def known(pages: Pages, run: str) -> Run:
    """The run of this name. Raises `UnknownName`."""
    found = pages.run(run)
    if found is None:
        raise UnknownName(f"there is no run {run!r}", fix="penstock status   lists the latest runs")
    return found


def names(pages: Pages, pipeline: str) -> tuple[str, str]:
    """The names of the next two runs."""
    begun = pages.begun()
    return f"{pipeline}-{begun + 1}", f"{pipeline}-{begun + 2}"


def lost(run: Run, epoch: int) -> ClaimLost:
    """The error of a worker that woke up late."""
    return ClaimLost(
        f"the claim on run {run.id} has passed",
        at=run.pipeline,
        why=f"it was made in epoch {epoch}; the run is {run.state} in epoch {run.epoch}",
        fix="let go: whoever holds the run now goes on from its last boundary",
    )


def refused(run: Run, why: str, verb: str) -> UsageError:
    """The error of a person who asked for what cannot be."""
    return UsageError(
        f"there is nothing to {verb} in run {run.id}", at=run.pipeline, why=why, fix=f"penstock logs {run.id}"
    )


def turn(pages: Pages, before: Run, after: Run, now: datetime, *events: Event) -> Run:
    """Write a run's next state with its events; a run that ends lets go of its slots."""
    after = _mooted(pages, before, after)
    pages.save(after)
    pages.record([*changes.generation_changes(before, after, now), *events])
    remember(pages, before, after, now)
    if after.state.final and not before.state.final:
        pages.record(changes.finished(after, now))
        _free(pages, after)
    return after


def fall(pages: Pages, before: Run, runs: Sequence[Run], now: datetime) -> list[Run]:
    """Write what became of a run that failed: it waits, it is dead, or it was bisected."""
    run, *halves = runs
    for half in halves:
        pages.begin(half)
        pages.hold(half.id, [item.slot for item in half.generations])
    if halves:
        into = [half.id for half in halves]
        turn(pages, before, run, now, changes.of_run("bisected", run, now, into=into, error=run.error))
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
        return [turn(pages, before, run, now, event)]
    return [turn(pages, before, run, now)]


def reopen(pages: Pages, after: Run, now: datetime, word: str, by: str) -> Run:
    """Write that a run which had ended goes on, because a person said so."""
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
