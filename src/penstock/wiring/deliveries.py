"""A project at work on what is delivered: it takes files in, and works until they have come to rest."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from penstock.adapters import scratch
from penstock.adapters.files.landing import LANDING
from penstock.errors import UnknownName, UsageError, nearest
from penstock.model.runs import Run, RunState
from penstock.model.slots import Acceptance, Delivery, Kind, Slot
from penstock.model.strays import Stray
from penstock.runtime.crew import Mate
from penstock.runtime.intake import Match, explain, takers, template_of
from penstock.runtime.worker import Equipment, Listener, Worker, ignore
from penstock.wiring.gathering import Gathering
from penstock.wiring.names import is_gone
from penstock.wiring.outcomes import Outcome, Outcomes

LOOKED_AT = 50
"""How many of the newest runs are looked through for those whose workers have died; others wait for their leases."""


class Deliveries(Gathering):
    """Taking in, working, withdrawing, and clearing up what dead workers left."""

    def receive(self, pipeline: str, *paths: Path) -> list[str]:
        """Take files into the landing zone under addresses that the pipeline's trigger takes; one that lies there
        already is taken as it lies."""
        absent = next((path for path in paths if not os.path.isfile(path)), None)  # noqa: PTH113 - for each of thousands
        if absent is not None:
            raise UsageError(f"there is no file {str(absent)!r}")
        if self.pipeline(pipeline).several:
            return [self.bring(pipeline, "", path) for path in paths]
        addresses = self.landing.addresses_of(paths)
        return [self._received(pipeline, path, address) for path, address in zip(paths, addresses, strict=True)]

    def takers_of(self, path: Path) -> list[str]:
        """The pipelines that take a file by its name, or by its place in the landing zone. Raises `UnknownName` where
        none does."""
        (address,) = self.landing.addresses_of([path])
        places = {
            name: address or f"{self._folder_for(name)}{path.name}"
            for name, pipeline in self.pipelines.items()
            if address or not pipeline.several
        }
        found = [name for name, place in places.items() if takers({name: self.pipelines[name]}, place)]
        if not found:
            raise explain(self.pipelines, address or f"{LANDING}/{path.name}")
        return found

    def _received(self, pipeline: str, path: Path, address: str | None) -> str:
        if address is None:
            address = f"{self._folder_for(pipeline)}{path.name}"
            self._match(pipeline, address)
            return self.landing.receive(path, address)
        self._match(pipeline, address)
        return address

    def _folder_for(self, pipeline: str) -> str:
        """Where files of a pipeline lie: the literal folder of its template."""
        template = template_of(self.pipeline(pipeline))
        return (template.prefix if template else LANDING).rstrip("/") + "/"

    def _match(self, pipeline: str, address: str) -> Match:
        chosen = {pipeline: self.pipeline(pipeline)}
        found = takers(chosen, address)
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
        """Put objects of the landing zone before the ledger; of a pipeline with several sources only the keys that are
        complete come back."""
        if self.pipeline(pipeline).several:
            return self.gather(pipeline, addresses, reload=reload, hard=hard)
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
        """Accept objects and work until each of them has come to rest, and so have rows that a destination refused
        before: they come along."""
        accepted = self.accept(pipeline, addresses, reload=reload, hard=hard)
        return self.settle([*accepted, *self.ledger.retry([pipeline], self.clock())], listener)

    def settle(self, acceptances: Sequence[Acceptance], listener: Listener = ignore) -> list[Outcome]:
        """Work until the accepted generations are final, in this process or in whichever has claimed them."""
        self.bury_dead_workers()
        outcomes = Outcomes(self.ledger)
        waiting, followed = list(acceptances), list[Outcome]()
        crew = self._crew(self.equipment, listener, alone=len(waiting) == 1)
        with self.telling():
            with crew as (worker, mate):
                while waiting := outcomes.unrested(waiting):
                    run = worker.work()
                    for told in mate.done() if run is None else [run, *mate.done(0)]:
                        outcomes.learn(told)
                        followed += self._derived_outcomes(told)
            # What the mate was still driving has ended by now: nothing becomes ready behind our back.
            followed += [outcome for told in mate.done(0) for outcome in self._derived_outcomes(told)]
            followed += self._follow(listener)
        return [outcomes.of(acceptance) for acceptance in acceptances] + followed

    @property
    def derived(self) -> list[str]:
        """The pipelines that are set off by what others load."""
        return [name for name, condition in self.conditions.items() if any(need.pipeline for need in condition.needs)]

    def _follow(self, listener: Listener) -> list[Outcome]:
        """Work on what has become ready."""
        names = self.derived
        if not names:
            return []
        plans = {name: self.equipment.plans[name] for name in names}
        worker = Worker(self.worker_name, replace(self.equipment, plans=plans), listener)
        found: list[Outcome] = []
        while (run := worker.work()) is not None:
            found += self._derived_outcomes(run)
        return found

    def _derived_outcomes(self, run: Run) -> list[Outcome]:
        if run.pipeline not in self.derived:
            return []
        return [Outcome(Acceptance(item, fresh=True), item, run) for item in run.generations]

    def work_until_idle(self, listener: Listener = ignore, pipeline: str = "") -> list[Run]:
        """Rescan, then work until nothing is left to claim now, of one pipeline or of all. Rows that a destination
        refused before come along; whatever killed processes have left behind goes."""
        self.bury_dead_workers()
        equipment = self.equipment
        if pipeline:
            names = dict.fromkeys((pipeline, *self.derived))
            equipment = replace(equipment, plans={name: equipment.plans[name] for name in names})
        runs = []
        with self.telling():
            self.intake.rescan(self.fingerprints)
            self.ledger.retry([pipeline] if pipeline else list(self.pipelines), self.clock())
            with self._crew(equipment, listener) as (worker, mate):
                while True:
                    idle = mate.idle  # asked first: what the mate ends after that may have made something else ready
                    run = worker.work()
                    if run is None and idle:
                        break
                    runs += mate.done() if run is None else [run, *mate.done(0)]
            self.intake.remind()
        if any(self.zones.staged()):
            self.sweep()
        return runs

    @contextmanager
    def _crew(self, equipment: Equipment, listener: Listener, *, alone: bool = False) -> Iterator[tuple[Worker, Mate]]:
        """A worker for this thread, and a mate that comes when it is of use."""
        one_speaks = threading.Lock()

        def hear(stage: str, run: Run) -> None:
            with one_speaks:
                listener(stage, run)

        def hear_first(stage: str, run: Run) -> None:
            hear(stage, run)
            if not alone:
                mate.hear(stage, run)

        with Mate(Worker(self.worker_name, equipment, hear)) as mate:
            yield Worker(self.worker_name, equipment, hear_first), mate

    def bury_dead_workers(self) -> None:
        """What workers of this machine held whose processes are gone may be claimed at once, before the leases end."""
        for worker in {item.worker for item in self.ledger.open_firings() if item.worker and is_gone(item.worker)}:
            self.ledger.bury_firings(worker, self.clock())
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

    def strays(self) -> list[Stray]:
        """What lies in the landing zone and fits no pipeline, as it was last looked at."""
        known = (stray for stray in self.ledger.strays() if not takers(self.pipelines, stray.address, stray.size))
        return [stray for stray in known if self.landing.stat(stray.address) is not None]

    def sweep(self) -> int:
        """Remove what finished runs and dead processes left behind. Returns how many."""
        removed = scratch.sweep(self.scratch) + self.landing.sweep()
        for pipeline, run_id in list(self.zones.left_over()):
            run = self.ledger.run(run_id)
            if run is None:
                self.zones.drop(pipeline, run_id)
                removed += 1
            elif run.state in (RunState.SUCCEEDED, RunState.PARTIAL, RunState.FAILED):
                removed += self.zones.tidy(run)
        return removed
