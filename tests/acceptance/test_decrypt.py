"""Encrypted values are read back by those who hold the key, and by nobody else."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

import pytest

from penstock.entrypoints.cli.init import create
from penstock.entrypoints.cli.main import main

PIPELINE = """
import os
import penstock as ps

members = ps.Pipeline(
    "members",
    trigger=ps.upload("landing/members_{day}.csv"),
    source=ps.csv(columns={"id": "BIGINT", "email": "VARCHAR", "card": "VARCHAR"}),
    privacy={"email": ps.encrypt(), "card": ps.tokenize(keep_last=4)},
)
to = [ps.postgres("warehouse")] if "PENSTOCK_WAREHOUSE_URL" in os.environ else [ps.lake()]
members.load("source", to=to, table="members")
"""
MAILS = {1: "ada@example.org", 2: None, 3: "Zoë <zoë@example.org>"}
SELECT = "select id, email, card from members order by id"


def create_shop(folder: Path) -> Path:
    create(folder / "shop", "minimal")
    (folder / "shop/pipelines/sales.py").write_text(PIPELINE)
    return deliver(folder / "shop", "a")


def deliver(shop: Path, day: str) -> Path:
    file = shop.parent / f"members_{day}.csv"
    rows = (f"{member},{mail or ''},5555444433332222" for member, mail in MAILS.items())
    file.write_text("\n".join(["id,email,card", *rows]) + "\n", encoding="utf-8")
    assert main(["run", "members", str(file), "--project", str(shop), "--json"]) == 0
    return shop


@pytest.fixture
def query(capsys):
    """A query's exit code and its lines as records."""

    def call(shop: Path, *words: str):
        capsys.readouterr()
        code = main(["query", SELECT, *words, "--project", str(shop), "--json"])
        return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return call


@pytest.fixture
def shop(tmp_path) -> Path:
    return create_shop(tmp_path)


def test_a_column_is_printed_in_clear_text(shop, query):
    assert {row["id"]: row["email"] for row in query(shop, "--decrypt", "email")[1]} == MAILS


def test_without_being_asked_nothing_is_decrypted(shop, query):
    found = {row["id"]: row["email"] for row in query(shop)[1]}
    assert found[2] is None
    assert all(found[member].startswith("k1:") and "@" not in found[member] for member in (1, 3))


def test_it_is_read_back_from_postgresql_too(tmp_path, query, postgres, monkeypatch):
    monkeypatch.setenv("PENSTOCK_WAREHOUSE_URL", postgres)
    shop = create_shop(tmp_path)
    assert {row["id"]: row["email"] for row in query(shop, "--decrypt", "email", "--in", "warehouse")[1]} == MAILS


def test_every_value_is_opened_by_the_key_that_made_it(shop, query):
    store = shop / ".penstock/secrets"
    (store / "privacy_key").rename(store / "privacy_key_k1")
    (store / "privacy_key").write_text(f"k2:{secrets.token_hex(32)}\n")
    deliver(shop, "b")
    assert {row["email"][:3] for row in query(shop)[1] if row["email"]} == {"k1:", "k2:"}
    assert {row["email"] for row in query(shop, "--decrypt", "email")[1]} == set(MAILS.values())


def test_without_its_key_a_value_stays_closed(shop, query):
    (shop / ".penstock/secrets/privacy_key").write_text(f"k2:{secrets.token_hex(32)}\n")
    code, printed = query(shop, "--decrypt", "email")
    assert (code, printed[-1]["code"], printed[-1]["at"]) == (3, "E501", "column email")
    assert "privacy_key_k1" in printed[-1]["fix"]


def test_another_key_of_the_same_id_does_not_open_it(shop, query):
    (shop / ".penstock/secrets/privacy_key").write_text(f"k1:{secrets.token_hex(32)}\n")
    code, printed = query(shop, "--decrypt", "email")
    assert (code, printed[-1]["code"]) == (2, "E001")


def test_without_any_key_none_is_made(shop, query):
    (shop / ".penstock/secrets/privacy_key").unlink()
    code, printed = query(shop, "--decrypt", "email")
    assert (code, printed[-1]["code"]) == (3, "E501")
    assert not (shop / ".penstock/secrets/privacy_key").exists()


@pytest.mark.parametrize("column", ["card", "id"])
def test_what_is_not_encrypted_is_not_decrypted(shop, query, column):
    code, printed = query(shop, "--decrypt", column)
    assert (code, printed[-1]["at"]) == (2, f"column {column}")
    assert "2222" not in json.dumps(printed)


def test_an_unknown_column_names_the_nearest(shop, query):
    code, printed = query(shop, "--decrypt", "emial")
    assert (code, "email" in printed[-1]["fix"]) == (2, True)
