"""Rules about deliveries: measured on DuckDB for each slot, judged by their figures."""

from __future__ import annotations

from decimal import Decimal

import duckdb
import pytest

from penstock.authoring.rules import parse_rule
from penstock.compile.measures import judge, measures_query

ROWS = """SELECT * FROM (VALUES
    (0, 'a', 1.25::DECIMAL(8,2), 1::DOUBLE), (0, 'a', 2.25, 2), (0, 'b', NULL, 'nan'), (0, NULL, 4.00, NULL),
    (1, 'x', 7.00, 5), (1, 'y', 7.00, 5)) AS t(_slot, x, n, f)"""


@pytest.fixture(scope="module")
def engine():
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE rows AS {ROWS}")
        yield connection


def verdicts(engine, text):
    rule = parse_rule(text)
    found = engine.execute(f"{measures_query(rule, 'rows', '_slot')} ORDER BY 1").fetchall()
    return [judge(rule, figures) for _, *figures in found]


@pytest.mark.parametrize(
    ("rule", "passed", "observed"),
    [
        ("RowCount > 2", [True, False], [4, 2]),
        ('RowCount = 2 where "n > 2"', [True, True], [2, 2]),
        ('RowCount > 0 where "n > 99"', [False, False], [0, 0]),
        ("ColumnCount = 3", [True, True], [3, 3]),
        ('ColumnExists "X"', [True, True], [1, 1]),
        ('ColumnExists "z"', [False, False], [0, 0]),
        ('Completeness "x" > 0.75', [False, True], [0.75, 1.0]),
        ('Completeness "x" >= 0.75', [True, True], [0.75, 1.0]),
        ('Completeness "x" = 1 where "n IS NULL"', [True, True], [1.0, 1.0]),
        ('Uniqueness "x" = 1', [False, True], [1 / 3, 1.0]),
        ('Uniqueness "x" "n" = 1', [True, True], [1.0, 1.0]),
        ('UniqueValueRatio "x" between 0.4 and 0.6', [True, False], [0.5, 1.0]),
        ('DistinctValuesCount "x" in [2, 3]', [True, True], [2, 2]),
        ('Sum "n" >= 7.5', [True, True], [Decimal("7.50"), Decimal("14.00")]),
        ('Sum "n" not in [7.5]', [False, True], [Decimal("7.50"), Decimal("14.00")]),
        ('Sum "n" = 0 where "n > 99"', [True, True], [0, 0]),
        ('Mean "n" = 2.5', [True, False], [2.5, 7.0]),
        ('Mean "n" > 0 where "n > 99"', [False, False], [None, None]),
        ('StandardDeviation "n" < 0.1', [False, True], [pytest.approx(1.1365, abs=1e-4), 0.0]),
        ('Entropy "x" > 0.69', [False, True], [pytest.approx(0.6365, abs=1e-4), pytest.approx(0.6931, abs=1e-4)]),
        ('IsUnique "x"', [False, True], [2, 0]),
        ('IsPrimaryKey "x"', [False, True], [3, 0]),
        ('IsPrimaryKey "n"', [False, False], [1, 2]),
        ('IsComplete "x"', [False, True], [1, 0]),
        ('ColumnValues "n" > 2 with threshold > 0.4', [True, True], [0.5, 1.0]),
        ('ColumnValues "n" > 2 with threshold > 0.5', [False, True], [0.5, 1.0]),
        ('ColumnValues "n" > 2 where "n > 99" with threshold = 1', [True, True], [1.0, 1.0]),
    ],
)  # fmt: skip
def test_each_slot_is_measured_and_judged(engine, rule, passed, observed):
    found = verdicts(engine, rule)
    assert [verdict.passed for verdict in found] == passed
    assert [verdict.observed for verdict in found] == observed


def test_a_figure_that_is_no_number_meets_nothing(engine):
    assert [verdict.passed for verdict in verdicts(engine, 'Mean "f" not between 90 and 99')] == [False, True]


@pytest.mark.parametrize(
    ("rule", "passed"),
    [
        ('(RowCount > 2) and (Uniqueness "x" < 0.5)', [True, False]),
        ('(RowCount > 2) or (Uniqueness "x" = 1)', [True, True]),
        ('(IsComplete "n") or ((RowCount = 4) and (Completeness "n" > 0.5))', [True, True]),
        ('(IsUnique "x") and (IsPrimaryKey "x") and (Mean "n" > 1)', [False, True]),
    ],
)
def test_combinations_join_the_verdicts_of_their_parts(engine, rule, passed):
    assert [verdict.passed for verdict in verdicts(engine, rule)] == passed


def test_a_verdict_tells_rule_and_figure(engine):
    first, _ = verdicts(engine, '(RowCount > 2) and (IsComplete "x")')
    assert first.text == 'RowCount > 2: 4; IsComplete "x": 1 of 4 rows fail'


@pytest.mark.parametrize(
    ("rule", "passed"),
    [
        ("RowCount > 0", False),
        ("RowCount = 0", True),
        ('Completeness "x" > 0.9', True),
        ('Mean "x" > 0', False),
        ('Sum "x" = 0', True),
        ('IsUnique "x"', True),
        ('ColumnExists "x"', True),
        ('ColumnValues "x" > 1 with threshold > 0.9', True),
        ('Entropy "x" = 0', True),
    ],
)
def test_a_delivery_without_rows(rule, passed):
    assert judge(parse_rule(rule), [None, None]).passed is passed
