"""Questions that are asked of a published table, one page of rows at a time, and their answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Sort:
    """A column to sort by. Rows without a value come last either way."""

    column: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Lookup:
    """One page of a table's rows: those that equal some values, sorted, from where the page before ended."""

    pipeline: str
    table: str
    columns: tuple[str, ...]
    where: tuple[tuple[str, str], ...] = ()
    """Columns and the text of the value that each must equal; the destination reads it as the column's type."""
    sort: tuple[Sort, ...] = ()
    limit: int = 100
    after: tuple[str | None, ...] = ()
    """The `Page.next` of the page before."""


@dataclass(frozen=True, slots=True)
class Page:
    """Rows in the order of `Lookup.columns`, all of one published state of the table. `next` is empty at the end."""

    rows: Sequence[tuple[Any, ...]] = ()
    next: tuple[str | None, ...] = ()
