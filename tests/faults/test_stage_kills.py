"""A pipeline with a boundary behind a step, killed before it, at it and behind it: the next one goes on from there."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.wiring.local import open_project

pytestmark = pytest.mark.faults

ROOT = Path(__file__).parents[2]
TRIES = {
    "prepare.kept": {"prepare": 2, "test": 1, "load": 1},
    "halfway.before_record": {"prepare": 2, "test": 1, "load": 1},
    "halfway.after_record": {"prepare": 1, "test": 2, "load": 1},
    "prepare.before_record": {"prepare": 1, "test": 2, "load": 1},
    "prepare.after_record": {"prepare": 1, "test": 1, "load": 2},
    "load.after": {"prepare": 1, "test": 1, "load": 2},
}
"""By the place of the kill: nothing that lies behind a boundary is done twice."""
TEXT = "user,timestamp,hours,project\n" + "".join(
    f"{'' if n == 7 else f'u{n}'},{n % 28 + 1} марта 2024 0{n % 10}:00,1.25,p\n" for n in range(40)
)


@pytest.fixture
def folder(tmp_path) -> Path:
    shutil.copytree(ROOT / "examples" / "checkins", tmp_path / "checkins")
    for day in (1, 2):
        file = tmp_path / f"checkins/landing/table=dailycheckin/year=2024/month=03/day={day:02}/a.csv"
        file.parent.mkdir(parents=True)
        file.write_text(TEXT, encoding="utf-8")
    return tmp_path / "checkins"


def run(folder: Path, crash_at: str = "") -> subprocess.CompletedProcess[str]:
    """`penstock run` as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "penstock", "run", "--json"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "PENSTOCK_CRASH_AT": crash_at},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("place", TRIES)
def test_a_killed_run_goes_on_from_its_last_boundary(folder, place):
    assert run(folder, place).returncode == -signal.SIGKILL
    told = json.loads(run(folder).stdout.splitlines()[-1])
    assert told["rows"] == {"read": 80, "kept": 78, "filtered": 0, "deduplicated": 0, "quarantined": 2}
    with open_project(folder) as project:
        (only,) = project.ledger.runs()
        assert dict(only.tries) == TRIES[place]
        assert project.verify() == []
        assert list(project.query("SELECT count(*), count(DISTINCT user_name) FROM daily_checkins")[1]) == [(78, 39)]
        assert len(list(project.rejects())) == 2
    assert not list(folder.glob("staging/*/*"))
