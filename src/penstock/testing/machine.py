"""A project inside this process as a system that scenarios are played on.

Its clock stands still until it is turned, so that leases expire and retries fall due at once; its ports pass a trap,
so that it can die at any call and be opened again.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from penstock.ledger.port import Ledger, RetryPolicy
from penstock.model.fates import Fates
from penstock.model.runs import Run
from penstock.model.slots import Acceptance, Delivery, Generation, Kind, Slot, Standing
from penstock.runtime.healing import Reject, Selection
from penstock.runtime.ports import Destination, Engine
from penstock.runtime.worker import Equipment, Worker
from penstock.testing.oracle import PIPELINE, Account, Row, Told
from penstock.testing.scenarios import Change, Deliver, During, Reload, Replay, Withdraw
from penstock.testing.tripwires import Clock, Died, Trap, Wired

LONG = timedelta(minutes=10)
"""Longer than any lease, and than any wait before a retry."""
MOST_TURNS = 40
"""How often the clock may be turned until everything rests."""

PATIENT = RetryPolicy(attempts=1000, deaths=1000)
"""Scenarios kill more often than machines die."""

Reader = Callable[[], Mapping[str, Counter[Row]]]
"""Reads the café's tables at one destination, as a stranger would."""


class Opened(Protocol):
    """What a machine needs of a project; `penstock.wiring.local.Project` has it."""

    clock: Callable[[], datetime]
    ledger: Ledger
    engine: Engine
    destinations: dict[str, Destination]
    equipment: Equipment
    zones_folder: Path
    store: Path

    def accept(self, pipeline: str, addresses: Sequence[str], *, reload: bool) -> list[Acceptance]: ...
    def replay(self, selection: Selection, edits: Sequence[Mapping[str, Any]]) -> object: ...
    def rejects(self, selection: Selection) -> Iterator[Reject]: ...
    def verify(self) -> Sequence[object]: ...
    def sweep(self) -> object: ...
    def close(self) -> None: ...


class Machine:
    """See `penstock.testing.scenarios.System`."""

    def __init__(
        self,
        opening: Callable[[], Opened],
        readers: Mapping[str, Reader],
        *,
        rig: Callable[[Opened], None] = lambda _: None,
    ) -> None:
        """`opening` opens the project, again after each death; `rig` may exchange its ports before they are used."""
        self._opening, self._readers, self._rig = opening, readers, rig
        self.clock, self.trap = Clock(), Trap()
        self.deaths: Counter[str] = Counter()
        self.project = self._open()

    def _open(self) -> Opened:
        project = self._opening()
        project.clock = self.clock
        self._rig(project)
        project.ledger = Wired(project.ledger, "ledger", self.trap)
        project.engine = Wired(project.engine, "engine", self.trap)
        project.destinations = {
            name: Wired(destination, "destination", self.trap) for name, destination in project.destinations.items()
        }
        project.equipment = replace(project.equipment, policy=PATIENT)
        return project

    def close(self) -> None:
        self.project.close()

    def _dies_of(self, act: Callable[[], object]) -> bool:
        """Whether the process died of this. Then it is started again, and its leases have expired."""
        try:
            act()
        except Died as death:
            self.deaths[str(death)] += 1
            self.project.close()
            self.project = self._open()
            self.clock.turn(LONG)
            return True
        return False

    # --- steps ---------------------------------------------------------------------------------------------------

    def change(self, step: Change) -> None:
        """See `System`. What was not accepted before the process died is asked for again."""
        before = self._accepted(step)
        while self._dies_of(lambda: carry_out(self.project, step)) and self._accepted(step) == before:
            pass

    def _accepted(self, step: Change) -> int:
        return len(self.project.ledger.history(Slot(PIPELINE, step.address)))

    def work(self, during: During | None = None) -> None:
        """See `System`."""
        left = list(during.steps) if during else []
        accepted: list[int] = []

        def hear(stage: str, _run: Run) -> None:
            while left and during and stage == during.stage:
                accepted[:] = [self._accepted(left[0])]
                carry_out(self.project, left[0])
                left.pop(0)
                accepted.clear()

        if self._dies_of(lambda: self._worker(hear).work()) and accepted and self._accepted(left[0]) > accepted[0]:
            left.pop(0)
        for step in left:
            self.change(step)

    def die(self, call: str, *, after: bool) -> None:
        """See `System`."""
        self.trap.set(call, after=after)

    def settle(self) -> None:
        """See `System`. Raises `AssertionError` when something never rests."""
        for _ in range(MOST_TURNS):
            died = self._dies_of(self._work_all)
            if not died and not self.project.ledger.pending():
                self.project.sweep()
                return
            self.clock.turn(LONG)
        raise AssertionError(f"{self.project.ledger.pending()} generations never come to rest")

    def _work_all(self) -> None:
        worker = self._worker()
        while worker.work() is not None:
            pass

    def _worker(self, listener: Callable[[str, Run], None] = lambda _stage, _run: None) -> Worker:
        return Worker("machine", self.project.equipment, listener)

    # --- looking -------------------------------------------------------------------------------------------------

    def told(self) -> Told:
        """See `System`: of the first destination."""
        return Told(next(iter(self._readers.values()))(), accounts(self.project))

    def faults(self) -> list[str]:
        """See `System`."""
        found = disagreements(self.project, self._readers)
        self.project.close()
        found += left_behind(self.project)
        self.project = self._open()
        return found


def carry_out(project: Opened, step: Change) -> None:
    """Make a change durable. A replay is also worked on until it rests."""
    match step:
        case Deliver(address, data):
            write(project.zones_folder / address, data)
            project.accept(PIPELINE, [address], reload=False)
        case Reload(address):
            project.accept(PIPELINE, [address], reload=True)
        case Withdraw(address):
            project.ledger.accept([Delivery(Slot(PIPELINE, address), Kind.WITHDRAWAL)], project.clock())
        case Replay(address, edits):
            waiting = Selection(pipeline=PIPELINE, slot=address)
            if any(project.rejects(waiting)):
                listed = [{"slot": address, "line": line, "set": dict(edit)} for line, edit in edits.items()]
                project.replay(waiting, listed)


def write(path: Path, data: bytes) -> None:
    """A file that is there wholly or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.part")
    draft.write_bytes(data)
    draft.replace(path)


def accounts(project: Opened) -> dict[str, Account]:
    """What the ledger and the quarantine say of each slot."""
    ledger, lines = project.ledger, defaultdict[str, dict[str, set[int]]](lambda: defaultdict(set))
    for reject in project.rejects(Selection(pipeline=PIPELINE, status=())):
        lines[reject.slot][reject.status].add(reject.line)
    fates = defaultdict[str, list[Fates]](list)
    for generation, result in sorted(ledger.live(PIPELINE), key=lambda pair: pair[0].number):
        fates[generation.slot.address].append(result.fates)
    return {
        slot.address: _account(ledger.history(slot), fates[slot.address], lines[slot.address])
        for slot in ledger.slots(PIPELINE)
    }


def disagreements(project: Opened, readers: Mapping[str, Reader]) -> list[str]:
    """What `verify` finds, and destinations that do not hold the same."""
    first, *others = ((name, reader()) for name, reader in readers.items())
    unlike = [f"{name} is not as {first[0]}" for name, tables in others if tables != first[1]]
    return [*map(str, project.verify()), *unlike, *outdated(project)]


def outdated(project: Opened) -> list[str]:
    """Rejected rows of attempts that did not count."""
    found = []
    for folder in (project.zones_folder / "quarantine" / PIPELINE).glob("*/*"):
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
