"""Firings compared with a search of every minute, in zones whose clocks change by an hour, half an hour or a day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

import penstock as ps
from penstock.authoring.schedules import Schedule
from penstock.runtime.schedules import decide, firings, upcoming

MINUTE = timedelta(minutes=1)
CHANGES = {
    "Europe/London": [datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)],
    "America/New_York": [datetime(2026, 3, 8, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)],
    "Australia/Lord_Howe": [datetime(2026, 4, 5, tzinfo=UTC), datetime(2026, 10, 4, tzinfo=UTC)],
    "America/Santiago": [datetime(2026, 4, 5, tzinfo=UTC), datetime(2026, 9, 6, tzinfo=UTC)],
    "Pacific/Apia": [datetime(2011, 12, 30, tzinfo=UTC), datetime(2020, 4, 5, tzinfo=UTC)],
    "Asia/Kathmandu": [datetime(2026, 1, 1, tzinfo=UTC)],
}
windows = st.sampled_from(sorted(CHANGES)).flatmap(
    lambda zone: st.tuples(st.just(zone), st.sampled_from(CHANGES[zone]), st.integers(-1500, 1500))
)
minutes = st.sampled_from(["0", "30", "*/20", "15,45", "59", "*"])
hours = st.sampled_from(["0", "1", "2", "0-3", "*/2", "23", "1,2,3"])


def minutes_of(since: datetime, until: datetime) -> list[datetime]:
    """Every whole minute after one instant and up to another."""
    first = since.replace(second=0, microsecond=0)
    count = (until - first) // MINUTE
    return [moment for n in range(count + 1) if since < (moment := first + n * MINUTE) <= until]


def fits(field: str, value: int, top: int) -> bool:
    if field == "*":
        return True
    if field.startswith("*/"):
        return value % int(field[2:]) == 0
    spans = [part.partition("-") for part in field.split(",")]
    return any(int(low) <= value <= int(high or low) for low, _, high in spans) and value <= top


def sought(cron: str, zone: ZoneInfo, since: datetime, until: datetime) -> set[datetime]:
    """By the rule: wall clock readings in order; what clocks skip counts when they have jumped; repeats count once."""
    minute, hour = cron.split()[:2]
    seen: set[datetime] = set()
    found = set()
    last = None
    for moment in minutes_of(since - timedelta(hours=27), until):
        wall = moment.astimezone(zone).replace(tzinfo=None)
        walls = (
            [wall]
            if last is None or wall <= last
            else [last + n * MINUTE for n in range(1, (wall - last) // MINUTE + 1)]
        )
        last = wall if last is None else max(last, wall)
        for shown in walls:
            new = shown not in seen
            seen.add(shown)
            if new and fits(minute, shown.minute, 59) and fits(hour, shown.hour, 23):
                found.add(moment)
    return {moment for moment in found if since < moment <= until}


@settings(max_examples=40)
@given(windows, minutes, hours)
def test_fixed_hours_fire_once_for_each_reading_of_the_clock(window, minute, hour):
    zone, day, shift = window
    since = day + shift * MINUTE
    until = since + timedelta(hours=30)
    schedule = ps.schedule(f"{minute} {hour} * * *", tz=zone)
    found = list(takewhile(lambda moment: moment <= until, firings(schedule, since)))
    assert found == sorted(sought(schedule.cron, ZoneInfo(zone), since, until))


@settings(max_examples=40)
@given(windows, minutes)
def test_every_hour_counts_real_time(window, minute):
    zone, day, shift = window
    since = day + shift * MINUTE
    until = since + timedelta(hours=30)
    found = list(takewhile(lambda moment: moment <= until, firings(ps.schedule(f"{minute} * * * *", tz=zone), since)))
    real = minutes_of(since, until)
    assert found == [moment for moment in real if fits(minute, moment.astimezone(ZoneInfo(zone)).minute, 59)]


@given(st.integers(1, 100_000), st.integers(0, 10**9), st.lists(st.integers(0, 5000), min_size=1, max_size=6))
def test_however_time_is_cut_the_same_firings_come(seconds, start, cuts):
    schedule = ps.every(seconds=seconds, missed="all")
    since = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=start)
    end = since + timedelta(seconds=sum(cuts))
    assert pieces(schedule, since, cuts) == list(takewhile(lambda moment: moment <= end, firings(schedule, since)))


def pieces(schedule: Schedule, since: datetime, cuts: list[int]) -> list[datetime]:
    found: list[datetime] = []
    now = since
    for cut in cuts:
        now += timedelta(seconds=cut)
        while since < now:
            decision = decide(schedule, since, now)
            found += decision.firings
            since = decision.until
    return found


@given(windows, st.sampled_from(["last", "skip"]), st.integers(0, 4000))
def test_what_is_not_made_up_for_is_counted(window, missed, gone):
    zone, day, shift = window
    since = day + shift * MINUTE
    now = since + gone * MINUTE
    schedule = ps.schedule("7 */3 * * *", tz=zone, missed=missed)
    decision = decide(schedule, since, now)
    every = list(takewhile(lambda moment: moment <= now, firings(schedule, since)))
    assert len(decision.firings) + decision.missed == len(every)
    assert list(decision.firings) == [moment for moment in every[-1:] if missed == "last" or now - moment <= MINUTE]


@given(windows)
def test_the_next_firing_comes_after(window):
    zone, day, shift = window
    now = day + shift * MINUTE
    found = upcoming(ps.schedule("30 1 * * *", tz=zone), now)
    assert found is not None
    assert now < found <= now + timedelta(hours=50)
