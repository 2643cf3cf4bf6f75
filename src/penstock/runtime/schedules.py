"""Which firings of a schedule are due: pure functions of instants, so that a test can turn the clock.

A firing is an instant in UTC. Clock changes are settled here: a local time that does not exist fires once, when the
gap ends; one that occurs twice fires once, the first time. A schedule whose hour is `*` counts real time instead: at a
clock change it neither pauses nor hurries.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from heapq import merge

from penstock.authoring.schedules import Missed, Schedule

LATE = timedelta(minutes=1)
"""A firing that is later than this was missed."""

MOST = 500
"""How many firings are made up for at once; the rest follows."""

_MINUTE = timedelta(minutes=1)
_WIDEST_CHANGE = timedelta(hours=26)
"""No clock was ever changed by more (Samoa left out a day)."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do: the firings to act on, how many were left out, and up to when that settles everything."""

    firings: tuple[datetime, ...]
    missed: int
    until: datetime


def decide(schedule: Schedule, since: datetime, now: datetime) -> Decision:
    """What is due after `since`, up to and including `now`, by the schedule's policy."""
    due: list[datetime] = []
    missed = 0
    for moment in firings(schedule, since):
        if moment > now:
            break
        if schedule.missed is Missed.ALL:
            if len(due) == MOST:
                return Decision(tuple(due), 0, due[-1])
            due.append(moment)
        elif schedule.missed is Missed.SKIP and now - moment > LATE:
            missed += 1
        else:
            missed += len(due)
            due = [moment]
    return Decision(tuple(due), missed, now)


def upcoming(schedule: Schedule, after: datetime) -> datetime | None:
    """The next firing; None where the calendar ends before it."""
    return next(firings(schedule, after), None)


def firings(schedule: Schedule, since: datetime) -> Iterator[datetime]:
    """Every firing after an instant, in order, in UTC."""
    if schedule.period:
        return _rhythm(schedule.period, since)
    if schedule.cron.split()[1] == "*":
        return _rising(merge(_shown(schedule, since, 0), _shown(schedule, since, 1)), since)
    return _rising(_moved(schedule, since), since)


def _rhythm(period: timedelta, since: datetime) -> Iterator[datetime]:
    count = (since - _EPOCH) // period
    while True:
        count += 1
        yield _EPOCH + count * period


def _moved(schedule: Schedule, since: datetime) -> Iterator[datetime]:
    """Local times, moved out of the gaps between which clocks jump; of two equal ones the first."""
    for wall in _walls(schedule, since):
        moment = wall.replace(tzinfo=schedule.zone)
        while not _exists(moment):
            moment += _MINUTE
        yield moment.astimezone(UTC)


def _shown(schedule: Schedule, since: datetime, fold: int) -> Iterator[datetime]:
    """Local times that clocks show, each the first or the second time."""
    moments = (wall.replace(tzinfo=schedule.zone, fold=fold) for wall in _walls(schedule, since))
    return (moment.astimezone(UTC) for moment in moments if _exists(moment))


def _walls(schedule: Schedule, since: datetime) -> Iterator[datetime]:
    """Readings of a wall clock that fit, without a zone, from well before an instant."""
    from cronsim import CronSim

    return CronSim(schedule.cron, schedule.local(since).replace(tzinfo=None) - _WIDEST_CHANGE)


def _exists(moment: datetime) -> bool:
    """Whether clocks ever show this local time."""
    return moment.astimezone(UTC).astimezone(moment.tzinfo).replace(tzinfo=None) == moment.replace(tzinfo=None)


def _rising(moments: Iterator[datetime], since: datetime) -> Iterator[datetime]:
    last = since
    for moment in moments:
        if moment > last:
            last = moment
            yield moment
