"""`penstock test`: a pipeline on fixtures, whole and in parts, with every row accounted for. Loads nothing."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.adapters.files.landing import FolderLanding
from penstock.errors import PenstockError, UsageError
from penstock.model.runs import Result, Staged
from penstock.model.slots import Generation, Kind, Member, Slot, key_address, vector
from penstock.runtime.intake import Match, placed, takers
from penstock.runtime.ports import Input, Preparation, Prepared

if TYPE_CHECKING:
    from penstock.adapters.duckdb.compare import Unlike
    from penstock.authoring.pipeline import Pipeline
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


@dataclass(frozen=True, slots=True)
class _Case:
    """What is tried together: one file, or the files of one key by their sources."""

    label: str
    files: Mapping[str, Path]
    parts: Mapping[str, str]
    lacks: tuple[str, ...] = ()


def prove(project: Project, pipeline: str, files: Sequence[Path], parts: Sequence[int] = PARTS) -> Iterator[Trial]:
    """Try each file, or each key of a pipeline with several sources. What is refused, or whose rows are not accounted
    for, fails its trial."""
    for case in _cases(project.pipelines[pipeline], files):
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="penstock-test-") as folder:
            trial = _try(project, pipeline, case, tuple(parts), Path(folder))
        yield replace(trial, seconds=time.monotonic() - began)


def _cases(pipeline: Pipeline, files: Sequence[Path]) -> Iterator[_Case]:
    matched = [(file, _match(pipeline, file)) for file in files]
    if not pipeline.several:
        yield from (_Case(str(file), {"": file}, match.parts if match else {}) for file, match in matched)
        return
    keys: dict[str, _Case] = {}
    for file, match in matched:
        parts, member = (match.parts, match.member) if match else ({}, file.stem)
        label = key_address(parts)
        known = keys.get(label, _Case(label, {}, parts))
        keys[label] = replace(known, files={**known.files, member: file})
    for case in keys.values():
        yield replace(case, lacks=tuple(name for name in pipeline.sources if name not in case.files))


def _match(pipeline: Pipeline, file: Path) -> Match | None:
    """What a file would be to its pipeline, told by as much of the end of its path as it takes."""
    for length in range(1, len(file.parts) + 1):
        address = "landing/" + "/".join(file.parts[-length:])
        found = next(iter(takers({pipeline.name: pipeline}, address)), None) or placed(pipeline, address)
        if found is not None:
            return found
    return None


def _try(project: Project, pipeline: str, case: _Case, parts: tuple[int, ...], folder: Path) -> Trial:
    if case.lacks:
        error = UsageError(f"{case.label} lacks {', '.join(case.lacks)}", fix="put a file of each source there")
        return Trial(pipeline, case.label, parts, error=error)
    landing = FolderLanding(folder)
    generation = _generation(pipeline, case, landing, project.clock())
    try:
        whole = _prepare(project, landing, generation, WHOLE)
        for count in parts:
            split = _prepare(project, landing, generation, count)
            found = next(_differences(whole, split), None)
            if found is not None:
                return Trial(pipeline, case.label, parts, whole.results[0], found)
    except PenstockError as error:
        return Trial(pipeline, case.label, parts, error=error)
    return Trial(pipeline, case.label, parts, whole.results[0], error=_error(whole.results[0]))


def _generation(pipeline: str, case: _Case, landing: FolderLanding, now: datetime) -> Generation:
    """The delivery that the files would be."""
    if "" in case.files:
        address = landing.receive(case.files[""], f"landing/{case.files[''].name}")
        slot, content = Slot(pipeline, address), landing.content(address)
        return Generation(slot, 1, Kind.DELIVERY, 1, now, content, case.parts)
    members = tuple(
        Member(name, address, landing.content(address))
        for name, file in case.files.items()
        for address in [landing.receive(file, f"landing/{name}/{file.name}")]
    )
    slot = Slot(pipeline, case.label)
    return Generation(slot, 1, Kind.DELIVERY, 1, now, vector(members), case.parts, members=members)


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
