"""Path templates: what they capture, what they refuse, what they say."""

from __future__ import annotations

import time
from datetime import date, datetime

import pytest

from penstock.authoring.templates import PathTemplate
from penstock.errors import TriggerError, UsageError

CAFE = PathTemplate.parse("landing/{branch}_{day:%d-%m-%Y}_{time}.csv")
DEEP = PathTemplate.parse("landing/table={table}/year={year:%Y}/**/{name}.csv")


def test_a_till_export_gives_branch_day_and_time():
    parts = CAFE.match("landing/chesterfield_25-08-2021_09-00-00.csv")
    assert parts == {"branch": "chesterfield", "day": date(2021, 8, 25), "time": "09-00-00"}


@pytest.mark.parametrize(
    ("template", "path", "parts"),
    [
        ("landing/{name}.csv", "landing/a.b.csv", {"name": "a.b"}),
        ("landing/{a}_{b}", "landing/x_y_z", {"a": "x", "b": "y_z"}),
        ("landing/{a}{b}", "landing/xyz", {"a": "x", "b": "yz"}),
        ("landing/{a}_{day:%Y%m%d}", "landing/x_20211301_20210830", {"a": "x_20211301", "day": date(2021, 8, 30)}),
        ("landing/{at:%Y-%m-%d_%H-%M}.csv", "landing/2021-08-25_09-05.csv", {"at": datetime(2021, 8, 25, 9, 5)}),  # noqa: DTZ001
        ("landing/{at:%Y-%m-%d %I.%M %p}", "landing/2021-08-25 09.05 pm", {"at": datetime(2021, 8, 25, 21, 5)}),  # noqa: DTZ001
        ("landing/{day:%d%B%Y}x", "landing/25August2021x", {"day": date(2021, 8, 25)}),
        ("landing/{day:%Y-%j}", "landing/2020-366", {"day": date(2020, 12, 31)}),
        ("landing/year={y:%Y}/month={m:%m}/f", "landing/year=2024/month=03/f", {"y": "2024", "m": "03"}),
        ("landing/{day:%m-%d}", "landing/02-29", {"day": "02-29"}),
        ("landing/{at:%H-%M-%S}", "landing/09-00-00", {"at": "09-00-00"}),
        ("landing/*.csv", "landing/.csv", {}),
        ("landing/*_{n}.csv", "landing/a_b_c.csv", {"n": "b_c"}),
        ("landing/**/{name}.csv", "landing/x.csv", {"name": "x"}),
        ("landing/**/{name}.csv", "landing/a/b/c/x.csv", {"name": "x"}),
        ("landing/**/{d}/**/{name}", "landing/a/b/c", {"d": "a", "name": "c"}),
        ("landing/**", "landing/a/b", {}),
        ("landing/{{{a}}}", "landing/{x}", {"a": "x"}),
        ("landing/{day:%d%%%m%%%Y}", "landing/01%02%2024", {"day": date(2024, 2, 1)}),
    ],
)
def test_matching(template, path, parts):
    assert PathTemplate.parse(template).match(path) == parts


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("landing/{branch}_{day:%d-%m-%Y}_{time}.csv", "landing/leeds_31-02-2021_09.csv"),
        ("landing/{branch}_{day:%d-%m-%Y}_{time}.csv", "landing/leeds_1-2-2021_09.csv"),
        ("landing/{branch}_{day:%d-%m-%Y}_{time}.csv", "landing/x/leeds_01-02-2021_09.csv"),
        ("landing/{name}.csv", "landing/.csv"),
        ("landing/{name}.csv", "landing/a.CSV"),
        ("landing/{name}.csv", "landing/a.csv.gz"),
        ("landing/{a}/{b}", "landing/x//y"),
        ("landing/{a}/{b}", "landing/../y"),
        ("landing/{y:%Y}", "landing/0000"),
        ("landing/{y:%Y}", "landing/٢٠٢٤"),
        ("landing/**", "landing"),
        ("landing/a.csv", "landing/aXcsv"),
    ],
)
def test_not_matching(template, path):
    assert PathTemplate.parse(template).match(path) is None


@pytest.mark.parametrize(
    ("template", "prefix"),
    [
        ("landing/{branch}.csv", "landing/"),
        ("landing/in/uk/{branch}.csv", "landing/in/uk/"),
        ("landing/table={table}/x/{name}", "landing/"),
        ("landing/in/**/x.csv", "landing/in/"),
        ("landing/in/file.csv", "landing/in/"),
    ],
)
def test_the_prefix_is_the_deepest_literal_folder(template, prefix):
    assert PathTemplate.parse(template).prefix == prefix


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("landing/{a}_{a}", "stands in it twice"),
        ("landing/{a}/x/{a:%Y}", "stands in it twice"),
        ("landing/{}", "empty"),
        ("landing/{:%d}", "cannot name a part"),
        ("landing/{1a}", "cannot name a part"),
        ("landing/{_row}", "cannot name a part"),
        ("landing/{day:%Q}", "%Q is not a directive"),
        ("landing/{day:%d%}", "% is not a directive"),
        ("landing/{day:}", "holds no directive"),
        ("landing/{day:day}", "holds no directive"),
        ("landing/{day:%d-%d}", "says the same thing twice"),
        ("landing/{day:%m %B}", "says the same thing twice"),
        ("landing/{at:%I:%M}", "go together"),
        ("landing/{day:%Y/%m}", "crosses a folder"),
        ("landing/{a", "has no partner"),
        ("landing/a}", "has no partner"),
        ("landing/{{a}", "has no partner"),
        ("landing/a**", "whole folders"),
        ("landing/***", "means nothing"),
        ("{a}.csv", "landing zone"),
        ("/landing/{a}.csv", "landing zone"),
        ("landing/{a}/", "names a folder"),
        ("landing//{a}", "not a plain path"),
        ("landing/../{a}", "not a plain path"),
        ("landing/a\\{a}", "not a plain path"),
    ],
)
def test_a_template_that_cannot_be_meant_is_refused(template, why):
    with pytest.raises(TriggerError) as caught:
        PathTemplate.parse(template)
    assert why in caught.value.why
    assert caught.value.fix


def test_format_is_the_way_back():
    path = "landing/chesterfield_25-08-2021_09-00-00.csv"
    assert CAFE.format(**CAFE.match(path)) == path


def test_format_pads_early_years():
    template = PathTemplate.parse("landing/{day:%Y-%m-%d}")
    assert template.format(day=date(33, 4, 3)) == "landing/0033-04-03"


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"branch": "leeds", "time": "9"}, "'day' is missing"),
        ({"branch": "leeds", "time": "9", "day": date(2024, 1, 1), "hour": "1"}, "has no part 'hour'"),
        ({"branch": "a/b", "time": "9", "day": date(2024, 1, 1)}, "do not make a path"),
        ({"branch": "", "time": "9", "day": date(2024, 1, 1)}, "do not make a path"),
        ({"branch": "leeds", "time": "9", "day": "yesterday"}, "do not make a path"),
    ],
)
def test_format_refuses_what_would_not_match(parts, message):
    with pytest.raises(UsageError, match=message):
        CAFE.format(**parts)


def test_format_refuses_globs():
    with pytest.raises(UsageError, match="many paths"):
        DEEP.format(table="t", year="2024", name="x")


@pytest.mark.parametrize(
    ("template", "path", "reason"),
    [
        (CAFE, "landing/leeds_1-2-2021_09.csv", "{day:%d-%m-%Y} (such as '25-08-2021') does not stand in"),
        (CAFE, "landing/leeds_01-02-2021_09.txt", "“.csv” does not stand in"),
        (CAFE, "landing/leeds_01-02-2021_09.csv.gz", "goes on after 'leeds_01-02-2021_09.csv'"),
        (
            CAFE,
            "landing/uk/leeds_01-02-2021_09.csv",
            "has 2 folders, 'landing/{branch}_{day:%d-%m-%Y}_{time}.csv' has 1 folder",
        ),
        (CAFE, "landing//x", "has the folder ''"),
        (CAFE, "archive/leeds_01-02-2021_09.csv", "“landing” does not stand in 'archive'"),
        (DEEP, "landing/table=x/year=24/a/b.csv", "{year:%Y} (such as '2021') does not stand in 'year=24'"),
        (DEEP, "landing/table=x/year=2024/a/b.txt", "what follows 'landing/table={table}/year={year:%Y}'"),
        (DEEP, "landing/table=x/year=2024/a/b.csv", "matches"),
    ],
)
def test_explain_says_what_is_in_the_way(template, path, reason):
    assert reason in template.explain(path)


def test_names_are_in_order_and_text_is_kept():
    assert (CAFE.names, str(CAFE)) == (("branch", "day", "time"), "landing/{branch}_{day:%d-%m-%Y}_{time}.csv")


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("landing/{a}_{b}_{c}_{d}_{e}_{f}.csv", "landing/" + "_" * 4000),
        ("landing/*a*a*a*a*a*a*a*b", "landing/" + "a" * 4000),
        ("landing/{day:%d-%m-%Y}_{x}_{y:%H}!", "landing/" + "01-01-2021_" * 400),
        ("landing/**/a/**/a/**/a/**/b", "landing/" + "a/" * 1000 + "c"),
        ("landing/{a}{b}{c}{d}{e}{f}{g}{h}x", "landing/" + "y" * 4000),
    ],
)
def test_hostile_names_are_not_slow(template, path):
    parsed = PathTemplate.parse(template)
    began = time.process_time()
    assert parsed.match(path) is None
    assert parsed.explain(path)
    assert time.process_time() - began < 1
