"""Who makes up histories from a seed: one step after another, each of which can happen then."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from penstock.testing.histories import (
    Change,
    Deliver,
    Die,
    During,
    Edits,
    Files,
    Oracle,
    Reload,
    Replay,
    Scenario,
    Settle,
    Step,
    Withdraw,
    Work,
)
from penstock.testing.sheets import Unreadable

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


class Teller(ABC):
    """Makes up one step after another. A subclass knows what may happen next, and keeps account of it."""

    def __init__(self, seed: int, oracle: Oracle, deaths: Sequence[str] = DEATHS) -> None:
        self.rng = random.Random(seed)  # noqa: S311  an invented world, no secrets
        self.seed, self.oracle, self.deaths, self.steps = seed, oracle, deaths, list[Step]()
        self.moving: set[str] = set()
        """What is still on its way: it would be lost if what comes next were refused."""

    def scenario(self, length: int) -> Scenario:
        """A history of about so many steps."""
        while len(self.steps) < length:
            self.tell()
        self.settle()
        return Scenario(self.seed, tuple(self.steps))

    def tell(self) -> None:
        """One step more, or a few."""
        acts: tuple[tuple[Callable[[], None], int], ...] = (
            (self._something, 60),
            (self._work, 14),
            (self._during, 10),
            (self._die, 8 if self.deaths else 0),
            (self.settle, 8),
        )
        self.rng.choices([act for act, _ in acts], [weight for _, weight in acts])[0]()

    @abstractmethod
    def change(self, *, busy: bool) -> Change | None:
        """Something that can happen now; while others run (`busy`), nothing that would first have to wait for them."""

    def settle(self) -> None:
        """Everything comes to rest."""
        self.moving.clear()
        self.oracle.add(Settle())
        self.steps.append(Settle())

    def at_rest(self, what: str, *, busy: bool) -> bool:
        """Whether nothing of this is on its way. Unless others run, that is waited for."""
        if what in self.moving and not busy:
            self.settle()
        return what not in self.moving

    def _changed(self, *, busy: bool = False) -> Change | None:
        change = self.change(busy=busy)
        if change is not None:
            self.oracle.add(change)
        return change

    def _something(self) -> None:
        change = self._changed()
        if change:
            self.steps.append(change)

    def _work(self) -> None:
        self.steps.append(Work())

    def _die(self) -> None:
        self.steps.append(Die(self.rng.choice(self.deaths), after=self.rng.random() < 0.5))

    def _during(self) -> None:
        changes = [change for _ in range(self.rng.choice((1, 1, 2))) if (change := self._changed(busy=True))]
        self.steps.append(During(self.rng.choice(STAGES), tuple(changes)))


@dataclass(frozen=True, slots=True)
class Made:
    """A file that was made up, and the corrections of its bad lines."""

    data: bytes
    edits: Edits = field(default_factory=dict)


Kind = Callable[[str], Change | None]
"""What may happen to the file at an address."""


class FileTeller(Teller):
    """What senders and people do with files."""

    def __init__(
        self,
        seed: int,
        files: Files,
        makers: Mapping[str, Callable[[random.Random], Made]],
        useless: Callable[[random.Random], bytes],
        deaths: Sequence[str] = DEATHS,
    ) -> None:
        """`makers` make contents by address; `useless` makes one of which nothing may be loaded."""
        super().__init__(seed, files, deaths)
        self.files, self.makers, self.useless = files, makers, useless
        self.made: dict[str, list[Made]] = {}

    def change(self, *, busy: bool) -> Change | None:
        """See `Teller`."""
        address = self.rng.choice(list(self.makers))
        kinds = (self._newer, self._again, self._earlier, self._useless, self._reload, self._withdraw, self._replay)
        kind = self.rng.choices(kinds, (34, 12, 8, 8, 6, 10, 22))[0] if address in self.made else self._newer
        if self.waits(kind) and not self.at_rest(address, busy=busy):
            return None
        change = kind(address)
        self._note(change)
        return change

    def waits(self, kind: Kind) -> bool:
        """Whether this can only happen when what came before it has come to rest."""
        return kind in (self._useless, self._replay)

    def deliver_all(self) -> None:
        """Every file comes once, in any order."""
        for address in self.rng.sample(list(self.makers), len(self.makers)):
            change = self._newer(address)
            self.oracle.add(change)
            self._note(change)
            self.steps.append(change)

    def _note(self, change: Change | None) -> None:
        """A withdrawal needs no object: whatever that becomes next, it counts, and nothing before it does."""
        if isinstance(change, Withdraw):
            self.moving.discard(change.address)
        elif isinstance(change, Deliver | Reload | Replay):
            self.moving.add(change.address)

    def _newer(self, address: str) -> Change:
        self.made.setdefault(address, []).append(self.makers[address](self.rng))
        return Deliver(address, self.made[address][-1].data)

    def _again(self, address: str) -> Change:
        return Deliver(address, self.made[address][-1].data)

    def _earlier(self, address: str) -> Change | None:
        found = self.rng.choice(self.made[address])
        if address in self.moving and not self._readable(address, found.data):
            return None
        self.made[address].append(found)
        return Deliver(address, found.data)

    def _useless(self, address: str) -> Change:
        self.made[address].append(Made(self.useless(self.rng)))
        return Deliver(address, self.made[address][-1].data)

    def _reload(self, address: str) -> Change:
        return Reload(address)

    def _withdraw(self, address: str) -> Change:
        return Withdraw(address)

    def _replay(self, address: str) -> Change | None:
        account = self.files.slots[address].account
        if account.standing != "loaded" or not account.waiting:
            return None
        known = self.made[address][-1].edits
        chosen = [line for line in sorted(account.waiting) if line in known and self.rng.random() < 0.6]
        return Replay(address, {line: known[line] for line in chosen})

    def _readable(self, address: str, data: bytes) -> bool:
        form = self.files.form_of(address)
        try:
            return form is not None and bool(form.read(data))
        except Unreadable:
            return False
