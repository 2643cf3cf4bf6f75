"""Histories that nobody would think of, made from a seed, and their comparison with the oracle.

A scenario is plain data: the same seed makes the same one on every machine. `play` acts it out on a system and
compares with `penstock.testing.oracle` whenever that has come to rest. A failure is told with the seed.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from penstock.testing import oracle
from penstock.testing.exports import BRANCHES, Edits, Export, export, no_export
from penstock.testing.oracle import Account, Key, Told, differences, expected
from penstock.testing.tills import Unreadable, read

STAGES = ("prepare", "load", "publish")
DEATHS = (
    "ledger.claim",
    "engine.prepare",
    "ledger.prepared",
    "destination.load",
    "ledger.loaded",
    "ledger.published",
    "ledger.accept",
)
"""Calls around which a process may die."""

UNKEYED = Key()
"""Good enough to ask about accounts."""


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
class Work:
    """One run, if there is any."""


@dataclass(frozen=True, slots=True)
class During:
    """One run, and things that happen when it has reached a boundary."""

    stage: str
    steps: tuple[Deliver | Reload | Withdraw | Replay, ...]


@dataclass(frozen=True, slots=True)
class Die:
    """The process dies at its next call of this name, before it or after it has worked, and is started again."""

    call: str
    after: bool


@dataclass(frozen=True, slots=True)
class Settle:
    """Everything comes to rest; then the oracle is asked."""


Change = Deliver | Reload | Withdraw | Replay
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


# --- playing -----------------------------------------------------------------------------------------------------


class Mismatch(AssertionError):
    """The system is not as the oracle says."""


def play(scenario: Scenario, system: System, key: Key) -> Told:
    """Act the scenario out. Returns what the oracle tells at the end; raises `Mismatch` at the first comparison that
    fails."""
    history = History()
    for number, step in enumerate(scenario.steps):
        match step:
            case Work():
                system.work()
            case During():
                system.work(step)
                history.add(*step.steps)
            case Die():
                system.die(step.call, after=step.after)
            case Settle():
                system.settle()
                compare(history.told(key), system, f"seed {scenario.seed}, step {number}")
            case _:
                system.change(step)
                history.add(step)
    return history.told(key)


def compare(told: Told, system: System, where: str) -> None:
    """Raise `Mismatch` unless the system holds exactly what the oracle tells, and nothing is wrong with it."""
    found = system.told()
    wrong = [*differences(told, found), *system.faults()]
    wrong += [f"{address}: {fates} does not balance" for address, fates in _unbalanced(found)]
    if wrong:
        raise Mismatch("\n".join([where, *wrong]))


def _unbalanced(found: Told) -> list[tuple[str, object]]:
    return [(name, fates) for name, slot in found.slots.items() for fates in slot.fates if fates.told != fates.read]


class History:
    """What has happened, as the oracle wants it told."""

    def __init__(self) -> None:
        self._deliveries: list[oracle.Delivery] = []
        self._patches: list[oracle.Patch] = []
        self._withdrawals: list[oracle.Withdrawal] = []
        self._content: dict[str, bytes] = {}
        self._at = 0

    def add(self, *changes: Change) -> None:
        for change in changes:
            self._at += 1
            match change:
                case Deliver(address, data):
                    self._content[address] = data
                    self._deliveries.append(oracle.Delivery(self._at, address, data))
                case Reload(address):
                    self._deliveries.append(oracle.Delivery(self._at, address, self._content[address], reload=True))
                case Withdraw(address):
                    self._withdrawals.append(oracle.Withdrawal(self._at, address))
                case Replay(address, edits):
                    self._patches.append(oracle.Patch(self._at, address, edits))

    def told(self, key: Key = UNKEYED) -> Told:
        return expected(self._deliveries, self._patches, self._withdrawals, key=key)


# --- making ------------------------------------------------------------------------------------------------------


def scenario(seed: int, *, length: int = 30, addresses: int = 5, deaths: Sequence[str] = DEATHS) -> Scenario:
    """A history of about `length` steps over a few slots, the same for the same seed."""
    teller = _Teller(random.Random(seed), addresses, deaths)  # noqa: S311  invented sales, no secrets
    while len(teller.steps) < length:
        teller.tell()
    teller.settle()
    return Scenario(seed, tuple(teller.steps))


class _Teller:
    """Makes up one step after another, and knows of each slot what may happen to it next."""

    def __init__(self, rng: random.Random, addresses: int, deaths: Sequence[str]) -> None:
        self.rng, self.deaths, self.steps, self.history = rng, deaths, list[Step](), History()
        self.places = [_place(number) for number in range(addresses)]
        self.contents: dict[str, list[Export]] = {}
        self.moving: set[str] = set()
        """Slots of which something may still be on its way that would be lost if its object became unreadable."""

    def tell(self) -> None:
        acts: tuple[tuple[Callable[[], None], int], ...] = (
            (self._change_something, 60),
            (self._work, 14),
            (self._during, 10),
            (self._die, 8 if self.deaths else 0),
            (self.settle, 8),
        )
        self.rng.choices([act for act, _ in acts], [weight for _, weight in acts])[0]()

    def settle(self) -> None:
        self.moving.clear()
        self.steps.append(Settle())

    def _work(self) -> None:
        self.steps.append(Work())

    def _die(self) -> None:
        self.steps.append(Die(self.rng.choice(self.deaths), after=self.rng.random() < 0.5))

    def _during(self) -> None:
        changes = [change for _ in range(self.rng.choice((1, 1, 2))) if (change := self._change(busy=True))]
        self.steps.append(During(self.rng.choice(STAGES), tuple(changes)))

    def _change_something(self) -> None:
        change = self._change()
        if change:
            self.steps.append(change)

    def _change(self, *, busy: bool = False) -> Change | None:
        """Something that can happen now; while others run, nothing that would first have to wait for them."""
        address, branch, day = self.rng.choice(self.places)
        kinds = (self._newer, self._again, self._earlier, self._useless, self._reload, self._withdraw, self._replay)
        kind = self.rng.choices(kinds, (34, 12, 8, 8, 6, 10, 22))[0] if address in self.contents else self._newer
        if kind in (self._useless, self._replay) and address in self.moving:
            if busy:
                return None
            self.settle()
        change = kind(address, branch, day)
        if change is not None:
            self.history.add(change)
            self._note(change)
        return change

    def _note(self, change: Change) -> None:
        """A withdrawal needs no object: whatever that becomes next, it counts, and nothing before it does."""
        if isinstance(change, Withdraw):
            self.moving.discard(change.address)
        else:
            self.moving.add(change.address)

    def _newer(self, address: str, branch: str, day: datetime) -> Change:
        made = export(self.rng, branch, day, self.rng.randrange(1, 9))
        self.contents.setdefault(address, []).append(made)
        return Deliver(address, made.data)

    def _again(self, address: str, _branch: str, _day: datetime) -> Change:
        return Deliver(address, self.contents[address][-1].data)

    def _earlier(self, address: str, _branch: str, _day: datetime) -> Change | None:
        made = self.rng.choice(self.contents[address])
        if address in self.moving and not _readable(made.data):
            return None
        self.contents[address].append(made)
        return Deliver(address, made.data)

    def _useless(self, address: str, _branch: str, _day: datetime) -> Change:
        made = Export(no_export(self.rng), {})
        self.contents[address].append(made)
        return Deliver(address, made.data)

    def _reload(self, address: str, _branch: str, _day: datetime) -> Change:
        return Reload(address)

    def _withdraw(self, address: str, _branch: str, _day: datetime) -> Change:
        return Withdraw(address)

    def _replay(self, address: str, _branch: str, _day: datetime) -> Change | None:
        account = self._account(address)
        if account.standing != "loaded" or not account.waiting:
            return None
        known = self.contents[address][-1].edits
        chosen = [line for line in sorted(account.waiting) if line in known and self.rng.random() < 0.6]
        return Replay(address, {line: known[line] for line in chosen})

    def _account(self, address: str) -> Account:
        return self.history.told().slots[address]


def _readable(data: bytes) -> bool:
    try:
        return bool(read(data))
    except Unreadable:
        return False


def _place(number: int) -> tuple[str, str, datetime]:
    branch = BRANCHES[number % len(BRANCHES)]
    day = datetime(2024, 3, 4, 9) + timedelta(days=number // len(BRANCHES))  # noqa: DTZ001  tills print local time
    return f"landing/{branch.lower()}_{day:%d-%m-%Y_%H-%M-%S}.csv", branch, day
