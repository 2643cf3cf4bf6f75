"""The supervisor: takes in what arrives, keeps workers going, rescans, stops gracefully.

A loop over one queue of wake-ups. Everything that it decides with is in the ledger, so that it may die at any moment.
"""

from __future__ import annotations

import logging
import queue
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from penstock.errors import PenstockError
from penstock.model.slots import Acceptance
from penstock.runtime.intake import Intake
from penstock.runtime.ports import Found

log = logging.getLogger("penstock")


class Pool(Protocol):
    """Workers, as processes or as a thread of this one."""

    def start(self) -> None: ...

    def tend(self) -> list[str]:
        """Replace workers that died; returns their names."""
        ...

    def stop(self, grace: float) -> None:
        """Let each finish its stage, then end those that have not."""
        ...


class Keeper(Protocol):
    """Somebody beside the workers, such as a timekeeper."""

    def start(self) -> None: ...

    def stop(self, grace: float) -> None:
        """End within so many seconds."""
        ...


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often the supervisor looks up, in seconds."""

    rescan: float = 5.0
    tend: float = 0.5
    grace: float = 20.0


class Supervisor:
    """One for each project: the lock on the ledger sees to that."""

    def __init__(
        self,
        intake: Intake,
        pool: Pool,
        *,
        rhythm: Rhythm,
        fingerprints: Callable[[], dict[str, str]],
        bury: Callable[[str], None],
        accepted: Callable[[list[Acceptance]], None] = lambda _: None,
        keepers: Sequence[Keeper] = (),
    ) -> None:
        """`bury` tells the ledger that a worker is dead; `accepted` hears of what was taken in; `keepers` work beside
        the pool for as long as it does."""
        self.intake, self.pool, self.rhythm = intake, pool, rhythm
        self.fingerprints, self.bury, self.accepted = fingerprints, bury, accepted
        self.keepers = tuple(keepers)
        self._arrivals: queue.SimpleQueue[list[Found] | None] = queue.SimpleQueue()

    def notify(self, found: list[Found]) -> None:
        """Called by the watcher, from its thread."""
        self._arrivals.put(found)

    def stop(self) -> None:
        """Ask the loop to end; safe in a signal handler."""
        self._arrivals.put(None)

    def run(self) -> None:
        """Work until `stop`. The first rescan finds what arrived while nobody looked."""
        self.pool.start()
        for keeper in self.keepers:
            keeper.start()
        due = 0.0
        try:
            while True:
                if time.monotonic() >= due:
                    self._rescan()
                    due = time.monotonic() + self.rhythm.rescan
                for name in self.pool.tend():
                    self.bury(name)
                arrivals = self._wait(min(self.rhythm.tend, max(0.0, due - time.monotonic())))
                if arrivals is None:
                    return
                if arrivals:
                    self._take(partial(self.intake.offer, arrivals, cause="watcher", fingerprints=self.fingerprints()))
        finally:
            for keeper in self.keepers:
                keeper.stop(self.rhythm.grace)
            self.pool.stop(self.rhythm.grace)

    def _wait(self, seconds: float) -> list[Found] | None:
        try:
            return self._arrivals.get(timeout=max(seconds, 0.001))
        except queue.Empty:
            return []

    def _rescan(self) -> None:
        self._take(lambda: self.intake.rescan(self.fingerprints()))

    def _take(self, offer: Callable[[], list[Acceptance]]) -> None:
        """An intake that fails now is tried again by the next rescan: nothing was acknowledged."""
        try:
            acceptances = offer()
        except PenstockError as error:
            log.warning("Intake failed", extra={"action": "intake_failed", "code": error.code, "error": error.facts()})
            return
        if acceptances:
            self.accepted(acceptances)
