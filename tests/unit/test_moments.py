"""Times from text: several formats for one column, months by other names, local clocks."""

from __future__ import annotations

from datetime import datetime

import duckdb
import pytest

from penstock.authoring.months import LOCALES, months
from penstock.authoring.sources import ColumnType, csv
from penstock.compile.moments import Clock
from penstock.compile.reading import Reading
from penstock.errors import DefinitionError

THREE = "TIMESTAMPTZ '%Y-%m-%d %H:%M:%S.%f UTC', '%Y-%m-%d %H:%M:%S UTC', '%m/%d/%Y %I:%M %p', '%d %B %Y %H:%M'"
MOSCOW = Clock("Europe/Moscow", locales=("ru",))


@pytest.fixture(scope="module")
def engine():
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


@pytest.fixture
def read(engine):
    """The value of one text as ISO text."""

    def read(text: str | None, declared: str, clock: Clock) -> str | None:
        expression = clock.parsed("x", ColumnType.parse(declared))
        (found,) = engine.execute(f"SELECT ({expression})::VARCHAR FROM (SELECT $1::VARCHAR AS x)", [text]).fetchone()
        return found

    return read


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2019-09-27 00:00:00 UTC", "2019-09-27 00:00:00+00"),
        ("2017-12-27 10:36:14.000121 UTC", "2017-12-27 10:36:14.000121+00"),
        ("2017-12-27 10:36:14.0001 UTC", "2017-12-27 10:36:14.0001+00"),
        ("09/27/2019 12:00 AM", "2019-09-26 21:00:00+00"),
        ("09/27/2019 12:30 PM", "2019-09-27 09:30:00+00"),
        ("26 сентября 2019 00:00", "2019-09-25 21:00:00+00"),
        ("5 МАЯ 2019 12:00", "2019-05-05 09:00:00+00"),
        ("5 May 2019 12:00", "2019-05-05 09:00:00+00"),
        ("2019-09-31 00:00:00 UTC", None),
        ("13/27/2019 12:00 AM", None),
        ("09/27/2019 13:00 AM", None),
        ("26 сентябреля 2019 00:00", None),
        ("26 сентября 19 00:00", None),
        ("31 июня 2019 00:00", None),
        ("", None),
        (None, None),
    ],
)
def test_each_of_three_formats_is_an_instant_and_nothing_else_is(read, text, instant):
    assert read(text, THREE, MOSCOW) == instant


def test_utc_in_a_format_is_utc_whatever_the_source_s_zone_is(read):
    declared = "TIMESTAMPTZ '%Y-%m-%d %H:%M UTC', '%d/%m/%Y %H:%M', '%Y-%m-%dT%H:%M%z'"
    texts = ("2020-01-01 12:00 UTC", "01/01/2020 12:00", "2020-01-01T12:00+0530")
    found = [read(text, declared, Clock("America/New_York")) for text in texts]
    assert found == ["2020-01-01 12:00:00+00", "2020-01-01 17:00:00+00", "2020-01-01 06:30:00+00"]


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("short", [False, True])
def test_every_month_is_read_in_every_language(read, locale, short):
    form = "%b" if short else "%B"
    names = months((locale,), short=short)
    found = {name: read(f"7 {name} 2020", f"DATE '%d {form} %Y'", Clock(locales=(locale,))) for name in names}
    expected = {name: datetime.strptime(english[:3], "%b").month for name, english in names.items()}  # noqa: DTZ007
    assert found == {name: f"2020-{month:02d}-07" for name, month in expected.items()}


def test_a_short_name_may_have_its_point(read):
    clock = Clock(locales=("fr", "es"))
    texts = ("3 févr. 2020", "3 févr 2020", "3 ago 2020")
    found = [read(text, "DATE '%d %b %Y'", clock) for text in texts]
    assert found == ["2020-02-03", "2020-02-03", "2020-08-03"]


MINUTES = "TIMESTAMPTZ '%Y-%m-%d %H:%M'"


@pytest.mark.parametrize(
    ("zone", "text", "first", "second"),
    [
        ("Europe/London", "2019-10-27 01:30", "2019-10-27 00:30", "2019-10-27 01:30"),
        ("Europe/Berlin", "2024-10-27 02:00", "2024-10-27 00:00", "2024-10-27 01:00"),
        ("Europe/Berlin", "2024-10-27 02:59", "2024-10-27 00:59", "2024-10-27 01:59"),
        ("America/New_York", "2024-11-03 01:00", "2024-11-03 05:00", "2024-11-03 06:00"),
        ("America/New_York", "2024-11-03 01:59", "2024-11-03 05:59", "2024-11-03 06:59"),
        ("Australia/Lord_Howe", "2024-04-07 01:45", "2024-04-06 14:45", "2024-04-06 15:15"),
        ("Australia/LHI", "2024-04-07 01:45", "2024-04-06 14:45", "2024-04-06 15:15"),
        ("Antarctica/Troll", "2024-10-27 01:30", "2024-10-26 23:30", "2024-10-27 01:30"),
        ("Asia/Chita", "2014-10-26 01:00", "2014-10-25 15:00", "2014-10-25 17:00"),
    ],
)
def test_of_a_time_that_the_clock_showed_twice_fold_says_which(read, zone, text, first, second):
    assert [read(text, MINUTES, Clock(zone, fold)) for fold in (0, 1)] == [f"{first}:00+00", f"{second}:00+00"]


@pytest.mark.parametrize(
    ("zone", "text", "instant"),
    [
        ("Europe/Berlin", "2024-10-27 01:59", "2024-10-26 23:59"),
        ("Europe/Berlin", "2024-10-27 03:00", "2024-10-27 02:00"),
        ("Europe/Berlin", "2024-03-31 01:59", "2024-03-31 00:59"),
        ("Europe/Berlin", "2024-03-31 03:00", "2024-03-31 01:00"),
        ("America/New_York", "2024-11-03 00:59", "2024-11-03 04:59"),
        ("America/New_York", "2024-11-03 02:00", "2024-11-03 07:00"),
        ("America/New_York", "2024-03-10 03:00", "2024-03-10 07:00"),
    ],
)
@pytest.mark.parametrize("fold", [0, 1])
def test_fold_changes_no_time_that_the_clock_showed_once(read, zone, text, instant, fold):
    assert read(text, MINUTES, Clock(zone, fold)) == f"{instant}:00+00"


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        ("Europe/London", "2019-03-31 01:30"),
        ("Europe/Berlin", "2024-03-31 02:00"),
        ("Europe/Berlin", "2024-03-31 02:59"),
        ("America/New_York", "2024-03-10 02:00"),
        ("America/New_York", "2024-03-10 02:59"),
    ],
)
@pytest.mark.parametrize("fold", [0, 1])
def test_a_time_that_no_clock_showed_is_no_instant(read, zone, text, fold):
    assert read(text, MINUTES, Clock(zone, fold)) is None


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2019-07-01 12:00:00", "2019-07-01 11:00:00+00"),
        ("2019-07-01 12:00:00+02", "2019-07-01 10:00:00+00"),
        ("2019-07-01T12:00:00Z", "2019-07-01 12:00:00+00"),
        ("2019-07-01", "2019-06-30 23:00:00+00"),
    ],
)
def test_iso_without_an_offset_is_meant_in_the_declared_zone(engine, text, instant):
    expression = Clock("Europe/London").standard("x", "TIMESTAMPTZ")
    (found,) = engine.execute(f"SELECT ({expression})::VARCHAR FROM (SELECT $1::VARCHAR AS x)", [text]).fetchone()
    assert found == instant


def test_one_format_is_one_call_of_the_parser():
    """Months in other languages and further formats cost nothing where nobody declares them."""
    reading = Reading.of(csv(columns={"at": "TIMESTAMP '%d/%m/%Y %H:%M'"}), {})
    assert reading.select("t", ()).count("try_strptime") == 2  # the value, and whether its year has four digits


def test_an_unknown_language_is_a_mistake_of_the_definition():
    with pytest.raises(DefinitionError, match="locale='rus'") as caught:
        csv(columns={"at": "DATE '%d %B %Y'"}, locale="rus")
    assert caught.value.fix == "did you mean 'ru'?"


@pytest.mark.parametrize("short", [False, True])
def test_no_name_means_two_months(short):
    """So several languages can be declared together."""
    meant = [(name, english) for locale in LOCALES for name, english in months((locale,), short=short).items()]
    assert len(set(meant)) == len({name for name, _ in meant})


def test_a_local_format_beside_one_in_utc_needs_a_zone():
    with pytest.raises(DefinitionError, match="no time zone"):
        csv(columns={"at": "TIMESTAMPTZ '%Y-%m-%d %H:%M UTC', '%d/%m/%Y %H:%M'"})


def test_the_types_stay_what_was_declared(engine):
    kinds = {
        "TIMESTAMPTZ '%Y-%m-%dT%H:%M%z'": "TIMESTAMP WITH TIME ZONE",
        THREE: "TIMESTAMP WITH TIME ZONE",
        "TIMESTAMP '%Y %H', '%d %B %Y'": "TIMESTAMP",
        "DATE '%Y-%m-%d', '%d %B %Y'": "DATE",
        "TIME '%H:%M', '%I %p'": "TIME",
    }
    for declared, kind in kinds.items():
        expression = MOSCOW.parsed("x", ColumnType.parse(declared))
        assert engine.execute(f"SELECT typeof({expression}) FROM (SELECT '' AS x)").fetchone() == (kind,)
