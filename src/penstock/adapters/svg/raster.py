"""SVG to PNG with resvg (MIT; the extra `png`). It needs a font of this machine, and CSS variables it does not know."""

from __future__ import annotations

from functools import cache
from typing import Any

from penstock.adapters.svg.sheet import FONT
from penstock.errors import MissingExtra, SetupError

SCALE = 2
_BLANK = '<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20"></svg>'
_PROBE = _BLANK.replace("></svg>", f'><text x="2" y="16" font-family="{FONT}">M</text></svg>')


def png(svg: str, *, scale: float = SCALE) -> bytes:
    """A picture of a fixed theme, `scale` pixels for each of its own."""
    resvg = _resvg()
    if not _has_fonts():
        raise SetupError(
            "there is no font that a picture's texts could be drawn with",
            fix="apt install fonts-dejavu-core, or --out FILE.svg",
        )
    return bytes(resvg.svg_to_bytes(svg_string=svg, zoom=scale))


def _resvg() -> Any:
    try:
        import resvg_py
    except ImportError as error:
        why = "the package resvg_py is not installed"
        raise MissingExtra("a PNG cannot be drawn", why=why, fix="pip install 'penstock[png]'") from error
    return resvg_py


@cache
def _has_fonts() -> bool:
    """Whether a letter leaves a trace."""
    resvg = _resvg()
    return bool(resvg.svg_to_bytes(svg_string=_PROBE) != resvg.svg_to_bytes(svg_string=_BLANK))
