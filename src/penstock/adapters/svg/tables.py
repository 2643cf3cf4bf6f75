"""Rows as they are, in a picture."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from penstock.adapters.svg.axes import MARGIN, said
from penstock.adapters.svg.plots import Plot
from penstock.adapters.svg.scales import number
from penstock.adapters.svg.sheet import Sheet, cut, width_of

ROW, MOST_ROWS = 26, 20


def table(sheet: Sheet, plot: Plot, top: float) -> None:
    """Names, then rows."""
    rows = [[_cell(value) for value in row] for row in plot.rows[:MOST_ROWS]]
    right = [all(_is_number(row[i]) for row in plot.rows[:MOST_ROWS]) for i in range(len(plot.header))]
    wanted = [
        max(width_of(text) for text in (name, *(row[i] for row in rows))) + 24 for i, name in enumerate(plot.header)
    ]
    share = (sheet.width - 2 * MARGIN) / sum(wanted)
    widths = [wide * share for wide in wanted]
    _row(sheet, top + 8, plot.header, widths, right, colour="text-2", weight="600")
    sheet.line(MARGIN, top + 17, sheet.width - MARGIN, top + 17, "axis")
    for place, row in enumerate(rows):
        y = top + 8 + ROW * (place + 1)
        _row(sheet, y, row, widths, right, colour="text")
        sheet.line(MARGIN, y + 9, sheet.width - MARGIN, y + 9)
    if len(plot.rows) > MOST_ROWS:
        sheet.text(MARGIN, sheet.height - 10, f"{len(plot.rows) - MOST_ROWS:,} more rows", colour="text-3")


def _row(
    sheet: Sheet, y: float, texts: Sequence[str], widths: Sequence[float], right: Sequence[bool], *, colour: str,
    weight: str = "",
) -> None:  # fmt: skip
    x = float(MARGIN)
    for text, wide, aligned in zip(texts, widths, right, strict=True):
        place, anchor = (x + wide - 12, "end") if aligned else (x, "")
        sheet.text(place, y, cut(text, wide - 10), colour=colour, anchor=anchor, weight=weight)
        x += wide


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return number(float(value)) if _is_number(value) and not isinstance(value, int) else said(value)


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float | Decimal) and not isinstance(value, bool))
