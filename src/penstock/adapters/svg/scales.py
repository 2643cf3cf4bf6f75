"""Scales: which values get a tick, where they stand, and how they are written."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, datetime, timedelta

STEPS = [
    *(timedelta(seconds=n) for n in (1, 5, 15, 30)), *(timedelta(minutes=n) for n in (1, 5, 10, 15, 30)),
    *(timedelta(hours=n) for n in (1, 2, 3, 6, 12)), *(timedelta(days=n) for n in (1, 2, 7, 14)),
]  # fmt: skip
MIDNIGHT = datetime(2000, 1, 3)  # noqa: DTZ001  a Monday on the wall's clock


@dataclass(frozen=True, slots=True)
class Scale:
    """Numbers from `low` to `high` on pixels from `start` to `stop`."""

    low: float
    high: float
    start: float
    stop: float

    def at(self, value: float) -> float:
        span = self.high - self.low or 1
        return self.start + (value - self.low) / span * (self.stop - self.start)


def nice(low: float, high: float, most: int = 5, *, zero: bool = False) -> list[float]:
    """Round ticks that enclose the values: at most `most` steps of 1, 2 or 5 times a power of ten."""
    if zero or low >= 0 > low - (high - low) * 2:
        low, high = min(low, 0.0), max(high, 0.0)
    if low == high:
        high = low + 1 if low >= 0 else 0.0
        low = min(low, 0.0) if low >= 0 else low
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, last + 1)]


def moments(first: datetime, last: datetime, most: int) -> list[datetime]:
    """Round moments within the two: at most so many."""
    span = last - first
    step = next((step for step in STEPS if span / step <= most), None)
    if step is None:
        return _months(first, last, most)
    number = math.ceil((first - MIDNIGHT) / step - 1e-9)
    found = []
    while (moment := MIDNIGHT + number * step) <= last:
        found.append(moment)
        number += 1
    return found


def _months(first: datetime, last: datetime, most: int) -> list[datetime]:
    months = (last.year - first.year) * 12 + last.month - first.month
    every = next(n for n in (1, 2, 3, 6, *range(12, 12_000, 12)) if months / n <= most)
    start = first.year * 12 + first.month - 1
    numbers = range(start - start % every, start + months + 1, every)
    found = [datetime(number // 12, number % 12 + 1, 1) for number in numbers]  # noqa: DTZ001  the wall's calendar
    return [moment for moment in found if first <= moment <= last]


def moment_text(moment: datetime, before: datetime | None) -> tuple[str, str]:
    """A tick's label, and below it what has changed since the tick before: the day, the year."""
    clock = f"{moment:%H:%M:%S}" if moment.second else f"{moment:%H:%M}"
    day, year = f"{moment.day} {moment:%b}", f"{moment:%Y}"
    if moment.hour == moment.minute == moment.second == 0 and (before is None or (moment - before).days >= 1):
        return day, year if before is None or before.year != moment.year else ""
    return clock, day if before is None or before.date() != moment.date() else ""


def number(value: float, unit: str = "", decimals: int | None = None) -> str:
    """A number as people read it: thousands apart, no digits that say nothing, and its unit."""
    if unit == "bytes":
        return _bytes(value)
    if unit == "seconds" and abs(value) >= 120:
        return _seconds(value)
    if decimals is None:
        decimals = 0 if value == int(value) or abs(value) >= 1000 else 1 if abs(value) >= 100 else 2
    if decimals == 2 and 0 < abs(value) < 0.01:
        decimals = min(12, 1 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{decimals}f}"
    text = text.rstrip("0").rstrip(".") if "." in text and decimals >= 2 else text
    return text + {"": "", "percent": " %", "seconds": " s"}.get(unit, f" {unit}")


def tick_texts(ticks: list[float], unit: str) -> list[str]:
    """Ticks' labels, all with as many decimals as the closest two need; large numbers in thousands or millions."""
    if unit in ("bytes", "seconds"):
        return [number(tick, unit) for tick in ticks]
    largest = max(abs(tick) for tick in ticks)
    letters = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k"))
    divisor, letter = next(((size, sign) for size, sign in letters if largest >= size), (1, ""))
    divisor = 1e3 if letter == "k" else divisor
    if letter and _decimals((ticks[1] - ticks[0]) / divisor) > 2:  # large numbers that lie close together
        divisor, letter = 1, ""
    decimals = _decimals((ticks[1] - ticks[0]) / divisor)
    sign = "%" if unit == "percent" else ""
    return [f"{tick / divisor:,.{decimals}f}{letter}{sign}" if tick else f"0{sign}" for tick in ticks]


def _decimals(step: float) -> int:
    """How many digits tell numbers apart that are so far from each other."""
    return max(0, -math.floor(math.log10(step) + 1e-9))


def _bytes(value: float) -> str:
    for size, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if abs(value) >= size:
            return f"{value / size:.1f}".rstrip("0").rstrip(".") + f" {name}"
    return f"{value:.0f} B"


def _seconds(value: float) -> str:
    hours, rest = divmod(round(value), 3600)
    return f"{hours} h {rest // 60:02d} min" if hours else f"{rest // 60} min {rest % 60:02d} s"


def day_text(day: date) -> str:
    """`14 November 2026`."""
    return f"{day.day} {day:%B %Y}"
