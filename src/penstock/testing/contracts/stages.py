"""Stages: each has attempts of its own, and what failed goes on at the last boundary before it."""

# ruff: noqa: S101 - assert is the language of tests

from __future__ import annotations

import pytest

from penstock.errors import ClaimLost
from penstock.ledger.port import Ledger
from penstock.model.runs import RunState, Stage
from penstock.model.slots import Standing
from penstock.testing.clerk import LEASE, Clerk, name_of

REFUSED, SUSPENDED = Standing.REFUSED, Standing.SUSPENDED


class StageContract:
    """What lies behind a boundary is not done twice."""

    @pytest.fixture
    def clerk(self, ledger: Ledger) -> Clerk:
        return Clerk(ledger)

    def test_the_attempts_of_each_stage_are_counted(self, clerk: Clerk) -> None:
        clerk.deliver("leeds")
        clerk.fail(clerk.start(), retry=True)
        clerk.turn(LEASE)
        clerk.fail(clerk.prepare(clerk.start()), retry=True)
        clerk.turn(LEASE)
        run = clerk.complete(clerk.start())
        assert (run.state, dict(run.tries)) == (RunState.SUCCEEDED, {"prepare": 2, "load": 2})
        assert clerk.ledger.run(run.id) == run

    def test_a_boundary_makes_a_stage_of_its_own(self, clerk: Clerk) -> None:
        clerk.deliver("leeds")
        half = clerk.halfway(clerk.start())
        assert (half.stage, half.kept and half.kept.rows, half.staged_attempt) == (Stage.TEST, 3, 1)
        assert clerk.ledger.run(half.id) == half
        run = clerk.complete(clerk.prepare(half))
        assert (run.state, dict(run.tries)) == (RunState.SUCCEEDED, {"prepare": 1, "test": 1, "load": 1})

    def test_a_boundary_is_recorded_once(self, clerk: Clerk) -> None:
        clerk.deliver("leeds")
        run = clerk.start()
        assert clerk.halfway(run) == clerk.halfway(run)
        clerk.turn(LEASE)
        clerk.start("other")
        with pytest.raises(ClaimLost):
            clerk.halfway(run)

    def test_a_lost_worker_s_run_goes_on_behind_the_boundary(self, clerk: Clerk) -> None:
        clerk.deliver("leeds")
        clerk.halfway(clerk.start())
        clerk.turn(LEASE)
        run = clerk.start("other")
        assert (run.stage, run.attempt, dict(run.tries)) == (Stage.TEST, 2, {"prepare": 1, "test": 2})
        assert run.kept is not None

    def test_what_did_not_come_so_far_is_not_tested(self, clerk: Clerk) -> None:
        clerk.deliver_all("ab")
        half = clerk.halfway(clerk.start(), a=REFUSED)
        assert [name_of(item.slot) for item in half.open] == ["b"]
        assert clerk.complete(clerk.prepare(half)).state is RunState.PARTIAL
        assert (clerk.stands("a"), clerk.stands("b")) == (["refused"], ["loaded"])

    def test_a_run_of_which_nothing_comes_so_far_has_ended(self, clerk: Clerk) -> None:
        clerk.deliver("leeds")
        run = clerk.halfway(clerk.start(), leeds=REFUSED)
        assert (run.state, clerk.ledger.pending()) == (RunState.FAILED, 0)

    def test_what_was_suspended_is_tested_again_and_not_made_again(self, clerk: Clerk) -> None:
        clerk.deliver("leeds", hard=True)
        suspended = clerk.prepare(clerk.halfway(clerk.start()), leeds=SUSPENDED)
        clerk.release(suspended)
        run = clerk.start()
        assert (run.stage, run.kept, [item.hard for item in run.open]) == (Stage.TEST, suspended.kept, [False])
        run = clerk.complete(clerk.prepare(run))
        assert (run.state, dict(run.tries)) == (RunState.SUCCEEDED, {"prepare": 1, "test": 2, "load": 1})

    def test_what_died_of_its_tests_is_tested_again(self, clerk: Clerk) -> None:
        clerk.deliver("leeds")
        (dead,) = clerk.fail(clerk.halfway(clerk.start()))
        clerk.redrive(dead)
        assert (clerk.start().stage, clerk.stands("leeds")) == (Stage.TEST, ["accepted"])

    def test_what_died_at_the_load_is_loaded_again_as_it_was_staged(self, clerk: Clerk) -> None:
        clerk.deliver("leeds")
        staged = clerk.prepare(clerk.start())
        (dead,) = clerk.fail(staged)
        assert (dead.state, dead.stage) == (RunState.DEAD, Stage.LOAD)
        clerk.redrive(dead)
        run = clerk.start()
        assert (run.stage, run.staged, run.results) == (Stage.LOAD, staged.staged, staged.results)
        assert (run.fingerprint, run.staged_attempt, run.open[0].standing) == ("fingerprint", 1, Standing.PREPARED)
        assert clerk.complete(run).state is RunState.SUCCEEDED

    @pytest.mark.parametrize("stage", [Stage.TEST, Stage.LOAD])
    def test_what_was_made_under_another_definition_is_made_again(self, clerk: Clerk, stage: Stage) -> None:
        clerk.deliver("leeds")
        run = clerk.halfway(clerk.start())
        if stage is Stage.LOAD:
            run = clerk.prepare(run)
        again = clerk.restage(run)
        assert (again.stage, again.staged, again.tries["prepare"]) == (Stage.PREPARE, (), 2)
        assert again.revision == (1 if stage is Stage.LOAD else 0)

    def test_the_last_accepted_come_first(self, clerk: Clerk) -> None:
        for name in "abc":
            clerk.deliver(name)
        clerk.deliver("a", "B")
        found = clerk.ledger.generations(clerk.pipeline, 3)
        assert [(name_of(item.slot), item.number) for item in found] == [("a", 2), ("c", 1), ("b", 1)]
        assert clerk.ledger.generations("other") == []
