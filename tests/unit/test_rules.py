"""Reading rules: their canonical text, what they are about, and the mistakes that are pointed at."""

from __future__ import annotations

import pytest

from penstock.authoring.rules import KINDS, CheckSpec, Severity, check, parse_rule
from penstock.errors import RuleError

CANONICAL = [
    'IsComplete "branch"',
    r'IsComplete "order \"id"',
    'ColumnValues "total" >= 0',
    'ColumnValues "total" != -3.14',
    'ColumnValues "total" between 0 and 99.5',
    'ColumnValues "total" not between 1 and 2',
    'ColumnValues "payment" in ["CASH", "CARD", NULL]',
    'ColumnValues "payment" not in ["", EMPTY, WHITESPACES_ONLY]',
    'ColumnValues "payment" = NULL',
    'ColumnValues "day" > "2024-01-31"',
    'ColumnValues "at" between "2024-01-31 09:00" and (now() + 36 hours)',
    'ColumnValues "day" <= now()',
    'ColumnValues "day" > (now() - 3 days)',
    r"""ColumnValues "card" matches "[0-9]{13,19}|\d+\\" where "payment = 'CARD'" with threshold > 0.95""",
    'ColumnValues "card" not matches "x"',
    'ColumnLength "name" between 1 and 40',
    'DataFreshness "at" <= 24 hours',
    'DataFreshness "at" between 45 minutes and 5 days',
    'Sql "abs(total - paid) < 0.005"',
    r'Sql "\"odd name\" > 1" where "x = 1"',
    'IsUnique "id"',
    'IsPrimaryKey "branch" "till"',
    'Completeness "card" > 0.95',
    'Uniqueness "a" "b" = 1',
    'UniqueValueRatio "a" between 0 and 0.5',
    'DistinctValuesCount "a" > 3',
    "RowCount > 100",
    "ColumnCount = 7",
    'ColumnExists "total"',
    'Mean "total" between 1 and 5',
    'Sum "total" >= 0.5',
    'StandardDeviation "total" < 2',
    'Entropy "payment" > 0.5',
    '(IsComplete "a") and (IsUnique "a")',
    '(RowCount > 0) or ((IsComplete "a") and (Mean "a" > 3))',
]


@pytest.mark.parametrize("text", CANONICAL)
def test_canonical_text_reads_as_itself(text):
    assert parse_rule(text).text == text


def test_every_rule_type_stands_among_the_canonical_ones():
    assert {single.kind for text in CANONICAL for single in parse_rule(text).singles} == set(KINDS)


@pytest.mark.parametrize(
    ("loose", "text"),
    [
        ('ColumnValues"a"in["x","y"]', 'ColumnValues "a" in ["x", "y"]'),
        ('ColumnValues "a" = 5.00', 'ColumnValues "a" = 5'),
        ('ColumnValues "a" > now()-1 day', 'ColumnValues "a" > (now() - 1 days)'),
        ('ColumnValues "a" = null', 'ColumnValues "a" = NULL'),
        ('ColumnValues "a" NOT IN [1]', 'ColumnValues "a" not in [1]'),
        ('IsComplete "a" with threshold >= 0.90 where "b"', 'IsComplete "a" where "b" with threshold >= 0.9'),
        ('# the till\nIsComplete "a" # always', 'IsComplete "a"'),
        ('((IsComplete "a"))', 'IsComplete "a"'),
        ('IsComplete "a" AND IsUnique "b"', '(IsComplete "a") and (IsUnique "b")'),
        (
            'RowCount > 1 or RowCount = 0 and IsUnique "a"',
            '(RowCount > 1) or ((RowCount = 0) and (IsUnique "a"))',
        ),
    ],
)
def test_other_spellings_have_one_canonical_text(loose, text):
    assert parse_rule(loose).text == text


@pytest.mark.parametrize(
    ("text", "columns", "scope", "names_rows"),
    [
        ('IsComplete "a"', ("a",), "row", True),
        ('ColumnValues "a" > 1 with threshold > 0.9', ("a",), "slot", True),
        ('ColumnValues "a" > 1 where "b = 2"', (), "row", True),
        ('Sql "a > b"', (), "row", True),
        ('IsUnique "a" "b"', ("a", "b"), "slot", True),
        ("RowCount > 1", (), "slot", False),
        ('Mean "a" > 1', ("a",), "slot", False),
        ('(IsComplete "a") or (ColumnValues "b" = 1)', ("a", "b"), "row", True),
        ('(IsComplete "a") and (IsUnique "a")', ("a",), "slot", False),
        ('(IsComplete "a") and (Sql "b > c")', (), "row", True),
    ],
)
def test_what_a_rule_reads_and_judges(text, columns, scope, names_rows):
    rule = parse_rule(text)
    assert (rule.columns, rule.scope, rule.names_rows) == (columns, scope, names_rows)


@pytest.mark.parametrize(
    ("text", "message", "at"),
    [
        ('IsComplet "a"', "unknown rule type 'IsComplet'", 0),
        ('ReferentialIntegrity "a" "b.a" > 0.9', "does not have DQDL's ReferentialIntegrity", 0),
        ('Rules = [ IsComplete "a" ]', "a ruleset is not one rule", 0),
        ("IsComplete a", "stands in double quotes", 11),
        ("IsComplete", "takes one column", 10),
        ('IsComplete "a" "b"', "takes one column", 11),
        ('IsUnique "a" "a"', "stands twice", 13),
        ('IsComplete ""', "name is empty", 11),
        ('RowCount "id" > 5', "takes no column", 9),
        ("RowCount", "wants a condition", 8),
        ('IsComplete "a" > 5', "one too many", 15),
        ('ColumnValues "a" >= "abc"', "have an order", 17),
        ('ColumnValues "a" > NULL', "have an order", 17),
        ('ColumnValues "a" between 5 and 5', "the range is empty", 17),
        ('ColumnValues "a" in ["x", 1]', "different kinds", 17),
        ('ColumnValues "a" in ["x", now()]', "different kinds", 17),
        ('ColumnValues "a" in []', "a value is missing", 21),
        ('ColumnValues "a" in ["x"', "']' is missing", 24),
        ('ColumnValues "a" not = 1', "'not' stands before", 17),
        ('ColumnValues "a" > 5 days', "does not compare with this", 17),
        ('ColumnLength "a" = "x"', "does not compare with this", 17),
        ('ColumnLength "a" = NULL', "does not compare with this", 17),
        ('DataFreshness "a" < 5', "does not compare with this", 18),
        ('DataFreshness "a" < 40000 days', "up to a century", 20),
        ('Completeness "a" > 95', "between 0 and 1", 17),
        ('IsComplete "a" with threshold > 95', "between 0 and 1", 30),
        ('IsComplete "a" with limit > 0.5', "'threshold' is missing", 20),
        ('IsUnique "a" with threshold > 0.5', "takes no threshold", 18),
        ('ColumnExists "a" where "b"', "takes no where", 17),
        ('IsComplete "a" where "b" where "c"', "stands twice", 25),
        ('IsComplete "a" labels = ["x" = "y"]', "labels are not supported", 15),
        ("RowCount > avg(last(10))", "dynamic rules are not supported", 11),
        ("RowCount > 1e3", "not one that DQDL writes", 11),
        ('ColumnValues "a" = 1' + "0" * 40, "too long", 19),
        ("ColumnValues \"a\" = 'x'", "double quotes", 19),
        ('ColumnValues "a" = "x', "not closed", 19),
        (r'ColumnValues "a" = "C:\temp"', "escapes nothing", 23),
        ('ColumnValues "a" = "\0"', "NUL", 19),
        ('ColumnValues "a" matches "a(?=b)"', "not every engine", 27),
        ('IsComplete "a" where "b; c"', "has no place in a predicate", 23),
        ('(IsComplete "a"', "')' is missing", 15),
        ('IsComplete "a")', "one too many", 14),
        ('IsComplete "a" and', "begins with its type", 18),
        ('IsComplete "a"; DROP', "';' has no place here", 14),
        ("", "it is empty", 0),
        ("(" * 30 + 'IsComplete "a"' + ")" * 30, "20 deep", 20),
    ],
)
def test_a_mistake_is_pointed_at(text, message, at):
    with pytest.raises(RuleError) as caught:
        parse_rule(text)
    assert message in caught.value.what
    assert caught.value.why == f"{text}\n{' ' * at}^"


def test_the_caret_stands_in_its_own_line():
    with pytest.raises(RuleError) as caught:
        parse_rule('IsComplete "a"\n  and IsComplet "b"')
    assert caught.value.why == '  and IsComplet "b"\n      ^'


def test_an_unknown_type_is_answered_with_the_nearest_and_the_list():
    with pytest.raises(RuleError) as caught:
        parse_rule('iscomplete "a"')
    assert caught.value.fix.startswith("did you mean 'IsComplete'?")
    assert all(kind in caught.value.fix for kind in KINDS)


def test_an_error_keeps_the_place_of_its_definition():
    with pytest.raises(RuleError) as caught:
        parse_rule("Nonsense", at="pipelines/cafe.py:12")
    assert caught.value.at == "pipelines/cafe.py:12"


@pytest.mark.parametrize(
    ("text", "severity", "expected"),
    [
        ('IsComplete "a"', "", "quarantine"),
        ('IsUnique "a"', "", "quarantine"),
        ('IsComplete "a" with threshold > 0.9', "", "quarantine"),
        ("RowCount > 1", "", "stop"),
        ('(IsUnique "a") and (IsComplete "a")', "", "stop"),
        ("RowCount > 1", "warn", "warn"),
        ('IsComplete "a"', "stop", "stop"),
    ],
)
def test_severities(text, severity, expected):
    assert check("source", text, severity) == CheckSpec("source", parse_rule(text), Severity(expected))


def test_what_names_no_rows_cannot_put_them_aside():
    with pytest.raises(RuleError, match="cannot have the severity 'quarantine'"):
        check("source", "RowCount > 1", "quarantine")


def test_an_unknown_severity_is_answered_with_the_nearest():
    with pytest.raises(RuleError) as caught:
        check("source", "RowCount > 1", "warning")
    assert caught.value.fix == "did you mean 'warn'?"
