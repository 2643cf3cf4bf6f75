"""A worker: claims a run, drives it through its stages, records each boundary. Knows no database and no file.

`STAGES` is the whole algorithm. Whatever is killed, the next claim begins at the last boundary that the ledger has.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Self

from penstock.compile.plan import Plan
from penstock.errors import (
    ClaimLost,
    PenstockError,
    RowsRefused,
    StorageUnavailable,
    unexpected,
)
from penstock.ledger.port import ClaimLimits, Ledger, Record, RetryPolicy
from penstock.model.fates import Fates
from penstock.model.faults import point
from penstock.model.readiness import Readiness
from penstock.model.refusals import RETRY
from penstock.model.runs import Reached, Result, Run, Stage
from penstock.model.slots import Generation, Kind, Standing
from penstock.model.tables import Load, Unit
from penstock.runtime.delivering import Halfway, delivered, results_of, table_load, unit_of
from penstock.runtime.ports import Destination, Earlier, Engine, Input, Preparation, Survey, Zones

log = logging.getLogger("penstock")

READING = "reading"

ROUNDS = 5
"""How often destinations may refuse rows of what is left without others."""

Listener = Callable[[str, Run], None]
"""Told of each boundary: `prepare`, `load`, `publish`, `failed`; and, as `reading`, how far the first has come."""


def utc_now() -> datetime:
    """The clock of production."""
    return datetime.now(UTC)


def turns_of_stages() -> dict[Stage, threading.Lock]:
    """Whoever looks at files takes the turn of those who read them."""
    reading = threading.Lock()
    return {Stage.CATALOG: reading, Stage.PREPARE: reading, Stage.LOAD: threading.Lock()}


@dataclass(frozen=True, slots=True)
class Equipment:
    """What a worker works with."""

    ledger: Ledger
    engine: Engine
    zones: Zones
    plans: Mapping[str, Plan]
    destinations: Mapping[str, Destination]
    """By the target's kind and name: `postgres:warehouse`."""
    limits: ClaimLimits = field(default_factory=ClaimLimits)
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    clock: Callable[[], datetime] = utc_now
    turns: Mapping[Stage, threading.Lock] = field(default_factory=turns_of_stages)
    """One worker of a process prepares, one loads: what they need of memory does not grow with their number."""
    triggers: Mapping[str, Sequence[Readiness]] = field(default_factory=dict)
    """Who waits for each pipeline's tables."""
    surveys: Mapping[str, Survey] = field(default_factory=dict)
    """Of the pipelines whose runs begin with the catalog."""


def ignore(_stage: str, _run: Run) -> None:
    """The listener that does not listen."""


class Worker:
    """Drives runs, one at a time."""

    def __init__(self, name: str, equipment: Equipment, listener: Listener = ignore) -> None:
        self.name, self.equipment, self.listener = name, equipment, listener

    def work(self) -> Run | None:
        """Claim one run and drive it until it is final or has to wait; None when there is nothing to claim."""
        with _Turn(self.equipment.turns) as turn:
            # Claimed no sooner than it can be prepared: what arrives meanwhile joins the run.
            turn.take(Stage.PREPARE)
            run = self._claim()
            if run is None:
                return None
            point("claimed")
            with _Heartbeat(self.equipment, run):
                return self._drive(run, turn)

    def _claim(self) -> Run | None:
        tools = self.equipment
        return tools.ledger.claim(
            self.name,
            tools.clock(),
            pipelines=tuple(tools.plans),
            limits=tools.limits,
            policies=dict.fromkeys(tools.plans, tools.policy),
            surveyed=tuple(tools.surveys),
        )

    def _drive(self, run: Run, turn: _Turn) -> Run:
        log.info("Run claimed", extra={"action": "run_claimed", "run_id": run.id, "stage": run.stage.value})
        try:
            while not run.state.final:
                stage = run.stage
                turn.take(stage)
                run = STAGES[stage](self, run)
                turn.leave()
                self.listener(stage.value, run)
        except ClaimLost:
            log.warning("Claim lost", extra={"action": "claim_lost", "run_id": run.id})
        except Halfway as halfway:
            run = self._failed(run, halfway.error, halfway.rows)
        except PenstockError as error:
            # Not a warning: those are printed where nobody has set up logging, and its cause may quote the data.
            log.info("Attempt failed", exc_info=error, extra={"action": "attempt_failed", "run_id": run.id})
            run = self._failed(run, error)
        except OSError as error:
            run = self._failed(run, StorageUnavailable("the store failed", why=error.strerror or type(error).__name__))
        except Exception as error:
            log.exception("Unexpected error", extra={"action": "run_broken", "run_id": run.id})
            run = self._failed(run, unexpected(error))
        return run

    def _failed(self, run: Run, error: PenstockError, reached: Reached | None = None) -> Run:
        tools = self.equipment
        facts, now = error.facts(), tools.clock()
        try:
            runs = tools.ledger.failed(
                run.id, run.epoch, now, facts, retry=error.retry, policy=tools.policy, reached=reached
            )
        except ClaimLost:
            return run
        stands = next((found for found in runs if found.id == run.id), runs[0])
        self.listener("failed", stands)
        return stands

    # --- stages --------------------------------------------------------------------------------------------------

    def catalog(self, run: Run) -> Run:
        """Let the catalog learn what lies in the landing zone. A pipeline that asks for it no longer goes on."""
        tools = self.equipment
        survey = tools.surveys.get(run.pipeline)
        found = survey(run) if survey else ()
        point("catalog.before_record")
        run = tools.ledger.catalogued(run.id, run.epoch, tools.clock(), found)
        point("catalog.after_record")
        return run

    def prepare(self, run: Run) -> Run:
        """Stage the rows of every generation, or go as far as the boundary of a step."""
        tools = self.equipment
        plan = tools.plans[run.pipeline]
        if not plan.boundary:
            return self._prepared(run)
        half = tools.engine.transform(self._work(run))
        point("halfway.before_record")
        run = tools.ledger.halfway(run.id, run.epoch, tools.clock(), half.results, half.kept, plan.fingerprint)
        point("halfway.after_record")
        return run

    def test(self, run: Run) -> Run:
        """The rest of `prepare`, from a step's boundary on."""
        if self._stale(run):
            return self.equipment.ledger.restage(run.id, run.epoch, self.equipment.clock())
        return self._prepared(run)

    def _stale(self, run: Run) -> bool:
        """Whether what is staged was made under another definition, or is gone."""
        tools = self.equipment
        return run.fingerprint != tools.plans[run.pipeline].fingerprint or not tools.zones.complete(run.staged)

    def _work(self, run: Run) -> Preparation:
        plan = self.equipment.plans[run.pipeline]
        inputs = tuple(Input(generation, ordinal) for ordinal, generation in enumerate(_readable(run)))
        moment, told = run.run_time or run.created_at, partial(self._read, run)
        earlier, attempts = self._earlier(plan, inputs), self._attempts(inputs)
        return Preparation(
            plan, run.id, run.attempt, inputs, moment, plan.hard, told, run.kept, earlier, run.refused, attempts
        )

    def _prepared(self, run: Run) -> Run:
        tools = self.equipment
        plan = tools.plans[run.pipeline]
        prepared = tools.engine.prepare(self._work(run))
        point("prepare.before_record")
        run = tools.ledger.prepared(
            run.id, run.epoch, tools.clock(), prepared.results, prepared.staged, plan.fingerprint
        )
        point("prepare.after_record")
        return run

    def _earlier(self, plan: Plan, inputs: Sequence[Input]) -> dict[str, Earlier]:
        tools, generations = self.equipment, [item.generation for item in inputs]
        generations = [item for item in generations if plan.members or item.cause == RETRY]
        refused = {item.slot for item in tools.ledger.waiting(plan.pipeline)} if generations else set()
        found = (
            (item.slot, earlier(tools.ledger, tools.zones, item))
            for item in generations
            if plan.matches or item.slot in refused
        )
        return {slot.address: replace(told, refused=slot in refused) for slot, told in found if told is not None}

    def _attempts(self, inputs: Sequence[Input]) -> dict[str, int]:
        patches = [item.generation for item in inputs if item.generation.kind is Kind.PATCH]
        histories = ((patch, self.equipment.ledger.history(patch.slot)) for patch in patches)
        return {patch.slot.address: attempt(patch, history) for patch, history in histories}

    def _read(self, run: Run, records: int) -> None:
        """Tell the listener how far the reading has come."""
        first = run.open[0]
        so_far = Result(first.slot, first.number, fates=Fates(read=records))
        self.listener(READING, replace(run, results=(so_far,)))

    def load(self, run: Run) -> Run:
        """Bring the staged rows to every destination; start again where they were made under another definition."""
        tools = self.equipment
        plan = tools.plans[run.pipeline]
        if run.staged and self._stale(run):
            return tools.ledger.restage(run.id, run.epoch, tools.clock())
        results = {result.slot: result for result in run.results}
        units = tuple(unit_of(generation, results.get(generation.slot), run.revision) for generation in run.open)
        try:
            rows = delivered(plan, self._loads(plan, run, units))
        except RowsRefused as error:
            return self._set_aside(run, error)
        point("load.before_record")
        run = tools.ledger.loaded(run.id, run.epoch, tools.clock(), results_of(results, units, rows))
        point("load.after_record")
        return run

    def _set_aside(self, run: Run, error: RowsRefused) -> Run:
        """A destination refuses rows for what they hold. What is left may be refused as well, but not for ever."""
        known = {replace(item, round=1) for item in run.refused}
        fresh = [item for item in error.rows if item not in known]
        if not fresh or run.rounds >= ROUNDS:
            raise error
        point("refused.before_record")
        run = self.equipment.ledger.set_aside(run.id, run.epoch, self.equipment.clock(), fresh)
        point("refused.after_record")
        return run

    def publish(self, run: Run) -> Run:
        """Announce the tables, then let go of the staged files."""
        tools = self.equipment
        point("publish.before_record")
        triggers = tools.triggers.get(run.pipeline, ())
        run = tools.ledger.published(run.id, run.epoch, tools.clock(), triggers)
        point("publish.after_record")
        tools.zones.release(run)
        point("publish.released")
        return run

    def _loads(self, plan: Plan, run: Run, units: tuple[Unit, ...]) -> Sequence[tuple[str, Load, Destination]]:
        staged = {item.table: item for item in run.staged}
        found = []
        for target in plan.targets:
            tables = tuple(
                table_load(table.spec, staged.get(table.spec.name)) for table in plan.tables if target in table.targets
            )
            load = Load(run.pipeline, f"{run.id}/{run.attempt}", units, tables)
            found.append(
                (target.name or target.kind, load, self.equipment.destinations[f"{target.kind}:{target.name}"])
            )
        return sorted(found, key=lambda each: not each[2].capabilities.judges)


STAGES = {
    Stage.CATALOG: Worker.catalog,
    Stage.PREPARE: Worker.prepare,
    Stage.TEST: Worker.test,
    Stage.LOAD: Worker.load,
    Stage.PUBLISH: Worker.publish,
}


def _readable(run: Run) -> list[Generation]:
    return [generation for generation in run.open if generation.kind is not Kind.WITHDRAWAL]


def _continues(generation: Generation) -> bool:
    """Whether what waited before goes on waiting: where a person reloads a slot, it begins anew."""
    return generation.kind is Kind.DELIVERY or (generation.kind is Kind.RELOAD and generation.cause == RETRY)


def attempt(patch: Generation, history: Sequence[Generation]) -> int:
    """How often the rows of a patch have been tried, this time included."""
    lines = set(patch.lines)
    before = (item for item in history if item.heals == patch.heals and item.number < patch.number)
    return 2 + sum(item.kind is Kind.PATCH and not lines.isdisjoint(item.lines) for item in before)


def earlier(record: Record, zones: Zones, generation: Generation) -> Earlier | None:
    """What waits since the generation before."""
    before = [
        item
        for item in record.history(generation.slot)
        if item.number < generation.number and item.standing is Standing.LOADED
    ]
    if not _continues(generation) or not before or before[-1].kind is Kind.WITHDRAWAL:
        return None
    run = record.run(before[-1].run)
    if run is None:
        return None
    then, now = ({member.identity for member in item.members} for item in (before[-1], generation))
    return Earlier(before[-1].number, tuple(zones.rejects(run)), frozenset(identity[0] for identity in then ^ now))


class _Turn:
    """A worker's turn: at one stage at a time, for as long as it takes."""

    def __init__(self, turns: Mapping[Stage, threading.Lock]) -> None:
        self._turns = turns
        self._stage: Stage | None = None
        self._held: threading.Lock | None = None

    def take(self, stage: Stage) -> None:
        """Leave the stage that it was at, and wait for this one."""
        if stage is self._stage:
            return
        self.leave()
        lock = self._turns.get(stage)
        if lock is not None:
            lock.acquire()
        self._stage, self._held = stage, lock

    def leave(self) -> None:
        if self._held is not None:
            self._held.release()
        self._stage = self._held = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()


class _Heartbeat:
    """Keeps the lease while a run is driven. A lost claim is noticed by the next boundary, not here."""

    def __init__(self, tools: Equipment, run: Run) -> None:
        self._tools, self._run = tools, run
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"lease-{run.id}", daemon=True)

    def _beat(self) -> None:
        lease: timedelta = self._tools.limits.lease
        while not self._stop.wait(lease.total_seconds() / 3):
            try:
                self._tools.ledger.renew(self._run.id, self._run.epoch, self._tools.clock(), lease)
            except PenstockError:
                return

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
