"""Schedules: each firing is recorded once, one process acts on it, and what it accepts is accepted with its end."""

# ruff: noqa: S101 - assert is the language of tests

from __future__ import annotations

from datetime import timedelta

import pytest

from penstock.errors import ClaimLost, SourceUnavailable, UnknownName
from penstock.ledger.port import Ledger
from penstock.model.firings import BY_HAND, POURED, Firing, FiringState, Pulled, Timetable
from penstock.model.slots import Delivery
from penstock.testing.clerk import LEASE, NOW, PIPELINE, POLICY, Clerk, content, slot

HOUR = timedelta(hours=1)
DAILY = "0 6 * * * UTC"
AWAY = SourceUnavailable("the source does not answer").facts()


class Keeper:
    """Someone who looks at the clock and acts on what is due."""

    def __init__(self, ledger: Ledger, worker: str = "keeper-1") -> None:
        self.ledger, self.worker, self.now = ledger, worker, NOW
        self.timetable = ledger.plan(PIPELINE, DAILY, NOW)

    def turn(self, time: timedelta) -> None:
        self.now += time

    def fire(self, *hours: int, missed: int = 0, each: bool = False) -> list[Firing]:
        """Firings for so many hours from now are recorded."""
        dues = [self.now + hour * HOUR for hour in hours]
        until = dues[-1] if dues else self.now
        found = self.ledger.fire(self.timetable, dues, until, self.now, missed=missed, each=each)
        self.timetable = self.ledger.timetables()[0]
        return found

    def claim(self, only: str = "") -> Firing | None:
        return self.ledger.claim_firing(self.worker, self.now, LEASE, only=only, policy=POLICY)

    def act(self, text: str = "A", only: str = "") -> Firing:
        """Claim one, and deliver a file whose text is this."""
        item = self.claim(only)
        assert item is not None
        delivery = Delivery(slot("cases"), content=content(text), run_time=item.due)
        return self.ledger.fired(item.id, item.epoch, self.now, [delivery]).firing

    def fail(self, *, retry: bool = True, held: timedelta | None = None) -> Firing:
        item = self.claim()
        assert item is not None
        until = None if held is None else self.now + held
        return self.ledger.firing_failed(
            item.id, item.epoch, self.now, AWAY, retry=retry, policy=POLICY, held_until=until
        )

    def events(self) -> list[str]:
        return [event.type for event in self.ledger.events()]


class FiringContract:
    """Promises 1 and 2, for what is due."""

    @pytest.fixture
    def keeper(self, ledger: Ledger) -> Keeper:
        return Keeper(ledger)

    # --- timetables ----------------------------------------------------------------------------------------------

    def test_a_new_schedule_is_settled_up_to_now(self, ledger: Ledger) -> None:
        assert ledger.plan("covid", DAILY, NOW) == Timetable("covid", DAILY, NOW)
        assert ledger.timetables() == [Timetable("covid", DAILY, NOW)]

    def test_the_same_schedule_again_changes_nothing(self, keeper: Keeper) -> None:
        assert keeper.ledger.plan(PIPELINE, DAILY, NOW + HOUR) == keeper.timetable

    def test_another_schedule_begins_anew_and_stays_off(self, keeper: Keeper) -> None:
        keeper.ledger.switch(PIPELINE, DAILY, NOW, on=False, by="me")
        assert keeper.ledger.plan(PIPELINE, "hourly", NOW + HOUR) == Timetable(
            PIPELINE, "hourly", NOW + HOUR, enabled=False
        )

    def test_what_was_due_while_it_was_off_is_settled(self, keeper: Keeper) -> None:
        keeper.ledger.switch(PIPELINE, DAILY, NOW, on=False, by="me")
        assert keeper.ledger.switch(PIPELINE, DAILY, NOW + HOUR, on=True, by="me").since == NOW + HOUR
        assert keeper.events() == ["schedule.disabled", "schedule.enabled"]

    def test_to_switch_on_what_is_on_changes_nothing(self, keeper: Keeper) -> None:
        assert keeper.ledger.switch(PIPELINE, DAILY, NOW + HOUR, on=True, by="me") == keeper.timetable
        assert keeper.events() == []

    def test_a_schedule_that_nobody_knows_yet_can_be_switched_off(self, ledger: Ledger) -> None:
        assert not ledger.switch("covid", DAILY, NOW, on=False, by="me").enabled

    # --- recording -----------------------------------------------------------------------------------------------

    def test_a_firing_is_recorded_before_anybody_acts(self, keeper: Keeper) -> None:
        (item,) = keeper.fire(1)
        assert (item.id, item.due, item.state) == ("cafe@2026-03-01T09:00:00Z", NOW + HOUR, FiringState.DUE)
        assert keeper.ledger.open_firings() == keeper.ledger.firings(PIPELINE) == [item]
        assert keeper.timetable.since == NOW + HOUR

    def test_of_two_processes_one_records(self, keeper: Keeper) -> None:
        stale = keeper.timetable
        keeper.fire(1)
        assert keeper.ledger.fire(stale, [NOW + HOUR], NOW + HOUR, NOW) == []
        assert len(keeper.ledger.firings()) == 1

    def test_a_schedule_that_is_off_does_not_fire(self, keeper: Keeper) -> None:
        keeper.timetable = keeper.ledger.switch(PIPELINE, DAILY, NOW, on=False, by="me")
        assert keeper.fire(1) == []

    def test_what_is_not_made_up_for_is_counted_and_told(self, keeper: Keeper) -> None:
        keeper.fire(1, missed=4)
        keeper.fire(2, missed=1)
        assert keeper.timetable.missed == 5
        assert keeper.events()[0] == "firing.missed"

    def test_what_waits_gives_way_to_the_newest(self, keeper: Keeper) -> None:
        (first,) = keeper.fire(1)
        (second,) = keeper.fire(2)
        assert keeper.ledger.open_firings() == [second]
        assert keeper.ledger.firings()[1].state is FiringState.SUPERSEDED
        assert keeper.ledger.firing(first.id) == keeper.ledger.firings()[1]

    def test_where_each_counts_all_of_them_wait_in_order(self, keeper: Keeper) -> None:
        keeper.fire(1, 2, 3, each=True)
        done = [keeper.act(str(n)).due for n in range(3)]
        assert done == [NOW + HOUR, NOW + 2 * HOUR, NOW + 3 * HOUR]

    def test_what_a_person_asked_for_gives_way_to_nothing(self, keeper: Keeper) -> None:
        item = keeper.ledger.fire_by_hand(PIPELINE, NOW, NOW, hard=True)
        keeper.fire(1)
        assert keeper.ledger.open_firings()[0] == item
        assert (item.cause, item.hard, item.reload) == (BY_HAND, True, False)

    def test_a_person_may_ask_twice_for_one_time(self, keeper: Keeper) -> None:
        names = [keeper.ledger.fire_by_hand(PIPELINE, NOW, NOW).id for _ in range(2)]
        assert names == ["cafe@2026-03-01T08:00:00Z", "cafe@2026-03-01T08:00:00Z-2"]

    # --- claims --------------------------------------------------------------------------------------------------

    def test_nothing_is_due_at_first(self, keeper: Keeper) -> None:
        assert keeper.claim() is None

    def test_one_process_acts(self, keeper: Keeper) -> None:
        keeper.fire(1)
        assert keeper.claim() is not None
        assert keeper.claim() is None

    def test_one_firing_at_a_time_acts_for_a_pipeline(self, keeper: Keeper) -> None:
        keeper.fire(1)
        keeper.claim()
        keeper.ledger.fire_by_hand(PIPELINE, NOW, NOW)
        assert keeper.claim() is None

    def test_pipelines_do_not_wait_for_each_other(self, keeper: Keeper) -> None:
        keeper.fire(1)
        keeper.claim()
        keeper.ledger.fire_by_hand("other", NOW, NOW)
        item = keeper.claim()
        assert item is not None
        assert item.pipeline == "other"

    def test_when_the_lease_has_ended_another_one_acts(self, keeper: Keeper) -> None:
        keeper.fire(1)
        keeper.claim()
        keeper.turn(LEASE)
        item = keeper.claim()
        assert item is not None
        assert (item.attempt, item.epoch) == (2, 2)

    def test_what_a_dead_worker_held_can_be_claimed_at_once(self, keeper: Keeper) -> None:
        keeper.fire(1)
        keeper.claim()
        keeper.ledger.bury_firings("keeper-1", keeper.now)
        assert keeper.claim() is not None

    def test_over_which_workers_vanish_again_and_again_that_fails(self, keeper: Keeper) -> None:
        keeper.fire(1)
        for _ in range(POLICY.attempts):
            assert keeper.claim() is not None
            keeper.turn(LEASE)
        assert keeper.claim() is None
        assert keeper.ledger.firings()[0].state is FiringState.FAILED

    def test_who_has_lost_the_claim_changes_nothing(self, keeper: Keeper) -> None:
        keeper.fire(1)
        late = keeper.claim()
        assert late is not None
        keeper.turn(LEASE)
        keeper.claim()
        with pytest.raises(ClaimLost):
            keeper.ledger.fired(late.id, late.epoch, keeper.now, [Delivery(slot("cases"), content=content("A"))])
        assert keeper.ledger.slots(PIPELINE) == []

    def test_a_firing_that_nobody_knows(self, ledger: Ledger) -> None:
        with pytest.raises(UnknownName):
            ledger.fired("cafe@never", 1, NOW, [])

    # --- ends ----------------------------------------------------------------------------------------------------

    def test_what_it_accepts_is_accepted_with_its_end(self, keeper: Keeper) -> None:
        keeper.fire(1)
        item = keeper.act()
        assert (item.state, item.accepted) == (FiringState.DONE, ("landing/cases.csv",))
        assert keeper.ledger.open_firings() == []
        assert keeper.events() == ["firing.recorded", "generation.accepted", "firing.done"]

    def test_the_time_of_the_firing_is_the_time_of_the_run(self, keeper: Keeper) -> None:
        keeper.fire(1)
        keeper.act()
        run = keeper.ledger.claim("worker-1", keeper.now + 5 * HOUR)
        assert run is not None
        assert run.run_time == run.generations[0].run_time == NOW + HOUR

    def test_runs_do_not_mix_times(self, ledger: Ledger) -> None:
        times = [None, NOW, NOW + HOUR, NOW + HOUR]
        ledger.accept(
            [Delivery(slot(f"{n}"), content=content("A"), run_time=time) for n, time in enumerate(times)], NOW
        )
        runs = [ledger.claim("worker-1", NOW + 9 * HOUR) for _ in range(3)]
        assert [run and run.run_time for run in runs] == [NOW + 9 * HOUR, NOW, NOW + HOUR]
        assert [run and len(run.generations) for run in runs] == [1, 1, 2]

    def test_a_patch_keeps_the_time_of_what_it_heals(self, keeper: Keeper) -> None:
        keeper.fire(1)
        keeper.act()
        clerk = Clerk(keeper.ledger)
        clerk.complete(clerk.start())
        assert clerk.patch("cases", 2).generation.run_time == NOW + HOUR

    def test_what_is_there_already_is_no_change(self, keeper: Keeper) -> None:
        keeper.fire(1)
        keeper.act()
        keeper.fire(2)
        assert keeper.act().state is FiringState.UNCHANGED
        assert keeper.events()[-2:] == ["generation.duplicate", "firing.unchanged"]

    def test_nothing_delivered_is_no_change(self, keeper: Keeper) -> None:
        keeper.fire(1)
        item = keeper.claim()
        assert item is not None
        fired = keeper.ledger.fired(item.id, item.epoch, NOW, [], told={"source": "not modified"})
        assert fired.firing.state is FiringState.UNCHANGED
        assert keeper.ledger.events()[-1].data["sources"] == {"source": "not modified"}

    def test_news_may_be_such_that_no_delivery_speaks_of(self, keeper: Keeper) -> None:
        keeper.fire(1)
        item = keeper.claim()
        assert item is not None
        fired = keeper.ledger.fired(item.id, item.epoch, NOW, [], told={"source": POURED})
        assert (fired.firing.state, fired.firing.accepted) == (FiringState.DONE, ())

    def test_what_was_fetched_is_known_from_then_on(self, keeper: Keeper) -> None:
        keeper.fire(1)
        item = keeper.claim()
        assert item is not None
        found = Pulled("source", "http://x", "landing/cafe/source.csv", content("A", "v1"), NOW, {"etag": '"1"'})
        keeper.ledger.fired(item.id, item.epoch, NOW, [], [found])
        assert keeper.ledger.pulled(PIPELINE) == {"source": found}
        assert keeper.ledger.pulled("other") == {}

    def test_an_attempt_that_failed_is_made_again_later(self, keeper: Keeper) -> None:
        keeper.fire(1)
        item = keeper.fail()
        assert (item.state, item.error) == (FiringState.WAITING, AWAY)
        assert keeper.claim() is None
        keeper.turn(POLICY.longest)
        again = keeper.claim()
        assert again is not None
        assert again.attempt == 2

    def test_after_the_last_attempt_it_has_failed(self, keeper: Keeper) -> None:
        keeper.fire(1)
        states = []
        for _ in range(POLICY.attempts):
            states.append(keeper.fail().state)
            keeper.turn(POLICY.longest)
        assert states == [FiringState.WAITING] * (POLICY.attempts - 1) + [FiringState.FAILED]
        assert keeper.events() == ["firing.recorded", "firing.waiting", "firing.waiting", "firing.failed"]

    def test_what_cannot_pass_is_not_tried_again(self, keeper: Keeper) -> None:
        keeper.fire(1)
        assert keeper.fail(retry=False).state is FiringState.FAILED
        assert keeper.claim() is None

    def test_a_person_does_not_wait_for_a_retry(self, keeper: Keeper) -> None:
        keeper.fire(1)
        keeper.fail()
        item = keeper.ledger.fire_by_hand(PIPELINE, NOW, NOW)
        assert keeper.act(only=item.id).state is FiringState.DONE

    def test_a_firing_that_waits_for_its_retry_holds_up_the_next_where_each_counts(self, keeper: Keeper) -> None:
        keeper.fire(1, 2, each=True)
        keeper.fail()
        assert keeper.claim() is None

    # --- sources that ask to be left alone -----------------------------------------------------------------------

    def test_the_next_attempt_waits_for_as_long_as_the_source_asks(self, keeper: Keeper) -> None:
        keeper.fire(1)
        item = keeper.fail(held=HOUR)
        assert item.moment == item.held_until == keeper.now + HOUR
        keeper.turn(HOUR - timedelta(seconds=1))
        assert keeper.claim() is None
        keeper.turn(timedelta(seconds=1))
        assert keeper.claim() is not None

    def test_backoff_may_be_longer_than_what_is_asked(self, keeper: Keeper) -> None:
        keeper.fire(1)
        item = keeper.fail(held=timedelta())
        assert item.moment is not None
        assert item.moment > keeper.now

    def test_a_newer_firing_waits_too(self, keeper: Keeper) -> None:
        keeper.fire(1)
        keeper.fail(held=HOUR)
        for _ in range(2):
            (newer,) = keeper.fire(2)
            assert newer.moment == NOW + HOUR
        assert keeper.claim() is None
        keeper.turn(HOUR)
        assert keeper.act().state is FiringState.DONE

    @pytest.mark.parametrize("retry", [True, False])
    def test_those_that_wait_for_their_turn_wait_too(self, keeper: Keeper, *, retry: bool) -> None:
        keeper.fire(1, 2, 3, each=True)
        keeper.fail(retry=retry, held=HOUR)
        assert keeper.claim() is None
        keeper.turn(HOUR)
        assert keeper.claim() is not None

    def test_a_person_need_not_wait_and_finds_out_when_it_is_over(self, keeper: Keeper) -> None:
        keeper.fire(1)
        keeper.fail(held=HOUR)
        item = keeper.ledger.fire_by_hand(PIPELINE, NOW, NOW)
        assert keeper.act(only=item.id).held_until is None
        (newer,) = keeper.fire(2)
        assert (newer.held_until, newer.moment) == (None, keeper.now)

    def test_other_pipelines_are_not_held_up(self, keeper: Keeper) -> None:
        keeper.fire(1)
        keeper.fail(held=HOUR)
        keeper.ledger.fire_by_hand("other", NOW, NOW)
        item = keeper.claim()
        assert item is not None
        assert item.held_until is None

    def test_what_was_asked_is_over_with_its_time(self, keeper: Keeper) -> None:
        keeper.fire(1)
        keeper.fail(retry=False, held=HOUR)
        keeper.turn(HOUR)
        (newer,) = keeper.fire(2)
        assert (newer.held_until, newer.moment) == (None, keeper.now)
