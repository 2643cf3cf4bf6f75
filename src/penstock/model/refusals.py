"""Rows that a destination refuses for what they hold, and how they wait to be tried again."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from penstock.model.slots import Slot

BY = "Refused by "
"""How the reason of such a row begins; the destination's name follows."""

RETRY = "retry"
"""The cause of a generation that tries rows again by itself."""

ATTEMPTS = 5
"""How often a row is tried by itself; then it is parked."""

_REST = timedelta(minutes=1)
_LONGER = 4


@dataclass(frozen=True, slots=True)
class Refused:
    """One staged row that a destination would not take."""

    slot: str
    """The slot's address."""
    row: int
    """The row's identity: its slot's base where it comes from a wide step, and so from the whole delivery."""
    table: str
    reason: str
    """In words; holds no value of the row."""
    mark: str = ""
    """A digest where the identity does not tell everything: of a shared table's row it is taken over the key,
    of a wide step's row over all of its values."""
    round: int = 1
    """In which round of its run it was refused: what is left may be refused as well."""


@dataclass(frozen=True, slots=True)
class Aside:
    """Rows of a generation that are set aside because a destination refused them, by line: 0 for each that has none."""

    lines: tuple[int, ...] = ()
    """Those that are tried again by themselves."""
    parked: tuple[int, ...] = ()
    whole: bool = False
    """They mean nothing alone: their delivery is prepared again as a whole."""
    tries: int = 1
    """How often those that wait have been tried, the least often tried of them."""

    def without(self, lines: Container[int]) -> Aside:
        """What is left when some lines have been tried again."""
        left, parked = (tuple(line for line in told if line not in lines) for told in (self.lines, self.parked))
        return replace(self, lines=left, parked=parked)

    def __bool__(self) -> bool:
        return bool(self.lines or self.parked)


NOTHING = Aside()


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits of one loaded generation, and since when."""

    slot: Slot
    number: int
    aside: Aside
    since: datetime

    def due(self, now: datetime, *, rested: bool) -> bool:
        """Whether it comes along with its pipeline's next run; `rested`: only if it was left alone for long enough."""
        return bool(self.aside.lines) and (not rested or now >= self.since + rest(self.aside.tries))


def rest(tries: int) -> timedelta:
    """How long rows rest after so many attempts, unless a person runs their pipeline: not at all, one minute, four,
    sixteen."""
    return _REST * _LONGER ** (tries - 2) if tries > 1 else timedelta()
