"""Rules about whole deliveries: one query measures each, pure Python judges the figures.

Definitions follow Deequ, on which AWS Glue's data quality runs: uniqueness is the share of rows whose value occurs
once, the unique value ratio the share of distinct values that do; rows without any value are left out of both;
entropy is in nats; the standard deviation is the population's. A delivery with nothing to judge has a share of 1,
a sum and counts of 0, and neither a mean nor a standard deviation: those rules fail.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite, log
from typing import Any

from penstock.authoring.conditions import Condition
from penstock.authoring.rules import Rule, Single
from penstock.compile.checks import applies, counted, missing, row_predicate
from penstock.compile.sql import quote_identifier, quote_literal
from penstock.model.rows import RESERVED

Observed = int | float | Decimal | str | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a delivery passes a rule, what was measured, and both in one line."""

    passed: bool
    observed: Observed
    text: str


# --- measuring --------------------------------------------------------------------------------------------------------

JUDGED = "_penstock_slot"
"""The column of `measures_query` that says which slot its figures are about."""
_N = "_penstock_n"


def measures_query(rule: Rule, relation: str, slot_column: str) -> str:
    """A query that gives one row for each slot: the slot, then the figures that `judge` wants, in order.

    `relation` is SQL as it stands after FROM. A slot without rows gives none. Values are counted by grouping, which
    spills to disk: as a histogram within one aggregate, five million rows took 876 MB.
    """
    singles = list(enumerate(rule.singles))
    plain = [f"{sql} AS m{place}_{n}" for place, single in singles for n, sql in enumerate(_plain(single, relation))]
    figures = [f"m{place}_{n}" for place, single in singles for n in range(_width(single))]
    first = ", ".join([f"{slot_column} AS {JUDGED}", *plain])
    query = f"SELECT {JUDGED}, {', '.join(figures)} FROM (SELECT {first} FROM {relation} GROUP BY 1)"
    for place, single in singles:
        if _frequencies(single):
            query += f" LEFT JOIN ({_grouped(single, relation, slot_column, f'm{place}')}) USING ({JUDGED})"
    return query


def _plain(rule: Single, relation: str) -> list[str]:
    """Aggregates over the rows themselves."""
    among = f"FILTER ({applies(rule)})"
    column = quote_identifier(rule.named[0]) if rule.named else ""
    if rule.level == "row":
        return [f"count(*) {among}", f"count(*) FILTER ({applies(rule)} AND {row_predicate(rule)})"]
    if rule.kind in _AGGREGATES:
        return [f"{_AGGREGATES[rule.kind]}({column}) {among}"]
    return {
        "RowCount": [f"count(*) {among}"],
        "Completeness": [f"count(*) {among}", f"count({column}) {among}"],
        "DistinctValuesCount": [f"count(DISTINCT {column}) {among}"],
        "ColumnCount": [_schema(rule, relation)],
        "ColumnExists": [_schema(rule, relation)],
    }.get(rule.kind, [])


_AGGREGATES = {"Sum": "sum", "Mean": "avg", "StandardDeviation": "stddev_pop"}


def _schema(rule: Single, relation: str) -> str:
    hidden = ", ".join(map(quote_literal, RESERVED))
    wanted = f" AND lower(column_name) = lower({quote_literal(rule.named[0])})" if rule.named else ""
    return f"(SELECT count(*) FROM (DESCRIBE FROM {relation}) WHERE column_name NOT IN ({hidden}){wanted})"


def _frequencies(rule: Single) -> tuple[str, ...]:
    """Aggregates over groups of equal values, each some rows strong."""
    once = f"count(*) FILTER ({_N} = 1)"
    return {
        "IsUnique": (f"sum({_N}) FILTER ({_N} > 1)",),
        "IsPrimaryKey": (f"sum({_N}) FILTER ({_N} > 1 OR {missing(rule)})",),
        "Uniqueness": (once, f"sum({_N})"),
        "UniqueValueRatio": (once, "count(*)"),
        "Entropy": (f"sum({_N})", f"sum({_N} * ln({_N}))"),
    }.get(rule.kind, ())


def _grouped(rule: Single, relation: str, slot_column: str, name: str) -> str:
    keys = ", ".join(map(quote_identifier, rule.named))
    among = applies(rule) if rule.kind == "IsPrimaryKey" else counted(rule)
    figures = ", ".join(f"{sql} AS {name}_{n}" for n, sql in enumerate(_frequencies(rule)))
    groups = f"SELECT {slot_column} AS {JUDGED}, {keys}, count(*) AS {_N} FROM {relation} WHERE {among} GROUP BY ALL"
    return f"SELECT {JUDGED}, {figures} FROM ({groups}) GROUP BY 1"


def _width(rule: Single) -> int:
    """How many figures a rule wants."""
    return 2 if rule.level == "row" or rule.kind in _PAIRS else 1


_PAIRS = ("Completeness", "Uniqueness", "UniqueValueRatio", "Entropy")


# --- judging ----------------------------------------------------------------------------------------------------------


def judge(rule: Rule, measures: Sequence[Any]) -> Verdict:
    """Judge one slot by its figures, in the order of `measures_query` (without the slot). None means: no rows."""
    if isinstance(rule, Single):
        observed = _observed(rule, measures)
        passed = _passed(rule, observed, measures)
        return Verdict(passed, observed, f"{rule.text}: {_told(rule, observed, measures)}")
    verdicts, at = [], 0
    for part in rule.parts:
        width = sum(_width(single) for single in part.singles)
        verdicts.append(judge(part, measures[at : at + width]))
        at += width
    joined = all if rule.operator == "and" else any
    text = "; ".join(verdict.text for verdict in verdicts)
    return Verdict(joined(verdict.passed for verdict in verdicts), text, text)


def _observed(rule: Single, measures: Sequence[Any]) -> Observed:
    first, *more = measures
    if rule.level == "row":
        rate = _share(more[0], first)
        return rate if rule.threshold else (first or 0) - (more[0] or 0)
    match rule.kind:
        case "Completeness":
            return _share(more[0], first)
        case "Uniqueness" | "UniqueValueRatio":
            return _share(first, more[0])
        case "Entropy":
            return log(first) - more[0] / float(first) if first else 0.0
        case "Mean" | "StandardDeviation" | "ColumnCount" | "ColumnExists":
            return first  # type: ignore[no-any-return]
    return first or 0


def _share(part: Any, whole: Any) -> float:
    return float(part) / float(whole) if whole else 1.0


def _passed(rule: Single, observed: Observed, measures: Sequence[Any]) -> bool:
    if rule.threshold:
        return meets(observed, rule.threshold)
    if rule.level in ("row", "key"):
        return observed == 0
    if rule.kind in ("ColumnCount", "ColumnExists") and measures[0] is None:
        return True  # nothing came that could lack a column
    return meets(observed, rule.condition) if rule.condition else observed == 1


def meets(observed: Observed, condition: Condition) -> bool:
    """Whether a figure meets a condition on numbers. No figure, or one that is not a number, meets none."""
    if not isinstance(observed, int | float | Decimal) or not isfinite(observed):
        return False
    numbers = [value for value in condition.values if isinstance(value, int | Decimal)]
    bounds: list[Any] = [float(number) for number in numbers] if isinstance(observed, float) else list(numbers)
    match condition.operator:
        case "in" | "=":
            return observed in bounds
        case "not in" | "!=":
            return observed not in bounds
        case "between":
            return bool(bounds[0] < observed < bounds[1])
        case "not between":
            return not bounds[0] < observed < bounds[1]
    return bool(
        {"<": observed < bounds[0], "<=": observed <= bounds[0], ">": observed > bounds[0]}.get(
            condition.operator, observed >= bounds[0]
        )
    )


def _told(rule: Single, observed: Observed, measures: Sequence[Any]) -> str:
    if rule.level == "row":
        failing = (measures[0] or 0) - (measures[1] or 0)
        return f"{failing} of {measures[0] or 0} rows fail"
    if rule.level == "key":
        return f"{observed} rows fail"
    return (
        "nothing to measure"
        if observed is None
        else f"{observed:.6g}"
        if isinstance(observed, float)
        else str(observed)
    )
