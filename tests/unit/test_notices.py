"""What is told of a run, to whom, and when it is tried again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

import penstock as ps
from penstock.authoring.notices import Notice, notice
from penstock.errors import ChannelRefused, ChannelUnavailable, DefinitionError, MissingSecret
from penstock.model.events import Event
from penstock.model.fates import Fates
from penstock.model.messages import Message
from penstock.model.refusals import RETRY
from penstock.model.runs import Result, Run, RunState
from penstock.model.slots import Generation, Kind, Slot, Standing
from penstock.runtime.notices import (
    Items,
    Place,
    Told,
    channels_of,
    compose,
    compose_alone,
    compose_late,
    next_try,
    word_of,
)

NOW = datetime(2024, 3, 4, 9, tzinfo=UTC)
SHOP = Place("shop", "local")


def run_of(*results: Result, kind: Kind = Kind.DELIVERY) -> Run:
    generations = tuple(
        Generation(result.slot, 1, kind, place, NOW, standing=result.standing, run="cafe-1")
        for place, result in enumerate(results)
    )
    return Run("cafe-1", "cafe", generations, NOW, state=RunState.SUCCEEDED, results=results)


def result(name: str, standing: Standing, fates: Fates, **more) -> Result:
    return Result(Slot("cafe", f"landing/{name}.csv"), 1, standing, fates, **more)


def finished(state: str, **error: str) -> Event:
    return Event("run.finished", "cafe", "cafe-1", NOW, {"state": state, "error": error}, 7)


@pytest.mark.parametrize(
    ("word", "names"),
    [
        ("succeeded", ("team",)),
        ("failed", ("team", "night")),
        ("partial", ("team", "night")),
        ("suspended", ("team", "night", "boss")),
        ("dead", ("team", "night")),
        ("retrying", ("boss",)),
    ],
)
def test_failed_means_every_end_but_success(word, names):
    notices = [
        Notice(("succeeded", "failed"), ("team",)),
        Notice(("failed",), ("night",)),
        Notice(("suspended", "retrying"), ("boss", "team")),
    ]
    assert set(channels_of(word, notices)) == {*names, *(("team",) if word == "retrying" else ())}


def test_rows_of_what_was_not_loaded_have_failed():
    told = Told.of(
        run_of(
            result("a", Standing.LOADED, Fates(10, 8, 0, 0, 2)),
            result("b", Standing.SUSPENDED, Fates(5, 4, 0, 0, 1)),
            result("c", Standing.SUPERSEDED, Fates(3, 3)),
        )
    )
    assert told == Told(loaded=8, failed=7, healed=0)


def test_rows_that_a_patch_brought_are_healed():
    assert Told.of(run_of(result("a", Standing.LOADED, Fates(3, 2, 0, 0, 1)), kind=Kind.PATCH)) == Told(2, 1, 2)


def test_a_message_says_how_it_ended_how_many_rows_and_why():
    halted = result("a", Standing.SUSPENDED, Fates(5, 4, 0, 0, 1), reasons={'IsComplete "user"': 1})
    event = finished("suspended", code="E204", message="1 of 5 rows fail", fix="release the run")
    text = compose(event, replace(run_of(halted), state=RunState.SUSPENDED), Items("test", [{"id": "A007"}]), SHOP)
    message = text.to("team", event, NOW)
    assert message.id == "7/team"
    assert message.subject == "cafe suspended: 0 rows loaded, 5 failed [shop/local]"
    for part in (
        "cafe-1",
        "E204 1 of 5 rows fail",
        "release the run",
        'IsComplete "user"',
        "landing/a.csv",
        "A007",
        "state test",
    ):
        assert part in message.text
    assert (message.facts["status"], message.facts["rows"]["failed"], message.facts["error"]["code"]) == (
        "suspended",
        5,
        "E204",
    )


def test_of_a_thousand_deliveries_ten_are_named():
    many = [result(f"f{number}", Standing.LOADED, Fates(1, 1)) for number in range(1000)]
    message = compose(finished("succeeded"), run_of(*many), Items("load"), SHOP)
    assert (len(message.facts["deliveries"]), message.facts["more"]) == (10, 990)
    assert len(message.text) < 1000


def test_what_no_run_stands_behind_is_told_too():
    error = {"code": "E305", "message": "the source does not answer"}
    event = Event("firing.failed", "covid", "covid@2024-03-04", NOW, {"attempt": 5, "error": error}, 9)
    assert channels_of(word_of(event), [Notice(("failed",), ("team",))]) == ("team",)
    told = compose_alone(event, SHOP)
    assert told.subject == "covid failed: covid@2024-03-04 [shop/local]"
    assert "why: E305 the source does not answer" in told.text
    assert (told.facts["about"], "subject" in told.facts) == ("covid@2024-03-04", False)  # the message has its own


def test_a_key_that_is_late_says_what_is_missing():
    data = {
        "key": {"sender": "EXT_CLIENT", "day": "2022-02-26"},
        "missing": ["accounts", "clients"],
        "here": ["portfolios"],
        "since": "2022-02-26T08:00:00+00:00",
        "deadline": "2022-02-26T14:00:00+00:00",
    }
    event = Event("readiness.overdue", "bank", "key/sender=EXT_CLIENT/day=2022-02-26", NOW, data, 9)
    assert channels_of(word_of(event), [Notice(("failed",), ("team",)), Notice(("late",), ("boss",))]) == ("boss",)
    told = compose_late(event, SHOP)
    assert told.subject == "bank late: sender EXT_CLIENT, day 2022-02-26 lacks accounts and clients [shop/local]"
    assert told.text.splitlines()[2:] == [
        "missing: accounts, clients",
        "there: portfolios, since 2022-02-26 08:00 UTC",
        "the deadline was 2022-02-26 14:00 UTC",
        "",
        "penstock status bank --ready",
    ]
    assert (told.facts["status"], told.facts["missing"]) == ("late", ["accounts", "clients"])


def test_a_file_that_fits_no_pipeline_is_told_of_with_the_reason():
    event = Event("object.stray", "sales", "landing/x.csv", NOW, {"size": 3, "why": "no day"}, 9)
    assert channels_of(word_of(event), [Notice(("failed",), ("team",)), Notice(("stray",), ("boss",))]) == ("boss",)
    told = compose_alone(event, SHOP)
    assert told.subject == "sales stray: landing/x.csv [shop/local]"
    assert told.text.splitlines()[2] == "  why  no day"


@pytest.mark.parametrize("error", [ChannelUnavailable("no"), MissingSecret("none")])
def test_what_may_pass_is_tried_again_ever_later(error):
    message = Message("7/team", "team", "s", "t", NOW)
    waits = [next_try(replace(message, attempt=attempt), error, NOW) for attempt in range(1, 13)]
    seconds = [(wait - NOW).total_seconds() if wait else None for wait in waits]
    assert seconds[-1] is None
    assert all(2.5 * 2**n <= wait <= 5 * 2**n for n, wait in enumerate(seconds[:9]))
    assert max(seconds[:-1]) <= 3600


def test_what_was_refused_is_not_tried_again():
    assert next_try(Message("7/team", "team", "s", "t", NOW, attempt=1), ChannelRefused("no"), NOW) is None


@pytest.mark.parametrize(("on", "fix"), [("succeded", "did you mean 'succeeded'?"), ((), 'on=("succeeded", "failed")')])
def test_a_word_that_nothing_is_called_is_a_mistake(on, fix):
    with pytest.raises(DefinitionError) as caught:
        notice(on, ps.notify("team"))
    assert caught.value.fix == fix


def test_a_pipeline_says_where_the_mistake_is():
    pipeline = ps.Pipeline("cafe", trigger=ps.manual(), source=ps.csv(columns={"a": "VARCHAR"}))
    with pytest.raises(DefinitionError) as caught:
        pipeline.notify(on="ended", to=ps.notify("team"))
    assert caught.value.what.startswith("pipeline 'cafe': there is no notice on 'ended'")
    assert caught.value.at.endswith(f"test_notices.py:{caught.tb.tb_lineno}")


@pytest.mark.parametrize("name", ["", "Team", "a b", "../x", "x" * 33])
def test_a_channel_has_a_name_that_can_be_part_of_a_secret_s(name):
    with pytest.raises(DefinitionError, match="cannot name a channel"):
        ps.notify(name)


def test_rows_that_a_destination_took_at_last_are_counted_once():
    run = run_of(result("leeds", Standing.LOADED, Fates(2, 2), retries={"healed": 2}), kind=Kind.PATCH)
    retried = replace(run, generations=tuple(replace(item, cause=RETRY) for item in run.generations))
    assert Told.of(retried) == Told(2, 0, 2)


def test_rows_that_found_their_partner_have_healed():
    run = run_of(result("leeds", Standing.LOADED, Fates(3, 2, quarantined=1), retries={"healed": 2, "waiting": 1}))
    assert Told.of(run) == Told(2, 1, 2)
