"""A stream's server, killed with SIGKILL at every boundary and at random moments while records are sent to it by HTTP.

Whatever was acknowledged is in the landing zone once, and in the table once. Named events are sent again after a kill;
the others are not, so that one that was not acknowledged may or may not be there, but never twice. The long form
(`make faults`) kills `PENSTOCK_KILLS` times (10) at each place; `PENSTOCK_SEED` repeats a seed.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from penstock.entrypoints.cli.main import main
from penstock.model.faults import VARIABLE
from penstock.wiring.local import open_project

pytestmark = pytest.mark.faults

SEED = int(os.environ.get("PENSTOCK_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
KILLS = int(os.environ.get("PENSTOCK_KILLS", "10"))
ANY_MOMENT = "any moment"
PLACES = (
    "stream.before_commit", "stream.after_commit", "stream.before_seal", "stream.sealed", "stream.written",
    "stream.released", ANY_MOMENT,
)  # fmt: skip
SOURCE = Path(__file__).parents[2] / "src"
EVENTS = 60
MOST_EVENTS = 6000
"""A random moment may come late: records are sent until it has come often enough."""

PIPELINE = """
import penstock as ps

stream = ps.stream("pings", public=True, rows=7, seconds=0.1)
pings = ps.Pipeline("pings", trigger=stream, source=ps.json_lines(columns={"event": "BIGINT", "named": "BOOLEAN"}))
pings.load("source", to=ps.lake(), table="pings")
"""

CHILD = """
import signal, sys, threading
from pathlib import Path
from penstock.entrypoints.api.project import web
from penstock.wiring.local import open_project

over = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: over.set())
with open_project(Path(sys.argv[1])) as project, web(project, 0) as url:
    print(url, flush=True)
    while not over.wait(0.005):
        project.flusher.flush()
"""


class Child:
    """A server of the project."""

    def __init__(self, folder, crash_at=""):
        told = {**os.environ, "PYTHONPATH": str(SOURCE), **({VARIABLE: crash_at} if crash_at else {})}
        command = [sys.executable, "-c", CHILD, str(folder)]
        self.process = subprocess.Popen(command, env=told, stdout=subprocess.PIPE, text=True)
        self.place = urlsplit(self.process.stdout.readline().strip())

    def send(self, records, key=""):
        """What the server says; OSError or HTTPException when it is gone."""
        connection = http.client.HTTPConnection(self.place.hostname, self.place.port, timeout=20)
        try:
            headers = {"Content-Type": "application/json", **({"Idempotency-Key": key} if key else {})}
            connection.request("POST", "/streams/pings", json.dumps(records), headers)
            response = connection.getresponse()
            assert response.status == 202, response.read()
            return json.loads(response.read())
        finally:
            connection.close()

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        self.process.stdout.close()
        return self.process.wait(30)


class Story:
    """One project: events are sent until all are acknowledged and the server has died as often as it should."""

    def __init__(self, folder, rng):
        self.folder, self.rng = folder, rng
        (folder / "pipelines").mkdir(parents=True)
        (folder / "pyproject.toml").write_text("[tool.penstock]\n")
        (folder / "pipelines/pings.py").write_text(PIPELINE)
        self.named, self.unnamed, self.unsure = set(), set(), set()
        self.files = {}
        self.killed = 0

    def tell(self, place, kills):
        child, number = self.start(place, kills), 0
        while number < EVENTS or (self.killed < kills and number < MOST_EVENTS):
            batch = list(range(number, number + self.rng.randrange(1, 5)))
            number = batch[-1] + 1
            named = self.rng.random() < 0.7
            records = [{"event": event, "named": named} for event in batch]
            while True:
                try:
                    child.send(records, key=f"batch-{batch[0]}" if named else "")
                except (OSError, http.client.HTTPException):
                    assert child.process.wait(30) == -signal.SIGKILL
                    child.process.stdout.close()
                    self.killed += 1
                    self.look()
                    child = self.start(place, kills)
                    if named:
                        continue
                    self.unsure.update(batch)
                else:
                    (self.named if named else self.unnamed).update(batch)
                break
        assert child.end() in (0, -signal.SIGKILL)

    def start(self, place, kills):
        if self.killed >= kills:
            return Child(self.folder)
        if place == ANY_MOMENT:
            child = Child(self.folder)
            threading.Timer(self.rng.uniform(0, 0.5), child.process.kill).start()
            return child
        return Child(self.folder, f"{place}:{self.rng.randrange(1, 5)}")

    def look(self):
        """A name stands for the same records for ever."""
        for file in (self.folder / "landing").rglob("*.jsonl"):
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            assert self.files.setdefault(file.name, digest) == digest

    def counted(self):
        """How often each event is in the landing zone."""
        with open_project(self.folder) as project:
            project.flusher.flush(everything=True)
            assert all(buffer.level().rows == 0 for buffer in project.buffers.values())
        self.look()
        files = (self.folder / "landing").rglob("*.jsonl")
        return Counter(json.loads(line)["event"] for file in files for line in file.read_text().splitlines())

    def loaded(self):
        """How often each event is in the table."""
        assert main(["run", "--project", str(self.folder), "--json"]) == 0
        with open_project(self.folder) as project:
            return Counter(event for (event,) in project.query("SELECT event FROM pings")[1])


def check(story):
    found = story.counted()
    assert [event for event in story.named | story.unnamed if found[event] != 1] == []
    assert [event for event in story.unsure if found[event] > 1] == []
    assert set(found) <= story.named | story.unnamed | story.unsure
    assert story.loaded() == found
    assert [path.name for path in story.folder.rglob("*.part")] == []


@pytest.mark.parametrize("place", PLACES)
def test_a_kill_loses_and_doubles_nothing(tmp_path, place):
    story = Story(tmp_path / "town", random.Random(SEED))  # noqa: S311 - it must come again
    sys.stdout.write(f"seed {SEED}\n")
    story.tell(place, kills=1)
    assert story.killed == 1
    check(story)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("place", PLACES)
def test_many_kills_lose_and_double_nothing(tmp_path, place):
    story = Story(tmp_path / "town", random.Random(SEED))  # noqa: S311 - it must come again
    story.tell(place, kills=KILLS)
    sys.stdout.write(f"seed {SEED}: {story.killed} kills at {place}\n")
    assert story.killed == KILLS
    check(story)
