"""A project inside this process as a system that scenarios are played on.

Its clock stands still until it is turned, so that leases expire and retries fall due at once; its ports pass a trap,
so that it can die at any call and be opened again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from penstock.ledger.port import RetryPolicy
from penstock.model.runs import Run
from penstock.model.slots import Delivery, Kind, Slot
from penstock.runtime.healing import Selection
from penstock.runtime.intake import takers
from penstock.runtime.worker import Listener, Worker, ignore
from penstock.testing.histories import Change, Deliver, During, Edits, Fire, Publish, Reload, Replay, Send, Withdraw
from penstock.testing.promises import Told
from penstock.testing.tripwires import Clock, Died, Trap, Wired
from penstock.testing.views import Opened, View, left_behind

LONG = timedelta(minutes=20)
"""Longer than any lease, and than any wait before a retry."""
MOST_TURNS = 40
"""How often the clock may be turned until everything rests."""

PATIENT = RetryPolicy(attempts=1000, deaths=1000)
"""Scenarios kill more often than machines die."""

Sources = Callable[[Publish], None]
"""Lets somebody else's source show something."""


def nowhere(step: Publish) -> None:
    """There is no such source."""
    raise LookupError(step.name)


class Machine:
    """See `penstock.testing.histories.System`."""

    def __init__(
        self,
        opening: Callable[[], Opened],
        view: View,
        *,
        rig: Callable[[Opened], None] = lambda _: None,
        sources: Sources = nowhere,
    ) -> None:
        """`opening` opens the project, again after each death; `rig` may exchange its ports before they are used."""
        self._opening, self._view, self._rig, self._sources = opening, view, rig, sources
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
        if project.streams:
            buffers = {name: Wired(buffer, "buffer", self.trap) for name, buffer in project.buffers.items()}
            project.buffers = buffers
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
        """See `System`. What had no effect before the process died is asked for again."""
        if isinstance(step, Publish):
            return self._sources(step)
        before = self._accepted(step)
        while self._dies_of(lambda: carry_out(self.project, step)) and self._accepted(step) == before:
            pass
        return None

    def _accepted(self, step: Change) -> int:
        return accepted(self.project, step)

    def work(self, during: During | None = None) -> None:
        """See `System`."""
        left = list(during.steps) if during else []
        before: list[int] = []

        def hear(stage: str, _run: Run) -> None:
            while left and during and stage == during.stage:
                before[:] = [self._accepted(left[0])]
                self._within(left[0])
                left.pop(0)
                before.clear()

        if self._dies_of(lambda: self._work_once(hear)) and before and self._accepted(left[0]) > before[0]:
            left.pop(0)
        for step in left:
            self.change(step)

    def _within(self, step: Change) -> None:
        """A change while a run is on its way: dying of it is dying of the run."""
        if isinstance(step, Publish):
            self._sources(step)
        else:
            carry_out(self.project, step)

    def _work_once(self, listener: Listener = ignore) -> Run | None:
        self._gather()
        return self._worker(listener).work()

    def _gather(self) -> None:
        """What waits in streams becomes files, and is offered."""
        if self.project.streams:
            self.project.flusher.flush(everything=True)
            self.project.intake.rescan()

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
        while self._work_once() is not None:
            pass

    def _worker(self, listener: Listener = ignore) -> Worker:
        return Worker("machine", self.project.equipment, listener)

    # --- looking -------------------------------------------------------------------------------------------------

    def told(self) -> Told:
        """See `System`: of the first destination."""
        return self._view.told(self.project)

    def faults(self) -> list[str]:
        """See `System`."""
        found = self._view.disagreements(self.project)
        self.project.close()
        found += left_behind(self.project)
        self.project = self._open()
        return found


def carry_out(project: Opened, step: Change) -> None:
    """Make a change durable. A replay is also worked on until it rests; what a sender writes is offered."""
    match step:
        case Deliver(address, data):
            write(project.zones_folder / address, data)
            for name in takes(project, address):
                project.accept(name, [address], reload=False)
        case Reload(address):
            for name in takes(project, address):
                project.accept(name, [address], reload=True)
        case Withdraw(address):
            slots = [Slot(name, address) for name in takes(project, address)]
            project.ledger.accept([Delivery(slot, Kind.WITHDRAWAL) for slot in slots], project.clock())
        case Replay(address, edits):
            _replay(project, address, edits)
        case Fire(pipeline):
            project.fire(pipeline)
        case Send(stream, records):
            project.writer(stream).write(*records.values(), ids=records.keys())
        case Publish():
            raise LookupError(step.name)


def _replay(project: Opened, address: str, edits: Edits) -> None:
    for name in takes(project, address):
        waiting = Selection(pipeline=name, slot=address)
        if any(project.rejects(waiting)):
            listed = [{"slot": address, "line": line, "set": dict(edit)} for line, edit in edits.items()]
            project.replay(waiting, listed)


def takes(project: Opened, address: str) -> list[str]:
    """The pipelines that an object belongs to."""
    return [match.pipeline for match in takers(project.pipelines, address)]


def accepted(project: Opened, step: Change) -> int:
    """How often something was accepted that a step is about. To fire, or to send events under their names, may be asked
    for again and again."""
    if not isinstance(step, Deliver | Reload | Withdraw | Replay):
        return 0
    slots = [Slot(name, step.address) for name in takes(project, step.address)]
    return sum(len(project.ledger.history(slot)) for slot in slots)


def write(path: Path, data: bytes) -> None:
    """A file that is there wholly or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.part")
    draft.write_bytes(data)
    draft.replace(path)
