"""The values of a column as they are judged, and the judgement: how far they fit a kind of personal data.

Two numbers for each kind: `plausible`, the share of values that could be of the kind at all (a header that names the
kind is believed only then), and `alone`, how sure the values make it without any header.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

_NOTHING = frozenset("n/a na none null nil nan - -- ? unknown unbekannt keine leer tbd #n/a".split())
MOST = 1000
"""Distinct values that are judged."""
_LONGEST = 250


@dataclass(frozen=True, slots=True)
class Values:
    """A column's values as they are judged: distinct, without blanks and words for “nothing”."""

    texts: tuple[str, ...]
    rows: int
    """How many rows hold a value."""
    numbered: float = 0.0
    lettered: float = 0.0
    """The shares of values with at least four digits, and with at least two letters."""

    @classmethod
    def of(cls, column: Iterable[str | None]) -> Values:
        held = [text.strip()[:_LONGEST] for text in column if text is not None]
        held = [text for text in held if text and text.casefold() not in _NOTHING]
        texts = tuple(dict.fromkeys(held))[:MOST]
        numbered = sum(sum(map(str.isdecimal, text)) >= 4 for text in texts)
        lettered = sum(sum(map(str.isalpha, text)) >= 2 for text in texts)
        return cls(texts, len(held), numbered / max(1, len(texts)), lettered / max(1, len(texts)))

    def share(self, test: Callable[[str], object]) -> float:
        return sum(1 for text in self.texts if test(text)) / len(self.texts) if self.texts else 0.0


@dataclass(frozen=True, slots=True)
class Fit:
    """How far values fit a kind. `proof`: the shape is so particular that no header talks it away."""

    plausible: float
    alone: float
    why: tuple[str, ...] = ()
    proof: bool = False


def percent(share: float) -> str:
    """A share as text: `9 %`."""
    return f"{share:.0%}".replace("%", " %")


DATELIKE = re.compile(r"(\d{1,4}[./\-]\d{1,2}[./\-]\d{1,4}|\d{8})([ T]\d.*)?")
_DATED = re.compile(r"(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])")


def counted(numbers: Sequence[str]) -> bool:
    """Numbers that were given out in order, or begin alike or with a date: what tills and shops print on receipts."""
    if len(numbers) < 5:
        return False
    sizes = sorted(map(int, filter(None, numbers)))
    if sizes and sizes[-1] - sizes[0] < 0.2 * sizes[-1]:
        return True
    rising = sum(first < second for first, second in pairwise(numbers))
    ordered = len(numbers) >= 8 and (rising >= 0.95 * (len(numbers) - 1) or rising <= 0.05 * (len(numbers) - 1))
    dated = sum(bool(_DATED.match(number)) for number in numbers)
    return ordered or dated >= 0.8 * len(numbers)
