"""A project on one machine: SQLite ledger, folders, DuckDB, a lake or PostgreSQL, worker processes."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.adapters.files.landing import LANDING, FolderLanding
from penstock.adapters.files.zones import FolderZones
from penstock.errors import UnknownName, UsageError, nearest
from penstock.ledger.port import ClaimLimits, Ledger, RetryPolicy
from penstock.model.runs import Run, RunState
from penstock.model.settings import LOCAL, Settings
from penstock.model.slots import Acceptance, Delivery, Generation, Kind, Slot, Standing
from penstock.runtime.intake import Intake, Match, explain, matches
from penstock.runtime.worker import Equipment, Listener, Worker, ignore, utc_now
from penstock.wiring import definitions
from penstock.wiring import settings as reading

if TYPE_CHECKING:
    from penstock.adapters.duckdb.engine import DuckEngine
    from penstock.authoring.pipeline import Pipeline
    from penstock.authoring.tables import Target
    from penstock.compile.plan import Plan
    from penstock.runtime.ports import Destination

POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one offered object: the generation as it stands now, whether it was new, and its run."""

    acceptance: Acceptance
    generation: Generation
    run: Run | None


class Project:
    """Everything that a command needs, opened when it is first used."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._stack = ExitStack()
        self.landing = FolderLanding(self.zones_folder)
        self.zones = FolderZones(self.zones_folder)
        self.clock = utc_now

    # --- parts ---------------------------------------------------------------------------------------------------

    @property
    def zones_folder(self) -> Path:
        return self.settings.folder / self.settings.zones

    @property
    def store(self) -> Path:
        return self.settings.folder / self.settings.store

    @cached_property
    def pipelines(self) -> dict[str, Pipeline]:
        """The declared pipelines. Raises `DefinitionError`."""
        return definitions.load(self.settings.folder)

    @cached_property
    def plans(self) -> dict[str, Plan]:
        """The compiled pipelines. Raises `DefinitionError`."""
        from penstock.compile.plan import compile_pipeline

        return {name: compile_pipeline(pipeline) for name, pipeline in self.pipelines.items()}

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger itself, or a line to the process that holds it."""
        from penstock.adapters.sqlite import open_ledger

        self.store.mkdir(parents=True, exist_ok=True)
        return self._stack.enter_context(open_ledger(self.store))

    @cached_property
    def engine(self) -> DuckEngine:
        return self.make_engine()

    def make_engine(self, *, chunk_bytes: int = 0, zones: Path | None = None) -> DuckEngine:
        """An engine; tests of a pipeline give it other zones and smaller chunks."""
        from penstock.adapters.duckdb.engine import DuckEngine
        from penstock.adapters.duckdb.session import Key, Resources
        from penstock.adapters.files.dialect import Limits
        from penstock.adapters.secrets import privacy_keys

        key = None
        if any(plan.reading.keyed for plan in self.plans.values()):
            keys = privacy_keys(self.secrets, generate=self.settings.environment == LOCAL)
            key = Key(keys.current, keys.key)
        resources = Resources(
            self.store / "scratch",
            f"{self.settings.memory_limit}B",
            self.settings.threads,
            chunk_bytes or self.settings.chunk_bytes,
        )
        limits = Limits(file_bytes=self.settings.limits.expanded_bytes, ratio=self.settings.limits.expansion)
        return DuckEngine(self.landing, zones or self.zones_folder, resources, key, limits)

    @cached_property
    def secrets(self) -> Any:
        return reading.open_secrets(self.settings)

    @cached_property
    def destinations(self) -> dict[str, Destination]:
        """Every destination that a pipeline loads to, by `kind:name`."""
        targets = {target for plan in self.plans.values() for target in plan.targets}
        return {f"{target.kind}:{target.name}": self._destination(target) for target in sorted(targets, key=str)}

    def _destination(self, target: Target) -> Destination:
        if target.kind == "lake":
            from penstock.adapters.lake import Lake

            return Lake(self.zones_folder / "curated")
        from penstock.adapters.postgres import Postgres
        from penstock.adapters.secrets import destination_url

        url = destination_url(self.settings, self.secrets, target.name)
        destination = Postgres(url, target.schema, workdir=self.store / "scratch")
        self._stack.callback(destination.close)
        return destination

    @cached_property
    def equipment(self) -> Equipment:
        """What a worker of this process works with."""
        settings = self.settings
        return Equipment(
            self.ledger,
            self.engine,
            self.zones,
            self.hardened_plans(),
            self.destinations,
            ClaimLimits(
                settings.limits.batch_files, settings.limits.batch_bytes, timedelta(seconds=settings.lease_seconds)
            ),
            RetryPolicy(
                settings.retry.attempts,
                timedelta(seconds=settings.retry.first_seconds),
                timedelta(seconds=settings.retry.longest_seconds),
                settings.retry.deaths,
            ),
            self.clock,
        )

    def hardened_plans(self) -> dict[str, Plan]:
        """The plans, with the environment's word on `hard` where it has one."""
        from dataclasses import replace

        hard = self.settings.hard
        return {name: plan if hard is None else replace(plan, hard=hard) for name, plan in self.plans.items()}

    @cached_property
    def intake(self) -> Intake:
        return Intake(self.ledger, self.landing, self.pipelines, self.clock)

    @property
    def fingerprints(self) -> dict[str, str]:
        return {name: plan.fingerprint for name, plan in self.plans.items()}

    @property
    def worker_name(self) -> str:
        return f"{socket.gethostname()}-{os.getpid()}"

    # --- doing ---------------------------------------------------------------------------------------------------

    def pipeline(self, name: str) -> Pipeline:
        """A pipeline by name. Raises `UnknownName` with the nearest one."""
        if name not in self.pipelines:
            raise UnknownName(f"there is no pipeline {name!r}", fix=nearest(name, self.pipelines))
        return self.pipelines[name]

    def receive(self, pipeline: str, path: Path) -> str:
        """Take a file into the landing zone under an address that the pipeline's trigger takes; one that lies there
        already is taken as it lies."""
        if not path.is_file():
            raise UsageError(f"there is no file {str(path)!r}")
        address = self.landing.address_of(path)
        if address is None:
            address = f"{self._folder_for(pipeline)}{path.name}"
            self._match(pipeline, address)
            return self.landing.receive(path, address)
        self._match(pipeline, address)
        return address

    def _folder_for(self, pipeline: str) -> str:
        """Where files of a pipeline lie: the literal folder of its template."""
        from penstock.authoring.triggers import Upload

        trigger = self.pipeline(pipeline).trigger
        prefix = trigger.template.prefix if isinstance(trigger, Upload) else LANDING
        return prefix.rstrip("/") + "/"

    def _match(self, pipeline: str, address: str) -> Match:
        chosen = {pipeline: self.pipeline(pipeline)}
        found = matches(chosen, address)
        if found:
            return found[0]
        from penstock.authoring.triggers import Manual

        if isinstance(chosen[pipeline].trigger, Manual):
            return Match(pipeline, {})
        raise explain(chosen, address)

    def accept(
        self, pipeline: str, addresses: Sequence[str], *, reload: bool = False, hard: bool | None = None, cause: str = "run"
    ) -> list[Acceptance]:
        """Put objects of the landing zone before the ledger."""
        deliveries = [
            Delivery(
                Slot(pipeline, address),
                Kind.RELOAD if reload else Kind.DELIVERY,
                self.landing.content(address),
                self._match(pipeline, address).parts,
                cause,
                self.plans[pipeline].fingerprint,
                hard,
            )
            for address in addresses
        ]
        return self.ledger.accept(deliveries, self.clock())

    def run(
        self,
        pipeline: str,
        addresses: Sequence[str],
        *,
        reload: bool = False,
        hard: bool | None = None,
        listener: Listener = ignore,
    ) -> list[Outcome]:
        """Accept objects and work until each of them has come to rest."""
        return self.settle(self.accept(pipeline, addresses, reload=reload, hard=hard), listener)

    def settle(self, acceptances: Sequence[Acceptance], listener: Listener = ignore) -> list[Outcome]:
        """Work until the accepted generations are final, in this process or in whichever has claimed them."""
        import time

        worker = Worker(self.worker_name, self.equipment, listener)
        waiting = {acceptance.generation.slot: acceptance for acceptance in acceptances}
        while any(not self._rested(acceptance) for acceptance in waiting.values()):
            if worker.work() is None:
                time.sleep(POLL_SECONDS)
        return [self._outcome(acceptance) for acceptance in acceptances]

    def _rested(self, acceptance: Acceptance) -> bool:
        generation = self._now(acceptance)
        if not generation.standing.final:
            return False
        run = self.ledger.run(generation.run) if generation.run else None
        return run is None or run.state.final

    def _now(self, acceptance: Acceptance) -> Generation:
        found = acceptance.generation
        history = self.ledger.history(found.slot)
        return next((item for item in history if item.number == found.number), found)

    def _outcome(self, acceptance: Acceptance) -> Outcome:
        generation = self._now(acceptance)
        return Outcome(acceptance, generation, self.ledger.run(generation.run) if generation.run else None)

    def work_until_idle(self, listener: Listener = ignore) -> list[Run]:
        """Rescan, then work until nothing is left to claim now."""
        self.intake.rescan(self.fingerprints)
        worker = Worker(self.worker_name, self.equipment, listener)
        runs = []
        while (run := worker.work()) is not None:
            runs.append(run)
        return runs

    def withdraw(self, pipeline: str, address: str, listener: Listener = ignore) -> Outcome:
        """Take a slot's rows out of every destination."""
        slot = Slot(self.pipeline(pipeline).name, address)
        if self.ledger.current(slot) is None:
            known = [item.address for item in self.ledger.slots(pipeline)]
            raise UnknownName(f"nothing was ever delivered as {address!r}", fix=nearest(address, known))
        accepted = self.ledger.accept([Delivery(slot, Kind.WITHDRAWAL, cause="withdraw")], self.clock())
        return self.settle(accepted, listener)[0]

    def sweep(self) -> int:
        """Remove what finished runs left behind: staged files, scratch of dead processes. Returns how many."""
        removed = 0
        for pipeline, run_id in list(self.zones.left_over()):
            run = self.ledger.run(run_id)
            if run is None or run.state in (RunState.SUCCEEDED, RunState.PARTIAL, RunState.FAILED):
                self.zones.drop(pipeline, run_id)
                removed += 1
        return removed

    def states(self) -> Mapping[str, Standing]:
        """The standing of every slot's newest generation, by slot."""
        found = {}
        for name in self.pipelines:
            for slot in self.ledger.slots(name):
                current = self.ledger.current(slot)
                if current:
                    found[str(slot)] = current.standing
        return found

    def close(self) -> None:
        self._stack.close()


@contextmanager
def open_project(
    folder: Path, environment: str | None = None, *, flags: Mapping[str, Any] | None = None
) -> Iterator[Project]:
    """The project in a folder, or above it."""
    settings = reading.read(reading.find_project(folder), environment, flags=flags)
    project = Project(settings)
    try:
        yield project
    finally:
        project.close()


Progress = Callable[[str, Run], None]
