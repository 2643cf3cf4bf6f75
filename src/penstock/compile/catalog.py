"""What is known of tables through time: one schema for all batches, and where they drift from each other. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from penstock.model.schemas import union
from penstock.model.shapes import Columns

_NUMBERS = ("SMALLINT", "INTEGER", "BIGINT", "DOUBLE")
_TIMES = ("DATE", "TIMESTAMP")


@dataclass(frozen=True, slots=True)
class Drift:
    """A column that became another. `before` is empty for a new one, `after` for one that is there no longer."""

    column: str
    before: str
    after: str
    since: str
    """The batch, or the version, with which it did."""

    @property
    def kind(self) -> str:
        """`added`, `missing` or `widened`."""
        return "added" if not self.before else "widened" if self.after else "missing"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of all batches together."""

    name: str
    type: str
    since: str
    """The first batch, or version, that had it; empty where that is not known."""
    missing: int = 0
    """How many batches lack it."""


def united(batches: Iterable[tuple[str, Columns]]) -> tuple[tuple[Column, ...], tuple[Drift, ...]]:
    """The columns of all batches (names with what each has, in order), and what changed from one to the next."""
    told: list[Drift] = []
    types: dict[str, str] = {}
    since: dict[str, str] = {}
    counts: dict[str, int] = {}
    present: set[str] | None = None
    number = 0
    for batch, columns in batches:
        number += 1
        found = dict(columns)
        for name, kind in found.items():
            wider = wide(types.get(name, kind), kind)
            if present is not None and (name not in present or wider != types[name]):
                told.append(Drift(name, types[name] if name in present else "", wider, batch))
            types[name], counts[name] = wider, counts.get(name, 0) + 1
            since.setdefault(name, batch)
        told += [Drift(name, types[name], "", batch) for name in sorted((present or set()) - found.keys())]
        present = set(found)
    united_columns = (Column(name, kind, since[name], number - counts[name]) for name, kind in types.items())
    return tuple(united_columns), tuple(told)


def wide(first: str, second: str) -> str:
    """A type for the values of both; text, in the end, is one."""
    found = union(first, second)
    if found is None and {first, second} <= {*_NUMBERS} | {kind for kind in (first, second) if "DECIMAL" in kind}:
        return "DOUBLE"
    if found is None and {first, second} == {*_TIMES}:
        return "TIMESTAMP"
    return found or "VARCHAR"
