"""Schedules: what can be declared, and what is due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

import penstock as ps
from penstock.errors import TriggerError
from penstock.runtime.schedules import MOST, decide, upcoming

NOW = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("cron", "why"),
    [
        ("", "0 fields"),
        ("0 6 * *", "4 fields"),
        ("0 0 6 * * *", "6 fields"),
        ("60 6 * * *", "wrong: minute"),
        ("0 24 * * *", "wrong: hour"),
        ("0 6 31 2 *", "wrong: day-of-month"),
        ("0 6 * * XYZ", "wrong: day-of-week"),
        ("0 6 ? * *", "wrong: day-of-month"),
    ],
)
def test_what_is_no_cron_expression(cron, why):
    with pytest.raises(TriggerError) as caught:
        ps.schedule(cron)
    assert why in caught.value.why


def test_an_unknown_zone():
    with pytest.raises(TriggerError, match="time zone 'Asia/Singapur'"):
        ps.schedule("0 6 * * *", tz="Asia/Singapur")


@pytest.mark.parametrize("zone", ["../../etc/passwd", "/etc/localtime", ""])
def test_a_zone_is_a_name_and_no_path(zone):
    with pytest.raises(TriggerError):
        ps.schedule("0 6 * * *", tz=zone)


def test_an_unknown_policy():
    with pytest.raises(TriggerError, match="missed='never'"):
        ps.schedule("0 6 * * *", missed="never")


@pytest.mark.parametrize("rhythm", [{}, {"seconds": 0.5}, {"minutes": -1}])
def test_a_rhythm_of_less_than_a_second(rhythm):
    with pytest.raises(TriggerError, match="a schedule every"):
        ps.every(**rhythm)


def test_a_lag_without_files():
    with pytest.raises(TriggerError, match="lag="):
        ps.schedule("0 6 * * *", lag=DAY)


def test_six_in_singapore():
    assert upcoming(ps.schedule("0 6 * * *", tz="Asia/Singapore"), NOW) == datetime(2026, 3, 1, 22, 0, tzinfo=UTC)


def test_words_for_expressions():
    assert ps.schedule("@daily") == ps.schedule("0 0 * * *")


def test_a_rhythm_does_not_depend_on_when_it_began():
    assert upcoming(ps.every(hours=6), NOW) == datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def test_nothing_is_due_at_the_instant_up_to_which_all_is_settled():
    assert decide(ps.every(hours=8), NOW, NOW).firings == ()


def test_what_is_due_now_is_due():
    assert decide(ps.every(hours=8), NOW - DAY / 4, NOW).firings == (NOW,)


def test_the_last_missed_firing_is_made_up_for():
    decision = decide(ps.schedule("0 6 * * *"), NOW - 5 * DAY, NOW)
    assert (decision.firings, decision.missed) == ((NOW - timedelta(hours=2),), 4)


def test_all_missed_firings_are_made_up_for_in_order():
    decision = decide(ps.schedule("0 6 * * *", missed="all"), NOW - 3 * DAY, NOW)
    assert decision.firings == tuple(NOW - timedelta(hours=2) - n * DAY for n in (2, 1, 0))
    assert decision.missed == 0


def test_missed_firings_are_left_out():
    decision = decide(ps.schedule("0 6 * * *", missed="skip"), NOW - 3 * DAY, NOW)
    assert (decision.firings, decision.missed) == ((), 3)


def test_a_firing_a_few_seconds_ago_was_not_missed():
    schedule = ps.schedule("0 8 * * *", missed="skip")
    assert decide(schedule, NOW - DAY, NOW + timedelta(seconds=20)).firings == (NOW,)


def test_a_long_absence_is_made_up_for_in_portions():
    decision = decide(ps.every(seconds=1, missed="all"), NOW - DAY, NOW)
    assert len(decision.firings) == MOST
    assert decision.until == decision.firings[-1]


def test_a_time_that_clocks_skip_fires_when_they_have_jumped():
    schedule = ps.schedule("30 1 * * *", tz="Europe/London")
    assert upcoming(schedule, datetime(2026, 3, 29, tzinfo=UTC)) == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)


def test_a_time_that_clocks_show_twice_fires_the_first_time_only():
    schedule = ps.schedule("30 1 * * *", tz="Europe/London")
    first = upcoming(schedule, datetime(2026, 10, 24, 12, tzinfo=UTC))
    assert first == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert upcoming(schedule, first) == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("rhythm", "text"),
    [
        ({"minutes": 1}, "every minute"),
        ({"minutes": 90}, "every 90 minutes"),
        ({"hours": 24}, "every day"),
        ({"hours": 6}, "every 6 hours"),
        ({"seconds": 1.5}, "every 0:00:01.500000"),
    ],
)
def test_a_rhythm_has_words(rhythm, text):
    assert ps.every(**rhythm).text == text
