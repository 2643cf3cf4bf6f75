"""Check-ins, as issue and example promise them: the real 20,500 rows, stage by stage, by the public doors."""

from __future__ import annotations

import csv
import json
import re
import shutil
import urllib.request
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from tests.support.receivers import mail_server

from penstock.entrypoints.api.project import web
from penstock.entrypoints.cli.main import main
from penstock.model.slots import Standing
from penstock.wiring.local import Project, open_project

EXAMPLE = Path(__file__).parents[2] / "examples" / "checkins"
DAY = "landing/table=dailycheckin/year=2024/month=03/day={:02}/{}.csv"
HEADER = "user,timestamp,hours,project\n"
GOOD = HEADER + "foo,2024-03-01 08:00:00.25 UTC,1.50,bizdev\nbar,1 марта 2024 09:00,2.00,learning\n"
BAD = HEADER + "foo,03/01/2024 08:00 AM,1.50,bizdev\n,2024-03-01 09:00:00 UTC,2.00,zenobia\n"
MONTHS = "января февраля марта апреля мая июня июля августа сентября октября ноября декабря".split()
NOBODY, TOO_FINE = 'IsComplete "user_name"', "hours is not DECIMAL(5,2)"


@pytest.fixture
def folder(tmp_path) -> Path:
    shutil.copytree(EXAMPLE, tmp_path / "checkins", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "checkins"


def land(folder: Path, text: str, day: int = 1, name: str = "a") -> Path:
    file = folder / DAY.format(day, name)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def penstock(folder: Path, capsys, *words: str) -> list[dict]:
    """A command's JSON lines."""
    capsys.readouterr()
    main([*words, "--project", str(folder), "--json"])
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def items(folder: Path, capsys) -> list[dict]:
    return [line for line in penstock(folder, capsys, "status") if "ingestedID" in line]


def rows(project: Project, sql: str) -> list[tuple]:
    return list(project.query(sql)[1])


# --- the real file -----------------------------------------------------------------------------------------------


def instant(text: str) -> tuple[str, datetime]:
    """The format of a timestamp and what it means, by another program than the one under test."""
    if text.endswith(" UTC"):
        whole, _, fraction = text.removesuffix(" UTC").partition(".")
        moment = datetime.strptime(whole, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
        return "iso", moment.replace(microsecond=int(fraction.ljust(6, "0")))
    if "/" in text:
        return "american", datetime.strptime(text, "%m/%d/%Y %I:%M %p").replace(tzinfo=UTC)
    day, month, year, clock = text.split()
    hour, minute = map(int, clock.split(":"))
    return "russian", datetime(int(year), MONTHS.index(month) + 1, int(day), hour, minute, tzinfo=UTC)


@pytest.fixture(scope="module")
def real(checkins_data: Path) -> list[list[str]]:
    with (checkins_data / "dailycheckins.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))[1:]


@pytest.fixture(scope="module")
def loaded(checkins_data, tmp_path_factory):
    """A project into which the real file was loaded, under the day of its folder."""
    folder = tmp_path_factory.mktemp("real") / "checkins"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    file = folder / DAY.format(1, "dailycheckins")
    file.parent.mkdir(parents=True)
    shutil.copy(checkins_data / "dailycheckins.csv", file)
    with open_project(folder) as project:
        project.work_until_idle()
        yield project


def test_the_real_file_is_what_it_was(real):
    assert Counter(instant(row[1])[0] for row in real) == {"iso": 18_453, "american": 1_025, "russian": 1_022}
    assert sum(not row[0] for row in real) == 5
    assert sum(count - 1 for count in Counter(map(tuple, real)).values()) == 723


def test_every_row_has_a_fate_with_a_name(loaded):
    (run,) = loaded.ledger.runs()
    (result,) = run.results
    assert (result.fates.read, result.fates.kept, result.fates.quarantined) == (20_500, 20_494, 6)
    assert dict(result.reasons) == {NOBODY: 5, TOO_FINE: 1}


def test_every_instant_is_the_one_that_its_text_means(loaded, real):
    expected = Counter(
        (user, instant(moment)[1], Decimal(hours), project)
        for user, moment, hours, project in real
        if user and re.fullmatch(r"\d+\.\d{1,2}", hours)
    )
    found = rows(loaded, "SELECT user_name, checked_in_at, hours_worked, project_name FROM daily_checkins")
    assert Counter(found) == expected
    assert sum(expected.values()) == 20_494


@pytest.fixture(scope="module")
def doubles(real) -> int:
    """Rows that say the same as an earlier one, be it in another format."""
    good = [row for row in real if row[0] and re.fullmatch(r"\d+\.\d{1,2}", row[2])]
    meant = Counter((row[0], instant(row[1])[1], Decimal(row[2]), row[3]) for row in good)
    return sum(count - 1 for count in meant.values())


def test_identical_rows_are_kept(loaded, doubles):
    columns = "user_name, checked_in_at, hours_worked, project_name"
    distinct = f"SELECT count(*) FROM (SELECT DISTINCT {columns} FROM daily_checkins)"
    ((found,),) = rows(loaded, f"SELECT count(*) - ({distinct}) FROM daily_checkins")
    assert found == doubles >= 723


def test_identical_rows_go_when_the_author_asks(checkins_data, folder, doubles):
    pipeline = folder / "pipelines" / "checkins.py"
    text = pipeline.read_text(encoding="utf-8")
    wanted = 'hard=False,\n    deduplicate=["user", "timestamp", "hours", "project"],'
    pipeline.write_text(text.replace("hard=False,", wanted), encoding="utf-8")
    land(folder, (checkins_data / "dailycheckins.csv").read_text(encoding="utf-8"))
    with open_project(folder) as project:
        (run,) = project.work_until_idle()
    assert (run.fates.deduplicated, run.fates.kept) == (doubles, 20_494 - doubles)


def test_the_real_file_goes_to_postgres_under_the_warehouse_s_names(checkins_data, folder, postgres, monkeypatch):
    monkeypatch.setenv("PENSTOCK_WAREHOUSE_URL", postgres)
    land(folder, (checkins_data / "dailycheckins.csv").read_text(encoding="utf-8"))
    with open_project(folder) as project:
        project.work_until_idle()
        assert project.verify() == []
    with psycopg.connect(postgres) as connection:
        kinds = connection.execute(
            "SELECT column_name, data_type, numeric_precision, numeric_scale FROM information_schema.columns "
            "WHERE table_name = 'daily_checkins' AND column_name NOT LIKE '\\_%' ORDER BY ordinal_position"
        ).fetchall()
        count = connection.execute("SELECT count(*), count(checked_in_at) FROM daily_checkins").fetchone()
    assert kinds == [
        ("user_name", "text", None, None),
        ("checked_in_at", "timestamp with time zone", None, None),
        ("hours_worked", "numeric", 5, 2),
        ("project_name", "text", None, None),
    ]
    assert count == (20_494, 20_494)


# --- stages ------------------------------------------------------------------------------------------------------


def test_each_ingestion_is_an_item_with_an_id_of_its_own(folder, capsys):
    land(folder, GOOD)
    penstock(folder, capsys, "run")
    land(folder, BAD, name="b")
    penstock(folder, capsys, "run", "checkins", "--hard", str(folder / DAY.format(1, "b")))
    land(folder, BAD)
    penstock(folder, capsys, "run")
    found = items(folder, capsys)
    assert found == [
        {"ingestedID": f"20240301-A00{serial}", "ingestedTable": "dailycheckin", "state": state, "status": status}
        for serial, state, status in ((3, "load", "success"), (2, "test", "suspended"), (1, "load", "success"))
    ]


def test_the_event_s_own_path_is_read_whatever_day_it_is(folder, capsys):
    land(folder, GOOD, day=29, name="late")
    land(folder, GOOD, day=2)
    penstock(folder, capsys, "run")
    assert sorted(item["ingestedID"][:8] for item in items(folder, capsys)) == ["20240302", "20240329"]
    with open_project(folder) as project:
        assert {slot.address for slot in project.ledger.slots("checkins")} == {
            DAY.format(29, "late"),
            DAY.format(2, "a"),
        }


def test_a_schedule_may_submit_the_day_s_folder_instead(folder, capsys):
    pipeline = folder / "pipelines" / "checkins.py"
    text = pipeline.read_text(encoding="utf-8")
    upload = 'ps.upload("landing/table={table}/year={year:%Y}/month={month:%m}/day={day:%d}/*.csv")'
    assert upload in text
    scheduled = upload.replace("ps.upload(", 'ps.schedule("0 6 * * *", tz="UTC", submit=')
    pipeline.write_text(text.replace(upload, scheduled), encoding="utf-8")
    for day in (1, 2):
        land(folder, GOOD, day=day)
    penstock(folder, capsys, "run", "checkins", "--at", "2024-03-02T06:00")
    assert [item["ingestedID"] for item in items(folder, capsys)] == ["20240302-A001"]


def test_a_test_is_retried_alone_once_a_person_releases_it(folder, capsys):
    """Neither the file nor the transformation is needed again."""
    file = land(folder, BAD)
    with open_project(folder) as project:
        project.run("checkins", [DAY.format(1, "a")], hard=True)
        file.unlink()
        (run,) = project.ledger.runs()
        project.ledger.release(run.id, project.clock(), by="test")
        project.work_until_idle()
        run = project.ledger.run(run.id)
        assert rows(project, "SELECT user_name FROM daily_checkins") == [("foo",)]
    assert dict(run.tries) == {"prepare": 1, "test": 2, "load": 1}
    assert [item["status"] for item in items(folder, capsys)] == ["success"]


def test_a_load_is_retried_alone_once_the_destination_is_back(folder, capsys, postgres, monkeypatch):
    monkeypatch.setenv("PENSTOCK_RETRY_ATTEMPTS", "1")
    monkeypatch.setenv("PENSTOCK_WAREHOUSE_URL", "postgresql://127.0.0.1:1/nowhere")
    file = land(folder, GOOD)
    penstock(folder, capsys, "run")
    assert items(folder, capsys)[0] | {"ingestedID": ""} == {
        "ingestedID": "",
        "ingestedTable": "dailycheckin",
        "state": "load",
        "status": "failed",
    }
    file.unlink()
    monkeypatch.setenv("PENSTOCK_WAREHOUSE_URL", postgres)
    penstock(folder, capsys, "redrive")
    assert items(folder, capsys)[0]["status"] == "success"
    with open_project(folder) as project:
        (run,) = project.ledger.runs()
        assert dict(run.tries) == {"prepare": 1, "test": 1, "load": 2}
    with psycopg.connect(postgres) as connection:
        assert connection.execute("SELECT count(*) FROM daily_checkins").fetchone() == (2,)


def test_a_file_that_cannot_be_read_fails_at_transform(folder, capsys):
    land(folder, "not,what,was,agreed\n1,2,3,4\n")
    penstock(folder, capsys, "run")
    assert [(item["state"], item["status"]) for item in items(folder, capsys)] == [("transform", "failed")]


# --- tests of rows -----------------------------------------------------------------------------------------------


def test_rows_that_fail_lie_in_quarantine_and_the_others_go_on(folder, capsys):
    land(folder, BAD)
    penstock(folder, capsys, "run")
    (row,) = penstock(folder, capsys, "quarantine")
    assert (row["line"], row["reasons"], row["row"]["project"]) == (3, [NOBODY], "zenobia")
    with open_project(folder) as project:
        assert rows(project, "SELECT user_name FROM daily_checkins") == [("foo",)]


@pytest.mark.parametrize("where", ["pipeline", "run", "environment", "variable"])
def test_hard_suspends_wherever_it_is_said(folder, capsys, monkeypatch, where):
    file = land(folder, BAD)
    words = ["run"]
    if where == "pipeline":
        pipeline = folder / "pipelines" / "checkins.py"
        pipeline.write_text(pipeline.read_text(encoding="utf-8").replace("hard=False", "hard=True"), encoding="utf-8")
    elif where == "run":
        words += ["checkins", "--hard"]
    elif where == "variable":
        monkeypatch.setenv("PENSTOCK_HARD", "true")
    else:
        words += ["--env", "strict"]
        shutil.copytree(folder / "landing", folder / ".penstock/env/strict/landing")
        file.unlink()
    assert penstock(folder, capsys, *words)[-1]["state"] == "suspended"


@pytest.mark.parametrize(("word", "standing"), [((), Standing.LOADED), (("--drop",), Standing.DROPPED)])
def test_a_person_releases_or_drops_what_is_suspended(folder, capsys, word, standing):
    land(folder, BAD)
    penstock(folder, capsys, "run", "checkins", "--hard")
    penstock(folder, capsys, "redrive", "checkins-1", *word)
    with open_project(folder) as project:
        (generation,) = project.ledger.generations("checkins")
    assert generation.standing is standing


# --- people, and programs ----------------------------------------------------------------------------------------


def test_mail_tells_of_success_and_of_a_halt_with_its_reason(folder, capsys, monkeypatch):
    with mail_server() as (box, url):
        monkeypatch.setenv("PENSTOCK_SECRET_NOTIFY_TEAM", url)
        land(folder, GOOD)
        penstock(folder, capsys, "run")
        land(folder, BAD, day=2)
        penstock(folder, capsys, "run", "checkins", "--hard")
    good, halted = box.letters
    assert good["Subject"] == "checkins succeeded: 2 rows loaded, 0 failed [checkins/local]"
    assert halted["Subject"] == "checkins suspended: 0 rows loaded, 2 failed [checkins/local]"
    text = halted.get_content()
    assert "why: E204" in text
    assert NOBODY in text
    assert "20240302-A002" in text
    assert "zenobia" not in text


def test_a_person_s_rows_are_served_from_the_destination(folder, capsys, postgres, monkeypatch):
    monkeypatch.setenv("PENSTOCK_WAREHOUSE_URL", postgres)
    pipeline = folder / "pipelines" / "checkins.py"
    text = pipeline.read_text(encoding="utf-8").replace('    "/get",', '    "/get",\n    public=True,')
    pipeline.write_text(text, encoding="utf-8")
    land(folder, GOOD)
    penstock(folder, capsys, "run")
    with open_project(folder) as project, web(project, 0) as url:
        told = asked(f"{url}/get?user=foo")
    moment = "2024-03-01T08:00:00.250000+00:00"
    assert told["response"] == [{"user": "foo", "project": "bizdev", "hours": 1.5, "timestamp": moment}]


def asked(url: str) -> dict:
    with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310  our own server
        return json.load(response)


def test_the_example_s_own_files_show_every_fate(folder, capsys):
    from runpy import run_path

    run_path(str(folder / "make_data.py"))["make"](folder / "landing", mistakes=True)
    told = penstock(folder, capsys, "run")[-1]
    assert told["rows"] == {"read": 400, "kept": 392, "filtered": 0, "deduplicated": 0, "quarantined": 8}
    assert told["reasons"] == {
        'ColumnValues "hours_worked" >= 0': 2,
        NOBODY: 2,
        "timestamp is not TIMESTAMPTZ": 2,
        "too_few_columns": 2,
    }


def test_the_definition_is_short():
    lines = (EXAMPLE / "pipelines" / "checkins.py").read_text(encoding="utf-8").splitlines()
    assert 60 <= len(lines) <= 120
