"""A page of rows as one SELECT. Values are parameters; names are quoted; pages follow each other by key, not by offset.

The order ends with the table's own identity, so that it is the same every time and no row stands between two pages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from penstock.compile.sql import quote_identifier
from penstock.errors import DestinationError, UsageError, nearest
from penstock.model.lookups import Lookup, Page, Sort


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one engine writes what differs: types, and how an instant and a text are picked and compared."""

    type_name: Callable[[str], str]
    text: str
    instant: str = "{}"
    collation: str = ""


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with `$1`, `$2` and their values. Columns behind the first `width` say where a row stands in the order."""

    sql: str
    values: tuple[str, ...]
    width: int


def statement(
    lookup: Lookup, kinds: Mapping[str, str], relation: str, identity: Sequence[str], dialect: Dialect
) -> Statement:
    """The SELECT of a page and one row more. `kinds` maps the table's columns to canonical types."""
    for column in (*lookup.columns, *(name for name, _ in lookup.where), *(sort.column for sort in lookup.sort)):
        _check_column(column, lookup.table, kinds)
    writer = _Writer(kinds, dialect)
    terms = [*map(writer.term, lookup.sort), *(writer.term(Sort(name)) for name in identity if name in kinds)]
    terms.append(writer.whole(lookup.columns))
    conditions = [f"{_name(column)} = {writer.value(kinds[column], text)}" for column, text in lookup.where]
    if lookup.after:
        conditions.append(_from(terms, _checked(lookup.after, len(terms)), writer))
    picked = [*map(writer.shown, lookup.columns), *(f"CAST({term.name} AS {dialect.text})" for term in terms)]
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    order = ", ".join(f"{term.ordered}{' DESC' if term.descending else ''} NULLS LAST" for term in terms)
    skipped = int(lookup.after[-1] or 0) if lookup.after else 0
    sql = (
        f"SELECT {', '.join(picked)} FROM {relation} AS t{where} ORDER BY {order} "
        f"LIMIT {lookup.limit + 1:d} OFFSET {skipped:d}"
    )
    return Statement(sql, tuple(writer.values), len(lookup.columns))


def page(found: Sequence[tuple[object, ...]], lookup: Lookup, statement: Statement) -> Page:
    """The rows that the statement found as a page: the one more says that there is a next.

    The next page begins at the last row's place in the order, and skips as many rows as were seen there.
    """
    rows = [row[: statement.width] for row in found[: lookup.limit]]
    if len(found) <= lookup.limit:
        return Page(rows)
    places = [_place(row[statement.width :]) for row in found[: lookup.limit]]
    seen = sum(1 for place in places if place == places[-1])
    if lookup.after[:-1] == places[-1]:
        seen += int(lookup.after[-1] or 0)
    return Page(rows, (*places[-1], str(seen)))


@dataclass(frozen=True, slots=True)
class _Term:
    """One part of the order: what is sorted by, how it is compared, and its type."""

    name: str
    ordered: str
    kind: str
    descending: bool = False


class _Writer:
    """Collects the values of a statement while its text is written."""

    def __init__(self, kinds: Mapping[str, str], dialect: Dialect) -> None:
        self._kinds, self._dialect = kinds, dialect
        self.values: list[str] = []

    def term(self, sort: Sort) -> _Term:
        name, kind = _name(sort.column), self._kinds[sort.column]
        return _Term(name, name + (self._dialect.collation if kind == "VARCHAR" else ""), kind, sort.descending)

    def whole(self, columns: Sequence[str]) -> _Term:
        """What tells rows apart that are alike in all else: a wide step's rows share one identity."""
        names = map(_name, columns)
        texts = ", ".join(f"coalesce(CAST({name} AS {self._dialect.text}), chr(1))" for name in names)
        digest = f"md5(concat_ws('|', {texts}))"
        return _Term(digest, digest + self._dialect.collation, "VARCHAR")

    def value(self, kind: str, text: str) -> str:
        self.values.append(text)
        return f"CAST(${len(self.values)} AS {self._dialect.type_name(kind)})"

    def shown(self, column: str) -> str:
        name = _name(column)
        return self._dialect.instant.format(name) if self._kinds[column] == "TIMESTAMPTZ" else name


def _from(terms: Sequence[_Term], after: Sequence[str | None], writer: _Writer) -> str:
    """Rows that stand in the order where these values do, or later; empty values come last."""
    if not terms:
        return "true"
    term, value = terms[0], after[0]
    rest = _from(terms[1:], after[1:], writer)
    if value is None:
        return f"({term.name} IS NULL AND {rest})"
    sign = "<" if term.descending else ">"
    later = f"{term.ordered} {sign} {writer.value(term.kind, value)}"
    same = f"{term.name} = {writer.value(term.kind, value)}"
    return f"({later} OR {term.name} IS NULL OR ({same} AND {rest}))"


def _checked(after: Sequence[str | None], terms: int) -> Sequence[str | None]:
    if len(after) != terms + 1 or not str(after[-1]).isdecimal():
        raise UsageError("the cursor is not one of this table's", fix="begin again with the first page")
    return after


def _name(column: str) -> str:
    """Of the table, never of the result, which may have a column of that name too."""
    return f"t.{quote_identifier(column)}"


def _place(keys: Sequence[object]) -> tuple[str | None, ...]:
    return tuple(None if key is None else str(key) for key in keys)


def _check_column(column: str, table: str, kinds: Mapping[str, str]) -> None:
    if column not in kinds:
        raise DestinationError(
            f"the table {table!r} has no column {column!r}", fix=nearest(column, kinds) or "load the table again"
        )
