"""Whether a rule fits the relation that it is about: its columns exist, and hold what it compares."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.authoring.rules import Rule, Single
from penstock.compile.predicates import columns_of
from penstock.errors import RuleError, nearest
from penstock.model.schemas import INTEGERS

_TIMES = ("DATE", "TIMESTAMP", "TIMESTAMPTZ")
_INEXACT_TEXT = ("DOUBLE", "TIME", *_TIMES)
_NUMBERED = ("Mean", "Sum", "StandardDeviation")


def check_columns(rule: Rule, types: Mapping[str, str], *, at: str = "") -> None:
    """Raise `RuleError` unless the rule fits columns of these canonical types (an empty one is not known).

    Names are compared as SQL does, without regard to case.
    """
    known = {name.lower(): kind for name, kind in types.items()}
    for single in rule.singles:
        wanted = () if single.kind == "ColumnExists" else single.named
        for column in (*wanted, *sorted(_in_sql(single))):
            if column.lower() not in known:
                raise RuleError(f"{rule.text}: there is no column {column!r}", at=at, fix=nearest(column, types))
        for column in wanted:
            _check_kind(single, column, known[column.lower()], at)


def _in_sql(rule: Single) -> frozenset[str]:
    return frozenset().union(*(columns_of(sql) for sql in (rule.predicate, rule.where) if sql))


def _check_kind(rule: Single, column: str, kind: str, at: str) -> None:
    if not kind or _fits(rule, kind):
        return
    raise RuleError(
        f"{rule.text} does not fit the column {column!r}, which is {kind}",
        at=at,
        why="numbers are compared with numbers, texts with texts, dates with dates",
        fix="declare the column with the type that the rule means, or compare with a value of its own type",
    )


def _fits(rule: Single, kind: str) -> bool:
    number = kind in INTEGERS or kind == "DOUBLE" or kind.startswith("DECIMAL")
    if rule.kind in _NUMBERED:
        return number
    if rule.kind == "ColumnLength":
        return kind in ("VARCHAR", "JSON")
    if rule.kind not in ("ColumnValues", "DataFreshness") or rule.condition is None:
        return True
    return {
        "number": number,
        "date": kind in (*_TIMES, "VARCHAR"),
        "duration": kind in (*_TIMES, "VARCHAR"),
        "text": kind not in _INEXACT_TEXT and not number,
        "regex": kind not in _INEXACT_TEXT and not kind.startswith("DECIMAL"),
    }.get(rule.condition.domain, True)
