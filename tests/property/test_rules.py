"""Rules: the text of a rule is the rule; its SQL says of every row what the rule means, and never NULL."""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta

import duckdb
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from penstock.authoring import regexes
from penstock.authoring.conditions import Condition, Duration, Keyword, RunTime, minutes, moment
from penstock.authoring.rules import CheckSpec, Combined, Severity, Single, parse_rule
from penstock.compile.checks import row_predicate
from penstock.compile.fitting import check_columns
from penstock.compile.masks import Masks, reason_list
from penstock.errors import RuleError

NOW = datetime(2024, 3, 10, 12)  # noqa: DTZ001  the run's time in UTC, as it is bound
TYPES = {"n": "BIGINT", "d": "DECIMAL(8,2)", "f": "DOUBLE", "s": "VARCHAR", "t": "TIMESTAMP"}

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6) | st.sampled_from(
    ["", " ", "a", "'", '"', "\\", "--", "/*", ";", "2024-01-01", "2024-13-01", "NULL", "\t\n"]
)
numbers = st.integers(-5, 5) | st.decimals(-5, 5, places=2).map(lambda x: int(x) if x == int(x) else x.normalize())
durations = st.builds(Duration, st.integers(0, 99), st.sampled_from(["days", "hours", "minutes"]))
dates = st.sampled_from(["2024-03-10", "2024-03-09 12:00", "2024-03-10T12:00:00.5"]) | st.builds(
    RunTime, st.sampled_from(["+", "-"]), durations
)
rows = st.fixed_dictionaries(
    {
        "n": st.none() | st.integers(-6, 6) | st.sampled_from([2**63 - 1, -(2**63)]),
        "d": st.none() | st.decimals(-6, 6, places=2),
        "f": st.none() | st.integers(-6, 6).map(float) | st.sampled_from([math.nan, math.inf, -math.inf, 0.5, -0.0]),
        "s": st.none() | texts,
        "t": st.none() | st.datetimes(datetime(2024, 3, 8), datetime(2024, 3, 12)),  # noqa: DTZ001
    }
)


@st.composite
def conditions(draw, values, *, ordered, null=True):
    operators = ["=", "!=", "in", "not in", *(("<", "<=", ">", ">=", "between", "not between") if ordered else ())]
    operator = draw(st.sampled_from(operators))
    least, most = {"in": (1, 3), "not in": (1, 3), "between": (2, 2), "not between": (2, 2)}.get(operator, (1, 1))
    with_null = (values | st.just(Keyword.NULL)) if null and operator in ("=", "!=", "in", "not in") else values
    condition = Condition(operator, tuple(draw(st.lists(with_null, min_size=least, max_size=most))))
    return condition if not condition.mistake() else Condition("=", condition.values[:1])


singles = st.one_of(
    st.builds(Single, st.just("IsComplete"), st.sampled_from(list(TYPES)).map(lambda name: (name,))),
    st.builds(
        Single, st.just("ColumnValues"), st.sampled_from(["n", "d", "f"]).map(lambda name: (name,)),
        conditions(numbers, ordered=True),
    ),
    st.builds(
        Single, st.just("ColumnValues"), st.just(("s",)),
        conditions(texts | st.sampled_from([Keyword.EMPTY, Keyword.WHITESPACES_ONLY]), ordered=False),
    ),
    st.builds(Single, st.just("ColumnValues"), st.just(("t",)), conditions(dates, ordered=True)),
    st.builds(Single, st.just("ColumnLength"), st.just(("s",)), conditions(numbers, ordered=True, null=False)),
    st.builds(Single, st.just("DataFreshness"), st.just(("t",)), conditions(durations, ordered=True, null=False)),
)  # fmt: skip
rules = st.recursive(
    singles,
    lambda inner: st.builds(
        Combined, st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=3).map(tuple)
    ),
    max_leaves=4,
)


# --- what a rule means, in Python ------------------------------------------------------------------------------------


def instant(value):
    """A date or the run's time as a local time in UTC."""
    if not isinstance(value, RunTime):
        return moment(value)
    distance = timedelta(minutes=minutes(value.offset)) if value.offset else timedelta()
    return NOW - distance if value.sign == "-" else NOW + distance


def is_one_of(value, wanted):
    return any(
        value.strip() == "" and value != "" if each is Keyword.WHITESPACES_ONLY
        else value == ("" if each is Keyword.EMPTY else each)
        for each in wanted
    )  # fmt: skip


def compare(operator, value, bounds):
    return {
        "=": lambda: value in bounds, "in": lambda: value in bounds,
        "!=": lambda: value not in bounds, "not in": lambda: value not in bounds,
        "<": lambda: value < bounds[0], "<=": lambda: value <= bounds[0],
        ">": lambda: value > bounds[0], ">=": lambda: value >= bounds[0],
        "between": lambda: bounds[0] < value < bounds[1], "not between": lambda: not bounds[0] < value < bounds[1],
    }[operator]()  # fmt: skip


def holds(condition, value):
    spoken = [each for each in condition.values if each is not Keyword.NULL]
    negative = condition.operator in ("!=", "not in")
    if value is None:
        return condition.mentions_null and not negative
    if not spoken:
        return negative
    if isinstance(value, str):
        return is_one_of(value, spoken) != negative
    if condition.domain == "date" and isinstance(value, datetime):
        return compare(condition.operator, value, [instant(each) for each in spoken])
    if isinstance(value, float) and math.isnan(value):
        return False
    return compare(condition.operator, value, spoken)


def passes(rule, row):
    if isinstance(rule, Combined):
        return (all if rule.operator == "and" else any)(passes(part, row) for part in rule.parts)
    value = row[rule.named[0]]
    if rule.kind == "IsComplete":
        return value is not None
    if value is not None and rule.kind == "ColumnLength":
        value = len(value)
    if value is not None and rule.kind == "DataFreshness":
        value = NOW - value
        ages = [timedelta(minutes=minutes(age)) for age in rule.condition.values]
        return compare(rule.condition.operator, value, ages)
    return holds(rule.condition, value)


# --- laws -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def engine():
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET VARIABLE run_time = $1", [NOW])
        yield connection


@pytest.fixture(scope="module")
def select(engine):
    columns = ", ".join(f"unnest(${place}::{kind}[]) AS {name}" for place, (name, kind) in enumerate(TYPES.items(), 1))

    def run(expression, data, beside="NULL"):
        values = [[row.get(name) for row in data] for name in TYPES]
        query = f"SELECT {expression} FROM (SELECT *, {beside} FROM (SELECT {columns}))"
        found = engine.execute(query, values).fetchall()
        return [value for (value,) in found]

    return run


@given(rules)
def test_the_text_of_a_rule_is_the_rule(rule):
    again = parse_rule(rule.text)
    assert (again, again.text) == (rule, rule.text)


@given(rule=rules, data=st.lists(rows, min_size=1, max_size=4))
def test_sql_says_of_every_row_what_the_rule_means(select, rule, data):
    check_columns(rule, TYPES)
    assert select(row_predicate(rule), data) == [passes(rule, row) for row in data]


@given(chosen=st.lists(rules, min_size=1, max_size=4), data=st.lists(rows, min_size=1, max_size=3))
@settings(max_examples=50)
def test_masks_and_their_reasons_name_exactly_the_failing_rules(select, chosen, data):
    expected = [tuple(rule.text for rule in chosen if not passes(rule, row)) for row in data]
    masks = Masks([CheckSpec("source", rule, Severity.STOP) for rule in chosen])
    assert [tuple(texts) for texts in select(reason_list(masks.reasons()), data, masks.faults)] == expected


SQL = [
    "s > 'a'", "n / d > 1", "CAST(s AS INTEGER) > n", "t < run_time()", "ln(f) > 0", "sqrt(n) = f", "n::TINYINT > 1",
    "d IS NULL", "NULL", "list_sum([f, d]) > 0", "s[1:n] = 'a'", "strptime(s, '%Y') > t", "f", "n % 2 = 0",
]  # fmt: skip


@given(sql=st.sampled_from(SQL), where=st.sampled_from(SQL), data=st.lists(rows, min_size=1, max_size=4))
def test_an_authors_sql_never_gives_null_and_never_breaks_off(select, sql, where, data):
    rule = Single("Sql", predicate=sql, where=where)
    assert set(select(row_predicate(rule), data)) <= {True, False}


@given(text=texts, other=texts)
def test_a_text_passes_only_for_itself(select, text, other):
    assume(moment(text) is None)
    rule = Single("ColumnValues", ("s",), Condition("=", (text,)))
    assert select(row_predicate(rule), [{"s": text}, {"s": other}]) == [True, text == other]


fragments = st.sampled_from(
    [
        *"ab09-^$.|()[]{}?*+\\&,:é",
        r"\d",
        r"\p{L}",
        r"\x{41}",
        "[a-",
        "(?:",
        "(?i)",
        "{2}",
        "{3,}",
        "{1,50}",
        r"\b",
        r"\.",
    ]
)


@given(st.lists(fragments, max_size=9).map("".join))
@settings(max_examples=300)
def test_a_regular_expression_that_is_let_through_is_one(engine, pattern):
    if regexes.mistake(pattern) is None:
        engine.execute("SELECT regexp_full_match('a', $1)", [pattern]).fetchall()


words = st.sampled_from(['"a"', "IsComplete", "RowCount", "in", "[", "]", "(", ")", "5", ">", "and", '"', "#", "\n"])


@given(st.text(max_size=30) | st.lists(words, max_size=8).map(" ".join))
def test_any_text_is_a_rule_or_a_mistake_with_a_place(text):
    try:
        rule = parse_rule(text)
    except RuleError as mistake:
        line, caret = mistake.why.rsplit("\n", 1)
        told = re.fullmatch(" *\\^", caret) is not None and line.replace("\t", " ") in text.replace("\t", " ")
    else:
        told = parse_rule(rule.text) == rule
    assert told
