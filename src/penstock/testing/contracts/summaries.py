"""What every destination answers to a chart."""

# ruff: noqa: S101 - assert is the language of tests

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time
from typing import Any

import pytest

from penstock.errors import DestinationError, UsageError
from penstock.model.lookups import Sort
from penstock.model.summaries import Function, Grain, Group, Measure, Summary, Window
from penstock.model.tables import Mode, TableSpec
from penstock.testing.contracts.bench import Bench
from penstock.testing.deliveries import PIPELINE, Declared, Sender
from penstock.testing.shop import World, load

READINGS = Declared(
    TableSpec("readings", Mode.APPEND),
    (
        ("at", "TIMESTAMPTZ"),
        ("local", "TIMESTAMP"),
        ("zone", "VARCHAR"),
        ("free", "INTEGER"),
        ("price", "DECIMAL(6,2)"),
    ),
)  # fmt: skip
COUNT, FREE = Measure(Function.COUNT), Measure(Function.SUM, "free")
ASKED = Summary(PIPELINE, "readings", measures=(COUNT,))


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-{text}").replace(tzinfo=UTC)


def _rows(world: World, summary: Summary) -> list[tuple[Any, ...]]:
    return list(world.destination.summarize(summary).rows)


class SummaryContract(Bench):
    """Groups, measures and windows of time."""

    @pytest.fixture
    def filled(self, world: World, sender: Sender) -> World:
        """Four readings; 23:50 in UTC is the next morning in Singapore."""
        readings = [
            ("14 00:00:00", "bedok", 400, "1.00"),
            ("14 00:07:00", "bishan", 200, "2.00"),
            ("14 11:59:00", "bedok", 100, None),
            ("14 23:50:00", "bedok", None, "4.50"),
        ]
        made = [
            (line, _moment(at), _moment(at).replace(tzinfo=None), zone, free, price)
            for line, (at, zone, free, price) in enumerate(readings, 1)
        ]
        load(world, sender, [READINGS], sender.part("a", 1, readings=made))
        return world

    def test_of_nothing_there_is_nothing(self, world: World) -> None:
        assert _rows(world, ASKED) == []

    @pytest.mark.parametrize(
        ("measure", "value"),
        [
            (COUNT, 4),
            (FREE, 700),
            (Measure(Function.AVG, "free"), 700 / 3),
            (Measure(Function.MIN, "free"), 100),
            (Measure(Function.MAX, "price"), 4.5),
            (Measure(Function.SUM, "free", per=100), 7),
            (Measure(Function.LAST, "zone", by="at"), "bedok"),
            (Measure(Function.LAST, "price", by="at"), 4.5),
        ],
    )
    def test_measures(self, filled: World, measure: Measure, value: Any) -> None:
        [(found,)] = _rows(filled, replace(ASKED, measures=(measure,)))
        assert (found if isinstance(value, str) else pytest.approx(float(found))) == value

    def test_groups_of_values(self, filled: World) -> None:
        assert _rows(filled, replace(ASKED, groups=(Group("zone"),))) == [("bedok", 3), ("bishan", 1)]

    @pytest.mark.parametrize(
        ("zone", "hours"), [("", [(0, 2), (11, 1), (23, 1)]), ("Asia/Singapore", [(7, 1), (8, 2), (19, 1)])]
    )
    def test_hours_are_those_of_the_zone(self, filled: World, zone: str, hours: list[tuple[int, int]]) -> None:
        assert _rows(filled, replace(ASKED, groups=(Group("at", Grain.HOUR),), zone=zone)) == hours

    def test_buckets_are_the_walls_clock(self, filled: World) -> None:
        found = _rows(filled, replace(ASKED, groups=(Group("at", Grain.BUCKET, 900),), zone="Asia/Singapore"))
        assert [(f"{at:%d %H:%M}", count) for at, count in found] == [("14 08:00", 2), ("14 19:45", 1), ("15 07:45", 1)]

    def test_days_and_months(self, filled: World) -> None:
        days = _rows(filled, replace(ASKED, groups=(Group("at", Grain.DAY),), zone="Asia/Singapore"))
        assert days == [(date(2026, 11, 14), 3), (date(2026, 11, 15), 1)]
        assert _rows(filled, replace(ASKED, groups=(Group("local", Grain.MONTH),))) == [(date(2026, 11, 1), 4)]

    def test_several_groups_and_measures(self, filled: World) -> None:
        asked = replace(ASKED, groups=(Group("local", Grain.DAY), Group("zone")), measures=(COUNT, FREE))
        day = date(2026, 11, 14)
        assert _rows(filled, asked) == [(day, "bedok", 3, 500), (day, "bishan", 1, 200)]

    @pytest.mark.parametrize(("day", "count"), [(None, 1), (date(2026, 11, 14), 3), (date(2026, 1, 1), 0)])
    def test_one_day_of_the_zone_the_newest_unless_another_is_named(
        self, filled: World, day: date | None, count: int
    ) -> None:
        window = Window("at", daily=True, day=day)
        assert _rows(filled, replace(ASKED, window=window, zone="Asia/Singapore")) == [(count,)]

    def test_a_part_of_each_day_holds_both_ends(self, filled: World) -> None:
        window = Window("at", between=(time(8), time(19, 59)))
        assert _rows(filled, replace(ASKED, window=window, zone="Asia/Singapore")) == [(3,)]
        window = Window("at", between=(time(8), time(19, 58, 59)))
        assert _rows(filled, replace(ASKED, window=window, zone="Asia/Singapore")) == [(2,)]

    def test_the_newest_day_is_that_of_what_is_asked_for(self, filled: World) -> None:
        window = Window("at", daily=True)
        asked = replace(ASKED, window=window, zone="Asia/Singapore", where=(("zone", "bishan"),))
        assert _rows(filled, asked) == [(1,)]

    @pytest.mark.parametrize(("text", "count"), [("bedok", 3), ("' OR '1'='1", 0), ("bedok'--", 0)])
    def test_values_are_bound(self, filled: World, text: str, count: int) -> None:
        assert _rows(filled, replace(ASKED, where=(("zone", text),))) == [(count,)]

    def test_plain_rows(self, filled: World) -> None:
        asked = Summary(PIPELINE, "readings", columns=("zone", "free"), sort=(Sort("free", descending=True),), limit=3)
        assert _rows(filled, asked) == [("bedok", 400), ("bishan", 200), ("bedok", 100)]

    def test_instants_are_shown_in_the_zone(self, filled: World) -> None:
        asked = Summary(PIPELINE, "readings", columns=("at",), zone="Asia/Singapore", sort=(Sort("at"),), limit=1)
        assert _rows(filled, asked) == [(datetime(2026, 11, 14, 8),)]  # noqa: DTZ001 - the wall's clock

    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"groups": (Group("zne"),)}, DestinationError),
            ({"groups": (Group("zone", Grain.HOUR),)}, DestinationError),
            ({"groups": (Group("local", Grain.HOUR),), "zone": "Asia/Singapore"}, UsageError),
            ({"measures": (Measure(Function.SUM, "zone"),)}, DestinationError),
            ({"where": (("free", "many"),)}, UsageError),
        ],
    )
    def test_what_cannot_be_asked(self, filled: World, changes: dict[str, Any], error: type[Exception]) -> None:
        with pytest.raises(error):
            _rows(filled, replace(ASKED, **changes))
