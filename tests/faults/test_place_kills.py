"""Commands killed with SIGKILL where the café never passes: catalog, a step's boundary, sources that are pulled.

Whoever runs next finishes the work: every row is there once, and nothing is left in staging.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from penstock.entrypoints.cli.init import create
from penstock.model.faults import VARIABLE

pytestmark = pytest.mark.faults

SOURCE = Path(__file__).parents[2] / "src"
CATALOG = ("catalog.before_record", "catalog.after_record")
BOUNDARY = ("prepare.kept", "halfway.before_record", "halfway.after_record")
FIRING = ("fire.fetched", "fire.landed", "fire.before_record", "fire.after_record")
TICKING = ("fire.due", "fire.recorded")
PLACES = (*CATALOG, *BOUNDARY, *FIRING, *TICKING)
ROWS = "id,amount\n" + "".join(f"{number},{number}.50\n" for number in range(1, 41))

DELIVERED = """
import penstock as ps

sales = ps.Pipeline(
    "sales",
    trigger=ps.upload("landing/sales_{day}.csv"),
    source=ps.csv(columns={"id": "BIGINT", "amount": "DECIMAL(8,2)"}),
)


@sales.step(boundary=True)
def clean(source):
    return source.sql("SELECT id, amount FROM source")


sales.load("clean", to=ps.lake(), table="sales")
"""
PULLED = """
import penstock as ps

sales = ps.Pipeline(
    "sales",
    trigger=ps.every(TICK),
    source=ps.http("URL", ps.csv(columns={"id": "BIGINT", "amount": "DECIMAL(8,2)"})),
)
sales.load("source", to=ps.lake(), table="sales", mode="replace")
"""


class Feed(BaseHTTPRequestHandler):
    """The same rows for whoever asks."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(ROWS)))
        self.end_headers()
        self.wfile.write(ROWS.encode())

    def log_message(self, *_: object) -> None:
        """Not to the test's output."""


@pytest.fixture
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Feed) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/sales.csv"
        server.shutdown()
        thread.join()


def shop(folder: Path, pipeline: str) -> Path:
    create(folder / "shop", "minimal")
    (folder / "shop/pipelines/sales.py").write_text(pipeline)
    (folder / "shop/landing").mkdir(exist_ok=True)
    return folder / "shop"


def penstock(project: Path, *words: str, crash_at: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), VARIABLE: crash_at}
    command = [sys.executable, "-m", "penstock", *words, "--project", str(project), "--json"]
    return subprocess.run(command, env=environment, check=False, capture_output=True, text=True, timeout=60)


def loaded(project: Path) -> dict[str, object]:
    sql = "select count(*) as rows, count(distinct id) as ids, sum(amount) as amount from sales"
    return dict(json.loads(penstock(project, "query", sql).stdout))


ALL = {"rows": 40, "ids": 40, "amount": 840.0}


@pytest.mark.parametrize("place", BOUNDARY)
def test_a_kill_at_the_boundary_of_a_step(tmp_path, place):
    project = shop(tmp_path, DELIVERED)
    (project / "landing/sales_1.csv").write_text(ROWS)
    assert penstock(project, "run", "sales", crash_at=place).returncode == -signal.SIGKILL
    assert penstock(project, "run", "sales").returncode == 0
    assert loaded(project) == ALL
    assert [path for path in (project / "staging").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("place", CATALOG)
def test_a_kill_at_the_catalog(tmp_path, place):
    """Every drift is told once, whatever was cut off."""
    project = shop(tmp_path, DELIVERED.replace("source=ps", "catalog=True,\n    source=ps"))
    for name, text in (("1", ROWS), ("2", "id,amount,till\n41,0,7\n")):
        (project / f"landing/sales_{name}.csv").write_text(text)
        assert penstock(project, "run", "sales", crash_at=place).returncode == -signal.SIGKILL
        penstock(project, "run", "sales")
    assert loaded(project) == ALL
    events = [json.loads(line) for line in penstock(project, "logs", "-n", "0").stdout.splitlines()]
    assert [event["column"] for event in events if event["event"] == "schema_drifted"] == ["till"]


@pytest.mark.parametrize("place", FIRING)
def test_a_kill_while_a_source_is_pulled(tmp_path, url, place):
    project = shop(tmp_path, PULLED.replace("URL", url).replace("TICK", "hours=1"))
    assert penstock(project, "run", "sales", crash_at=place).returncode == -signal.SIGKILL
    assert penstock(project, "run", "sales").returncode == 0
    assert loaded(project) == ALL


@pytest.mark.parametrize("place", TICKING)
def test_a_kill_when_a_schedule_is_due(tmp_path, url, place):
    project = shop(tmp_path, PULLED.replace("URL", url).replace("TICK", "seconds=1"))
    assert penstock(project, "serve", crash_at=place).returncode == -signal.SIGKILL
    assert penstock(project, "run", "sales").returncode == 0
    assert loaded(project) == ALL
