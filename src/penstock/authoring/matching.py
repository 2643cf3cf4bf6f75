"""Rows of one input that need a partner in another: what has none yet waits for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from penstock.authoring.place import Place
from penstock.errors import RuleError

ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Matched:
    """Every row of `relation` has a partner in `other`: a row with the same values in these columns."""

    relation: str
    other: str
    columns: tuple[tuple[str, str], ...]
    """Column of `relation`, column of `other`."""
    attempts: int
    place: Place

    @property
    def text(self) -> str:
        """The reason that a row without a partner is given."""
        own = ", ".join(f'"{name}"' for name, _ in self.columns)
        theirs = ", ".join(f'"{name}"' for _, name in self.columns)
        named = "" if own == theirs else f" as {theirs}"
        return f'Matched {own} in "{self.other}"{named}'


def matched(
    relation: str, other: str, on: str | Sequence[str] | Mapping[str, str], attempts: int, place: Place
) -> Matched:
    """See `Pipeline.matched`."""
    if isinstance(on, str):
        columns: tuple[tuple[str, str], ...] = ((on, on),)
    elif isinstance(on, Mapping):
        columns = tuple(on.items())
    else:
        columns = tuple((name, name) for name in on)
    if not columns:
        raise RuleError(f"matched({relation!r}) names no columns", fix='on="date"')
    if attempts < 1:
        raise RuleError(f"attempts={attempts}", why="the first run is an attempt, too", fix="attempts=5")
    return Matched(relation, other, columns, attempts, place)
