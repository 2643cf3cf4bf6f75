"""Running jobs: what is being worked on now, and what was cut off when its process went."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from penstock.model.firings import FiringState
from penstock.model.runs import Run, RunState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock.ledger.port import Ledger


@dataclass(frozen=True, slots=True)
class Job:
    """A run or a firing that a worker has claimed and not ended. It is there from start to end, and no longer."""

    id: str
    pipeline: str
    stage: str
    attempt: int
    since: datetime
    worker: str
    cut_off: bool
    """Its process is gone: whoever works next goes on from its last boundary."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def jobs(ledger: Ledger, pipeline: str, runs: Sequence[Run], gone: Callable[[str], bool]) -> Iterator[Job]:
    """A pipeline's jobs. `gone` says whether a worker's process is there no more."""
    for item in ledger.open_firings():
        if item.pipeline == pipeline and item.state is FiringState.ACTING:
            yield Job(item.id, pipeline, "fetch", item.attempt, item.recorded_at, item.worker, gone(item.worker))
    for run in runs:
        if run.state is RunState.RUNNING:
            yield Job(run.id, pipeline, run.stage.value, run.attempt, run.created_at, run.worker, gone(run.worker))
