"""Slots move forward: deliveries, patches and withdrawals at a destination."""

# ruff: noqa: S101 - assert is the language of tests

from __future__ import annotations

from dataclasses import replace

import pytest

from penstock.errors import DestinationError, KeyCollision
from penstock.model.slots import Kind, Slot
from penstock.testing.contracts.bench import Bench
from penstock.testing.deliveries import PIPELINE, SPAN, Sender
from penstock.testing.shop import (
    CAFE,
    LOG,
    ORDERS,
    PRODUCTS,
    TEA,
    World,
    column,
    load,
    order,
    totals,
)


class SlotContract(Bench):
    """Which rows are there after which generations."""

    def test_a_first_load_creates_the_tables(self, world: World, sender: Sender) -> None:
        done = load(world, sender, CAFE, order(sender, "a.csv", 1, total="2.50"))
        assert totals(world) == ["2.50"]
        assert column(world, "products", "name") == ["tea"]
        assert (len(done.applied), done.stale) == (1, ())

    def test_a_load_tells_the_rows_of_each_slot_and_table(self, world: World, sender: Sender) -> None:
        parts = [order(sender, "a.csv", 1), order(sender, "b.csv", 1)]
        done = load(world, sender, CAFE, *parts)
        assert done.rows == {(slot, table.spec.name): 1 for slot in ("a.csv", "b.csv") for table in CAFE}

    def test_slots_stand_side_by_side(self, world: World, sender: Sender) -> None:
        load(world, sender, CAFE, order(sender, "a.csv", 1, total="1.00"))
        load(world, sender, CAFE, order(sender, "b.csv", 1, total="2.00"))
        assert totals(world) == ["1.00", "2.00"]

    def test_a_new_generation_replaces_the_slots_rows(self, world: World, sender: Sender) -> None:
        load(world, sender, [LOG], sender.part("a", 1, log=[(1, "old"), (2, "older")]))
        load(world, sender, [LOG], sender.part("b", 1, log=[(1, "other")]))
        load(world, sender, [LOG], sender.part("a", 2, log=[(1, "new")]))
        assert column(world, "log", "text") == ["new", "other"]

    def test_a_b_a_ends_with_a(self, world: World, sender: Sender) -> None:
        for number, text in enumerate("ABA", 1):
            load(world, sender, [LOG], sender.part("a", number, log=[(1, text)]))
        assert column(world, "log", "text") == ["A"]

    def test_a_stale_generation_changes_nothing(self, world: World, sender: Sender) -> None:
        late = sender.part("a", 1, log=[(1, "late")])
        load(world, sender, [LOG], sender.part("a", 2, log=[(1, "current")]))
        done = load(world, sender, [LOG], late)
        assert column(world, "log", "text") == ["current"]
        assert (done.applied, done.stale, done.rows) == ((), (late.unit,), {})

    def test_a_stale_slots_rows_are_left_out_of_a_batch(self, world: World, sender: Sender) -> None:
        late = order(sender, "a.csv", 1, total="1.00")
        load(world, sender, CAFE, order(sender, "a.csv", 2, total="2.00"))
        done = load(world, sender, CAFE, late, order(sender, "b.csv", 1, total="3.00"))
        assert totals(world) == ["2.00", "3.00"]
        assert [unit.slot.address for unit in done.applied] == ["b.csv"]

    def test_the_same_load_again_is_stale_and_tells_its_rows(self, world: World, sender: Sender) -> None:
        once = sender.load(CAFE, order(sender, "a.csv", 1))
        first = world.destination.load(once)
        again = world.destination.load(once)
        assert len(totals(world)) == 1
        assert (again.applied, again.stale) == ((), once.units)
        assert again.rows == first.rows

    def test_another_generation_of_the_same_number_is_overtaken(self, world: World, sender: Sender) -> None:
        """An older copy of the ledger counts again from where it was."""
        first, other = (order(sender, "a.csv", 2, total=total) for total in ("1.00", "2.00"))
        load(world, sender, CAFE, replace(first, unit=replace(first.unit, identity="one")))
        done = load(world, sender, CAFE, replace(other, unit=replace(other.unit, identity="other")))
        assert ([unit.number for unit in done.overtaken], totals(world)) == ([2], ["1.00"])

    @pytest.mark.parametrize(("first", "again"), [("one", "one"), ("", "one"), ("one", "")])
    def test_the_same_generation_is_not_overtaken(self, world: World, sender: Sender, first: str, again: str) -> None:
        part = order(sender, "a.csv", 1)
        load(world, sender, CAFE, replace(part, unit=replace(part.unit, identity=first)))
        done = load(world, sender, CAFE, replace(part, unit=replace(part.unit, identity=again)))
        assert (len(done.stale), done.overtaken) == (1, ())

    def test_a_hundred_slots_in_one_load(self, world: World, sender: Sender) -> None:
        parts = [order(sender, f"{number:03d}.csv", 1, total=f"{number}.00") for number in range(100)]
        done = load(world, sender, CAFE, *parts)
        assert (len(totals(world)), len(done.applied), len(column(world, "products", "name"))) == (100, 100, 1)

    def test_a_hundred_slots_are_replaced_in_one_load(self, world: World, sender: Sender) -> None:
        for number in (1, 2):
            parts = [order(sender, f"{slot:03d}.csv", number, total=f"{number}.00") for slot in range(100)]
            load(world, sender, CAFE, *parts)
        assert totals(world) == ["2.00"] * 100

    def test_a_delivery_without_rows_empties_its_slot(self, world: World, sender: Sender) -> None:
        load(world, sender, CAFE, order(sender, "a.csv", 1))
        load(world, sender, CAFE, sender.part("a.csv", 2, orders=[], items=[], products=[]))
        assert [world.rows(table.spec.name) for table in CAFE] == [[], [], []]

    def test_an_empty_first_load_makes_empty_tables(self, world: World, sender: Sender) -> None:
        load(world, sender, CAFE, sender.part("a.csv", 1, orders=[], items=[], products=[]))
        load(world, sender, CAFE, order(sender, "b.csv", 1, total="1.00"))
        assert totals(world) == ["1.00"]

    def test_two_slots_may_not_share_identities(self, world: World, sender: Sender) -> None:
        load(world, sender, [LOG], sender.part("a", 1, log=[(1, "a")]))
        near = sender.part("b", 1, log=[(1, "b")])
        base = Slot(PIPELINE, "a").base + SPAN - 1
        with pytest.raises(KeyCollision):
            load(world, sender, [LOG], replace(near, unit=replace(near.unit, base=base)))
        assert column(world, "log", "text") == ["a"]

    def test_two_slots_of_one_load_may_not_share_identities(self, world: World, sender: Sender) -> None:
        one, other = sender.part("a", 1, log=[(1, "a")]), sender.part("b", 1, log=[(1, "b")])
        with pytest.raises(KeyCollision):
            load(world, sender, [LOG], one, replace(other, unit=replace(other.unit, base=one.unit.base)))

    def test_rows_that_no_unit_explains_are_refused(self, world: World, sender: Sender) -> None:
        with pytest.raises(DestinationError):
            load(world, sender, [LOG], sender.part("a", 1, log=[(1, "mine"), (SPAN, "whose?")]))

    def test_staged_files_that_are_not_what_was_staged_are_refused(self, world: World, sender: Sender) -> None:
        whole = sender.load([LOG], sender.part("a", 1, log=[(1, "x"), (2, "y")]))
        with pytest.raises(DestinationError):
            world.destination.load(replace(whole, tables=(replace(whole.tables[0], rows=3),)))
        assert world.rows("log") == []

    def test_a_row_leads_back_to_its_slot(self, world: World, sender: Sender) -> None:
        load(world, sender, [LOG], sender.part("a", 1, log=[(7, "x")]))
        base = Slot(PIPELINE, "a").base
        assert world.destination.slot_of(PIPELINE, base + 7) == ("a", base)
        assert world.destination.slot_of(PIPELINE, base + SPAN) is None

    def test_a_patch_adds_its_lines(self, world: World, sender: Sender) -> None:
        delivery = sender.part("a", 1, log=[(1, "one"), (3, "three")])
        load(world, sender, [LOG], delivery)
        load(world, sender, [LOG], sender.patch(delivery, 2, log=[(2, "two")]))
        assert column(world, "log", "text") == ["one", "three", "two"]

    def test_a_patch_replaces_only_its_lines(self, world: World, sender: Sender) -> None:
        delivery = sender.part("a", 1, log=[(1, "one"), (2, "wrong"), (3, "three")])
        load(world, sender, [LOG], delivery)
        load(world, sender, [LOG], sender.patch(delivery, 2, log=[(2, "right")]))
        assert column(world, "log", "text") == ["one", "right", "three"]

    def test_a_delivery_after_a_patch_replaces_both(self, world: World, sender: Sender) -> None:
        delivery = sender.part("a", 1, log=[(1, "one")])
        load(world, sender, [LOG], delivery)
        load(world, sender, [LOG], sender.patch(delivery, 2, log=[(2, "two")]))
        load(world, sender, [LOG], sender.part("a", 3, log=[(1, "new")]))
        assert column(world, "log", "text") == ["new"]

    def test_a_patch_heals_an_entity_that_the_slot_speaks_of_already(self, world: World, sender: Sender) -> None:
        delivery = sender.part("a", 1, products=[(1, TEA, "tea", "1.00")])
        load(world, sender, [PRODUCTS], delivery)
        load(world, sender, [PRODUCTS], sender.patch(delivery, 2, products=[(5, TEA, "tea", "2.00")]))
        assert column(world, "products", "price") == ["2.00"]

    def test_a_withdrawal_removes_the_slot_from_every_table(self, world: World, sender: Sender) -> None:
        load(world, sender, CAFE, order(sender, "a.csv", 1), order(sender, "b.csv", 1, total="9.00"))
        done = load(world, sender, CAFE, sender.part("a.csv", 2, Kind.WITHDRAWAL))
        assert (totals(world), len(world.rows("items")), len(world.rows("products"))) == (["9.00"], 1, 1)
        assert len(done.applied) == 1

    def test_a_withdrawal_needs_no_tables(self, world: World, sender: Sender) -> None:
        load(world, sender, CAFE, order(sender, "a.csv", 1))
        load(world, sender, [], sender.part("a.csv", 2, Kind.WITHDRAWAL))
        assert [world.rows(table.spec.name) for table in CAFE] == [[], [], []]

    def test_a_withdrawal_moves_the_slot_forward(self, world: World, sender: Sender) -> None:
        late = sender.part("a", 1, log=[(1, "late")])
        load(world, sender, [LOG], sender.part("a", 2, Kind.WITHDRAWAL))
        assert load(world, sender, [LOG], late).stale == (late.unit,)

    def test_a_delivery_after_a_withdrawal_is_loaded(self, world: World, sender: Sender) -> None:
        load(world, sender, CAFE, order(sender, "a.csv", 1, total="1.00"))
        load(world, sender, CAFE, sender.part("a.csv", 2, Kind.WITHDRAWAL))
        load(world, sender, CAFE, order(sender, "a.csv", 3, total="3.00"))
        assert totals(world) == ["3.00"]

    def test_a_table_that_is_no_longer_declared_loses_the_slots_rows(self, world: World, sender: Sender) -> None:
        load(world, sender, CAFE, order(sender, "a.csv", 1))
        load(world, sender, [ORDERS], sender.part("a.csv", 2, orders=[(1, "leeds", "4.00")]))
        assert (totals(world), world.rows("items"), world.rows("products")) == (["4.00"], [], [])
