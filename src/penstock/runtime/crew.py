"""A second worker in the same process: while one loads, the other prepares the next run.

They take turns (see `Equipment.turns`), so that no more memory is used than for one of each.
"""

from __future__ import annotations

import logging
import queue
import threading
from typing import Self

from penstock.errors import PenstockError
from penstock.model.runs import Run, Stage
from penstock.runtime.worker import Worker

log = logging.getLogger("penstock")

POLL_SECONDS = 0.02


class Mate:
    """Works in a thread of its own whenever it is called for, until nothing is left to claim. Both workers bear one
    name: whoever buries it buries the work of both."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._runs: queue.SimpleQueue[Run] = queue.SimpleQueue()
        self._wanted, self._idle = threading.Event(), threading.Event()
        self._idle.set()
        self._over = False
        self._broken: BaseException | None = None
        self._thread = threading.Thread(target=self._serve, name=f"{worker.name}-mate", daemon=True)

    def hear(self, stage: str, _run: Run) -> None:
        """Called for by the other worker's first boundary: it has prepared, so the next run may be."""
        if stage == Stage.PREPARE:
            self._wanted.set()
            if self._thread.ident is None:
                self._thread.start()

    @property
    def idle(self) -> bool:
        """Whether it found nothing to claim when it last looked, and nothing that it did is untold."""
        return not self._wanted.is_set() and self._idle.is_set() and self._runs.empty()

    def done(self, wait: float = POLL_SECONDS) -> list[Run]:
        """The runs that it has driven as far as they went; waits for the first one. Raises what has ended its work."""
        if self._broken is not None:
            raise self._broken
        found: list[Run] = []
        try:
            found.append(self._runs.get(timeout=wait) if wait else self._runs.get_nowait())
            while True:
                found.append(self._runs.get_nowait())
        except queue.Empty:
            return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        self._wanted.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _serve(self) -> None:
        try:
            while self._wanted.wait() and not self._over:
                self._idle.clear()
                self._wanted.clear()
                self._work()
                self._idle.set()
        except BaseException as error:  # noqa: BLE001 - carried to the other worker's thread
            self._broken = error
            self._wanted.clear()
            self._idle.set()

    def _work(self) -> None:
        try:
            while not self._over and (run := self._worker.work()) is not None:
                self._runs.put(run)
        except PenstockError as error:
            log.warning("Claim failed", extra={"action": "claim_failed", "code": error.code, "error": error.facts()})
