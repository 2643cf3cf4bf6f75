"""The two real days of till exports: every order accounted for, every penny, and nobody's name."""

from __future__ import annotations

import csv
import shutil
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from penstock.wiring.local import Project, open_project

EXAMPLE = Path(__file__).parents[2] / "examples" / "cafe"
ORDERS = {"chesterfield_25-08-2021_09-00-00.csv": 268, "leeds_01-01-2020_09-00-00.csv": 382}


@pytest.fixture(scope="module")
def days(cafe_data: Path) -> list[Path]:
    return sorted(cafe_data.glob("*.csv"))


@pytest.fixture(scope="module")
def shop(days, tmp_path_factory):
    """A project into which both days were loaded."""
    folder = tmp_path_factory.mktemp("real") / "shop"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("fixtures", "__pycache__"))
    with open_project(folder) as project:
        project.run("cafe", project.receive("cafe", *days))
        yield project


@pytest.fixture(scope="module")
def tills(days) -> list[list[str]]:
    """What the tills wrote, read by another program."""
    return [record for day in days for record in csv.reader(day.read_text(encoding="utf-8").splitlines())]


def rows(project: Project, sql: str) -> list[tuple]:
    return list(project.query(sql)[1])


def test_every_order_is_accounted_for(shop, days):
    read = {
        result.slot.address.rpartition("/")[2]: result.fates for run in shop.ledger.runs() for result in run.results
    }
    assert {name: (fates.read, fates.told) for name, fates in read.items()} == {
        name: (count, count) for name, count in ORDERS.items()
    }


def test_the_items_add_up_to_the_tills_totals(shop, tills):
    ((loaded,),) = rows(shop, "SELECT sum(price) FROM order_items")
    assert loaded == sum(Decimal(record[4]) for record in tills) == Decimal("4060.00")


def test_re_joining_gives_the_source_back(shop, tills):
    found = rows(
        shop,
        "SELECT strftime(ordered_at, '%d/%m/%Y %H:%M'), branch, "
        "string_agg(concat(size, ' ', product, ' - ', price), ', ' ORDER BY line_no), payment "
        "FROM orders JOIN branches USING (branch_id) JOIN order_items USING (order_id) "
        "JOIN products USING (product_id) GROUP BY order_id, ordered_at, branch, payment ORDER BY ALL",
    )
    assert found == sorted((record[0], record[1], record[3], record[5]) for record in tills)


def test_no_name_and_no_card_is_found_outside_the_landing_zone(shop, tills):
    secrets = {value.encode() for record in tills for value in (record[2], record[6]) if value}
    folder = shop.settings.folder
    written = {
        path: _bytes_of(path)
        for path in folder.rglob("*")
        if path.is_file() and "landing" not in path.relative_to(folder).parts
    }
    assert len(written) > 5
    assert len(secrets) > 900
    assert [(path, secret) for path, data in written.items() for secret in secrets if secret in data] == []


def _bytes_of(path: Path) -> bytes:
    """What a file holds; of Parquet also the values, which stand packed in the file."""
    data = path.read_bytes()
    if path.suffix == ".parquet":
        with duckdb.connect() as connection:
            data += repr(connection.execute("FROM read_parquet($1)", [str(path)]).fetchall()).encode()
    return data


def test_split_equals_whole(shop, days):
    trials = list(shop.prove("cafe", days, (1, 2, 7, 64)))
    assert [trial.passed for trial in trials] == [True, True]
