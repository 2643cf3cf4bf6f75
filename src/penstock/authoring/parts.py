"""The pieces of a path template: what each may match within one folder's or file's name.

A segment is matched in one pass back and one forth: from the right, the positions from which the rest matches; from
the left, the first of the ways. So no name, however made, is slow.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property

Part = str | date | datetime

_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_DIRECTIVES = {
    "Y": "[0-9]{4}", "y": "[0-9]{2}", "m": "[0-9]{2}", "d": "[0-9]{2}", "j": "[0-9]{3}",
    "H": "[0-9]{2}", "I": "[0-9]{2}", "M": "[0-9]{2}", "S": "[0-9]{2}", "f": "[0-9]{6}", "p": "(?i:AM|PM)",
    "B": f"(?i:{'|'.join(_MONTHS)})", "b": f"(?i:{'|'.join(name[:3] for name in _MONTHS)})", "%": "%",
}  # fmt: skip
_WIDTHS = {"Y": (4, 4), "j": (3, 3), "f": (6, 6), "B": (3, 9), "b": (3, 3), "%": (1, 1)}
_CLOCK = frozenset("HIMSfp")
_ALIKE = ("Yy", "mbBj", "dj", "HI")
"""Directives of which a format holds at most one: two could contradict each other."""
_SAMPLE = datetime(2021, 8, 25, 9, 30, 15, 250)  # noqa: DTZ001  an example of a local time


@dataclass(frozen=True, slots=True)
class Literal:
    """Text that stands there as it is."""

    text: str

    def ends(self, name: str, start: int, allowed: frozenset[int]) -> int | None:
        end = start + len(self.text)
        return end if end in allowed and name.startswith(self.text, start) else None

    def __str__(self) -> str:
        return f"“{self.text}”"


@dataclass(frozen=True, slots=True)
class Anything:
    """`*`, or a named part without a format. `least` is 0 or 1."""

    least: int
    name: str = ""

    def ends(self, name: str, start: int, allowed: frozenset[int]) -> int | None:
        return next((end for end in range(start + self.least, len(name) + 1) if end in allowed), None)

    def __str__(self) -> str:
        return f"{{{self.name}}}" if self.name else "*"


@dataclass(frozen=True)
class Dated:
    """A named part with a format: only a date of that form will do."""

    name: str
    format: str

    def ends(self, name: str, start: int, allowed: frozenset[int]) -> int | None:
        low, high = self._widths
        for end in range(start + low, min(start + high, len(name)) + 1):
            if end in allowed and self.read(name[start:end]) is not None:
                return end
        return None

    def read(self, text: str) -> Part | None:
        """The date, the moment, or (for a format that leaves the date open, such as `%Y`) the text itself."""
        if not self._shape.fullmatch(text):
            return None
        year = "" if self._directives & frozenset("Yy") else "2000 "  # a leap year, so that 29 February may be
        try:
            moment = datetime.strptime(year + text, (year and "%Y ") + self.format)  # noqa: DTZ007  local times
        except ValueError:
            return None
        if not self._whole:
            return text
        return moment if self._directives & _CLOCK else moment.date()

    def write(self, value: Part) -> str:
        """The text of a value. A text must be of the form already."""
        if isinstance(value, str):
            return value
        moment = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)  # noqa: DTZ001
        year = f"{moment.year:04d}"  # strftime pads years on some systems only
        return moment.strftime(re.sub("%(.)", lambda found: year if found[1] == "Y" else found[0], self.format))

    @cached_property
    def _directives(self) -> frozenset[str]:
        return frozenset(_directives(self.format))

    @property
    def _whole(self) -> bool:
        """Whether it names one day."""
        month = self._directives & frozenset("mbB")
        return bool(self._directives & frozenset("Yy")) and bool(
            "j" in self._directives or (month and "d" in self._directives)
        )

    @cached_property
    def _shape(self) -> re.Pattern[str]:
        pieces = re.split(r"%(.)", self.format)
        return re.compile("".join(_DIRECTIVES[x] if place % 2 else re.escape(x) for place, x in enumerate(pieces)))

    @cached_property
    def _widths(self) -> tuple[int, int]:
        pieces = re.split(r"%(.)", self.format)
        spans = [_WIDTHS.get(x, (2, 2)) if place % 2 else (len(x), len(x)) for place, x in enumerate(pieces)]
        return sum(low for low, _ in spans), sum(high for _, high in spans)

    def __str__(self) -> str:
        return f"{{{self.name}:{self.format}}}"


Piece = Literal | Anything | Dated


@dataclass(frozen=True)
class Segment:
    """A folder's or the file's name: pieces side by side. A segment without pieces is `**`."""

    pieces: tuple[Piece, ...] = ()

    @property
    def deep(self) -> bool:
        return not self.pieces

    @cached_property
    def literal(self) -> str | None:
        """Its text, if it is nothing else."""
        return _text(self.pieces) if self.pieces else None

    @cached_property
    def _only(self) -> tuple[str, Anything, str] | None:
        """Its one part that stands for anything, with the text before and behind it."""
        for place, piece in enumerate(self.pieces):
            before, behind = _text(self.pieces[:place]), _text(self.pieces[place + 1 :])
            if isinstance(piece, Anything) and before is not None and behind is not None:
                return before, piece, behind
        return None

    def match(self, name: str) -> dict[str, Part] | None:
        """The captured parts, each as short as the rest allows."""
        return self._match_ways(name) if self._only is None else _between(name, *self._only)

    def _match_ways(self, name: str) -> dict[str, Part] | None:
        ends = self._ends(name)
        if 0 not in ends[0]:
            return None
        found: dict[str, Part] = {}
        start = 0
        for piece, allowed in zip(self.pieces, ends[1:], strict=True):
            end = piece.ends(name, start, allowed) or 0
            if not isinstance(piece, Literal) and piece.name:
                text = name[start:end]
                found[piece.name] = text if isinstance(piece, Anything) else piece.read(text) or text
            start = end
        return found

    def _ends(self, name: str) -> list[frozenset[int]]:
        """For each piece, and behind the last, the positions from which the rest matches: one pass from the right."""
        ends = [frozenset((len(name),))]
        for piece in reversed(self.pieces):
            allowed = ends[0]
            if isinstance(piece, Anything):
                last = max(allowed, default=-1)
                here = frozenset(range(last - piece.least + 1))
            else:
                starts = range(len(name) + 1)
                here = frozenset(start for start in starts if piece.ends(name, start, allowed) is not None)
            ends.insert(0, here)
        return ends

    def trouble(self, name: str) -> str:
        """What stands in the way of matching, seen from the left."""
        everywhere = frozenset(range(len(name) + 1))
        starts = {0}
        for piece in self.pieces:
            if isinstance(piece, Anything):
                reached = set(range(min(starts) + piece.least, len(name) + 1))
            else:
                reached = {end for start in starts if (end := piece.ends(name, start, everywhere)) is not None}
            if not reached:
                return f"{_wanted(piece)} does not stand in {name!r}{_after(name, min(starts))}"
            starts = reached
        return f"{name!r} goes on after {name[: max(starts)]!r}"

    def __str__(self) -> str:
        texts = (piece.text if isinstance(piece, Literal) else str(piece) for piece in self.pieces)
        return "".join(texts) or "**"


def _text(pieces: Sequence[Piece]) -> str | None:
    """The text of pieces that are nothing else."""
    texts = [piece.text for piece in pieces if isinstance(piece, Literal)]
    return "".join(texts) if len(texts) == len(pieces) else None


def _between(name: str, before: str, piece: Anything, behind: str) -> dict[str, Part] | None:
    """What stands between two texts: most names of files have no other parts, and are matched by the thousand."""
    end = len(name) - len(behind)
    if end - len(before) < piece.least or not (name.startswith(before) and name.endswith(behind)):
        return None
    return {piece.name: name[len(before) : end]} if piece.name else {}


def _wanted(piece: Piece) -> str:
    return f"{piece} (such as {piece.write(_SAMPLE)!r})" if isinstance(piece, Dated) else str(piece)


def _after(name: str, start: int) -> str:
    return f" after {name[:start]!r}" if start else ""


def format_mistake(form: str) -> tuple[str, str] | None:
    """Why a format is not usable, and the way out."""
    codes = _directives(form)
    unknown = next((code for code in codes if code not in _DIRECTIVES), None)
    said = [code for code in codes if code != "%"]
    if "/" in form:
        return f"the format {form!r} crosses a folder", "a part for each folder: {year:%Y}/{month:%m}"
    if unknown is not None:
        return f"%{unknown} is not a directive", f"use one of {' '.join(f'%{code}' for code in _DIRECTIVES)}"
    if not said:
        return f"the format {form!r} holds no directive", "such as {day:%d-%m-%Y}"
    if len(said) > len(set(said)) or any(len(set(alike) & set(said)) > 1 for alike in _ALIKE):
        return f"the format {form!r} says the same thing twice", "keep one of the directives"
    if ("I" in said) != ("p" in said):
        return "%I and %p go together", "%I:%M %p, or %H:%M"
    return None


def _directives(form: str) -> list[str]:
    """The letters behind the percent signs; a sign at the end has an empty one."""
    return re.findall(r"%(.?)", form)
