"""The run state machine under random histories: memory and SQLite agree step by step, and the promises hold throughout.

The invariants are asked of what anybody may read, and of a notebook that the machine keeps by itself.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from penstock.adapters.sqlite import SqliteLedger
from penstock.errors import ClaimLost, PenstockError
from penstock.ledger.changes import TYPES
from penstock.ledger.port import ClaimLimits
from penstock.model.refusals import RETRY, Aside, Refused
from penstock.model.runs import RunState, Stage, Staged
from penstock.model.slots import Content, Delivery, Kind, Slot, Standing
from penstock.model.surveys import Surveyed
from penstock.testing.clerk import BROKEN, LEASE, NOW, POLICY, result
from penstock.testing.memory import MemoryLedger

MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it: nothing here is about the disk
PIPELINES = ("cafe", "shop")
SURVEYED = ("shop",)
FOUND = [Surveyed("raw.shop", 1, 2, drifts=({"kind": "added", "column": "free"},))]
SLOTS = [Slot("cafe", "landing/a.csv"), Slot("cafe", "landing/b.csv"), Slot("shop", "landing/c.csv")]
KINDS = (Kind.DELIVERY, Kind.DELIVERY, Kind.DELIVERY, Kind.RELOAD, Kind.PATCH, Kind.PATCH, Kind.WITHDRAWAL)
PASSED = (Standing.PREPARED,) * 3 + (Standing.REFUSED, Standing.STOPPED, Standing.SUSPENDED)
ASIDES = (Aside(), Aside(), Aside((3, 4)), Aside((5,), (3,), tries=4), Aside((0,), whole=True))
REFUSED = Refused(SLOTS[0].address, SLOTS[0].base + 3, "orders", "Refused by warehouse: CHECK sense of table orders")


@st.composite
def deliveries(draw):
    kind, slot = draw(st.sampled_from(KINDS)), draw(st.sampled_from(SLOTS))
    content = Content(draw(st.sampled_from("ABC")), draw(st.integers(0, 9)), draw(st.sampled_from(["", "v1", "v2"])))
    wish = kind in (Kind.PATCH, Kind.WITHDRAWAL)
    return Delivery(slot, kind=kind, content=None if wish else content, lines=(3,) if kind is Kind.PATCH else ())


class Machine(RuleBasedStateMachine):
    """Every step is taken in both ledgers, which must answer alike."""

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="penstock-machine-", dir=MEMORY if MEMORY.is_dir() else None))
        self.ledgers = [MemoryLedger(), SqliteLedger(self.folder / "ledger.db")]
        self.now = NOW
        self.claims, self.runs, self.events = [], [], []
        self.epochs, self.restaged, self.histories = {}, Counter(), {}
        self.loaded = {}
        self.ended = {}

    def teardown(self):
        try:
            self.drain()
        finally:
            self.ledgers[1].close()
            shutil.rmtree(self.folder)

    def drain(self):
        """Whatever happened: when everybody works on, everything accepted comes to an end."""
        for _ in range(1000):
            if not self.ask("pending"):
                break
            run = self.claim(1000, 1_000_000, None)
            if run is None:
                self.turn(61)
            else:
                self.complete(run)
            self.the_promises_hold()
        assert all(item.standing.final for item in self.generations)
        assert self.ask("pending") == 0

    def ask(self, method, *arguments, **named):
        answers = []
        for ledger in self.ledgers:
            try:
                answers.append(getattr(ledger, method)(*arguments, **named))
            except PenstockError as error:
                answers.append((type(error), error.facts()))
        assert answers[0] == answers[1], method
        return answers[0]

    # --- what is to be seen, read once after each step -----------------------------------------------------------

    def look(self):
        """Read everything, from both ledgers."""
        self.runs = self.ask("runs", limit=10_000)
        self.histories = {slot: self.ask("history", slot) for slot in SLOTS}
        self.generations = [item for history in self.histories.values() for item in history]
        self.events += self.ask("events", len(self.events), 100_000)

    # --- steps ---------------------------------------------------------------------------------------------------

    @initialize(batch=st.lists(deliveries(), min_size=1, max_size=4))
    def something_waits(self, batch):
        self.accept(batch)

    @rule(batch=st.lists(deliveries(), min_size=1, max_size=4))
    def accept(self, batch):
        for delivery in batch:
            before = self.ask("current", delivery.slot)
            answer = self.ask("accept", [delivery], self.now)
            after = self.ask("current", delivery.slot)
            if isinstance(answer, list) and answer[0].fresh:
                assert after == answer[0].generation
            else:
                assert (after and after.number) == (before and before.number)

    @rule(batch=st.lists(deliveries(), min_size=2, max_size=4))
    def accept_together(self, batch):
        """A mistake undoes all."""
        answer = self.ask("accept", batch, self.now)
        if isinstance(answer, tuple):
            assert [self.ask("history", slot) for slot in SLOTS] == list(self.histories.values())
            assert self.ask("events", len(self.events)) == []

    @rule(slot=st.sampled_from(SLOTS), line=st.integers(1, 9))
    def heal(self, slot, line):
        """Rejected lines are replayed where that is possible."""
        if any(item.standing is Standing.LOADED for item in self.histories.get(slot, [])):
            self.ask("accept", [Delivery(slot, kind=Kind.PATCH, lines=(line,))], self.now)

    @rule(
        most=st.integers(1, 6),
        size=st.sampled_from([1, 9, 100]),
        pipelines=st.sampled_from([None, None, ("cafe",), PIPELINES]),
    )
    def somebody_claims(self, most, size, pipelines):
        self.claim(most, size, pipelines)

    def claim(self, most, size, pipelines):
        limits = ClaimLimits(generations=most, bytes=size, lease=LEASE)
        policies = dict.fromkeys((*PIPELINES, "poison"), POLICY)
        run = self.ask(
            "claim", "worker", self.now, pipelines=pipelines, limits=limits, policies=policies, surveyed=SURVEYED
        )
        if run is not None:
            assert run.state is RunState.RUNNING
            assert run.open or run.stage is Stage.PUBLISH
            assert run.epoch > self.epochs.get(run.id, 0)
            assert len({item.kind is Kind.WITHDRAWAL for item in run.open}) <= 1
            self.epochs[run.id] = run.epoch
            self.claims.append(run)
        return run

    @precondition(lambda self: self.claims)
    @rule(ends=st.lists(st.sampled_from(PASSED), min_size=3, max_size=3))
    def finish(self, ends):
        """The worker of the newest claim does all of its work, if it still may."""
        claim = self.claims[-1]
        if self.ask("run", claim.id) == claim:
            self.claims[-1] = self.complete(claim, ends)

    def complete(self, run, ends=PASSED[:1] * 3):
        if run.stage is Stage.CATALOG:
            run = self.ask("catalogued", run.id, run.epoch, self.now, FOUND)
        if run.stage is Stage.PREPARE:
            ends = dict(zip(SLOTS, ends, strict=True))
            results = [result(item, ends.get(item.slot, Standing.PREPARED)) for item in run.open]
            run = self.ask("prepared", run.id, run.epoch, self.now, results, [], "f")
        if run.stage is Stage.LOAD and not run.state.final:
            run = self.ask("loaded", run.id, run.epoch, self.now, [])
        return run if run.state.final else self.ask("published", run.id, run.epoch, self.now)

    @rule(seconds=st.sampled_from([1, 20, 61]))
    def turn(self, seconds):
        self.now += timedelta(seconds=seconds)

    @precondition(lambda self: self.claims)
    @rule()
    def crash(self):
        """All workers are silent for longer than a lease; another one comes."""
        self.turn(61)
        self.claim(1000, 1000, None)

    @precondition(lambda self: self.claims)
    @rule(times=st.integers(2, 4))
    def outage(self, times):
        """Whoever has the newest claim fails again and again, for a reason that may pass."""
        for _ in range(times):
            run = self.claims[-1]
            self.ask("failed", run.id, run.epoch, self.now, BROKEN, retry=True, policy=POLICY)
            self.turn(61)
            self.claim(1000, 1000, None)

    @precondition(lambda self: self.claims)
    @rule(
        data=st.data(),
        boundary=st.sampled_from(["go on", "go on", "go on", "fail", "retry", "renew", "restage", "set aside", "bury"]),
    )
    def work(self, data, boundary):
        """A worker goes on with what it once claimed, whether it still may or not."""
        index = data.draw(st.integers(0, len(self.claims) - 1))
        claim = self.claims[index]
        known = self.ask("run", claim.id)
        held = known.epoch == claim.epoch and known.state is RunState.RUNNING
        answer = self._work(data, boundary, claim)
        if not held and boundary != "bury":
            assert (isinstance(answer, tuple) and answer[0] is ClaimLost) or known.epoch == claim.epoch
            assert self.ask("run", claim.id) == known
            assert self.ask("events", len(self.events)) == []
        if hasattr(answer, "epoch"):
            self.claims[index] = answer

    def _work(self, data, boundary, claim):
        if boundary in ("fail", "retry"):
            return self.ask("failed", claim.id, claim.epoch, self.now, BROKEN, retry=boundary == "retry", policy=POLICY)
        if boundary == "renew":
            return self.ask("renew", claim.id, claim.epoch, self.now, LEASE)
        if boundary == "restage":
            self.restaged[claim.id] += 1
            return self.ask("restage", claim.id, claim.epoch, self.now)
        if boundary == "set aside":
            return self.ask("set_aside", claim.id, claim.epoch, self.now, [REFUSED])
        if boundary == "bury":
            return self.ask("bury", claim.worker, self.now)
        return self._next_boundary(data, claim)

    def result(self, data, item):
        return replace(result(item, data.draw(st.sampled_from(PASSED))), aside=data.draw(st.sampled_from(ASIDES)))

    @rule(pipelines=st.sampled_from([("cafe",), PIPELINES]))
    def run_by_hand(self, pipelines):
        """A person runs pipelines: what destinations refused comes along, and is never sent twice."""
        sent = self.ask("retry", pipelines, self.now)
        assert all(item.fresh and item.generation.cause == RETRY for item in sent)
        assert self.ask("retry", pipelines, self.now) == []

    def _next_boundary(self, data, claim):
        if claim.stage is Stage.CATALOG:
            return self.ask("catalogued", claim.id, claim.epoch, self.now, FOUND)
        if claim.stage is Stage.PREPARE:
            results = [self.result(data, item) for item in claim.open]
            staged = [Staged("orders", (f"{claim.id}/{claim.attempt}",), (("at", "DATE"),), 2)]
            return self.ask("prepared", claim.id, claim.epoch, self.now, results, staged, "f")
        if claim.stage is Stage.LOAD:
            return self.ask("loaded", claim.id, claim.epoch, self.now, [])
        return self.ask("published", claim.id, claim.epoch, self.now)

    @rule(data=st.data(), word=st.sampled_from(["release", "redrive", "drop"]))
    def decide(self, data, word):
        """A person, about any run."""
        if self.runs:
            self.ask(word, data.draw(st.sampled_from(self.runs)).id, self.now, by="ann")

    @rule(files=st.integers(2, 6), data=st.data())
    def poison(self, files, data):
        """One of several fails whatever it is in: bisection finds it, the others load."""
        slots = [Slot("poison", f"{len(self.runs)}/{number}") for number in range(files)]
        bad = data.draw(st.sampled_from(slots))
        self.ask("accept", [Delivery(slot, content=Content("A", 1)) for slot in slots], self.now)
        failures = 0
        while (
            run := self.ask("claim", "worker", self.now, pipelines=["poison"], policies={"poison": POLICY})
        ) is not None:
            if any(item.slot == bad for item in run.generations):
                failures += 1
                self.ask("failed", run.id, run.epoch, self.now, BROKEN, retry=False, policy=POLICY)
            else:
                self.complete(run)
        ends = {slot: self.ask("current", slot).standing for slot in slots}
        assert ends == dict.fromkeys(slots, Standing.LOADED) | {bad: Standing.DEAD}
        assert failures <= (files - 1).bit_length() + 1

    # --- what always holds ---------------------------------------------------------------------------------------

    @invariant()
    def the_promises_hold(self):
        self.look()
        self.a_generation_is_in_one_run_at_most()
        self.nothing_accepted_is_lost()
        self.generations_are_numbered_as_they_came()
        self.generations_of_a_slot_load_in_order()
        self.what_is_final_stays_so_unless_a_person_speaks()
        self.only_the_newest_of_a_slot_waits_for_a_person()
        self.runs_end_as_their_generations_do()
        self.events_are_numbered_without_a_gap()
        self.what_is_live_was_loaded()
        self.what_waits_is_loaded_and_not_outdated()

    def a_generation_is_in_one_run_at_most(self):
        holders = Counter(item.slot for run in self.runs if not run.state.final for item in run.open)
        assert all(count == 1 for count in holders.values())

    def nothing_accepted_is_lost(self):
        """What is not final is in a run that goes on, or waits to be claimed."""
        going = [run for run in self.runs if not run.state.final]
        unfinished = [item for item in self.generations if not item.standing.final]
        assert {item.run for item in unfinished if item.run} <= {run.id for run in going}
        waiting = [item for item in unfinished if not item.run]
        assert all(item.standing is Standing.ACCEPTED for item in waiting)
        assert self.ask("pending", PIPELINES) == len(waiting) + sum(run.pipeline in PIPELINES for run in going)
        assert (self.ask("next_due") is None) == (not going)

    def generations_are_numbered_as_they_came(self):
        for history in self.histories.values():
            assert [item.number for item in history] == list(range(1, len(history) + 1))
            assert all(item.sequence == history[item.heals - 1].sequence for item in history if item.heals)
            sequences = [item.sequence for item in history if not item.heals and item.cause != RETRY]
            assert sequences == sorted(set(sequences))

    def generations_of_a_slot_load_in_order(self):
        for slot, history in self.histories.items():
            now = {item.number for item in history if item.standing is Standing.LOADED}
            new = now - self.loaded.get(slot, set())
            assert len(new) <= 1
            assert not new or max(now) in new
            self.loaded[slot] = now

    def what_is_final_stays_so_unless_a_person_speaks(self):
        for item in self.generations:
            was = self.ended.get((item.slot, item.number))
            assert was in (None, item.standing, Standing.SUSPENDED, Standing.DEAD)
            if item.standing.final:
                self.ended[item.slot, item.number] = item.standing

    def only_the_newest_of_a_slot_waits_for_a_person(self):
        older = [item for history in self.histories.values() for item in history[:-1]]
        assert not [item for item in older if item.standing in (Standing.SUSPENDED, Standing.DEAD)]

    def runs_end_as_their_generations_do(self):
        for run in self.runs:
            assert run.attempt - run.first_attempt + 1 <= POLICY.attempts + self.restaged[run.id]
            if run.stage is Stage.PREPARE and run.state is RunState.RUNNING:
                assert run.attempt > run.staged_attempt
            assert run.state.final == (run.finished_at is not None)
            assert not (run.state.final and run.open)
            ends = {item.standing for item in run.generations if item.run == run.id}
            assert run.state is not RunState.SUCCEEDED or ends <= {Standing.LOADED, Standing.SUPERSEDED}

    def events_are_numbered_without_a_gap(self):
        assert [event.sequence for event in self.events] == list(range(1, len(self.events) + 1))
        assert {event.type for event in self.events} <= set(TYPES)

    def what_waits_is_loaded_and_not_outdated(self):
        for item in (item for pipeline in PIPELINES for item in self.ask("waiting", pipeline)):
            loaded = [each for each in self.histories[item.slot] if each.standing is Standing.LOADED]
            heads = [each.number for each in loaded if each.kind is not Kind.PATCH]
            assert item.number in {each.number for each in loaded}
            assert item.number >= heads[-1]
            assert item.aside

    def what_is_live_was_loaded(self):
        for pipeline in PIPELINES:
            for item, found in self.ask("live", pipeline):
                assert item.standing is Standing.LOADED
                assert (found.slot, found.number) == (item.slot, item.number)


def test_random_histories_keep_the_promises():
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
