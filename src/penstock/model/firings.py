"""Firings: the times at which a pipeline was due, or a person said so, and what came of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from penstock.model.slots import Acceptance, Content

BY_SCHEDULE = "schedule"
BY_HAND = "run"

POURED = "poured"
"""What was found at a source that is polled, and is a new record of its stream."""


class FiringState(StrEnum):
    """`waiting` has a next attempt and a time for it; the last four are final.

    `done` accepted something new, or poured it into a stream; `unchanged` found nothing new; `superseded` gave way to a
    newer firing before anybody could act on it.
    """

    DUE = "due"
    ACTING = "acting"
    WAITING = "waiting"
    DONE = "done"
    UNCHANGED = "unchanged"
    FAILED = "failed"
    SUPERSEDED = "superseded"

    @property
    def final(self) -> bool:
        return self not in (FiringState.DUE, FiringState.ACTING, FiringState.WAITING)


@dataclass(frozen=True, slots=True)
class Firing:
    """One time at which a pipeline was due. `epoch` grows with every claim; an older one is refused."""

    id: str
    pipeline: str
    due: datetime
    """The time that it is for, however late anybody acts: `run_time()` of what it accepts."""
    recorded_at: datetime
    cause: str = BY_SCHEDULE
    reload: bool = False
    hard: bool | None = None
    state: FiringState = FiringState.DUE
    attempt: int = 0
    epoch: int = 0
    worker: str = ""
    moment: datetime | None = None
    """When it may be claimed: at once, when its retry is due, or when its lease ends. None when it is final."""
    accepted: tuple[str, ...] = ()
    """The addresses of what was new."""
    error: Mapping[str, str] | None = None
    finished_at: datetime | None = None
    held_until: datetime | None = None
    """Until when its source asked to be left alone: a schedule's next firings wait for that, too."""


@dataclass(frozen=True, slots=True)
class Timetable:
    """What the ledger knows of a pipeline's schedule."""

    pipeline: str
    text: str
    """The schedule as it was declared; another one begins anew."""
    since: datetime
    """Firings up to here are settled: recorded, missed, or before anybody wanted them."""
    enabled: bool = True
    missed: int = 0
    """How many firings were never made up for, in all."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """What was last fetched from a source."""

    source: str
    origin: str
    """From where: another place begins anew."""
    address: str
    content: Content
    at: datetime
    validators: Mapping[str, str] = field(default_factory=dict)
    """What the other side calls this state of it: an ETag, a commit."""


@dataclass(frozen=True, slots=True)
class Fired:
    """The end of a firing, and what the ledger said of its deliveries."""

    firing: Firing
    acceptances: tuple[Acceptance, ...] = ()
