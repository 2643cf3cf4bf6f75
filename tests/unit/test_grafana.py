"""Dashboards for Grafana: held to the types that Grafana publishes, and run as SQL on a real PostgreSQL."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import psycopg
import pytest
from tests.support.boards import board, make_charts

from penstock.adapters.grafana import panel_type, sql_of

SUPPORT = Path(__file__).parents[1] / "support/grafana"
FIELDS = (
    "gridPos",
    "showLegend",
    "rawSql",
    "fillOpacity",
    "schemaVersion",
    "stacking",
    "xField",
    "calcs",
    "columnField",
)


CHARTS = make_charts()
BOARD = board()


@pytest.fixture(scope="module")
def schema():
    return jsonschema.Draft7Validator(json.loads((SUPPORT / "schema.json").read_text()))


def test_a_dashboard_is_what_grafanas_types_say(schema):
    assert [error.message for error in schema.iter_errors(BOARD)] == []


@pytest.mark.parametrize("field", FIELDS)
def test_a_misspelt_field_is_noticed(schema, field):
    text = json.dumps(BOARD)
    assert f'"{field}"' in text
    assert not schema.is_valid(json.loads(text.replace(f'"{field}"', f'"{field}s"', 1)))


def test_panels_stand_side_by_side_and_never_overlap():
    taken = set()
    for panel in BOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert place["x"] + place["w"] <= 24
        taken |= cells


def test_every_kind_has_its_panel():
    assert [panel_type(chart) for chart in CHARTS] == [
        "timeseries", "timeseries", "barchart", "barchart", "barchart", "xychart", "table", "stat",
    ]  # fmt: skip


def test_times_are_shown_in_the_charts_zone():
    assert BOARD["timezone"] == "Asia/Singapore"


def in_range(sql: str) -> str:
    """Grafana's macro as Grafana fills it in."""
    start, _, rest = sql.partition("$__timeFilter(")
    if not rest:
        return sql
    column, _, end = rest.partition(")")
    return f"{start}{column} BETWEEN '2026-01-01T00:00:00Z' AND '2027-01-01T00:00:00Z'{end}"


def test_the_sql_runs(postgres):
    with psycopg.connect(postgres, options="-c timezone=UTC") as connection:
        connection.execute("""CREATE SCHEMA "city's" """)
        table = """ "city's".taxis """
        connection.execute(f"CREATE TABLE {table} (at timestamptz, zone text, free bigint, fare float)")
        connection.execute(
            f"INSERT INTO {table} VALUES ('2026-11-14 00:07Z', 'bedok', 400, 2),"
            "('2026-11-14 00:09Z', 'o''neill', 200, 1), ('2026-11-14 23:00Z', 'bedok', 100, 3)"
        )
        found = {chart.title: connection.execute(in_range(sql_of(chart))).fetchall() for chart in CHARTS}
    assert [(f"{at:%d %H:%M}", float(free)) for at, free in found["Free"]] == [("14 00:00", 6.0)]
    days = [(f"{at:%d %H:%M}", zone) for at, zone, _ in found["By zone"]]
    assert days == [("13 16:00", "bedok"), ("13 16:00", "o'neill"), ("14 16:00", "bedok")]
    assert [(hour, float(free), count) for hour, free, count in found["Hours"]] == [(7, 100, 1), (8, 600, 2)]
    assert found["Lines of zones"] == [("o'neill", 1.0)]
    assert found["Rows"][0] == ("bedok", 400)
    assert [float(value) for (value,) in found["Now"]] == [100]
    assert len(found["Points"]) == 3
