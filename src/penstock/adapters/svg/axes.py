"""The field between the axes: round ticks on the left, moments or names below."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise
from math import cos, radians, sin
from typing import Any

from penstock.adapters.svg.scales import MIDNIGHT, STEPS, Scale, moment_text, moments, tick_texts
from penstock.adapters.svg.sheet import Sheet, shortened, width_of

MARGIN, BOTTOM = 20, 34
SLANT = 35
"""Degrees by which names rise that do not fit beside each other."""
SLANT_ROOM, SLANT_WIDTH = 24, 150
"""How far they are from each other at least, and how long they are at most."""


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
        anchor = anchor_of(sheet, x, label)
        sheet.text(x, frame.bottom + 17, label, colour="text-3", anchor=anchor)
        if below:
            sheet.text(x, frame.bottom + 30, below, colour="text-3", anchor=anchor, size=11)
        before = moment
    return at


def anchor_of(sheet: Sheet, x: float, label: str) -> str:
    """A tick's label stands in the middle below it, or ends there where it would leave the picture."""
    return "end" if x > sheet.width - MARGIN - width_of(label) / 2 else "middle"


def category_axis(sheet: Sheet, frame: Frame, positions: Sequence[Any]) -> tuple[Callable[[int], float], float]:
    """Where the middle of each category is, and how wide it is. Labels that would touch are left out, or slanted."""
    band = (frame.right - frame.left) / max(1, len(positions))

    def at(index: int) -> float:
        return frame.left + band * (index + 0.5)

    names = _names(positions)
    if not _ordered(positions) and _slanted(names, band):
        for index in range(0, len(names), max(1, -int(-SLANT_ROOM // band))):
            x = at(index)
            shown = shortened(names[index], min(SLANT_WIDTH, (x - 4) / cos(radians(SLANT))))
            sheet.rising(x + 4, frame.bottom + 14, shown, SLANT)
        return at, band
    widest = max(width_of(name) for name in names) + 8
    for index in _labelled(positions, band, widest):
        sheet.text(at(index), frame.bottom + 17, names[index], colour="text-3", anchor="middle")
    return at, band


def below_categories(sheet: Sheet, positions: Sequence[Any]) -> float:
    """How much room the labels below a category axis take."""
    names = _names(positions)
    band = (sheet.width - 2 * MARGIN - 48) / max(1, len(positions))  # about: the ticks are not known yet
    if _ordered(positions) or not _slanted(names, band):
        return BOTTOM
    return 24 + min(SLANT_WIDTH, max(width_of(name) for name in names)) * sin(radians(SLANT))


def _ordered(positions: Sequence[Any]) -> bool:
    """Whether every other label may be left out: who reads 1 and 3 knows what stands between them."""
    return all(isinstance(position, int | float | date) for position in positions)


def _slanted(names: Sequence[str], band: float) -> bool:
    return any(width_of(name) + 8 > band for name in names)


def _labelled(positions: Sequence[Any], band: float, widest: float) -> list[int]:
    """Which of the categories get a label: of times those that are round."""
    every = max(1, -int(-widest // band))
    if every > 1 and all(isinstance(position, datetime) for position in positions):
        step = min((b - a for a, b in pairwise(positions) if b > a), default=timedelta())
        wish = next((size for size in STEPS if step and size >= step * every and not size % step), None)
        found = [index for index, moment in enumerate(positions) if wish and not (moment - MIDNIGHT) % wish]
        if len(found) > 1 and all(b - a >= every for a, b in pairwise(found)):
            return found
    return list(range(0, len(positions), every))


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
