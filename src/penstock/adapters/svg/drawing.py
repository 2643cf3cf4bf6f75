"""Plots as SVG: a title, axes with few and round ticks, marks that say their values, and words for who cannot see."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from penstock.adapters.svg.axes import MARGIN, Frame, anchor_of, below_categories, category_axis, said, time_axis
from penstock.adapters.svg.plots import Line, Plot
from penstock.adapters.svg.scales import Scale, nice, number, tick_texts
from penstock.adapters.svg.sheet import BOLD, COLOURS, Sheet, Theme, cut, path, width_of
from penstock.adapters.svg.tables import height_of, table

WIDTH, HEIGHT = 760, 400
TOP = 28
TIPPED = 400
"""Up to so many points say their value; more would weigh too much."""


def drawn(
    plot: Plot, *, theme: Theme = "auto", width: int = WIDTH, height: int = HEIGHT, embedded: bool = False
) -> str:
    """The plot as an SVG document."""
    if height == HEIGHT or plot.kind == "table":
        height = natural_height(plot, height)
    sheet = Sheet(width, height, theme, embedded)
    top = _headed(sheet, plot)
    empty = not (plot.rows or plot.points or any(v is not None for line in plot.lines for v in line.values))
    if empty:
        sheet.text(width / 2, (top + height) / 2, "No rows yet", size=14, anchor="middle")
    else:
        _KINDS[plot.kind](sheet, plot, top)
    return sheet.finished(plot.title, "No rows yet." if empty else described(plot))


def natural_height(plot: Plot, usual: int) -> int:
    """How high a plot is drawn when nobody says otherwise; a table always."""
    if plot.kind == "table":
        return height_of(plot, TOP + (42 if plot.subtitle else 22))
    return usual // 2 if plot.kind == "number" else usual


def described(plot: Plot) -> str:
    """The plot in words."""
    said = f"{_WORDS[plot.kind]}{f' ({plot.subtitle})' if plot.subtitle else ''}."
    if plot.kind == "table":
        return f"{said} {len(plot.rows)} rows of {', '.join(plot.header)}."
    if plot.kind == "number":
        return f"{said} {number(plot.lines[0].values[0] or 0, plot.unit)} {plot.lines[0].label}."
    if plot.kind == "scatter":
        return f"{said} {sum(len(points) for _, points in plot.points)} points of {plot.axes[0]} and {plot.axes[1]}."
    return " ".join([said, *(_told(plot, line) for line in plot.lines)])


def _told(plot: Plot, line: Line) -> str:
    found = [(v, p) for v, p in zip(line.values, plot.positions, strict=True) if v is not None]
    if not found:
        return f"{line.label}: nothing."
    (low, at_low), (high, at_high) = min(found, key=_first), max(found, key=_first)
    least, most = number(low, plot.unit), number(high, plot.unit)
    return f"{line.label}: from {least} ({said(at_low)}) to {most} ({said(at_high)})."


def _first(pair: tuple[float, Any]) -> float:
    return pair[0]


# --- what all kinds share ----------------------------------------------------------------------------------------


def _headed(sheet: Sheet, plot: Plot) -> float:
    """Title, subtitle and legend; returns where the rest begins."""
    room = sheet.width - 2 * MARGIN
    sheet.text(MARGIN, TOP, cut(plot.title, room, 16 * BOLD), size=16, colour="text", weight="600")
    y = float(TOP)
    if plot.subtitle:
        y += 20
        sheet.text(MARGIN, y, cut(plot.subtitle, room))
    labels = [label for label, _ in plot.points] if plot.kind == "scatter" else [line.label for line in plot.lines]
    if len(labels) > 1:
        y = _legend(sheet, labels, y + 22)
    return y + 22


def _legend(sheet: Sheet, labels: Sequence[str], y: float) -> float:
    x = float(MARGIN)
    for index, label in enumerate(labels):
        shown = cut(label, 160)
        wide = 18 + width_of(shown) + 14
        if x + wide > sheet.width - MARGIN and x > MARGIN:
            x, y = float(MARGIN), y + 18
        sheet.add("rect", x=x, y=y - 9, width=10, height=10, rx=2, fill=sheet.series_colour(index), **_faint(index))
        sheet.text(x + 15, y, shown)
        x += wide
    return y


def _faint(index: int) -> dict[str, Any]:
    """The second round of colours is half as strong."""
    return {"opacity": 0.5} if index >= COLOURS else {}


def _values(lines: Sequence[Line]) -> list[float]:
    return [value for line in lines for value in line.values if value is not None]


def _below(sheet: Sheet, plot: Plot) -> float:
    """How much room the labels below take: times may have a second row of them."""
    return 48 if plot.timed else below_categories(sheet, plot.positions)


# --- kinds -------------------------------------------------------------------------------------------------------


def _lines(sheet: Sheet, plot: Plot, top: float) -> None:
    values = _values(plot.lines)
    area = plot.kind == "area"
    frame = Frame(sheet, nice(min(values), max(values), zero=area), plot.unit, top, below=_below(sheet, plot))
    xs = _xs(sheet, frame, plot)
    for index, line in enumerate(plot.lines):
        colour = sheet.series_colour(index)
        for run in _runs(plot, line, xs):
            points = [(x, frame.y.at(value)) for x, value, _ in run]
            if area:
                ground = [*points, (points[-1][0], frame.y.at(0)), (points[0][0], frame.y.at(0))]
                sheet.add("path", d=path(ground) + "Z", fill=colour, opacity=0.15)
            if len(points) == 1:
                alone = 4 if len(plot.positions) == 1 else 2.5
                sheet.add("circle", cx=points[0][0], cy=points[0][1], r=alone, fill=colour)
            else:
                sheet.add(
                    "path", d=path(points), fill="none", stroke=colour, stroke_width=2, stroke_linejoin="round",
                    stroke_linecap="round", **_faint(index),
                )  # fmt: skip
            _tips(sheet, plot, line, run, frame)


def _xs(sheet: Sheet, frame: Frame, plot: Plot) -> list[float]:
    if not plot.timed:
        at, _ = category_axis(sheet, frame, plot.positions)
        return [at(index) for index in range(len(plot.positions))]
    span = plot.span or (min(plot.positions), max(plot.positions))
    if span[0] == span[1]:
        around = timedelta(seconds=max(plot.step, 1800))
        span = (span[0] - around, span[1] + around)
    place = time_axis(sheet, frame, span)
    return [place(position) for position in plot.positions]


def _runs(plot: Plot, line: Line, xs: Sequence[float]) -> list[list[tuple[float, float, Any]]]:
    """The line's unbroken parts: neighbours, with nothing missing between them."""
    runs: list[list[tuple[float, float, Any]]] = []
    before: Any = None
    for x, value, position in zip(xs, line.values, plot.positions, strict=True):
        if value is None:
            before = None
            continue
        apart = plot.timed and plot.step and before and (position - before).total_seconds() > 1.5 * plot.step
        if before is None or apart:
            runs.append([])
        runs[-1].append((x, value, position))
        before = position
    return runs


def _tips(sheet: Sheet, plot: Plot, line: Line, run: Sequence[tuple[float, float, Any]], frame: Frame) -> None:
    if len(plot.positions) * len(plot.lines) > TIPPED:
        return
    for x, value, position in run:
        tip = f"{said(position)}  {line.label}: {number(value, plot.unit)}"
        sheet.add("circle", cx=x, cy=frame.y.at(value), r=7, fill_opacity=0, tip=tip)


def _bars(sheet: Sheet, plot: Plot, top: float) -> None:
    values = _values(plot.lines)
    frame = Frame(sheet, nice(min(values), max(values), zero=True), plot.unit, top, below=_below(sheet, plot))
    at, band = category_axis(sheet, frame, plot.positions)
    room = min(band * 0.72, 72 * len(plot.lines))
    wide = room / len(plot.lines)
    for place, position in enumerate(plot.positions):
        for index, line in enumerate(plot.lines):
            value = line.values[place]
            if value is not None:
                x = at(place) - room / 2 + wide * index
                gap = 1 if len(plot.lines) > 1 else 0
                _bar(sheet, plot, frame, (x, max(1.0, wide - gap)), (0, value), (index, line.label, position))


def _stacked(sheet: Sheet, plot: Plot, top: float) -> None:
    columns = list(zip(*(line.values for line in plot.lines), strict=True))
    highs = [sum(v for v in column if v and v > 0) for column in columns]
    lows = [sum(v for v in column if v and v < 0) for column in columns]
    frame = Frame(sheet, nice(min(lows), max(highs), zero=True), plot.unit, top, below=_below(sheet, plot))
    at, band = category_axis(sheet, frame, plot.positions)
    wide = max(1.0, min(band * 0.72, 72))
    for place, position in enumerate(plot.positions):
        ends = {True: 0.0, False: 0.0}
        for index, line in enumerate(plot.lines):
            value = line.values[place]
            if value:
                start = ends[value > 0]
                ends[value > 0] = start + value
                across = (at(place) - wide / 2, wide)
                _bar(sheet, plot, frame, across, (start, start + value), (index, line.label, position))


def _bar(
    sheet: Sheet, plot: Plot, frame: Frame, across: tuple[float, float], values: tuple[float, float],
    who: tuple[int, str, Any],
) -> None:  # fmt: skip
    index, label, position = who
    one, other = frame.y.at(values[0]), frame.y.at(values[1])
    tip = f"{said(position)}  {label}: {number(values[1] - values[0], plot.unit)}"
    sheet.add(
        "rect", x=across[0], y=min(one, other), width=across[1], height=max(abs(one - other), 0.5), rx=2,
        fill=sheet.series_colour(index), tip=tip, **_faint(index),
    )  # fmt: skip


def _scatter(sheet: Sheet, plot: Plot, top: float) -> None:
    every = [point for _, points in plot.points for point in points]
    xs, ys = [x for x, _ in every], [y for _, y in every]
    frame = Frame(sheet, nice(min(ys), max(ys)), plot.unit, top + 14, below=52)
    ticks = nice(min(xs), max(xs), 8)
    across = Scale(ticks[0], ticks[-1], frame.left + 6, frame.right - 6)
    for tick, text in zip(ticks, tick_texts(ticks, ""), strict=True):
        sheet.line(across.at(tick), frame.bottom, across.at(tick), frame.bottom + 4, "axis")
        x = across.at(tick)
        sheet.text(x, frame.bottom + 17, text, colour="text-3", anchor=anchor_of(sheet, x, text))
    sheet.text(frame.right, frame.bottom + 36, plot.axes[0], anchor="end")
    sheet.text(MARGIN, top + 2, plot.axes[1])
    for index, (label, points) in enumerate(plot.points):
        for x, y in points:
            tip = f"{label + ': ' if label else ''}{number(x)}, {number(y, plot.unit)}" if len(every) <= TIPPED else ""
            sheet.add(
                "circle", cx=across.at(x), cy=frame.y.at(y), r=4, fill=sheet.series_colour(index), fill_opacity=0.55,
                tip=tip,
            )  # fmt: skip


def _number(sheet: Sheet, plot: Plot, top: float) -> None:
    value = plot.lines[0].values[0] or 0
    text = number(value, plot.unit)
    size = min(72.0, 72 * (sheet.width - 2 * MARGIN) / max(1.0, width_of(text, 72 * BOLD)))
    middle = (top + sheet.height) / 2
    sheet.text(MARGIN, middle + size / 4, text, size=int(size), colour="text", weight="600")
    sheet.text(MARGIN, middle + size / 4 + 26, plot.lines[0].label, size=14)


_KINDS: dict[str, Callable[[Sheet, Plot, float], None]] = {
    "line": _lines, "area": _lines, "bar": _bars, "stacked": _stacked, "scatter": _scatter, "number": _number,
    "table": table,
}  # fmt: skip
_WORDS = {
    "line": "Line chart", "area": "Area chart", "bar": "Bar chart", "stacked": "Stacked bar chart",
    "scatter": "Scatter plot", "number": "A number", "table": "Table",
}  # fmt: skip
