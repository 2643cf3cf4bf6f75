"""What `doctor` looks at, one finding at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.adapters.keys import Keys
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


FEEDS = """
import penstock as ps

FORM = ps.csv(columns={"id": "BIGINT"})
token = ps.secret("feed_token", "Bearer {}")
feed = ps.Pipeline(
    "feed",
    trigger=ps.every(minutes=1),
    source=ps.http("https://feed.example/x", FORM, headers={"Authorization": token}, params={"key": ps.secret("key")}),
)
kept = ps.Pipeline(
    "kept",
    trigger=ps.every(minutes=1),
    sources={
        "fetched": ps.http("https://feed.example/y", FORM, headers={"Authorization": token}),
        "cloned": ps.git("https://git.example/data.git", "x.csv", FORM, password=ps.secret("git_token")),
    },
)


@kept.step
def rows(fetched):
    return fetched.sql("SELECT id FROM fetched")


feed.notify(to=ps.notify("team"))
feed.load("source", to=ps.lake(), table="feed")
kept.load("rows", to=ps.lake(), table="kept")
feed.endpoint("/feed", table="feed", parameters={"id": int}, columns=["id"])
feed.endpoint("/open", table="feed", parameters={"id": int}, columns=["id"], public=True)
"""


@pytest.fixture
def feeds(tmp_path) -> Settings:
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pyproject.toml").write_text('[tool.penstock]\nproject = "feeds"\n')
    (tmp_path / "pipelines/feeds.py").write_text(FEEDS)
    return settings.read(tmp_path, variables={})


def credentials(feeds: Settings, variables: dict[str, str]) -> dict[str, doctor.Finding]:
    return {item.name: item for item in doctor.credentials(feeds, variables, definitions.load(feeds.folder))}


def test_a_secret_that_a_source_shows_and_nobody_has(feeds):
    found = credentials(feeds, {})
    assert {name: item.outcome for name, item in found.items()} == dict.fromkeys(
        ("secret feed_token", "secret git_token", "secret key"), "bad"
    )
    assert "used by feed.source, kept.fetched" in found["secret feed_token"].detail
    assert "export PENSTOCK_SECRET_GIT_TOKEN=" in found["secret git_token"].fix


def test_a_secret_that_is_there_is_not_shown(feeds):
    finding = credentials(feeds, {"PENSTOCK_SECRET_FEED_TOKEN": "hunter2"})["secret feed_token"]
    assert (finding.outcome, finding.detail) == ("good", "used by feed.source, kept.fetched")
    assert "hunter2" not in str(finding)


def test_an_empty_secret_is_none(feeds):
    (feeds.store / "secrets").mkdir(parents=True)
    (feeds.store / "secrets/key").write_text("\n")
    assert credentials(feeds, {})["secret key"].outcome == "bad"


def test_a_channel_that_leads_nowhere_says_who_is_not_told(feeds):
    (finding,) = doctor.channels(feeds, definitions.load(feeds.folder))
    assert (finding.name, finding.outcome) == ("notify team", "bad")
    assert "(used by feed)" in finding.detail
    assert "PENSTOCK_SECRET_NOTIFY_TEAM" in finding.fix


def test_an_endpoint_that_nobody_may_ask(feeds):
    def look():
        return list(doctor.api_keys(feeds, definitions.load(feeds.folder)))

    (finding,) = look()
    assert (finding.outcome, finding.fix) == ("open", "penstock key create NAME --allow /feed")
    Keys(feeds.store).create("shop-window", ("/feed",))
    (finding,) = look()
    assert (finding.outcome, finding.detail) == ("good", "/feed is opened by shop-window")


def test_api_keys_that_cannot_be_read_are_a_finding(feeds):
    feeds.store.mkdir(parents=True, exist_ok=True)
    (feeds.store / "api_keys.json").write_text("{")
    (finding,) = doctor.api_keys(feeds, definitions.load(feeds.folder))
    assert finding.outcome == "bad"


def test_everything_is_looked_at_in_one_go(feeds):
    found = outcomes(doctor.examine(feeds, {}))
    assert {"secret key", "notify team", "API keys", "ledger"} <= set(found)


def test_a_broken_pipeline_file_is_a_finding(shop):
    (shop.folder / "pipelines/cafe.py").write_text("import penstock as ps\nps.tokenise()\n")
    finding = next(item for item in doctor.examine(shop, {}) if item.name == "pipelines")
    assert (finding.outcome, finding.fix) == ("bad", "did you mean 'tokenize'?")
    assert Path("pipelines/cafe.py").name in finding.detail


def test_a_url_is_never_a_value(tmp_path):
    told = settings.read(tmp_path, variables={"PENSTOCK_WAREHOUSE_URL": "postgresql://etl:hunter2@db/x"})
    assert doctor._value(told, "destinations.warehouse.url") == "(set)"
