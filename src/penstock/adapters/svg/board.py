"""A dashboard as one picture: charts side by side on twelve columns, a new row where one does not fit any more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from penstock.adapters.svg.drawing import HEIGHT, drawn, natural_height
from penstock.adapters.svg.plots import Plot
from penstock.adapters.svg.sheet import BOLD, Sheet, Theme, cut

COLUMNS = 12
WIDTH, EDGE, HEAD = 1200, 12, 56
LEAST = 240
"""A chart is drawn at least so wide, and made smaller where it has less room."""

Panel = tuple[Plot, int]
"""A plot, and how many columns it takes."""


def board_drawn(title: str, panels: Sequence[Panel], *, theme: Theme = "auto") -> str:
    """The dashboard as an SVG document."""
    rows = [(row, max(natural_height(plot, HEIGHT) for plot, _ in row)) for row in _rows(panels)]
    sheet = Sheet(WIDTH, HEAD + sum(height + EDGE for _, height in rows), theme)
    sheet.text(EDGE + 8, 36, cut(title, WIDTH - 2 * EDGE, 22 * BOLD), size=22, colour="text", weight="600")
    y = HEAD
    for row, height in rows:
        x = float(EDGE)
        for plot, columns in row:
            wide = (WIDTH - 2 * EDGE) * columns / COLUMNS
            sheet.parts.append(_placed(plot, x, y, wide - EDGE / 2, height, theme))
            x += wide
        y += height + EDGE
    return sheet.finished(title, f"A dashboard of {len(panels)}: {', '.join(plot.title for plot, _ in panels)}.")


def _rows(panels: Iterable[Panel]) -> list[list[Panel]]:
    rows: list[list[Panel]] = []
    taken = COLUMNS
    for plot, columns in panels:
        if taken + columns > COLUMNS:
            rows.append([])
            taken = 0
        rows[-1].append((plot, columns))
        taken += columns
    return rows


def _placed(plot: Plot, x: float, y: float, wide: float, height: int, theme: Theme) -> str:
    """The plot in its place, with a frame around it."""
    room = int(max(wide, LEAST))
    high = int(height * room / wide)
    picture = drawn(plot, theme=theme, width=room, height=high, embedded=True)
    frame = Sheet(room, high, theme)
    frame.add("rect", x=0.5, y=0.5, width=room - 1, height=high - 1, rx=6, fill="none", stroke=frame.colour("line"))
    inside = f'<svg x="{x:.1f}" y="{y}" width="{wide:.1f}" height="{height}" viewBox="0 0 {room} {high}">'
    return f"{inside}{frame.parts[0]}{picture}</svg>"
