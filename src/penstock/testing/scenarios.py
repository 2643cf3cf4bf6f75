"""The café's histories: exports of several branches and days, with every mistake that tills make."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

from penstock.testing.exports import BRANCHES, export, no_export
from penstock.testing.histories import Files, Scenario
from penstock.testing.oracle import Key, Told, told
from penstock.testing.tellers import DEATHS, FileTeller, Made
from penstock.testing.tills import TILLS

UNKEYED = Key()
"""Good enough to ask about accounts."""


class History(Files):
    """The café's oracle, told step by step."""

    def __init__(self, key: Key = UNKEYED) -> None:
        super().__init__(lambda _: TILLS)
        self.key = key

    def told(self) -> Told:
        """See `Files`."""
        return told(self.slots, self.key)


def teller(seed: int, deaths: Sequence[str] = DEATHS, *, addresses: int = 5) -> FileTeller:
    """What may befall a few slots."""
    return FileTeller(seed, History(), dict(_place(number) for number in range(addresses)), no_export, deaths)


def scenario(seed: int, *, length: int = 30) -> Scenario:
    """A history of about `length` steps, the same for the same seed."""
    return teller(seed).scenario(length)


def _place(number: int) -> tuple[str, Callable[[random.Random], Made]]:
    branch = BRANCHES[number % len(BRANCHES)]
    day = datetime(2024, 3, 4, 9) + timedelta(days=number // len(BRANCHES))  # noqa: DTZ001  tills print local time
    return f"landing/{branch.lower()}_{day:%d-%m-%Y_%H-%M-%S}.csv", partial(_made, branch=branch, day=day)


def _made(rng: random.Random, *, branch: str, day: datetime) -> Made:
    return export(rng, branch, day, rng.randrange(1, 9))
