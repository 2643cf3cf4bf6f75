"""A project on one machine: SQLite ledger, folders, DuckDB, a lake or PostgreSQL, worker processes."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.model.runs import Run
from penstock.model.slots import Acceptance
from penstock.runtime.supervisor import Rhythm, Supervisor
from penstock.runtime.worker import Listener, ignore
from penstock.wiring import settings as reading
from penstock.wiring.charts import Charting
from penstock.wiring.firings import Firings
from penstock.wiring.looking import Looking
from penstock.wiring.rejects import Rejects
from penstock.wiring.streams import Streaming

if TYPE_CHECKING:
    from multiprocessing.synchronize import Event

    from penstock.adapters.files.watch import Watcher
    from penstock.wiring.proving import Trial


def _unheard(_: list[Acceptance]) -> None:
    """Nobody wants to know what was taken in."""


def _ignored(_: object) -> None:
    """The answer does not matter."""


class Project(Rejects, Firings, Looking, Streaming, Charting):
    """Everything that a command needs, opened when it is first used."""

    def work_until_idle(self, listener: Listener = ignore, pipeline: str = "") -> list[Run]:
        """As `Deliveries` does it; first, what waits in streams becomes files."""
        if self.streams:
            self.flusher.flush(everything=True)
        return super().work_until_idle(listener, pipeline)

    def prove(self, pipeline: str, files: Sequence[Path], parts: Sequence[int] = (1, 2, 7)) -> Iterator[Trial]:
        """Try files whole and in parts, without loading them (see `penstock.wiring.proving`)."""
        from penstock.wiring.proving import prove

        return prove(self, self.pipeline(pipeline).name, files, parts)

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
            keepers=[keeper] if (keeper := self.timekeeper()) else [],
        )

    def watcher(self, supervisor: Supervisor) -> Watcher:
        """What wakes a supervisor when something lands."""
        from penstock.adapters.files.watch import Watcher

        return Watcher(self.landing, supervisor.notify)


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
