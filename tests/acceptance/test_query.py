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


# --- versions ----------------------------------------------------------------------------------------------------


def deliver(shop: Path, day: int, *prices: str) -> None:
    file = shop / f"2024-03-{day:02}.csv"
    file.write_text("till,sold_at,price\n" + "".join(f"{day},2024-03-04T09:00:00Z,{price}\n" for price in prices))
    assert main(["run", "till", str(file), "--project", str(shop)]) == 0


def penstock(shop: Path, *words: str) -> int:
    return main([*words, "--project", str(shop), "--json"])


def test_only_the_partition_that_is_asked_for_is_opened(shop, capsys):
    for day in (1, 2, 3):
        deliver(shop, day, "1.50")
    capsys.readouterr()
    assert penstock(shop, "query", "--explain", "select sum(price) from sales where till = '2'") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["files_read"], found["files"], found["tables"]) == (1, 3, ["sales"])
    assert 0 < found["bytes_read"] < found["bytes"]


def test_a_version_that_was_brought_back_is_what_a_query_sees(shop, capsys):
    deliver(shop, 1, "1.50")
    deliver(shop, 1, "2.50")
    assert penstock(shop, "publish", "till", "1") == 0
    assert query(shop, "select price from sales", capsys) == [{"price": 1.50}]
    assert penstock(shop, "verify") == 0
    deliver(shop, 1, "3.50")
    assert query(shop, "select price from sales", capsys) == [{"price": 1.50}]
    assert penstock(shop, "publish", "till", "newest") == 0
    assert query(shop, "select price from sales", capsys) == [{"price": 3.50}]


def test_a_person_s_choice_of_a_version_is_an_event(shop, capsys):
    deliver(shop, 1, "1.50")
    deliver(shop, 1, "2.50")
    assert penstock(shop, "publish", "till", "1") == 0
    capsys.readouterr()
    assert penstock(shop, "logs", "till") == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told | {"event": "version_published", "version": 1, "before": 2, "newest": 2, "by": "publish"} == told


@pytest.mark.parametrize("words", [("publish", "till", "0"), ("publish", "till", "9"), ("publish", "tull")])
def test_a_version_that_is_not_there_is_refused(shop, capsys, words):
    deliver(shop, 1, "1.50")
    assert penstock(shop, *words) == 2
    assert '"fix"' in capsys.readouterr().out


@pytest.mark.parametrize("name", ["1", "till@1"])
def test_an_older_version_can_be_queried(shop, capsys, name):
    deliver(shop, 1, "1.50")
    deliver(shop, 1, "2.50")
    capsys.readouterr()
    assert penstock(shop, "query", "--version", name, "select price from sales") == 0
    assert json.loads(capsys.readouterr().out) == {"price": 1.50}
