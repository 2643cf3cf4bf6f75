"""Dashboards as Grafana's classic JSON (schema version 39: Grafana 10 to 13), for tables in PostgreSQL.

A variable chooses the data source, so that one file fits every Grafana. Where a chart has a column of times, Grafana's
own time range applies. The tests hold the JSON to the types that Grafana publishes (`@grafana/schema`).
"""

from __future__ import annotations

from typing import Any

from penstock.authoring.charts import Chart, Dashboard
from penstock.compile.sql import quote_identifier, quote_literal
from penstock.model.summaries import Function, Grain, Group, Measure, Window

SCHEMA = 39
SOURCE = "grafana-postgresql-datasource"
VARIABLE = "DS_PENSTOCK"
UNITS = {"": "short", "percent": "percent", "seconds": "s", "bytes": "decbytes"}
WIDTHS = 24 // 12
HEIGHTS = {"number": 4}
HEIGHT = 8


def dashboard_json(dashboard: Dashboard) -> dict[str, Any]:
    """The dashboard as Grafana imports it."""
    zones = {chart.summary.zone for chart in dashboard.charts}
    return {
        "uid": dashboard.key[:40],
        "title": dashboard.title,
        "tags": ["penstock"],
        "timezone": zones.pop() if len(zones) == 1 and "" not in zones else "browser",
        "editable": True,
        "graphTooltip": 1,
        "time": {"from": f"now-{dashboard.span}", "to": "now"},
        "refresh": dashboard.refresh,
        "schemaVersion": SCHEMA,
        "templating": {"list": [_source_variable()]},
        "annotations": {"list": []},
        "panels": _panels(dashboard.charts),
    }


def _source_variable() -> dict[str, Any]:
    return {"name": VARIABLE, "type": "datasource", "label": "Data source", "query": SOURCE, "hide": 0}


def _panels(charts: tuple[Chart, ...]) -> list[dict[str, Any]]:
    """Charts from left to right, a new row where one does not fit any more."""
    found, x, y, tallest = [], 0, 0, 0
    for number, chart in enumerate(charts, 1):
        width, height = chart.width * WIDTHS, HEIGHTS.get(chart.kind, HEIGHT)
        if x + width > 24:
            x, y, tallest = 0, y + tallest, 0
        found.append(_panel(number, chart, {"h": height, "w": width, "x": x, "y": y}))
        x, tallest = x + width, max(tallest, height)
    return found


def _panel(number: int, chart: Chart, place: dict[str, int]) -> dict[str, Any]:
    source = {"type": SOURCE, "uid": f"${{{VARIABLE}}}"}
    kind = panel_type(chart)
    query = {
        "refId": "A", "datasource": source, "editorMode": "code", "rawQuery": True, "rawSql": sql_of(chart),
        "format": "time_series" if kind == "timeseries" else "table",
    }  # fmt: skip
    panel: dict[str, Any] = {
        "id": number, "type": kind, "title": chart.title, "datasource": source, "gridPos": place, "targets": [query],
        "fieldConfig": {"defaults": _defaults(chart, kind), "overrides": []}, "options": _options(chart, kind),
    }  # fmt: skip
    if chart.caption:
        panel["description"] = chart.caption
    if chart.by and kind in ("timeseries", "barchart"):
        panel["transformations"] = _transformations(chart, kind)
    return panel


def panel_type(chart: Chart) -> str:
    """Grafana's panel for a chart. Lines over anything but time are bars there."""
    if chart.kind in ("line", "area"):
        return "timeseries" if _axis_of_time(chart.x) else "barchart"
    return {"bar": "barchart", "stacked": "barchart", "scatter": "xychart", "number": "stat"}.get(chart.kind, "table")


def _axis_of_time(x: Group | None) -> bool:
    return x is not None and x.grain in (Grain.BUCKET, Grain.DAY, Grain.MONTH)


def _transformations(chart: Chart, kind: str) -> list[dict[str, Any]]:
    """Long rows become one field for each series."""
    if kind == "timeseries":
        return [{"id": "prepareTimeSeries", "options": {"format": "multi"}}]
    label = chart.y[0].label
    matrix = {"columnField": chart.by, "rowField": _x_name(chart), "valueField": label, "emptyValue": "null"}
    return [{"id": "groupingToMatrix", "options": matrix}]


def _defaults(chart: Chart, kind: str) -> dict[str, Any]:
    unit = UNITS.get(chart.unit) or f"suffix: {chart.unit}"
    if kind == "timeseries":
        custom = {"lineWidth": 2, "fillOpacity": 15 if chart.kind == "area" else 0, "showPoints": "never"}
        return {"unit": unit, "custom": custom}
    if kind == "barchart":
        return {"unit": unit, "custom": {"lineWidth": 0, "fillOpacity": 90}}
    if kind == "xychart":
        return {"unit": unit, "custom": {"show": "points", "fillOpacity": 50, "pointSize": {"fixed": 5}}}
    return {"unit": unit} if kind == "stat" else {}


def _options(chart: Chart, kind: str) -> dict[str, Any]:
    several = len(chart.y) > 1 or bool(chart.by)
    legend = {"showLegend": several, "displayMode": "list", "placement": "bottom", "calcs": []}
    tooltip = {"mode": "multi" if kind == "timeseries" else "single", "sort": "none"}
    if kind == "timeseries":
        return {"legend": legend, "tooltip": tooltip}
    if kind == "barchart":
        name = f"{_x_name(chart)}\\{chart.by}" if chart.by else _x_name(chart)
        return {
            "legend": legend, "tooltip": tooltip, "xField": name, "orientation": "auto", "showValue": "never",
            "stacking": "normal" if chart.kind == "stacked" else "none", "barWidth": 0.85, "groupWidth": 0.7,
            "fullHighlight": False, "xTickLabelRotation": 0, "xTickLabelMaxLength": 0,
        }  # fmt: skip
    if kind == "xychart":
        return {"legend": legend, "tooltip": tooltip, "mapping": "auto", "series": []}
    if kind == "stat":
        return {
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "orientation": "auto",
            "colorMode": "none", "graphMode": "none", "justifyMode": "auto", "textMode": "auto", "wideLayout": True,
            "showPercentChange": False, "percentChangeColorMode": "standard",
        }  # fmt: skip
    return {"showHeader": True, "cellHeight": "sm", "frameIndex": 0}


# --- SQL ---------------------------------------------------------------------------------------------------------


def sql_of(chart: Chart) -> str:
    """The chart's question in PostgreSQL's SQL, with Grafana's macros. Instants stay instants: Grafana shows them in
    the dashboard's zone."""
    summary = chart.summary
    timed = panel_type(chart) == "timeseries"
    picked = [f"{_group(group, chart, timed=timed)} AS {_as(group, chart, timed=timed)}" for group in summary.groups]
    measures = zip(summary.measures, chart.y, strict=True)
    picked += [f"{_measure(measure)} AS {quote_identifier(series.label)}" for measure, series in measures]
    names = [*(shown for shown, _ in chart.columns), *([chart.by] if chart.by and chart.columns else [])]
    picked += [f"{_q(column)} AS {_q(shown)}" for column, shown in zip(summary.columns, names, strict=True)]
    places = ", ".join(str(place) for place in range(1, len(summary.groups) + 1))
    lines = [f"SELECT {', '.join(picked)}", f"FROM {_relation(chart)}", *_conditions(chart)]
    lines += [f"GROUP BY {places}"] if places else []
    sorts = ", ".join(f"{_q(sort.column)}{' DESC' if sort.descending else ''} NULLS LAST" for sort in summary.sort)
    lines += [f"ORDER BY {sorts or places}"] if sorts or places else []
    return "\n".join([*lines, f"LIMIT {summary.limit:d}"])


def _relation(chart: Chart) -> str:
    schema = chart.target.schema if chart.target else ""
    return f"{_q(schema)}.{_q(chart.table)}" if schema else _q(chart.table)


def _group(group: Group, chart: Chart, *, timed: bool) -> str:
    if group.grain is Grain.VALUE:
        return _q(group.column)
    if group.grain is Grain.BUCKET:
        zone = "TIMESTAMPTZ '2000-01-03 00:00:00+00'" if chart.summary.zone else "TIMESTAMP '2000-01-03 00:00:00'"
        return f"date_bin('{group.seconds} seconds', {_q(group.column)}, {zone})"
    local = _local(group.column, chart)
    if group.grain is Grain.HOUR:
        return f"extract(hour FROM {local})::integer"
    cut = f"date_trunc('{group.grain.value}', {local})"
    # A day begins at midnight of the zone: back to the instant, or Grafana would show it shifted.
    return f"timezone({quote_literal(chart.summary.zone)}, {cut})" if timed and chart.summary.zone else cut


def _as(group: Group, chart: Chart, *, timed: bool) -> str:
    if timed and group is chart.x:
        return '"time"'
    return "metric" if timed else _q(group.column)


def _x_name(chart: Chart) -> str:
    return chart.x.column if chart.x else ""


def _measure(measure: Measure) -> str:
    value = _q(measure.column) if measure.column else "*"
    if measure.function is Function.LAST:
        found = f"(array_agg({value} ORDER BY {_q(measure.by)} DESC NULLS LAST))[1]"
    else:
        found = f"{measure.function.value}({value})"
    return found if measure.per == 1 else f"{found} / {measure.per:g}"


def _conditions(chart: Chart) -> list[str]:
    summary = chart.summary
    found = [f"{_q(column)} = {quote_literal(text)}" for column, text in summary.where]
    column = _time_column(chart)
    if column:
        found.insert(0, f"$__timeFilter({_q(column)})")
    if summary.window and summary.window.between:
        found += _between(summary.window, chart)
    return [f"WHERE {' AND '.join(found)}"] if found else []


def _time_column(chart: Chart) -> str:
    if chart.summary.window:
        return chart.summary.window.column
    return chart.x.column if chart.x is not None and chart.x.timed else ""


def _between(window: Window, chart: Chart) -> list[str]:
    clock = f"({_local(window.column, chart)})::time"
    first, last = (quote_literal(moment.isoformat()) for moment in window.between or ())
    return [f"{clock} >= {first}", f"{clock} <= {last}"]


def _local(column: str, chart: Chart) -> str:
    zone = chart.summary.zone
    return f"timezone({quote_literal(zone)}, {_q(column)})" if zone else f"{_q(column)}::timestamp"


def _q(name: str) -> str:
    return quote_identifier(name)
