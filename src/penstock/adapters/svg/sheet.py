"""SVG text, and the colours in it: names of CSS variables, or, for a fixed theme, the colours themselves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal
from xml.sax.saxutils import escape, quoteattr

Theme = Literal["auto", "light", "dark"]

LIGHT = {
    "surface": "#ffffff", "line": "#e1e5eb", "axis": "#8a93a0", "text": "#141920", "text-2": "#475160",
    "text-3": "#5f6978", "c1": "#2a55d9", "c2": "#b4530f", "c3": "#0d7d74", "c4": "#a8327c", "c5": "#5a6b00",
    "c6": "#6b4fc0",
}  # fmt: skip
DARK = {
    "surface": "#151a21", "line": "#29313c", "axis": "#657081", "text": "#e8ebf0", "text-2": "#aeb7c4",
    "text-3": "#929cab", "c1": "#8fadff", "c2": "#f0a35e", "c3": "#55cfc3", "c4": "#f08bc4", "c5": "#c2d14a",
    "c6": "#b7a3ff",
}  # fmt: skip
COLOURS = 6
FONT = (
    "system-ui,-apple-system,'Segoe UI',Inter,Roboto,'Noto Sans','Liberation Sans',Helvetica,Arial,'DejaVu Sans',"
    "sans-serif"
)
BOLD = 1.15
"""How much wider bold letters are."""
WIDE = frozenset("mwMW@%—")
NARROW = frozenset("iljtfrI.,:;'|!() ")


@dataclass
class Sheet:
    """A picture that is being written, element by element."""

    width: int
    height: int
    theme: Theme = "auto"
    embedded: bool = False
    """Part of a page that has the variables itself."""
    parts: list[str] = field(default_factory=list)

    def colour(self, name: str) -> str:
        """How a colour is written in an attribute."""
        if self.theme == "auto":
            return f"var(--{name})"
        return (LIGHT if self.theme == "light" else DARK)[name]

    def series_colour(self, index: int) -> str:
        return self.colour(f"c{index % COLOURS + 1}")

    def add(self, name: str, *, tip: str = "", text: str | None = None, **attributes: object) -> None:
        """An element; `tip` is what is said when somebody points at it."""
        told = "".join(f" {key.replace('_', '-')}={_quoted(value)}" for key, value in attributes.items() if value != "")
        inside = (f"<title>{_clean(tip)}</title>" if tip else "") + (_clean(text) if text is not None else "")
        self.parts.append(f"<{name}{told}>{inside}</{name}>" if inside else f"<{name}{told}/>")

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: int = 12,
        colour: str = "text-2",
        anchor: str = "",
        weight: str = "",
    ) -> None:
        self.add(
            "text", x=x, y=y, fill=self.colour(colour), font_size="" if size == 12 else size, text_anchor=anchor,
            font_weight=weight, text=text,
        )  # fmt: skip

    def rising(self, x: float, y: float, text: str, degrees: int) -> None:
        """A small text that rises to the right, and ends here."""
        turned = f"rotate({-degrees} {_short(x)} {_short(y)})"
        self.add("text", x=x, y=y, fill=self.colour("text-3"), text_anchor="end", transform=turned, text=text)

    def line(self, x1: float, y1: float, x2: float, y2: float, colour: str = "line") -> None:
        self.add("line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=self.colour(colour))

    def finished(self, title: str, description: str) -> str:
        """The whole picture. Whoever cannot see it hears title and description."""
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="penstock-chart" viewBox="0 0 {self.width} {self.height}" '
            f'width="{self.width}" height="{self.height}" role="img" aria-label={_quoted(title)} '
            f'font-family="{FONT}" font-size="12">'
        )
        told = f"<title>{_clean(title)}</title><desc>{_clean(description)}</desc>"
        ground = "" if self.embedded else f'<rect width="100%" height="100%" fill="{self.colour("surface")}"/>'
        return "\n".join([head, told, *self._style(), ground, *self.parts, "</svg>"]) + "\n"

    def _style(self) -> Iterable[str]:
        if self.theme != "auto" or self.embedded:
            return []
        light, dark = (";".join(f"--{name}:{value}" for name, value in kind.items()) for kind in (LIGHT, DARK))
        wish = f"@media(prefers-color-scheme:dark){{.penstock-chart{{{dark}}}}}"
        return [f"<style>.penstock-chart{{{light}}}{wish}text{{font-variant-numeric:tabular-nums}}</style>"]


def width_of(text: str, size: float = 12) -> float:
    """About how wide a text is: fonts differ from machine to machine."""
    return size * sum(0.86 if sign in WIDE else 0.34 if sign in NARROW else 0.61 for sign in text)


def cut(text: str, width: float, size: float = 12) -> str:
    """As much of a text as fits."""
    if width_of(text, size) <= width:
        return text
    while text and width_of(text + "…", size) > width:
        text = text[:-1]
    return text.rstrip() + "…"


def shortened(text: str, width: float) -> str:
    """A text that fits, of which beginning and end are kept: names often differ in their last sign."""
    if width_of(text) <= width:
        return text
    first, last = text[: len(text) * 3 // 5], text[len(text) * 3 // 5 :]
    while (first or last) and width_of(f"{first}…{last}") > width:
        first, last = (first[:-1], last) if len(first) >= len(last) else (first, last[1:])
    return f"{first.rstrip()}…{last.lstrip()}"


def path(points: Iterable[tuple[float, float]]) -> str:
    """The `d` of a line through points."""
    return "M" + "L".join(f"{_short(x)},{_short(y)}" for x, y in points)


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _quoted(value: object) -> str:
    return quoteattr(_printable(_short(value) if isinstance(value, float) else str(value)))


def _clean(text: str) -> str:
    return escape(_printable(text))


def _printable(text: str) -> str:
    """What XML cannot hold becomes a dot: data names series and groups."""
    return "".join(sign if sign.isprintable() else "·" for sign in text)
