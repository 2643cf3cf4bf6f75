"""Several processes on one project, over the same landing zone: every object is loaded once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest
from tests.faults.children import Family, eventually, nursery
from tests.systems.cafe import CAFE
from tests.systems.system import WAREHOUSE

from penstock.testing.exports import export
from penstock.testing.histories import Deliver

pytestmark = pytest.mark.faults

SOURCE = Path(__file__).parents[2] / "src"
FILES = 24
DAY = datetime(2024, 3, 4, 9)  # noqa: DTZ001 - tills print local time
FEW_AT_ONCE = {"PENSTOCK_LIMITS_BATCH_FILES": "2", "PENSTOCK_RESCAN_SECONDS": "0.2"}
HOPELESS = 30


@pytest.fixture
def children(monkeypatch):
    for name, value in FEW_AT_ONCE.items():
        monkeypatch.setenv(name, value)
    with nursery() as found:
        yield found


@pytest.fixture
def family(request, children, tmp_path, monkeypatch, destination):
    if destination == "lake":
        return filled(Family(children, CAFE.make(tmp_path / "cafe")))
    url = request.getfixturevalue("postgres")
    monkeypatch.setenv(WAREHOUSE, url)
    return filled(Family(children, CAFE.make(tmp_path / "cafe", url, lake=False)))


def filled(family):
    rng = random.Random(1)  # noqa: S311 - a test's dice
    for number in range(FILES):
        family.change(Deliver(f"landing/leeds_04-03-2024_{number}.csv", export(rng, "Leeds", DAY, 3).data))
    return family


@pytest.mark.parametrize("destination", ["lake", pytest.param("postgres", marks=pytest.mark.slow)])
def test_three_processes_share_the_work(family, destination):
    racers = [family.start("work") for _ in range(3)]
    assert [family.end(racer, "work") for racer in racers] == [False] * 3
    family.rest("three processes")
    workers = family.ask("loads")
    assert len(set(workers.values())) > 1
    assert len(workers) == FILES


@pytest.mark.parametrize("destination", [pytest.param("lake", marks=pytest.mark.slow), "postgres"])
def test_two_workers_of_a_service_and_another_process(family, destination):
    """One of the workers is killed meanwhile."""
    with service(family) as process:
        another = family.start("work")
        os.kill(eventually(lambda: workers_of(process), bool)[0], signal.SIGKILL)
        family.end(another, "work")
        eventually(family.look, lambda seen: seen[0] and not seen[1], HOPELESS)
    family.rest("a service and a process")
    assert len(family.ask("loads")) == FILES


@contextmanager
def service(family):
    """The real command, with two worker processes."""
    command = [sys.executable, "-m", "penstock", "--project", str(family.home.folder), "serve", "--workers", "2"]
    environment = {**family.environment, "PYTHONPATH": str(SOURCE)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(HOPELESS) == 0


def workers_of(process):
    """The process ids of a service's workers."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]
