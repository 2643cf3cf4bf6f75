"""A run of which PostgreSQL refuses rows, killed at each boundary of its way: the next one comes to the same end.

Every row is there once or in quarantine once, the lake and the database hold the same, and nothing is left in staging.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from penstock.entrypoints.cli.init import create
from penstock.model.faults import VARIABLE

pytestmark = pytest.mark.faults

SOURCE = Path(__file__).parents[2] / "src"
PLACES = ("postgres.rehearsed", "refused.before_record", "refused.after_record")
"""Those that only such a run passes."""
REFUSING = (
    *PLACES,
    "prepare.before_record:2",
    "prepare.after_record:2",
    "load.before:2",
    "postgres.before_commit",
    "postgres.after_commit",
    "load.after",
    "load.after:2",
    "lake.before_flip",
    "load.before_record",
    "load.after_record",
    "publish.before_record",
    "publish.after_record",
)
HEALING = (
    "claimed",
    "prepare.after_record",
    "postgres.before_commit",
    "load.after",
    "load.after_record",
    "ledger.after_commit:3",
)
PIPELINE = """
import penstock as ps

sales = ps.Pipeline(
    "sales",
    trigger=ps.upload("landing/{day}.csv"),
    source=ps.csv(columns={"item": "VARCHAR", "price": "DECIMAL(8,2)"}),
)
sales.load("source", to=[ps.lake(), ps.postgres("warehouse")], table="sales")
"""
REASON = "Refused by warehouse: CHECK positive of table sales"


class Shop:
    """A project whose table has a CHECK that two of its rows fail; each command is a process of its own."""

    def __init__(self, folder: Path, url: str) -> None:
        create(folder, "minimal")
        (folder / "pipelines/sales.py").write_text(PIPELINE)
        self.folder, self.url = folder, url
        self.deliver("mon", "tea,1.50")
        assert self("run").returncode == 0
        self.database("ALTER TABLE sales ADD CONSTRAINT positive CHECK (price > 0)")
        self.deliver("tue", "bun,2.50", "pie,-1", "cake,-3", "ham,4")

    def deliver(self, day: str, *rows: str) -> None:
        path = self.folder / f"landing/{day}.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(["item,price", *rows, ""]))

    def database(self, statement: str) -> list[tuple]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def __call__(self, *words: str, crash_at: str = "") -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ, "PYTHONPATH": str(SOURCE), VARIABLE: crash_at, "PENSTOCK_WAREHOUSE_URL": self.url,
            "PENSTOCK_RETRY_DEATHS": "100", "PENSTOCK_RETRY_ATTEMPTS": "100",
        }  # fmt: skip
        command = [sys.executable, "-m", "penstock", *words, "--project", str(self.folder), "--json"]
        return subprocess.run(command, env=environment, check=False, capture_output=True, text=True, timeout=120)

    def killed(self, *words: str, at: str) -> None:
        assert self(*words, crash_at=at).returncode == -signal.SIGKILL

    def json(self, *words: str) -> list[dict]:
        return [json.loads(line) for line in self(*words).stdout.splitlines()]

    def holds(self) -> list[str]:
        """The items, which the lake and the database have in common."""
        found = [item for (item,) in self.database("SELECT item FROM sales ORDER BY item")]
        assert [row["item"] for row in self.json("query", "SELECT item FROM sales ORDER BY item")] == found
        assert self("verify").returncode == 0
        assert [path for path in (self.folder / "staging").rglob("*") if path.is_file()] == []
        return found

    def waiting(self) -> list[tuple[str, int, int, list[str]]]:
        return [(row["slot"], row["line"], row["attempt"], row["reasons"]) for row in self.json("quarantine")]


@pytest.fixture
def shop(tmp_path, postgres) -> Shop:
    return Shop(tmp_path / "shop", postgres)


@pytest.mark.parametrize("place", REFUSING)
def test_a_kill_on_the_way_of_a_run_that_is_refused_in_part(shop, place):
    shop.killed("run", at=place)
    assert shop("run").returncode == 0
    assert shop.holds() == ["bun", "ham", "tea"]
    tries = 2 if place == "publish.after_record" else 1  # that run was over, and the next one tried them again
    assert shop.waiting() == [("landing/tue.csv", line, tries, [REASON]) for line in (3, 4)]


@pytest.mark.parametrize("place", HEALING)
def test_a_kill_while_rows_heal(shop, place):
    assert shop("run").returncode == 0
    shop.database("ALTER TABLE sales DROP CONSTRAINT positive")
    shop.deliver("wed", "egg,1")
    shop.killed("run", at=place)
    assert shop("run").returncode == 0
    assert shop.holds() == ["bun", "cake", "egg", "ham", "pie", "tea"]
    assert shop.waiting() == []


def test_kills_all_the_way(shop):
    """Each process dies a little later than the one before it."""
    for place in (
        "postgres.rehearsed",
        "refused.before_record",
        "refused.after_record",
        "prepare.after_record",
        "load.after",
    ):
        shop.killed("run", at=place)
    assert shop("run").returncode == 0
    assert shop.holds() == ["bun", "ham", "tea"]
    assert len(shop.waiting()) == 2
