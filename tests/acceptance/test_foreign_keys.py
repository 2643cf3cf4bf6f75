"""The café in PostgreSQL with its references as constraints, because the project's settings say so."""

from __future__ import annotations

import runpy
from pathlib import Path

import psycopg
import pytest

from penstock.entrypoints.cli.init import create
from penstock.entrypoints.cli.main import main

MAKE = Path(__file__).parents[2] / "examples/cafe/make_data.py"
CONSTRAINTS = "SELECT conrelid::regclass::text, confrelid::regclass::text FROM pg_constraint WHERE contype = 'f'"
DECLARED = {("orders", "branches"), ("order_items", "orders"), ("order_items", "products")}


@pytest.fixture
def shop(tmp_path, postgres, monkeypatch) -> Path:
    """A café whose day has been loaded without constraints."""
    monkeypatch.setenv("PENSTOCK_WAREHOUSE_URL", postgres)
    create(tmp_path / "shop", "cafe")
    runpy.run_path(str(MAKE))["make"](tmp_path / "shop/landing", days=1, orders=20)
    assert main(["run", "--project", str(tmp_path / "shop")]) == 0
    return tmp_path / "shop"


@pytest.fixture
def watched(shop) -> Path:
    """The same after a load under `foreign_keys = true`."""
    with (shop / "pyproject.toml").open("a") as file:
        file.write("\n[tool.penstock.destinations.warehouse]\nforeign_keys = true\n")
    [till] = (shop / "landing").glob("leeds_*.csv")
    assert main(["run", "cafe", str(till), "--reload", "--project", str(shop)]) == 0
    return shop


def test_there_are_no_constraints_until_a_project_asks(shop, postgres):
    with psycopg.connect(postgres) as connection:
        assert connection.execute(CONSTRAINTS).fetchall() == []


def test_the_next_load_declares_every_reference(watched, postgres):
    with psycopg.connect(postgres) as connection:
        assert set(connection.execute(CONSTRAINTS).fetchall()) == DECLARED


def test_an_orphan_written_by_hand_is_refused(watched, postgres):
    orphan = "INSERT INTO orders (order_id, branch_id, ordered_at) VALUES (1, 1, now())"
    with psycopg.connect(postgres, autocommit=True) as connection:
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            connection.execute(orphan)
        assert connection.execute("SELECT count(*) FROM orders").fetchall() == [(40,)]


def test_a_withdrawn_day_goes_with_all_that_refers_to_it(watched, postgres):
    [till] = (watched / "landing").glob("leeds_*.csv")
    assert main(["withdraw", "cafe", f"landing/{till.name}", "--project", str(watched)]) == 0
    with psycopg.connect(postgres) as connection:
        assert connection.execute("SELECT count(*) FROM orders").fetchall() == [(20,)]
        assert connection.execute("SELECT branch FROM branches").fetchall() == [("Chesterfield",)]
