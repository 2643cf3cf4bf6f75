"""A chart's question as one SELECT. Column names are quoted; what is compared is bound, or a date that was parsed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

from penstock.compile.sql import quote_identifier, quote_literal
from penstock.errors import DestinationError, UsageError, nearest
from penstock.model.summaries import Function, Grain, Group, Measure, Summary, Window

ORIGIN = "TIMESTAMP '2000-01-03 00:00:00'"
"""Where buckets are counted from: a Monday."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one engine writes what differs: types, buckets of time, the value that is latest."""

    type_name: Callable[[str], str]
    bucket: str
    last: str


DUCKDB = Dialect(
    str, "time_bucket(INTERVAL '{seconds} seconds', {time}, {origin})", "arg_max({value}, {by})"
)  # fmt: skip
POSTGRES = Dialect(
    str, "date_bin('{seconds} seconds', {time}, {origin})", "(array_agg({value} ORDER BY {by} DESC NULLS LAST))[1]"
)


@dataclass(frozen=True, slots=True)
class Question:
    """SQL with `$1`, `$2` and their values."""

    sql: str
    values: tuple[str, ...] = ()


def question(summary: Summary, kinds: Mapping[str, str], relation: str, dialect: Dialect) -> Question:
    """The SELECT that answers. `kinds` maps the table's columns to canonical types. Raises `DestinationError`."""
    for column in _columns(summary):
        if column not in kinds:
            fix = nearest(column, kinds) or "load the table again"
            raise DestinationError(f"the table {summary.table!r} has no column {column!r}", fix=fix)
    return _Writer(summary, kinds, dialect).question(relation)


def _columns(summary: Summary) -> list[str]:
    window = [summary.window.column] if summary.window else []
    return [
        *(group.column for group in summary.groups),
        *(name for measure in summary.measures for name in measure.columns),
        *summary.columns, *(name for name, _ in summary.where), *window, *(sort.column for sort in summary.sort),
    ]  # fmt: skip


class _Writer:
    def __init__(self, summary: Summary, kinds: Mapping[str, str], dialect: Dialect) -> None:
        self._summary, self._kinds, self._dialect = summary, kinds, dialect
        self._values: list[str] = []

    def question(self, relation: str) -> Question:
        summary = self._summary
        groups = [self._group(group) for group in summary.groups]
        picked = [*groups, *map(self._measure, summary.measures), *map(self._shown, summary.columns)]
        where = self._where(relation)
        grouped = f" GROUP BY {', '.join(groups)}" if groups else ""
        sql = f"SELECT {', '.join(picked)} FROM {relation} AS t{where}{grouped}{self._order(groups)}"
        return Question(f"{sql} LIMIT {summary.limit:d}", tuple(self._values))

    def _order(self, groups: list[str]) -> str:
        sorts = [f"{_name(sort.column)}{' DESC' if sort.descending else ''}" for sort in self._summary.sort]
        terms = [f"{term} NULLS LAST" for term in (sorts or groups)]
        return f" ORDER BY {', '.join(terms)}" if terms else ""

    def _where(self, relation: str) -> str:
        equal = [f"{_name(column)} = {self._bound(column, text)}" for column, text in self._summary.where]
        window = self._summary.window
        found = [*equal, *(self._times(window) if window else ())]
        if window and window.daily:
            found.append(self._of_day(window, relation, list(found)))
        return f" WHERE {' AND '.join(found)}" if found else ""

    def _times(self, window: Window) -> list[str]:
        if window.between is None:
            return []
        first, last = (quote_literal(moment.isoformat()) for moment in window.between)
        clock = f"CAST({self._local(window.column)} AS TIME)"
        return [f"{clock} >= TIME {first}", f"{clock} <= TIME {last}"]

    def _of_day(self, window: Window, relation: str, others: list[str]) -> str:
        day = f"CAST({self._local(window.column)} AS DATE)"
        if window.day is not None:
            return f"{day} = DATE {quote_literal(window.day.isoformat())}"
        where = f" WHERE {' AND '.join(others)}" if others else ""
        return f"{day} = (SELECT max({day}) FROM {relation} AS t{where})"

    def _bound(self, column: str, text: str) -> str:
        self._values.append(text)
        return f"CAST(${len(self._values)} AS {self._dialect.type_name(self._kinds[column])})"

    def _shown(self, column: str) -> str:
        return self._local(column) if self._kinds[column] == "TIMESTAMPTZ" else _name(column)

    def _local(self, column: str) -> str:
        """A time column as the clock on the wall shows it."""
        kind, zone = self._kinds[column], self._summary.zone
        if kind == "TIMESTAMPTZ":
            return f"timezone({quote_literal(zone or 'UTC')}, {_name(column)})"
        if kind not in ("TIMESTAMP", "DATE"):
            raise DestinationError(
                f"the column {column!r} holds no times", why=f"its type is {kind}", fix="name another"
            )
        if zone:
            raise UsageError(
                f"the column {column!r} holds local times already", why="its type has no zone", fix="leave tz out"
            )
        return _name(column) if kind == "TIMESTAMP" else f"CAST({_name(column)} AS TIMESTAMP)"

    def _group(self, group: Group) -> str:
        if group.grain is Grain.VALUE:
            return self._shown(group.column)
        local = self._local(group.column)
        if group.grain is Grain.BUCKET:
            return self._dialect.bucket.format(seconds=group.seconds, time=local, origin=ORIGIN)
        if group.grain is Grain.HOUR:
            return f"CAST(extract(hour FROM {local}) AS INTEGER)"
        return f"CAST({local} AS DATE)" if group.grain is Grain.DAY else f"CAST(date_trunc('month', {local}) AS DATE)"

    def _measure(self, measure: Measure) -> str:
        value = _name(measure.column) if measure.column else "*"
        if measure.function is Function.LAST:
            found = self._dialect.last.format(value=value, by=_name(measure.by))
        else:
            found = f"{measure.function.value}({value})"
        return found if measure.per == 1 else f"{found} / CAST({measure.per!r} AS DOUBLE PRECISION)"


def day_of(text: str) -> date:
    """A day that a person typed. Raises `UsageError`."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text!r} is no day", fix="year-month-day, such as 2026-11-14") from None


def _name(column: str) -> str:
    return f"t.{quote_identifier(column)}"
