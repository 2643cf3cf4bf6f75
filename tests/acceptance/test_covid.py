"""Covid: two sources, fetched every morning, joined by date; what cannot be joined yet waits.

From a real web server and a real Git repository, with invented files, and with the real ones where they are.
"""

from __future__ import annotations

import csv
import json
import os
import runpy
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from tests.support.web import site

from penstock.entrypoints.cli.init import create
from penstock.entrypoints.cli.main import main
from penstock.model.faults import VARIABLE
from penstock.model.firings import FiringState
from penstock.wiring.local import open_project

pytest.importorskip("dulwich", reason="dulwich is not installed")

from dulwich import porcelain

ROOT = Path(__file__).parents[2]
WORLD = "time-series-19-covid-combined"
ME = b"Authority <authority@example.org>"
POINTS = (
    "fire.fetched",
    "fire.landed",
    "fire.before_record",
    "fire.after_record",
    "prepare.after_record",
    "load.after",
)


class Authorities:
    """One publishes over HTTP, with versions; the other in a repository."""

    def __init__(self, web, folder: Path, source) -> None:
        self.web, self.folder, self.source = web, folder, source
        porcelain.init(str(folder))

    def publish_cases(self, text: bytes | None = None) -> None:
        body = text or self.source("us.csv", date(2020, 5, 23))
        self.web.serve_versions(body, f'"{hash(body)}"')

    def publish_world(self, until: date, text: bytes | None = None) -> None:
        file = self.folder / "world.csv"
        file.write_bytes(text or self.source(WORLD, until))
        porcelain.add(str(self.folder), paths=[str(file)])
        porcelain.commit(str(self.folder), message=f"{until}".encode(), author=ME, committer=ME)


@pytest.fixture
def source(tmp_path, request):
    """Reads a published file: an invented one, or, where a test asks for it, the real one."""
    if getattr(request, "param", "invented") == "real":
        folder = request.getfixturevalue("covid_data")
        return lambda name, until: (folder / (f"{name}_{until:%Y%m%d}.csv" if name == WORLD else name)).read_bytes()
    make = runpy.run_path(str(ROOT / "examples/covid/make_data.py"))["make"]

    def read(name: str, until: date) -> bytes:
        make(tmp_path / "made", until)
        return (tmp_path / "made" / (f"{name}.csv" if name == WORLD else name)).read_bytes()

    return read


both = pytest.mark.parametrize("source", ["invented", "real"], indirect=True)


@pytest.fixture
def authorities(tmp_path, source):
    with site() as web:
        found = Authorities(web, tmp_path / "upstream", source)
        found.publish_cases()
        found.publish_world(date(2020, 5, 23))
        yield found


@pytest.fixture
def folder(tmp_path, authorities, monkeypatch):
    """The example, with one of its sources in a repository."""
    folder = tmp_path / "health"
    create(folder, "covid")
    file = folder / "pipelines/covid.py"
    text = file.read_text()
    world = next(line for line in text.splitlines() if line.lstrip().startswith('"world": ps.http('))
    file.write_text(text.replace(world, f'        "world": ps.git({str(authorities.folder)!r}, "world.csv", WORLD),'))
    monkeypatch.setenv("COVID_FEED", authorities.web.url)
    monkeypatch.setenv("PENSTOCK_RETRY_FIRST_SECONDS", "0.01")
    return folder


@pytest.fixture
def run(folder, capsys):
    """`penstock run covid --json`; returns the exit code and the last line."""

    def run(*words: str):
        code = main(["run", "covid", "--json", "--project", str(folder), *words])
        return code, json.loads(capsys.readouterr().out.splitlines()[-1])

    return run


def table(folder) -> dict[date, tuple[int, ...]]:
    with open_project(folder) as project:
        return {row[0]: row[1:] for row in project.query("SELECT date, cases, deaths, recovered FROM days")[1]}


def expected(authorities, until: date) -> dict[date, tuple[int, ...]]:
    """The join, by hand."""
    cases = csv.DictReader(authorities.web.say("/us.csv", {})[2].decode().splitlines())
    world = csv.DictReader(authorities.source(WORLD, until).decode().splitlines())
    recovered = {row["Date"]: int(row["Recovered"]) for row in world if row["Country/Region"] == "US"}
    return {
        date.fromisoformat(row["date"]): (int(row["cases"]), int(row["deaths"]), recovered[row["date"]])
        for row in cases
        if row["date"] in recovered
    }


def events(folder, kind: str) -> list:
    with open_project(folder) as project:
        return [event for event in project.ledger.events(0, 10_000) if event.type == kind]


# --- loading --------------------------------------------------------------------------------------------------------


@both
def test_the_days_that_both_know_are_loaded_and_the_others_wait(folder, run, authorities):
    code, told = run()
    assert (code, told["state"], told["loaded"]) == (0, "succeeded", {"days": 123})
    assert (told["rows"]["quarantined"], told["retries"]) == (97, {"waiting": 97})
    assert table(folder) == expected(authorities, date(2020, 5, 23))


@both
def test_exactly_the_days_that_can_be_joined_now_heal(folder, run, authorities):
    run()
    authorities.publish_world(date(2020, 6, 4))
    code, told = run()
    assert (code, told["loaded"], told["retries"]) == (0, {"days": 135}, {"healed": 12, "waiting": 85})
    assert table(folder) == expected(authorities, date(2020, 6, 4))


def test_a_correction_takes_the_place_of_its_row(folder, run, authorities):
    run()
    body = authorities.web.say("/us.csv", {})[2].decode().splitlines()
    body[5] = f"{body[5].split(',')[0]},4711,12"
    authorities.publish_cases("\n".join(body).encode())
    run()
    assert table(folder) == expected(authorities, date(2020, 5, 23))
    assert table(folder)[date.fromisoformat(body[5].split(",")[0])][:2] == (4711, 12)


def test_nothing_new_is_a_recorded_no_op(folder, run):
    run()
    code, told = run()
    assert (code, told["runs"]) == (0, [])
    (unchanged,) = events(folder, "firing.unchanged")
    assert unchanged.data["sources"] == {"cases": "not modified", "world": "not modified"}


def test_nothing_of_a_country_that_was_not_asked_for(folder, run):
    _, told = run()
    assert told["rows"]["filtered"] > told["rows"]["kept"]
    assert told["rows"]["read"] == sum(told["rows"][fate] for fate in ("kept", "filtered", "quarantined"))


def test_everything_agrees(folder, run, authorities):
    run()
    authorities.publish_world(date(2020, 6, 4))
    run()
    with open_project(folder) as project:
        assert project.verify() == []


# --- sources that are away ------------------------------------------------------------------------------------------


def test_a_source_that_does_not_answer_is_a_failed_firing(folder, run, authorities, monkeypatch):
    monkeypatch.setenv("PENSTOCK_RETRY_ATTEMPTS", "2")
    run()
    before = table(folder)
    authorities.web.serve(b"", 503)
    code, told = run()
    assert (code, told["state"], told["errors"][0]["code"]) == (1, "failed", "E307")
    assert len(events(folder, "firing.waiting")) == len(events(folder, "firing.failed")) == 1
    assert table(folder) == before


def test_an_outage_that_passes_is_tried_again(folder, run, authorities):
    good, outages = authorities.web.say, [(503, {}, b"")] * 4
    authorities.web.say = lambda path, headers: outages.pop() if outages else good(path, headers)
    code, told = run()
    assert (code, told["loaded"]) == (0, {"days": 123})
    assert len(events(folder, "firing.waiting")) == 1


def test_status_shows_it(folder, run, authorities, capsys, monkeypatch):
    monkeypatch.setenv("PENSTOCK_RETRY_ATTEMPTS", "1")
    authorities.web.serve(b"", 404)
    run()
    assert main(["status", "--json", "--check", "--project", str(folder)]) == 1
    told = json.loads(capsys.readouterr().out.splitlines()[0])
    assert (told["state"], told["firing"]["state"], told["firing"]["error"]["code"]) == ("failed", "failed", "E207")


def test_somebody_is_told(folder, run, authorities):
    file = folder / "pipelines/covid.py"
    file.write_text(file.read_text() + '\ncovid.notify(on=["succeeded", "failed", "retrying"], to=ps.notify("team"))\n')
    secrets = folder / ".penstock/secrets"
    secrets.mkdir(parents=True, mode=0o700)
    (secrets / "notify_team").write_text("file:told.jsonl")
    run()
    authorities.publish_world(date(2020, 6, 4))
    run()
    authorities.web.serve(b"", 404)
    run()
    told = [json.loads(line) for line in (folder / "told.jsonl").read_text().splitlines()]
    assert [(item["status"], item.get("rows", {}).get("healed")) for item in told] == [
        ("succeeded", 0), ("succeeded", 12), ("failed", None)
    ]  # fmt: skip
    assert told[2]["error"]["code"] == "E207"


# --- a contract that is broken --------------------------------------------------------------------------------------


def american(text: bytes) -> bytes:
    header, *lines = text.decode().splitlines()
    days = [date.fromisoformat(line.split(",")[0]) for line in lines]
    rest = [line.split(",", 1)[1] for line in lines]
    return "\n".join(
        [header, *(f"{d.month}/{d.day}/{d.year},{more}" for d, more in zip(days, rest, strict=True))]
    ).encode()


def renamed(text: bytes) -> bytes:
    return text.replace(b"date,cases", b"date,confirmed_cases", 1)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (american, ["'date' has changed: 220 of 220 rows are not DATE", "'%Y-%m-%d'", "'9/9/9'"]),
        (renamed, ["missing 'cases'", "unexpected 'confirmed_cases'"]),
    ],
)
def test_a_format_that_drifts_is_named_and_nothing_is_loaded(folder, run, authorities, change, says):
    run()
    before = table(folder)
    authorities.publish_cases(change(authorities.source("us.csv", date(2020, 5, 23))))
    code, told = run()
    assert (code, told["errors"][0]["code"], told["errors"][0]["standing"]) == (3, "E202", "refused")
    assert all(word in str(told["errors"]) for word in says)
    assert table(folder) == before


# --- time -----------------------------------------------------------------------------------------------------------


def test_every_morning_at_six_in_singapore(folder, authorities):
    with open_project(folder) as project:
        now = datetime(2026, 3, 1, 12, tzinfo=UTC)
        project.clock = lambda: now
        keeper = project.timekeeper()
        for morning in range(3):
            keeper.look()
            keeper.rest(30)
            assert len(project.ledger.firings()) == morning
            now += timedelta(days=1)
        project.work_until_idle()
        found = [(item.due, item.state) for item in project.ledger.firings()]
        assert found == [
            (datetime(2026, 3, 2, 22, tzinfo=UTC), FiringState.UNCHANGED),
            (datetime(2026, 3, 1, 22, tzinfo=UTC), FiringState.DONE),
        ]
        (first,) = project.ledger.runs()
        assert first.run_time == datetime(2026, 3, 1, 22, tzinfo=UTC)


# --- a job that is cut off ------------------------------------------------------------------------------------------


def kill(folder, at: str) -> int:
    """Run in a process of its own, which is killed at a point."""
    environment = {**os.environ, VARIABLE: at, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-m", "penstock", "run", "covid", "--project", str(folder)]
    return subprocess.run(command, env=environment, capture_output=True, check=False, timeout=60).returncode


@pytest.mark.faults
@pytest.mark.parametrize("point", POINTS)
def test_wherever_it_is_killed_the_rows_arrive_once(folder, run, authorities, point):
    assert kill(folder, point) == -9
    run()
    assert table(folder) == expected(authorities, date(2020, 5, 23))
    assert len(events(folder, "generation.accepted")) == 1
    with open_project(folder) as project:
        assert project.verify() == []
        assert [item for item in project.ledger.open_firings() if item.state is FiringState.ACTING] == []


@pytest.mark.faults
@pytest.mark.parametrize(("point", "stage"), [("fire.fetched", "fetch"), ("load.after", "load")])
def test_a_job_is_listed_from_start_to_end_and_what_was_cut_off_is_shown(folder, run, capsys, point, stage):
    def jobs():
        main(["status", "--json", "--project", str(folder)])
        return json.loads(capsys.readouterr().out.splitlines()[0])["running"]

    assert jobs() == []
    kill(folder, point)
    (job,) = jobs()
    assert (job["stage"], job["cut_off"]) == (stage, True)
    run()
    run()
    assert jobs() == []
