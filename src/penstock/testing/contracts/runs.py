"""How runs end, what a person may do then, and what is recorded."""

# ruff: noqa: S101 - assert is the language of tests

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from datetime import timedelta

import pytest

from penstock.errors import UsageError
from penstock.ledger.port import Ledger
from penstock.model.fates import Fates
from penstock.model.refusals import Aside
from penstock.model.runs import Portion, Result, Run, RunState, Stage, Staged
from penstock.model.slots import Standing
from penstock.testing.clerk import BROKEN, LEASE, NOW, Clerk, name_of, slot

REFUSED, STOPPED, SUSPENDED = Standing.REFUSED, Standing.STOPPED, Standing.SUSPENDED


class RunContract:
    """Promises 2, 4 and 7."""

    @pytest.fixture
    def clerk(self, ledger: Ledger) -> Clerk:
        return Clerk(ledger)

    # --- ends ----------------------------------------------------------------------------------------------------

    def test_a_run_that_loads_everything_succeeds(self, clerk: Clerk) -> None:
        clerk.deliver_all("ab")
        run = clerk.complete(clerk.start())
        assert (run.state, run.finished_at, run.lease_until) == (RunState.SUCCEEDED, NOW, None)
        assert (run.fates, run.loaded) == (Fates(read=6, kept=4, quarantined=2), {"orders": 4})
        assert clerk.ledger.run(run.id) == run
        assert clerk.ledger.pending() == 0

    @pytest.mark.parametrize(
        ("ends", "state"),
        [
            ({"a": REFUSED, "b": STOPPED}, RunState.FAILED),
            ({"a": REFUSED, "b": SUSPENDED}, RunState.SUSPENDED),
            ({"a": REFUSED}, RunState.PARTIAL),
            ({"b": SUSPENDED}, RunState.PARTIAL),
        ],
    )
    def test_what_did_not_pass_decides_how_a_run_ends(
        self, clerk: Clerk, ends: dict[str, Standing], state: RunState
    ) -> None:
        clerk.deliver_all("ab")
        run = clerk.complete(clerk.start(), **ends)
        assert run.state is state
        assert {name_of(item.slot): item.standing for item in run.results} == {
            "a": Standing.LOADED,
            "b": Standing.LOADED,
        } | ends

    def test_a_run_with_nothing_left_to_load_ends_after_prepare(self, clerk: Clerk) -> None:
        clerk.deliver("leeds")
        run = clerk.prepare(clerk.start(), leeds=REFUSED)
        assert (run.state, run.error) == (RunState.FAILED, BROKEN)
        assert clerk.claim() is None

    def test_what_was_refused_lets_the_newer_delivery_through(self, clerk: Clerk) -> None:
        clerk.deliver("leeds", "A")
        run = clerk.start()
        clerk.deliver("leeds", "B")
        clerk.prepare(run, leeds=REFUSED)
        clerk.work()
        assert clerk.stands("leeds") == ["refused", "loaded"]

    def test_a_destination_that_holds_newer_rows_supersedes(self, clerk: Clerk) -> None:
        clerk.deliver_all("ab")
        run = clerk.prepare(clerk.start())
        stale = Result(slot("a"), 1, Standing.SUPERSEDED)
        run = clerk.publish(clerk.ledger.loaded(run.id, run.epoch, clerk.now, [stale]))
        assert (run.state, clerk.stands("a"), clerk.stands("b")) == (RunState.SUCCEEDED, ["superseded"], ["loaded"])

    def test_what_load_tells_replaces_what_prepare_told(self, clerk: Clerk) -> None:
        clerk.deliver("leeds")
        run = clerk.prepare(clerk.start())
        told = Result(slot("leeds"), 1, Standing.LOADED, Fates(3, 3), 4, rows={"orders": 1})
        assert clerk.ledger.loaded(run.id, run.epoch, clerk.now, [told]).results == (told,)

    @pytest.mark.parametrize(
        "results",
        [
            [],
            [Result(slot("b"), 1, Standing.PREPARED)],
            [Result(slot("a"), 2, Standing.PREPARED)],
            [Result(slot("a"), 1, Standing.LOADED)],
            [Result(slot("a"), 1)],
        ],
    )
    def test_prepare_tells_about_every_open_generation(self, clerk: Clerk, results: list[Result]) -> None:
        clerk.deliver("a")
        run = clerk.start()
        with pytest.raises(UsageError):
            clerk.ledger.prepared(run.id, run.epoch, NOW, results, [], "")
        assert clerk.ledger.run(run.id) == run

    def test_boundaries_come_in_order(self, clerk: Clerk) -> None:
        clerk.deliver("leeds")
        run = clerk.start()
        for early in (clerk.load, clerk.publish):
            with pytest.raises(UsageError):
                early(run)
        with pytest.raises(UsageError):
            clerk.publish(clerk.prepare(run))

    # --- restage -------------------------------------------------------------------------------------------------

    def test_restaged_work_prepares_again_under_a_path_of_its_own(self, clerk: Clerk) -> None:
        clerk.deliver_all("ab")
        staged = clerk.prepare(clerk.start(), b=REFUSED)
        run = clerk.restage(staged)
        assert (run.stage, run.staged, run.fingerprint) == (Stage.PREPARE, (), "")
        assert run.attempt > staged.staged_attempt
        assert [name_of(item.slot) for item in run.open] == ["a"]
        assert clerk.restage(staged) == run
        assert clerk.complete(run).state is RunState.PARTIAL

    def test_what_a_destination_may_hold_gives_way_to_what_is_prepared_again(self, clerk: Clerk) -> None:
        clerk.deliver_all("ab")
        staged = clerk.prepare(clerk.start())
        run = clerk.restage(staged)
        assert (staged.revision, run.revision) == (0, 1)
        halves = clerk.fail(clerk.prepare(run))
        assert [half.revision for half in halves] == [2, 2]
        assert [clerk.complete(clerk.start()).revision for _ in halves] == [2, 2]

    def test_what_fails_before_it_could_be_loaded_is_no_revision(self, clerk: Clerk) -> None:
        clerk.deliver_all("ab")
        assert [half.revision for half in clerk.fail(clerk.start())] == [0, 0]

    # --- release -------------------------------------------------------------------------------------------------

    def test_a_released_run_loads_what_passed(self, clerk: Clerk) -> None:
        clerk.deliver("leeds", hard=True)
        suspended = clerk.prepare(clerk.start(), leeds=SUSPENDED)
        released = clerk.release(suspended)
        assert (released.state, released.retry_at, released.stage) == (RunState.WAITING, clerk.now, Stage.PREPARE)
        run = clerk.start()
        assert (run.id, run.attempt, [item.hard for item in run.open]) == (suspended.id, 2, [False])
        assert clerk.complete(run).state is RunState.SUCCEEDED

    def test_what_was_loaded_already_is_not_open_after_a_release(self, clerk: Clerk) -> None:
        clerk.deliver_all("ab")
        clerk.release(clerk.complete(clerk.start(), b=SUSPENDED))
        run = clerk.start()
        assert [name_of(item.slot) for item in run.open] == ["b"]
        run = clerk.complete(run)
        assert (run.state, run.loaded) == (RunState.SUCCEEDED, {"orders": 4})

    def test_a_run_shows_the_newer_version_of_the_same_bytes(self, clerk: Clerk) -> None:
        clerk.deliver_all("ab")
        clerk.release(clerk.complete(clerk.start(), b=SUSPENDED))
        clerk.deliver("a", "A", "v2")
        assert [item.content and item.content.version for item in clerk.start().generations] == ["v2", ""]

    def test_a_run_is_released_when_it_has_ended(self, clerk: Clerk) -> None:
        clerk.deliver_all("ab")
        run = clerk.prepare(clerk.start(), b=SUSPENDED)
        with pytest.raises(UsageError):
            clerk.release(run)
        assert clerk.release(clerk.complete(run)).state is RunState.WAITING

    def test_a_newer_delivery_settles_what_was_suspended(self, clerk: Clerk) -> None:
        clerk.deliver("leeds", "A")
        run = clerk.complete(clerk.start(), leeds=SUSPENDED)
        clerk.deliver("leeds", "B")
        assert clerk.stands("leeds") == ["superseded", "accepted"]
        with pytest.raises(UsageError):
            clerk.release(run)

    def test_what_is_suspended_with_a_newer_delivery_behind_it_gives_way(self, clerk: Clerk) -> None:
        clerk.deliver("leeds", "A")
        run = clerk.start()
        clerk.deliver("leeds", "B")
        clerk.complete(run, leeds=SUSPENDED)
        clerk.work()
        assert clerk.stands("leeds") == ["superseded", "loaded"]

    # --- redrive -------------------------------------------------------------------------------------------------

    def test_a_redriven_run_has_all_its_attempts_again(self, clerk: Clerk) -> None:
        clerk.deliver("leeds")
        (dead,) = clerk.fail(clerk.start())
        assert clerk.redrive(dead).state is RunState.WAITING
        for attempt in range(2, 2 + clerk.policy.attempts):
            run = clerk.start()
            assert (run.id, run.attempt) == (dead.id, attempt)
            clerk.fail(run, retry=True)
            clerk.turn(clerk.policy.longest)
        assert clerk.stands("leeds") == ["dead"]

    def test_a_redriven_run_may_succeed(self, clerk: Clerk) -> None:
        clerk.deliver("leeds")
        (dead,) = clerk.fail(clerk.start())
        clerk.redrive(dead)
        run = clerk.complete(clerk.start())
        assert (run.state, run.error, clerk.stands("leeds")) == (RunState.SUCCEEDED, None, ["loaded"])

    def test_a_run_that_died_of_publishing_only_publishes_again(self, clerk: Clerk) -> None:
        clerk.deliver("leeds")
        (dead,) = clerk.fail(clerk.load(clerk.prepare(clerk.start())))
        assert (dead.state, clerk.stands("leeds")) == (RunState.DEAD, ["loaded"])
        clerk.redrive(dead)
        run = clerk.start()
        assert run.stage is Stage.PUBLISH
        assert clerk.publish(run).state is RunState.SUCCEEDED

    def test_a_dead_withdrawal_is_redriven_from_load(self, clerk: Clerk) -> None:
        clerk.deliver("leeds")
        clerk.work()
        clerk.withdraw("leeds")
        (dead,) = clerk.fail(clerk.start())
        clerk.redrive(dead)
        assert clerk.start().stage is Stage.LOAD

    def test_a_newer_delivery_settles_what_was_dead(self, clerk: Clerk) -> None:
        clerk.deliver("leeds", "A")
        (dead,) = clerk.fail(clerk.start())
        clerk.deliver("leeds", "B")
        assert clerk.stands("leeds") == ["superseded", "accepted"]
        with pytest.raises(UsageError):
            clerk.redrive(dead)

    # --- drop ----------------------------------------------------------------------------------------------------

    def test_a_dropped_run_is_given_up(self, clerk: Clerk) -> None:
        clerk.deliver("leeds")
        (dead,) = clerk.fail(clerk.start())
        assert clerk.drop(dead).state is RunState.FAILED
        assert clerk.stands("leeds") == ["dropped"]

    def test_what_loaded_stays_when_the_rest_is_dropped(self, clerk: Clerk) -> None:
        clerk.deliver_all("ab")
        run = clerk.drop(clerk.complete(clerk.start(), b=SUSPENDED))
        assert (run.state, clerk.stands("a"), clerk.stands("b")) == (RunState.PARTIAL, ["loaded"], ["dropped"])

    @pytest.mark.parametrize("word", ["release", "redrive", "drop"])
    def test_a_person_has_no_say_about_what_succeeded(self, clerk: Clerk, word: str) -> None:
        clerk.deliver("leeds")
        run = clerk.complete(clerk.start())
        with pytest.raises(UsageError):
            getattr(clerk, word)(run)
        assert clerk.ledger.run(run.id) == run

    # --- the record ----------------------------------------------------------------------------------------------

    def test_all_that_a_run_found_out_is_kept(self, clerk: Clerk) -> None:
        clerk.deliver("leeds")
        run = clerk.start()
        result = Result(
            slot("leeds"), 1, Standing.PREPARED, Fates(9, 5, 2, 1, 1), 10, {"bad date": 1}, {"late": 2}, {"orders": 5},
            {"orders": 2**70}, {"code": "E205"}, (Portion("cases", Fates(9, 5, 2, 1, 1), 0, 10),), {"orders": "d1"},
            {"healed": 1}, {"orders": 3}, Aside((2,), (3,), whole=True, tries=4),
        )  # fmt: skip
        staged = Staged("orders", ("a.parquet", "b.parquet"), (("at", "TIMESTAMP"), ("total", "DECIMAL(8,2)")), 5)
        assert all(getattr(result, item.name) != item.default for item in fields(result))
        clerk.ledger.prepared(run.id, run.epoch, NOW, [result], [staged], "f2")
        kept = clerk.ledger.run(run.id)
        assert kept is not None
        assert (kept.results, kept.staged, kept.fingerprint, kept.staged_attempt) == ((result,), (staged,), "f2", 1)

    def test_runs_are_listed_newest_first(self, clerk: Clerk) -> None:
        clerk.deliver_all("abc")
        runs = [clerk.start(most=1) for _ in range(3)]
        assert clerk.ledger.runs() == runs[::-1]
        assert clerk.ledger.runs(limit=2) == runs[:0:-1]
        assert clerk.ledger.runs(pipeline="cafe", limit=1) == runs[2:]
        assert clerk.ledger.runs(pipeline="shop") == []

    def test_the_runs_of_a_slot_are_all_that_held_it(self, clerk: Clerk) -> None:
        clerk.deliver_all("abc")
        whole = clerk.start()
        left, _ = clerk.fail(whole)
        clerk.work()
        clerk.deliver("a", "B")
        newest = clerk.complete(clerk.start())
        assert [run.id for run in clerk.ledger.runs(slot=slot("a"))] == [newest.id, left.id, whole.id]
        assert clerk.ledger.runs(slot=slot("nobody")) == []

    @pytest.mark.parametrize("retry", [True, False])
    def test_what_one_destination_holds_already_is_loaded(self, clerk: Clerk, retry: bool) -> None:  # noqa: FBT001
        clerk.deliver("leeds")
        held = {slot("leeds").address: {"orders": 2}}
        (run,) = clerk.fail(clerk.prepare(clerk.start()), retry=retry, reached=held)
        assert (run.loaded, clerk.ledger.run(run.id)) == ({"orders": 2}, run)
        assert run.state is (RunState.WAITING if retry else RunState.DEAD)

    def test_it_is_still_loaded_when_nobody_answers_the_next_time(self, clerk: Clerk) -> None:
        clerk.deliver("leeds")
        held = {slot("leeds").address: {"orders": 2}}
        (run,) = clerk.fail(clerk.prepare(clerk.start()), retry=True, reached=held)
        clerk.now = run.retry_at or clerk.now
        (again,) = clerk.fail(clerk.start(), retry=True)
        assert again.loaded == {"orders": 2}

    def test_rows_that_reach_the_last_destination_are_counted_once(self, clerk: Clerk) -> None:
        clerk.deliver("leeds")
        held = {slot("leeds").address: {"orders": 2}}
        (run,) = clerk.fail(clerk.prepare(clerk.start()), retry=True, reached=held)
        clerk.now = run.retry_at or clerk.now
        assert clerk.complete(clerk.start()).loaded == {"orders": 2}

    def test_slots_and_their_history_can_be_read(self, clerk: Clerk) -> None:
        clerk.deliver_all("ba")
        clerk.deliver("a", "B")
        assert clerk.ledger.slots("cafe") == [slot("a"), slot("b")]
        assert clerk.ledger.slots("shop") == []
        assert [item.number for item in clerk.ledger.history(slot("a"))] == [1, 2]
        assert clerk.ledger.history(slot("nobody")) == []
        assert clerk.ledger.current(slot("nobody")) is None
        assert clerk.ledger.run("cafe-77") is None

    def test_pending_counts_what_waits_and_what_runs(self, clerk: Clerk) -> None:
        clerk.deliver_all("abc")
        clerk.start(most=1)
        clerk.deliver("a", "B")
        assert clerk.ledger.pending() == clerk.ledger.pending(["cafe"]) == 4
        assert clerk.ledger.pending(["shop"]) == clerk.ledger.pending([]) == 0

    def test_the_oldest_is_the_first_that_could_be_claimed(self, clerk: Clerk) -> None:
        assert clerk.ledger.oldest("cafe") is None
        clerk.deliver("a")
        clerk.start()
        clerk.deliver("a", "B")
        clerk.turn(timedelta(seconds=5))
        clerk.deliver_all("bc")
        found = clerk.ledger.oldest("cafe")
        assert found is not None
        assert (name_of(found.slot), found.accepted_at) == ("b", NOW + timedelta(seconds=5))
        assert clerk.ledger.oldest("shop") is None

    def test_what_is_due_next_is_the_earliest_lease_or_retry(self, clerk: Clerk) -> None:
        clerk.deliver("leeds")
        clerk.start()
        clerk.turn(timedelta(seconds=5))
        clerk.deliver("york")
        clerk.start()
        assert clerk.ledger.next_due() == NOW + LEASE

    # --- events --------------------------------------------------------------------------------------------------

    def test_the_way_of_a_file_is_told(self, clerk: Clerk) -> None:
        clerk.deliver("leeds")
        run = clerk.complete(clerk.start())
        assert clerk.told() == [
            ("generation.accepted", "landing/leeds.csv"),
            ("run.started", run.id),
            ("run.prepared", run.id),
            ("generation.loaded", "landing/leeds.csv"),
            ("run.loaded", run.id),
            ("table.published", "orders"),
            ("run.finished", run.id),
        ]

    def test_events_are_numbered_from_one_and_read_from_anywhere(self, clerk: Clerk) -> None:
        clerk.deliver_all("abcd")
        assert [item.sequence for item in clerk.ledger.events()] == [1, 2, 3, 4]
        assert [item.sequence for item in clerk.ledger.events(after=1, limit=2)] == [2, 3]

    def test_a_finished_run_tells_how_it_ended(self, clerk: Clerk) -> None:
        clerk.deliver("leeds")
        clerk.complete(clerk.start())
        (event,) = [item for item in clerk.ledger.events() if item.type == "run.finished"]
        assert event.source == "cafe"
        assert event.data == {
            "state": "succeeded",
            "rows": {"read": 3, "kept": 2, "filtered": 0, "deduplicated": 0, "quarantined": 1},
            "loaded": {"orders": 2},
            "error": {},
        }

    @pytest.mark.parametrize("end", [REFUSED, STOPPED, SUSPENDED])
    def test_what_did_not_pass_is_told_with_its_reason(self, clerk: Clerk, end: Standing) -> None:
        clerk.deliver("leeds")
        run = clerk.complete(clerk.start(), leeds=end)
        (event,) = [item for item in clerk.ledger.events() if item.type == f"generation.{end}"]
        assert event.data == {"number": 1, "run": run.id, "error": BROKEN}

    @pytest.mark.parametrize(
        ("happen", "expected"),
        [
            (lambda clerk, run: clerk.fail(run, retry=True), "run.waiting"),
            (lambda clerk, run: clerk.fail(run), "run.bisected"),
            (lambda clerk, run: clerk.restage(clerk.prepare(run)), "run.restaged"),
            (lambda clerk, run: clerk.release(clerk.prepare(run, a=SUSPENDED, b=SUSPENDED)), "run.released"),
            (lambda clerk, run: clerk.drop(clerk.prepare(run, a=SUSPENDED, b=SUSPENDED)), "run.dropped"),
            (lambda clerk, _: (clerk.turn(LEASE), clerk.start()), "run.resumed"),
        ],
    )
    def test_what_happens_to_a_run_is_told(
        self, clerk: Clerk, happen: Callable[[Clerk, Run], object], expected: str
    ) -> None:
        clerk.deliver_all("ab")
        happen(clerk, clerk.start())
        assert expected in [item.type for item in clerk.ledger.events()]
