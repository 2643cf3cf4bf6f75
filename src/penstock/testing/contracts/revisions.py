"""A generation that was prepared again: its revision takes the place of what it brought before."""

# ruff: noqa: S101 - assert is the language of tests

from __future__ import annotations

from dataclasses import replace

from penstock.testing.contracts.bench import Bench
from penstock.testing.deliveries import Part, Sender
from penstock.testing.shop import CAFE, DAILY, LOG, NEWEST, World, column, daily, load, order, totals


def revised(part: Part, revision: int, identity: str = "") -> Part:
    """The same unit, prepared so many times anew."""
    return replace(part, unit=replace(part.unit, revision=revision, identity=identity))


class RevisionContract(Bench):
    """Rows may be left out of a generation that one destination has loaded already."""

    def test_a_revision_takes_the_place_of_what_was_there(self, world: World, sender: Sender) -> None:
        part = sender.part("a", 1, log=[(1, "refused elsewhere"), (2, "good")])
        load(world, sender, [LOG], part)
        done = load(world, sender, [LOG], revised(replace(part, rows={"log": [(2, "good")]}), 1))
        assert column(world, "log", "text") == ["good"]
        assert (len(done.applied), done.rows) == (1, {("a", "log"): 1})

    def test_an_older_revision_changes_nothing(self, world: World, sender: Sender) -> None:
        part = order(sender, "a.csv", 1, total="2.00")
        load(world, sender, CAFE, revised(part, 2))
        done = load(world, sender, CAFE, revised(order(sender, "a.csv", 1, total="1.00"), 1))
        assert (totals(world), done.applied, done.overtaken) == (["2.00"], (), ())

    def test_the_same_revision_again_is_stale_and_tells_its_rows(self, world: World, sender: Sender) -> None:
        once = sender.load(CAFE, revised(order(sender, "a.csv", 1), 1))
        first, again = world.destination.load(once), world.destination.load(once)
        assert (again.applied, again.stale, again.rows) == ((), once.units, first.rows)

    def test_a_revision_of_another_generation_changes_nothing(self, world: World, sender: Sender) -> None:
        load(world, sender, CAFE, revised(order(sender, "a.csv", 2, total="2.00"), 0, "one"))
        older = load(world, sender, CAFE, revised(order(sender, "a.csv", 1, total="1.00"), 7, "one"))
        other = load(world, sender, CAFE, revised(order(sender, "a.csv", 2, total="3.00"), 7, "other"))
        assert (totals(world), older.applied, other.applied) == (["2.00"], (), ())
        assert len(other.overtaken) == 1

    def test_the_next_generation_needs_no_revision(self, world: World, sender: Sender) -> None:
        load(world, sender, CAFE, revised(order(sender, "a.csv", 1, total="1.00"), 3))
        load(world, sender, CAFE, order(sender, "a.csv", 2, total="2.00"))
        assert totals(world) == ["2.00"]

    def test_a_patch_is_revised_alone(self, world: World, sender: Sender) -> None:
        delivery = sender.part("a", 1, log=[(1, "one")])
        load(world, sender, [LOG], delivery)
        patch = sender.patch(delivery, 2, log=[(2, "two"), (3, "refused elsewhere")])
        load(world, sender, [LOG], patch)
        load(world, sender, [LOG], revised(replace(patch, rows={"log": [(2, "two")]}), 1))
        assert column(world, "log", "text") == ["one", "two"]

    def test_a_revised_holder_stays_the_holder(self, world: World, sender: Sender) -> None:
        load(world, sender, [NEWEST], sender.part("a", 1, newest=[(1, "old")]))
        part = sender.part("b", 1, newest=[(1, "new"), (2, "refused elsewhere")])
        load(world, sender, [NEWEST], part)
        load(world, sender, [NEWEST], revised(replace(part, rows={"newest": [(1, "new")]}), 1))
        assert column(world, "newest", "text") == ["new"]

    def test_a_revised_partition_holds_what_is_left(self, world: World, sender: Sender) -> None:
        part = daily(sender, "a", 1, (1, "leeds", 5), (1, "leeds", 6))
        load(world, sender, [DAILY], part)
        load(world, sender, [DAILY], revised(replace(part, rows={"daily": part.rows["daily"][:1]}), 1))
        assert column(world, "daily", "total") == [5]

    def test_the_newest_revision_is_known_to_another_object(self, world: World, sender: Sender) -> None:
        part = order(sender, "a.csv", 1)
        load(world, sender, CAFE, revised(part, 1))
        other = world.another()
        assert other.load(sender.load(CAFE, part)).applied == ()
        assert len(other.load(sender.load(CAFE, revised(part, 2))).applied) == 1
