"""Charts and dashboards: what is drawn of which table, as a pipeline declares it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import time
from typing import Any
from zoneinfo import ZoneInfo

from penstock.authoring.endpoints import sort_of
from penstock.authoring.place import Place, declare, here
from penstock.authoring.tables import Target
from penstock.errors import DefinitionError, nearest
from penstock.model.summaries import Function, Grain, Group, Measure, Summary, Window

KINDS = ("line", "area", "bar", "stacked", "scatter", "table", "number")
UNITS = ("", "percent", "seconds", "bytes")
SPANS = ("all", "day")
COLUMNS = 12
_EVERY = re.compile(r"([1-9]\d{0,4})(s|m|h|d)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SPAN = re.compile(r"[1-9]\d{0,3}[smhdwMy]")


@dataclass(frozen=True, slots=True)
class Series:
    """A measure with the name that stands beside it."""

    measure: Measure
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart. `key` names it on the command line and in addresses."""

    key: str
    title: str
    kind: str
    pipeline: str
    table: str
    target: Target | None
    x: Group | None
    y: tuple[Series, ...]
    by: str
    columns: tuple[tuple[str, str], ...]
    """Of a table: shown names and columns; of a scatter plot: its two."""
    summary: Summary
    unit: str
    caption: str
    width: int
    place: Place

    @property
    def needed(self) -> tuple[str, ...]:
        """The table's columns that it reads."""
        summary = self.summary
        named = [
            *(group.column for group in summary.groups), *(c for m in summary.measures for c in m.columns),
            *summary.columns, *(name for name, _ in summary.where), *(sort.column for sort in summary.sort),
            *([summary.window.column] if summary.window else []),
        ]  # fmt: skip
        return tuple(dict.fromkeys(named))


@dataclass(frozen=True, slots=True)
class Dashboard:
    """Charts side by side on twelve columns: `ps.Dashboard("Taxis in Singapore", taxis_by_hour, now)`."""

    key: str
    title: str
    charts: tuple[Chart, ...]
    refresh: str
    span: str
    place: Place = field(compare=False)

    def __init__(self, title: str, *charts: Chart, refresh: str = "5m", span: str = "24h") -> None:
        """`refresh` is how often Grafana asks again, `span` the time that it shows at first."""
        place = here()
        if not charts or not all(isinstance(chart, Chart) for chart in charts):
            fix = 'sales = shop.chart("…", …)   ps.Dashboard("…", sales)'
            raise DefinitionError(f"dashboard {title!r} needs charts", at=str(place), fix=fix)
        for name, text in (("refresh", refresh), ("span", span)):
            if not _SPAN.fullmatch(text):
                fix = 'such as "5m", "24h" or "7d"'
                raise DefinitionError(f"dashboard {title!r}: {name}={text!r} is no time", at=str(place), fix=fix)
        values = (key_of(title), title, charts, refresh, span, place)
        for name, value in zip(self.__slots__, values, strict=True):
            object.__setattr__(self, name, value)

    def of(self, *charts: Chart) -> Dashboard:
        """The same dashboard with other charts."""
        return Dashboard(self.title, *charts, refresh=self.refresh, span=self.span)


def alone(dashboards: Iterable[Dashboard]) -> None:
    """Raise `DefinitionError` when two dashboards have one title."""
    known: dict[str, Dashboard] = {}
    for dashboard in dashboards:
        declare(known, dashboard.key, dashboard, f"the dashboard {dashboard.title!r}", "title")


def hour(column: str) -> Group:
    """The hour of the day, 0 to 23."""
    return Group(column, Grain.HOUR)


def day(column: str) -> Group:
    """The day."""
    return Group(column, Grain.DAY)


def month(column: str) -> Group:
    """The month, as its first day."""
    return Group(column, Grain.MONTH)


def bucket(column: str, every: str) -> Group:
    """Stretches of time: `ps.bucket("taken_at", "15m")`; `s`, `m`, `h` or `d`."""
    match = _EVERY.fullmatch(every)
    if not match:
        raise DefinitionError(f"bucket {every!r} is no stretch of time", fix='such as "30s", "15m", "1h" or "1d"')
    return Group(column, Grain.BUCKET, int(match[1]) * _SECONDS[match[2]])


def count(*, per: float = 1, label: str = "") -> Series:
    """How many rows."""
    return _series(Function.COUNT, "", per, label or "rows")


def sum(column: str, *, per: float = 1, label: str = "") -> Series:  # noqa: A001  the word for it
    """The sum of a column, divided by `per`."""
    return _series(Function.SUM, column, per, label)


def avg(column: str, *, per: float = 1, label: str = "") -> Series:
    """The mean of a column, divided by `per`."""
    return _series(Function.AVG, column, per, label)


def min(column: str, *, per: float = 1, label: str = "") -> Series:  # noqa: A001  the word for it
    """The least value of a column, divided by `per`."""
    return _series(Function.MIN, column, per, label)


def max(column: str, *, per: float = 1, label: str = "") -> Series:  # noqa: A001  the word for it
    """The largest value of a column, divided by `per`."""
    return _series(Function.MAX, column, per, label)


def last(column: str, *, by: str, per: float = 1, label: str = "") -> Series:
    """The value of the row that is latest by another column, divided by `per`."""
    return _series(Function.LAST, column, per, label, by)


def key_of(title: str) -> str:
    """`Revenue by hour` → `revenue-by-hour`. Raises `DefinitionError` for a title without letters."""
    key = re.sub(r"[^\w]+", "-", title.lower()).strip("-_")
    if not key:
        raise DefinitionError(f"the title {title!r} names nothing", fix="a title with letters")
    return key


def chart_of(  # noqa: PLR0917
    pipeline: str, title: str, table: str, kind: str, x: Any, y: Any, options: Mapping[str, Any], place: Place
) -> Chart:
    """A checked chart. Raises `DefinitionError`."""
    if kind not in KINDS:
        raise DefinitionError(f"chart {title!r}: kind={kind!r} is unknown", fix=nearest(kind, KINDS))
    group, series = _group(x), _all_series(title, y)
    columns = _shown(title, kind, x, y, options["columns"])
    by = options["by"]
    _check_shape(title, kind, group, series, columns, by)
    unit = options["unit"]
    width = options["width"]
    if not 1 <= width <= COLUMNS:
        raise DefinitionError(f"chart {title!r}: width={width} is not usable", fix=f"1 to {COLUMNS} columns")
    summary = _summary(pipeline, title, table, group, series, columns, options)
    return Chart(
        key_of(title), title, kind, pipeline, table, options["destination"], group, series, by, columns, summary,
        unit, options["caption"], width, place,
    )  # fmt: skip


def _summary(
    pipeline: str, title: str, table: str, x: Group | None, y: tuple[Series, ...],
    columns: tuple[tuple[str, str], ...], options: Mapping[str, Any],
) -> Summary:  # fmt: skip
    by = options["by"]
    where = tuple((name, str(value)) for name, value in options["where"].items())
    window, zone = _window(title, x, options), _zone(title, options["tz"])
    sort = sort_of(options["order"], columns)
    if columns:
        picked = (*(column for _, column in columns), *([by] if by else []))
        return Summary(
            pipeline, table, columns=picked, where=where, window=window, zone=zone, sort=sort, limit=options["limit"]
        )
    groups = (*([x] if x else []), *([Group(by)] if by else []))
    measures = tuple(series.measure for series in y)
    return Summary(pipeline, table, groups, measures, (), where, window, zone, sort, options["limit"])


def _series(function: Function, column: str, per: Any, label: str, by: str = "") -> Series:
    if isinstance(per, bool) or not isinstance(per, int | float) or per <= 0:
        raise DefinitionError(f"per={per!r} divides by nothing", fix="a number above 0, such as 100")
    return Series(Measure(function, column, by, float(per)), label or column)


def _group(x: Any) -> Group | None:
    return Group(x) if isinstance(x, str) and x else x if isinstance(x, Group) else None


def _all_series(title: str, y: Any) -> tuple[Series, ...]:
    found: tuple[Any, ...] = (y,) if isinstance(y, Series) else tuple(y) if isinstance(y, list | tuple) else ()
    if not all(isinstance(item, Series) for item in found):
        raise DefinitionError(f"chart {title!r}: y holds something that is no measure", fix='y=ps.sum("total")')
    labels = [item.label for item in found]
    if len(set(labels)) < len(labels):
        raise DefinitionError(f"chart {title!r}: two measures have one name", fix='label="…"')
    return found


def _shown(title: str, kind: str, x: Any, y: Any, columns: Any) -> tuple[tuple[str, str], ...]:
    if kind == "scatter":
        if not (isinstance(x, str) and isinstance(y, str) and x and y):
            raise DefinitionError(f"chart {title!r}: kind 'scatter' needs two columns", fix='x="fare", y="distance"')
        return (x, x), (y, y)
    if columns and kind != "table":
        raise DefinitionError(f"chart {title!r}: columns belong to kind 'table'", fix='kind="table", or x and y')
    return tuple(columns.items()) if isinstance(columns, Mapping) else tuple((name, name) for name in columns)


def _check_shape(
    title: str, kind: str, x: Group | None, y: tuple[Series, ...], columns: Sequence[Any], by: str
) -> None:
    said = f"chart {title!r}: kind {kind!r}"
    if kind == "table":
        if bool(columns) == bool(y):
            raise DefinitionError(f"{said} needs columns, or x and y", fix='columns=("file", "rows")')
    elif kind == "number":
        if len(y) != 1 or x or by:
            raise DefinitionError(f"{said} needs one measure and nothing else", fix="y=ps.count()")
    elif kind != "scatter" and (x is None or not y):
        raise DefinitionError(f"{said} needs x and y", fix='x=ps.hour("ordered_at"), y=ps.sum("total")')
    if by and len(y) > 1:
        raise DefinitionError(f"{said}: by and several measures do not go together", fix="one of them")
    if kind == "stacked" and not by and len(y) < 2:
        raise DefinitionError(f"{said} needs something to stack", fix='by="branch", or several measures')


def _window(title: str, x: Group | None, options: Mapping[str, Any]) -> Window | None:
    between, span = options["between"], options["span"]
    if span not in SPANS:
        raise DefinitionError(f"chart {title!r}: span={span!r} is unknown", fix=nearest(span, SPANS))
    if between is None and span == "all":
        return None
    column = options["at"] or (x.column if x and x.timed else "")
    if not column:
        raise DefinitionError(f"chart {title!r}: it is not said which column has the time", fix='at="taken_at"')
    return Window(column, daily=span == "day", between=_between(title, between))


def _between(title: str, between: Any) -> tuple[time, time] | None:
    if between is None:
        return None
    try:
        first, final = (time.fromisoformat(text) for text in between)
    except (TypeError, ValueError):
        raise DefinitionError(f"chart {title!r}: between is no two times", fix='between=("08:00", "20:00")') from None
    if first >= final:
        raise DefinitionError(f"chart {title!r}: between ends before it begins", fix='between=("08:00", "20:00")')
    return first, final


def _zone(title: str, name: str) -> str:
    if not name:
        return ""
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError) as error:
        raise DefinitionError(f"chart {title!r}: tz={name!r} is unknown", fix='such as "Asia/Singapore"') from error
    return name
