"""The parts of a project on one machine, each opened when it is first used: ledger, engine, destinations, intake."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.adapters.files.landing import FolderLanding
from penstock.adapters.files.zones import FolderZones
from penstock.adapters.scratch import Scratch
from penstock.errors import UnknownName, nearest
from penstock.ledger.port import ClaimLimits, Ledger, RetryPolicy
from penstock.model.readiness import Readiness
from penstock.model.settings import LOCAL, Place, Settings
from penstock.model.slots import Slot
from penstock.runtime.intake import Intake
from penstock.runtime.worker import Equipment, utc_now
from penstock.wiring import definitions
from penstock.wiring import settings as reading
from penstock.wiring.names import name_of_worker

if TYPE_CHECKING:
    from penstock.adapters.duckdb.engine import DuckEngine
    from penstock.authoring.origins import Origin
    from penstock.authoring.pipeline import Pipeline
    from penstock.authoring.tables import Target
    from penstock.compile.plan import Plan
    from penstock.runtime.courier import Courier
    from penstock.runtime.ports import Destination, Puller


class Loaded:
    """Tables that are loaded already, for those who read them: see `penstock.runtime.ports.Tables`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def extract(self, table: str, readers: Sequence[Sequence[Slot]], path: Path) -> None:
        """From the table's first destination."""
        pipeline = next(slot.pipeline for slots in readers for slot in slots)
        plan = next(item for item in self._parts.plans[pipeline].tables if item.spec.name == table)
        destination = self._parts.destinations[f"{plan.targets[0].kind}:{plan.targets[0].name}"]
        destination.extract(pipeline, table, [[slot.address for slot in slots] for slots in readers], path)


class Parts:
    """What a project is made of. Nothing here decides anything."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._stack = ExitStack()
        self.landing = FolderLanding(self.zones_folder)
        self.zones = FolderZones(self.zones_folder)
        self.clock = utc_now

    @property
    def zones_folder(self) -> Path:
        return self.settings.folder / self.settings.zones

    @property
    def curated(self) -> Path:
        """Where the lake is."""
        return self.zones_folder / "curated"

    @property
    def store(self) -> Path:
        return self.settings.folder / self.settings.store

    @property
    def scratch(self) -> Path:
        """Where engines put what they need for a moment."""
        return self.store / "scratch"

    @cached_property
    def pipelines(self) -> dict[str, Pipeline]:
        """The declared pipelines. Raises `DefinitionError`."""
        return definitions.load(self.settings.folder)

    def pipeline(self, name: str) -> Pipeline:
        """A pipeline by name. Raises `UnknownName` with the nearest one."""
        if name not in self.pipelines:
            raise UnknownName(f"there is no pipeline {name!r}", fix=nearest(name, self.pipelines))
        return self.pipelines[name]

    @cached_property
    def plans(self) -> dict[str, Plan]:
        """The compiled pipelines. Raises `DefinitionError`."""
        from penstock.compile.plan import compile_pipeline
        from penstock.compile.readiness import conditions, watched

        compiled = {name: compile_pipeline(pipeline) for name, pipeline in self.pipelines.items()}
        waiting = conditions(self.pipelines)
        return {name: plan.watching(watched(waiting, name)) for name, plan in compiled.items()}

    @cached_property
    def conditions(self) -> dict[str, Readiness]:
        """What the pipelines with several sources wait for."""
        from penstock.compile.readiness import conditions

        return conditions(self.pipelines, self.fingerprints)

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger itself, or a line to the process that holds it."""
        from penstock.adapters.sqlite import open_ledger

        self.store.mkdir(parents=True, exist_ok=True)
        return self._stack.enter_context(open_ledger(self.store))

    @cached_property
    def engine(self) -> DuckEngine:
        return self.make_engine()

    def make_engine(
        self, *, landing: FolderLanding | None = None, zones: Path | None = None, chunk_bytes: int = 0
    ) -> DuckEngine:
        """An engine; tests of a pipeline give it a landing zone of their own, and smaller chunks. `zones` is where it
        stages and sets aside."""
        from penstock.adapters.duckdb.engine import DuckEngine
        from penstock.adapters.duckdb.session import Key, Resources
        from penstock.adapters.files.dialect import Limits
        from penstock.adapters.secrets import privacy_keys

        key = None
        if any(read.reading.keyed for plan in self.plans.values() for read in plan.inputs):
            keys = privacy_keys(self.secrets, generate=self.settings.environment == LOCAL)
            key = Key(keys.current, keys.key)
        resources = Resources(
            self.scratch,
            self.settings.memory_limit,
            self.settings.threads,
            chunk_bytes or self.settings.chunk_bytes,
        )
        limits = Limits(file_bytes=self.settings.limits.expanded_bytes, ratio=self.settings.limits.expansion)
        place = landing or self.landing
        return DuckEngine(place, zones or place.zones, resources, key, limits, Loaded(self))

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

            kept = self.settings.versions
            grace = timedelta(seconds=kept.keep_seconds)
            lake = Lake(self.curated, scratch=self.scratch, grace=grace, keep=kept.keep)
            self._stack.callback(lake.close)
            return lake
        from penstock.adapters.postgres import Postgres
        from penstock.adapters.secrets import destination_url

        url = destination_url(self.settings, self.secrets, target.name)
        keys = self.settings.destinations.get(target.name, Place()).foreign_keys
        refused = self.settings.limits.refused_rows
        destination = Postgres(url, target.schema, workdir=self.scratch, foreign_keys=keys, refused_rows=refused)
        self._stack.callback(destination.close)
        return destination

    @cached_property
    def equipment(self) -> Equipment:
        """What a worker of this process works with."""
        from penstock.compile.readiness import triggers

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
            triggers=triggers(self.conditions),
        )

    def hardened_plans(self) -> dict[str, Plan]:
        """The plans, with the environment's word on `hard` where it has one."""
        hard = self.settings.hard
        return {name: plan if hard is None else replace(plan, hard=hard) for name, plan in self.plans.items()}

    @cached_property
    def intake(self) -> Intake:
        return Intake(self.ledger, self.landing, self.pipelines, self.clock, self.conditions)

    @cached_property
    def courier(self) -> Courier:
        """Who acts on firings."""
        from penstock.runtime.courier import Courier, Route

        return Courier(
            Route(
                self.ledger,
                self.landing,
                self.pipelines,
                self.conditions,
                self.fingerprints,
                self._puller,
                self._room,
                self.clock,
                self.equipment.policy,
            )
        )

    @contextmanager
    def _room(self) -> Iterator[Path]:
        with closing(Scratch(self.scratch)) as place:
            yield place.folder

    def _puller(self, origin: Origin) -> Puller:
        from penstock.authoring.origins import Git

        if isinstance(origin, Git):
            from penstock.adapters.git import GitPuller

            return GitPuller(self.secrets.get, self.settings.folder, self.scratch)
        from penstock.adapters.http import HttpPuller

        return HttpPuller(self.secrets.get)

    @property
    def fingerprints(self) -> dict[str, str]:
        return {name: plan.fingerprint for name, plan in self.plans.items()}

    @property
    def worker_name(self) -> str:
        return name_of_worker()

    def close(self) -> None:
        self._stack.close()
