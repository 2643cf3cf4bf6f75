"""Rules about rows, as SQL on DuckDB: each rule type with rows that pass, rows that fail, and NULL."""

from __future__ import annotations

import duckdb
import pytest

from penstock.authoring.rules import check, parse_rule
from penstock.compile.checks import failing_rows_query, row_predicate
from penstock.compile.masks import Masks, reason_list
from penstock.errors import RuleError

RUN_TIME = "TIMESTAMP '2024-03-10 12:00:00'"


@pytest.fixture(scope="module")
def engine():
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"SET VARIABLE run_time = {RUN_TIME}")
        yield connection


def passing(engine, rule, values, kind="VARCHAR", column='"x"'):
    """Which of these values of one column pass."""
    rows = ", ".join(f"({place}, {value}::{kind})" for place, value in enumerate(values))
    query = f"SELECT {row_predicate(parse_rule(rule))} FROM (VALUES {rows}) t(i, {column}) ORDER BY i"
    return [passes for (passes,) in engine.execute(query).fetchall()]


CASES = [  # rule, type of the column, values that pass, values that fail
    ('IsComplete "x"', "VARCHAR", "'a', ''", "NULL"),
    ('ColumnValues "x" = 2.5', "DECIMAL(8,2)", "2.5", "2.51, NULL"),
    ('ColumnValues "x" != 2', "INTEGER", "1", "2, NULL"),
    ('ColumnValues "x" < 2', "BIGINT", "1", "2, NULL"),
    ('ColumnValues "x" <= 2', "BIGINT", "2", "3, NULL"),
    ('ColumnValues "x" > -2', "DOUBLE", "-1, 'inf'", "-2, 'nan', NULL"),
    ('ColumnValues "x" >= 0', "DECIMAL(38,10)", "0", "-0.0000000001, NULL"),
    ('ColumnValues "x" in [1, 2.5]', "DOUBLE", "1, 2.5", "2, 'nan', NULL"),
    ('ColumnValues "x" not in [1, 2]', "DOUBLE", "3", "1, 'nan', NULL"),
    ('ColumnValues "x" between 1 and 3', "DOUBLE", "2", "1, 3, 'nan', NULL"),
    ('ColumnValues "x" not between 1 and 3', "DOUBLE", "1, 3", "2, 'nan', NULL"),
    ('ColumnValues "x" = "a"', "VARCHAR", "'a'", "'A', NULL"),
    ('ColumnValues "x" != "a"', "VARCHAR", "'b'", "'a', NULL"),
    ('ColumnValues "x" in ["a", "b"]', "VARCHAR", "'b'", "'c', NULL"),
    ('ColumnValues "x" not in ["a", "b"]', "VARCHAR", "'c'", "'a', NULL"),
    ('ColumnValues "x" in ["true"]', "BOOLEAN", "TRUE", "FALSE, NULL"),
    ('ColumnValues "x" = NULL', "VARCHAR", "NULL", "''"),
    ('ColumnValues "x" != NULL', "VARCHAR", "''", "NULL"),
    ('ColumnValues "x" in ["a", NULL]', "VARCHAR", "'a', NULL", "'b'"),
    ('ColumnValues "x" in [1, NULL]', "BIGINT", "1, NULL", "2"),
    ('ColumnValues "x" in [NULL]', "BIGINT", "NULL", "2"),
    ('ColumnValues "x" not in ["a", NULL]', "VARCHAR", "'b'", "'a', NULL"),
    ('ColumnValues "x" in [EMPTY, WHITESPACES_ONLY]', "VARCHAR", "'', '  '", "' a', NULL"),
    ('ColumnValues "x" != WHITESPACES_ONLY', "VARCHAR", "'a', ''", "e'\\t ', NULL"),
    ('ColumnValues "x" matches "[A-Z]{2}"', "VARCHAR", "'AB'", "'ABC', 'xAB', NULL"),
    ('ColumnValues "x" not matches "[A-Z]{2}"', "VARCHAR", "'ABC'", "'AB', NULL"),
    ('ColumnValues "x" matches "a|bc"', "VARCHAR", "'a', 'bc'", "'ac', 'abc'"),
    ('ColumnValues "x" > "2024-03-01"', "DATE", "'2024-03-02'", "'2024-03-01', NULL"),
    ('ColumnValues "x" = "2024-03-01"', "VARCHAR", "'2024-03-01'", "'x', NULL"),
    ('ColumnValues "x" = "2024-03-01"', "TIMESTAMP", "'2024-03-01'", "'2024-03-01 00:01', NULL"),
    ('ColumnValues "x" != "2024-03-01"', "VARCHAR", "'x', ''", "'2024-03-01', NULL"),
    ('ColumnValues "x" not in ["2024-03-01", NULL]', "DATE", "'2024-03-02'", "'2024-03-01', NULL"),
    ('ColumnValues "x" != now()', "VARCHAR", "'2024-03-01'", "'2024-03-10 12:00', 'x', NULL"),
    (
        'ColumnValues "x" between "2024-03-01" and "2024-03-02 12:00"', "TIMESTAMP",
        "'2024-03-02 11:59'", "'2024-03-01', '2024-03-02 12:00', NULL",
    ),
    ('ColumnValues "x" > (now() - 3 days)', "TIMESTAMP", "'2024-03-07 12:01'", "'2024-03-07 12:00', NULL"),
    (
        'ColumnValues "x" <= now()', "TIMESTAMPTZ",
        "'2024-03-10 12:00+00', '2024-03-10 13:00+01'", "'2024-03-10 11:30-01', NULL",
    ),
    ('ColumnValues "x" < (now() + 90 minutes)', "DATE", "'2024-03-10'", "'2024-03-11', NULL"),
    ('ColumnLength "x" between 1 and 4', "VARCHAR", "'añb', 'ab'", "'a', 'abcd', '', NULL"),
    ('ColumnLength "x" = 0', "VARCHAR", "''", "' ', NULL"),
    ('DataFreshness "x" <= 24 hours', "TIMESTAMP", "'2024-03-09 12:00', '2025-01-01'", "'2024-03-09 11:59', NULL"),
    ('DataFreshness "x" < 1 days', "DATE", "'2024-03-10'", "'2024-03-09', NULL"),
    ('DataFreshness "x" > 2 days', "TIMESTAMP", "'2024-03-08'", "'2024-03-08 12:00', NULL"),
    (
        'DataFreshness "x" between 2 days and 5 days', "TIMESTAMP",
        "'2024-03-07'", "'2024-03-08 12:00', '2024-03-05 12:00', NULL",
    ),
    (
        'DataFreshness "x" not between 2 days and 5 days', "TIMESTAMP",
        "'2024-03-08 12:00', '2024-03-05 12:00'", "'2024-03-07', NULL",
    ),
    ('Sql "x > 1 OR x IS NULL"', "INTEGER", "2, NULL", "1"),
    ('Sql "x > 1"', "INTEGER", "2", "1, NULL"),
    ('Sql "x < run_time()"', "TIMESTAMP", "'2024-03-10 11:59'", "'2024-03-10 12:00', NULL"),
    ('Sql "CAST(x AS INTEGER) > 1"', "VARCHAR", "'2'", "'two', NULL"),
    ('(ColumnValues "x" > 1) and (ColumnValues "x" != 3)', "INTEGER", "2", "3, 1, NULL"),
    ('(ColumnValues "x" = NULL) or (ColumnValues "x" > 1)', "INTEGER", "NULL, 2", "1"),
    ('ColumnValues "x" > 5 where "x > 2"', "INTEGER", "6, 1, NULL", "3"),
    ('ColumnValues "x" = "9" where "CAST(x AS INTEGER) > 2"', "VARCHAR", "'9', '1'", "'3', 'two'"),
    ('ColumnValues "x" > 5 with threshold > 0.1', "INTEGER", "6", "5, NULL"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "kind", "good", "bad"), CASES, ids=[case[0] for case in CASES])
def test_which_values_pass(engine, rule, kind, good, bad):
    goods, bads = good.split(", "), bad.split(", ")
    assert passing(engine, rule, goods + bads, kind) == [True] * len(goods) + [False] * len(bads)


def test_the_run_time_may_be_bound_as_an_instant(engine):
    with engine.cursor() as other:
        other.execute("SET VARIABLE run_time = TIMESTAMPTZ '2024-03-10 13:00+01'")
        assert passing(other, 'ColumnValues "x" = now()', ["'2024-03-10 12:00'"], "TIMESTAMP") == [True]


def test_a_rule_about_a_delivery_judges_no_row():
    with pytest.raises(RuleError, match="does not judge single rows"):
        row_predicate(parse_rule("RowCount > 1"))


@pytest.mark.parametrize(
    "text",
    ["'; DROP TABLE t; --", '"', "' OR 1=1 --", "/*", "*/", "\\", "\\'", "''", "$$", "a\nb", "{0}", "x') OR ('1'='1"],
)
def test_a_hostile_text_is_only_a_text(engine, text):
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    predicate = row_predicate(parse_rule(f'ColumnValues "x" = "{escaped}"'))
    query = f"SELECT {predicate} FROM (SELECT unnest($1) AS x)"
    assert engine.execute(query, [[text, "other", ""]]).fetchall() == [(True,), (False,), (False,)]


@pytest.mark.parametrize("name", ["a b", 'say "x"', "x; DROP TABLE t", "it's", "--", "SELECT", "ünï", "a.b"])
def test_a_hostile_name_is_only_a_name(engine, name):
    quoted = name.replace('"', '""')
    rule = 'IsComplete "' + name.replace('"', '\\"') + '"'
    assert passing(engine, rule, ["'a'", "NULL"], column=f'"{quoted}"') == [True, False]


RULES = [check("source", text) for text in ('IsComplete "x"', 'ColumnValues "x" > 2', 'ColumnValues "x" != 9')]
FAILED = {
    None: ('IsComplete "x"', 'ColumnValues "x" > 2', 'ColumnValues "x" != 9'),
    1: ('ColumnValues "x" > 2',),
    5: (),
    9: ('ColumnValues "x" != 9',),
}


def judged(engine, rules, values):
    """Each value of a column x with the texts of the rules that it fails, and whether it fails any."""
    masks = Masks(rules)
    query = f"SELECT x, {reason_list(masks.reasons())}, {masks.failing()} FROM (SELECT x, {masks.faults} FROM "
    return engine.execute(f"{query}(SELECT unnest($1::INTEGER[]) AS x))", [values]).fetchall()


def test_masks_tell_which_rules_a_row_fails(engine):
    assert {x: tuple(texts) for x, texts, _ in judged(engine, RULES, list(FAILED))} == FAILED


def test_a_row_fails_when_it_fails_any_rule(engine):
    assert {x: fails for x, _, fails in judged(engine, RULES, list(FAILED))} == {x: bool(FAILED[x]) for x in FAILED}


def test_more_rules_than_a_mask_holds(engine):
    rules = [check("source", f'ColumnValues "x" != {number}') for number in range(130)]
    assert len(Masks(rules).expressions) == 3
    assert judged(engine, rules, [129, 130]) == [(129, ['ColumnValues "x" != 129'], True), (130, [], False)]


def test_a_rule_that_warns_rejects_nothing(engine):
    assert judged(engine, [*RULES, check("source", 'ColumnValues "x" != 5', "warn")], [5]) == [(5, [], False)]


def test_no_rules_reject_nothing():
    assert (Masks([]).expressions, Masks([]).failing(), Masks([]).reasons()) == ((), "false", [])


ROWS = """(VALUES (0, 10, 'a', 1), (0, 11, 'a', 1), (0, 12, 'b', NULL), (0, 13, NULL, NULL), (0, 14, NULL, NULL),
    (1, 20, 'a', 1), (1, 21, 'a', 2), (1, 22, 'c', NULL)) AS t(slot, id, x, y)"""


@pytest.mark.parametrize(
    ("rule", "failing"),
    [
        ('IsUnique "x"', {10, 11, 20, 21}),
        ('IsUnique "x" "y"', {10, 11}),
        ('IsUnique "x" where "y = 1"', {10, 11}),
        ('IsPrimaryKey "x"', {10, 11, 13, 14, 20, 21}),
        ('IsPrimaryKey "x" "y"', {10, 11, 12, 13, 14, 22}),
        ('IsPrimaryKey "x" where "slot = 1"', {20, 21}),
        ('IsComplete "y"', {12, 13, 14, 22}),
        ('IsComplete "y" with threshold >= 0.5', {12, 13, 14}),
        ('IsComplete "y" with threshold > 0.1', set()),
        ('IsComplete "y" where "x IS NOT NULL" with threshold > 0.66', set()),
        ('IsComplete "y" where "x IS NOT NULL" with threshold between 0.5 and 0.6', {12, 22}),
    ],
)
def test_which_rows_a_delivery_loses(engine, rule, failing):
    query = failing_rows_query(parse_rule(rule), ROWS, "id", "slot")
    assert {row for (row,) in engine.execute(query).fetchall()} == failing


def test_without_slots_all_rows_are_one_delivery(engine):
    query = failing_rows_query(parse_rule('IsUnique "x"'), ROWS, "id")
    assert {row for (row,) in engine.execute(query).fetchall()} == {10, 11, 20, 21}
