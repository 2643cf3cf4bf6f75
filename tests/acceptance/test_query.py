"""Queries over what a run has published."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from penstock.entrypoints.cli.init import create
from penstock.entrypoints.cli.main import main

PIPELINE = """
import penstock as ps

till = ps.Pipeline(
    "till",
    trigger=ps.upload("landing/{day:%Y-%m-%d}.csv"),
    source=ps.csv(columns={"till": "VARCHAR", "sold_at": "TIMESTAMPTZ", "price": "DECIMAL(8,2)"}),
)
till.load("source", to=ps.lake(), table="sales", mode="partition", partition_by=["till"])
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    create(tmp_path / "shop", "minimal")
    (tmp_path / "shop/pipelines/sales.py").write_text(PIPELINE)
    return tmp_path / "shop"


def query(folder: Path, sql: str, capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    capsys.readouterr()
    assert main(["query", sql, "--project", str(folder), "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_partition_column_is_there_as_it_was_declared(shop, capsys):
    (shop / "2024-03-04.csv").write_text("till,sold_at,price\n007,2024-03-04T09:00:00+01:00,1.50\n,,\n")
    assert main(["run", "till", str(shop / "2024-03-04.csv"), "--project", str(shop)]) == 0
    assert query(shop, "select till, sold_at, price from sales order by till", capsys) == [
        {"till": "007", "sold_at": "2024-03-04T08:00:00+00:00", "price": 1.50},
        {"till": None, "sold_at": None, "price": None},
    ]


def test_a_table_without_rows_is_there(shop, capsys):
    (shop / "2024-03-04.csv").write_text("till,sold_at,price\n")
    assert main(["run", "till", str(shop / "2024-03-04.csv"), "--project", str(shop)]) == 0
    assert query(shop, "select count(*) as n from sales", capsys) == [{"n": 0}]


# --- versions ----------------------------------------------------------------------------------------------------


def deliver(shop: Path, day: int, *prices: str) -> None:
    file = shop / f"2024-03-{day:02}.csv"
    file.write_text("till,sold_at,price\n" + "".join(f"{day},2024-03-04T09:00:00Z,{price}\n" for price in prices))
    assert main(["run", "till", str(file), "--project", str(shop)]) == 0


def penstock(shop: Path, *words: str) -> int:
    return main([*words, "--project", str(shop), "--json"])


def test_only_the_partition_that_is_asked_for_is_opened(shop, capsys):
    for day in (1, 2, 3):
        deliver(shop, day, "1.50")
    capsys.readouterr()
    assert penstock(shop, "query", "--explain", "select sum(price) from sales where till = '2'") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["files_read"], found["files"], found["tables"]) == (1, 3, ["sales"])
    assert 0 < found["bytes_read"] < found["bytes"]


def test_a_version_that_was_brought_back_is_what_a_query_sees(shop, capsys):
    deliver(shop, 1, "1.50")
    deliver(shop, 1, "2.50")
    assert penstock(shop, "publish", "till", "1") == 0
    assert query(shop, "select price from sales", capsys) == [{"price": 1.50}]
    assert penstock(shop, "verify") == 0
    deliver(shop, 1, "3.50")
    assert query(shop, "select price from sales", capsys) == [{"price": 1.50}]
    assert penstock(shop, "publish", "till", "newest") == 0
    assert query(shop, "select price from sales", capsys) == [{"price": 3.50}]


def test_a_query_says_that_it_sees_an_older_version(shop, capsys):
    deliver(shop, 1, "1.50")
    deliver(shop, 1, "2.50")
    assert penstock(shop, "publish", "till", "1") == 0
    capsys.readouterr()
    assert main(["query", "select 1", "--project", str(shop)]) == 0
    assert "till@1 is published in place of the newest" in capsys.readouterr().err


def test_a_person_s_choice_of_a_version_is_an_event(shop, capsys):
    deliver(shop, 1, "1.50")
    deliver(shop, 1, "2.50")
    assert penstock(shop, "publish", "till", "1") == 0
    capsys.readouterr()
    assert penstock(shop, "logs", "till") == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told | {"event": "version_published", "version": 1, "before": 2, "newest": 2, "by": "publish"} == told


@pytest.mark.parametrize("words", [("publish", "till", "0"), ("publish", "till", "9"), ("publish", "tull")])
def test_a_version_that_is_not_there_is_refused(shop, capsys, words):
    deliver(shop, 1, "1.50")
    assert penstock(shop, *words) == 2
    assert '"fix"' in capsys.readouterr().out


@pytest.mark.parametrize("name", ["1", "till@1"])
def test_an_older_version_can_be_queried(shop, capsys, name):
    deliver(shop, 1, "1.50")
    deliver(shop, 1, "2.50")
    capsys.readouterr()
    assert penstock(shop, "query", "--version", name, "select price from sales") == 0
    assert json.loads(capsys.readouterr().out) == {"price": 1.50}


# --- what has landed ---------------------------------------------------------------------------------------------

PEOPLE = """
import penstock as ps

people = ps.Pipeline(
    "people",
    trigger=ps.upload("landing/{day:%Y-%m-%d}.csv"),
    source=ps.csv(columns={"name": "VARCHAR", "card": "VARCHAR", "paid": "DECIMAL(8,2)"}),
    privacy={"name": ps.drop(), "card": ps.mask()},
)
people.sql("sums", "SELECT count(*) AS n FROM source")
people.load("sums", to=ps.lake(), mode="replace")
"""
CARD = "4929123412341234"


@pytest.fixture
def people(tmp_path: Path) -> Path:
    create(tmp_path / "people", "minimal")
    (tmp_path / "people/pipelines/sales.py").write_text(PEOPLE)
    (tmp_path / "people/landing").mkdir(exist_ok=True)
    (tmp_path / "people/landing/2024-03-04.csv").write_text(f"name,card,paid\nAda Byron,{CARD},1.50\nBob,1,x\n")
    (tmp_path / "people/landing/2024-03-05.csv").write_text(f"name,card,paid\nAda Byron,{CARD},2.50\n")
    return tmp_path / "people"


def test_what_has_landed_can_be_queried_before_a_run(people, capsys):
    assert query(people, "select paid, _file, _line from raw.people order by paid", capsys) == [
        {"paid": 1.50, "_file": "landing/2024-03-04.csv", "_line": 2},
        {"paid": 2.50, "_file": "landing/2024-03-05.csv", "_line": 2},
    ]


def test_a_query_of_what_has_landed_keeps_the_marks(people, capsys):
    assert main(["query", "select * from raw.people", "--project", str(people), "--csv"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("card,paid,")
    assert "Ada" not in said
    assert CARD not in said
    kept = [path for path in people.rglob("*") if path.is_file() and "landing" not in path.parts]
    assert not any(CARD.encode() in path.read_bytes() or b"Ada Byron" in path.read_bytes() for path in kept)


def test_the_raw_file_itself_is_out_of_reach(people, capsys):
    assert main(["query", "from read_csv('landing/2024-03-04.csv'), raw.people", "--project", str(people)]) == 2
    assert "Ada" not in capsys.readouterr().err


def test_a_query_of_what_has_landed_leaves_nothing_behind(people, capsys):
    query(people, "select * from raw.people", capsys)
    assert not list((people / ".penstock/scratch").rglob("*.parquet"))
    assert not (people / "quarantine").exists() or not list((people / "quarantine").rglob("*.parquet"))


def test_raw_and_curated_tables_can_be_joined(people, capsys):
    assert main(["run", "--project", str(people)]) == 0
    assert query(people, "select (select count(*) from raw.people) as rows, n from sums", capsys) == [
        {"rows": 2, "n": 1}
    ]


def test_a_source_without_files_has_no_rows(shop, capsys):
    assert query(shop, "select count(*) as n from raw.till", capsys) == [{"n": 0}]


PULLED = """
import penstock as ps

covid = ps.Pipeline(
    "covid",
    trigger=ps.schedule("0 6 * * *", tz="UTC"),
    sources={
        "cases": ps.http("https://example.org/cases.csv", ps.csv(columns={"day": "DATE", "cases": "BIGINT"})),
        "healed": ps.http("https://example.org/healed.csv", ps.csv(columns={"day": "DATE", "healed": "BIGINT"})),
    },
    privacy={"cases": {"cases": ps.drop()}},
)
covid.sql("sums", "SELECT count(*) AS n FROM cases JOIN healed USING (day)")
covid.load("sums", to=ps.lake(), mode="replace")
"""


def test_each_of_several_pulled_sources_is_a_table(tmp_path, capsys):
    create(tmp_path / "covid", "minimal")
    (tmp_path / "covid/pipelines/sales.py").write_text(PULLED)
    (tmp_path / "covid/landing/covid/cases").mkdir(parents=True)
    (tmp_path / "covid/landing/covid/cases/cases.csv").write_text("day,cases\n2020-03-01,7\n")
    found = tables(tmp_path / "covid", capsys)
    assert [(name, item["files"]) for name, item in found.items()] == [("raw.covid_cases", 1), ("raw.covid_healed", 0)]
    sql = "select * exclude (_file) from raw.covid_cases"
    assert query(tmp_path / "covid", sql, capsys) == [{"day": "2020-03-01", "_line": 2}]


# --- the catalog -------------------------------------------------------------------------------------------------

FEED = """
import penstock as ps

feed = ps.Pipeline(
    "feed",
    trigger=ps.upload("landing/year={year}/{name}.jsonl"),
    source=ps.json_lines(columns={"id": "BIGINT", "area": "VARCHAR"}),
)


@feed.step
def wide(source):
    return source.sql("SELECT id, area FROM source")


feed.load("wide", to=ps.lake(), table="readings", partition_by=["area"])
"""


@pytest.fixture
def feed(tmp_path: Path) -> Path:
    create(tmp_path / "feed", "minimal")
    (tmp_path / "feed/pipelines/sales.py").write_text(FEED)
    land(tmp_path / "feed", "a", '{"id": 1, "area": "north"}', '{"id": 2, "area": "south"}')
    return tmp_path / "feed"


def land(feed: Path, name: str, *records: str) -> None:
    (feed / "landing/year=2024").mkdir(parents=True, exist_ok=True)
    (feed / f"landing/year=2024/{name}.jsonl").write_text("\n".join(records) + "\n")


def tables(folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, object]]:
    capsys.readouterr()
    assert penstock(folder, "query", "--tables") == 0
    return {item["table"]: item for item in map(json.loads, capsys.readouterr().out.splitlines())}


def drifts(folder: Path, capsys: pytest.CaptureFixture[str]) -> list[tuple[object, ...]]:
    capsys.readouterr()
    assert penstock(folder, "logs", "feed", "-n", "0") == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    keys = ("subject", "kind", "column", "before", "after")
    return [tuple(event[key] for key in keys) for event in events if event["event"] == "schema_drifted"]


def test_raw_and_curated_tables_are_in_the_catalog(feed, capsys):
    assert penstock(feed, "run") == 0
    found = tables(feed, capsys)
    raw, readings = found["raw.feed"], found["readings"]
    assert (raw["layer"], raw["partition_by"], raw["partitions"]) == ("raw", ["year"], {"landing/year=2024": 1})
    assert (readings["rows"], readings["partition_by"]) == (2, ["area"])
    assert readings["partitions"] == {"area=north": 1, "area=south": 1}


def test_a_new_raw_column_and_a_wider_type_are_told_once(feed, capsys):
    tables(feed, capsys)
    land(feed, "b", '{"id": 3.5, "area": "north", "trips": 4}')
    for _ in range(2):
        tables(feed, capsys)
    assert drifts(feed, capsys) == [
        ("raw.feed", "widened", "id", "BIGINT", "DOUBLE"),
        ("raw.feed", "added", "trips", "", "BIGINT"),
    ]


def test_a_file_that_cannot_be_read_is_counted(feed, capsys):
    land(feed, "b", "{")
    raw = tables(feed, capsys)["raw.feed"]
    assert (raw["files"], raw["unreadable"], raw["drifts"]) == (2, 1, [])


def test_a_loaded_table_s_evolution_is_told(feed, capsys):
    assert penstock(feed, "run") == 0
    (feed / "pipelines/sales.py").write_text(FEED.replace("SELECT id, area", "SELECT id, area, 1 AS trips"))
    land(feed, "b", '{"id": 3, "area": "north"}')
    assert penstock(feed, "run") == 0
    readings = tables(feed, capsys)["readings"]
    (drift,) = readings["drifts"]
    assert (drift["kind"], drift["column"], drift["since"]) == ("added", "trips", str(readings["version"]))
    assert [told[:3] for told in drifts(feed, capsys)] == [("readings", "added", "trips")]


def test_the_catalog_holds_no_values(people, capsys):
    found = tables(people, capsys)
    assert [column["name"] for column in found["raw.people"]["columns"]] == ["name", "card", "paid"]
    assert CARD.encode() not in (people / ".penstock/catalog/raw.people.json").read_bytes()


def test_a_catalog_s_file_that_is_broken_is_made_anew(feed, capsys):
    tables(feed, capsys)
    (feed / ".penstock/catalog/raw.feed.json").write_text('{"landing')
    assert tables(feed, capsys)["raw.feed"]["files"] == 1


def test_tables_of_a_database_are_in_the_catalog(feed, capsys, postgres, monkeypatch):
    monkeypatch.setenv("PENSTOCK_WAREHOUSE_URL", postgres)
    loads = 'feed.load("wide", to=ps.postgres("warehouse"), table="readings")'
    (feed / "pipelines/sales.py").write_text(FEED.partition("feed.load")[0] + loads)
    assert penstock(feed, "run") == 0
    found = tables(feed, capsys)["warehouse.readings"]
    assert [column["name"] for column in found["columns"]] == ["_row", "id", "area"]


def test_an_unknown_table_has_the_nearest(feed, capsys):
    assert penstock(feed, "query", "--schema", "raw.fed") == 2
    assert "raw.feed" in capsys.readouterr().out
