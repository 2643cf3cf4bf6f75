"""A rule must fit its relation: known columns, of a kind that the rule compares."""

from __future__ import annotations

import pytest

from penstock.authoring.rules import parse_rule
from penstock.compile.fitting import check_columns
from penstock.errors import RuleError

TYPES = {"branch": "VARCHAR", "total": "DECIMAL(8,2)", "qty": "BIGINT", "f": "DOUBLE", "at": "TIMESTAMP", "new": ""}


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
