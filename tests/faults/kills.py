"""Histories that children act out, some of whom are killed at a place: whoever comes next finishes the work.

The steps are those of `penstock.testing.histories`. A place is passed by one kind of child: one that takes files in,
one that fires, one that sends, or one that works. After every rest the oracle is asked.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from penstock.testing.histories import Deliver, During, Fire, Publish, Scenario, Send, Settle, Work
from penstock.testing.machine import write

if TYPE_CHECKING:
    from tests.faults.children import Family

ANY_MOMENT = "any moment"
MOST_STORIES = 6
"""How many stories may be told until a place has been passed once more."""

ACCEPTING = ("accept.before_record", "accept.after_record")
FIRING = ("fire.fetched", "fire.landed", "fire.before_record", "fire.after_record")
SENDING = ("stream.before_commit", "stream.after_commit")
FLUSHING = ("stream.before_seal", "stream.sealed", "stream.written", "stream.released")
WORKING = (
    "claimed",
    "prepare.staged",
    "prepare.set_aside",
    "prepare.before_durable",
    "prepare.after_durable",
    "prepare.before_record",
    "prepare.after_record",
    "load.before",
    "load.after",
    "load.before_record",
    "load.after_record",
    "publish.before_record",
    "publish.after_record",
    "publish.released",
    "ledger.before_commit",
    "ledger.after_commit",
)
HALFWAY = ("prepare.kept", "halfway.before_record", "halfway.after_record")
LAKE = ("lake.table_kept", "lake.before_seal", "lake.sealed", "lake.before_flip", "lake.after_flip", "lake.collected")
POSTGRES = (
    "postgres.shadow_created",
    "postgres.shadow_filled",
    "postgres.erased",
    "postgres.copied",
    "postgres.before_commit",
    "postgres.after_commit",
)
OWN = {Deliver: ACCEPTING, Fire: FIRING, Send: SENDING}
"""The places that these steps pass, and, in a history that has them, nobody else."""

OFTEN = dict.fromkeys(("prepare.staged", "lake.table_kept", "postgres.copied"), 4) | dict.fromkeys(
    ("ledger.before_commit", "ledger.after_commit"), 6
)
"""Places that one run passes several times."""


@dataclass
class Story:
    """One project's life. `left` are the places where children are still to be killed, `killed` those where they were;
    `runs` is how many runs one child may come to."""

    family: Family
    scenario: Scenario
    left: list[str]
    rng: random.Random
    at_once: int = 1
    runs: int = 1
    sources: object = None
    killed: list[str] = field(default_factory=list)
    missed: set[str] = field(default_factory=set)

    def tell(self) -> list[str]:
        """Act it out. Returns where children were killed."""
        for number, step in enumerate(self.scenario.steps):
            match step:
                case Settle():
                    self._rest(f"seed {self.scenario.seed}, step {number}, killed at {', '.join(self.killed)}")
                case Work():
                    self._work(1)
                case During():
                    self._work(1)
                    for change in step.steps:
                        self._change(change)
                case _:
                    self._change(step)
        return self.killed

    def _rest(self, where: str) -> None:
        self._work(self.at_once)
        self.family.rest(where)
        age_snapshots(self.family.home.folder)

    def _work(self, most: int) -> None:
        """Some children who do not finish, then one who does."""
        for place in self._at_work[:most]:
            if not self._dies(place, act="work"):
                return
        self.family.run("work")

    @property
    def _at_work(self) -> list[str]:
        changes = {place for step in self.scenario.steps for place in OWN.get(type(step), ())}
        return [place for place in self.left if place not in changes]

    def _change(self, step) -> None:
        """A change, as often as it takes until it has happened once."""
        if isinstance(step, Publish):
            self.sources.publish(step)
        elif isinstance(step, Deliver):
            write(self.family.home.folder / step.address, step.data)
            self._insist(step, act="take_in")
        else:
            self._insist(step, act="change", step=step)
        self.family.oracle.add(step)

    def _insist(self, wanted, /, **options) -> None:
        """To take in, to fire, and to send under a name may be asked for again; all else counts each time."""
        once = not isinstance(wanted, tuple(OWN))
        before = self.family.ask("accepted", step=wanted) if once else 0
        places = self._at_work if once else [place for place in self.left if place in OWN[type(wanted)]]
        if places and not self._dies(places[0], **options):
            return
        if not once or not places or self.family.ask("accepted", step=wanted) == before:
            assert not self.family.run(**options)

    def _dies(self, place: str, **options) -> bool:
        """Whether a child was killed at a place; it may have passed it less often than was hoped."""
        killed = self.family.run(**self._fate(place), **options)
        self.left.remove(place)
        if killed:
            self.killed.append(place)
        else:
            self.missed.add(place)
            self.left.append(place)
        return killed

    def _fate(self, place: str) -> dict[str, object]:
        if place == ANY_MOMENT:
            return {"kill_after": self.rng.uniform(0, 0.5)}
        most = 1 if place in self.missed else OFTEN.get(place, 1) * self.runs
        return {"crash_at": f"{place}:{self.rng.randint(1, most)}"}


def age_snapshots(folder) -> None:
    """Two hours pass for the lake's snapshots, so that the next load may collect what it has replaced."""
    long_ago = time.time() - 7200
    for manifest in folder.glob("curated/.snapshots/*/*/.manifest.json"):
        os.utime(manifest, (long_ago, long_ago))


class Kills:
    """Kills, counted by place. `tell` tells a story with children who are to be killed at some places, so many at once,
    and returns where they were."""

    def __init__(self, tell, seed: int) -> None:
        self._tell, self.seed = tell, seed
        self.rng, self.counts, self.stories = random.Random(seed), Counter(), 0  # noqa: S311 - a test's dice

    def kill(self, places, wanted: int = 1, at_once: int = 1) -> None:
        """Kill at each of the places until it has been done so often."""
        left = [place for place in places for _ in range(wanted)]
        most = self.stories + MOST_STORIES * len(left)
        while left:
            assert self.stories < most, f"not passed: {sorted(set(left))}"
            self.stories += 1
            self.rng.shuffle(left)
            for place in self._tell(self, list(dict.fromkeys(left)), at_once):
                self.counts[place] += 1
                left.remove(place)

    def told(self, what: str) -> str:
        lines = [f"{count:6} at {place}" for place, count in self.counts.items()]
        return "\n".join([f"\n{self.counts.total()} kills, {what}, seed {self.seed}:", *lines])
