"""Secrets: where they come from, how they are kept, and the keys of privacy marks."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from penstock.adapters.secrets import Secrets, destination_url, dotenv, privacy_keys
from penstock.errors import MissingSecret, SetupError
from penstock.model.settings import Place, Settings
from penstock.wiring.settings import open_secrets

OLD, NEW = "ab" * 32, "cd" * 32


def store(folder: Path, variables: dict[str, str] | None = None, **files: str) -> Secrets:
    folder.mkdir(mode=0o700, exist_ok=True)
    for name, value in files.items():
        (folder / name).write_text(value + "\n")
        (folder / name).chmod(0o600)
    return Secrets(folder, variables or {})


def test_the_environment_is_asked_first(tmp_path):
    secrets = store(tmp_path, {"PENSTOCK_SECRET_SMTP": "from the environment"}, smtp="from the file")
    assert secrets.get("smtp") == "from the environment"


def test_a_file_is_asked_second(tmp_path):
    assert store(tmp_path, {"PENSTOCK_SECRET_SMTP": ""}, smtp="from the file").get("smtp") == "from the file"


def test_a_missing_secret_says_how_to_give_it(tmp_path):
    with pytest.raises(MissingSecret) as caught:
        store(tmp_path).get("smtp")
    assert "PENSTOCK_SECRET_SMTP" in caught.value.fix


@pytest.mark.parametrize("name", ["../etc/passwd", "Smtp", "", ".hidden", "a b"])
def test_a_name_cannot_leave_the_store(tmp_path, name):
    with pytest.raises(SetupError, match="cannot name a secret"):
        store(tmp_path).find(name)


def test_dotenv_counts_on_local_only(tmp_path):
    (tmp_path / ".env").write_text('PENSTOCK_SECRET_SMTP="quoted # value" \nPENSTOCK_SECRET_TOKEN=plain # comment\n')
    local = Settings(folder=tmp_path, store=tmp_path / ".penstock")
    prod = Settings(folder=tmp_path, store=tmp_path / ".penstock", environment="prod")
    assert [open_secrets(local, {}).find(name) for name in ("smtp", "token")] == ["quoted # value", "plain"]
    assert open_secrets(prod, {}).find("smtp") is None


def test_dotenv_that_is_no_text_says_so(tmp_path):
    (tmp_path / ".env").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SetupError, match=r"\.env"):
        dotenv(tmp_path / ".env")


def test_kept_secrets_are_for_their_owner_only(tmp_path):
    secrets = Secrets(tmp_path / "store/secrets", {})
    secrets.keep("token", "value")
    assert stat.S_IMODE((tmp_path / "store/secrets/token").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "store/secrets").stat().st_mode) == 0o700
    assert [path.name for path in (tmp_path / "store/secrets").iterdir()] == ["token"]


def test_the_first_value_stands(tmp_path):
    secrets = Secrets(tmp_path / "secrets", {})
    assert [secrets.keep("token", "first"), secrets.keep("token", "second")] == ["first", "first"]


def test_exposed_files_are_found(tmp_path):
    secrets = store(tmp_path / "secrets", token="x")
    assert secrets.exposed() == []
    (tmp_path / "secrets/token").chmod(0o644)
    assert secrets.exposed() == [tmp_path / "secrets/token"]


def test_the_first_privacy_key_is_made_once(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: privacy_keys(Secrets(tmp_path / "s", {}), generate=True).key, range(16)))
    assert len(set(made)) == 1
    assert len(made[0]) == 32


def test_no_key_is_made_where_none_may_be(tmp_path):
    with pytest.raises(MissingSecret, match="privacy_key"):
        privacy_keys(store(tmp_path))


def test_rotation_keeps_the_old_key(tmp_path):
    keys = privacy_keys(store(tmp_path, privacy_key=f"k2:{NEW}", privacy_key_k1=f"k1:{OLD}"))
    assert (keys.current, keys.key.hex()) == ("k2", NEW)
    assert {name: key.hex() for name, key in keys.keys.items()} == {"k1": OLD, "k2": NEW}


def test_rotation_by_environment_alone(tmp_path):
    variables = {"PENSTOCK_SECRET_PRIVACY_KEY": f"k2:{NEW}", "PENSTOCK_SECRET_PRIVACY_KEY_K1": OLD}
    assert set(privacy_keys(store(tmp_path, variables)).keys) == {"k1", "k2"}


def test_a_rotated_key_is_seen_without_a_restart(tmp_path):
    secrets = store(tmp_path, privacy_key=f"k1:{OLD}")
    assert privacy_keys(secrets).current == "k1"
    store(tmp_path, privacy_key=f"k2:{NEW}", privacy_key_k1=f"k1:{OLD}")
    assert privacy_keys(secrets).current == "k2"


def test_two_keys_of_one_id_are_refused(tmp_path):
    with pytest.raises(SetupError, match="'k1'"):
        privacy_keys(store(tmp_path, privacy_key=f"k1:{NEW}", privacy_key_k1=f"k1:{OLD}"))


@pytest.mark.parametrize("text", [OLD, "k1:abcd", f"K!:{OLD}", f"k1:{OLD}0", "k1:" + "xy" * 32])
def test_a_malformed_key_is_refused_without_showing_it(tmp_path, text):
    with pytest.raises(SetupError) as caught:
        privacy_keys(store(tmp_path, privacy_key=text))
    assert text not in str(caught.value.facts())


def test_an_old_key_under_another_id_is_refused(tmp_path):
    with pytest.raises(SetupError, match="privacy_key_k1"):
        privacy_keys(store(tmp_path, privacy_key=f"k2:{NEW}", privacy_key_k1=f"k3:{OLD}"))


def test_keys_are_not_printed(tmp_path):
    assert OLD not in repr(privacy_keys(store(tmp_path, privacy_key=f"k1:{OLD}")))


def test_a_destination_is_where_its_setting_or_secret_says(tmp_path):
    secrets = store(tmp_path, archive_url="postgresql://secret")
    settings = Settings(folder=tmp_path, destinations={"warehouse": Place("postgresql://told")})
    urls = [destination_url(settings, secrets, name) for name in ("warehouse", "archive")]
    assert urls == ["postgresql://told", "postgresql://secret"]


def test_an_unknown_destination_names_the_variable(tmp_path):
    with pytest.raises(MissingSecret) as caught:
        destination_url(Settings(folder=tmp_path), store(tmp_path), "warehouse")
    assert "PENSTOCK_WAREHOUSE_URL" in caught.value.fix
