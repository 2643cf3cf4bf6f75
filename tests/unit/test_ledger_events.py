"""The reference of events and the code that emits them tell of the same types and the same data."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from penstock.ledger.changes import TYPES
from penstock.model.readiness import Mark, Need, Readiness
from penstock.model.slots import Member, Standing
from penstock.model.strays import Stray
from penstock.testing.clerk import LEASE, Clerk, content
from penstock.testing.contracts.firings import Keeper
from penstock.testing.memory import MemoryLedger

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "events.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"(?m)^\| `([a-z]+\.[a-z]+)` \| [^|]+ \| (.+) \|$", PAGE))


@pytest.fixture(scope="module")
def told():
    """Everything that can happen has happened to this ledger."""
    clerk = Clerk(MemoryLedger())
    clerk.deliver_all(["good", "refused", "stopped", "suspended", "dropped", "again"])
    run = clerk.prepare(
        clerk.start(),
        refused=Standing.REFUSED,
        stopped=Standing.STOPPED,
        suspended=Standing.SUSPENDED,
        dropped=Standing.SUSPENDED,
    )
    clerk.set_aside(run, 2)
    clerk.prepare(run)
    clerk.fail(clerk.restage(run), retry=True)
    clerk.turn(timedelta(minutes=2))
    clerk.complete(clerk.start())
    clerk.deliver("good")
    clerk.deliver("suspended", "B")
    clerk.drop(run)
    clerk.work()
    clerk.patch("good", 3)
    clerk.deliver("good", "B")
    clerk.deliver("dead")
    halved = clerk.fail(clerk.start())
    for _ in halved:
        (dead,) = clerk.fail(clerk.start())
    clerk.redrive(dead)
    clerk.start()
    clerk.turn(LEASE)
    clerk.complete(clerk.start())
    clerk.surveyed = ("cafe",)
    clerk.deliver("new")
    clerk.complete(clerk.start())
    clerk.surveyed = ()
    clerk.deliver("hard")
    clerk.release(clerk.prepare(clerk.halfway(clerk.start()), hard=Standing.SUSPENDED))
    due = Readiness("covid", (), (Need("cases"), Need("recoveries")), deadline=LEASE)
    clerk.ledger.mark([Mark(due, {}, Member("cases", "landing/a.csv", content("A")))], clerk.now)
    clerk.ledger.remind([due], clerk.now + LEASE)
    clerk.ledger.shown("cafe", 1, clerk.now, before=2, newest=2, by="publish")
    drift = {"kind": "added", "column": "area", "before": "", "after": "VARCHAR", "since": "2"}
    clerk.ledger.drifted("cafe", "orders", [drift], clerk.now)
    clerk.ledger.strayed([Stray("landing/x.csv", "1", 7, "cafe", "no day")], clerk.now)
    fire(Keeper(clerk.ledger))
    return clerk.ledger.events()


def fire(keeper: Keeper) -> None:
    keeper.timetable = keeper.ledger.switch("cafe", "hourly", keeper.now, on=False, by="me")
    keeper.timetable = keeper.ledger.switch("cafe", "hourly", keeper.now, on=True, by="me")
    keeper.fire(1, missed=1)
    keeper.fire(2)
    keeper.fail()
    keeper.turn(timedelta(hours=3))
    assert keeper.claim() is not None
    keeper.turn(LEASE)
    keeper.act()
    for end in (keeper.act, lambda: keeper.fail(retry=False)):
        keeper.ledger.fire_by_hand("cafe", keeper.now, keeper.now)
        end()
    keeper.ledger.fire_by_hand("cafe", keeper.now, keeper.now)
    item = keeper.claim()
    assert item is not None
    keeper.ledger.fired(item.id, item.epoch, keeper.now, [], told={"source": "not modified"})


def test_every_type_is_documented_and_no_other():
    assert sorted(ROWS) == sorted(TYPES)


def test_every_type_can_happen(told):
    assert {event.type for event in told} == set(TYPES)


def test_every_part_of_an_event_is_documented(told):
    parts = {(event.type, part) for event in told for part in event.data}
    assert sorted((kind, part) for kind, part in parts if f"`{part}`" not in ROWS[kind]) == []


def test_the_example_is_an_envelope(told):
    event = next(event for event in told if event.type == "run.finished")
    assert all(f'"{part}"' in PAGE for part in event.envelope())
