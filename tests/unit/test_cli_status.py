"""How `status` judges a pipeline, and how `logs` tells events, on a real (in-memory) ledger."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from penstock.entrypoints.cli import logs, status
from penstock.entrypoints.cli.output import Output
from penstock.ledger.port import RetryPolicy
from penstock.model.fates import Fates
from penstock.model.runs import Result, Run
from penstock.model.slots import Content, Delivery, Slot, Standing
from penstock.model.streams import Level
from penstock.testing.memory import MemoryLedger

NOW = datetime(2024, 3, 4, 9, tzinfo=UTC)
LEEDS = Slot("cafe", "landing/leeds.csv")
LOST = {"code": "E302", "message": "the destination does not answer"}
REFUSED = {"code": "E201", "message": "the file is not CSV"}


class Story:
    """A ledger and what happens to one slot in it."""

    def __init__(self) -> None:
        self.ledger = MemoryLedger()
        self.now = NOW

    def deliver(self, content: str = "a") -> Story:
        self.ledger.accept([Delivery(LEEDS, content=Content(content * 64, 10))], self.now)
        return self

    def claim(self) -> Run:
        self.now += timedelta(seconds=10)
        run = self.ledger.claim("w", self.now)
        assert run
        return run

    def end(self, standing: Standing = Standing.PREPARED, error: dict[str, str] | None = None) -> Story:
        run = self.claim()
        result = Result(LEEDS, run.generations[0].number, standing, Fates(3, 3), rows={"orders": 3}, error=error)
        run = self.ledger.prepared(run.id, run.epoch, self.now, [result], [], "f")
        if not run.state.final:
            self.ledger.loaded(run.id, run.epoch, self.now, [])
            self.ledger.published(run.id, run.epoch, self.now)
        return self

    def drop(self) -> Story:
        self.ledger.drop(self.ledger.runs()[0].id, self.now, by="somebody")
        return self

    def fail(self, *, retry: bool) -> Story:
        run = self.claim()
        self.ledger.failed(run.id, run.epoch, self.now, LOST, retry=retry, policy=RetryPolicy())
        return self


def begun() -> Story:
    story = Story().deliver()
    story.claim()
    return story


@pytest.mark.parametrize(
    ("story", "state", "well"),
    [
        (Story, "never ran", True),
        (lambda: Story().deliver(), "waiting", True),
        (begun, "running", True),
        (lambda: Story().deliver().end(), "ok", True),
        (lambda: Story().deliver().fail(retry=True), "retrying", False),
        (lambda: Story().deliver().fail(retry=False), "failed", False),
        (lambda: Story().deliver().end(Standing.REFUSED, REFUSED), "failed", False),
        (lambda: Story().deliver().end(Standing.SUSPENDED, {"code": "E204", "message": "…"}), "suspended", False),
        (lambda: Story().deliver().end(Standing.REFUSED, REFUSED).deliver("b").end(), "ok", True),
        (lambda: Story().deliver().fail(retry=False).drop(), "ok", True),
    ],
)
def test_a_pipeline_is_as_its_deliveries_are(story, state, well):
    found = status.health(story().ledger, "cafe")
    assert (found.state, found.well) == (state, well)


def test_the_facts_name_the_problem():
    told = status.facts(status.health(Story().deliver().end(Standing.REFUSED, REFUSED).ledger, "cafe"), NOW)
    assert told["problems"] == [{"slot": "landing/leeds.csv", "run": told["run"], "standing": "refused", **REFUSED}]


@pytest.mark.parametrize(
    ("story", "minutes", "late"),
    [
        (lambda: Story().deliver(), 4, False),
        (lambda: Story().deliver(), 6, True),
        (begun, 60, False),
        (lambda: Story().deliver().end(), 60, False),
        (lambda: Story().deliver().fail(retry=True), 4, False),
        (lambda: Story().deliver().fail(retry=True), 7, True),
    ],
)
def test_what_nobody_works_on_is_late(story, minutes, late):
    assert status.health(story().ledger, "cafe").late(NOW + timedelta(minutes=minutes)) is late


def said(story: Story, minutes: int) -> list[str]:
    return list(status._late(status.health(story.ledger, "cafe"), NOW + timedelta(minutes=minutes)))


def test_what_is_late_says_since_when():
    assert said(Story().deliver(), 125) == [
        "late: the oldest delivery has waited for 2 h (penstock serve works)",
    ]


def test_a_retry_says_when_it_is_due():
    lost = "run cafe-1  attempt 1 failed: E302 the destination does not answer"
    assert said(Story().deliver().fail(retry=True), 0)[0].startswith(f"{lost}; again in 1")
    assert said(Story().deliver().fail(retry=True), 60) == [f"{lost}; due since 59 min"]


def test_the_facts_name_retries_and_what_waits():
    story = Story().deliver().fail(retry=True).deliver("b")
    (retry,) = status.facts(status.health(story.ledger, "cafe"), NOW)["retries"]
    assert (retry["run"], retry["attempt"], retry["code"]) == ("cafe-1", 1, "E302")
    assert retry["retry_at"] > NOW


def test_records_of_a_stream_are_late_when_their_file_is():
    item = replace(status.health(Story().ledger, "cafe"), stream=Level(3, 90, NOW), file_due=NOW)
    assert [item.late(NOW + timedelta(minutes=minutes)) for minutes in (4, 6)] == [False, True]
    (line,) = status._late(item, NOW + timedelta(minutes=6))
    assert line == "late: the stream's records should be a file since 6 min (penstock serve works)"


def test_every_state_has_its_place():
    assert {"failed", "suspended", "retrying", "running", "waiting", "ok", "never ran"} == set(status.ORDER)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s ago"), (59, "59 s ago"), (61, "1 min ago"), (7200, "2 h ago"), (200000, "2 d ago")]
)
def test_how_long_ago(seconds, text):
    assert status.ago(NOW, NOW + timedelta(seconds=seconds)) == text


def shown(*, as_json: bool) -> list[str]:
    out = Output(json=as_json, stdout=io.StringIO())
    for event in logs.events_after(Story().deliver().end().ledger, 0):
        logs.show(event, out)
    return out.stdout.getvalue().splitlines()


def test_events_are_lines_in_order():
    kinds = [line.split()[3] for line in shown(as_json=False)]
    assert (kinds[:3], kinds[-1]) == (["generation.accepted", "run.started", "run.prepared"], "run.finished")


def test_events_keep_their_facts_as_json():
    records = [json.loads(line) for line in shown(as_json=True)]
    assert records[-1]["event"] == "run_finished"
    assert records[-1]["rows"]["read"] == 3
    assert [record["sequence"] for record in records] == list(range(1, len(records) + 1))


@pytest.mark.parametrize(("about", "count"), [("", 7), ("cafe", 7), ("landing/leeds.csv", 2), ("other", 0)])
def test_events_are_chosen_by_what_they_are_about(about, count):
    events = list(logs.events_after(Story().deliver().end().ledger, 0))
    assert sum(logs.concerns(event, about) for event in events) == count


@pytest.mark.parametrize("deliveries", range(10))
def test_the_last_event_is_found(deliveries):
    story = Story()
    for number in range(deliveries):
        story.deliver(str(number))
    assert logs.last_sequence(story.ledger) == len(list(logs.events_after(story.ledger, 0)))


@pytest.mark.parametrize(("most", "sequences"), [(0, [1, 2, 3, 4, 5]), (2, [4, 5]), (9, [1, 2, 3, 4, 5])])
def test_the_last_events_are_read_from_the_end(monkeypatch, most, sequences):
    monkeypatch.setattr(logs, "PAGE", 2)
    ledger = MemoryLedger()
    for number in range(5):
        ledger.accept([Delivery(Slot("cafe", f"landing/{number}.csv"), content=Content("a" * 64, 1))], NOW)
    assert [event.sequence for event in logs.events_before(ledger, 5, "cafe", most)] == sequences
    assert logs.events_before(ledger, 5, "other", most) == []
