"""Histories that nobody would think of, made from a seed, and their comparison with an oracle.

A scenario is plain data: the same seed makes the same one on every machine. `play` acts it out on a system and asks an
oracle whenever that has come to rest. A failure is told with the seed. Which systems there are, this module does not
know: a `penstock.testing.tellers.Teller` makes up what may happen to one, an `Oracle` tells what must come of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from penstock.testing.promises import (
    Account,
    Delivery,
    Event,
    Form,
    Patch,
    Slot,
    Told,
    Withdrawal,
    after,
    differences,
)

Edits = Mapping[int, Mapping[str, str]]


# --- steps -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Deliver:
    """An object is written and offered."""

    address: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Reload:
    """A person loads what lies there once more."""

    address: str


@dataclass(frozen=True, slots=True)
class Withdraw:
    """A person takes a delivery back."""

    address: str


@dataclass(frozen=True, slots=True)
class Replay:
    """A person sends all rejected lines of a delivery again, some with corrections."""

    address: str
    edits: Edits = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Publish:
    """Somebody else's source shows this from now on. Nothing of the project takes part."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Fire:
    """A schedule or a person sets off a pipeline that fetches what it reads."""

    pipeline: str


@dataclass(frozen=True, slots=True)
class Send:
    """Records are sent to a stream, by the names of their events, until they are acknowledged."""

    stream: str
    records: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Work:
    """One run, if there is any."""


@dataclass(frozen=True, slots=True)
class During:
    """One run, and things that happen when it has reached a boundary."""

    stage: str
    steps: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Die:
    """The process dies at its next call of this name, before it or after it has worked, and is started again."""

    call: str
    after: bool


@dataclass(frozen=True, slots=True)
class Settle:
    """Everything comes to rest; then the oracle is asked."""


Change = Deliver | Reload | Withdraw | Replay | Publish | Fire | Send
Step = Change | Work | During | Die | Settle


@dataclass(frozen=True, slots=True)
class Scenario:
    """What happens, in order."""

    seed: int
    steps: tuple[Step, ...]


class System(Protocol):
    """What a scenario is played on."""

    def change(self, step: Change) -> None:
        """Durable when it returns."""
        ...

    def work(self, during: During | None = None) -> None:
        """One run, if there is any."""
        ...

    def die(self, call: str, *, after: bool) -> None:
        """See `Die`."""
        ...

    def settle(self) -> None:
        """Work, retry and wait until nothing is left to do."""
        ...

    def told(self) -> Told:
        """What the tables hold and what the ledger says."""
        ...

    def faults(self) -> list[str]:
        """What is wrong in itself: differences that `verify` finds, files that were left behind."""
        ...


class Oracle(Protocol):
    """Knows what must come of what has happened."""

    def add(self, step: Change | Settle) -> None:
        """This happened; after a `Settle` everything had come to rest, and was compared."""
        ...

    def judge(self, found: Told) -> list[str]:
        """How a system at rest differs from what it must be."""
        ...


# --- playing -----------------------------------------------------------------------------------------------------


class Mismatch(AssertionError):
    """The system is not as the oracle says."""


def play(scenario: Scenario, system: System, oracle: Oracle) -> None:
    """Act the scenario out. Raises `Mismatch` at the first comparison that fails."""
    for number, step in enumerate(scenario.steps):
        match step:
            case Work():
                system.work()
            case During():
                system.work(step)
                for change in step.steps:
                    oracle.add(change)
            case Die():
                system.die(step.call, after=step.after)
            case Settle():
                system.settle()
                compare(oracle, system, f"seed {scenario.seed}, step {number}")
            case _:
                system.change(step)
                oracle.add(step)


def compare(oracle: Oracle, system: System, where: str) -> None:
    """Raise `Mismatch` unless the system holds exactly what the oracle tells, and nothing is wrong with it."""
    found = system.told()
    wrong = [*oracle.judge(found), *system.faults()]
    wrong += [f"{address}: {fates} does not balance" for address, fates in _unbalanced(found)]
    if wrong:
        raise Mismatch("\n".join([where, *wrong]))
    oracle.add(Settle())


def _unbalanced(found: Told) -> list[tuple[str, object]]:
    return [(name, fates) for name, slot in found.slots.items() for fates in slot.fates if fates.told != fates.read]


class Files(ABC):
    """An oracle of files, each of which belongs to a slot of its own. What becomes of their rows, a subclass tells."""

    def __init__(self, form_of: Callable[[str], Form | None]) -> None:
        """`form_of` says how the file at an address is read; None where nobody takes it."""
        self.form_of, self.slots = form_of, dict[str, Slot]()

    def add(self, step: Change | Settle) -> None:
        """See `Oracle`. Raises `ValueError` for an impossible history."""
        event = self._event(step)
        form = self.form_of(event.address) if event else None
        if event and form:
            self.slots[event.address] = after(self.slots.get(event.address, Slot()), event, form)

    def _event(self, step: Change | Settle) -> Event | None:
        match step:
            case Deliver(address, data):
                return Delivery(0, address, data)
            case Reload(address):
                return Delivery(0, address, self.slots[address].content or b"", reload=True)
            case Withdraw(address):
                return Withdrawal(0, address)
            case Replay(address, edits):
                return Patch(0, address, edits)
        return None

    @abstractmethod
    def told(self) -> Told:
        """What must be so once everything has come to rest."""

    def judge(self, found: Told) -> list[str]:
        """See `Oracle`."""
        return differences(self.told(), found)

    @property
    def accounts(self) -> dict[str, Account]:
        """By address."""
        return {address: slot.account for address, slot in self.slots.items()}
