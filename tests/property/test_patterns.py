"""Event patterns: laws that hold for every event."""

from __future__ import annotations

import re

from hypothesis import assume, given
from hypothesis import strategies as st

from penstock.authoring.patterns import EventPattern

names = st.sampled_from(["a", "b", "c", "detail"])
scalars = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | st.text("abAB*", max_size=4)
leaves = scalars | st.lists(scalars, min_size=1, max_size=3)
objects = st.dictionaries(names, leaves, min_size=1, max_size=3)
events = st.dictionaries(names, leaves | objects | st.lists(objects, min_size=1, max_size=3), min_size=1, max_size=4)


def matches(pattern, event):
    return EventPattern.parse(pattern).matches(event)


def pattern_of(event, draw):
    """A pattern that names every field of an event, with one of the values found there."""
    pattern = {}
    for name, value in event.items():
        chosen = draw(st.sampled_from(value)) if isinstance(value, list) else value
        pattern[name] = pattern_of(chosen, draw) if isinstance(chosen, dict) else [chosen]
    return pattern


@given(events, st.data())
def test_a_pattern_made_from_an_event_matches_it(event, data):
    assert matches(pattern_of(event, data.draw), event)


@given(events, st.data())
def test_more_fields_in_the_event_change_nothing(event, data):
    pattern = pattern_of(event, data.draw)
    assert matches(pattern, event | {"unnamed": data.draw(leaves)})


@given(events, names, scalars, st.data())
def test_a_changed_value_that_the_pattern_names_no_longer_matches(event, name, value, data):
    pattern = pattern_of(event | {name: value}, data.draw)
    other = data.draw(scalars)
    assume(isinstance(other, bool) != isinstance(value, bool) or other != value)
    assert not matches(pattern, event | {name: other})


@given(events, st.data())
def test_order_means_nothing(event, data):
    pattern = pattern_of(event, data.draw) | {"x": [1, {"exists": False}, "y"]}
    turned = {name: entry[::-1] if isinstance(entry, list) else entry for name, entry in reversed(pattern.items())}
    assert matches(pattern, event) == matches(turned, event)


@given(events, names)
def test_absent_is_the_opposite_of_present(event, name):
    assert matches({name: [{"exists": True}]}, event) != matches({name: [{"exists": False}]}, event)


@given(events, names, scalars, names, scalars, names, scalars)
def test_or_distributes_over_and(event, name, value, left, one, right, two):
    assume(name not in (left, right))
    together = {name: [value], "$or": [{left: [one]}, {right: [two]}]}
    apart = {"$or": [{name: [value], left: [one]}, {name: [value], right: [two]}]}
    assert matches(together, event) == matches(apart, event)


@given(st.text("abA", max_size=5), st.lists(st.text("abA", max_size=2), min_size=1, max_size=3))
def test_anything_but_is_the_complement_of_a_list(value, excluded):
    assert matches({"s": [{"anything-but": excluded}]}, {"s": value}) == (value not in excluded)


@given(st.text("ab", max_size=8), st.text("ab*", max_size=5).filter(lambda text: "**" not in text))
def test_wildcards_mean_what_the_regular_expression_means(value, pattern):
    expected = re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), value) is not None
    assert matches({"s": [{"wildcard": pattern}]}, {"s": value}) == expected


@given(st.integers(-9, 9) | st.floats(-9, 9), st.integers(-9, 8), st.integers(1, 5))
def test_a_numeric_range_is_its_two_comparisons(value, low, width):
    both = {"n": [{"numeric": [">=", low, "<", low + width]}]}
    assert matches(both, {"n": value}) == (low <= value < low + width)
