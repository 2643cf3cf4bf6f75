"""Rows as they are, in a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from penstock.adapters.svg.axes import MARGIN, said
from penstock.adapters.svg.plots import Plot
from penstock.adapters.svg.scales import number
from penstock.adapters.svg.sheet import BOLD, Sheet, cut, width_of

ROW, MOST_ROWS, MOST_DIGITS, GAP = 26, 20, 2, 16


def table(sheet: Sheet, plot: Plot, top: float) -> None:
    """Names, then rows. What has no room is told of: rows beyond the first, and columns on the right."""
    shown = plot.rows[:MOST_ROWS]
    columns = _columns(plot.header, shown, sheet.width - 2 * MARGIN)
    _row(sheet, top + 8, columns, [column.name for column in columns], colour="text-2", weight="600")
    sheet.line(MARGIN, top + 17, sheet.width - MARGIN, top + 17, "axis")
    for place in range(len(shown)):
        y = top + 8 + ROW * (place + 1)
        _row(sheet, y, columns, [column.cells[place] for column in columns], colour="text")
        sheet.line(MARGIN, y + 9, sheet.width - MARGIN, y + 9)
    rest = [(len(plot.rows) - len(shown), "row"), (len(plot.header) - len(columns), "column")]
    told = [f"{many:,} more {word}{'' if many == 1 else 's'}" for many, word in rest if many]
    if told:
        sheet.text(MARGIN, sheet.height - 10, ", ".join(told), colour="text-3")


def height_of(plot: Plot, top: int) -> int:
    """How high a picture of the rows is."""
    return max(120, top + ROW * (min(len(plot.rows), MOST_ROWS) + 1) + 20)


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    cells: tuple[str, ...]
    numeric: bool
    width: float = 0

    @property
    def least(self) -> float:
        """Numbers are never cut; of texts, and of names, some letters must do."""
        cells = max((width_of(cell) for cell in self.cells), default=0.0)
        return max(min(width_of(self.name, 12 * BOLD), 70), cells if self.numeric else min(cells, 90)) + GAP

    @property
    def wish(self) -> float:
        """Room for all of it."""
        return max(width_of(self.name, 12 * BOLD), *(width_of(cell) for cell in self.cells)) + GAP


def _columns(header: Sequence[str], rows: Sequence[tuple[Any, ...]], room: float) -> list[_Column]:
    """As many columns as have room, from the left, each as wide as it needs; what is left over is shared."""
    found: list[_Column] = []
    for place, name in enumerate(header):
        values = [row[place] for row in rows]
        column = _Column(name, _cells(values), all(map(_is_number, values)))
        if found and sum(item.least for item in found) + column.least > room:
            break
        found.append(column)
    spare = room - sum(item.least for item in found)
    wishes = sum(item.wish - item.least for item in found)
    part = min(1.0, spare / wishes) if wishes > 0 and spare > 0 else 0.0
    widths = [item.least + (item.wish - item.least) * part for item in found]
    more = max(0.0, room - sum(widths)) / len(found)
    return [replace(item, width=wide + more) for item, wide in zip(found, widths, strict=True)]


def _row(
    sheet: Sheet, y: float, columns: Sequence[_Column], texts: Sequence[str], *, colour: str, weight: str = ""
) -> None:
    x = float(MARGIN)
    for column, text in zip(columns, texts, strict=True):
        place, anchor = (x + column.width - GAP, "end") if column.numeric else (x, "")
        shown = cut(text, column.width - GAP + 2, 12 * BOLD if weight else 12)
        sheet.text(place, y, shown, colour=colour, anchor=anchor, weight=weight)
        x += column.width


def _cells(values: Sequence[Any]) -> tuple[str, ...]:
    """Fractions of one column have as many digits as the longest of them needs, up to two."""
    fractions = [float(value) for value in values if isinstance(value, float | Decimal)]
    digits = max((_digits(value) for value in fractions), default=0)
    return tuple(
        f"{value:,.{digits}f}" if isinstance(value, float | Decimal) and digits <= MOST_DIGITS else _cell(value)
        for value in values
    )


def _digits(value: float) -> int:
    """How many digits a fraction has; those of a tiny one are its own matter."""
    return MOST_DIGITS + 1 if 0 < abs(value) < 0.01 else len(f"{value:.{MOST_DIGITS}f}".rstrip("0").partition(".")[2])


def _cell(value: Any) -> str:
    if value is None:
        return said(value)
    return number(float(value), decimals=MOST_DIGITS) if isinstance(value, float | Decimal) else said(value)


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float | Decimal) and not isinstance(value, bool))
