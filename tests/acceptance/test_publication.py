"""The workflow in one definition: batches, a new version of a partitioned table, a gate, publication, a way back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from penstock.entrypoints.cli.init import create
from penstock.entrypoints.cli.main import main

WORKFLOW = """
import penstock as ps

readings = ps.Pipeline(
    "readings",
    trigger=ps.upload("landing/day={day:%Y-%m-%d}/hour={hour:%H}/{batch}.jsonl"),
    source=ps.json_lines(columns={"taken_at": "TIMESTAMP", "area": "VARCHAR", "free": "INTEGER"}),
)
readings.load("source", to=ps.lake(), table="readings")

production = ps.Pipeline("production", trigger=ps.ready(by=["day"]), source=ps.table("readings"))
production.sql(
    "free_taxis",
    "SELECT CAST(taken_at AS DATE) AS day, hour(taken_at) AS hour, area, CAST(sum(free) AS BIGINT) AS free"
    " FROM source GROUP BY ALL",
)
production.checks("free_taxis", "RowCount >= 1", 'ColumnValues "free" between 0 and 500', severity="stop")
production.load("free_taxis", to=ps.lake(), mode="partition", partition_by=["day"])
"""


@pytest.fixture
def taxis(tmp_path: Path) -> Path:
    create(tmp_path / "taxis", "minimal")
    (tmp_path / "taxis/pipelines/sales.py").write_text(WORKFLOW)
    for day in (1, 2):
        for hour in (8, 9):
            batch(tmp_path / "taxis", day, hour, 10 * day)
    assert penstock(tmp_path / "taxis", "run") == 0
    return tmp_path / "taxis"


def batch(folder: Path, day: int, hour: int, *free: int) -> None:
    place = folder / f"landing/day=2024-03-{day:02}/hour={hour:02}"
    place.mkdir(parents=True, exist_ok=True)
    taken = f"2024-03-{day:02} {hour:02}:00:00"
    lines = (json.dumps({"taken_at": taken, "area": "north", "free": count}) for count in free)
    (place / "1.jsonl").write_text("\n".join(lines) + "\n")


def penstock(folder: Path, *words: str) -> int:
    return main([*words, "--project", str(folder), "--json"])


def query(folder: Path, capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, object]]:
    capsys.readouterr()
    assert penstock(folder, "query", *words) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def days(folder: Path, capsys: pytest.CaptureFixture[str]) -> list[object]:
    found = query(folder, capsys, "select sum(free)::INTEGER as free from free_taxis group by day order by day")
    return [row["free"] for row in found]


def test_batches_become_a_partition_for_each_day(taxis, capsys):
    assert days(taxis, capsys) == [20, 40]
    folders = sorted(path.name for path in (taxis / "curated/free_taxis/current/").iterdir())
    assert folders == ["day=2024-03-01", "day=2024-03-02"]


def test_a_query_of_a_day_opens_its_partition_alone(taxis, capsys):
    sql = "select sum(free) from free_taxis where day = '2024-03-02'"
    (read,) = query(taxis, capsys, "--explain", sql)
    (whole,) = query(taxis, capsys, "--explain", "select sum(free) from free_taxis")
    assert (read["files_read"], whole["files_read"], read["files"]) == (1, 2, 2)
    assert read["bytes_read"] < whole["bytes_read"]


@pytest.mark.parametrize(
    "sql",
    ["select max(free) from free_taxis", "select count(*) from free_taxis", "select 1", "from free_taxis limit 0"],
)
def test_what_needs_no_rows_is_explained_too(taxis, capsys, sql):
    (read,) = query(taxis, capsys, "--explain", sql)
    assert read["rows"] <= 1


def test_a_version_that_does_not_pass_the_gate_is_not_published(taxis, capsys):
    batch(taxis, 2, 9, 900)
    penstock(taxis, "run")
    assert days(taxis, capsys) == [20, 40]
    assert query(taxis, capsys, "select max(free) as most from readings") == [{"most": 900}]


def test_a_correction_passes_the_gate_and_touches_its_day_only(taxis, capsys):
    before = {path.name for path in (taxis / "curated/free_taxis/current/day=2024-03-01").iterdir()}
    batch(taxis, 2, 9, 900)
    penstock(taxis, "run")
    batch(taxis, 2, 9, 25)
    assert penstock(taxis, "run") == 0
    assert days(taxis, capsys) == [20, 45]
    assert {path.name for path in (taxis / "curated/free_taxis/current/day=2024-03-01").iterdir()} == before


def test_the_version_before_can_be_brought_back_and_let_go(taxis, capsys):
    batch(taxis, 2, 9, 25)
    assert penstock(taxis, "run") == 0
    capsys.readouterr()
    assert penstock(taxis, "publish", "production") == 0
    versions = [json.loads(line)["number"] for line in capsys.readouterr().out.splitlines()]
    assert penstock(taxis, "publish", "production", str(versions[-2])) == 0
    assert days(taxis, capsys) == [20, 40]
    assert penstock(taxis, "verify") == 0
    assert penstock(taxis, "publish", "production", "newest") == 0
    assert days(taxis, capsys) == [20, 45]


def standing(folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    capsys.readouterr()
    assert penstock(folder, "status") == 0
    return {line["pipeline"]: line["version"] for line in map(json.loads, capsys.readouterr().out.splitlines())}


def test_status_says_which_version_readers_see(taxis, capsys):
    assert standing(taxis, capsys)["production"] == {"published": 1, "newest": 1}
    batch(taxis, 2, 9, 25)
    penstock(taxis, "run")
    penstock(taxis, "publish", "production", "1")
    assert standing(taxis, capsys)["production"] == {"published": 1, "newest": 2}
    assert main(["status", "--project", str(taxis)]) == 0
    said = capsys.readouterr().out
    assert "readers see version 1 of its tables, not the newest, 2 (penstock publish production newest)" in said


def test_status_of_what_was_never_published_opens_no_destination(tmp_path, capsys):
    create(tmp_path / "taxis", "minimal")
    text = WORKFLOW.replace(
        '"readings")\n', '"readings")\nreadings.load("source", to=ps.postgres("nowhere"), table="too")\n'
    )
    (tmp_path / "taxis/pipelines/sales.py").write_text(text)
    assert standing(tmp_path / "taxis", capsys) == {"readings": None, "production": None}


@pytest.mark.parametrize(("keep", "numbers"), [("1", [4]), ("2", [3, 4])])
def test_so_many_versions_are_kept_as_the_settings_say(taxis, capsys, monkeypatch, keep, numbers):
    monkeypatch.setenv("PENSTOCK_VERSIONS_KEEP", keep)
    monkeypatch.setenv("PENSTOCK_VERSIONS_KEEP_SECONDS", "0.001")
    for free in (21, 22, 23):
        batch(taxis, 2, 9, free)
        assert penstock(taxis, "run") == 0
    capsys.readouterr()
    assert penstock(taxis, "publish", "production") == 0
    assert [json.loads(line)["number"] for line in capsys.readouterr().out.splitlines()] == numbers


def test_sql_sees_all_of_it(taxis, capsys):
    found = query(taxis, capsys, "--tables")
    assert {(item["table"], item["rows"]) for item in found} == {
        ("raw.readings", None),
        ("readings", 4),
        ("free_taxis", 4),
    }
    assert found[0]["partition_by"] == ["day", "hour"]
    sql = "select (select count(*) from raw.readings) as raw, (select count(*) from readings) as loaded"
    assert query(taxis, capsys, sql) == [{"raw": 4, "loaded": 4}]
