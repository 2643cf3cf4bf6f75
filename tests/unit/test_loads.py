"""What a load means, before any destination has heard of it."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import DestinationError, EntityConflict, KeyCollision
from penstock.model.loads import (
    Holder,
    Range,
    Record,
    Share,
    counted,
    declared,
    described,
    judge,
    merged,
    partition_holders,
    refuse,
    shares,
    successor,
)
from penstock.model.slots import Kind, Slot
from penstock.model.tables import Load, Mode, Reference, TableSpec, Unit


def unit(address="a", number=1, kind=Kind.DELIVERY, *, sequence=1, base=1000, span=10, lines=()):
    return Unit(Slot("shop", address), number, kind, sequence, base, span, lines)


def record(address="a", generation=1, *, sequence=1, base=1000, span=10):
    return Record(address, generation, sequence, base, span)


def judged(*units, **recorded):
    return judge(Load("shop", "run-1", units), recorded)


def test_a_new_slot_is_applied_and_removes_nothing():
    [change] = judged(unit()).changes
    assert (change.brings, change.removes) == ((Range(1000, 1010),), ())


@pytest.mark.parametrize("generation", [2, 3])
def test_a_generation_that_is_not_higher_is_stale(generation):
    verdict = judged(unit(number=2), a=record(generation=generation))
    assert (verdict.changes, verdict.stale) == ((), (unit(number=2),))


def test_a_delivery_removes_the_old_range_and_the_new():
    [change] = judged(unit(number=2, span=5), a=record(span=20)).changes
    assert change.removes == (Range(1000, 1020),)


def test_a_patch_brings_and_removes_its_lines_only():
    [change] = judged(unit(number=2, kind=Kind.PATCH, lines=(2, 3, 7)), a=record(span=20)).changes
    assert change.brings == change.removes == (Range(1002, 1004), Range(1007, 1008))


def test_a_patch_never_makes_its_slot_shorter():
    [change] = judged(unit(number=2, kind=Kind.PATCH, lines=(2,)), a=record(span=20)).changes
    assert change.record.span == 20


def test_a_withdrawal_brings_nothing_and_is_remembered():
    [change] = judged(unit(number=2, kind=Kind.WITHDRAWAL, span=0), a=record()).changes
    assert (change.brings, change.removes) == ((), (Range(1000, 1010),))
    assert (change.record.generation, change.record.span) == (2, 1)


def test_one_slot_twice_in_a_load_is_refused():
    with pytest.raises(DestinationError):
        judged(unit(), unit(number=2))


@pytest.mark.parametrize(("base", "collides"), [(1009, True), (1010, False), (991, True), (990, False)])
def test_slots_of_a_load_may_touch_but_not_overlap(base, collides):
    if collides:
        with pytest.raises(KeyCollision):
            judged(unit(), unit("b", base=base))
    else:
        assert len(judged(unit(), unit("b", base=base)).changes) == 2


def test_shares_tell_applied_rows_from_stale_ones():
    verdict = judged(unit("b", base=2000), unit("a"), a=record())
    assert shares(verdict) == [Share(Range(1000, 1010), -1), Share(Range(2000, 2010), 0)]


def test_the_highest_sequence_takes_a_replaced_table():
    verdict = judged(unit(sequence=5), unit("b", base=2000, sequence=7))
    assert successor(verdict, Holder("c", 6)) == (1, Holder("b", 7))


def test_a_replaced_table_never_goes_back():
    assert successor(judged(unit(sequence=5)), Holder("c", 6)) == (-1, Holder("c", 6))


def test_a_holder_follows_itself():
    verdict = judged(unit(number=2, kind=Kind.PATCH, sequence=6, lines=(1,)), a=record(sequence=6))
    assert successor(verdict, Holder("a", 6)) == (0, Holder("a", 6))


def test_a_withdrawn_holder_stays_the_holder():
    verdict = judged(unit(number=2, kind=Kind.WITHDRAWAL, sequence=9), a=record(sequence=6))
    assert successor(verdict, Holder("a", 6)) == (-1, Holder("a", 6))


def test_partitions_are_won_one_by_one():
    verdict = judged(unit(sequence=5), unit("b", base=2000, sequence=7))
    held = {"monday": Holder("c", 6), "tuesday": Holder("c", 9)}
    won = partition_holders([("monday", 0), ("monday", 1), ("tuesday", 1), ("friday", 0)], verdict, held)
    assert won == {"monday": (1, Holder("b", 7)), "friday": (0, Holder("a", 5))}


def test_a_record_keeps_the_rows_of_its_unit():
    [first, second] = counted(judged(unit(), unit("b", base=2000)), {(0, "orders"): 3, (1, "orders"): 4})
    assert (first.record.rows, second.record.rows) == ({"orders": 3}, {"orders": 4})


def test_refusals_count_and_name_no_value():
    with pytest.raises(KeyCollision, match="2 surrogate keys"):
        refuse("products", 2, 0)
    with pytest.raises(EntityConflict, match="3 entities"):
        refuse("products", 0, 3)


def test_a_declaration_survives_json():
    reference = Reference(("order_id",), "orders", ("order_id",))
    spec = TableSpec(
        "items", Mode.PARTITION, ("a", "b"), "a", natural=("n",), partition_by=("d",), references=(reference,)
    )
    assert declared(json.loads(json.dumps(described(spec)))) == spec


ranges = st.lists(
    st.tuples(st.integers(0, 50), st.integers(1, 9)).map(lambda pair: Range(pair[0], sum(pair))), max_size=8
)


@given(ranges)
def test_merged_ranges_hold_the_same_identities_apart(given_ranges):
    found = list(merged(given_ranges))
    assert {row for range_ in found for row in range(*range_)} == {
        row for range_ in given_ranges for row in range(*range_)
    }
    assert all(before.high < after.low for before, after in itertools.pairwise(found))


@given(st.permutations([(1, 5), (2, 6), (3, 7)]))
def test_the_order_of_loads_does_not_choose_the_holder(order):
    holder = None
    for number, (name, sequence) in enumerate(order):
        verdict = judged(replace(unit(str(name), base=1000 * (number + 1)), sequence=sequence))
        _, holder = successor(verdict, holder)
    assert holder == Holder("3", 7)
