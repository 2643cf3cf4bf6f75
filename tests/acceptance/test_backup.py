"""A ledger that is older than the tables: no load is taken for done that is not, and reloads bring both together."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from penstock.entrypoints.cli.init import create
from penstock.entrypoints.cli.main import main

FILE = "landing/sales_2024-03-04.csv"


class Shop:
    """A project on the lake or PostgreSQL, and copies of its ledger."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str], to: str) -> None:
        self.folder, self._capsys = folder, capsys
        create(folder, "minimal")
        pipeline = folder / "pipelines/sales.py"
        pipeline.write_text(pipeline.read_text().replace("ps.lake()", to))
        self.ledger, self.copy = folder / ".penstock/ledger.db", folder.parent / "copy.db"

    def call(self, *words: str) -> tuple[int, list[dict[str, object]]]:
        self._capsys.readouterr()
        code = main([*words, "--project", str(self.folder), "--json"])
        return code, [json.loads(line) for line in self._capsys.readouterr().out.splitlines()]

    def deliver(self, amount: int, *options: str) -> tuple[int, list[dict[str, object]]]:
        (self.folder / FILE).parent.mkdir(exist_ok=True)
        (self.folder / FILE).write_text(f"id,sold_on,customer,amount\n1,2024-03-04,Ada,{amount}\n")
        return self.call("run", "sales", str(self.folder / FILE), *options)

    def keep(self) -> None:
        with closing(sqlite3.connect(self.ledger)) as ledger, closing(sqlite3.connect(self.copy)) as copy:
            ledger.backup(copy)

    def restore(self) -> None:
        for file in self.ledger.parent.glob("ledger.db*"):
            file.unlink()
        self.ledger.write_bytes(self.copy.read_bytes())

    @property
    def amount(self) -> float:
        (row,) = self.call("query", "select amount from sales")[1]
        return float(str(row["amount"]))


@pytest.fixture(params=["ps.lake()", 'ps.postgres("warehouse")'])
def shop(request, tmp_path, capsys, postgres, monkeypatch) -> Shop:
    """The ledger was copied after the first content, and put back after the second."""
    monkeypatch.setenv("PENSTOCK_WAREHOUSE_URL", postgres)
    shop = Shop(tmp_path / "shop", capsys, request.param)
    shop.deliver(100)
    shop.keep()
    shop.deliver(200)
    shop.restore()
    return shop


def test_a_third_content_is_not_taken_for_the_second(shop):
    """All three ledgers would call it generation 2."""
    code, printed = shop.deliver(300)
    assert (code, printed[-1]["errors"][0]["code"], printed[-1]["loaded"]) == (1, "E404", {})
    assert shop.amount == 200


def test_a_reload_brings_ledger_and_tables_together(shop):
    shop.deliver(300)
    assert shop.deliver(300, "--reload")[0] == 0
    assert shop.amount == 300
    assert shop.call("verify")[0] == 0


def test_what_the_tables_hold_already_is_taken_up_again(shop):
    """The landing zone still has what the ledger has forgotten."""
    assert shop.call("run")[0] == 0
    assert shop.amount == 200
    assert shop.call("verify")[0] == 0


def test_a_ledger_that_is_far_behind_needs_more_reloads(shop):
    for amount in (300, 400):
        shop.deliver(amount, "--reload")
    shop.restore()
    codes = [shop.deliver(500, "--reload")[0] for _ in range(4)]
    assert codes[-1] == 0
    assert shop.amount == 500
