"""A project at work on what is delivered: it takes files in, and works until they have come to rest."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from penstock.adapters import scratch
from penstock.adapters.files.landing import LANDING
from penstock.errors import UnknownName, UsageError, nearest
from penstock.ledger.port import Ledger
from penstock.model.runs import Run, RunState
from penstock.model.slots import Acceptance, Delivery, Generation, Kind, Slot
from penstock.runtime.intake import Match, explain, matches
from penstock.runtime.worker import Listener, Worker, ignore
from penstock.wiring.names import is_gone
from penstock.wiring.parts import Parts

POLL_SECONDS = 0.02
LOOKED_AT = 50
"""How many of the newest runs are looked through for those whose workers have died; others wait for their leases."""


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


class Deliveries(Parts):
    """Taking in, working, withdrawing, and clearing up what dead workers left."""

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
