"""Rules as DuckDB SQL: which rows pass, which rows a rule about a delivery rejects.

Every predicate is TRUE for a row that passes and FALSE for any other, never NULL. A NULL passes only where the rule
speaks of NULL; a NaN passes no comparison of numbers; a value that cannot be read as what the rule compares fails.
(AWS Glue lets NULL pass `!=` and `not in`; here a rule that lets it pass says so.)
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from penstock.authoring.conditions import Condition, Duration, Keyword, RunTime, Value, moment
from penstock.authoring.rules import Combined, Rule, Single
from penstock.compile.predicates import RUN_TIME, bound
from penstock.compile.sql import quote_identifier, quote_literal
from penstock.errors import RuleError

_NAN_PASSES = (">", ">=", "!=", "not in", "not between")
"""DuckDB holds NaN to be equal to itself and greater than any number."""
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


# --- rows ---------------------------------------------------------------------------------------------------------


def row_predicate(rule: Rule) -> str:
    """An expression over a row: TRUE when it passes, FALSE otherwise. A threshold does not change it.

    Raises `RuleError` for a rule that judges a delivery as a whole, and for SQL that is not a predicate.
    """
    if isinstance(rule, Combined):
        return f"({f' {rule.operator.upper()} '.join(row_predicate(part) for part in rule.parts)})"
    if rule.level != "row":
        raise RuleError(f"{rule.text} does not judge single rows")
    test = _test(rule)
    return f"(NOT {applies(rule)} OR {test})" if rule.where else test


def applies(rule: Single) -> str:
    """Whether the rule's filter lets it speak of a row; TRUE where the filter itself cannot be computed."""
    return f"coalesce(TRY((\n{bound(rule.where)}\n) IS TRUE), TRUE)" if rule.where else "TRUE"


def _test(rule: Single) -> str:
    if rule.kind == "Sql":
        return f"coalesce(TRY((\n{bound(rule.predicate)}\n) IS TRUE), FALSE)"
    column = quote_identifier(rule.named[0])
    if rule.condition is None:
        return f"({column} IS NOT NULL)"
    if rule.kind == "ColumnLength":
        return f"coalesce({_compare(f'length(CAST({column} AS VARCHAR))', rule.condition)}, FALSE)"
    condition = _as_moments(rule.condition) if rule.kind == "DataFreshness" else rule.condition
    return _holds(column, condition)


def _holds(column: str, condition: Condition) -> str:
    """A condition on a column, with all that it says of NULL."""
    negative = condition.operator in ("!=", "not in")
    spoken = tuple(value for value in condition.values if value is not Keyword.NULL)
    if not spoken:
        return f"({column} IS {'NOT ' if negative else ''}NULL)"
    rest = replace(condition, values=spoken)
    test = _equality(column, rest) if _equates_texts(rest) else _compare(_value(column, condition.domain), rest)
    if condition.domain == "number" and condition.operator in _NAN_PASSES:
        test = f"({test} AND {column} <= 'infinity'::DOUBLE)"
    null = condition.mentions_null and not negative
    return f"(coalesce({test}, FALSE) OR {column} IS NULL)" if null else f"coalesce({test}, FALSE)"


def _value(column: str, domain: str) -> str:
    if domain == "number":
        return column
    return f"TRY_CAST({column} AS TIMESTAMP)" if domain == "date" else f"CAST({column} AS VARCHAR)"


def _compare(value: str, condition: Condition) -> str:
    domain, operator = condition.domain, condition.operator
    if domain == "regex":
        matches = f"regexp_full_match({value}, {quote_literal(str(condition.values[0]))})"
        return f"NOT {matches}" if operator.startswith("not") else matches
    literals = [_literal(each, domain) for each in condition.values]
    if operator == "between":
        return f"({value} > {literals[0]} AND {value} < {literals[1]})"
    if operator == "not between":
        return f"({value} <= {literals[0]} OR {value} >= {literals[1]})"
    if operator in ("in", "not in"):
        return f"{value} {operator.upper()} ({', '.join(literals)})"
    return f"{value} {'<>' if operator == '!=' else operator} {literals[0]}"


def _equates_texts(condition: Condition) -> bool:
    """Dates in quotes are texts too, as long as nothing is compared with the run's time."""
    dated = condition.domain == "date" and not any(isinstance(value, RunTime) for value in condition.values)
    return condition.operator in ("=", "!=", "in", "not in") and (condition.domain == "text" or dated)


def _equality(column: str, condition: Condition) -> str:
    """Equality with texts. One that is a date equals the same text and the same moment: the column may hold either."""
    text = _value(column, "text")
    named = [value for value in condition.values if value is not Keyword.WHITESPACES_ONLY]
    tests = [f"{text} IN ({', '.join(_literal(value, 'text') for value in named)})"] if named else []
    if condition.domain == "date":
        moments = ", ".join(_literal(value, "date") for value in named)
        tests.append(f"coalesce({_value(column, 'date')} IN ({moments}), FALSE)")
    if len(named) < len(condition.values):
        tests.append(rf"regexp_full_match({text}, '\s+')")
    return f"{'NOT ' if condition.operator in ('!=', 'not in') else ''}({' OR '.join(tests)})"


def _literal(value: Value, domain: str) -> str:
    if isinstance(value, RunTime):
        offset = value.offset
        return f"({RUN_TIME} {value.sign} INTERVAL '{offset.amount} {offset.unit}')" if offset else RUN_TIME
    if isinstance(value, int | Decimal):
        return f"({format(value, 'f') if isinstance(value, Decimal) else value})"
    if domain == "date":
        at = moment(str(value)) or datetime.min  # noqa: DTZ901  the domain says that it is a date
        return f"TIMESTAMP {quote_literal(at.isoformat(sep=' '))}"
    return quote_literal("" if value is Keyword.EMPTY else str(value))


def _as_moments(condition: Condition) -> Condition:
    """A condition on an age as one on the moment: an age below a day is a moment after a day ago."""
    moments = [RunTime("-", age) for age in condition.values if isinstance(age, Duration)]
    ordered = reversed(moments) if "between" in condition.operator else moments
    return Condition(_TURNED.get(condition.operator, condition.operator), tuple(ordered))


# --- which rows a rule about a delivery rejects -----------------------------------------------------------------------


def failing_rows_query(rule: Rule, relation: str, row_column: str, slot_column: str = "") -> str:
    """A query for the rows of `relation` (SQL, as it stands after FROM) that fail, by their `row_column`.

    Each slot is judged by itself. All rows that share a key fail, not all but the first. A rule with a threshold
    rejects nothing in a slot where the threshold holds.
    """
    slot = (slot_column,) if slot_column else ()
    if isinstance(rule, Single) and rule.level == "key":
        return _duplicates(rule, relation, row_column, slot)
    query = f"SELECT {row_column} FROM {relation} WHERE NOT {row_predicate(rule)}"
    if isinstance(rule, Combined) or rule.threshold is None:
        return query
    key = slot_column or "1"
    rate = _compare(f"count(*) FILTER ({_test(rule)}) / count(*)", rule.threshold)
    below = f"SELECT {key} FROM {relation} WHERE {applies(rule)} GROUP BY {key} HAVING NOT ({rate})"
    return f"{query} AND {key} IN ({below})"


def _duplicates(rule: Single, relation: str, row_column: str, slot: tuple[str, ...]) -> str:
    keys = (*slot, *map(quote_identifier, rule.named))
    same = " AND ".join(f"r.{key} IS NOT DISTINCT FROM d.{key}" for key in keys)
    repeated = (
        f"SELECT {', '.join(keys)} FROM {relation} WHERE {counted(rule)} GROUP BY {', '.join(keys)} HAVING count(*) > 1"
    )
    query = (
        f"SELECT r.{row_column} FROM (FROM {relation} WHERE {counted(rule)}) AS r SEMI JOIN ({repeated}) AS d ON {same}"
    )
    if rule.kind == "IsUnique":
        return query
    return f"{query} UNION SELECT {row_column} FROM {relation} WHERE {applies(rule)} AND ({missing(rule)})"


def counted(rule: Single) -> str:
    """The rows among which values are compared: those that the filter lets through and that have any value at all."""
    present = " OR ".join(f"{quote_identifier(name)} IS NOT NULL" for name in rule.named)
    return f"{applies(rule)} AND ({present})"


def missing(rule: Single) -> str:
    """Whether a row lacks a part of its primary key."""
    return " OR ".join(f"{quote_identifier(name)} IS NULL" for name in rule.named)
