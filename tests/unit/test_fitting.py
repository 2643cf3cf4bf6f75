"""A rule must fit its relation: known columns, of a kind that the rule compares."""

from __future__ import annotations

import pytest

import penstock as ps
from penstock.authoring.rules import parse_rule
from penstock.compile.fitting import PROTECTED, check_columns
from penstock.compile.plan import compile_pipeline
from penstock.errors import RuleError

TYPES = {
    "branch": "VARCHAR",
    "card": PROTECTED,
    "total": "DECIMAL(8,2)",
    "qty": "BIGINT",
    "f": "DOUBLE",
    "at": "TIMESTAMP",
    "new": "",
}


@pytest.mark.parametrize(
    "rule",
    [
        'IsComplete "BRANCH"',
        'ColumnValues "total" > 1.5',
        'ColumnValues "at" > "2024-01-01"',
        'ColumnValues "branch" = "2024-01-01"',
        'ColumnValues "branch" in ["Leeds", NULL]',
        'ColumnValues "qty" matches "[0-9]{13,19}"',
        'ColumnValues "total" = NULL',
        'ColumnValues "new" > 1',
        'DataFreshness "at" < 1 days',
        'Mean "f" > 1',
        'ColumnLength "branch" > 1',
        'ColumnExists "somewhere"',
        'Sql "lower(branch) = branch and Total > 1"',
        'IsUnique "branch" "at" where "qty > 1"',
        "RowCount > 1",
        'IsUnique "card"',
        'Completeness "card" > 0.5',
    ],
)
def test_fitting(rule):
    check_columns(parse_rule(rule), TYPES)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ('IsComplete "brunch"', "no column 'brunch'"),
        ('Sql "totl > 1"', "no column 'totl'"),
        ('IsComplete "branch" where "x = 1"', "no column 'x'"),
        ('(IsComplete "branch") and (IsUnique "id")', "no column 'id'"),
        ('ColumnValues "branch" > 1', "does not fit the column 'branch', which is VARCHAR"),
        ('ColumnValues "total" = "5"', "does not fit"),
        ('ColumnValues "total" matches "5"', "does not fit"),
        ('ColumnValues "at" = "x"', "does not fit"),
        ('ColumnValues "qty" > now()', "does not fit"),
        ('DataFreshness "qty" < 1 days', "does not fit"),
        ('ColumnLength "total" > 1', "does not fit"),
        ('Mean "branch" > 1', "does not fit"),
        ('ColumnValues "card" matches "[0-9]+" with threshold > 0.5', "'card', which is protected"),
        ('ColumnLength "card" = 16 with threshold > 0.5', "'card', which is protected"),
        ("RowCount > 1 where \"card = 'x'\"", "'card', which is protected"),
        ('Sql "sum(total) > 1"', "not usable"),
    ],
)
def test_not_fitting(rule, message):
    with pytest.raises(RuleError, match=message) as caught:
        check_columns(parse_rule(rule), TYPES, at="cafe.py:3")
    assert caught.value.at == "cafe.py:3"


def test_an_unknown_column_is_answered_with_the_nearest():
    with pytest.raises(RuleError) as caught:
        check_columns(parse_rule('IsComplete "brunch"'), TYPES)
    assert caught.value.fix == "did you mean 'branch'?"


def test_where_columns_are_not_known_only_the_sql_is_judged():
    check_columns(parse_rule('IsComplete "anything" where "whatever > 1"'), {})
    with pytest.raises(RuleError, match="not usable"):
        check_columns(parse_rule('Sql "count(*) > 1"'), {})


def cafe(rule):
    pipeline = ps.Pipeline(
        "cafe",
        trigger=ps.upload("landing/{branch}.csv"),
        source=ps.csv(columns={"total": "DECIMAL(8,2)", "card": "VARCHAR", "name": "VARCHAR"}),
        privacy={"card": ps.tokenize(), "name": ps.drop()},
    )
    pipeline.checks("source", rule)
    pipeline.load("source", to=ps.lake(), table="sales")
    return pipeline


@pytest.mark.parametrize(
    "rule",
    [
        'IsComplete "totl"',
        'IsComplete "name"',
        'Sql "total > avg(total)"',
        'ColumnLength "card" = 16 with threshold > 0.9',
    ],
)
def test_a_plan_is_refused_where_its_rule_stands(rule):
    with pytest.raises(RuleError) as caught:
        compile_pipeline(cafe(rule))
    assert "test_fitting.py:" in caught.value.at


def test_rules_about_single_rows_see_the_clear_value_of_a_protected_column():
    assert compile_pipeline(cafe('ColumnLength "card" = 16')).rules["source"]
