"""API keys: what is kept does not open anything."""

from __future__ import annotations

import json
import stat

import pytest

from penstock.adapters.keys import FILE, Keys
from penstock.entrypoints.cli.init import create
from penstock.entrypoints.cli.main import main
from penstock.errors import UnknownName, UsageError


def test_a_key_is_its_own(tmp_path):
    keys = Keys(tmp_path)
    text = keys.create("till", ("/sales",))
    found = keys.verify(text)
    assert (found.name, found.allow) == ("till", ("/sales",))


def test_only_a_hash_is_kept_and_only_its_owner_reads_it(tmp_path):
    text = Keys(tmp_path).create("till")
    kept = (tmp_path / FILE).read_text()
    assert text.split("_", 2)[2] not in kept
    assert "$argon2id$" in kept
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "change", [str.upper, lambda text: text + "x", lambda text: text[:-1], lambda text: "é" + text]
)
def test_a_key_that_is_nearly_right_is_wrong(tmp_path, change):
    keys = Keys(tmp_path)
    text = keys.create("till")
    assert keys.verify(text)
    assert keys.verify(change(text)) is None


@pytest.mark.parametrize("text", ["", "penstock", "penstock__", "penstock_x_y", "x" * 10_000])
def test_what_is_no_key_is_wrong(tmp_path, text):
    keys = Keys(tmp_path)
    keys.create("till")
    assert keys.verify(text) is None


def test_another_process_sees_that_a_key_is_revoked(tmp_path):
    keys = Keys(tmp_path)
    text = keys.create("till")
    assert keys.verify(text)
    Keys(tmp_path).revoke("till")
    assert keys.verify(text) is None


def test_names_are_used_once(tmp_path):
    keys = Keys(tmp_path)
    keys.create("till")
    with pytest.raises(UsageError, match="already"):
        keys.create("till")


def test_an_unknown_name_says_which_is_near(tmp_path):
    keys = Keys(tmp_path)
    keys.create("till")
    with pytest.raises(UnknownName) as caught:
        keys.revoke("tell")
    assert caught.value.fix == "did you mean 'till'?"


@pytest.fixture
def shop(tmp_path):
    create(tmp_path / "shop", "minimal")
    return tmp_path / "shop"


def test_the_command_prints_a_key_once(shop, capsys):
    words = ["--project", str(shop), "--json"]
    assert main(["key", "create", "till", *words]) == 0
    made = json.loads(capsys.readouterr().out)
    assert Keys(shop / ".penstock").verify(made["key"]).name == "till"
    assert main(["key", *words]) == 0
    assert json.loads(capsys.readouterr().out).keys() == {"name", "allow", "created_at"}
    assert main(["key", "revoke", "till", *words]) == 0
    assert Keys(shop / ".penstock").all() == []


def test_the_command_knows_the_paths(shop, capsys):
    assert main(["key", "create", "till", "--allow", "/sales", "--project", str(shop)]) == 2
    assert "there is no path '/sales'" in capsys.readouterr().err


def test_a_key_needs_a_name(shop, capsys):
    assert main(["key", "create", "--project", str(shop)]) == 2
    assert "penstock key create NAME" in capsys.readouterr().err


def test_a_key_is_remembered_once_it_was_checked_until_the_file_changes(tmp_path):
    keys = Keys(tmp_path)
    text = keys.create("till")
    assert keys.remembered(text) is None
    assert keys.verify(text) == keys.remembered(text)
    assert keys.remembered(text + "x") is keys.remembered("é") is None
    keys.create("desk")
    assert keys.remembered(text) is None
