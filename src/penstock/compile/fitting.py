"""Whether a rule fits the relation that it is about: its columns exist, and hold what it compares."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.authoring.rules import Rule, Single
from penstock.compile.predicates import bound, columns_of
from penstock.errors import RuleError, nearest
from penstock.model.schemas import INTEGERS

_TIMES = ("DATE", "TIMESTAMP", "TIMESTAMPTZ")
_NO_TEXT = ("DOUBLE", "TIME", "PROTECTED", *_TIMES)
_NUMBERED = ("Mean", "Sum", "StandardDeviation")


PROTECTED = "PROTECTED"
"""The type of a column of which only the protected form is left: a token, a digest, a mask."""


def check_columns(rule: Rule, types: Mapping[str, str], *, at: str = "") -> None:
    """Raise `RuleError` unless the rule fits columns of these canonical types, and its SQL is a predicate.

    A type that is empty is not known; without any types the columns are not known. Names are compared as SQL does,
    without regard to case.
    """
    known = {name.lower(): kind for name, kind in types.items()}
    for single in rule.singles:
        in_sql = sorted(_in_sql(single, at))
        wanted = () if single.kind == "ColumnExists" else single.named
        for column in (*wanted, *in_sql) if types else ():
            if column.lower() not in known:
                raise RuleError(f"{rule.text}: there is no column {column!r}", at=at, fix=nearest(column, types))
            kind = known[column.lower()]
            if kind and not (_fits(single, kind) if column in wanted else kind != PROTECTED):
                raise _unfit(single, column, kind, at)


def _in_sql(rule: Single, at: str) -> frozenset[str]:
    texts = [sql for sql in (rule.predicate, rule.where) if sql]
    try:
        return frozenset().union(*(columns_of(bound(sql)) for sql in texts))
    except RuleError as error:
        error.at = error.at or at
        raise


def _unfit(rule: Single, column: str, kind: str, at: str) -> RuleError:
    if kind == PROTECTED:
        return RuleError(
            f"{rule.text} compares the column {column!r}, which is protected",
            at=at,
            why="a rule about a whole delivery sees what privacy left of it",
            fix="judge single rows of the source (leave the threshold out): they are judged by the clear value",
        )
    return RuleError(
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
        "text": kind not in _NO_TEXT and not number,
        "regex": kind not in _NO_TEXT and not kind.startswith("DECIMAL"),
    }.get(rule.condition.domain, True)
