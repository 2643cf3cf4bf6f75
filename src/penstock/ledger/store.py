"""What the book asks of a store: keep records, find them again, and let several writes happen together or not at all.

A store decides nothing. Two sentences hold for every one of them: what `writing` yields sees its own writes, and what
is raised inside of it undoes them; `writing` inside of `writing` is a savepoint of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from penstock.ledger.port import Calendar, Record
from penstock.model.events import Event
from penstock.model.firings import Firing, Pulled, Timetable
from penstock.model.messages import Message
from penstock.model.readiness import KeyState
from penstock.model.refusals import Waiting
from penstock.model.runs import Run
from penstock.model.slots import Generation, Member, Slot
from penstock.model.strays import Stray


class Slots(Protocol):
    """Slots and their generations. A generation that waits stands in the queue of its pipeline, or is blocked there."""

    def tail(self, slot: Slot) -> Sequence[Generation]:
        """The newest generation that is not a patch, and the patches after it, in order; empty for an unknown slot."""
        ...

    def places(self) -> int:
        """How many generations were ever accepted."""
        ...

    def add(self, generation: Generation, *, ready: bool) -> None:
        """Keep a new generation, which waits: `ready` to be claimed, or blocked by an earlier one of its slot."""
        ...

    def amend(self, generation: Generation) -> None:
        """Write the standing and content of a generation that no open run holds. Only accepted ones go on waiting."""
        ...

    def ready(self, generation: Generation) -> bool:
        """Whether it waits to be claimed, and nothing earlier of its slot comes first."""
        ...

    def unblock(self, generation: Generation) -> None:
        """It is ready to be claimed."""
        ...

    def queue(self, pipelines: Sequence[str] | None) -> Iterator[Generation]:
        """Those that are ready, oldest first, of one pipeline: the one whose oldest is the oldest of all."""
        ...


class Keys(Protocol):
    """Keys of pipelines with several inputs, and the marks of their members."""

    def open_key(self, state: KeyState) -> None:
        """Keep a key of which nothing is marked yet."""
        ...

    def put_mark(self, slot: Slot, member: Member, instead: Sequence[Member]) -> None:
        """Keep a member of a key, in the place of others."""
        ...

    def drop_mark(self, slot: Slot, member: Member) -> None:
        """A member of a key is there no longer."""
        ...

    def reported(self, slot: Slot) -> None:
        """It is known that the key is late."""
        ...


class Holds(Protocol):
    """Which run holds a slot: one at most."""

    def held(self, slot: Slot) -> bool: ...

    def hold(self, run: str, slots: Iterable[Slot]) -> None:
        """The run holds these slots now, whoever held them before."""
        ...

    def free(self, run: Run) -> list[Generation]:
        """The run holds nothing any more. Returns the first blocked generation of each slot that it held."""
        ...


class Runs(Protocol):
    """Runs, each with its generations."""

    def run(self, run: str) -> Run | None: ...

    def begin(self, run: Run) -> None:
        """Keep a new run, and write its generations, which wait no longer."""
        ...

    def save(self, run: Run) -> None:
        """Write what has changed of a run and its generations."""
        ...

    def begun(self) -> int:
        """How many runs there ever were."""
        ...

    def due(self, now: datetime, pipelines: Sequence[str] | None) -> Run | None:
        """The running run whose lease expired first, else the waiting one whose retry was due first."""
        ...

    def halves(self, run: str) -> list[Run]:
        """The runs into which it was bisected, in order."""
        ...

    def held_by(self, worker: str) -> list[Run]:
        """The running runs of a worker."""
        ...


class Waits(Protocol):
    """Rows that wait because a destination refused them."""

    def waiting(self, pipeline: str) -> list[Waiting]:
        """In the order of addresses and numbers."""
        ...

    def keep_waiting(self, item: Waiting) -> None:
        """Keep what waits of a generation, in the place of what waited of it."""
        ...

    def drop_waiting(self, item: Waiting) -> None: ...


class Letters(Protocol):
    """Messages, and how far readers of the events have come."""

    def told(self) -> int:
        """The sequence of the last event; 0 when there is none."""
        ...

    def cursor(self, name: str) -> int | None: ...

    def move_cursor(self, name: str, sequence: int) -> None: ...

    def message(self, message: str) -> Message | None: ...

    def keep_message(self, message: Message) -> None:
        """Keep a new message, or what has changed of one."""
        ...

    def due_message(self, now: datetime, leaving: Sequence[str]) -> Message | None:
        """The one that is due longest, but for those of some channels."""
        ...


class Drifts(Protocol):
    """What was told of tables whose columns have become others."""

    def keep_drift(self, pipeline: str, table: str, drift: Mapping[str, str]) -> bool:
        """Keep that a drift is told; False where it was told before."""
        ...


class Strays(Protocol):
    """Objects that fit no pipeline."""

    def keep_stray(self, stray: Stray) -> bool:
        """Keep that one is told of; False where it was told of before, in this version."""
        ...


class Firings(Calendar, Protocol):
    """Schedules and their firings."""

    def timetable(self, pipeline: str) -> Timetable | None: ...

    def keep_timetable(self, item: Timetable) -> None: ...

    def keep_firing(self, item: Firing) -> None:
        """Keep a new firing, or what has changed of it."""
        ...

    def keep_pulled(self, pipeline: str, item: Pulled) -> None: ...


class Reading(Record, Calendar, Protocol):
    """All that can be read."""


class Pages(Slots, Keys, Holds, Runs, Waits, Letters, Drifts, Strays, Firings, Record, Protocol):
    """The record within one transaction."""

    def record(self, events: Iterable[Event]) -> None:
        """Append events; they are numbered in the order of their commits."""
        ...


class Store(Protocol):
    """A durable record, or one in memory."""

    def writing(self) -> AbstractContextManager[Pages]:
        """One transaction at a time, wholly or not at all."""
        ...

    def reading(self) -> AbstractContextManager[Reading]:
        """A consistent look at what is committed; never waits for a writer."""
        ...
