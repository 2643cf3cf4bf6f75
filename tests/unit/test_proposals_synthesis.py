"""Bernstein's synthesis, against brute force on small relations."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from penstock.adapters.duckdb.proposals.synthesis import Rule, closure, minimal, tables

COLUMNS = "abcd"


def rule(text: str) -> Rule:
    determinant, dependent = text.split(">")
    return frozenset(determinant), dependent


def rules(*texts: str) -> list[Rule]:
    return [rule(text) for text in texts]


def test_a_closure_follows_chains():
    assert closure("a", rules("a>b", "b>c", "c>d")) == frozenset("abcd")
    assert closure("d", rules("a>b", "b>c", "c>d")) == frozenset("d")


def test_a_rule_that_follows_from_others_goes():
    assert minimal(rules("a>b", "b>c", "a>c")) == rules("a>b", "b>c")


def test_a_column_that_a_determinant_does_not_need_goes():
    assert minimal(rules("ab>c", "a>b")) == rules("a>c", "a>b")


def test_each_determinant_gets_a_table():
    assert tables(rules("a>b", "b>c"), "abc") == [(("a",), ("b",)), (("b",), ("c",))]


def test_determinants_of_each_other_share_a_table_and_the_preferred_one_is_its_key():
    assert tables(rules("a>b", "b>a", "b>c"), "bac") == [(("b",), ("a", "c"))]


relations = st.lists(st.tuples(*[st.integers(0, 2)] * len(COLUMNS)), min_size=1, max_size=12, unique=True)


def holding(rows: list[tuple[int, ...]]) -> list[Rule]:
    """Every dependency that a relation satisfies."""
    found = []
    for width in (1, 2):
        for places in combinations(range(len(COLUMNS)), width):
            for place in set(range(len(COLUMNS))) - set(places):
                seen = {tuple(row[at] for at in places): row[place] for row in rows}
                if all(seen[tuple(row[at] for at in places)] == row[place] for row in rows):
                    found.append((frozenset(COLUMNS[at] for at in places), COLUMNS[place]))
    return found


@given(relations)
def test_the_minimal_cover_says_the_same_as_all_rules(rows):
    known = holding(rows)
    cover = minimal(known)
    assert all(dependent in closure(determinant, cover) for determinant, dependent in known)
    assert len(cover) <= len(known)


@given(relations)
def test_moving_the_dependents_out_and_joining_them_again_gives_the_rows(rows):
    """The rows keep what no table took; each table gives its columns back by its key."""
    split = tables(holding(rows), COLUMNS)
    records = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    moved = {column for _, others in split for column in others}
    for record in records:
        known = {column: record[column] for column in COLUMNS if column not in moved} | {
            column: record[column] for key, _ in split for column in key
        }
        for key, others in split * 2:
            matching = [other for other in records if all(other[column] == record[column] for column in key)]
            assert len({tuple(other[column] for column in others) for other in matching}) == 1
            known |= {column: matching[0][column] for column in others}
        assert known == record
