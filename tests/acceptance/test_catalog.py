"""Runs that begin with the catalog: a stage of its own, in the ledger's record and events; drifts come from it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from penstock.entrypoints.cli.init import create
from penstock.entrypoints.cli.main import main
from penstock.errors import DefinitionError, StorageUnavailable
from penstock.wiring.local import Project, open_project

FEED = """
import penstock as ps

feed = ps.Pipeline(
    "feed",
    trigger=ps.upload("landing/year={year}/{name}.jsonl"),
    source=ps.json_lines(columns={"id": "BIGINT", "area": "VARCHAR"}),
    catalog=True,
)
feed.load("source", to=ps.lake(), table="readings")
"""
FIRST, SECOND = '{"id": 1, "area": "north"}', '{"id": 3.0, "area": "north", "trips": 4}'
TOLD = [("id", "widened", "landing/year=2024/b.jsonl"), ("trips", "added", "landing/year=2024/b.jsonl")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    create(tmp_path / "feed", "minimal")
    define(tmp_path / "feed", FEED)
    land(tmp_path / "feed", "a", FIRST)
    return tmp_path / "feed"


def define(folder: Path, text: str) -> None:
    (folder / "pipelines/sales.py").write_text(text)


def land(folder: Path, name: str, *records: str) -> None:
    (folder / "landing/year=2024").mkdir(parents=True, exist_ok=True)
    (folder / f"landing/year=2024/{name}.jsonl").write_text("\n".join(records) + "\n")


def run(folder: Path) -> int:
    return main(["run", "--project", str(folder), "--json"])


def drifts(folder: Path) -> list[tuple[str, str, str]]:
    with open_project(folder) as project:
        events = [event.data for event in project.ledger.events() if event.type == "schema.drifted"]
    return [(data["column"], data["kind"], data["since"]) for data in events]


def test_files_are_looked_at_again_when_they_are_declared_otherwise(tmp_path, capsys):
    create(tmp_path / "shop", "minimal")
    (tmp_path / "shop/landing/year=2024").mkdir(parents=True)
    (tmp_path / "shop/landing/year=2024/a.csv").write_text("id;area\n1;north\n")
    columns = []
    for dialect in ("", 'delimiter=";", '):
        define(tmp_path / "shop", FEED.replace("json_lines(", f"csv({dialect}").replace(".jsonl", ".csv"))
        assert main(["query", "--schema", "raw.feed", "--project", str(tmp_path / "shop"), "--json"]) == 0
        found = json.loads(capsys.readouterr().out)["columns"]
        columns.append([column["name"] for column in found])
    assert columns == [["id;area"], ["id", "area"]]


def test_the_catalog_is_a_stage_of_the_run(folder, capsys):
    assert run(folder) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in lines] == ["run_catalogued", "run_prepared", "run_loaded", "run_published",
                                                 "run_finished"]  # fmt: skip
    with open_project(folder) as project:
        (only,) = project.ledger.runs()
        told = next(event for event in project.ledger.events() if event.type == "run.catalogued")
    assert dict(only.tries) == {"catalog": 1, "prepare": 1, "load": 1}
    assert told.data["tables"] == {"raw.feed": {"files": 1, "columns": 2, "unreadable": 0}}


def test_drifts_are_told_by_the_run_that_brings_them_and_to_whoever_ran_it(folder, capsys):
    run(folder)
    land(folder, "b", SECOND)
    assert main(["run", "--project", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "raw.feed: id widened (BIGINT → DOUBLE) since landing/year=2024/b.jsonl" in said
    assert drifts(folder) == TOLD
    with open_project(folder) as project:
        project.catalog()
    assert drifts(folder) == TOLD


def test_what_the_catalog_has_forgotten_is_not_told_again(folder):
    for name, record in (("a", FIRST), ("b", SECOND)):
        land(folder, name, record)
        run(folder)
    shutil.rmtree(folder / ".penstock/catalog")
    land(folder, "c", SECOND)
    run(folder)
    assert drifts(folder) == TOLD


def test_a_pipeline_that_does_not_ask_is_not_slowed(folder, monkeypatch):
    define(folder, FEED.replace("catalog=True", "catalog=False"))
    monkeypatch.setattr(Project, "survey", lambda *_: pytest.fail("nobody asked"))
    assert run(folder) == 0
    with open_project(folder) as project:
        assert dict(project.ledger.runs()[0].tries) == {"prepare": 1, "load": 1}
    assert not (folder / ".penstock/catalog").exists()


def test_a_run_whose_pipeline_asks_no_longer_goes_on(folder, monkeypatch):
    monkeypatch.setattr(Project, "survey", broken)
    assert run(folder) == 1
    define(folder, FEED.replace("catalog=True", "catalog=False"))
    monkeypatch.undo()
    with open_project(folder) as project:
        (waiting,) = project.ledger.runs()
        project.clock = lambda: waiting.retry_at
        (done,) = project.work_until_idle()
    assert dict(done.tries) == {"catalog": 2, "prepare": 1, "load": 1}


def broken(*_):
    raise StorageUnavailable("the store failed")


def test_a_failed_look_is_tried_again_alone(folder, monkeypatch):
    monkeypatch.setattr(Project, "survey", broken)
    assert run(folder) == 1
    monkeypatch.undo()
    with open_project(folder) as project:
        (waiting,) = project.ledger.runs()
        project.clock = lambda: waiting.retry_at
        (done,) = project.work_until_idle()
    assert (done.state, dict(done.tries)) == ("succeeded", {"catalog": 2, "prepare": 1, "load": 1})


def test_the_next_attempt_leaves_files_alone_that_may_have_been_deadly(folder, monkeypatch):
    """Whoever dies of another one's file does not die of it twice."""
    land(folder, "b", SECOND)
    with open_project(folder) as project:
        project.intake.rescan()
        claim = {"surveyed": ["feed"], "pipelines": ["feed"]}
        held = project.ledger.claim("gone", project.clock(), **claim)
        land(folder, "c", '{"other": 1}')
        project.ledger.bury("gone", project.clock())
        project.work_until_idle()
        told = [event.data["tables"] for event in project.ledger.events() if event.type == "run.catalogued"]
    assert [item["raw.feed"]["files"] for item in told] == [len(held.generations), 3]


def test_each_source_of_several_is_looked_at(tmp_path):
    create(tmp_path / "covid", "minimal")
    define(
        tmp_path / "covid",
        """
import penstock as ps

covid = ps.Pipeline(
    "covid",
    trigger=ps.upload(cases="landing/{day}/cases.csv", healed="landing/{day}/healed.csv"),
    sources={"cases": ps.csv(columns={"date": "DATE"}), "healed": ps.csv(columns={"date": "DATE"})},
    catalog=True,
)
covid.sql("days", "SELECT date FROM cases JOIN healed USING (date)")
covid.load("days", to=ps.lake())
""",
    )
    for name in ("cases", "healed"):
        file = tmp_path / f"covid/landing/2020-03-01/{name}.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("date\n2020-03-01\n")
    assert run(tmp_path / "covid") == 0
    with open_project(tmp_path / "covid") as project:
        told = next(event for event in project.ledger.events() if event.type == "run.catalogued")
    assert {name: found["files"] for name, found in told.data["tables"].items()} == {
        "raw.covid_cases": 1,
        "raw.covid_healed": 1,
    }


def test_a_pipeline_of_tables_has_no_files_to_look_at():
    import penstock as ps

    with pytest.raises(DefinitionError, match="looks at files, and it reads tables"):
        ps.Pipeline("sums", trigger=ps.ready(by=["day"]), source=ps.table("readings"), catalog=True)
