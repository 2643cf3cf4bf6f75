"""What is said about runs that are over."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from penstock.entrypoints.cli import account
from penstock.entrypoints.cli.output import Output
from penstock.model.fates import Fates
from penstock.model.runs import Result, Run, RunState, Stage
from penstock.model.slots import Generation, Kind, Slot, Standing

NOW = datetime(2024, 3, 4, tzinfo=UTC)
REFUSED = {"code": "E201", "message": "the file is not CSV", "fix": "send it again"}
LOST = {"code": "E302", "message": "the destination does not answer"}


def result(name: str = "leeds.csv", standing: Standing = Standing.LOADED, **parts: Any) -> Result:
    return Result(Slot("cafe", f"landing/{name}"), 1, standing, **parts)


def run(*results: Result, state: RunState = RunState.SUCCEEDED, **parts: Any) -> Run:
    return Run("r1", "cafe", (), NOW, state=state, results=results, **parts)


GOOD = run(result(fates=Fates(300, 295, quarantined=5), rows={"orders": 295}, reasons={'IsComplete "branch"': 5}))
BAD = run(result("bad.csv", Standing.REFUSED, error=REFUSED), state=RunState.FAILED)
DEAD = run(result("bad.csv", Standing.DEAD), state=RunState.DEAD, error=LOST)


@pytest.mark.parametrize(
    ("runs", "code"),
    [
        ([], 0),
        ([GOOD], 0),
        ([GOOD, BAD], 3),
        ([DEAD], 1),
        ([BAD, DEAD], 1),
        ([run(state=RunState.PARTIAL)], 1),
        ([run(result("bad.csv", Standing.REFUSED, error=REFUSED), result(), state=RunState.SUCCEEDED)], 3),
    ],
)
def test_the_exit_code_is_the_errors(runs, code):
    assert account.exit_code(runs) == code


def test_the_last_line_is_the_whole_account():
    told = account.finished([GOOD, BAD], "cafe", duplicates=1, seconds=0.51234)
    assert told == {
        "event": "run_finished", "run": "r1", "runs": ["r1", "r1"], "pipeline": "cafe", "state": "failed",
        "rows": {"read": 300, "kept": 295, "filtered": 0, "deduplicated": 0, "quarantined": 5},
        "loaded": {"orders": 295}, "reasons": {'IsComplete "branch"': 5}, "warnings": {}, "duplicates": 1,
            "retries": {},
        "errors": [{"slot": "landing/bad.csv", "standing": "refused", **REFUSED}], "seconds": 0.512,
    }  # fmt: skip


def test_nothing_to_do_is_a_success():
    told = account.finished([], "cafe")
    assert (told["state"], told["run"], told["rows"]["read"]) == ("succeeded", "", 0)


def lines(*runs: Run) -> list[str]:
    return list(account.delivery_lines(runs, Output(stdout=io.StringIO())))


def test_a_delivery_tells_its_fates_and_reasons():
    assert lines(GOOD) == ["  • leeds.csv  300 rows: 295 kept, 5 set aside", '           5  IsComplete "branch"']


def test_trouble_stands_first():
    assert [line.split()[1] for line in lines(GOOD, BAD)] == ["bad.csv", "leeds.csv", "IsComplete"]


def test_many_good_deliveries_are_summed_up():
    many = run(*(result(f"{number}.csv", fates=Fates(10, 10)) for number in range(1000)))
    assert (len(lines(many)), lines(many)[-1]) == (13, "  ✓ … and 988 more: 9,880 rows: 9,880 kept")


def test_an_error_that_many_deliveries_share_is_said_once():
    shared = run(*(result(f"{number}.csv", Standing.REFUSED, error=REFUSED) for number in range(3)))
    (error,) = account.failures([shared])
    assert (error.code, error.exit_code, error.at, error.fix) == ("E201", 3, "landing/0.csv", "send it again")


def summary(*runs: Run) -> str:
    return "\n".join(account.summary(runs, 0.6, Output(stdout=io.StringIO())))


def test_the_end_says_where_the_rows_are():
    assert summary(GOOD).splitlines()[:2] == ["ok in 0.6 s · run r1", "loaded: orders 295"]


@pytest.mark.parametrize(
    ("found", "advice"),
    [
        (GOOD, "penstock quarantine show r1"),
        (DEAD, "penstock redrive r1"),
        (run(state=RunState.SUSPENDED), "--drop gives the delivery up"),
        (BAD, "nothing was loaded"),
        (run(state=RunState.WAITING), "r1 is tried again by penstock serve"),
        (run(state=RunState.WAITING, stage=Stage.LOAD), "not every destination has the rows yet"),
    ],
)
def test_the_end_says_what_to_do(found, advice):
    assert advice in summary(found)


def named(name: str, found: Run) -> Run:
    return replace(found, id=name)


@pytest.mark.parametrize(
    ("found", "advice"),
    [
        ([GOOD, named("r2", GOOD)], "set aside: penstock quarantine show cafe"),
        ([GOOD, replace(named("s1", GOOD), pipeline="shop")], "set aside: penstock quarantine list"),
        ([DEAD, named("r2", DEAD)], "when the cause is gone: penstock redrive r1 r2"),
        ([named(f"r{number}", GOOD) for number in range(1, 6)], "run r1, r2, r3 and 2 more"),
    ],
)
def test_of_several_runs_the_end_means_all(found, advice):
    assert advice in summary(*found)


def test_reasons_that_are_not_shown_are_counted():
    reasons = {f"rule {number}": 1 for number in range(8)}
    many = run(result(fates=Fates(9, 1, quarantined=8), reasons=reasons))
    assert lines(many)[-1].strip() == "… and 2 more"


def test_the_worst_state_speaks_for_all():
    assert account.state_of([GOOD, run(state=RunState.SUSPENDED), run(state=RunState.PARTIAL)]) is RunState.SUSPENDED


def generations(*names: str) -> tuple[Generation, ...]:
    return tuple(Generation(Slot("cafe", f"landing/{name}"), 1, Kind.DELIVERY, 1, NOW) for name in names)


BATCH = Run(
    "r2", "cafe", generations("leeds.csv", "bad.csv"), NOW, state=RunState.PARTIAL, error=REFUSED,
    results=(result(fates=Fates(3, 3)), result("bad.csv", Standing.REFUSED, error=REFUSED)),
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "state", "errors"), [("leeds.csv", RunState.SUCCEEDED, 0), ("bad.csv", RunState.FAILED, 1)]
)
def test_a_batch_speaks_of_one_delivery_alone(name, state, errors):
    told = account.about(BATCH, {f"landing/{name}"})
    assert (told.state, len(account.errors_of(told)), [item.slot.address for item in told.results]) == (
        state, errors, [f"landing/{name}"]
    )  # fmt: skip


def test_an_error_of_a_run_and_its_delivery_is_said_once():
    assert account.about(BATCH, {"landing/leeds.csv", "landing/bad.csv"}) is BATCH
    assert len(account.errors_of(BATCH)) == 1
