"""A project looked at from outside: its tables as a stranger reads them, what its ledger says, what was left behind."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from penstock.authoring.pipeline import Pipeline
from penstock.ledger.port import Ledger
from penstock.model.fates import Fates
from penstock.model.slots import Acceptance, Generation, Kind, Standing
from penstock.runtime.healing import Reject, Selection
from penstock.runtime.intake import Intake
from penstock.runtime.ports import Destination, Engine
from penstock.runtime.streams import Flusher
from penstock.runtime.worker import Equipment
from penstock.testing.promises import Account, Row, Told

Reader = Callable[[], Mapping[str, Counter[Row]]]
"""Reads the tables at one destination, as a stranger would."""


class Opened(Protocol):
    """What is needed of a project; `penstock.wiring.local.Project` has it."""

    clock: Callable[[], datetime]
    ledger: Ledger
    engine: Engine
    destinations: dict[str, Destination]
    equipment: Equipment
    buffers: Any
    zones_folder: Path
    store: Path

    @property
    def pipelines(self) -> Mapping[str, Pipeline]: ...
    @property
    def streams(self) -> Mapping[str, Any]: ...
    @property
    def flusher(self) -> Flusher: ...
    @property
    def intake(self) -> Intake: ...
    def accept(self, pipeline: str, addresses: Sequence[str], *, reload: bool) -> list[Acceptance]: ...
    def replay(self, selection: Selection, edits: Sequence[Mapping[str, Any]]) -> object: ...
    def rejects(self, selection: Selection) -> Iterator[Reject]: ...
    def fire(self, pipeline: str) -> object: ...
    def writer(self, stream: str) -> Any: ...
    def verify(self) -> Sequence[object]: ...
    def sweep(self) -> object: ...
    def close(self) -> None: ...


def _nothing(_: Opened) -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True, slots=True)
class View:
    """What is to be compared with an oracle: `readers` by destination, the pipelines of whose files accounts are taken,
    and other `facts`."""

    readers: Mapping[str, Reader]
    pipelines: tuple[str, ...]
    facts: Callable[[Opened], Mapping[str, Any]] = _nothing

    def told(self, project: Opened) -> Told:
        """Of the first destination."""
        tables = next(iter(self.readers.values()))()
        slots = {address: each for name in self.pipelines for address, each in accounts(project, name).items()}
        return Told(tables, slots, self.facts(project))

    def disagreements(self, project: Opened) -> list[str]:
        """What `verify` finds, destinations that do not hold the same, rejected rows of attempts that did not count."""
        first, *others = ((name, reader()) for name, reader in self.readers.items())
        unlike = [f"{name} is not as {first[0]}" for name, tables in others if tables != first[1]]
        return [*map(str, project.verify()), *unlike, *outdated(project)]


def accounts(project: Opened, pipeline: str) -> dict[str, Account]:
    """What the ledger and the quarantine say of each slot of a pipeline."""
    ledger, lines = project.ledger, defaultdict[str, dict[str, set[int]]](lambda: defaultdict(set))
    for reject in project.rejects(Selection(pipeline=pipeline, status=())):
        lines[reject.slot][reject.status].add(reject.line)
    fates = defaultdict[str, list[Fates]](list)
    for generation, result in sorted(ledger.live(pipeline), key=lambda pair: pair[0].number):
        fates[generation.slot.address].append(result.fates)
    return {
        slot.address: _account(ledger.history(slot), fates[slot.address], lines[slot.address])
        for slot in ledger.slots(pipeline)
    }


def outdated(project: Opened) -> list[str]:
    """Rejected rows of attempts that did not count."""
    found = []
    for folder in (project.zones_folder / "quarantine").glob("*/*/*"):
        run = project.ledger.run(folder.parent.name)
        if run is None or folder.name != str(run.staged_attempt):
            found.append(f"left behind: {folder.relative_to(project.zones_folder)}")
    return found


def _account(history: Sequence[Generation], fates: Sequence[Fates], lines: Mapping[str, set[int]]) -> Account:
    head = next(item for item in reversed(history) if item.kind is not Kind.PATCH)
    standing = {Standing.LOADED: "withdrawn" if head.kind is Kind.WITHDRAWAL else "loaded"}.get(
        head.standing, head.standing.value
    )
    waiting = lines.get("open", set()) | lines.get("parked", set())
    return Account(
        standing, len(history), tuple(fates), frozenset(waiting), frozenset(lines.get("healed", ())),
        frozenset(lines.get("superseded", ())),
    )  # fmt: skip


def left_behind(project: Opened) -> list[str]:
    """Files that should be gone once no process is left: staged rows, scratch, drafts that never got their name."""
    zones, store = project.zones_folder, project.store
    scratch = (zones / "staging", zones / "curated" / ".scratch", store / "scratch")
    files = [path for folder in scratch for path in folder.rglob("*") if path.is_file()]
    drafts = [path for path in zones.rglob("*") if path.suffix in (".part", ".tmp") or ".part." in path.name]
    return sorted({f"left behind: {path.relative_to(zones)}" for path in [*files, *drafts]})
