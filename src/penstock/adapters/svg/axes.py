"""The field between the axes: round ticks on the left, moments or names below."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any

from penstock.adapters.svg.scales import Scale, moment_text, moments, tick_texts
from penstock.adapters.svg.sheet import Sheet, cut, width_of

MARGIN, BOTTOM = 20, 34


class Frame:
    """The field between the axes, its vertical scale and horizontal lines drawn."""

    def __init__(self, sheet: Sheet, ticks: list[float], unit: str, top: float, *, below: float = BOTTOM) -> None:
        texts = tick_texts(ticks, unit)
        self.left = MARGIN + max(width_of(text) for text in texts) + 8
        self.right, self.top, self.bottom = float(sheet.width - MARGIN), top, float(sheet.height - below)
        self.y = Scale(ticks[0], ticks[-1], self.bottom, top)
        for tick, text in zip(ticks, texts, strict=True):
            at = self.y.at(tick)
            sheet.line(self.left, at, self.right, at, "axis" if tick == 0 else "line")
            sheet.text(self.left - 8, at + 4, text, colour="text-3", anchor="end")


def time_axis(sheet: Sheet, frame: Frame, span: tuple[datetime, datetime]) -> Callable[[datetime], float]:
    """Where a moment is."""
    first, last = span
    seconds = (last - first).total_seconds() or 1

    def at(moment: datetime) -> float:
        return frame.left + (moment - first).total_seconds() / seconds * (frame.right - frame.left)

    before: datetime | None = None
    for moment in moments(first, last, int((frame.right - frame.left) / 70)):
        label, below = moment_text(moment, before)
        x = at(moment)
        sheet.line(x, frame.bottom, x, frame.bottom + 4, "axis")
        anchor = "end" if x > sheet.width - MARGIN - width_of(label) / 2 else "middle"
        sheet.text(x, frame.bottom + 17, label, colour="text-3", anchor=anchor)
        if below:
            sheet.text(x, frame.bottom + 30, below, colour="text-3", anchor=anchor, size=11)
        before = moment
    return at


def category_axis(sheet: Sheet, frame: Frame, positions: Sequence[Any]) -> tuple[Callable[[int], float], float]:
    """Where the middle of each category is, and how wide it is. Labels that would touch are left out, or cut."""
    band = (frame.right - frame.left) / max(1, len(positions))
    names = _names(positions)
    widest = max(width_of(name) for name in names) + 8
    ordered = all(isinstance(position, int | float | date) for position in positions)
    every = max(1, -int(-widest // band)) if ordered else max(1, -int(-40 // band))
    for index, name in enumerate(names):
        if index % every == 0:
            x = frame.left + band * (index + 0.5)
            shown = name if ordered else cut(name, band * every - 6)
            sheet.text(x, frame.bottom + 17, shown, colour="text-3", anchor="middle")
    return lambda index: frame.left + band * (index + 0.5), band


def _names(positions: Sequence[Any]) -> list[str]:
    """Days without their year, and of one day's times the clock alone: the tips say all of it."""
    if not all(isinstance(position, date) for position in positions):
        return [said(position) for position in positions]
    days = {f"{position:%Y-%m-%d}" for position in positions}
    if len(days) == 1 and len(positions) > 1:
        return [f"{position:%H:%M}" for position in positions]
    clock = any(isinstance(position, datetime) and (position.hour or position.minute) for position in positions)
    return [f"{position.day} {position:%b}{f' {position:%H:%M}' if clock else ''}" for position in positions]


def said(position: Any) -> str:
    """A position in words."""
    if position is None:
        return "–"
    if isinstance(position, datetime):
        return f"{position:%Y-%m-%d %H:%M}"
    if isinstance(position, date):
        return position.isoformat()
    return str(position)
