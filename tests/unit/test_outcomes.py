"""What became of offered objects, and how little the ledger is asked for it."""

from __future__ import annotations

from penstock.model.slots import Standing
from penstock.testing.clerk import Clerk
from penstock.testing.memory import MemoryLedger
from penstock.wiring.outcomes import Outcomes


class Counting(MemoryLedger):
    """Counts what it is asked about single slots and runs."""

    asked = 0

    def history(self, slot):
        self.asked += 1
        return super().history(slot)

    def run(self, run):
        self.asked += 1
        return super().run(run)


def test_what_a_run_told_is_not_asked_for_again():
    clerk = Clerk(Counting())
    offered = [clerk.deliver(name, "A") for name in ("leeds", "york", "ely")]
    outcomes = Outcomes(clerk.ledger)
    outcomes.learn(clerk.complete(clerk.start()))
    clerk.ledger.asked = 0
    assert outcomes.unrested(offered) == []
    assert {outcomes.of(item).generation.standing for item in offered} == {Standing.LOADED}
    assert clerk.ledger.asked == 0


def test_what_another_process_did_is_looked_up():
    clerk = Clerk(Counting())
    offered = [clerk.deliver(name, "A") for name in ("leeds", "york")]
    outcomes = Outcomes(clerk.ledger)
    assert outcomes.unrested(offered) == offered
    (run,) = clerk.work()
    assert [outcomes.of(item).run for item in offered] == [run, run]


def test_of_a_duplicate_its_run_is_all_that_is_asked_for():
    clerk = Clerk(Counting())
    clerk.deliver("leeds", "A")
    clerk.work()
    outcomes = Outcomes(clerk.ledger)
    clerk.ledger.asked = 0
    assert outcomes.of(clerk.deliver("leeds", "A")).rested
    assert clerk.ledger.asked == 1
