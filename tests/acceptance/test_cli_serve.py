"""`serve` and `dev` as real processes: files arrive, definitions are edited, signals end them."""

from __future__ import annotations

import json
import os
import queue
import runpy
import signal
import ssl
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.support.certificates import Authority

from penstock.entrypoints.cli.init import create
from penstock.entrypoints.cli.main import main

ROOT = Path(__file__).parents[2]
LEEDS = "leeds_04-03-2024_09-00-00.csv"
PATIENCE = 30


class Service:
    """A running command and the JSON lines that it prints."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.facts: dict[str, Any] = {}
        self._records: queue.Queue[dict[str, Any]] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self._records.put(json.loads(line))

    def until(self, event: str, **facts: Any) -> dict[str, Any]:
        """The next line of that event; `queue.Empty` when none comes."""
        while True:
            record = self._records.get(timeout=PATIENCE)
            if record["event"] == event and facts.items() <= record.items():
                return record

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return code


@contextmanager
def service(folder: Path, *words: str) -> Iterator[Service]:
    command = [sys.executable, "-m", "penstock", *words, "--json", "--project", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as process:
        try:
            running = Service(process)
            running.facts = running.until("serving")
            yield running
        finally:
            if process.poll() is None:
                process.kill()


@pytest.fixture
def shop(tmp_path) -> Path:
    create(tmp_path / "shop", "cafe")
    return tmp_path / "shop"


def deliver(folder: Path, *, seed: int = 1) -> None:
    """A till's file, written aside and renamed into the landing zone."""
    make = runpy.run_path(str(ROOT / "examples/cafe/make_data.py"))["make"]
    make(folder / "landing", days=1, orders=20, seed=seed)


@pytest.mark.parametrize("words", [("serve",), ("serve", "--workers", "2"), ("dev",)])
def test_a_file_that_lands_is_loaded(shop, words):
    with service(shop, *words) as running:
        deliver(shop)
        assert running.until("generation_loaded", subject=f"landing/{LEEDS}")["rows"]["orders"] == 20
        assert running.end() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_gracefully(shop, number):
    with service(shop, "serve") as running:
        assert running.end(number) == 0


def test_a_command_beside_it_speaks_to_the_same_ledger(shop, capsys):
    with service(shop, "serve") as running:
        deliver(shop)
        running.until("generation_loaded", subject=f"landing/{LEEDS}")
        assert main(["status", "--json", "--project", str(shop)]) == 0
        assert json.loads(capsys.readouterr().out.splitlines()[0])["run"]
        assert running.end() == 0


def test_an_edit_is_loaded_and_a_mistake_is_not(shop):
    file = shop / "pipelines/cafe.py"
    with service(shop, "dev") as running:
        good = file.read_text()
        file.write_text(good.replace("ps.tokenize(", "ps.tokenise("))
        assert running.until("error")["fix"] == "did you mean 'tokenize'?"
        file.write_text(good.replace('"cafe"', '"coffee"', 1))
        assert running.until("serving", word="reloaded")["pipelines"] == ["coffee"]
        assert running.end() == 0


ANSWERING = """
import penstock as ps

sheets = ps.Pipeline("sheets", trigger=ps.upload("landing/{day}.csv"), source=ps.csv(columns={"hours": "BIGINT"}))
sheets.load("source", to=ps.lake(), table="sheets")
sheets.endpoint("/hours", table="sheets", columns=["hours"], public=True)
"""


@pytest.mark.parametrize("word", ["serve", "dev"])
def test_it_answers_over_tls(tmp_path, word):
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines/sheets.py").write_text(ANSWERING)
    (tmp_path / "pyproject.toml").write_text('[tool.penstock]\nproject = "sheets"\n[tool.penstock.server]\nport = 0\n')
    authority = Authority(tmp_path / "tls")
    pair = authority.issue("127.0.0.1")
    files = ("--tls-cert", os.path.relpath(pair.cert), "--tls-key", os.path.relpath(pair.key))
    trust = ssl.create_default_context(cafile=authority.cert)
    with service(tmp_path, word, *files) as running:
        with urllib.request.urlopen(f"{running.facts['url']}/hours", context=trust, timeout=30) as response:  # noqa: S310
            assert json.load(response) == {"response": []}
        assert running.end() == 0


def test_a_certificate_that_is_not_there_ends_it_before_anything_starts(tmp_path, capsys):
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines/sheets.py").write_text(ANSWERING)
    (tmp_path / "pyproject.toml").write_text('[tool.penstock]\nproject = "sheets"\n')
    assert main(["serve", "--port", "0", "--tls-cert", "nowhere.pem", "--project", str(tmp_path)]) == 3
    assert "the TLS certificate cannot be read" in capsys.readouterr().err
