"""Worker processes of one supervisor, each with its own engine; they speak to the ledger over its socket."""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from multiprocessing.context import SpawnProcess
from pathlib import Path

from penstock.errors import PenstockError
from penstock.runtime.crew import Mate
from penstock.runtime.worker import Equipment, Worker
from penstock.wiring.names import name_of_worker

log = logging.getLogger("penstock")

IDLE_SECONDS = 0.01
MOST_SECONDS = 5.0
"""The longest wait before a worker that dies at once is started again."""


class ProcessPool:
    """Keeps a number of worker processes alive."""

    def __init__(self, work: Callable[..., None], folder: Path, environment: str, count: int) -> None:
        """`work(name, folder, environment, stop, parent)` is what each process does."""
        self._work, self.folder, self.environment, self.count = work, folder, environment, count
        self._context = multiprocessing.get_context("spawn")
        self._stop = self._context.Event()
        self._workers: dict[str, SpawnProcess] = {}
        self._serial = 0
        self._pause = 0.0
        self._not_before = 0.0

    def start(self) -> None:
        """Start every worker."""
        for _ in range(self.count):
            self._spawn()

    def tend(self) -> list[str]:
        """Replace workers that died, with a growing pause; returns the names of the dead."""
        dead = [name for name, process in self._workers.items() if not process.is_alive()]
        for name in dead:
            process = self._workers.pop(name)
            log.warning("Worker died", extra={"action": "worker_died", "worker": name, "exitcode": process.exitcode})
            self._pause = min(MOST_SECONDS, 2 * self._pause or 0.1)
            self._not_before = time.monotonic() + self._pause
        if len(self._workers) < self.count and time.monotonic() >= self._not_before:
            self._spawn()
        return dead

    def stop(self, grace: float) -> None:
        """Let each worker finish the stage that it is in; end those that take longer."""
        self._stop.set()
        deadline = time.monotonic() + grace
        for process in self._workers.values():
            process.join(max(0.0, deadline - time.monotonic()))
            if process.is_alive():
                process.terminate()
                process.join(5)
        self._workers.clear()

    def _spawn(self) -> None:
        self._serial += 1
        name = name_of_worker(self._serial)
        process = self._context.Process(
            target=self._work, args=(name, str(self.folder), self.environment, self._stop, os.getpid()), name=name
        )
        process.start()
        self._workers[name] = process


class ThreadPool:
    """The worker as a thread of the supervisor's own process: for `dev`, where one process is enough."""

    def __init__(self, equipment: Equipment, name: str) -> None:
        self._equipment, self._name = equipment, name
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def tend(self) -> list[str]:
        """A thread that ended takes its work along: nobody else claims under its name."""
        return []

    def stop(self, grace: float) -> None:
        self._stop.set()
        self._thread.join(grace)

    def _work(self) -> None:
        loop(self._equipment, self._name, self._stop.is_set)


def loop(equipment: Equipment, name: str, done: Callable[[], bool]) -> None:
    """Claim and work until `done`, with a mate that prepares while this worker loads."""
    with Mate(Worker(name, equipment)) as mate:
        worker = Worker(name, equipment, mate.hear)
        while not done():
            try:
                if worker.work() is None:
                    time.sleep(IDLE_SECONDS)
            except PenstockError as error:
                fields = {"action": "claim_failed", "code": error.code, "error": error.facts()}
                log.warning("Claim failed", extra=fields)
                time.sleep(1)
            mate.done(0)
