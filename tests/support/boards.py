"""A dashboard with a chart of every kind, for tests of what Grafana is given."""

from __future__ import annotations

import penstock as ps
from penstock.adapters.grafana import dashboard_json


def make_charts() -> list:
    pipeline = ps.Pipeline(
        "taxis",
        trigger=ps.upload("landing/{x}.csv"),
        source=ps.csv(columns={"at": "TIMESTAMPTZ", "zone": "VARCHAR", "free": "BIGINT", "fare": "DOUBLE"}),
    )
    pipeline.load("source", to=ps.postgres("warehouse", schema="city's"), table="taxis")
    options = {"table": "taxis", "tz": "Asia/Singapore", "destination": ps.postgres("warehouse", schema="city's")}
    window = {"span": "day", "between": ("08:00", "20:00")}
    pipeline.chart(
        "Free", kind="area", x=ps.bucket("at", "15m"), y=ps.sum("free", per=100), unit="hundreds", **window, **options
    )
    pipeline.chart("By zone", x=ps.day("at"), y=ps.avg("free"), by="zone", caption="mean", **options)
    pipeline.chart("Hours", kind="bar", x=ps.hour("at"), y=[ps.sum("free"), ps.count()], unit="percent", **options)
    pipeline.chart("Stack", kind="stacked", x=ps.hour("at"), y=ps.sum("free"), by="zone", **options)
    pipeline.chart("Lines of zones", kind="line", x="zone", y=ps.min("fare"), where={"zone": "o'neill"}, **options)
    pipeline.chart("Points", kind="scatter", x="fare", y="free", by="zone", **options)
    pipeline.chart("Rows", kind="table", columns={"where": "zone", "free": "free"}, order="-free", limit=10, **options)
    pipeline.chart("Now", kind="number", y=ps.last("free", by="at"), width=3, **options)
    return pipeline.charts


def board() -> dict:
    """The dashboard as Grafana imports it."""
    return dashboard_json(ps.Dashboard("Taxis in Singapore", *make_charts(), refresh="1m", span="7d"))
