"""Keys with several members: when they fire, and that they fire once."""

# ruff: noqa: S101 - assert is the language of tests

from __future__ import annotations

from datetime import timedelta

import pytest

from penstock.ledger.port import Ledger
from penstock.model.readiness import Mark, Need, Readiness
from penstock.model.slots import Acceptance, Delivery, Kind, Member, Slot, vector
from penstock.testing.clerk import NOW, Clerk, content, slot

FILES = Readiness("covid", ("day",), (Need("cases"), Need("recoveries")), "f1")
TABLES = Readiness("deposits", ("day",), (Need("orders", "cafe", "orders"), Need("visits", "visits", "visits")))
KEY = {"day": "2020-01-01"}
COVID = Slot("covid", "key/day=2020-01-01")
DEPOSITS = Slot("deposits", "key/day=2020-01-01")


def file(name: str, text: str = "A", address: str = "", version: str = "") -> Mark:
    """A file that is a member."""
    return Mark(FILES, KEY, Member(name, address or f"landing/{name}.csv", content(text, version)))


def visits(text: str = "A", number: int = 1) -> Mark:
    """The other pipeline's table."""
    return Mark(TABLES, KEY, Member("visits", "landing/v.csv", content(text, str(number)), "visits"))


class ReadinessContract:
    """Marks, and the deliveries that they make."""

    @pytest.fixture
    def cafe(self, ledger: Ledger) -> Clerk:
        clerk = Clerk(ledger)
        clerk.triggers = (TABLES,)
        return clerk

    def deliver(self, clerk: Clerk, text: str = "A", name: str = "leeds") -> None:
        """A file of the café that belongs to the key."""
        delivery = Delivery(slot(name), content=content(text), parts={**KEY, "branch": name})
        clerk.ledger.accept([delivery], clerk.now)

    # --- files ---------------------------------------------------------------------------------------------------

    def test_a_key_fires_when_its_last_member_is_there(self, ledger: Ledger) -> None:
        assert ledger.mark([file("cases")], NOW) == []
        (acceptance,) = ledger.mark([file("recoveries", "B")], NOW)
        generation = acceptance.generation
        assert (acceptance.fresh, generation.slot, generation.parts) == (True, COVID, KEY)
        assert [member.name for member in generation.members] == ["cases", "recoveries"]
        assert generation.content == vector(generation.members)
        assert ledger.current(COVID) == generation

    def test_members_of_one_call_fire_once(self, ledger: Ledger) -> None:
        assert len(ledger.mark([file("cases"), file("recoveries"), file("cases")], NOW)) == 1
        assert len(ledger.history(COVID)) == 1

    def test_an_equal_vector_is_a_recorded_duplicate(self, ledger: Ledger) -> None:
        ledger.mark([file("cases"), file("recoveries")], NOW)
        (again,) = ledger.mark([file("recoveries")], NOW)
        assert not again.fresh
        assert ledger.events()[-1].type == "generation.duplicate"

    def test_the_same_content_under_another_name_is_the_same_member(self, ledger: Ledger) -> None:
        ledger.mark([file("cases"), file("recoveries")], NOW)
        (again,) = ledger.mark([file("recoveries", address="landing/new.csv", version="v2")], NOW)
        assert not again.fresh
        assert again.generation.members[1].address == "landing/new.csv"
        assert ledger.current(COVID) == again.generation

    def test_another_content_of_one_member_is_the_next_generation(self, ledger: Ledger) -> None:
        ledger.mark([file("cases"), file("recoveries")], NOW)
        (second,) = ledger.mark([file("recoveries", "B")], NOW)
        (third,) = ledger.mark([file("recoveries", "A")], NOW)
        assert [second.generation.number, third.generation.number] == [2, 3]
        assert third.fresh

    def test_members_that_change_places_are_another_vector(self) -> None:
        one = [file("cases", "A").member, file("recoveries", "B").member]
        other = [file("cases", "B").member, file("recoveries", "A").member]
        assert vector(one).sha256 != vector(other).sha256
        assert vector(one) == vector(one[::-1])

    def test_keys_do_not_mix(self, ledger: Ledger) -> None:
        other = Mark(FILES, {"day": "2020-01-02"}, file("recoveries").member)
        assert ledger.mark([file("cases"), other], NOW) == []
        assert [state.parts["day"] for state in ledger.keys("covid")] == ["2020-01-01", "2020-01-02"]

    def test_what_is_marked_can_be_seen(self, ledger: Ledger) -> None:
        ledger.mark([file("cases", "A", version="v1")], NOW)
        (state,) = ledger.keys("covid")
        assert (state.address, state.parts, state.since) == (COVID.address, KEY, NOW)
        assert state.members == (file("cases", "A", version="v1").member,)

    def test_members_survive_a_run(self, ledger: Ledger) -> None:
        ledger.mark([file("cases"), file("recoveries")], NOW)
        clerk = Clerk(ledger, "covid")
        (run,) = clerk.work()
        assert [member.name for member in run.generations[0].members] == ["cases", "recoveries"]

    # --- tables --------------------------------------------------------------------------------------------------

    def work(self, clerk: Clerk) -> list[str]:
        """Drive what waits, of any pipeline; returns the pipelines."""
        return [run.pipeline for run in clerk.work()]

    def test_a_run_marks_what_it_loaded_as_it_ends(self, cafe: Clerk) -> None:
        cafe.ledger.mark([visits()], NOW)
        self.deliver(cafe)
        run = cafe.load(cafe.prepare(cafe.start()))
        assert cafe.ledger.current(DEPOSITS) is None
        cafe.publish(run)
        generation = cafe.ledger.current(DEPOSITS)
        assert generation is not None
        assert generation.members[0] == Member("orders", "landing/leeds.csv", generation.members[0].content, "cafe")
        assert (generation.members[0].content.size, generation.cause) == (2, "ready")

    def test_an_end_that_is_told_twice_fires_once(self, cafe: Clerk) -> None:
        cafe.ledger.mark([visits()], NOW)
        self.deliver(cafe)
        run = cafe.load(cafe.prepare(cafe.start()))
        for _ in range(2):
            cafe.publish(run)
        assert len(cafe.ledger.history(DEPOSITS)) == 1

    def test_what_was_refused_marks_nothing(self, cafe: Clerk) -> None:
        from penstock.model.slots import Standing

        cafe.ledger.mark([visits()], NOW)
        self.deliver(cafe)
        cafe.complete(cafe.start(), leeds=Standing.REFUSED)
        assert cafe.ledger.current(DEPOSITS) is None

    def test_all_slots_of_a_key_are_members(self, cafe: Clerk) -> None:
        cafe.ledger.mark([visits()], NOW)
        for name in ("leeds", "york"):
            self.deliver(cafe, name=name)
        assert self.work(cafe) == ["cafe", "deposits"]
        (generation,) = cafe.ledger.history(DEPOSITS)
        addresses = [member.address for member in generation.members]
        assert addresses == ["landing/leeds.csv", "landing/york.csv", "landing/v.csv"]

    def test_a_correction_fires_again_and_an_older_mark_does_not(self, cafe: Clerk) -> None:
        cafe.ledger.mark([visits("B", 2)], NOW)
        self.deliver(cafe)
        self.work(cafe)
        assert cafe.ledger.mark([visits("A", 1)], NOW) == []
        self.deliver(cafe, "B")
        assert self.work(cafe) == ["cafe", "deposits"]
        assert [item.members[-1].content.version for item in cafe.ledger.history(DEPOSITS)] == ["2", "2"]

    def test_a_change_while_the_key_is_worked_on_is_its_next_generation(self, cafe: Clerk) -> None:
        self.deliver(cafe)
        cafe.work()
        cafe.ledger.mark([visits()], NOW)
        run = cafe.start()
        (changed,) = cafe.ledger.mark([visits("B", 2)], NOW)
        assert cafe.claim() is None
        cafe.complete(run)
        assert [item.number for item in cafe.start().generations] == [changed.generation.number]

    def test_a_patch_adds_to_what_is_marked(self, cafe: Clerk) -> None:
        cafe.ledger.mark([visits()], NOW)
        self.deliver(cafe)
        self.work(cafe)
        cafe.patch("leeds", 2)
        self.work(cafe)
        first, second = cafe.ledger.history(DEPOSITS)
        assert [item.members[0].content.size for item in (first, second)] == [2, 4]

    def test_a_withdrawn_member_withdraws_the_key_and_its_return_brings_it_back(self, cafe: Clerk) -> None:
        cafe.ledger.mark([visits()], NOW)
        self.deliver(cafe)
        self.work(cafe)
        cafe.withdraw("leeds")
        self.work(cafe)
        self.deliver(cafe, "B")
        self.work(cafe)
        kinds = [item.kind for item in cafe.ledger.history(DEPOSITS)]
        assert kinds == [Kind.DELIVERY, Kind.WITHDRAWAL, Kind.DELIVERY]

    def test_a_file_outside_the_key_marks_nothing(self, cafe: Clerk) -> None:
        cafe.deliver("leeds")
        cafe.work()
        assert cafe.ledger.keys("deposits") == []

    # --- deadlines -----------------------------------------------------------------------------------------------

    def test_a_late_key_is_reported_once_with_what_it_lacks(self, ledger: Ledger) -> None:
        due = Readiness("covid", FILES.by, FILES.needs, deadline=timedelta(hours=6))
        ledger.mark([file("cases")], NOW)
        assert ledger.remind([due], NOW + timedelta(hours=5)) == []
        (late,) = ledger.remind([due], NOW + timedelta(hours=6))
        assert (late.address, late.missing) == (COVID.address, ("recoveries",))
        assert ledger.remind([due], NOW + timedelta(hours=7)) == []
        assert ledger.events()[-1].type == "readiness.overdue"

    def test_a_complete_key_is_never_late(self, ledger: Ledger) -> None:
        due = Readiness("covid", FILES.by, FILES.needs, deadline=timedelta(hours=6))
        fired: list[Acceptance] = ledger.mark([file("cases"), file("recoveries")], NOW)
        assert fired
        assert ledger.remind([due], NOW + timedelta(days=1)) == []
