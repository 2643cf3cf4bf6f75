"""Charts: what may be declared, and what is drawn."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from decimal import Decimal
from xml.etree import ElementTree as ET

import pytest

import penstock as ps
from penstock.adapters.svg import Line, Plot, board_drawn, drawn, plot_of, plot_of_rows, png
from penstock.adapters.svg.scales import moments, nice, number, tick_texts
from penstock.adapters.svg.sheet import BOLD, width_of
from penstock.authoring.charts import KINDS
from penstock.compile.plan import compile_pipeline
from penstock.errors import DefinitionError, UsageError
from penstock.model.summaries import Answer, Grain, Group

SVG = "{http://www.w3.org/2000/svg}"


def taxis() -> ps.Pipeline:
    pipeline = ps.Pipeline(
        "taxis",
        trigger=ps.upload("landing/{x}.csv"),
        source=ps.csv(columns={"at": "TIMESTAMPTZ", "zone": "VARCHAR", "free": "BIGINT", "fare": "DOUBLE"}),
    )
    pipeline.load("source", to=[ps.lake(), ps.postgres("warehouse")], table="taxis")
    return pipeline


USUAL = {"table": "taxis", "x": ps.hour("at"), "y": ps.sum("free")}


def checked(title="Free taxis", **options):
    pipeline = taxis()
    chart = pipeline.chart(title, **{"table": "taxis", **options})
    pipeline.validate()
    compile_pipeline(pipeline)
    return chart


# --- declaring ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        USUAL,
        {"kind": "area", "x": ps.bucket("at", "15m"), "y": ps.avg("free", per=100), "tz": "Asia/Singapore"},
        {"kind": "bar", "x": "zone", "y": [ps.min("free"), ps.max("fare", label="dearest")]},
        {"kind": "stacked", "x": ps.day("at"), "y": ps.count(), "by": "zone"},
        {"kind": "scatter", "x": "fare", "y": "free", "by": "zone", "where": {"zone": "bedok"}},
        {"kind": "table", "columns": {"where": "zone", "free": "free"}, "order": "-where", "limit": 5},
        {"kind": "table", "x": ps.month("at"), "y": ps.count()},
        {"kind": "number", "y": ps.last("free", by="at"), "unit": "percent", "destination": ps.postgres("warehouse")},
        {**USUAL, "span": "day", "between": ("08:00", "20:00")},
        {"kind": "number", "y": ps.count(), "span": "day", "at": "at"},
    ],
)
def test_what_can_be_drawn(options):
    assert checked(**options).key == "free-taxis"


@pytest.mark.parametrize(
    ("options", "message", "fix"),
    [
        ({**USUAL, "table": "taxi"}, "the unknown table 'taxi'", "did you mean 'taxis'?"),
        ({**USUAL, "kind": "bars"}, "kind='bars' is unknown", "did you mean 'bar'?"),
        ({"x": ps.hour("att"), "y": ps.count()}, "the column 'att'", "did you mean 'at'?"),
        ({"x": "zone", "y": ps.sum("fre")}, "the column 'fre'", "did you mean 'free'?"),
        ({**USUAL, "by": "zon"}, "the column 'zon'", "did you mean 'zone'?"),
        ({**USUAL, "where": {"zon": 1}}, "the column 'zon'", "did you mean 'zone'?"),
        ({"kind": "bar", "x": "zone"}, "needs x and y", "y="),
        ({"kind": "line", "y": ps.count()}, "needs x and y", "x="),
        ({"kind": "stacked", "x": "zone", "y": ps.count()}, "something to stack", "by="),
        ({"kind": "scatter", "x": ps.hour("at"), "y": "free"}, "needs two columns", 'x="fare"'),
        ({"kind": "table"}, "needs columns, or x and y", "columns="),
        ({"kind": "number", "y": ps.count(), "x": "zone"}, "one measure and nothing else", "y="),
        ({"kind": "bar", "x": "zone", "y": "free"}, "needs x and y", "y="),
        ({"x": "zone", "y": ["free"]}, "no measure", "ps.sum"),
        ({"x": "zone", "y": [ps.sum("free"), ps.avg("free")]}, "one name", "label="),
        ({"x": "zone", "y": [ps.sum("free"), ps.count()], "by": "zone"}, "do not go together", "one of them"),
        ({**USUAL, "columns": ["zone"]}, "belong to kind 'table'", 'kind="table"'),
        ({**USUAL, "tz": "Singapore/Asia"}, "is unknown", "Asia/Singapore"),
        ({**USUAL, "span": "week"}, "span='week' is unknown", "known: all, day"),
        ({**USUAL, "between": ("20:00", "08:00")}, "ends before it begins", "08:00"),
        ({**USUAL, "between": "08:00"}, "no two times", "08:00"),
        ({"x": "zone", "y": ps.count(), "span": "day"}, "which column has the time", "at="),
        ({**USUAL, "width": 13}, "width=13", "1 to 12"),
        ({**USUAL, "title": "…"}, "names nothing", "letters"),
        ({**USUAL, "destination": ps.postgres("other")}, "not loaded to", "leave destination out"),
    ],
)
def test_what_cannot(options, message, fix):
    with pytest.raises(DefinitionError) as caught:
        checked(**options)
    assert message in caught.value.what
    assert fix in caught.value.fix
    assert "test_charts.py:" in caught.value.at


@pytest.mark.parametrize("make", [lambda: ps.bucket("at", "fast"), lambda: ps.sum("free", per=0)])
def test_what_no_axis_is(make):
    with pytest.raises(DefinitionError):
        make()


def test_a_title_is_used_once():
    pipeline = taxis()
    pipeline.chart("Free taxis", **USUAL)
    with pytest.raises(DefinitionError, match="declared twice"):
        pipeline.chart("Free  Taxis!", **USUAL)


@pytest.mark.parametrize("arguments", [("Taxis",), ("Taxis", "free-taxis"), ("…", checked(**USUAL))])
def test_what_no_dashboard_is(arguments):
    with pytest.raises(DefinitionError):
        ps.Dashboard(*arguments)
    with pytest.raises(DefinitionError, match="no time"):
        ps.Dashboard("Taxis", checked(**USUAL), refresh="often")


def test_a_bucket_counts_seconds():
    assert ps.bucket("at", "15m") == Group("at", Grain.BUCKET, 900)


# --- drawing -----------------------------------------------------------------------------------------------------

MORNING = datetime(2026, 11, 14, 8)  # noqa: DTZ001 - the wall's clock
TIMES = tuple(MORNING + timedelta(minutes=15 * n) for n in range(49))
PLOTS = {
    "line": Plot("Line", "", "line", "", TIMES, (Line("a", tuple(map(float, range(49)))),), timed=True, step=900),
    "area": Plot("Area", "a day", "area", "", TIMES, (Line("a", (5.0,) * 49), Line("b", (None,) * 49)), timed=True),
    "bar": Plot("Bar", "", "bar", "percent", ("x", None, "z"), (Line("a", (1.0, -2.0, None)),)),
    "stacked": Plot("Stacked", "", "stacked", "bytes", (1, 2), (Line("a", (1e9, 2.0)), Line("b", (-3.0, 4.0)))),
    "scatter": Plot("Scatter", "", "scatter", "", points=(("", ((1.0, 2.0), (3.0, 4.0))),), axes=("x", "y")),
    "table": Plot("Table", "", "table", "", header=("a", "b"), rows=((1, "x" * 500), (None, date(2026, 1, 1)))),
    "number": Plot("Number", "", "number", "seconds", lines=(Line("a", (3725.0,)),)),
}


def parsed(text):
    return ET.fromstring(text)  # noqa: S314 - we wrote it


def texts(root):
    return [element.text for element in root.iter(f"{SVG}text")]


def test_there_is_a_plot_of_every_kind():
    assert set(PLOTS) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("theme", ["auto", "light", "dark"])
def test_every_kind_is_drawn_within_its_frame(kind, theme):
    root = parsed(drawn(PLOTS[kind], theme=theme))
    width = float(root.get("width"))
    assert all(-1 <= float(item.get("x", "0").rstrip("%")) <= width for item in root.iter() if item.get("x"))
    assert "nan" not in ET.tostring(root, encoding="unicode").lower()


@pytest.mark.parametrize("kind", KINDS)
def test_who_cannot_see_hears_title_and_numbers(kind):
    root = parsed(drawn(PLOTS[kind]))
    assert (root.get("role"), root.get("aria-label")) == ("img", PLOTS[kind].title)
    assert root.find(f"{SVG}title").text == PLOTS[kind].title
    assert len(root.find(f"{SVG}desc").text) > 10


def test_the_description_says_the_extremes():
    said = parsed(drawn(PLOTS["line"])).find(f"{SVG}desc").text
    assert said == "Line chart. a: from 0 (2026-11-14 08:00) to 48 (2026-11-14 20:00)."


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_plot_says_so(kind):
    root = parsed(drawn(Plot("Nothing", "", kind, "")))
    assert "No rows yet" in texts(root)


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_names_are_text(kind):
    evil = "</title><script>alert(1)</script>\x00\u202e\"'&"
    plot = PLOTS[kind]
    lines = tuple(Line(evil, line.values) for line in plot.lines)
    points = tuple((evil, points) for _, points in plot.points)
    rows = tuple((evil, evil) for _ in plot.rows)
    text = drawn(
        Plot(
            evil,
            evil,
            kind,
            evil,
            plot.positions,
            lines,
            plot.timed,
            points=points,
            header=(evil, evil) if rows else (),
            rows=rows,
            axes=(evil, evil),
        )
    )
    assert parsed(text).find(f".//{SVG}script") is None
    assert "\x00" not in text


@pytest.mark.parametrize(("theme", "themed"), [("auto", True), ("light", False), ("dark", False)])
def test_a_file_follows_its_reader_or_keeps_its_theme(theme, themed):
    text = drawn(PLOTS["bar"], theme=theme)
    assert ("var(--c1)" in text, "prefers-color-scheme:dark" in text) == (themed, themed)


def test_within_a_page_it_takes_the_pages_colours():
    text = drawn(PLOTS["bar"], embedded=True)
    assert "var(--c1)" in text
    assert "<style" not in text


def test_every_bar_says_its_value():
    root = parsed(drawn(PLOTS["bar"]))
    tips = [title.text for title in root.iter(f"{SVG}title")][1:]
    assert tips == ["x  a: 1 %", "–  a: -2 %"]


def test_a_line_is_broken_where_something_is_missing():
    def pieces(plot):
        return len([path for path in parsed(drawn(plot)).iter(f"{SVG}path") if path.get("fill") == "none"])

    missing = Plot("Gap", "", "line", "", (*TIMES[:9], *TIMES[12:]), (Line("a", (1.0,) * 46),), timed=True, step=900)
    assert (pieces(PLOTS["line"]), pieces(missing)) == (1, 2)


def test_the_chart_of_a_day_shows_its_whole_window():
    chart = checked(
        kind="area", x=ps.bucket("at", "15m"), y=ps.sum("free", per=100), tz="Asia/Singapore", span="day",
        between=("08:00", "20:00"), caption="hundreds",
    )  # fmt: skip
    plot = plot_of(chart, Answer([(moment, 10.0) for moment in TIMES[8:20]]))
    assert plot.span == (MORNING, MORNING.replace(hour=20))
    assert plot.subtitle == "hundreds · 14 November 2026"
    assert {"08:00", "12:00", "20:00", "14 Nov"} <= set(texts(parsed(drawn(plot))))


def test_hours_without_rows_keep_their_place():
    plot = plot_of(checked(kind="bar", x=ps.hour("at"), y=ps.count()), Answer([(9, 1), (12, 2)]))
    assert plot.positions == (9, 10, 11, 12)
    assert plot.lines[0].values == (1.0, None, None, 2.0)


def test_a_series_for_each_value():
    chart = checked(kind="stacked", x=ps.day("at"), y=ps.count(), by="zone")
    days = [date(2026, 11, 1), date(2026, 11, 2)]
    plot = plot_of(chart, Answer([(days[0], "a", 1), (days[0], None, 2), (days[1], "a", 3)]))
    assert [(line.label, line.values) for line in plot.lines] == [("a", (1.0, 3.0)), ("–", (2.0, None))]


def test_the_smallest_of_many_series_become_one():
    chart = checked(kind="stacked", x=ps.day("at"), y=ps.count(), by="zone")
    plot = plot_of(chart, Answer([(date(2026, 11, 1), f"z{n}", 100 - n) for n in range(20)]))
    assert [line.label for line in plot.lines][-2:] == ["z10", "9 others"]
    assert sum(line.values[0] for line in plot.lines) == sum(100 - n for n in range(20))


def test_the_plot_of_a_query():
    plot = plot_of_rows("", "line", ["day", "a", "b"], [(date(2026, 1, 1), 1, "x"), (date(2026, 1, 2), None, 2)])
    assert plot.timed
    assert [line.values for line in plot.lines] == [(1.0, None), (None, 2.0)]
    with pytest.raises(UsageError):
        plot_of_rows("", "bar", ["a"], [])


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(0, 97, [0, 20, 40, 60, 80, 100]), (3, 4, [3, 3.2, 3.4, 3.6, 3.8, 4]), (1, 4, [0, 1, 2, 3, 4]),
     (-3, 4, [-4, -2, 0, 2, 4]), (0, 0, [0, 0.2, 0.4, 0.6, 0.8, 1]),
     (1000, 1010, [1000, 1002, 1004, 1006, 1008, 1010]), (0, 1e-9, [0, 2e-10, 4e-10, 6e-10, 8e-10, 1e-9])],
)  # fmt: skip
def test_ticks_are_round_and_enclose_the_values(low, high, ticks):
    assert nice(low, high) == pytest.approx(ticks, abs=1e-15)


@pytest.mark.parametrize("days", [0.01, 1, 3, 40, 400, 5000, 100_000])
def test_moments_are_few_and_in_order(days):
    found = moments(MORNING, MORNING + timedelta(days=days), 10)
    assert 1 <= len(found) <= 11
    assert found == sorted(set(found))


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(1234567, "", "1,234,567"), (0.123, "", "0.12"), (3.0, "percent", "3 %"), (1.5e9, "bytes", "1.5 GB"),
     (3725, "seconds", "1 h 02 min"), (12.5, "hundreds", "12.5 hundreds"), (0.000123, "", "0.00012"),
     (-0.004, "percent", "-0.004 %")],
)  # fmt: skip
def test_numbers_read_well(value, unit, text):
    assert number(value, unit) == text


def test_ticks_have_the_digits_that_they_need():
    assert tick_texts([0, 20_000, 40_000], "") == ["0", "20k", "40k"]
    assert tick_texts([0, 0.5, 1], "percent") == ["0%", "0.5%", "1.0%"]
    assert tick_texts([0, 2e12, 4e12], "") == ["0", "2T", "4T"]
    assert tick_texts([2_000_001, 2_000_002], "") == ["2,000,001", "2,000,002"]


def named(*names, kind="bar"):
    return Plot("Zones", "", kind, "", names, (Line("a", tuple(map(float, range(1, len(names) + 1)))),))


def below(root):
    """The labels of the x axis."""
    return [element for element in root.iter(f"{SVG}text") if element.get("text-anchor") in ("middle", "end")][-9:]


def test_long_names_rise_and_keep_their_ends():
    names = [f"A rather long name of a zone, number {number}" for number in range(9)]
    labels = below(parsed(drawn(named(*names))))
    assert all(label.get("transform").startswith("rotate(-") for label in labels)
    assert len({label.text for label in labels}) == 9
    assert all(label.text.endswith(str(number)) for number, label in enumerate(labels))


def test_short_names_stand_straight():
    root = parsed(drawn(named(*"abcdefghi")))
    assert [label.text for label in below(root)] == list("abcdefghi")
    assert not [label for label in below(root) if label.get("transform")]


def test_of_many_names_some_are_left_out():
    labels = [text for text in texts(parsed(drawn(named(*(f"Zone {n}" for n in range(60)))))) if "Zone " in text]
    assert "Zone 0" in labels
    assert len(labels) < 31


def test_round_times_are_those_that_are_named():
    found = texts(parsed(drawn(Plot("Day", "", "bar", "", TIMES, (Line("a", (1.0,) * 49),)))))
    assert [text for text in found if text and text.endswith(":00")] == [f"{hour:02}:00" for hour in range(8, 21)]
    assert "08:45" not in found


@pytest.mark.parametrize("kind", ["line", "area"])
def test_a_single_moment_stands_in_the_middle(kind):
    root = parsed(drawn(Plot("One", "", kind, "", TIMES[:1], (Line("a", (3.0,)),), timed=True, step=900)))
    (dot,) = [circle for circle in root.iter(f"{SVG}circle") if circle.get("r") == "4"]
    assert 300 < float(dot.get("cx")) < 460


@pytest.mark.parametrize("value", [1e15, -123456789.0, 0.000001])
def test_a_number_fits_into_its_picture(value):
    root = parsed(drawn(Plot("N", "", "number", "", lines=(Line("a", (value,)),))))
    text = next(element for element in root.iter(f"{SVG}text") if element.get("font-weight") and element.text != "N")
    assert width_of(text.text, float(text.get("font-size")) * BOLD) <= 720


def rowed(header, *rows):
    return parsed(drawn(Plot("Rows", "", "table", "", header=header, rows=rows)))


def test_numbers_in_a_table_are_never_cut():
    root = rowed(("place", "free"), ("a very long name " * 20, 1234567890), ("b", 2))
    assert {"1234567890", "free"} <= set(texts(root))


def test_columns_without_room_are_counted():
    found = texts(rowed([f"column {n}" for n in range(30)], tuple(range(10**6, 10**6 + 30))))
    assert "1000000" in found
    assert [text for text in found if text.endswith("more columns")] == [
        f"{30 - found.index('1000000') + 1} more columns"
    ]


def test_fractions_of_a_column_have_as_many_digits():
    root = rowed(("a", "b", "c"), (1.0, 0.00012, float("nan")), (1234.5, 3.5, 2.0), (Decimal("7.25"), None, 1.0))
    assert {"1.00", "1,234.50", "7.25", "0.00012", "3.5", "nan", "2"} <= set(texts(root))


@pytest.mark.parametrize("theme", ["auto", "light", "dark"])
def test_a_dashboard_holds_every_kind_within_its_frame(theme):
    root = parsed(
        board_drawn(
            "All",
            [(plot, width) for plot, width in zip(PLOTS.values(), (6, 6, 12, 1, 3, 8, 2), strict=True)],
            theme=theme,
        )
    )
    places = [
        tuple(float(item.get(side)) for side in ("x", "y", "width", "height")) for item in root.findall(f"{SVG}svg")
    ]
    width, height = float(root.get("width")), float(root.get("height"))
    assert all(x >= 0 and x + wide <= width and y + high <= height for x, y, wide, high in places)
    assert len({y for _, y, _, _ in places}) == 4
    assert {plot.title for plot in PLOTS.values()} <= {element.text for element in root.iter(f"{SVG}title")}
    assert ("<style>" in ET.tostring(root, encoding="unicode").replace("ns0:", "")) == (theme == "auto")


@pytest.mark.parametrize("kind", KINDS)
def test_a_png_is_twice_as_large(kind):
    pytest.importorskip("resvg_py")
    picture = drawn(PLOTS[kind], theme="light")
    made = png(picture)
    width = int(re.search(r'width="(\d+)"', picture)[1])
    assert made.startswith(b"\x89PNG")
    assert int.from_bytes(made[16:20]) == 2 * width
