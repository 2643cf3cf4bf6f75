"""What has become of offered objects: known from the runs of this process, or looked up in the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import dropwhile

from penstock.ledger.port import Ledger
from penstock.model.runs import Run
from penstock.model.slots import Acceptance, Generation, Slot


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one offered object: the generation as it stands now, whether it was new, and its run."""

    acceptance: Acceptance
    generation: Generation
    run: Run | None

    @property
    def rested(self) -> bool:
        """Whether nothing more will become of it by itself."""
        return self.generation.standing.final and (self.run is None or self.run.state.final)


class Outcomes:
    """Asks the ledger as little as can be: thousands of objects may share one run."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._runs: dict[str, Run | None] = {}
        self._ended: dict[tuple[Slot, int], tuple[Generation, Run | None]] = {}

    def learn(self, run: Run) -> None:
        """A run as the ledger has just told it."""
        if run.state.final:
            self._runs[run.id] = run
            for item in run.generations:
                if item.run == run.id:
                    self._ended[item.slot, item.number] = item, run

    def unrested(self, acceptances: Sequence[Acceptance]) -> list[Acceptance]:
        """Those from the first one that has not come to rest: a look at each of the others can wait for it."""
        return list(dropwhile(lambda acceptance: self.of(acceptance).rested, acceptances))

    def of(self, acceptance: Acceptance) -> Outcome:
        """The outcome as far as it is known by now."""
        found = acceptance.generation
        known = self._ended.get((found.slot, found.number))
        if known is None:
            known = self._looked_up(found)
        return Outcome(acceptance, *known)

    def _looked_up(self, found: Generation) -> tuple[Generation, Run | None]:
        generation = found if found.standing.final else self._now(found)
        run = self._run(generation.run) if generation.run else None
        return generation, run

    def _now(self, found: Generation) -> Generation:
        history = self._ledger.history(found.slot)
        return next((item for item in history if item.number == found.number), found)

    def _run(self, name: str) -> Run | None:
        """Only what has ended is remembered: it stays so."""
        if name in self._runs:
            return self._runs[name]
        run = self._ledger.run(name)
        if run is not None and run.state.final:
            self._runs[name] = run
        return run
