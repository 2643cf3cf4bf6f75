"""A process that is killed anywhere on the way from files to what was waiting for them: the next one finishes it."""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.entrypoints.cli.init import create
from penstock.model.faults import VARIABLE
from penstock.wiring.local import open_project

MAKE = runpy.run_path(str(Path(__file__).parents[2] / "examples/banking/make_data.py"))["make"]
TABLES = (
    "clients", "portfolios", "accounts", "transactions", "portfolio_deposits", "portfolio_balances", "client_taxes",
)  # fmt: skip
STORED, RELATED, DERIVED = 4, 5, 8
"""Of the runs: the last that stores a file, the one that relates them, the last transformer."""

PLACES = (
    "accept.before_record", "accept.after_record", f"publish.before_record:{STORED}", f"publish.after_record:{STORED}",
    f"claimed:{RELATED}", f"prepare.staged:{RELATED + 1}", f"prepare.after_durable:{RELATED}",
    f"prepare.after_record:{RELATED}", f"load.after:{RELATED}", f"publish.before_record:{RELATED}",
    f"publish.after_record:{RELATED}", f"load.before:{DERIVED}", f"publish.before_record:{DERIVED}",
)  # fmt: skip


def bank(folder: Path) -> Path:
    create(folder, "banking")
    MAKE(folder / "landing", senders=1, days=1, clients=4, orphans=True)
    return folder


def run(folder: Path, place: str = "") -> int:
    """`penstock run` as a process of its own, killed at a place."""
    environment = {**os.environ, VARIABLE: place}
    command = [sys.executable, "-m", "penstock", "run", "--project", str(folder)]
    return subprocess.run(command, env=environment, check=False, capture_output=True).returncode


def told(folder: Path) -> dict[str, object]:
    """The tables, how many generations each pipeline has, and what does not agree."""
    with open_project(folder) as project:
        found: dict[str, object] = {}
        for name in TABLES:
            rows = project.query(f"SELECT COLUMNS(lambda c: c <> '_row') FROM {name}")[1]
            found[name] = sorted(map(str, rows))
        for name in project.pipelines:
            found[f"{name} generations"] = sum(len(project.ledger.history(slot)) for slot in project.ledger.slots(name))
        return {**found, "differences": list(map(str, project.verify()))}


@pytest.fixture(scope="module")
def wanted(tmp_path_factory) -> dict[str, object]:
    folder = bank(tmp_path_factory.mktemp("whole") / "bank")
    assert run(folder) == 0
    return told(folder)


@pytest.mark.faults
@pytest.mark.parametrize("place", PLACES)
def test_whatever_is_killed_every_key_fires_once(tmp_path, wanted, place):
    folder = bank(tmp_path / "bank")
    assert run(folder, place) == -signal.SIGKILL
    assert run(folder) == 0
    assert told(folder) == wanted
    assert wanted["relations generations"] == wanted["taxes generations"] == 1
