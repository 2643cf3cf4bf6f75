"""Settings: who says what, who wins, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.errors import SettingsError, UsageError
from penstock.model.settings import Settings
from penstock.wiring import settings as wiring


def project(folder: Path, text: str = "") -> Path:
    (folder / "pyproject.toml").write_text(f"[tool.penstock]\n{text}\n")
    return folder


def test_a_bare_project_runs_on_defaults(tmp_path):
    settings = wiring.read(project(tmp_path), variables={})
    assert (settings.project, settings.environment, settings.store) == (tmp_path.name, "local", tmp_path / ".penstock")
    assert settings.origins["workers"] == "default"


def test_the_project_is_named_after_the_package(tmp_path):
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "shop"\n[tool.penstock]\n')
    assert wiring.read(tmp_path, variables={}).project == "shop"


LAYERS = "workers = 2\n[tool.penstock.env.local]\nworkers = 3\n[tool.penstock.env.test]\nworkers = 4\n"


@pytest.mark.parametrize(
    ("environment", "variables", "flags", "workers", "origin"),
    [
        ("local", {}, {}, 3, "[tool.penstock.env.local]"),
        ("test", {}, {}, 4, "[tool.penstock.env.test]"),
        ("local", {"PENSTOCK_WORKERS": "5"}, {}, 5, "PENSTOCK_WORKERS"),
        ("local", {"PENSTOCK_WORKERS": "5"}, {"workers": 6}, 6, "--workers"),
        ("local", {"PENSTOCK_WORKERS": ""}, {"workers": None}, 3, "[tool.penstock.env.local]"),
    ],
)
def test_the_nearer_layer_wins(tmp_path, environment, variables, flags, workers, origin):
    settings = wiring.read(project(tmp_path, LAYERS), environment, flags=flags, variables=variables)
    assert (settings.workers, settings.origins["workers"]) == (workers, origin)


def test_the_project_table_is_below_the_environments(tmp_path):
    settings = wiring.read(project(tmp_path, "threads = 2\n" + LAYERS), variables={})
    assert (settings.threads, settings.origins["threads"]) == (2, "[tool.penstock]")


def test_dotenv_speaks_on_local_only(tmp_path):
    (project(tmp_path, LAYERS) / ".env").write_text("export PENSTOCK_WORKERS='7'  \n# PENSTOCK_THREADS=9\n")
    assert wiring.read(tmp_path, "local", variables={}).workers == 7
    assert wiring.read(tmp_path, "test", variables={}).workers == 4


def test_the_process_overrules_dotenv(tmp_path):
    (project(tmp_path) / ".env").write_text("PENSTOCK_WORKERS=7\n")
    assert wiring.read(tmp_path, variables={"PENSTOCK_WORKERS": "8"}).workers == 8


def test_environments_share_neither_ledger_nor_zones(tmp_path):
    folder = project(tmp_path, LAYERS)
    local, test = (wiring.read(folder, name, variables={}) for name in ("local", "test"))
    assert local.zones == tmp_path
    assert (test.store, test.zones) == (tmp_path / ".penstock/env/test",) * 2


def test_folders_may_lie_elsewhere(tmp_path):
    settings = wiring.read(project(tmp_path, 'zones = "/srv/zones"\nstore = "state"'), variables={})
    assert (settings.zones, settings.store) == (Path("/srv/zones"), tmp_path / "state")


@pytest.mark.parametrize(
    ("text", "number"),
    [("512MB", 512_000_000), ("1.5 GB", 1_500_000_000), ("64MiB", 67_108_864), ("12kb", 12_000), ("4096", 4096)],
)
def test_sizes(text, number):
    assert wiring.size(text) == number


@pytest.mark.parametrize(
    "line",
    ["workers = 0", 'workers = "many"', 'memory_limit = "lots"', "rescan_seconds = -1", 'hard = "maybe"', "project = 7",
     "workers = true", 'lease_seconds = "nan"', "[tool.penstock.retry]\nattempts = 0"],
)  # fmt: skip
def test_a_value_that_cannot_be_is_refused_without_repeating_it(tmp_path, line):
    with pytest.raises(SettingsError) as caught:
        wiring.read(project(tmp_path, line), variables={})
    assert "[tool.penstock]" in caught.value.at
    assert "many" not in str(caught.value.facts())
    assert "lots" not in str(caught.value.facts())


@pytest.mark.parametrize(
    ("text", "near"),
    [("worker = 2", "'workers'"), ("[tool.penstock.retry]\nattempt = 2", "'retry.attempts'"),
     ("[tool.penstock.env.local]\nmemory = 2", "'memory_limit'")],
)  # fmt: skip
def test_an_unknown_setting_names_the_nearest(tmp_path, text, near):
    with pytest.raises(SettingsError) as caught:
        wiring.read(project(tmp_path, text), variables={})
    assert near in caught.value.fix


def test_an_unknown_environment_names_the_nearest(tmp_path):
    with pytest.raises(UsageError) as caught:
        wiring.read(project(tmp_path, LAYERS), "tset", variables={})
    assert "'test'" in caught.value.fix


def test_a_variable_chooses_the_environment(tmp_path):
    assert wiring.read(project(tmp_path, LAYERS), variables={"PENSTOCK_ENV": "test"}).environment == "test"


def test_destinations_come_from_tables_and_variables(tmp_path):
    folder = project(tmp_path, '[tool.penstock.destinations.warehouse]\nurl = "postgresql://a"')
    told = wiring.read(folder, variables={"PENSTOCK_ARCHIVE_URL": "postgresql://b"})
    assert {name: place.url for name, place in told.destinations.items()} == {
        "warehouse": "postgresql://a",
        "archive": "postgresql://b",
    }
    assert "postgresql" not in repr(told)


def test_a_destination_without_a_url_table_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="warehouse"):
        wiring.read(project(tmp_path, '[tool.penstock.destinations]\nwarehouse = "postgresql://a"'), variables={})


def test_foreign_keys_are_off_until_a_destination_is_told(tmp_path):
    folder = project(tmp_path, '[tool.penstock.destinations.a_b]\nurl = "postgresql://a"')
    told = wiring.read(folder, variables={"PENSTOCK_A_B_FOREIGN_KEYS": "true", "PENSTOCK_C_URL": "postgresql://c"})
    assert {name: place.foreign_keys for name, place in told.destinations.items()} == {"a_b": True, "c": False}


def test_a_destinations_table_may_speak_of_foreign_keys_alone(tmp_path):
    table = "destinations.a]\nforeign_keys ="
    folder = project(tmp_path, f"[tool.penstock.{table} true\n[tool.penstock.env.test.{table} false\n")
    assert wiring.read(folder, variables={}).destinations["a"].foreign_keys
    assert not wiring.read(folder, "test", variables={}).destinations["a"].foreign_keys


def test_an_unknown_setting_of_a_destination_names_the_nearest(tmp_path):
    with pytest.raises(SettingsError) as caught:
        wiring.read(project(tmp_path, "[tool.penstock.destinations.a]\nforeign_key = true"), variables={})
    assert "foreign_keys" in caught.value.fix


def test_foreign_keys_are_true_or_false(tmp_path):
    with pytest.raises(SettingsError, match=r"destinations\.a\.foreign_keys"):
        wiring.read(project(tmp_path, '[tool.penstock.destinations.a]\nforeign_keys = "maybe"'), variables={})


def test_the_project_is_found_from_below(tmp_path):
    (tmp_path / "a/b").mkdir(parents=True)
    assert wiring.find_project(project(tmp_path) / "a/b") == tmp_path


def test_no_project_names_the_way_to_one(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'other'\n")
    with pytest.raises(UsageError) as caught:
        wiring.find_project(tmp_path)
    assert "penstock init" in caught.value.fix


def test_a_broken_pyproject_says_where(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[tool.penstock\n")
    with pytest.raises(SettingsError, match="cannot be read") as caught:
        wiring.find_project(tmp_path)
    assert "line 1" in caught.value.why


def test_misspelt_variables_are_noticed():
    variables = {"PENSTOCK_WORKER": "2", "PENSTOCK_WORKERS": "2", "PENSTOCK_SECRET_X": "y", "PENSTOCK_ENV": "local"}
    assert list(wiring.strange_variables(variables)) == [("PENSTOCK_WORKER", "did you mean 'PENSTOCK_WORKERS'?")]


def test_every_setting_has_a_default_in_the_record(tmp_path):
    settings = wiring.read(project(tmp_path), variables={})
    plain = Settings(folder=tmp_path)
    keys = [key for key in wiring.KINDS if key not in ("project", "store", "zones")]
    assert {key: wiring.value_of(settings, key) for key in keys} == {key: wiring.value_of(plain, key) for key in keys}
