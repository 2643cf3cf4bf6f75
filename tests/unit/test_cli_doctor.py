"""What `doctor` looks at, one finding at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.entrypoints.cli import doctor
from penstock.entrypoints.cli.init import create
from penstock.model.settings import Settings
from penstock.wiring import definitions, settings


@pytest.fixture
def shop(tmp_path) -> Settings:
    create(tmp_path / "shop", "cafe")
    return settings.read(tmp_path / "shop", variables={})


def outcomes(findings) -> dict[str, str]:
    return {finding.name: finding.outcome for finding in findings}


def test_the_machine_is_fit(shop):
    assert outcomes(doctor.machine(shop)) == {"python": "good", "duckdb": "good", "disk": "good"}


def test_a_full_disk_is_named(shop, monkeypatch):
    monkeypatch.setattr(doctor, "LEAST_FREE_BYTES", 10**18)
    assert outcomes(doctor.machine(shop))["disk"] == "bad"


def test_folders_are_tried_by_writing(shop):
    before = set(shop.folder.rglob("*"))
    assert outcomes(doctor.writable(shop)) == {"zones": "good", "store": "good"}
    assert set(shop.folder.rglob("*")) == before


@pytest.mark.parametrize(("mode", "outcome"), [(0o600, "good"), (0o640, "bad")])
def test_an_open_dotenv_is_found(shop, mode, outcome):
    (shop.folder / ".env").write_text("A=1\n")
    (shop.folder / ".env").chmod(mode)
    (finding,) = doctor.exposed(shop, {})
    assert (finding.outcome, "chmod 600" in finding.fix) == (outcome, outcome == "bad")


def keys(shop: Settings, variables: dict[str, str]) -> doctor.Finding:
    (finding,) = doctor.keys(shop, variables, definitions.load(shop.folder))
    return finding


def test_a_first_key_will_be_made(shop):
    assert keys(shop, {}).outcome == "open"


def test_a_key_that_is_none_is_found_and_not_shown(shop):
    finding = keys(shop, {"PENSTOCK_SECRET_PRIVACY_KEY": "hunter2"})
    assert (finding.outcome, "hunter2" in str(finding)) == ("bad", False)


def test_a_good_key_says_who_uses_it(shop):
    assert keys(shop, {"PENSTOCK_SECRET_PRIVACY_KEY": f"k1:{'ab' * 32}"}).detail == "used by cafe"


def ask(shop: Settings, variables: dict[str, str]) -> list[doctor.Finding]:
    told = settings.read(shop.folder, variables=variables)
    return list(doctor.destinations(told, variables, definitions.load(shop.folder)))


def test_the_lake_needs_no_answer(shop):
    assert ask(shop, {}) == []


def test_a_destination_that_does_not_answer_is_named_without_its_url(shop, monkeypatch):
    url = "postgresql://etl:hunter2@127.0.0.1:9/warehouse"
    monkeypatch.setenv("PENSTOCK_WAREHOUSE_URL", url)
    (finding,) = ask(shop, {"PENSTOCK_WAREHOUSE_URL": url})
    assert (finding.name, finding.outcome, "hunter2" in str(finding)) == ("warehouse", "bad", False)


def test_a_destination_that_answers(shop, monkeypatch, postgres_url):
    monkeypatch.setenv("PENSTOCK_WAREHOUSE_URL", postgres_url)
    (finding,) = ask(shop, {"PENSTOCK_WAREHOUSE_URL": postgres_url})
    assert (finding.outcome, finding.detail) == ("good", "PostgreSQL answers")


def test_a_broken_pipeline_file_is_a_finding(shop):
    (shop.folder / "pipelines/cafe.py").write_text("import penstock as ps\nps.tokenise()\n")
    finding = next(item for item in doctor.examine(shop, {}) if item.name == "pipelines")
    assert (finding.outcome, finding.fix) == ("bad", "did you mean 'tokenize'?")
    assert Path("pipelines/cafe.py").name in finding.detail


def test_a_url_is_never_a_value(tmp_path):
    told = settings.read(tmp_path, variables={"PENSTOCK_WAREHOUSE_URL": "postgresql://etl:hunter2@db/x"})
    assert doctor._value(told, "destinations.warehouse.url") == "(set)"
