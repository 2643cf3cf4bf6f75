"""Shared tables and write dispositions at a destination."""

# ruff: noqa: S101 - assert is the language of tests

from __future__ import annotations

from datetime import date
from functools import partial

import pytest

from penstock.errors import DestinationError, EntityConflict, KeyCollision
from penstock.model.slots import Kind, Slot
from penstock.model.tables import Mode, TableSpec
from penstock.testing.contracts.bench import Bench
from penstock.testing.deliveries import PIPELINE, Declared, Sender
from penstock.testing.shop import (
    BUN,
    DAILY,
    NEWEST,
    PRODUCTS,
    RANKED,
    STRICT,
    TEA,
    World,
    column,
    daily,
    load,
    product,
    values,
)


class EntityContract(Bench):
    """Who wins where several slots speak of one thing."""

    def test_a_key_stays_while_another_slot_contributes_it(self, world: World, sender: Sender) -> None:
        load(world, sender, [PRODUCTS], product(sender, "a", 1, (TEA, "tea", "1.00"), (BUN, "bun", "2.00")))
        load(world, sender, [PRODUCTS], product(sender, "b", 1, (TEA, "tea", "1.00")))
        load(world, sender, [PRODUCTS], product(sender, "a", 2))
        assert column(world, "products", "name") == ["tea"]

    def test_a_key_leads_to_the_rows_that_speak_of_it(self, world: World, sender: Sender) -> None:
        load(world, sender, [PRODUCTS], product(sender, "a", 1, (TEA, "tea", "1.00"), (BUN, "bun", "2.00")))
        load(world, sender, [PRODUCTS], product(sender, "b", 1, (TEA, "tea", "1.00")))
        lines = sorted([Slot(PIPELINE, "a").base + 1, Slot(PIPELINE, "b").base + 1])
        speakers = partial(world.destination.speakers, PIPELINE, "products")
        assert speakers(["product_id"], [str(TEA)], 20) == lines
        assert speakers(["name", "price"], ["tea", "1.00"], 1) == lines[:1]
        assert speakers(["name"], ["cake"], 20) == []

    def test_a_key_without_a_contributor_goes(self, world: World, sender: Sender) -> None:
        load(world, sender, [PRODUCTS], product(sender, "a", 1, (TEA, "tea", "1.00"), (BUN, "bun", "2.00")))
        load(world, sender, [PRODUCTS], product(sender, "a", 2, (BUN, "bun", "2.00")))
        assert column(world, "products", "name") == ["bun"]

    def test_the_later_sequence_wins_whatever_is_loaded_first(self, world: World, sender: Sender) -> None:
        early, late = product(sender, "a", 1, (TEA, "tea", "1.00")), product(sender, "b", 1, (TEA, "tea", "2.00"))
        load(world, sender, [PRODUCTS], late)
        load(world, sender, [PRODUCTS], early)
        assert column(world, "products", "price") == ["2.00"]

    def test_when_the_winner_leaves_the_next_one_wins(self, world: World, sender: Sender) -> None:
        early, late = product(sender, "a", 1, (TEA, "tea", "1.00")), product(sender, "b", 1, (TEA, "tea", "2.00"))
        load(world, sender, [PRODUCTS], early, late)
        load(world, sender, [PRODUCTS], sender.part("b", 2, Kind.WITHDRAWAL))
        assert column(world, "products", "price") == ["1.00"]

    def test_the_declared_order_comes_before_the_sequence(self, world: World, sender: Sender) -> None:
        newer = product(sender, "a", 1, (TEA, "tea", "1.00", date(2024, 2, 1)))
        older = product(sender, "b", 1, (TEA, "tea", "2.00", date(2024, 1, 1)))
        unknown = product(sender, "c", 1, (TEA, "tea", "3.00", None))
        for part in (newer, older, unknown):
            load(world, sender, [RANKED], part)
        assert column(world, "products", "price") == ["1.00"]

    def test_the_visible_table_shows_no_bookkeeping(self, world: World, sender: Sender) -> None:
        load(world, sender, [PRODUCTS], product(sender, "a", 1, (TEA, "tea", "1.00")))
        assert list(world.rows("products")[0]) == ["product_id", "name", "price"]

    def test_one_key_may_not_stand_for_two_natural_keys(self, world: World, sender: Sender) -> None:
        load(world, sender, [PRODUCTS], product(sender, "a", 1, (TEA, "tea", "1.00")))
        with pytest.raises(KeyCollision):
            load(world, sender, [PRODUCTS], product(sender, "b", 1, (TEA, "toast", "1.00")))
        assert column(world, "products", "name") == ["tea"]

    def test_two_slots_of_one_load_may_not_either(self, world: World, sender: Sender) -> None:
        parts = product(sender, "a", 1, (TEA, "tea", "1.00")), product(sender, "b", 1, (TEA, None, "1.00"))
        with pytest.raises(KeyCollision):
            load(world, sender, [PRODUCTS], *parts)

    def test_a_slot_may_correct_the_natural_key_of_its_own(self, world: World, sender: Sender) -> None:
        load(world, sender, [PRODUCTS], product(sender, "a", 1, (TEA, "tae", "1.00")))
        load(world, sender, [PRODUCTS], product(sender, "a", 2, (TEA, "tea", "1.00")))
        assert column(world, "products", "name") == ["tea"]

    def test_conflict_reject_refuses_what_differs(self, world: World, sender: Sender) -> None:
        load(world, sender, [STRICT], product(sender, "a", 1, (TEA, "tea", "1.00")))
        with pytest.raises(EntityConflict):
            load(world, sender, [STRICT], product(sender, "b", 1, (TEA, "tea", "2.00")))
        assert column(world, "products", "price") == ["1.00"]

    def test_conflict_reject_takes_what_agrees(self, world: World, sender: Sender) -> None:
        for slot in ("a", "b"):
            load(world, sender, [STRICT], product(sender, slot, 1, (TEA, "tea", "1.00")))
        assert column(world, "products", "price") == ["1.00"]

    def test_conflict_reject_lets_the_only_speaker_change_its_mind(self, world: World, sender: Sender) -> None:
        load(world, sender, [STRICT], product(sender, "a", 1, (TEA, "tea", "1.00")))
        load(world, sender, [STRICT], product(sender, "a", 2, (TEA, "tea", "2.00")))
        assert column(world, "products", "price") == ["2.00"]

    def test_a_composite_key_of_texts(self, world: World, sender: Sender) -> None:
        spec = TableSpec("sizes", Mode.MERGE, ("name", "size"), shared=True, natural=("name", "size"))
        sizes = Declared(spec, (("name", "VARCHAR"), ("size", "VARCHAR"), ("price", "INTEGER")))
        load(world, sender, [sizes], sender.part("a", 1, sizes=[(1, "tea", "L", 1), (2, "tea", "S", 2)]))
        load(world, sender, [sizes], sender.part("b", 1, sizes=[(1, "tea", "S", 3)]))
        load(world, sender, [sizes], sender.part("a", 2, sizes=[]))
        assert values(world, "sizes", "name", "size", "price") == [("tea", "S", 3)]

    def test_an_entity_of_nothing_but_its_key(self, world: World, sender: Sender) -> None:
        names = Declared(
            TableSpec("names", Mode.MERGE, ("name",), shared=True, natural=("name",)), (("name", "VARCHAR"),)
        )
        for slot in ("a", "b"):
            load(world, sender, [names], sender.part(slot, 1, names=[(1, "tea")]))
        assert column(world, "names", "name") == ["tea"]

    def test_an_entity_without_a_key_is_refused(self, world: World, sender: Sender) -> None:
        with pytest.raises(DestinationError):
            load(world, sender, [PRODUCTS], product(sender, "a", 1, (None, "tea", "1.00")))

    def test_replace_holds_the_newest_delivery(self, world: World, sender: Sender) -> None:
        load(world, sender, [NEWEST], sender.part("monday", 1, newest=[(1, "old"), (2, "older")]))
        load(world, sender, [NEWEST], sender.part("tuesday", 1, newest=[(1, "new")]))
        assert column(world, "newest", "text") == ["new"]

    def test_replace_takes_the_newest_of_a_batch(self, world: World, sender: Sender) -> None:
        parts = [sender.part(f"{day}", 1, newest=[(1, f"day {day}")]) for day in range(3)]
        done = load(world, sender, [NEWEST], *parts)
        assert column(world, "newest", "text") == ["day 2"]
        assert (done.rows, len(done.applied)) == ({("2", "newest"): 1}, 3)

    def test_replace_never_goes_back(self, world: World, sender: Sender) -> None:
        early = sender.part("monday", 1, newest=[(1, "old")])
        load(world, sender, [NEWEST], sender.part("tuesday", 1, newest=[(1, "new")]))
        done = load(world, sender, [NEWEST], early)
        assert column(world, "newest", "text") == ["new"]
        assert (len(done.applied), done.rows) == (1, {})

    def test_replace_takes_patches_of_its_holder_only(self, world: World, sender: Sender) -> None:
        monday = sender.part("monday", 1, newest=[(1, "old")])
        tuesday = sender.part("tuesday", 1, newest=[(1, "new")])
        load(world, sender, [NEWEST], monday, tuesday)
        load(world, sender, [NEWEST], sender.patch(monday, 2, newest=[(2, "too late")]))
        load(world, sender, [NEWEST], sender.patch(tuesday, 2, newest=[(2, "healed")]))
        assert column(world, "newest", "text") == ["healed", "new"]

    def test_replace_is_empty_when_its_holder_is_withdrawn(self, world: World, sender: Sender) -> None:
        early = sender.part("sunday", 1, newest=[(1, "older")])
        load(world, sender, [NEWEST], sender.part("monday", 1, newest=[(1, "old")]))
        load(world, sender, [NEWEST], sender.part("monday", 2, Kind.WITHDRAWAL))
        load(world, sender, [NEWEST], early)
        assert world.rows("newest") == []

    def test_partitions_are_replaced_one_by_one(self, world: World, sender: Sender) -> None:
        load(world, sender, [DAILY], daily(sender, "a", 1, (1, "leeds", 1), (1, "leeds", 2), (2, "leeds", 3)))
        load(world, sender, [DAILY], daily(sender, "b", 1, (1, "leeds", 10), (1, "york", 20)))
        assert column(world, "daily", "total") == [3, 10, 20]

    def test_a_partition_never_goes_back(self, world: World, sender: Sender) -> None:
        early = daily(sender, "a", 1, (1, "leeds", 1), (2, "leeds", 2))
        load(world, sender, [DAILY], daily(sender, "b", 1, (1, "leeds", 10)))
        done = load(world, sender, [DAILY], early)
        assert column(world, "daily", "total") == [2, 10]
        assert done.rows == {("a", "daily"): 1}

    def test_a_partition_takes_the_newest_of_a_batch(self, world: World, sender: Sender) -> None:
        parts = [daily(sender, slot, 1, (1, "leeds", total)) for slot, total in (("a", 1), ("b", 2))]
        load(world, sender, [DAILY], *parts)
        assert column(world, "daily", "total") == [2]

    def test_a_slot_delivered_again_leaves_its_old_partitions(self, world: World, sender: Sender) -> None:
        load(world, sender, [DAILY], daily(sender, "a", 1, (1, "leeds", 1), (2, "leeds", 2)))
        load(world, sender, [DAILY], daily(sender, "a", 2, (2, "leeds", 20), (3, "leeds", 30)))
        assert column(world, "daily", "total") == [20, 30]

    def test_a_patch_joins_its_slots_partition(self, world: World, sender: Sender) -> None:
        delivery = daily(sender, "a", 1, (1, "leeds", 1))
        load(world, sender, [DAILY], delivery)
        load(world, sender, [DAILY], sender.patch(delivery, 2, daily=[(9, date(2024, 1, 1), "leeds", 9)]))
        assert column(world, "daily", "total") == [1, 9]

    def test_an_empty_value_is_a_partition_too(self, world: World, sender: Sender) -> None:
        load(world, sender, [DAILY], daily(sender, "a", 1, (1, None, 1), (1, "", 2), (1, "a/b=c%", 3)))
        load(world, sender, [DAILY], daily(sender, "b", 1, (1, None, 10), (1, "a/b=c%", 30)))
        assert column(world, "daily", "total") == [2, 10, 30]
        assert column(world, "daily", "branch") == ["", "a/b=c%", None]
