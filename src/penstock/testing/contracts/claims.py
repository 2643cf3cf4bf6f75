"""Who works on what, until when; what happens when workers vanish or fail."""

# ruff: noqa: S101 - assert is the language of tests

from __future__ import annotations

from datetime import timedelta

import pytest

from penstock.errors import ClaimLost, UnknownName
from penstock.ledger.port import ClaimLimits, Ledger
from penstock.model.runs import Run, RunState, Stage
from penstock.model.slots import Delivery, Slot, Standing
from penstock.testing.clerk import BROKEN, LEASE, NOW, POLICY, Clerk, content, name_of, slot

MOMENT = timedelta(seconds=1)


def names(run: Run) -> list[str]:
    """The names of a run's files."""
    return [name_of(item.slot) for item in run.generations]


class ClaimContract:
    """Promises 2 and 8."""

    @pytest.fixture
    def clerk(self, ledger: Ledger) -> Clerk:
        return Clerk(ledger)

    # --- new runs ------------------------------------------------------------------------------------------------

    def test_nothing_waits_at_first(self, clerk: Clerk) -> None:
        assert clerk.claim() is None
        assert clerk.ledger.pending() == 0
        assert clerk.ledger.next_due() is None

    def test_a_run_takes_what_waits_oldest_first(self, clerk: Clerk) -> None:
        clerk.deliver_all("cab")
        run = clerk.start()
        assert names(run) == ["c", "a", "b"]
        assert {item.run for item in run.generations} == {run.id}
        assert (run.stage, run.state, run.attempt, run.epoch) == (Stage.PREPARE, RunState.RUNNING, 1, 1)
        assert (run.worker, run.run_time, run.lease_until) == ("worker-1", NOW, NOW + LEASE)

    def test_no_generation_is_in_two_runs(self, clerk: Clerk) -> None:
        clerk.deliver_all("abc")
        assert [names(clerk.start(most=2)), names(clerk.start(most=2))] == [["a", "b"], ["c"]]
        assert clerk.claim() is None

    def test_a_run_takes_no_more_bytes_than_it_may(self, ledger: Ledger) -> None:
        ledger.accept([Delivery(slot(name), content=content(name * 40)) for name in "abc"], NOW)
        run = ledger.claim("worker-1", NOW, limits=ClaimLimits(bytes=80))
        assert run is not None
        assert names(run) == ["a", "b"]

    def test_what_is_larger_than_a_run_may_be_runs_alone(self, ledger: Ledger) -> None:
        ledger.accept([Delivery(slot(name), content=content(name * 400)) for name in "ab"], NOW)
        run = ledger.claim("worker-1", NOW, limits=ClaimLimits(bytes=80))
        assert run is not None
        assert names(run) == ["a"]

    def test_a_run_is_about_one_pipeline_the_oldest_first(self, ledger: Ledger) -> None:
        slots = [Slot("shop", "landing/1"), Slot("cafe", "landing/2"), Slot("shop", "landing/3")]
        ledger.accept([Delivery(place, content=content("A")) for place in slots], NOW)
        first, second = ledger.claim("worker-1", NOW), ledger.claim("worker-1", NOW)
        assert first is not None
        assert second is not None
        assert [item.slot for item in first.generations] == [slots[0], slots[2]]
        assert [item.slot for item in second.generations] == [slots[1]]

    def test_a_worker_may_ask_for_some_pipelines_only(self, clerk: Clerk) -> None:
        clerk.deliver("leeds")
        assert clerk.claim(pipelines=["shop"]) is None
        assert clerk.claim(pipelines=[]) is None
        assert clerk.claim(pipelines=["shop", "cafe"]) is not None

    # --- leases --------------------------------------------------------------------------------------------------

    def test_a_lease_that_has_expired_hands_the_run_on(self, clerk: Clerk) -> None:
        clerk.deliver("leeds")
        lost = clerk.start()
        clerk.turn(LEASE - MOMENT)
        assert clerk.claim("worker-2") is None
        clerk.turn(MOMENT)
        run = clerk.start("worker-2")
        assert (run.id, run.worker, run.epoch, run.attempt, run.deaths) == (lost.id, "worker-2", 2, 2, 1)
        assert run.run_time == NOW

    def test_a_renewed_lease_keeps_the_run(self, clerk: Clerk) -> None:
        clerk.deliver("leeds")
        run = clerk.start()
        clerk.turn(LEASE - MOMENT)
        clerk.ledger.renew(run.id, run.epoch, clerk.now, LEASE)
        assert clerk.ledger.next_due() == clerk.now + LEASE
        clerk.turn(LEASE - MOMENT)
        assert clerk.claim("worker-2") is None

    @pytest.mark.parametrize("boundary", ["prepare", "load", "publish", "fail", "renew", "restage"])
    def test_the_work_of_a_past_epoch_changes_nothing(self, clerk: Clerk, boundary: str) -> None:
        clerk.deliver("leeds")
        late = clerk.start()
        clerk.turn(LEASE)
        clerk.start("worker-2")
        before = clerk.ledger.run(late.id), clerk.ledger.events()
        with pytest.raises(ClaimLost):
            getattr(clerk, boundary)(late)
        assert (clerk.ledger.run(late.id), clerk.ledger.events()) == before

    def test_a_worker_whose_lease_expired_goes_on_as_long_as_nobody_took_over(self, clerk: Clerk) -> None:
        clerk.deliver("leeds")
        run = clerk.start()
        clerk.turn(2 * LEASE)
        assert clerk.complete(run).state is RunState.SUCCEEDED

    def test_a_run_that_nobody_knows_is_a_mistake(self, clerk: Clerk) -> None:
        with pytest.raises(UnknownName):
            clerk.ledger.published("cafe-77", 1, NOW)

    def test_the_runs_of_a_buried_worker_may_be_claimed_at_once(self, clerk: Clerk) -> None:
        clerk.deliver_all("ab")
        dead, alive = clerk.start("worker-1", most=1), clerk.start("worker-2", most=1)
        assert [run.id for run in clerk.ledger.bury("worker-1", clerk.now)] == [dead.id]
        run = clerk.start("worker-3")
        assert (run.id, run.epoch, run.deaths) == (dead.id, 2, 1)
        assert clerk.claim("worker-3") is None
        assert clerk.complete(alive).state is RunState.SUCCEEDED

    @pytest.mark.parametrize("stage", [Stage.PREPARE, Stage.LOAD, Stage.PUBLISH])
    def test_a_run_resumes_from_its_last_boundary(self, clerk: Clerk, stage: Stage) -> None:
        clerk.deliver("leeds")
        run = clerk.start()
        if stage is not Stage.PREPARE:
            run = clerk.prepare(run)
        if stage is Stage.PUBLISH:
            run = clerk.load(run)
        clerk.turn(LEASE)
        resumed = clerk.start("worker-2")
        assert (resumed.stage, resumed.staged, resumed.results) == (stage, run.staged, run.results)
        assert clerk.complete(resumed).state is RunState.SUCCEEDED

    # --- deaths --------------------------------------------------------------------------------------------------

    def test_a_run_over_several_that_loses_workers_is_bisected(self, clerk: Clerk) -> None:
        clerk.deliver_all("abc")
        run = clerk.start()
        for _ in range(POLICY.deaths):
            clerk.turn(LEASE)
            half = clerk.start()
        assert (names(half), half.parent, half.attempt, half.deaths) == (["a", "b"], run.id, 1, 0)
        assert names(clerk.start()) == ["c"]
        ended = clerk.ledger.run(run.id)
        assert ended is not None
        assert (ended.state, ended.error and ended.error["code"]) == (RunState.FAILED, "E311")

    def test_one_that_loses_workers_alone_is_dead(self, clerk: Clerk) -> None:
        clerk.deliver("leeds")
        clerk.start()
        clerk.turn(LEASE)
        clerk.start()
        clerk.turn(LEASE)
        assert clerk.claim() is None
        assert clerk.stands("leeds") == ["dead"]

    def test_a_boundary_clears_the_deaths_before_it(self, clerk: Clerk) -> None:
        clerk.deliver("leeds")
        clerk.start()
        clerk.turn(LEASE)
        clerk.prepare(clerk.start())
        clerk.turn(LEASE)
        assert clerk.start().deaths == 1

    # --- failures ------------------------------------------------------------------------------------------------

    def test_what_may_pass_is_tried_again_later(self, clerk: Clerk) -> None:
        clerk.deliver("leeds")
        (waiting,) = clerk.fail(clerk.start(), retry=True)
        assert (waiting.state, waiting.error) == (RunState.WAITING, BROKEN)
        assert waiting.retry_at is not None
        assert NOW <= waiting.retry_at < NOW + POLICY.first
        assert clerk.ledger.next_due() == waiting.retry_at
        clerk.turn(POLICY.first)
        run = clerk.start()
        assert (run.attempt, run.epoch, run.deaths, run.error) == (2, 2, 0, None)

    def test_a_retry_is_not_due_before_its_time(self, clerk: Clerk) -> None:
        clerk.deliver("leeds")
        (waiting,) = clerk.fail(clerk.start(), retry=True)
        assert waiting.retry_at is not None
        clerk.now = waiting.retry_at - timedelta(microseconds=1)
        assert clerk.claim() is None

    def test_an_expired_lease_comes_before_a_retry_and_both_before_new_work(self, clerk: Clerk) -> None:
        clerk.deliver("expired")
        clerk.start()
        clerk.deliver("retry")
        clerk.fail(clerk.start(), retry=True)
        clerk.deliver("new")
        clerk.turn(LEASE)
        assert [names(clerk.start()) for _ in range(3)] == [["expired"], ["retry"], ["new"]]

    def test_attempts_are_counted_and_end(self, clerk: Clerk) -> None:
        clerk.deliver_all("ab")
        for attempt in range(1, POLICY.attempts + 1):
            run = clerk.start()
            assert run.attempt == attempt
            (ended,) = clerk.fail(run, retry=True)
            clerk.turn(POLICY.longest)
        assert ended.state is RunState.DEAD
        assert clerk.stands("a") + clerk.stands("b") == ["dead", "dead"]
        assert clerk.ledger.pending() == 0

    def test_deaths_use_up_attempts_too(self, clerk: Clerk) -> None:
        clerk.deliver("leeds")
        for _ in range(POLICY.attempts - 1):
            clerk.fail(clerk.start(), retry=True)
            clerk.turn(POLICY.longest)
        clerk.start()
        clerk.turn(LEASE)
        assert clerk.claim() is None
        assert clerk.stands("leeds") == ["dead"]

    def test_a_deterministic_failure_of_one_is_its_death(self, clerk: Clerk) -> None:
        clerk.deliver("leeds")
        (run,) = clerk.fail(clerk.start())
        assert (run.state, run.error, run.finished_at) == (RunState.DEAD, BROKEN, NOW)
        assert [(item.standing, item.error) for item in run.results] == [(Standing.DEAD, BROKEN)]

    def test_a_deterministic_failure_of_several_is_bisected(self, clerk: Clerk) -> None:
        clerk.deliver_all("abc")
        run = clerk.start()
        left, right = clerk.fail(run)
        assert (names(left), names(right), left.parent, right.parent) == (["a", "b"], ["c"], run.id, run.id)
        assert (left.state, left.stage, left.retry_at, left.run_time) == (RunState.WAITING, Stage.PREPARE, NOW, NOW)
        assert clerk.ledger.run(left.id) == left

    def test_bisected_after_prepare_the_halves_prepare_again(self, clerk: Clerk) -> None:
        clerk.deliver_all("ab")
        left, _ = clerk.fail(clerk.prepare(clerk.start()))
        assert (left.stage, left.staged, left.results) == (Stage.PREPARE, (), ())
        assert left.generations[0].standing is Standing.ACCEPTED

    def test_what_was_refused_stays_with_the_bisected_run(self, clerk: Clerk) -> None:
        clerk.deliver_all("abc")
        run = clerk.prepare(clerk.start(), a=Standing.REFUSED)
        assert [names(half) for half in clerk.fail(run)] == [["b"], ["c"]]
        ended = clerk.ledger.run(run.id)
        assert ended is not None
        assert names(ended) == ["a", "b", "c"]
        assert [name_of(item.slot) for item in ended.results] == ["a"]

    @pytest.mark.parametrize(("files", "poisonous"), [(2, 0), (7, 6), (16, 5), (33, 20)])
    def test_bisection_leaves_the_poisonous_one_alone(self, clerk: Clerk, files: int, poisonous: int) -> None:
        clerk.deliver_all(f"f{number}" for number in range(files))
        failures = 0
        while (run := clerk.claim()) is not None:
            if f"f{poisonous}" in names(run):
                clerk.fail(run)
                failures += 1
            else:
                clerk.complete(run)
        ends = [clerk.stands(f"f{number}") for number in range(files)]
        assert [number for number, end in enumerate(ends) if end != ["loaded"]] == [poisonous]
        assert ends[poisonous] == ["dead"]
        assert failures <= (files - 1).bit_length() + 1

    # --- answers that were lost ----------------------------------------------------------------------------------

    def test_a_boundary_may_be_told_twice(self, clerk: Clerk) -> None:
        clerk.deliver("leeds")
        claimed = clerk.start()
        prepared = clerk.prepare(claimed)
        assert clerk.prepare(claimed) == prepared
        loaded = clerk.load(prepared)
        assert clerk.load(prepared) == loaded
        assert clerk.prepare(claimed) == loaded
        published = clerk.publish(loaded)
        events = clerk.ledger.events()
        assert clerk.publish(loaded) == published
        assert clerk.ledger.events() == events

    @pytest.mark.parametrize("retry", [True, False])
    def test_a_failure_may_be_told_twice(self, clerk: Clerk, retry: bool) -> None:  # noqa: FBT001 - a table of cases
        clerk.deliver_all("ab")
        run = clerk.start()
        once = clerk.fail(run, retry=retry)
        assert clerk.fail(run, retry=retry) == once
