"""Questions for a chart: a table's rows in groups, or as points; and their answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, time
from enum import StrEnum
from typing import Any

from penstock.model.lookups import Sort


class Grain(StrEnum):
    """How a column's values are put together to groups."""

    VALUE = "value"
    HOUR = "hour"
    DAY = "day"
    BUCKET = "bucket"
    MONTH = "month"


class Function(StrEnum):
    """What is made of a group's values."""

    COUNT = "count"
    SUM = "sum"
    AVG = "avg"
    MIN = "min"
    MAX = "max"
    LAST = "last"


@dataclass(frozen=True, slots=True)
class Group:
    """One column's groups; a bucket is so many seconds long."""

    column: str
    grain: Grain = Grain.VALUE
    seconds: int = 0

    @property
    def timed(self) -> bool:
        return self.grain is not Grain.VALUE


@dataclass(frozen=True, slots=True)
class Measure:
    """One number for each group, divided by `per`. `last` is the value of the row that is latest `by` a column."""

    function: Function
    column: str = ""
    by: str = ""
    per: float = 1

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(name for name in (self.column, self.by) if name)


@dataclass(frozen=True, slots=True)
class Window:
    """Which rows by their time of a column: of one local day (the newest that there is, when none is named), between
    two times of the day, both included."""

    column: str
    daily: bool = False
    day: date | None = None
    between: tuple[time, time] | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """Groups and their measures; without measures, the plain values of `columns`, row by row.

    Answers are sorted by their groups, or as `sort` says. Local times are those of `zone`; of columns without a zone
    of their own, the ones that stand there.
    """

    pipeline: str
    table: str
    groups: tuple[Group, ...] = ()
    measures: tuple[Measure, ...] = ()
    columns: tuple[str, ...] = ()
    where: tuple[tuple[str, str], ...] = ()
    window: Window | None = None
    zone: str = ""
    sort: tuple[Sort, ...] = ()
    limit: int = 5000


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows: the groups' values, then the measures'; or the columns'. Times are local, without a zone."""

    rows: Sequence[tuple[Any, ...]] = field(default=())
