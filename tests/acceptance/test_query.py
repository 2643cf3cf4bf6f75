"""Queries over what a run has published."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from penstock.entrypoints.cli.init import create
from penstock.entrypoints.cli.main import main

PIPELINE = """
import penstock as ps

till = ps.Pipeline(
    "till",
    trigger=ps.upload("landing/{day:%Y-%m-%d}.csv"),
    source=ps.csv(columns={"till": "VARCHAR", "sold_at": "TIMESTAMPTZ", "price": "DECIMAL(8,2)"}),
)
till.load("source", to=ps.lake(), table="sales", mode="partition", partition_by=["till"])
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    create(tmp_path / "shop", "minimal")
    (tmp_path / "shop/pipelines/sales.py").write_text(PIPELINE)
    return tmp_path / "shop"


def query(folder: Path, sql: str, capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    capsys.readouterr()
    assert main(["query", sql, "--project", str(folder), "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_partition_column_is_there_as_it_was_declared(shop, capsys):
    (shop / "2024-03-04.csv").write_text("till,sold_at,price\n007,2024-03-04T09:00:00+01:00,1.50\n,,\n")
    assert main(["run", "till", str(shop / "2024-03-04.csv"), "--project", str(shop)]) == 0
    assert query(shop, "select till, sold_at, price from sales order by till", capsys) == [
        {"till": "007", "sold_at": "2024-03-04T08:00:00+00:00", "price": 1.50},
        {"till": None, "sold_at": None, "price": None},
    ]


def test_a_table_without_rows_is_there(shop, capsys):
    (shop / "2024-03-04.csv").write_text("till,sold_at,price\n")
    assert main(["run", "till", str(shop / "2024-03-04.csv"), "--project", str(shop)]) == 0
    assert query(shop, "select count(*) as n from sales", capsys) == [{"n": 0}]
