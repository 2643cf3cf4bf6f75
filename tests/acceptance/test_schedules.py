"""Schedules as processes keep them: each firing once, whatever is killed and however many look at the clock."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.support.web import site

from penstock.entrypoints.cli.main import main
from penstock.model.faults import VARIABLE
from penstock.model.firings import FiringState
from penstock.wiring.local import open_project

ROOT = Path(__file__).parents[2]
POINTS = ("fire.due", "fire.recorded", "fire.fetched", "fire.landed", "fire.before_record", "fire.after_record")
PIPELINE = """
import penstock as ps

ticks = ps.Pipeline(
    "ticks",
    trigger=ps.every(seconds=1, missed="all"),
    source=ps.http(
        "{url}/count.csv",
        ps.csv(columns={{"count": "INTEGER"}}),
        to="landing/ticks/{{day:%Y-%m-%d}}/{{time:%H%M%S}}.csv",
    ),
)


@ticks.step
def timed(source):
    return source.sql("SELECT count, run_time() AS due FROM source")


ticks.load("timed", to=ps.lake(), table="ticks")
"""
DAILY = """
from datetime import timedelta

import penstock as ps

checkins = ps.Pipeline(
    "checkins",
    trigger=ps.schedule(
        "0 6 * * *",
        tz="Asia/Singapore",
        submit="landing/table={table}/year={year:%Y}/month={month:%m}/day={day:%d}/*.csv",
        lag=timedelta(days=1),
    ),
    source=ps.csv(columns={"person": "VARCHAR", "hours": "DECIMAL(5,2)"}),
)
checkins.load("source", to=ps.lake(), table="checkins")
"""


TAXIS = """
import penstock as ps

taxis = ps.Pipeline(
    "taxis",
    trigger=ps.every(minutes=1, tz="Asia/Singapore"),
    source=ps.http(
        "{url}/taxi-availability",
        ps.json(columns={{"geometry": "JSON", "properties": "JSON"}}, at="features"),
        to="landing/taxis/day={{day:%Y-%m-%d}}/hour={{hour:%H}}/{{minute:%M}}.json",
    ),
)


@taxis.step
def places(source):
    return source.sql(
        "SELECT (properties->>'timestamp')::TIMESTAMPTZ AS seen_at, unnest(from_json(geometry->'coordinates', "
        "'[[\\"DOUBLE\\"]]')) AS place FROM source"
    )


@taxis.step
def free(places):
    return places.sql("SELECT seen_at, place[1] AS longitude, place[2] AS latitude FROM places")


taxis.load("free", to=ps.lake(), table="free")
"""


@pytest.fixture
def folder(tmp_path):
    """A feed that counts how often it was asked, and a project that asks every second."""
    (tmp_path / "pyproject.toml").write_text('[tool.penstock]\nproject = "city"\n')
    (tmp_path / "pipelines").mkdir()
    with site() as feed:
        count = itertools.count(1)
        feed.say = lambda _path, _headers: (200, {}, f"count\n{next(count)}\n".encode())
        (tmp_path / "pipelines/ticks.py").write_text(PIPELINE.format(url=feed.url))
        yield tmp_path


@contextmanager
def serving(folder: Path, crash: str = "") -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), VARIABLE: crash}
    command = [sys.executable, "-m", "penstock", "dev", "--project", str(folder)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def until(condition, seconds: float = 40) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def firings(folder: Path) -> list:
    with open_project(folder) as project:
        return project.ledger.firings("ticks", 1000)


def done(folder: Path) -> int:
    return sum(item.state is FiringState.DONE for item in firings(folder))


def finish(folder: Path) -> None:
    """Work off what is open, without a clock; then all has happened once."""
    with open_project(folder) as project:
        project.bury_dead_workers()
        while (item := project.ledger.claim_firing("me", project.clock(), timedelta(minutes=1))) is not None:
            project.courier.act(item)
        project.work_until_idle()
        found = project.ledger.firings("ticks", 1000)
        assert {item.state for item in found} == {FiringState.DONE}
        dues = sorted(item.due for item in found)
        assert len(dues) == len(set(dues)) == (dues[-1] - dues[0]).total_seconds() + 1
        rows = sorted(row[0] for row in project.query("SELECT due FROM ticks")[1])
        assert rows == [due.replace(tzinfo=None) for due in dues]
        assert project.verify() == []
        project.sweep()
    assert list((folder / ".penstock/scratch").glob("*")) == []


@pytest.mark.faults
@pytest.mark.parametrize("point", POINTS)
def test_killed_anywhere_every_firing_happens_once(folder, point):
    with serving(folder, f"{point}:2") as process:
        assert process.wait(40) == -signal.SIGKILL
    with serving(folder):
        before = done(folder)
        until(lambda: done(folder) >= before + 2)
    finish(folder)


@pytest.mark.faults
def test_two_processes_fire_once(folder):
    with serving(folder), serving(folder):
        until(lambda: done(folder) >= 3)
    finish(folder)


def test_a_person_switches_it_off_and_on_beside_it(folder, capsys):
    def switch(word):
        assert main(["schedule", word, "ticks", "--json", "--project", str(folder)]) == 0
        return json.loads(capsys.readouterr().out)

    with serving(folder):
        until(lambda: done(folder) >= 1)
        assert switch("disable")["enabled"] is False
        until(lambda: all(item.state.final for item in firings(folder)))
        count = len(firings(folder))
        time.sleep(1.5)
        assert len(firings(folder)) == count
        assert switch("enable")["next"]
        until(lambda: done(folder) > count)


# --- the folder of a day --------------------------------------------------------------------------------------------


@pytest.fixture
def daily(tmp_path, monkeypatch):
    (tmp_path / "pyproject.toml").write_text('[tool.penstock]\nproject = "work"\n')
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines/checkins.py").write_text(DAILY)
    for day, people in (("01", ["Ada", "Bo"]), ("02", ["Cy"])):
        place = tmp_path / f"landing/table=dailycheckin/year=2024/month=03/day={day}"
        place.mkdir(parents=True)
        for person in people:
            (place / f"{person}.csv").write_text(f"person,hours\n{person},7.5\n")
    return tmp_path


def people(folder: Path) -> list[str]:
    with open_project(folder) as project:
        return sorted(row[0] for row in project.query("SELECT person FROM checkins")[1])


def test_a_firing_submits_the_folder_of_its_own_day(daily):
    assert main(["run", "checkins", "--at", "2024-03-02T06:00", "--project", str(daily)]) == 0
    assert people(daily) == ["Ada", "Bo"]
    with open_project(daily) as project:
        (run,) = project.ledger.runs()
        assert run.generations[0].parts == {"table": "dailycheckin", "year": "2024", "month": "03", "day": "01"}
        assert f"{run.run_time:%Y-%m-%dT%H:%M}" == "2024-03-01T22:00"


def test_files_of_other_days_are_left_alone_and_are_no_strays(daily, capsys):
    main(["run", "checkins", "--at", "2024-03-02T06:00", "--project", str(daily)])
    capsys.readouterr()
    assert main(["run", "--project", str(daily)]) == 0
    assert "fits no pipeline" not in capsys.readouterr().out
    assert people(daily) == ["Ada", "Bo"]


def backfill(folder: Path, capsys, *words: str) -> tuple[int, list[dict]]:
    code = main(["backfill", "checkins", *words, "--json", "--project", str(folder)])
    return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_what_a_schedule_submits_is_asked_for_by_its_name(daily, capsys):
    assert main(["run", "--reload", "--project", str(daily)]) == 0
    assert "checkins fires, and was left alone: penstock run checkins --reload" in capsys.readouterr().out


def test_a_past_range_is_planned_and_then_filled(daily, capsys):
    code, told = backfill(daily, capsys, "2024-03-01..2024-03-03")
    assert (code, [item["done"] for item in told]) == (0, [False, False, False])
    code, told = backfill(daily, capsys, "2024-03-01..2024-03-03", "--yes")
    assert (code, told[-1]["loaded"]) == (0, {"checkins": 3})
    assert people(daily) == ["Ada", "Bo", "Cy"]


def test_a_backfill_goes_on_where_it_ended(daily, capsys):
    main(["run", "checkins", "--at", "2024-03-02T06:00", "--project", str(daily)])
    capsys.readouterr()
    _, told = backfill(daily, capsys, "2024-03-02..2024-03-03", "--yes")
    assert [item["done"] for item in told if item["event"] == "backfill_planned"] == [True, False]
    assert told[-1]["loaded"] == {"checkins": 1}


@pytest.mark.parametrize("words", [(), ("2024-03-01..",), ("yesterday..today",)])
def test_a_range_that_is_none(daily, capsys, words):
    assert backfill(daily, capsys, *words)[0] == 2


def test_a_time_that_is_none(daily, capsys):
    assert main(["run", "checkins", "--at", "yesterday", "--project", str(daily)]) == 2
    assert "'yesterday' is no time" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["enabel", "checkins"], "did you mean 'enable'?"),
        (["disable", "checkin"], "did you mean 'checkins'?"),
        (["disable"], "needs a pipeline"),
    ],
)
def test_a_slip_of_the_pen(daily, capsys, words, says):
    assert main(["schedule", *words, "--project", str(daily)]) == 2
    assert says in capsys.readouterr().err


def test_a_pipeline_without_a_schedule_cannot_be_switched(daily, capsys):
    file = daily / "pipelines/checkins.py"
    file.write_text(
        file.read_text().split("trigger=")[0] + "trigger=ps.manual(),\n    source=" + DAILY.split("source=")[1]
    )
    assert main(["schedule", "disable", "checkins", "--project", str(daily)]) == 2
    assert "has no schedule" in capsys.readouterr().err


# --- a feed ---------------------------------------------------------------------------------------------------------


def reading(minute: int, taxis: int) -> bytes:
    """GeoJSON, as the public feed gives it: one coordinate pair for each free taxi."""
    seen = {"timestamp": f"2026-03-01T16:{minute:02}:00+08:00", "taxi_count": taxis}
    points = {"type": "MultiPoint", "coordinates": [[103.8 + n / 1000, 1.3] for n in range(taxis)]}
    feature = {"type": "Feature", "geometry": points, "properties": seen}
    return json.dumps({"type": "FeatureCollection", "crs": {"type": "link"}, "features": [feature]}).encode()


def test_a_feed_is_polled_every_minute_and_a_repeated_reading_counts_once(tmp_path):
    (tmp_path / "pyproject.toml").write_text('[tool.penstock]\nproject = "city"\n')
    (tmp_path / "pipelines").mkdir()
    with site() as feed, open_project(tmp_path) as project:
        (tmp_path / "pipelines/taxis.py").write_text(TAXIS.format(url=feed.url))
        now = datetime(2026, 3, 1, 8, tzinfo=UTC)
        project.clock = lambda: now
        keeper = project.timekeeper()
        keeper.look()
        for minute, taxis in ((1, 3), (1, 3), (3, 2)):  # the second minute repeats the first one's reading
            feed.serve(reading(minute, taxis))
            now += timedelta(minutes=1)
            keeper.look()
            keeper.rest(30)
        project.work_until_idle()
        counts = list(project.query("SELECT seen_at::VARCHAR, count(*) FROM free GROUP BY 1 ORDER BY 1")[1])
        assert [count for _, count in counts] == [3, 2]
        addresses = [slot.address for slot in project.ledger.slots("taxis")]
        assert addresses == [f"landing/taxis/day=2026-03-01/hour=16/0{minute}.json" for minute in (1, 3)]
