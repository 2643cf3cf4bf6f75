"""From a chart's answer to what is drawn: positions on the x axis, and series of numbers beside each other."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any

from penstock.adapters.svg.scales import day_text
from penstock.authoring.charts import Chart
from penstock.errors import UsageError
from penstock.model.summaries import Answer, Grain

MOST_SERIES = 12
NOTHING = "–"


@dataclass(frozen=True, slots=True)
class Line:
    """One series: a number, or nothing, for each position."""

    label: str
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Plot:
    """What is drawn. Positions are moments, or names of categories."""

    title: str
    subtitle: str
    kind: str
    unit: str
    positions: tuple[Any, ...] = ()
    lines: tuple[Line, ...] = ()
    timed: bool = False
    step: float = 0
    """Seconds between neighbours; where more is missing, a line is broken."""
    span: tuple[datetime, datetime] | None = None
    """What the axis shows, where the chart says so."""
    points: tuple[tuple[str, tuple[tuple[float, float], ...]], ...] = ()
    header: tuple[str, ...] = ()
    rows: tuple[tuple[Any, ...], ...] = ()
    axes: tuple[str, str] = field(default=("", ""))


def plot_of(chart: Chart, answer: Answer, day: date | None = None) -> Plot:
    """The plot of a chart, of the day that was asked for."""
    rows = [tuple(row) for row in answer.rows]
    base = Plot(chart.title, chart.caption, chart.kind, chart.unit)
    if chart.kind == "number":
        value = _float(rows[0][0]) if rows else None
        return _changed(base, lines=(Line(chart.y[0].label, (value,)),))
    if chart.kind == "table":
        header = [name for name, _ in chart.columns] or [
            *(group.column for group in chart.summary.groups),
            *(series.label for series in chart.y),
        ]
        return _changed(base, header=tuple(header), rows=tuple(rows))
    if chart.kind == "scatter":
        return _changed(
            base, points=_scattered(rows, by=bool(chart.by)), axes=(chart.columns[0][0], chart.columns[1][0])
        )
    return _grouped(chart, base, rows, day)


def plot_of_rows(title: str, kind: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> Plot:
    """The plot of a query: the first column is x, each of the others a series. Raises `UsageError`."""
    base = Plot(title, "", kind, "")
    if kind == "table":
        return _changed(base, header=tuple(columns), rows=tuple(rows))
    if kind == "number":
        return _changed(base, lines=(Line(columns[0], (_float(rows[0][0]) if rows else None,)),))
    if len(columns) < 2:
        fix = "select the x axis first, then a column for each series"
        raise UsageError(f"kind {kind!r} needs two columns or more", fix=fix)
    if kind == "scatter":
        return _changed(base, points=_scattered(rows, by=len(columns) > 2), axes=(columns[0], columns[1]))
    timed = kind in ("line", "area") and bool(rows) and all(isinstance(row[0], date) for row in rows)
    positions = tuple(_local(_position(row[0], timed=timed)) for row in rows)
    lines = (Line(name, tuple(_float(row[at]) for row in rows)) for at, name in enumerate(columns[1:], 1))
    return _changed(base, positions=positions, lines=tuple(_few(list(lines))), timed=timed)


def _local(position: Any) -> Any:
    """Instants as the clock in their own zone shows them."""
    return position.replace(tzinfo=None) if isinstance(position, datetime) else position


def _grouped(chart: Chart, base: Plot, rows: Sequence[tuple[Any, ...]], day: date | None) -> Plot:
    x = chart.x
    assert x is not None  # noqa: S101  declared charts of these kinds have one
    wide = _pivoted(rows) if chart.by else {row[0]: dict(zip(_labels(chart), row[1:], strict=True)) for row in rows}
    labels = list(dict.fromkeys(label for values in wide.values() for label in values)) or _labels(chart)
    timed = x.grain in (Grain.BUCKET, Grain.DAY, Grain.MONTH) or any(isinstance(key, datetime | date) for key in wide)
    timed = timed and chart.kind in ("line", "area")
    known = {_position(key, timed=timed): values for key, values in wide.items() if key is not None or not timed}
    positions = _positions(x.grain, known, chart)
    lines = [Line(label, tuple(_float(known.get(p, {}).get(label)) for p in positions)) for label in labels]
    span = _span(chart, positions) if timed else None
    subtitle = _of_day(chart, positions, day)
    step = x.seconds if x.grain is Grain.BUCKET else 86_400.0 if x.grain is Grain.DAY else 0
    return _changed(
        base, subtitle=subtitle, positions=tuple(positions), lines=tuple(_few(lines)), timed=timed, step=step, span=span
    )


def _positions(grain: Grain, known: Iterable[Any], chart: Chart) -> list[Any]:
    """In the order of the answer; hours of the day all of them, so that none is passed over in silence."""
    found = list(known)
    if grain is not Grain.HOUR or not found:
        return found
    window = chart.summary.window
    low, high = min(found), max(found)
    if window and window.between:
        low, high = min(low, window.between[0].hour), max(high, window.between[1].hour)
    return list(range(low, high + 1))


def _span(chart: Chart, positions: Sequence[datetime]) -> tuple[datetime, datetime] | None:
    """A chart of one day shows all of its window, whatever is missing."""
    window = chart.summary.window
    if not positions or window is None or not window.daily:
        return None
    first, last = window.between or (time(0), time(23, 59, 59))
    return datetime.combine(positions[0].date(), first), datetime.combine(positions[0].date(), last)


def _of_day(chart: Chart, positions: Sequence[Any], day: date | None) -> str:
    """The caption, with the day that is shown."""
    window = chart.summary.window
    if window is None or not window.daily:
        return chart.caption
    first = positions[0] if positions else None
    shown = day or (first.date() if isinstance(first, datetime) else None)
    return " · ".join(text for text in (chart.caption, day_text(shown) if shown else "") if text)


def _pivoted(rows: Sequence[tuple[Any, ...]]) -> dict[Any, dict[str, Any]]:
    wide: dict[Any, dict[str, Any]] = {}
    for x, by, value in rows:
        wide.setdefault(x, {})[NOTHING if by is None else str(by)] = value
    return wide


def _few(lines: list[Line]) -> list[Line]:
    """The largest series one by one, the rest as one: more colours than twelve nobody can tell apart."""
    if len(lines) <= MOST_SERIES:
        return lines
    ranked = sorted(lines, key=lambda line: -sum(value or 0 for value in line.values))
    kept = ranked[: MOST_SERIES - 1]
    rest = ranked[MOST_SERIES - 1 :]
    columns = zip(*(line.values for line in rest), strict=True)
    others = tuple(sum(v for v in column if v is not None) if any(column) else None for column in columns)
    return [*(line for line in lines if line in kept), Line(f"{len(rest)} others", others)]


def _scattered(rows: Sequence[tuple[Any, ...]], *, by: bool) -> tuple[tuple[str, tuple[tuple[float, float], ...]], ...]:
    found: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        x, y = _float(row[0]), _float(row[1])
        if x is not None and y is not None:
            found.setdefault((NOTHING if row[2] is None else str(row[2])) if by else "", []).append((x, y))
    return tuple((label, tuple(points)) for label, points in found.items())


def _labels(chart: Chart) -> list[str]:
    return [series.label for series in chart.y]


def _position(key: Any, *, timed: bool) -> Any:
    if timed and isinstance(key, date) and not isinstance(key, datetime):
        return datetime.combine(key, time())
    return key


def _float(value: Any) -> float | None:
    """A number, or nothing: what is no number, or none that can be drawn, is left out."""
    if isinstance(value, bool) or value is None or isinstance(value, str | date):
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def _changed(plot: Plot, **changes: Any) -> Plot:
    from dataclasses import replace

    return replace(plot, **changes)
