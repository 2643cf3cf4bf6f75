"""The benchmark's short form: four of its suites on little data. Whether it works, not how fast."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SUITES = ("start", "lake", "redelivery", "ready")


@pytest.fixture(scope="module")
def figures(tmp_path_factory) -> Path:
    """Where a run of the command has put its figures; `printed` beside them holds its output."""
    folder = tmp_path_factory.mktemp("benchmark")
    places = ("--work", str(folder / "work"), "--results", str(folder / "results"))
    command = [sys.executable, "-m", "benchmarks", "--quick", "--orders", "1000", *places, "--only", *SUITES]
    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr if done.returncode else "") == (0, "")
    (folder / "printed").write_text(done.stdout)
    return folder


def rows(printed: str, name: str) -> list[str]:
    """The tables' lines about a task or a goal; goals come last."""
    return [line for line in printed.splitlines() if line.startswith(name + "  ")]


@pytest.mark.parametrize(
    "title", ["Start of a command", "Work J to the lake, 1,000 orders", "The same file again", "100 ready triggers"]
)
def test_every_suite_has_its_table(figures, title):
    assert any(line.startswith(title) for line in (figures / "printed").read_text().splitlines())


@pytest.mark.parametrize("task", ["import penstock", "duckdb by hand", "penstock, the same file again"])
def test_a_task_has_a_time_and_a_ratio(figures, task):
    _, wall, *_, ratio = rows((figures / "printed").read_text(), task)[0].removeprefix(task).split()
    assert float(wall) > 0
    assert float(ratio) > 0


@pytest.mark.parametrize(
    "goal",
    [
        "import penstock",
        "lake, to psql \\copy",
        "second delivery, of the first",
        "keys ready at once, to results by hand",
    ],
)
def test_a_goal_is_measured_and_compared(figures, goal):
    assert rows((figures / "printed").read_text(), goal)[-1].endswith((" met", " MISSED"))


def test_every_result_was_compared_with_what_was_generated(figures):
    [file] = (figures / "results").glob("*.json")
    found = [one for suite in json.loads(file.read_text())["suites"].values() for one in suite["measurements"]]
    assert len(found) > len(SUITES)
    assert {one["wrong"] for one in found} == {""}
