"""A project on one machine: SQLite ledger, folders, DuckDB, a lake or PostgreSQL, worker processes."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.adapters import scratch
from penstock.adapters.files.landing import LANDING
from penstock.errors import UnknownName, UsageError, nearest
from penstock.model.runs import Run, RunState
from penstock.model.slots import Acceptance, Delivery, Generation, Kind, Slot, Standing
from penstock.runtime.healing import Reject, Selection, check_edits, judged, patches
from penstock.runtime.intake import Match, explain, matches
from penstock.runtime.reconcile import Difference, compare_destination, compare_landing, unfinished
from penstock.runtime.supervisor import Rhythm, Supervisor
from penstock.runtime.worker import Listener, Worker, ignore
from penstock.wiring import settings as reading
from penstock.wiring.names import is_gone
from penstock.wiring.parts import Parts

if TYPE_CHECKING:
    from multiprocessing.synchronize import Event

    from penstock.adapters.files.watch import Watcher
    from penstock.authoring.pipeline import Pipeline
    from penstock.ledger.port import Ledger
    from penstock.wiring.proving import Trial

POLL_SECONDS = 0.02
LOOKED_AT = 50
"""How many of the newest runs are looked through for those whose workers have died; others wait for their leases."""


ALL = 1_000_000
EVERYTHING = Selection(status=())


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a loaded row comes from. Line 0 is the whole file: the row came out of a wide step."""

    pipeline: str
    slot: str
    line: int
    generation: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one offered object: the generation as it stands now, whether it was new, and its run."""

    acceptance: Acceptance
    generation: Generation
    run: Run | None


class _Runs:
    """Runs of a ledger, each read once: one run may hold a thousand slots."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._known: dict[str, Run | None] = {}

    def of(self, generation: Generation) -> Run | None:
        """The run that carried a generation."""
        if generation.run and generation.run not in self._known:
            self._known[generation.run] = self._ledger.run(generation.run)
        return self._known.get(generation.run)


def _unheard(_: list[Acceptance]) -> None:
    """Nobody wants to know what was taken in."""


def _ignored(_: object) -> None:
    """The answer does not matter."""


class Project(Parts):
    """Everything that a command needs, opened when it is first used."""

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
        self,
        pipeline: str,
        addresses: Sequence[str],
        *,
        reload: bool = False,
        hard: bool | None = None,
        cause: str = "run",
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

        self.bury_dead_workers()
        worker = Worker(self.worker_name, self.equipment, listener)
        waiting = list(acceptances)
        while waiting := self._unrested(waiting):
            if worker.work() is None:
                time.sleep(POLL_SECONDS)
        runs = _Runs(self.ledger)
        return [self._outcome(acceptance, runs) for acceptance in acceptances]

    def _unrested(self, acceptances: Sequence[Acceptance]) -> list[Acceptance]:
        """Those from the first one that has not come to rest: a look at each of the others can wait for it."""
        runs = _Runs(self.ledger)
        rested = itertools.takewhile(lambda acceptance: self._rested(acceptance, runs), acceptances)
        return list(acceptances[sum(1 for _ in rested) :])

    def _rested(self, acceptance: Acceptance, runs: _Runs) -> bool:
        generation = self._now(acceptance)
        if not generation.standing.final:
            return False
        run = runs.of(generation)
        return run is None or run.state.final

    def _now(self, acceptance: Acceptance) -> Generation:
        found = acceptance.generation
        history = self.ledger.history(found.slot)
        return next((item for item in history if item.number == found.number), found)

    def _outcome(self, acceptance: Acceptance, runs: _Runs) -> Outcome:
        generation = self._now(acceptance)
        return Outcome(acceptance, generation, runs.of(generation))

    def work_until_idle(self, listener: Listener = ignore, pipeline: str = "") -> list[Run]:
        """Rescan, then work until nothing is left to claim now, of one pipeline or of all. Whatever killed processes
        have left behind goes."""
        self.bury_dead_workers()
        self.intake.rescan(self.fingerprints)
        equipment = self.equipment
        if pipeline:
            equipment = replace(equipment, plans={pipeline: equipment.plans[pipeline]})
        worker = Worker(self.worker_name, equipment, listener)
        runs = []
        while (run := worker.work()) is not None:
            runs.append(run)
        if any(self.zones.staged()):
            self.sweep()
        return runs

    def bury_dead_workers(self) -> None:
        """What workers of this machine held whose processes are gone may be claimed at once, before the leases end."""
        if self.ledger.next_due() is None:
            return
        for run in self.ledger.runs(limit=LOOKED_AT):
            if run.state is RunState.RUNNING and is_gone(run.worker):
                self.ledger.bury(run.worker, self.clock())

    def withdraw(self, pipeline: str, address: str, listener: Listener = ignore) -> Outcome:
        """Take a slot's rows out of every destination."""
        slot = Slot(self.pipeline(pipeline).name, address)
        if self.ledger.current(slot) is None:
            known = [item.address for item in self.ledger.slots(pipeline)]
            raise UnknownName(f"nothing was ever delivered as {address!r}", fix=nearest(address, known))
        accepted = self.ledger.accept([Delivery(slot, Kind.WITHDRAWAL, cause="withdraw")], self.clock())
        return self.settle(accepted, listener)[0]

    # --- healing -------------------------------------------------------------------------------------------------

    def rejects(self, selection: Selection = EVERYTHING) -> Iterator[Reject]:
        """Rejected rows with their status."""
        from penstock.adapters.duckdb.rejects import read_rejects

        for name in [selection.pipeline] if selection.pipeline else list(self.pipelines):
            runs = {run.id: run for run in self.ledger.runs(pipeline=name, limit=ALL)}
            files = [file for run in runs.values() for file in self.zones.rejects(run)]
            found = [_reject(values) for values in read_rejects(files)]
            histories = {slot: self.ledger.history(slot) for slot in {Slot(name, reject.slot) for reject in found}}
            for reject in judged(found, histories):
                if selection.takes_run(runs[reject.run]) and selection.takes(reject):
                    yield reject

    def replay(
        self, selection: Selection, edits: Sequence[Mapping[str, Any]] = (), listener: Listener = ignore
    ) -> list[Outcome]:
        """Send open rejects again as patches of their slots. An edit is `{"slot", "line", "set": {column: text}}`."""
        chosen = list(self.rejects(selection))
        if not chosen:
            raise UsageError("no open reject is selected", fix="penstock quarantine list")
        outcomes = []
        for name in sorted({reject.pipeline for reject in chosen}):
            mine = [reject for reject in chosen if reject.pipeline == name]
            check_edits(edits, self.pipeline(name).source.names, mine)
            addresses = self._store_edits(name, edits)
            deliveries = patches(mine, self.ledger, fixes=addresses, fingerprint=self.plans[name].fingerprint)
            outcomes += self.settle(self.ledger.accept(deliveries, self.clock()), listener)
        return outcomes

    def _store_edits(self, pipeline: str, edits: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """Edits are as received: they lie in the landing zone, under a name that no scan takes up."""
        import json
        import uuid

        addresses = {}
        for slot in sorted({edit["slot"] for edit in edits}):
            lines = [{"line": edit["line"], "set": edit["set"]} for edit in edits if edit["slot"] == slot]
            text = "".join(f"{json.dumps(line)}\n" for line in lines)
            address = f"{LANDING}/_fixes/{pipeline}/{uuid.uuid4().hex}.jsonl"
            addresses[slot] = self.landing.store(text.encode(), address)
        return addresses

    def prove(self, pipeline: str, files: Sequence[Path], parts: Sequence[int] = (1, 2, 7)) -> Iterator[Trial]:
        """Try files whole and in parts, without loading them (see `penstock.wiring.proving`)."""
        from penstock.wiring.proving import prove

        return prove(self, self.pipeline(pipeline).name, files, parts)

    # --- looking -------------------------------------------------------------------------------------------------

    def verify(self, pipeline: str = "") -> list[Difference]:
        """Every difference between landing zone, ledger and destinations."""
        found: list[Difference] = []
        for name in [self.pipeline(pipeline).name] if pipeline else list(self.pipelines):
            objects = (
                (item, self.landing.content(item.address).sha256)
                for item in self.landing.scan()
                if matches({name: self.pipelines[name]}, item.address)
            )
            found += compare_landing(name, self.ledger, objects)
            found += unfinished(self.ledger, name)
            for key, destination in self.destinations.items():
                found += compare_destination(self.plans[name], self.ledger, destination, key)
        return found

    def trace(self, row: int, pipeline: str = "") -> Origin:
        """The file and line behind a row identity. Raises `UnknownName`."""
        for name in [pipeline] if pipeline else list(self.pipelines):
            for destination in self.destinations.values():
                found = destination.slot_of(name, row)
                if found is not None:
                    address, base = found
                    return Origin(name, address, row - base, self._generation_of(Slot(name, address), row - base))
        raise UnknownName(
            f"no loaded row has the identity {row}", fix="take it from the table's key or its _row column"
        )

    def _generation_of(self, slot: Slot, line: int) -> int:
        """The generation that brought a line: the newest loaded patch of it, else the newest loaded delivery."""
        loaded = [item for item in self.ledger.history(slot) if item.standing is Standing.LOADED]
        bringing = [item for item in loaded if item.kind is not Kind.PATCH or line in item.lines]
        return bringing[-1].number if bringing else 0

    def query(self, sql: str, destination: str = "") -> tuple[list[str], Iterator[tuple[Any, ...]]]:
        """SQL over a destination's tables: the lake by default, or the only one there is."""
        name = destination or next((key for key in self.destinations if key.startswith("lake:")), "")
        name = name or next(iter(self.destinations), "")
        if name not in self.destinations:
            raise UnknownName(f"there is no destination {name!r}", fix=nearest(name, self.destinations))
        chosen = self.destinations[name]
        if not name.startswith("lake:"):
            return _columns_and_rows(chosen.rows(sql))  # type: ignore[attr-defined]
        from penstock.adapters.duckdb.inspect import Inspection

        relations, files = self._published(name)
        inspection = Inspection(relations, files)
        self._stack.callback(inspection.close)
        return inspection.query(sql)

    def _published(self, name: str) -> tuple[dict[str, str], list[str]]:
        """Every table of a lake as a relation of SQL, and the files behind them, which stay until all is closed."""
        relations: dict[str, str] = {}
        files: list[str] = []
        for pipeline in self.pipelines:
            snapshot = self._stack.enter_context(self.destinations[name].reading(pipeline))  # type: ignore[attr-defined]
            relations |= snapshot.relations
            files += (file for paths in snapshot.files.values() for file in paths)
        return relations, files

    # --- serving -------------------------------------------------------------------------------------------------

    def supervisor(
        self, *, workers: int | None = None, accepted: Callable[[list[Acceptance]], None] = _unheard
    ) -> Supervisor:
        """A supervisor with its workers; `workers=0` is one thread of this process."""
        from penstock.wiring.processes import ProcessPool, ThreadPool

        self.bury_dead_workers()
        count = self.settings.workers if workers is None else workers
        pool = (
            ProcessPool(work, self.settings.folder, self.settings.environment, count)
            if count
            else ThreadPool(self.equipment, self.worker_name)
        )
        return Supervisor(
            self.intake,
            pool,
            rhythm=Rhythm(rescan=self.settings.rescan_seconds),
            fingerprints=lambda: self.fingerprints,
            bury=lambda name: _ignored(self.ledger.bury(name, self.clock())),
            accepted=accepted,
        )

    def watcher(self, supervisor: Supervisor) -> Watcher:
        """What wakes a supervisor when something lands."""
        from penstock.adapters.files.watch import Watcher

        return Watcher(self.landing, supervisor.notify)

    def sweep(self) -> int:
        """Remove what finished runs and dead processes left behind. Returns how many."""
        removed = scratch.sweep(self.scratch)
        for pipeline, run_id in list(self.zones.left_over()):
            run = self.ledger.run(run_id)
            if run is None:
                self.zones.drop(pipeline, run_id)
                removed += 1
            elif run.state in (RunState.SUCCEEDED, RunState.PARTIAL, RunState.FAILED):
                removed += self.zones.tidy(run)
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


def work(name: str, folder: str, environment: str, stop: Event, parent: int) -> None:
    """A worker process: claim and work until told to stop, or until the supervisor is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from penstock.wiring.processes import loop

    with open_project(Path(folder), environment) as project:
        loop(project.equipment, name, lambda: stop.is_set() or os.getppid() != parent)


def _columns_and_rows(found: Iterator[dict[str, Any]]) -> tuple[list[str], Iterator[tuple[Any, ...]]]:
    """Rows as dictionaries, told apart into names and values."""
    first = next(found, None)
    rows = found if first is None else itertools.chain((first,), found)
    return list(first or ()), (tuple(row.values()) for row in rows)


def _reject(values: Mapping[str, Any]) -> Reject:
    return Reject(**{**values, "reasons": tuple(values["reasons"])})
