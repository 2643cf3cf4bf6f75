"""`penstock test`: a pipeline on fixtures, whole and in parts, with every row accounted for. Loads nothing."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.adapters.files.landing import FolderLanding
from penstock.errors import PenstockError
from penstock.model.runs import Result, Staged
from penstock.model.slots import Generation, Kind, Slot
from penstock.runtime.ports import Input, Preparation, Prepared

if TYPE_CHECKING:
    from penstock.adapters.duckdb.compare import Unlike
    from penstock.wiring.local import Project

WHOLE = 0
PARTS = (1, 2, 7)


@dataclass(frozen=True, slots=True)
class Trial:
    """One file's trial. `results` holds its account; `unlike` the first difference between whole and split."""

    pipeline: str
    file: str
    parts: tuple[int, ...]
    result: Result | None = None
    unlike: Unlike | None = None
    error: PenstockError | None = None
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        return self.unlike is None and self.error is None


def prove(project: Project, pipeline: str, files: Sequence[Path], parts: Sequence[int] = PARTS) -> Iterator[Trial]:
    """Try each file. A file that is refused, or whose rows are not accounted for, fails its trial."""
    for file in files:
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="penstock-test-") as folder:
            trial = _try(project, pipeline, file, tuple(parts), Path(folder))
        yield Trial(
            pipeline, str(file), tuple(parts), trial.result, trial.unlike, trial.error, time.monotonic() - began
        )


def _try(project: Project, pipeline: str, file: Path, parts: tuple[int, ...], folder: Path) -> Trial:
    landing = FolderLanding(folder)
    address = landing.receive(file, f"landing/{file.name}")
    now = project.clock()
    generation = Generation(Slot(pipeline, address), 1, Kind.DELIVERY, 1, now, landing.content(address))
    try:
        whole = _prepare(project, landing, generation, WHOLE)
        for count in parts:
            split = _prepare(project, landing, generation, count)
            found = next(_differences(whole, split), None)
            if found is not None:
                return Trial(pipeline, str(file), parts, whole.results[0], found)
    except PenstockError as error:
        return Trial(pipeline, str(file), parts, error=error)
    return Trial(pipeline, str(file), parts, whole.results[0], error=_error(whole.results[0]))


def _prepare(project: Project, landing: FolderLanding, generation: Generation, count: int) -> Prepared:
    """One preparation into zones of its own, in about so many parts, at one run time for all of them."""
    stored = generation.content.size if generation.content else 0
    size = max(1, stored // count + 1) if count > WHOLE else project.settings.chunk_bytes
    engine = project.make_engine(landing=landing, chunk_bytes=size)
    plan = project.plans[generation.slot.pipeline]
    run_time = generation.accepted_at
    return engine.prepare(Preparation(plan, "test", count, (Input(generation, 0),), run_time, hard=False))


def _differences(whole: Prepared, split: Prepared) -> Iterator[Unlike]:
    from penstock.adapters.duckdb.compare import unlike

    first, second = _by_table(whole), _by_table(split)
    for table in sorted({*first, *second}):
        found = unlike(first.get(table), second.get(table))
        if found is not None:
            yield found


def _by_table(prepared: Prepared) -> dict[str, Staged]:
    return {staged.table: staged for staged in prepared.staged}


def _error(result: Result) -> PenstockError | None:
    """Why a file's rows would not be loaded, from the result's record."""
    if result.error is None:
        return None
    facts = result.error
    return PenstockError(facts.get("message", ""), why=facts.get("why", ""), fix=facts.get("fix", ""))
