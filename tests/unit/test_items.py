"""Ingestions as items: where each stands, under names that an author gives them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

import penstock as ps
from penstock.errors import DefinitionError
from penstock.ledger.port import Ledger
from penstock.model.slots import Standing
from penstock.runtime.items import fields_of, item_of, state_of
from penstock.testing.clerk import LEASE, Clerk, slot
from penstock.testing.memory import MemoryLedger

FORMS = {
    "ingestedID": "{year}{month}{day}-A{serial:03}",
    "ingestedTable": "{table}",
    "state": "{state}",
    "status": "{status}",
}


def pipeline() -> ps.Pipeline:
    return ps.Pipeline(
        "checkins",
        trigger=ps.upload("landing/table={table}/year={year:%Y}/month={month:%m}/day={day:%d}/*.csv"),
        source=ps.csv(columns={"user": "VARCHAR"}),
    )


@pytest.fixture
def clerk() -> Clerk:
    return Clerk(MemoryLedger())


def stands(ledger: Ledger, name: str, boundary: str = "transform") -> tuple[str, str, int]:
    """State, status and attempts of a slot's newest generation."""
    generation = ledger.current(slot(name))
    fields = fields_of(generation, ledger.run(generation.run), boundary)
    return fields["state"], fields["status"], fields["attempts"]


def test_an_item_goes_through_its_stages(clerk):
    clerk.deliver("a")
    seen = [stands(clerk.ledger, "a")]
    run = clerk.start()
    seen.append(stands(clerk.ledger, "a"))
    run = clerk.halfway(run)
    seen.append(stands(clerk.ledger, "a"))
    run = clerk.prepare(run)
    seen.append(stands(clerk.ledger, "a"))
    clerk.complete(run)
    seen.append(stands(clerk.ledger, "a"))
    assert seen == [
        ("transform", "waiting", 0),
        ("transform", "running", 1),
        ("test", "running", 1),
        ("load", "running", 1),
        ("load", "success", 1),
    ]


def test_an_item_may_begin_with_the_catalog(clerk):
    clerk.surveyed = (clerk.pipeline,)
    clerk.deliver("a")
    run = clerk.start()
    assert stands(clerk.ledger, "a", "") == ("catalog", "running", 1)
    run = clerk.catalogue(run)
    assert stands(clerk.ledger, "a", "") == ("prepare", "running", 1)
    clerk.fail(run)
    assert stands(clerk.ledger, "a", "") == ("prepare", "failed", 1)


def test_a_failed_stage_is_named_with_its_own_attempts(clerk):
    clerk.deliver("a")
    run = clerk.halfway(clerk.start())
    clerk.fail(run, retry=True)
    assert stands(clerk.ledger, "a") == ("test", "retrying", 1)
    clerk.turn(LEASE)
    clerk.fail(clerk.start())
    assert stands(clerk.ledger, "a") == ("test", "failed", 2)


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (Standing.REFUSED, ("transform", "failed")),
        (Standing.STOPPED, ("test", "failed")),
        (Standing.SUSPENDED, ("test", "suspended")),
    ],
)
def test_what_did_not_pass_stands_where_it_ended(clerk, end, expected):
    clerk.deliver("a")
    clerk.prepare(clerk.halfway(clerk.start()), a=end)
    assert stands(clerk.ledger, "a")[:2] == expected


def test_without_a_boundary_the_first_stage_is_prepare(clerk):
    clerk.deliver("a")
    clerk.prepare(clerk.start(), a=Standing.SUSPENDED)
    assert stands(clerk.ledger, "a", boundary="")[:2] == ("prepare", "suspended")


def test_each_ingestion_keeps_its_id(clerk):
    for text in "ABA":
        clerk.deliver("a", text, parts={"year": "2024", "month": "03", "day": "01", "table": "dailycheckin"})
        clerk.work()
    found = [
        item_of(FORMS, fields_of(item, clerk.ledger.run(item.run), "transform"))
        for item in reversed(clerk.ledger.generations(clerk.pipeline))
    ]
    assert [item["ingestedID"] for item in found] == ["20240301-A001", "20240301-A002", "20240301-A003"]
    assert found[0] == {
        "ingestedID": "20240301-A001",
        "ingestedTable": "dailycheckin",
        "state": "load",
        "status": "success",
    }


def test_numbers_stay_numbers_and_unknown_parts_are_empty():
    fields = {"serial": 7, "accepted": datetime(2024, 3, 1, tzinfo=UTC)}
    forms = {"n": "{serial}", "id": "{accepted:%Y%m%d}-{serial:03}", "was": "<{gone:%d}>"}
    assert item_of(forms, fields) == {"n": 7, "id": "20240301-007", "was": "<>"}


@pytest.mark.parametrize(
    ("form", "what"),
    [
        ("{tabel}", "there is nothing called 'tabel'"),
        ("{table", "has the form"),
        ("{table.__class__}", "has the form"),
        ("{0}", "has the form"),
        ("{}", "has the form"),
        ("{table:{serial}}", "has the form"),
        ("{table:%d}", "has the form"),
        ("{serial:%Y}", "has the form"),
    ],
)
def test_a_form_that_cannot_be_filled_is_found_at_import(form, what):
    with pytest.raises(DefinitionError) as caught:
        pipeline().track(id=form)
    assert what in caught.value.what


def test_a_superseded_ingestion_says_so(clerk):
    clerk.deliver("a")
    clerk.deliver("a", "B")
    first = clerk.ledger.history(slot("a"))[0]
    assert state_of(first, None, "transform") == ("transform", "superseded")
