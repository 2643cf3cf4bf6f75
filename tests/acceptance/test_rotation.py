"""The privacy key is rotated as docs/how-to/personal-data.md says: with files of the secret store."""

from __future__ import annotations

import json
import secrets
import shutil
from pathlib import Path

import pytest

from penstock.adapters.duckdb.encryption import decrypt
from penstock.adapters.duckdb.session import Key
from penstock.adapters.secrets import Secrets, privacy_keys
from penstock.entrypoints.cli.init import create
from penstock.entrypoints.cli.main import main

MONDAY, TUESDAY = "sales_2024-03-04.csv", "sales_2024-03-05.csv"
ROWS = "id,sold_on,customer,amount\n1,2024-03-04,Ada Abbott,12.50\n2,2024-03-04,Bilal Baker,7.25\n"


@pytest.fixture(scope="module")
def delivered(tmp_path_factory) -> Path:
    """A project with one file loaded under the first key."""
    folder = tmp_path_factory.mktemp("rotation") / "shop"
    create(folder, "minimal")
    deliver(folder, MONDAY)
    return folder


@pytest.fixture
def shop(delivered, tmp_path) -> Path:
    return Path(shutil.copytree(delivered, tmp_path / "shop", symlinks=True))


def deliver(folder: Path, name: str, *options: str) -> None:
    (folder / name).write_text(ROWS)
    assert main(["run", "sales", str(folder / name), "--project", str(folder), "--json", *options]) == 0


def rotate(folder: Path, new: str = "k2") -> None:
    """The old key under its id, a new one in its place."""
    store = folder / ".penstock/secrets"
    old = (store / "privacy_key").read_text().partition(":")[0]
    (store / "privacy_key").rename(store / f"privacy_key_{old}")
    (store / "privacy_key").write_text(f"{new}:{secrets.token_hex(32)}\n")
    (store / "privacy_key").chmod(0o600)


def customers(folder: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    capsys.readouterr()
    assert main(["query", "select customer from sales order by all", "--project", str(folder), "--json"]) == 0
    return [json.loads(line)["customer"] for line in capsys.readouterr().out.splitlines()]


def key_ids(values: list[str]) -> list[str]:
    return [value.partition(":")[0] for value in values]


def test_new_rows_are_made_with_the_new_key_and_old_ones_stay(shop, capsys):
    before = customers(shop, capsys)
    rotate(shop)
    deliver(shop, TUESDAY)
    after = customers(shop, capsys)
    assert key_ids(after) == ["k1", "k1", "k2", "k2"]
    assert after[:2] == before


def test_a_reload_brings_old_rows_under_the_new_key(shop, capsys):
    rotate(shop)
    deliver(shop, TUESDAY)
    deliver(shop, MONDAY, "--reload")
    after = customers(shop, capsys)
    assert key_ids(after) == ["k2"] * 4
    assert len(set(after)) == 2, "the same customer has one token again"


def test_the_same_file_is_no_new_delivery_because_the_key_is_new(shop, capsys):
    rotate(shop)
    deliver(shop, MONDAY)
    assert key_ids(customers(shop, capsys)) == ["k1", "k1"]


def test_what_the_old_key_encrypted_is_read_with_the_old_key(shop, capsys):
    file = shop / "pipelines/sales.py"
    file.write_text(file.read_text().replace("ps.tokenize()", "ps.encrypt()"))
    deliver(shop, MONDAY, "--reload")
    rotate(shop)
    deliver(shop, TUESDAY)
    keys = privacy_keys(Secrets(shop / ".penstock/secrets", {})).keys
    values = customers(shop, capsys)
    assert key_ids(values) == ["k1", "k1", "k2", "k2"]
    clear = [decrypt(Key(name, keys[name]), value) for name, value in zip(key_ids(values), values, strict=True)]
    assert sorted(clear) == ["Ada Abbott", "Ada Abbott", "Bilal Baker", "Bilal Baker"]


def test_an_entity_whose_key_is_a_token_is_one_row_again_after_a_reload(shop, capsys):
    file = shop / "pipelines/sales.py"
    split = 'sales.normalize("source", sales=ps.entity("customer"))\nsales.load_all(to=ps.lake())\n'
    file.write_text(file.read_text().replace('sales.load("source", to=ps.lake(), table="sales")', split))
    shutil.rmtree(shop / "curated")
    deliver(shop, MONDAY, "--reload")
    rotate(shop)
    deliver(shop, TUESDAY)
    assert key_ids(customers(shop, capsys)) == ["k1", "k1", "k2", "k2"]
    deliver(shop, MONDAY, "--reload")
    assert key_ids(customers(shop, capsys)) == ["k2", "k2"]


def test_two_keys_with_one_id_are_refused(shop, capsys):
    rotate(shop, new="k1")
    (shop / TUESDAY).write_text(ROWS)
    assert main(["run", "sales", str(shop / TUESDAY), "--project", str(shop)]) == 3
    assert "two different privacy keys have the id 'k1'" in capsys.readouterr().err
