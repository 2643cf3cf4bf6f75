"""What may stand in an author's SQL and regular expressions, by their words and as the compiler sees them."""

from __future__ import annotations

import duckdb
import pytest

from penstock.authoring import regexes
from penstock.authoring.rules import parse_rule
from penstock.compile.predicates import RUN_TIME, bound, columns_of
from penstock.compile.words import AGGREGATES, VOLATILE
from penstock.errors import RuleError


@pytest.mark.parametrize(
    "sql",
    [
        "a; DROP TABLE t",
        "a) OR (b",
        "(a",
        "a]",
        "a -- b",
        "a /* b */",
        "a = 'x",
        "a = $1",
        "a = ?",
        "#1 > 2",
        "a = e'\\''",
        "a IN (SELECT 1)",
        "a = 1 UNION ALL b",
        "now() > a",
        "CURRENT_DATE > a",
        "localtimestamp > a",
        "random() < 0.5",
        "main.random () < 0.5",
        '"random"() < 0.5',
        "getvariable('opad') = a",
        "gen_random_uuid() = a",
        "  ",
    ],
)
def test_a_predicate_is_refused_by_its_words(sql):
    with pytest.raises(RuleError, match=r"not one SQL expression|it is empty"):
        parse_rule(f'Sql "{sql}"'.replace('"random"', r"\"random\""))


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("a, b", "not one SQL expression"),
        ("a b c", "not one SQL expression"),
        ("EXISTS (FROM t)", "holds a query"),
        ("a = (VALUES (1))", "holds a query"),
        ("count(*) > 1", "aggregates"),
        ("a > avg(a)", "aggregates"),
        ("mad(a) > 1", "aggregates"),
        ("row_number() OVER () = 1", "more than one row"),
        ("unnest([a, b])", "looks beyond the row"),
        ("COLUMNS('a.*') > 1", "looks beyond the row"),
        ("*", "more than one row or column"),
        ("current_setting('threads') = a", "differs from run to run"),
        ("txid_current() = a", "differs from run to run"),
        ("read_text('/etc/passwd') = a", "looks beyond the row"),
        ("current_user = a", "differs from run to run"),
        ("age(a) < INTERVAL 3 DAY", "reads the clock"),
        ("a::INTEGER BETWEEN 1 AND 2", "CAST"),
        ("CAST(a AS INTEGER) IN (1, 2)", "CAST"),
    ],
)
def test_a_predicate_is_refused_by_its_tree(sql, why):
    rule = parse_rule(f'Sql "{sql}"')
    with pytest.raises(RuleError) as caught:
        bound(rule.predicate)
    assert why in caught.value.why


@pytest.mark.parametrize(
    "sql",
    [
        "abs(list_sum(list_transform(regexp_extract_all(a, '- ([0-9]+)', 1), lambda x: x::DOUBLE)) - b) < 0.005",
        "try_strptime(a, '%d/%m/%Y %H:%M') IS NOT NULL",
        "a BETWEEN DATE '2020-01-01' AND b",
        "a IS DISTINCT FROM b AND extract(year FROM c) > 2000",
        "CASE WHEN a THEN b ELSE c END",
        "a = ';--/*' AND \"odd \"\" name\" = 'it''s'",
        "a[1:2] = 'ab' AND {'k': b}.k = 1",
        "age(run_time(), a) < INTERVAL 3 DAY",
        "a = any([1, 2])",
    ],
)
def test_a_predicate_over_a_row_is_kept_as_it_is(sql):
    assert bound(sql).replace(RUN_TIME, "run_time()") == sql


def test_run_time_is_the_bound_variable():
    assert bound("a < Run_Time ( ) AND b = 'run_time()'") == f"a < {RUN_TIME} AND b = 'run_time()'"


def test_the_columns_of_a_predicate():
    assert columns_of("list_filter(a, lambda x: x > b) = [] AND \"c d\" = 'e'") == {"a", "b", "c d"}


def test_no_function_that_differs_from_run_to_run_is_forgotten():
    query = """SELECT DISTINCT function_name FROM duckdb_functions()
        WHERE function_type = 'scalar' AND stability <> 'CONSISTENT'"""
    for (name,) in duckdb.connect().execute(query).fetchall():
        with pytest.raises(RuleError):
            bound(f"{name}() = 1")


def test_known_words_are_lower_case():
    assert all(word == word.lower() for word in AGGREGATES | VOLATILE)


@pytest.mark.parametrize(
    "pattern",
    [
        r"[0-9]{13,19}", r"(?i)cash|card", r"\p{L}+", r"[^\s,;]+@[^\s]+\.[a-z]{2,}", r"x{0,1000}", r"(a{10}){100}",
        r"[\w.-]+", r"\x{10FFFF}", r"a+?", "", r"(?:a|b)*", "[a-]", "[-a]", r"[\]\[]", r"\$\{x\}", "é+", r"\bword\b",
    ],
)  # fmt: skip
def test_what_both_engines_read_alike_is_let_through(pattern):
    assert regexes.mistake(pattern) is None
    assert duckdb.connect().execute("SELECT regexp_full_match('', $1)", [pattern]).fetchone() is not None


@pytest.mark.parametrize(
    ("pattern", "at"),
    [
        (r"a(?=b)", 1), (r"(?!a)", 0), (r"(?<=a)b", 0), (r"(a)\1", 3), (r"a++", 2), (r"a*+", 2), (r"(?>a)", 0),
        (r"(?P<n>a)", 0), (r"(?<n>a)", 0), (r"\k<n>", 0), (r"[a[b]]", 0), (r"[[:alpha:]]", 0), (r"[a&&b]", 0),
        (r"a{", 1), (r"x{1001}", 1), (r"(a{100}){11}", 8), (r"\p{L}{900}", 5), (r"\v", 0), (r"\Z", 0), (r"\h", 0),
        (r"[z-a]", 0), (r"[]a]", 0), (r"[^]", 0), (r"(a", 2), (r"a)", 1), (r"*a", 0), (r"a|*", 2), ("\\", 0),
        (r"\p{Greek}", 0), (r"\u0041", 0), (r"\x{D800}", 0), (r"a{3,1}", 1), (r"(?m)^a$", 0), (r"\Qa\E", 0),
        (r"[a-\d]", 0), (r"a**", 2), ("a\0", 1),
    ],
)  # fmt: skip
def test_what_only_one_engine_reads_is_refused_with_its_place(pattern, at):
    found = regexes.mistake(pattern)
    assert found is not None
    assert found[1] == at
