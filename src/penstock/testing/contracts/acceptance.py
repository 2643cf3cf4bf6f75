"""What becomes of deliveries, and which generations make up the tables."""

# ruff: noqa: S101 - assert is the language of tests

from __future__ import annotations

import pytest

from penstock.errors import UnknownName, UsageError
from penstock.ledger.port import Ledger
from penstock.model.runs import Stage
from penstock.model.slots import Delivery, Kind, Slot, Standing
from penstock.testing.clerk import NOW, Clerk, content, slot


class AcceptanceContract:
    """Promises 1 and 3."""

    @pytest.fixture
    def clerk(self, ledger: Ledger) -> Clerk:
        return Clerk(ledger)

    # --- deliveries ----------------------------------------------------------------------------------------------

    def test_what_is_accepted_is_kept_as_it_came(self, ledger: Ledger) -> None:
        delivery = Delivery(
            slot("leeds"), content=content("A", "v7"), parts={"branch": "leeds", "day": "2020-01-01"}, cause="watcher",
            fingerprint="f1", hard=True,
        )  # fmt: skip
        (acceptance,) = ledger.accept([delivery], NOW)
        kept = ledger.current(slot("leeds"))
        assert acceptance.fresh
        assert acceptance.generation == kept
        assert kept is not None
        assert (kept.number, kept.sequence, kept.accepted_at) == (1, 1, NOW)
        assert (kept.content, kept.parts, kept.cause) == (delivery.content, delivery.parts, "watcher")
        assert (kept.fingerprint, kept.hard, kept.standing, kept.run) == ("f1", True, Standing.ACCEPTED, "")

    def test_the_same_content_twice_is_one_generation(self, clerk: Clerk) -> None:
        first, second = clerk.deliver("leeds", "A"), clerk.deliver("leeds", "A")
        assert not second.fresh
        assert second.generation == first.generation
        assert clerk.stands("leeds") == ["accepted"]

    def test_a_duplicate_is_an_event_with_its_cause(self, clerk: Clerk) -> None:
        clerk.deliver("leeds", "A")
        clerk.deliver("leeds", "A", cause="rescan")
        event = clerk.ledger.events()[-1]
        assert (event.type, event.subject, event.data["cause"]) == (
            "generation.duplicate",
            "landing/leeds.csv",
            "rescan",
        )

    def test_an_earlier_content_again_is_a_third_generation(self, clerk: Clerk) -> None:
        for text in ("A", "B", "A"):
            clerk.deliver("leeds", text)
            clerk.work()
        assert clerk.stands("leeds") == ["loaded", "loaded", "loaded"]
        assert clerk.live() == [("leeds", 3)]

    def test_deliveries_of_one_call_are_judged_in_order(self, ledger: Ledger) -> None:
        deliveries = [Delivery(slot("leeds"), content=content(text)) for text in ("A", "A", "B", "A")]
        assert [item.fresh for item in ledger.accept(deliveries, NOW)] == [True, False, True, True]

    def test_slots_of_two_pipelines_are_two(self, ledger: Ledger) -> None:
        ledger.accept([Delivery(Slot(name, "landing/a.csv"), content=content("A")) for name in ("cafe", "shop")], NOW)
        assert [item.number for name in ("cafe", "shop") for item in ledger.history(Slot(name, "landing/a.csv"))] == [
            1,
            1,
        ]

    def test_a_newer_content_supersedes_what_only_waits(self, clerk: Clerk) -> None:
        clerk.deliver("leeds", "A")
        clerk.deliver("leeds", "B")
        assert clerk.stands("leeds") == ["superseded", "accepted"]
        assert [item.number for item in clerk.start().generations] == [2]
        assert ("generation.superseded", "landing/leeds.csv") in clerk.told()

    def test_what_runs_finishes_before_the_newer_content_is_claimed(self, clerk: Clerk) -> None:
        clerk.deliver("leeds", "A")
        run = clerk.start()
        clerk.deliver("leeds", "B")
        assert clerk.claim("worker-2") is None
        run = clerk.load(clerk.prepare(run))
        assert clerk.claim("worker-2") is None
        clerk.publish(run)
        assert [item.number for item in clerk.start("worker-2").generations] == [2]

    def test_the_newer_content_waits_as_well_while_a_retry_does(self, clerk: Clerk) -> None:
        clerk.deliver("leeds", "A")
        clerk.fail(clerk.start(), retry=True)
        clerk.deliver("leeds", "B")
        assert clerk.claim() is None
        clerk.turn(clerk.policy.longest)
        assert [item.number for item in clerk.start().generations] == [1]

    def test_only_the_last_of_several_newer_contents_runs(self, clerk: Clerk) -> None:
        clerk.deliver("leeds", "A")
        run = clerk.start()
        clerk.deliver("leeds", "B")
        clerk.deliver("leeds", "C")
        clerk.complete(run)
        clerk.work()
        assert clerk.stands("leeds") == ["loaded", "superseded", "loaded"]

    @pytest.mark.parametrize("end", [Standing.REFUSED, Standing.STOPPED, Standing.SUSPENDED])
    def test_what_was_turned_away_stays_a_duplicate(self, clerk: Clerk, end: Standing) -> None:
        clerk.deliver("leeds", "A")
        clerk.complete(clerk.start(), leeds=end)
        again = clerk.deliver("leeds", "A")
        assert not again.fresh
        assert again.generation.standing is end

    def test_what_is_dead_or_dropped_stays_a_duplicate(self, clerk: Clerk) -> None:
        clerk.deliver("leeds", "A")
        (run,) = clerk.fail(clerk.start())
        assert clerk.deliver("leeds", "A").generation.standing is Standing.DEAD
        clerk.drop(run)
        assert clerk.deliver("leeds", "A").generation.standing is Standing.DROPPED

    def test_a_reload_of_the_same_content_is_the_next_generation(self, clerk: Clerk) -> None:
        clerk.deliver("leeds", "A")
        clerk.complete(clerk.start(), leeds=Standing.REFUSED)
        assert clerk.reload("leeds", "A").fresh
        clerk.work()
        assert clerk.stands("leeds") == ["refused", "loaded"]

    def test_content_like_a_reload_is_a_duplicate(self, clerk: Clerk) -> None:
        clerk.deliver("leeds", "A")
        clerk.reload("leeds", "B")
        assert not clerk.deliver("leeds", "B").fresh

    def test_the_same_bytes_written_again_are_pinned_at_their_newer_version(self, clerk: Clerk) -> None:
        clerk.deliver("leeds", "A", "v1")
        clerk.work()
        clerk.deliver("leeds", "A", "v2")
        kept = clerk.ledger.current(slot("leeds"))
        assert kept is not None
        assert kept.content == content("A", "v2")

    @pytest.mark.parametrize("kind", [Kind.DELIVERY, Kind.RELOAD])
    def test_a_delivery_without_content_is_a_mistake(self, ledger: Ledger, kind: Kind) -> None:
        with pytest.raises(UsageError):
            ledger.accept([Delivery(slot("leeds"), kind=kind)], NOW)

    def test_a_mistake_undoes_its_whole_call(self, ledger: Ledger) -> None:
        good = Delivery(slot("leeds"), content=content("A"))
        with pytest.raises(UsageError):
            ledger.accept([good, Delivery(slot("york"))], NOW)
        assert ledger.current(slot("leeds")) is None
        assert ledger.accept([good], NOW)[0].generation.sequence == 1
        assert [item.type for item in ledger.events()] == ["generation.accepted"]

    # --- patches -------------------------------------------------------------------------------------------------

    def test_a_patch_heals_the_loaded_generation(self, clerk: Clerk) -> None:
        clerk.deliver("york", "Y")
        loaded = clerk.deliver("leeds", "A", "v1", parts={"branch": "leeds"}).generation
        clerk.work()
        patch = clerk.patch("leeds", 3, 7).generation
        assert (patch.number, patch.heals, patch.sequence) == (2, 1, loaded.sequence)
        assert (patch.content, patch.parts, patch.lines) == (loaded.content, loaded.parts, (3, 7))

    def test_a_patch_needs_a_loaded_generation(self, clerk: Clerk) -> None:
        clerk.deliver("leeds", "A")
        with pytest.raises(UsageError):
            clerk.patch("leeds", 3)

    def test_a_patch_of_what_never_came_is_a_mistake(self, clerk: Clerk) -> None:
        with pytest.raises(UnknownName):
            clerk.patch("leeds", 3)

    def test_a_patch_of_a_withdrawn_slot_is_a_mistake(self, clerk: Clerk) -> None:
        clerk.deliver("leeds", "A")
        clerk.work()
        clerk.withdraw("leeds")
        clerk.work()
        with pytest.raises(UsageError):
            clerk.patch("leeds", 3)

    def test_a_patch_does_not_change_what_the_content_is(self, clerk: Clerk) -> None:
        clerk.deliver("leeds", "A")
        clerk.work()
        clerk.patch("leeds", 3)
        clerk.work()
        again = clerk.deliver("leeds", "A")
        assert not again.fresh
        assert again.generation.number == 1

    def test_patches_of_a_slot_run_one_after_another(self, clerk: Clerk) -> None:
        clerk.deliver("leeds", "A")
        clerk.work()
        clerk.patch("leeds", 3)
        clerk.patch("leeds", 7)
        first = clerk.start()
        assert [item.lines for item in first.generations] == [(3,)]
        assert clerk.claim() is None
        clerk.complete(first)
        assert [item.lines for item in clerk.start().generations] == [(7,)]

    def test_a_newer_delivery_supersedes_a_patch_that_waits(self, clerk: Clerk) -> None:
        clerk.deliver("leeds", "A")
        clerk.work()
        clerk.patch("leeds", 3)
        clerk.deliver("leeds", "B")
        clerk.work()
        assert clerk.stands("leeds") == ["loaded", "superseded", "loaded"]

    def test_a_newer_delivery_takes_the_place_of_patches_that_stood_in_line(self, clerk: Clerk) -> None:
        clerk.deliver("leeds", "A")
        clerk.work()
        clerk.patch("leeds", 3)
        clerk.patch("leeds", 7)
        clerk.reload("leeds", "B")
        assert [item.number for item in clerk.start().generations] == [4]

    def test_a_newer_delivery_supersedes_a_patch_that_will_be_tried_again(self, clerk: Clerk) -> None:
        clerk.deliver("leeds", "A")
        clerk.work()
        clerk.patch("leeds", 3)
        clerk.fail(clerk.start(), retry=True)
        clerk.deliver("leeds", "B")
        clerk.turn(clerk.policy.longest)
        clerk.work()
        assert clerk.stands("leeds") == ["loaded", "superseded", "loaded"]

    # --- replays of whole deliveries -----------------------------------------------------------------------------

    def test_a_replay_of_the_whole_keeps_the_place_of_what_it_heals(self, clerk: Clerk) -> None:
        loaded = clerk.deliver("leeds", "A", "v1", parts={"branch": "leeds"}).generation
        clerk.deliver("york", "Y")
        clerk.work()
        again = clerk.replay_whole("leeds", "A", 3, 7).generation
        assert (again.number, again.heals, again.sequence) == (2, 0, loaded.sequence)
        assert (again.parts, again.lines, again.replays_whole) == (loaded.parts, (3, 7), True)

    def test_a_replay_of_the_whole_takes_the_place_of_the_delivery(self, clerk: Clerk) -> None:
        clerk.deliver("leeds", "A")
        clerk.work()
        clerk.replay_whole("leeds", "A", 3)
        clerk.work()
        assert clerk.live() == [("leeds", 2)]
        assert not clerk.deliver("leeds", "A").fresh

    def test_a_replay_of_the_whole_needs_a_loaded_generation(self, clerk: Clerk) -> None:
        with pytest.raises(UnknownName):
            clerk.replay_whole("leeds", "A", 3)
        clerk.deliver("leeds", "A")
        with pytest.raises(UsageError):
            clerk.replay_whole("leeds", "A", 3)

    def test_a_replay_of_the_whole_that_came_to_nothing_may_be_tried_again(self, clerk: Clerk) -> None:
        clerk.deliver("leeds", "A")
        clerk.work()
        clerk.replay_whole("leeds", "A", 3)
        clerk.complete(clerk.start(), leeds=Standing.STOPPED)
        clerk.replay_whole("leeds", "A", 3)
        clerk.work()
        assert clerk.stands("leeds") == ["loaded", "stopped", "loaded"]

    # --- withdrawals ---------------------------------------------------------------------------------------------

    def test_a_withdrawal_begins_at_load_with_nothing_staged(self, clerk: Clerk) -> None:
        clerk.deliver("leeds", "A")
        clerk.work()
        clerk.withdraw("leeds")
        run = clerk.start()
        assert (run.stage, run.staged) == (Stage.LOAD, ())
        assert clerk.complete(run).generations[0].standing is Standing.LOADED
        assert clerk.live() == []

    def test_a_delivery_waits_for_the_withdrawal_before_it(self, clerk: Clerk) -> None:
        """The delivery may be refused; the withdrawal was accepted."""
        clerk.deliver("leeds", "A")
        clerk.work()
        clerk.withdraw("leeds")
        clerk.deliver("leeds", "B")
        clerk.deliver("leeds", "C")
        assert [[item.number for item in run.generations] for run in clerk.work()] == [[2], [4]]
        assert clerk.stands("leeds") == ["loaded", "loaded", "superseded", "loaded"]

    def test_a_withdrawal_comes_before_a_delivery_that_came_later(self, clerk: Clerk) -> None:
        clerk.deliver("leeds", "A")
        run = clerk.start()
        clerk.withdraw("leeds")
        clerk.deliver("leeds", "B")
        clerk.complete(run)
        assert [[item.number for item in run.generations] for run in clerk.work()] == [[2], [3]]

    def test_withdrawals_do_not_share_a_run_with_deliveries(self, clerk: Clerk) -> None:
        clerk.deliver("leeds", "A")
        clerk.work()
        clerk.withdraw("leeds")
        clerk.deliver("york", "A")
        assert [[item.kind for item in run.generations] for run in clerk.work()] == [[Kind.WITHDRAWAL], [Kind.DELIVERY]]

    def test_a_withdrawal_of_what_never_came_is_a_mistake(self, clerk: Clerk) -> None:
        with pytest.raises(UnknownName):
            clerk.withdraw("leeds")

    def test_content_that_arrives_again_after_a_withdrawal_is_new(self, clerk: Clerk) -> None:
        clerk.deliver("leeds", "A", "v1")
        clerk.work()
        clerk.withdraw("leeds")
        clerk.work()
        assert clerk.deliver("leeds", "A", "v2").fresh
        clerk.work()
        assert clerk.live() == [("leeds", 3)]

    def test_a_rescan_does_not_undo_a_withdrawal(self, clerk: Clerk) -> None:
        clerk.deliver("leeds", "A", "v1")
        clerk.work()
        clerk.withdraw("leeds")
        clerk.work()
        assert not clerk.deliver("leeds", "A", "v1").fresh

    # --- what is live --------------------------------------------------------------------------------------------

    def test_live_are_the_newest_loaded_delivery_and_its_patches(self, clerk: Clerk) -> None:
        clerk.deliver("leeds", "A")
        clerk.deliver("york", "A")
        clerk.work()
        clerk.patch("leeds", 3)
        clerk.work()
        clerk.deliver("york", "B")
        clerk.work()
        clerk.deliver("leeds", "C")
        assert clerk.live() == [("leeds", 1), ("leeds", 2), ("york", 2)]

    def test_live_tells_what_was_loaded(self, clerk: Clerk) -> None:
        clerk.deliver("leeds", "A")
        clerk.work()
        ((generation, result),) = clerk.ledger.live("cafe")
        assert (result.slot, result.number, result.rows) == (generation.slot, 1, {"orders": 2})

    def test_a_patch_of_an_earlier_delivery_is_not_live(self, clerk: Clerk) -> None:
        clerk.deliver("leeds", "A")
        clerk.work()
        clerk.patch("leeds", 3)
        clerk.work()
        clerk.deliver("leeds", "B")
        clerk.work()
        assert clerk.live() == [("leeds", 3)]
