"""When a pipeline is due by itself: a cron expression in a time zone, or a fixed rhythm."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from zoneinfo import ZoneInfo

from penstock.authoring.templates import PathTemplate
from penstock.errors import TriggerError

FIELDS = 5
_SHORTEST = timedelta(seconds=1)
_WORDS = {"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *"}


class Missed(StrEnum):
    """What becomes of firings whose time has passed while nobody was there to act."""

    LAST = "last"
    ALL = "all"
    SKIP = "skip"


@dataclass(frozen=True)
class Schedule:
    """Times at which a pipeline is due. Make one with `schedule` or `every`.

    `period` is zero for a cron expression. `submit` names files of the landing zone that a firing delivers: dated parts
    are filled with the firing's time, less `lag`.
    """

    cron: str = ""
    period: timedelta = timedelta()
    tz: str = "UTC"
    missed: Missed = Missed.LAST
    submit: PathTemplate | None = None
    lag: timedelta = timedelta()

    @cached_property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.tz)

    @property
    def text(self) -> str:
        """What it says, for people, and to notice that it has changed."""
        return f"{self.cron} {self.tz}" if self.cron else f"every {_lasting(self.period)}"

    def local(self, moment: datetime) -> datetime:
        """The moment as clocks of the schedule's time zone show it."""
        return moment.astimezone(self.zone)


def _lasting(period: timedelta) -> str:
    """`minute`, `15 minutes`, `1:30:00`."""
    for word in ("day", "hour", "minute", "second"):
        number, rest = divmod(period, timedelta(**{f"{word}s": 1}))
        if number and not rest:
            return word if number == 1 else f"{number} {word}s"
    return str(period)


def schedule(
    cron: str,
    *,
    tz: str = "UTC",
    missed: str = "last",
    submit: str = "",
    lag: timedelta = timedelta(),
) -> Schedule:
    """`ps.schedule("0 6 * * *", tz="Asia/Singapore")`: minute, hour, day of month, month, day of week.

    A local time that does not exist (clocks go forward) fires once, when the gap ends; one that occurs twice fires
    once, the first time. With `*` as the hour real time counts: nothing is left out, and nothing waits for an hour.

    `missed` says what happens when nobody was there: the `"last"` firing is made up for (the default), `"all"` are, or
    they are left out (`"skip"`). `submit` is a path template: each firing delivers the files of the landing zone that
    it names, its dated parts filled with the firing's local time less `lag`.
    """
    text = _WORDS.get(cron.strip().lower(), " ".join(cron.split()))
    _check_cron(cron, text)
    return _checked(Schedule(cron=text, missed=_policy(missed), tz=_known_zone(tz), submit=_template(submit), lag=lag))


def every(
    *,
    days: float = 0,
    hours: float = 0,
    minutes: float = 0,
    seconds: float = 0,
    tz: str = "UTC",
    missed: str = "last",
    submit: str = "",
    lag: timedelta = timedelta(),
) -> Schedule:
    """`ps.every(minutes=1)`: a fixed rhythm, counted from midnight UTC of 1 January 1970.

    `tz` is the zone in whose local time dated parts of `submit` are filled.
    """
    period = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    if period < _SHORTEST:
        raise TriggerError(f"a schedule every {period}", why="a second is the shortest", fix="ps.every(minutes=1)")
    return _checked(Schedule("", period, _known_zone(tz), _policy(missed), _template(submit), lag))


def _checked(made: Schedule) -> Schedule:
    if made.lag and made.submit is None:
        raise TriggerError("lag= is about the files that a firing delivers", fix='add submit="landing/…"')
    return made


def _template(text: str) -> PathTemplate | None:
    return PathTemplate.parse(text) if text else None


def _policy(text: str) -> Missed:
    try:
        return Missed(text)
    except ValueError:
        raise TriggerError(f"missed={text!r} is unknown", fix=f"one of {', '.join(Missed)}") from None


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise TriggerError(
            f"there is no time zone {name!r} on this machine",
            why="names are those of the IANA database",
            fix='such as tz="Europe/London"; pip install tzdata brings the database where it is missing',
        ) from None
    return name


def _check_cron(said: str, text: str) -> None:
    from cronsim import CronSim, CronSimError

    if len(text.split()) != FIELDS:
        raise TriggerError(
            f"the schedule {said!r} is not a cron expression",
            why=f"it has {len(text.split())} fields",
            fix="five: minute, hour, day of month, month, day of week, such as 0 6 * * *",
        )
    try:
        next(CronSim(text, datetime.now(UTC).replace(tzinfo=None)))
    except CronSimError as error:
        raise TriggerError(
            f"the schedule {said!r} is not a cron expression",
            why=str(error).replace("Bad", "wrong:"),
            fix="minute, hour, day of month, month, day of week, such as 0 6 * * 1-5",
        ) from None
    except StopIteration:
        raise TriggerError(f"the schedule {said!r} is never due", fix="such a day does not exist") from None
