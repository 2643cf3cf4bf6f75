"""Rows that a destination refuses: left out, kept as waiting, tried again with the next run, parked in the end."""

# ruff: noqa: S101 - assert is the language of tests

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from penstock.errors import ClaimLost, UsageError
from penstock.ledger.port import Ledger
from penstock.model.refusals import RETRY, Aside, Refused, Waiting
from penstock.model.runs import KEPT, Run, RunState, Stage
from penstock.model.slots import Content, Delivery, Generation, Kind, Member, Slot, Standing
from penstock.testing.clerk import LEASE, NOW, POLICY, Clerk, content, result, slot

MINUTE = timedelta(minutes=1)
KEY = Slot("cafe", "key/all")


def row(name: str, line: int, reason: str = "Refused by warehouse: CHECK positive of table sales") -> Refused:
    """A refused row of a file."""
    return Refused(slot(name).address, slot(name).base + line, "sales", reason, f"mark-{line}")


class RefusalContract:
    """Promise 7, for what a destination would not take."""

    @pytest.fixture
    def clerk(self, ledger: Ledger) -> Clerk:
        return Clerk(ledger)

    def refuse(self, clerk: Clerk, run: Run, *rows: Refused) -> Run:
        """A destination refuses rows of a run that is being loaded."""
        return clerk.ledger.set_aside(run.id, run.epoch, clerk.now, rows)

    def leave(self, clerk: Clerk, **asides: Aside) -> Run:
        """A run loads what is there, but for these rows."""
        run = clerk.start()
        told = {slot(name): aside for name, aside in asides.items()}
        results = [replace(result(item), aside=told.get(item.slot, Aside())) for item in run.open]
        run = clerk.ledger.prepared(run.id, run.epoch, clerk.now, results, [], "fingerprint")
        return clerk.publish(clerk.load(run))

    def waiting(self, clerk: Clerk) -> list[tuple[str, int, tuple[int, ...]]]:
        """Address, number and lines of what waits."""
        found = clerk.ledger.waiting(clerk.pipeline)
        return [(item.slot.address.split("/")[1], item.number, item.aside.lines) for item in found]

    def retried(self, clerk: Clerk) -> list[Generation]:
        """What is sent again when the pipeline runs although nothing is new."""
        return [item.generation for item in clerk.ledger.retry([clerk.pipeline], clerk.now) if item.fresh]

    # --- a run that is prepared without them -----------------------------------------------------------------------

    def test_the_run_prepares_again_and_knows_what_to_leave_out(self, clerk: Clerk) -> None:
        clerk.deliver("leeds")
        run = self.refuse(clerk, clerk.prepare(clerk.start()), row("leeds", 2))
        assert (run.state, run.stage, run.revision) == (RunState.RUNNING, Stage.PREPARE, 1)
        assert (run.refused, run.staged, run.results) == ((row("leeds", 2),), (), ())
        assert [item.standing for item in run.generations] == [Standing.ACCEPTED]
        assert clerk.ledger.run(run.id) == run

    def test_another_attempt_has_a_folder_of_its_own(self, clerk: Clerk) -> None:
        clerk.deliver("leeds")
        run = clerk.prepare(clerk.start())
        assert self.refuse(clerk, run, row("leeds", 2)).attempt > run.staged_attempt

    def test_what_more_is_refused_is_left_out_as_well(self, clerk: Clerk) -> None:
        clerk.deliver("leeds")
        run = clerk.start()
        for line in (2, 3):
            run = self.refuse(clerk, clerk.prepare(run), row("leeds", line))
        assert ([item.row for item in run.refused], run.revision) == ([row("leeds", n).row for n in (2, 3)], 2)
        assert clerk.complete(run).state is RunState.SUCCEEDED

    def test_it_counts_as_no_attempt_but_as_one_of_its_stages(self, clerk: Clerk) -> None:
        clerk.deliver("leeds")
        run = clerk.start()
        for line in range(POLICY.attempts):
            run = self.refuse(clerk, clerk.prepare(run), row("leeds", line))
        (run,) = clerk.fail(run, retry=True)
        assert run.state is RunState.WAITING
        assert dict(run.tries) == {"prepare": POLICY.attempts + 1, "load": POLICY.attempts}

    def test_a_step_s_boundary_stays_behind_it(self, clerk: Clerk) -> None:
        clerk.deliver("leeds")
        run = self.refuse(clerk, clerk.prepare(clerk.halfway(clerk.start())), row("leeds", 2))
        assert (run.stage, [item.table for item in run.staged], run.fingerprint) == (Stage.TEST, [KEPT], "fingerprint")
        assert clerk.complete(clerk.prepare(run)).state is RunState.SUCCEEDED

    def test_it_is_told_with_reasons_and_numbers_alone(self, clerk: Clerk) -> None:
        clerk.deliver("leeds")
        self.refuse(clerk, clerk.prepare(clerk.start()), row("leeds", 2), row("leeds", 3))
        (event,) = [item for item in clerk.ledger.events() if item.type == "run.refused"]
        assert event.data == {"attempt": 2, "rows": 2, "reasons": {row("leeds", 2).reason: 2}}

    def test_it_may_be_told_twice(self, clerk: Clerk) -> None:
        clerk.deliver("leeds")
        run = clerk.prepare(clerk.start())
        assert self.refuse(clerk, run, row("leeds", 2)) == self.refuse(clerk, run, row("leeds", 2))

    def test_who_has_lost_the_claim_leaves_nothing_out(self, clerk: Clerk) -> None:
        clerk.deliver("leeds")
        run = clerk.prepare(clerk.start())
        clerk.turn(LEASE)
        clerk.start("other")
        with pytest.raises(ClaimLost):
            self.refuse(clerk, run, row("leeds", 2))

    def test_a_worker_that_dies_then_is_followed_by_one_that_knows(self, clerk: Clerk) -> None:
        clerk.deliver("leeds")
        self.refuse(clerk, clerk.prepare(clerk.start()), row("leeds", 2))
        clerk.turn(LEASE)
        run = clerk.start("other")
        assert (run.stage, run.refused, run.revision) == (Stage.PREPARE, (row("leeds", 2),), 1)

    def test_each_half_knows_its_own(self, clerk: Clerk) -> None:
        clerk.deliver_all("ab")
        run = self.refuse(clerk, clerk.prepare(clerk.start()), row("a", 2), row("b", 3))
        halves = clerk.fail(run)
        assert [(half.refused, half.revision) for half in halves] == [((row("a", 2),), 1), ((row("b", 3),), 1)]

    @pytest.mark.parametrize("again", ["restage", "release"])
    def test_what_is_prepared_anew_leaves_nothing_out_and_is_a_revision(self, clerk: Clerk, again: str) -> None:
        clerk.deliver("leeds")
        run = self.refuse(clerk, clerk.prepare(clerk.start()), row("leeds", 2))
        ends = {} if again == "restage" else {"leeds": Standing.SUSPENDED}
        run = getattr(clerk, again)(clerk.prepare(run, **ends))
        assert (run.refused, run.revision) == ((), 2)

    def test_what_died_while_it_was_loaded_is_loaded_as_it_was_staged(self, clerk: Clerk) -> None:
        clerk.deliver("leeds")
        run = self.refuse(clerk, clerk.prepare(clerk.start()), row("leeds", 2))
        (dead,) = clerk.fail(clerk.prepare(run))
        run = clerk.redrive(dead)
        assert (run.stage, run.refused, run.revision) == (Stage.LOAD, (row("leeds", 2),), 1)

    def test_only_what_is_being_loaded_can_be_refused(self, clerk: Clerk) -> None:
        clerk.deliver("leeds")
        run = clerk.start()
        assert self.refuse(clerk, run, row("leeds", 2)) == run
        (run,) = clerk.fail(clerk.prepare(run), retry=True)
        with pytest.raises((ClaimLost, UsageError)):
            self.refuse(clerk, run, row("leeds", 2))

    # --- what waits ------------------------------------------------------------------------------------------------

    def test_what_a_load_leaves_out_waits(self, clerk: Clerk) -> None:
        clerk.deliver_all("ab")
        aside = Aside((2, 7), (9,), tries=3)
        self.leave(clerk, a=aside)
        assert clerk.ledger.waiting("cafe") == [Waiting(slot("a"), 1, aside, NOW)]
        assert clerk.ledger.waiting("shop") == []

    def test_nothing_waits_until_the_load_is_behind_the_run(self, clerk: Clerk) -> None:
        clerk.deliver("a")
        run = clerk.start()
        prepared = [replace(result(item), aside=Aside((2,))) for item in run.open]
        run = clerk.ledger.prepared(run.id, run.epoch, NOW, prepared, [], "fingerprint")
        assert self.waiting(clerk) == []
        run = clerk.load(run)
        assert self.waiting(clerk) == [("a.csv", 1, (2,))]
        assert self.retried(clerk) == []
        clerk.publish(run)
        assert self.waiting(clerk) == [("a.csv", 1, (2,))]
        assert len(self.retried(clerk)) == 1

    @pytest.mark.parametrize("newer", ["deliver", "reload"])
    def test_a_newer_content_supersedes_it(self, clerk: Clerk, newer: str) -> None:
        clerk.deliver("a")
        self.leave(clerk, a=Aside((2,)))
        getattr(clerk, newer)("a", "B")
        clerk.complete(clerk.start())
        assert self.waiting(clerk) == []

    def test_a_withdrawal_supersedes_it(self, clerk: Clerk) -> None:
        clerk.deliver("a")
        self.leave(clerk, a=Aside((2,)))
        clerk.withdraw("a")
        clerk.complete(clerk.start())
        assert self.waiting(clerk) == []

    def test_lines_that_a_patch_has_brought_wait_no_more(self, clerk: Clerk) -> None:
        clerk.deliver("a")
        self.leave(clerk, a=Aside((2, 3, 4), (9,)))
        clerk.patch("a", 3, 9)
        clerk.complete(clerk.start())
        (left,) = clerk.ledger.waiting("cafe")
        assert left == Waiting(slot("a"), 1, Aside((2, 4)), NOW)

    def test_a_patch_that_did_not_load_changes_nothing(self, clerk: Clerk) -> None:
        clerk.deliver("a")
        self.leave(clerk, a=Aside((2,)))
        clerk.patch("a", 2)
        clerk.complete(clerk.start(), a=Standing.REFUSED)
        assert self.waiting(clerk) == [("a.csv", 1, (2,))]

    # --- the next run ----------------------------------------------------------------------------------------------

    def test_it_comes_along_with_the_next_run(self, clerk: Clerk) -> None:
        clerk.deliver("a")
        self.leave(clerk, a=Aside((2, 7)))
        clerk.deliver("b")
        (fresh, patch) = clerk.start().generations
        assert (fresh.slot, patch.slot) == (slot("b"), slot("a"))
        assert (patch.kind, patch.lines, patch.cause, patch.hard) == (Kind.PATCH, (2, 7), RETRY, False)
        assert (patch.heals, patch.sequence) == (1, 1)

    def test_it_does_not_make_a_run_by_itself(self, clerk: Clerk) -> None:
        clerk.deliver("a")
        self.leave(clerk, a=Aside((2,)))
        assert (clerk.claim(), clerk.ledger.pending()) == (None, 0)

    def test_another_pipeline_s_run_is_none_of_its_own(self, clerk: Clerk) -> None:
        clerk.deliver("a")
        self.leave(clerk, a=Aside((2,)))
        Clerk(clerk.ledger, "shop").deliver("b")
        assert len(clerk.start().generations) == 1
        assert self.waiting(clerk) == [("a.csv", 1, (2,))]

    def test_a_person_s_patch_or_withdrawal_is_no_next_run(self, clerk: Clerk) -> None:
        clerk.deliver_all("ab")
        self.leave(clerk, a=Aside((2,)))
        clerk.patch("b", 1)
        assert len(clerk.start().generations) == 1

    def test_a_pipeline_may_run_although_nothing_is_new(self, clerk: Clerk) -> None:
        clerk.deliver("a")
        self.leave(clerk, a=Aside((2,)))
        assert [(item.kind, item.lines) for item in self.retried(clerk)] == [(Kind.PATCH, (2,))]
        assert clerk.ledger.retry(["shop"], clerk.now) == []

    def test_what_is_on_its_way_is_not_sent_twice(self, clerk: Clerk) -> None:
        clerk.deliver("a")
        self.leave(clerk, a=Aside((2,)))
        assert len(self.retried(clerk)) == 1
        assert self.retried(clerk) == []
        run = clerk.start()
        assert self.retried(clerk) == []
        clerk.complete(run)
        assert (self.retried(clerk), self.waiting(clerk)) == ([], [])

    @pytest.mark.parametrize(("tries", "minutes"), [(2, 1), (3, 4), (4, 16)])
    def test_what_is_refused_again_rests_longer_and_longer(self, clerk: Clerk, tries: int, minutes: int) -> None:
        clerk.deliver("a")
        self.leave(clerk, a=Aside((2,), tries=tries))
        clerk.turn(minutes * MINUTE - timedelta(seconds=1))
        clerk.deliver("b")
        assert [item.slot for item in clerk.complete(clerk.start()).generations] == [slot("b")]
        clerk.turn(timedelta(seconds=1))
        clerk.deliver("c")
        assert [item.slot for item in clerk.start().generations] == [slot("c"), slot("a")]

    def test_a_person_waits_for_no_rest(self, clerk: Clerk) -> None:
        clerk.deliver("a")
        self.leave(clerk, a=Aside((2,), tries=4))
        assert len(self.retried(clerk)) == 1

    def test_what_is_parked_stays(self, clerk: Clerk) -> None:
        clerk.deliver("a")
        self.leave(clerk, a=Aside((), (2,), tries=6))
        clerk.turn(timedelta(days=1))
        assert self.retried(clerk) == []
        assert [item.aside.parked for item in clerk.ledger.waiting("cafe")] == [(2,)]

    def test_nothing_goes_before_a_newer_content(self, clerk: Clerk) -> None:
        clerk.deliver("a")
        self.leave(clerk, a=Aside((2,)))
        clerk.deliver("a", "B")
        assert self.retried(clerk) == []
        assert [item.kind for item in clerk.start().generations] == [Kind.DELIVERY]

    @pytest.mark.parametrize("end", [Standing.REFUSED, Standing.SUSPENDED])
    def test_after_a_retry_that_failed_a_person_decides(self, clerk: Clerk, end: Standing) -> None:
        clerk.deliver("a")
        self.leave(clerk, a=Aside((2,)))
        self.retried(clerk)
        clerk.complete(clerk.start(), a=end)
        clerk.turn(timedelta(days=1))
        assert self.retried(clerk) == []

    def test_edits_come_along(self, clerk: Clerk) -> None:
        clerk.deliver("a")
        self.leave(clerk, a=Aside((2,)))
        patch = Delivery(slot("a"), Kind.PATCH, lines=(3,), fixes="landing/_fixes/1.jsonl")
        clerk.ledger.accept([patch], clerk.now)
        self.leave(clerk, a=Aside((3,)))
        sent = [(item.number, item.lines, item.fixes) for item in self.retried(clerk)]
        assert sent == [(3, (2,), ""), (4, (3,), "landing/_fixes/1.jsonl")]

    def test_what_means_nothing_alone_is_sent_as_a_whole(self, clerk: Clerk) -> None:
        members = tuple(Member(name, f"landing/{name}.csv", Content(name, 3)) for name in ("cases", "world"))
        first = Delivery(KEY, content=content("A"), parts={"day": "1"}, members=members, run_time=NOW)
        clerk.ledger.accept([first], NOW)
        run = clerk.start()
        told = [replace(result(item), aside=Aside((0, 0, 4), whole=True)) for item in run.open]
        clerk.publish(clerk.load(clerk.ledger.prepared(run.id, run.epoch, NOW, told, [], "fingerprint")))
        clerk.deliver("newer")
        clerk.complete(clerk.start(most=1))
        (again,) = [item for item in clerk.ledger.history(KEY) if item.number == 2]
        assert (again.kind, again.cause, again.hard, again.sequence) == (Kind.RELOAD, RETRY, False, 1)
        assert (again.replays_whole, again.lines) == (True, (0, 4))
        assert (again.members, again.content, again.parts, again.run_time) == (members, content("A"), {"day": "1"}, NOW)

    def test_a_firing_is_a_run_of_its_pipeline(self, clerk: Clerk) -> None:
        clerk.deliver("a")
        self.leave(clerk, a=Aside((2,)))
        firing = clerk.ledger.fire_by_hand("cafe", clerk.now, clerk.now)
        claimed = clerk.ledger.claim_firing("keeper", clerk.now, LEASE)
        assert claimed is not None
        fired = clerk.ledger.fired(firing.id, claimed.epoch, clerk.now, [])
        assert fired.acceptances == ()
        assert [item.cause for item in clerk.start().generations] == [RETRY]
