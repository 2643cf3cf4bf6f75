"""The lake and PostgreSQL, one of which does not answer: the other has the rows, and both have them in the end."""

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
from penstock.entrypoints.cli.main import main
from penstock.model.faults import VARIABLE

PIPELINE = """
import penstock as ps

till = ps.Pipeline(
    "till",
    trigger=ps.upload("landing/{day:%Y-%m-%d}.csv"),
    source=ps.csv(columns={"till": "VARCHAR", "price": "DECIMAL(8,2)"}),
)
till.load("source", to=[DESTINATIONS], table="sales")
"""
ORDERS = ["ps.lake(), ps.postgres('warehouse')", "ps.postgres('warehouse'), ps.lake()"]
ROOT = Path(__file__).parents[2]
NOBODY = "postgresql://nobody@127.0.0.1:1/none"


@pytest.fixture(params=ORDERS)
def shop(request, tmp_path, monkeypatch) -> Path:
    """A project with a file that is to go to both; PostgreSQL does not answer, and is asked twice."""
    create(tmp_path / "shop", "minimal")
    (tmp_path / "shop/pipelines/sales.py").write_text(PIPELINE.replace("DESTINATIONS", request.param))
    (tmp_path / "2024-03-04.csv").write_text("till,price\n7,1.50\n8,2.50\n")
    monkeypatch.setenv("PENSTOCK_WAREHOUSE_URL", NOBODY)
    monkeypatch.setenv("PENSTOCK_RETRY_ATTEMPTS", "2")
    monkeypatch.setenv("PENSTOCK_RETRY_FIRST_SECONDS", "0.01")
    return tmp_path / "shop"


@pytest.fixture
def penstock(shop, capsys):
    def call(*words: str | Path) -> tuple[int, str]:
        capsys.readouterr()
        code = main([*map(str, words), "--project", str(shop)])
        return code, capsys.readouterr().out

    call.ran = call("run", "till", shop.parent / "2024-03-04.csv", "--json")
    return call


def last(printed: str) -> dict[str, object]:
    return json.loads(printed.splitlines()[-1])


def test_what_the_other_has_is_loaded(penstock):
    code, printed = penstock.ran
    told = last(printed)
    assert (code, told["state"], told["loaded"]) == (1, "dead", {"sales": 2})
    assert last(penstock("query", "select count(*) as n from sales", "--json")[1]) == {"n": 2}


def test_the_status_says_what_is_missing(penstock):
    _, printed = penstock("status")
    assert "E302" in printed


def test_both_have_it_in_the_end(penstock, postgres, monkeypatch):
    monkeypatch.setenv("PENSTOCK_WAREHOUSE_URL", postgres)
    code, printed = penstock("redrive", "--json")
    assert (code, last(printed)["loaded"]) == (0, {"sales": 2})
    assert last(penstock("query", "select count(*) as n from sales", "--json")[1]) == {"n": 2}
    with psycopg.connect(postgres) as connection:
        assert connection.execute("SELECT count(*) FROM sales").fetchall() == [(2,)]
    assert penstock("verify")[0] == 0


EDITED = """
@till.step
def doubled(source):
    return source.sql("SELECT till, CAST(price * 2 AS DECIMAL(8,2)) AS price FROM source")


till.load("doubled", to="""


def edit(shop: Path) -> None:
    """Another definition of the same table."""
    pipeline = shop / "pipelines/sales.py"
    pipeline.write_text(pipeline.read_text().replace('till.load("source", to=', EDITED))


def prices(penstock, postgres: str) -> list[list[str]]:
    """What the lake and PostgreSQL hold."""
    told = penstock("query", "select cast(price as varchar) as price from sales order by till", "--json")[
        1
    ].splitlines()
    with psycopg.connect(postgres) as connection:
        rows = connection.execute("SELECT price FROM sales ORDER BY till").fetchall()
    return [[json.loads(line)["price"] for line in told], [str(row[0]) for row in rows]]


def test_a_definition_that_is_edited_before_both_have_it_reaches_both(penstock, shop, postgres, monkeypatch):
    edit(shop)
    monkeypatch.setenv("PENSTOCK_WAREHOUSE_URL", postgres)
    code, printed = penstock("redrive", "--json")
    assert (code, last(printed)["loaded"]) == (0, {"sales": 2})
    assert prices(penstock, postgres) == [["3.00", "5.00"]] * 2
    assert penstock("verify")[0] == 0
    assert "another definition" not in penstock("doctor")[1]


@pytest.mark.faults
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("crash", ["load.after:1", "load.before:2", "load.after:2"])
def test_killed_between_the_two_and_edited_meanwhile(tmp_path, capsys, postgres, monkeypatch, order, crash):
    shop = tmp_path / "shop"
    create(shop, "minimal")
    (shop / "pipelines/sales.py").write_text(PIPELINE.replace("DESTINATIONS", order))
    (tmp_path / "2024-03-04.csv").write_text("till,price\n7,1.50\n8,2.50\n")
    monkeypatch.setenv("PENSTOCK_WAREHOUSE_URL", postgres)
    command = [
        sys.executable,
        "-m",
        "penstock",
        "run",
        "till",
        str(tmp_path / "2024-03-04.csv"),
        "--project",
        str(shop),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), VARIABLE: crash}
    assert subprocess.run(command, env=environment, capture_output=True, check=False).returncode == -signal.SIGKILL

    def penstock(*words: str) -> tuple[int, str]:
        capsys.readouterr()
        return main([*words, "--project", str(shop)]), capsys.readouterr().out

    edit(shop)
    assert penstock("run")[0] == 0
    assert prices(penstock, postgres) == [["3.00", "5.00"]] * 2
    assert penstock("verify")[0] == 0


ALONE = PIPELINE.replace("[DESTINATIONS]", "ps.lake()")


@pytest.fixture
def added(tmp_path, capsys, monkeypatch, postgres):
    """A project whose second destination was added when a file had been loaded to the first."""
    create(tmp_path / "shop", "minimal")
    pipeline = tmp_path / "shop/pipelines/sales.py"
    pipeline.write_text(ALONE)
    (tmp_path / "2024-03-04.csv").write_text("till,price\n7,1.50\n8,2.50\n")

    def call(*words: str) -> tuple[int, str]:
        capsys.readouterr()
        code = main([*words, "--project", str(tmp_path / "shop")])
        return code, capsys.readouterr().out

    assert call("run", "till", str(tmp_path / "2024-03-04.csv"))[0] == 0
    assert "another definition" not in call("doctor")[1]
    monkeypatch.setenv("PENSTOCK_WAREHOUSE_URL", postgres)
    pipeline.write_text(PIPELINE.replace("DESTINATIONS", ORDERS[0]))
    return call


def test_a_destination_that_was_added_knows_nothing_and_verify_says_what_to_do(added):
    code, printed = added("verify")
    assert code == 4
    assert "not_loaded: postgres:warehouse landing/2024-03-04.csv: generation 1 is not there" in printed
    assert "fix  penstock run till landing/2024-03-04.csv --reload" in printed


def test_doctor_says_what_was_loaded_under_another_definition(added):
    code, printed = added("doctor")
    assert code == 0
    assert "1 of 1 deliveries of till were loaded under another definition" in printed
    assert "fix  penstock run till --reload" in printed
    assert added("run", "till", "--reload")[0] == 0
    assert "another definition" not in added("doctor")[1]
    assert added("verify")[0] == 0
