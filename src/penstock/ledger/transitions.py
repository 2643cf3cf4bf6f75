"""The state machine of a run and its generations: every function takes a run as it stands and returns it as it becomes.

    claim ─► [CATALOG ─catalogued─►] PREPARE [─halfway─► TEST] ─prepared─► LOAD ─loaded─► PUBLISH ─published─► the end
    the end: SUCCEEDED | PARTIAL; when nothing was left to load: FAILED | SUSPENDED
    a failure ─► WAITING (another attempt) | bisected into two runs | DEAD
    LOAD ─set aside─► PREPARE or TEST, without the rows that a destination refuses

A run is an aggregate: its generations change with it and are written with it. Nothing here knows time but by `now`.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypedDict

from penstock.errors import UsageError, WorkersLost
from penstock.ledger.port import RetryPolicy
from penstock.ledger.retrying import delay, spent
from penstock.model.records import changed
from penstock.model.refusals import Refused
from penstock.model.runs import KEPT, Reached, Result, Run, RunState, Stage, Staged
from penstock.model.slots import Generation, Kind, Slot, Standing

PREPARE_ENDS = (Standing.PREPARED, Standing.REFUSED, Standing.STOPPED, Standing.SUSPENDED)
"""What `prepare` may find out about a generation."""

Facts = Mapping[str, str]


class Learned(TypedDict):
    """Two fields of a run that change together."""

    generations: tuple[Generation, ...]
    results: tuple[Result, ...]


# --- claims ------------------------------------------------------------------------------------------------------


def begin(
    run: str, generations: Sequence[Generation], worker: str, now: datetime, lease: timedelta, *, survey: bool = False
) -> Run:
    """A new run over generations of one pipeline; `survey`: it brings the catalog up to date first."""
    stage = first_stage(generations, survey=survey)
    return Run(
        id=run,
        pipeline=generations[0].slot.pipeline,
        generations=tuple(standing_at(item, item.standing, run) for item in generations),
        created_at=now,
        stage=stage,
        worker=worker,
        lease_until=now + lease,
        run_time=generations[0].run_time or now,
        tries={str(stage): 1},
    )


def first_stage(generations: Iterable[Generation], *, survey: bool = False) -> Stage:
    """Withdrawals have nothing to prepare, and with patches nothing has landed."""
    kinds = {item.kind for item in generations}
    if kinds <= {Kind.WITHDRAWAL}:
        return Stage.LOAD
    return Stage.CATALOG if survey and kinds != {Kind.PATCH} else Stage.PREPARE


def resume(run: Run, worker: str, now: datetime, lease: timedelta) -> Run:
    """The next attempt, under the next epoch, from the last boundary."""
    return replace(
        run,
        state=RunState.RUNNING,
        epoch=run.epoch + 1,
        attempt=run.attempt + 1,
        worker=worker,
        lease_until=now + lease,
        retry_at=None,
        error=None,
        tries=_tried(run, run.stage),
    )


def _tried(run: Run, stage: Stage) -> dict[str, int]:
    """One more attempt at a stage."""
    return {**run.tries, str(stage): run.tries.get(str(stage), 0) + 1}


def expire(run: Run, policy: RetryPolicy, now: datetime, halves: tuple[str, str]) -> tuple[Run, ...]:
    """A worker has vanished: the run may go on as it is, unless too many have (see `RetryPolicy.deaths`)."""
    run = replace(run, deaths=run.deaths + 1)
    deadly = run.deaths >= policy.deaths and run.open
    if deadly and len(run.open) > 1:
        return bisect(run, _lost(run), now, halves)
    if deadly or spent(run, policy):
        return (die(run, _lost(run), now),)
    return (run,)


def _lost(run: Run) -> Facts:
    return WorkersLost(
        f"{run.deaths} worker{'s' if run.deaths > 1 else ''} vanished in stage {run.stage}",
        at=f"run {run.id}",
        why="killed, out of memory, or the machine stopped",
        fix=f"penstock redrive {run.id}",
    ).facts()


# --- boundaries --------------------------------------------------------------------------------------------------


def catalogue(run: Run) -> Run:
    """The catalog is up to date."""
    _expect(run, Stage.CATALOG, "catalogued")
    return replace(run, stage=Stage.PREPARE, deaths=0, tries=_tried(run, Stage.PREPARE))


def halfway(run: Run, now: datetime, results: Sequence[Result], kept: Staged, fingerprint: str) -> Run:
    """What a step with a boundary made is staged. Results are those of what did not come so far."""
    _expect(run, Stage.PREPARE, "tested")
    run = replace(
        run,
        **_learned(run, _by_address(results)),
        stage=Stage.TEST,
        staged=(replace(kept, table=KEPT),),
        staged_attempt=run.attempt,
        fingerprint=fingerprint,
        deaths=0,
        tries=_tried(run, Stage.TEST),
    )
    return run if run.open else close(run, now)


def prepare(run: Run, now: datetime, results: Sequence[Result], staged: Sequence[Staged], fingerprint: str) -> Run:
    """Rows are staged. What was refused, stopped or suspended is finished; the run ends when nothing else is left."""
    found = _by_address(results)
    _check_prepared(run, found)
    run = replace(
        run,
        **_learned(run, {item.slot.address: found[item.slot.address] for item in run.open}),
        stage=Stage.LOAD,
        staged=(*staged, *_kept(run)),
        staged_attempt=run.attempt,
        fingerprint=fingerprint,
        deaths=0,
    )
    return replace(run, tries=_tried(run, Stage.LOAD)) if run.open else close(run, now)


def load(run: Run, results: Sequence[Result]) -> Run:
    """Every destination holds the rows of what was still open, or newer ones."""
    _expect(run, Stage.LOAD, "loaded")
    found = _by_address(results)
    told = {address: _loaded(found.get(address, result)) for address, result in _known(run).items()}
    return replace(run, **_learned(run, told), stage=Stage.PUBLISH, deaths=0)


def publish(run: Run, now: datetime) -> Run:
    """The end."""
    _expect(run, Stage.PUBLISH, "published")
    return close(run, now)


def set_aside(run: Run, refused: Sequence[Refused]) -> Run:
    """Destinations refuse these rows: what is still open is prepared again without them, from the boundary of a step
    where it has one. Of the attempts that a run has, this is none."""
    _expect(run, Stage.LOAD, "prepared without some rows")
    kept, after = _kept(run), _again(run)
    return replace(
        after,
        stage=Stage.TEST if kept else after.stage,
        staged=kept,
        fingerprint=run.fingerprint if kept else "",
        first_attempt=run.first_attempt + after.attempt - run.attempt,
        deaths=0,
        tries=_tried(run, Stage.TEST if kept else after.stage),
        refused=(*run.refused, *(replace(item, round=run.rounds + 1) for item in refused)),
        revision=run.revision + 1,
    )


def restage(run: Run) -> Run:
    """Back to the beginning with all that is still open. What was refused stays so until it is reloaded."""
    _expect(run, (Stage.TEST, Stage.LOAD), "restaged")
    return replace(_again(run), refused=(), revision=_next_revision(run))


def _untold(run: Run) -> Run:
    """Whatever is prepared now may hold rows that were left out before."""
    return replace(run, refused=(), revision=run.revision + 1) if run.refused else run


def _next_revision(run: Run) -> int:
    """The revision of what is prepared again, perhaps under another definition: where some destination may hold what
    was staged, and another does not, both are to hold the same."""
    return run.revision + 1 if run.refused or run.stage is Stage.LOAD else run.revision


def _again(run: Run) -> Run:
    again = {item.slot.address for item in run.open}
    generations = tuple(
        standing_at(item, Standing.ACCEPTED, run.id) if item.slot.address in again else item for item in run.generations
    )
    return replace(
        run,
        generations=generations,
        stage=first_stage(run.open),
        attempt=max(run.attempt, run.staged_attempt + 1),
        tries=_tried(run, first_stage(run.open)),
        results=_without(run, again),
        staged=(),
        fingerprint="",
    )


# --- failures ----------------------------------------------------------------------------------------------------


def reach(run: Run, rows: Reached) -> Run:
    """Some destinations hold these rows already, by address and table; the others will."""
    known = _known(run)
    told = {address: replace(known[address], reached=held) for address, held in rows.items() if address in known}
    return replace(run, **_learned(run, told)) if told else run


def fail(
    run: Run, error: Facts, now: datetime, policy: RetryPolicy, halves: tuple[str, str], *, retry: bool
) -> tuple[Run, ...]:
    """Wait and try again, bisect, or give up."""
    if retry and not spent(run, policy):
        return (wait(run, error, now, delay(run, policy)),)
    if not retry and len(run.open) > 1:
        return bisect(run, error, now, halves)
    return (die(run, error, now),)


def wait(run: Run, error: Facts, now: datetime, pause: timedelta) -> Run:
    """The next attempt is due after a pause."""
    return replace(run, state=RunState.WAITING, lease_until=None, retry_at=now + pause, error=error)


def bisect(run: Run, error: Facts, now: datetime, halves: tuple[str, str]) -> tuple[Run, ...]:
    """The run ends, and both halves of what it still had to do become runs of their own, due at once.

    They prepare again: staged files hold the rows of all. `n` generations leave the guilty one alone after ⌈log₂ n⌉
    bisections.
    """
    moving = run.open
    middle = (len(moving) + 1) // 2
    left = _half(run, halves[0], moving[:middle], now)
    right = _half(run, halves[1], moving[middle:], now)
    moved = {item.slot.address: item for half in (left, right) for item in half.generations}
    generations = tuple(moved.get(item.slot.address, item) for item in run.generations)
    ended = replace(run, generations=generations, results=_without(run, moved), error=error)
    return _end(ended, RunState.FAILED, now), left, right


def _half(run: Run, name: str, generations: Sequence[Generation], now: datetime) -> Run:
    addresses = {item.slot.address for item in generations}
    return Run(
        id=name,
        pipeline=run.pipeline,
        generations=tuple(standing_at(item, Standing.ACCEPTED, name) for item in generations),
        created_at=now,
        stage=first_stage(generations, survey=run.stage is Stage.CATALOG),
        state=RunState.WAITING,
        attempt=0,
        epoch=0,
        retry_at=now,
        run_time=run.run_time,
        parent=run.id,
        refused=tuple(item for item in run.refused if item.slot in addresses),
        revision=run.revision + 1 if run.stage is Stage.LOAD else run.revision,
    )


def die(run: Run, error: Facts, now: datetime) -> Run:
    """No further attempt: a person may redrive it."""
    dead = {address: replace(item, standing=Standing.DEAD, error=error) for address, item in _known(run).items()}
    return _end(replace(run, **_learned(run, dead), error=error), RunState.DEAD, now)


# --- a person's word ---------------------------------------------------------------------------------------------


def reopen(run: Run, standing: Standing, now: datetime, *, released: bool = False) -> Run:
    """What ended with this standing begins a new round, at the last boundary before its end.

    What died at `load` is loaded again as it was staged. `released`: whatever was too strict about it is off; it is
    tested again.
    """
    again = ending(run, standing)
    if run.stage is Stage.LOAD and run.staged and again and not released:
        return _round(_restored(run, again), now)
    addresses = {item.slot.address for item in again}
    kept = _kept(run)
    stage = first_stage(again, survey=run.stage is Stage.CATALOG) if again else run.stage
    return _round(
        replace(
            _untold(run),
            generations=tuple(_afresh(item, released=released) if item in again else item for item in run.generations),
            stage=Stage.TEST if kept and stage is Stage.PREPARE else stage,
            staged=kept,
            fingerprint=run.fingerprint if kept else "",
            results=_without(run, addresses),
        ),
        now,
    )


def _round(run: Run, now: datetime) -> Run:
    """A new round of attempts, due at once."""
    return replace(
        run,
        state=RunState.WAITING,
        first_attempt=run.attempt + 1,
        deaths=0,
        retry_at=now,
        error=None,
        finished_at=None,
    )


def _restored(run: Run, again: Sequence[Generation]) -> Run:
    """As it stood before the load."""
    known = _by_address(run.results)
    prepared = {
        item.slot.address: replace(known[item.slot.address], standing=Standing.PREPARED, error=None) for item in again
    }
    return replace(run, **_learned(run, prepared))


def _kept(run: Run) -> tuple[Staged, ...]:
    return (run.kept,) if run.kept else ()


def _afresh(generation: Generation, *, released: bool) -> Generation:
    return replace(generation, standing=Standing.ACCEPTED, hard=False if released else generation.hard)


def ending(run: Run, *standings: Standing) -> list[Generation]:
    """The run's generations that stand so, and that no later run has taken over."""
    return [item for item in run.generations if item.standing in standings and item.run == run.id]


def settle(run: Run, slots: Iterable[Slot], standing: Standing) -> Run:
    """These generations will not go on: they gave way, or were dropped. A run that has ended is judged again."""
    known = _by_address(run.results)
    numbers = {item.slot.address: item.number for item in run.generations}
    settled = {
        slot.address: replace(known.get(slot.address) or Result(slot, numbers[slot.address]), standing=standing)
        for slot in slots
    }
    run = replace(run, **_learned(run, settled))
    return replace(run, state=verdict(run)) if run.state.final else run


# --- ends --------------------------------------------------------------------------------------------------------


def close(run: Run, now: datetime) -> Run:
    """Nothing is left to do. A run that loaded nothing names the first reason."""
    state = verdict(run)
    if state not in (RunState.SUCCEEDED, RunState.PARTIAL):
        run = replace(run, error=run.error or next((item.error for item in run.results if item.error), None))
    return _end(run, state, now)


def verdict(run: Run) -> RunState:
    """The final state, from how the run's own generations ended. What gave way to a newer one is no failure."""
    ends = {item.standing for item in run.generations if item.run == run.id}
    if Standing.DEAD in ends:
        return RunState.DEAD
    loaded = Standing.LOADED in ends
    if loaded:
        return RunState.PARTIAL if ends - {Standing.LOADED, Standing.SUPERSEDED} else RunState.SUCCEEDED
    return RunState.SUSPENDED if Standing.SUSPENDED in ends else RunState.FAILED


def _end(run: Run, state: RunState, now: datetime) -> Run:
    return replace(run, state=state, lease_until=None, retry_at=None, finished_at=now)


# --- small parts: all slots of a run share its pipeline, so an address names one -----------------------------------


def standing_at(item: Generation, standing: Standing, run: str) -> Generation:
    """The generation, standing otherwise."""
    return changed(item, standing=standing, run=run)


def _learned(run: Run, told: Mapping[str, Result]) -> Learned:
    """What becomes of a run by these results: they take the place of earlier ones, and its generations stand so."""
    known = _by_address(run.results)
    generations, results = [], []
    for item in run.generations:
        result = told.get(item.slot.address)
        if result is None:
            result = known.get(item.slot.address)
            generations.append(item)
        else:
            generations.append(standing_at(item, result.standing, run.id))
        if result is not None:
            results.append(result)
    return {"generations": tuple(generations), "results": tuple(results)}


def _by_address(results: Iterable[Result]) -> dict[str, Result]:
    return {result.slot.address: result for result in results}


def _known(run: Run) -> dict[str, Result]:
    """What is known of each open generation so far; of a withdrawal, that it is there."""
    known = _by_address(run.results)
    return {item.slot.address: known.get(item.slot.address) or Result(item.slot, item.number) for item in run.open}


def _without(run: Run, addresses: Container[str]) -> tuple[Result, ...]:
    return tuple(result for result in run.results if result.slot.address not in addresses)


def _loaded(result: Result) -> Result:
    return (
        result
        if result.standing is Standing.LOADED or result.standing.final
        else replace(result, standing=Standing.LOADED)
    )


def _expect(run: Run, stages: Stage | tuple[Stage, ...], word: str) -> None:
    wanted = (stages,) if isinstance(stages, Stage) else stages
    if run.stage not in wanted or run.state is not RunState.RUNNING:
        raise UsageError(
            f"run {run.id} cannot be {word} now",
            why=f"it is {run.state} at stage {run.stage}",
            fix=f"only a running run at stage {' or '.join(wanted)} can",
        )


def _check_prepared(run: Run, found: Mapping[str, Result]) -> None:
    """Every open generation needs a result: one that is left out would be a delivery without a fate."""
    _expect(run, (Stage.PREPARE, Stage.TEST), "prepared")
    for item in run.open:
        result = found.get(item.slot.address)
        if result is None or result.number != item.number or result.standing not in PREPARE_ENDS:
            raise UsageError(
                "a prepared run needs a result for each of its open generations",
                at=item.name,
                why="it has none" if result is None else f"it is number {result.number}, {result.standing}",
                fix=f"one of {', '.join(PREPARE_ENDS)}",
            )
