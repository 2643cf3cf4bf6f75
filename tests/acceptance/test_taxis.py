"""Taxis end to end: a feed over HTTP is polled into the stream, becomes files, a table, and the chart of a day."""

from __future__ import annotations

import csv
import json
import os
import runpy
import shutil
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from penstock.entrypoints.cli.main import main
from penstock.errors import PenstockError
from penstock.model.firings import FiringState
from penstock.wiring.local import open_project

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/taxis"
MADE = runpy.run_path(str(EXAMPLE / "make_data.py"))
DAY = "2024-03-16"


class Replay(ThreadingHTTPServer):
    """The feed: each poll sees the reading of that moment, and some see the one before once more."""

    daemon_threads = True

    def __init__(self, readings):
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies, self.asked = [json.dumps(MADE["geojson"](*reading)).encode() for reading in readings], 0

    def body(self):
        number, again = divmod(self.asked, 3)
        self.asked += 1
        return self.bodies[min(2 * number + min(again, 1), len(self.bodies) - 1)]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.server.body()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextmanager
def replayed(readings) -> Iterator[tuple[str, int]]:
    """The feed's address, and how many polls see all of it."""
    with Replay(readings) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/taxi-availability", len(readings) * 3 // 2 + 2
        finally:
            server.shutdown()
            thread.join()


def make(folder: Path, url: str) -> Path:
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    file = folder / "pipelines/taxis.py"
    text = file.read_text()
    file.write_text(text.replace(text.split('FEED = "')[1].split('"')[0], url))
    return folder


def polled(folder: Path, polls: int) -> None:
    """Poll so often; the ten minutes of a file pass after each twenty."""
    with open_project(folder) as project:
        for number in range(polls):
            fired = project.fire("taxis")
            assert fired.firing.state in (FiringState.DONE, FiringState.UNCHANGED), fired.firing.error
            if number % 20 == 19:
                project.flusher.flush(everything=True)


def shown(folder: Path, capsys) -> dict[str, float]:
    """The chart of the day: hundreds of taxis by the clock in Singapore."""
    capsys.readouterr()
    assert main(["chart", "taxis-available", "--day", DAY, "--project", str(folder), "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return {row["taken_at"][11:16]: row["taxis"] for row in rows}


def generated():
    return list(MADE["counts"](DAY))


def recorded():
    """The real counts of all areas together."""
    folder = Path(os.environ.get("PENSTOCK_TEST_DATA") or ROOT.parent / "shared/data") / "taxi"
    if not folder.is_dir():
        pytest.skip("no real data here: PENSTOCK_TEST_DATA names its folder (default: ../shared/data)")
    found: dict[datetime, int] = defaultdict(int)
    (file,) = folder.glob("*.csv")
    with file.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            if row["DATE"] == DAY:
                moment = datetime.fromisoformat(f"{row['DATE']}T{row['TIME']}+08:00")
                found[moment] += int(row["Count"])
    return sorted(found.items())


@pytest.mark.parametrize("source", [generated, recorded])
def test_the_chart_of_a_day_shows_what_the_feed_said(tmp_path, capsys, source):
    readings = [(moment, free) for moment, free in source() if 7 <= moment.hour <= 20]
    with replayed(readings) as (url, polls):
        folder = make(tmp_path / "taxis", url)
        polled(folder, polls)
    assert main(["run", "--project", str(folder), "--json"]) == 0
    with open_project(folder) as project:
        (loaded,) = project.query("SELECT count(*), sum(free), sum(places) FROM taxis")[1]
    total = sum(free for _, free in readings)
    assert loaded == (len(readings), total, total)
    within = [(moment, free) for moment, free in readings if "08:00" <= f"{moment:%H:%M:%S}" <= "20:00:00"]
    assert sorted(shown(folder, capsys).values()) == pytest.approx(sorted(free / 100 for _, free in within))
    assert len(list((folder / "landing").rglob("*.jsonl"))) < len(readings) / 5


def test_a_reading_that_is_polled_twice_counts_once(tmp_path):
    with replayed(generated()[:2]) as (url, _):
        folder = make(tmp_path / "taxis", url)
        with open_project(folder) as project:
            states = [project.fire("taxis").firing.state for _ in range(6)]
            assert project.buffers["taxis"].level().rows == 2
    assert states.count(FiringState.DONE) == 2
    assert states.count(FiringState.UNCHANGED) == 4


def test_by_hand_a_reading_goes_all_the_way(tmp_path, capsys):
    """`run taxis` polls once: from the feed through the stream to the chart, without `serve`."""
    readings = [(moment, free) for moment, free in generated() if moment.hour >= 8][:2]
    with replayed(readings) as (url, _):
        folder = make(tmp_path / "taxis", url)
        said = []
        for _ in range(3):
            assert main(["run", "taxis", "--project", str(folder)]) == 0
            said.append(capsys.readouterr().out)
    assert "polled: a new record" in said[0]
    assert "loaded: taxis 1 · availability 1" in said[0]
    assert "nothing new since the last time" in said[2] or "nothing new since the last time" in said[1]
    assert sorted(shown(folder, capsys).values()) == pytest.approx(sorted(free / 100 for _, free in readings))


def test_what_waits_is_loaded_though_the_feed_is_away(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("PENSTOCK_RETRY_ATTEMPTS", "1")
    folder = make(tmp_path / "taxis", "http://127.0.0.1:9/")
    with open_project(folder) as project:
        project.writer("taxis").write(MADE["geojson"](*generated()[40]))
    assert main(["run", "taxis", "--project", str(folder), "--json"]) == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    accounts = [(line["pipeline"], line["state"]) for line in lines if line["event"] == "run_finished"]
    assert accounts == [("taxis", "succeeded"), ("production", "succeeded"), ("taxis", "failed")]
    assert len(shown(folder, capsys)) == 1


@pytest.mark.parametrize("words", [("run", "taxis", "--at", "2024-03-01"), ("backfill", "taxis", "2024-03-01")])
def test_a_feed_has_no_past(tmp_path, capsys, words):
    folder = make(tmp_path / "taxis", "http://127.0.0.1:9/")
    assert main([*words, "--project", str(folder)]) == 2
    assert "a feed shows its newest reading only" in capsys.readouterr().err


def test_status_says_what_waits_in_the_stream(tmp_path, capsys):
    folder = make(tmp_path / "taxis", "http://127.0.0.1:9/")
    assert main(["status", "taxis", "--project", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["stream"] is None
    with open_project(folder) as project:
        project.writer("taxis").write(MADE["geojson"](*generated()[0]))
    assert main(["status", "taxis", "--project", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["stream"]["records"] == 1
    assert main(["status", "taxis", "--project", str(folder)]) == 0
    assert "1 record in the stream" in capsys.readouterr().out


def test_what_has_come_is_loaded_again_without_a_poll(tmp_path, capsys):
    folder = make(tmp_path / "taxis", "http://127.0.0.1:9/")
    with open_project(folder) as project:
        project.writer("taxis").write(MADE["geojson"](*generated()[0]))
    assert main(["run", "--project", str(folder)]) == 0
    assert main(["run", "taxis", "--reload", "--project", str(folder)]) == 0


def test_production_stays_as_it_was_when_the_gate_does_not_open(tmp_path, capsys):
    folder = make(tmp_path / "taxis", "http://127.0.0.1:9/")
    for moment, free in ((generated()[0][0], 100), (generated()[1][0], 50_000)):
        with open_project(folder) as project:
            project.writer("taxis").write(MADE["geojson"](moment, free))
        main(["run", "--project", str(folder), "--json"])
    with open_project(folder) as project:
        assert list(project.query("SELECT free FROM availability")[1]) == [(100,)]
        assert list(project.query("SELECT count(*) FROM taxis")[1]) == [(2,)]
        assert [version.published for version in project.versions("production")] == [True]


def test_a_reading_that_is_corrected_is_corrected_in_production(tmp_path):
    folder = make(tmp_path / "taxis", "http://127.0.0.1:9/")
    (moment, _), *_ = generated()
    for free in range(100, 105):
        with open_project(folder) as project:
            project.writer("taxis").write(MADE["geojson"](moment, free))
            project.work_until_idle()
            assert list(project.query("SELECT free FROM availability")[1]) == [(free,)]


def test_polling_is_switched_off_and_on(tmp_path, capsys):
    folder = make(tmp_path / "taxis", "http://127.0.0.1:9/")
    for word, mark in (("disable", "switched off"), ("enable", "next ")):
        assert main(["schedule", word, "taxis", "--project", str(folder)]) == 0
        assert mark in capsys.readouterr().out


def test_what_is_no_reading_is_refused_and_said(tmp_path):
    with Replay([]) as server:
        server.bodies = [b"<html>busy</html>"]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        folder = make(tmp_path / "taxis", f"http://127.0.0.1:{server.server_port}/")
        with open_project(folder) as project:
            fired = project.fire("taxis")
            rows = project.buffers["taxis"].level().rows
        server.shutdown()
        thread.join()
    assert (fired.firing.state, rows) == (FiringState.FAILED, 0)
    assert fired.firing.error["message"] == "what was polled for the stream 'taxis' is no JSON object"


def test_a_stream_that_polls_needs_something_to_poll():
    import penstock as ps

    with pytest.raises(PenstockError, match="nothing to poll"):
        ps.Pipeline(
            "x", trigger=ps.stream("x", every=ps.every(minutes=1)), source=ps.json_lines(columns={"a": "VARCHAR"})
        )
