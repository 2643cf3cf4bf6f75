"""Pipelines with several sources, from files to tables and back: what a person sees of them."""

from __future__ import annotations

import json

import pytest

from penstock.entrypoints.cli.main import main
from penstock.errors import DefinitionError, TriggerError
from penstock.wiring import definitions
from penstock.wiring.local import open_project

COVID = """
import penstock as ps

covid = ps.Pipeline(
    "covid",
    trigger=ps.upload(cases="landing/{country}/cases_{day}.csv", recoveries="landing/{country}/recoveries_{day}.csv"),
    sources={
        "cases": ps.csv(columns={"date": "DATE", "cases": "INTEGER"}),
        "recoveries": ps.csv(columns={"date": "DATE", "recovered": "INTEGER"}),
    },
)
covid.sql("days", "SELECT * FROM cases JOIN recoveries USING (date)")
covid.load("days", to=ps.lake())
covid.load("cases", to=ps.lake())

totals = ps.Pipeline("totals", trigger=ps.ready(by=["country"]), source=ps.table("days"))
totals.sql("sums", "SELECT sum(cases) AS cases, count(*) AS days FROM source")
totals.load("sums", to=ps.lake())
"""
CASES = "date,cases\n2020-01-01,1\n2020-01-02,2\n"
RECOVERIES = "date,recovered\n2020-01-02,1\n2020-01-03,1\n"


class Place:
    """A project in a folder."""

    def __init__(self, folder, capsys):
        self.folder, self.capsys = folder, capsys
        self.write("pyproject.toml", '[tool.penstock]\nproject = "health"\n')
        self.write("pipelines/covid.py", COVID)

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def run(self, *words):
        """The records that a command prints."""
        self.capsys.readouterr()
        code = main([*words, "--json"])
        return code, [json.loads(line) for line in self.capsys.readouterr().out.splitlines()]

    def rows(self, sql):
        return [tuple(row.values()) for row in self.run("query", sql)[1]]

    def history(self, pipeline):
        with open_project(self.folder) as project:
            return {
                slot.address: [(item.kind.value, item.standing.value) for item in project.ledger.history(slot)]
                for slot in project.ledger.slots(pipeline)
            }


@pytest.fixture
def place(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Place(tmp_path, capsys)


def deliver(place, country="us", day="1", cases=CASES, recoveries=RECOVERIES):
    place.write(f"landing/{country}/cases_{day}.csv", cases)
    place.write(f"landing/{country}/recoveries_{day}.csv", recoveries)


def test_a_key_waits_for_all_of_its_files(place):
    place.write("landing/us/cases_1.csv", CASES)
    place.run("run")
    assert place.history("covid") == {}
    (key,) = place.run("status", "covid", "--ready")[1]
    assert (key["partition_key"], key["sort_key"]) == ("us", "1")
    assert (key["case_persisted"], key["recovery_persisted"], key["missing"]) == (True, False, ["recoveries"])


def test_files_are_joined_and_what_waits_for_the_table_follows(place):
    deliver(place)
    code, records = place.run("run")
    assert code == 0
    assert place.rows("SELECT cases, recovered FROM days") == [(2, 1)]
    assert place.rows("SELECT cases, days FROM sums") == [(2, 1)]
    assert {record["pipeline"] for record in records if record["event"] == "run_finished"} == {"covid", "totals"}


def test_nothing_new_is_nothing_to_do(place):
    deliver(place)
    place.run("run")
    place.run("run")
    assert [len(found) for found in (*place.history("covid").values(), *place.history("totals").values())] == [1, 1]


def test_a_correction_replaces_its_key_and_no_other(place):
    for country in ("us", "fr"):
        deliver(place, country)
    place.run("run")
    deliver(place, "fr", cases=CASES.replace(",2\n", ",7\n"))
    place.run("run")
    assert sorted(place.rows("SELECT cases FROM days")) == [(2,), (7,)]
    assert {address: len(found) for address, found in place.history("totals").items()} == {
        "key/country=fr": 2, "key/country=us": 1,
    }  # fmt: skip


def test_an_output_that_has_not_changed_stops_there(place):
    deliver(place)
    place.run("run")
    deliver(place, cases=CASES.replace("2020-01-01,1", "2020-01-01,9"))
    place.run("run")
    assert [len(found) for found in place.history("covid").values()] == [2]
    assert [len(found) for found in place.history("totals").values()] == [1]


def test_all_days_of_a_country_are_one_key_of_who_asks_for_countries(place):
    deliver(place, day="1")
    deliver(place, day="2")
    place.run("run")
    assert place.rows("SELECT cases, days FROM sums") == [(4, 2)]


def test_a_row_leads_back_to_its_source_file_and_line(place):
    deliver(place)
    place.run("run")
    ((row,),) = place.rows("SELECT _row FROM cases WHERE cases = 2")
    (origin,) = place.run("trace", "cases", str(row))[1]
    assert (origin["slot"], origin["line"], origin["source"]) == ("landing/us/cases_1.csv", 3, "cases")


def test_withdrawing_a_key_takes_what_was_made_of_it_along(place):
    deliver(place, "us")
    deliver(place, "fr")
    place.run("run")
    place.run("withdraw", "covid", "key/country=us/day=1")
    assert place.rows("SELECT count(*) FROM days") == [(1,)]
    assert place.history("totals")["key/country=us"][-1] == ("withdrawal", "loaded")
    assert place.rows("SELECT count(*) FROM sums") == [(1,)]
    states = {item["partition_key"]: item["standing"] for item in place.run("status", "totals", "--ready")[1]}
    assert states == {"us": "withdrawn", "fr": "loaded"}


def test_everything_agrees_and_a_lost_mark_would_be_seen(place):
    deliver(place)
    place.run("run")
    assert place.run("verify") == (0, [])
    deliver(place, "fr")
    code, found = place.run("verify")
    assert (code, {item["kind"] for item in found}) == (4, {"not_accepted"})


def test_a_person_names_the_sources_of_a_manual_pipeline(place):
    manual = COVID.split("totals =", maxsplit=1)[0]
    start, end = manual.index("trigger="), manual.index("sources=")
    place.write("pipelines/covid.py", manual[:start] + "trigger=ps.manual(),\n    " + manual[end:])
    cases, recoveries = place.write("a.csv", CASES), place.write("b.csv", RECOVERIES)
    records = place.run("run", "covid", f"cases={cases}")[1]
    assert ("key_waiting", ["recoveries"]) in [(item["event"], item.get("missing")) for item in records]
    place.run("run", "covid", f"recoveries={recoveries}")
    assert place.rows("SELECT cases, recovered FROM days") == [(2, 1)]
    newer = place.write("c.csv", RECOVERIES.replace("2020-01-03", "2020-01-01"))
    place.run("run", "covid", f"recoveries={newer}")
    assert sorted(place.rows("SELECT cases FROM days")) == [(1,), (2,)]
    assert place.run("run", "covid", str(cases))[0] == 2


def test_a_pipeline_that_is_declared_later_catches_up(place):
    for day in ("1", "2", "3"):
        deliver(place, day=day)
    place.run("run")
    place.write("pipelines/more.py", LATER)
    place.run("run")
    assert place.history("more") == {}
    assert place.run("backfill", "more", "2..3", "--yes")[0] == 0
    assert sorted(place.history("more")) == ["key/country=us/day=2", "key/country=us/day=3"]
    place.run("backfill", "more", "--yes")
    assert [len(found) for found in place.history("more").values()] == [1, 1, 1]


LATER = """
import penstock as ps

more = ps.Pipeline("more", trigger=ps.ready(by=["country", "day"]), sources={"days": ps.table("days")})
more.sql("doubled", "SELECT cases * 2 AS twice FROM days")
more.load("doubled", to=ps.lake())
"""


# --- definitions -------------------------------------------------------------------------------------------------


def read(place, text):
    place.write("pipelines/more.py", text)
    return definitions.load(place.folder)


def test_a_table_that_nobody_loads(place):
    with pytest.raises(DefinitionError, match="no pipeline loads the table 'dayz'") as error:
        read(place, LATER.replace('ps.table("days")', 'ps.table("dayz")'))
    assert "days" in error.value.fix


def test_a_part_that_the_table_does_not_have(place):
    with pytest.raises(TriggerError, match="has no part 'sender'"):
        read(place, LATER.replace('"country", "day"', '"sender"'))


def test_pipelines_that_wait_for_each_other(place):
    circle = (
        LATER
        + """
again = ps.Pipeline("again", trigger=ps.ready(by=["country"]), sources={"x": ps.table("doubled"), "y": ps.table("z")})
again.sql("w", "SELECT 1 AS one FROM x")
again.load("w", to=ps.lake())
last = ps.Pipeline("last", trigger=ps.ready(by=["country"]), source=ps.table("w"))
last.sql("z", "SELECT 1 AS one FROM source")
last.load("z", to=ps.lake())
"""
    )
    with pytest.raises(DefinitionError, match="waits for itself"):
        read(place, circle)


def test_a_table_becomes_ready_and_does_not_arrive(place):
    with pytest.raises(TriggerError, match="becomes ready"):
        read(place, LATER.replace('ps.ready(by=["country", "day"])', "ps.manual()"))


# --- fixtures ----------------------------------------------------------------------------------------------------


def test_fixtures_of_a_key_are_tried_together(place):
    place.write("fixtures/us/cases_1.csv", CASES)
    place.write("fixtures/us/recoveries_1.csv", RECOVERIES)
    code, records = place.run("test")
    (trial, finished) = records
    assert (code, trial["file"], trial["rows"]["read"], finished["passed"]) == (0, "key/country=us/day=1", 4, 1)


def test_a_key_that_lacks_a_fixture_fails_its_trial(place):
    place.write("fixtures/us/cases_1.csv", CASES)
    code, records = place.run("test")
    assert code == 1
    assert "lacks recoveries" in records[0]["error"]["message"]


# --- deadlines ---------------------------------------------------------------------------------------------------


def test_a_rescan_reports_what_is_late_once(place, caplog):
    from datetime import timedelta

    place.write("pipelines/covid.py", COVID.replace("    trigger=ps.upload(", '    trigger=ps.upload(deadline="6h", '))
    place.write("landing/us/cases_1.csv", CASES)
    place.run("run")
    with open_project(place.folder) as project:
        later = project.clock() + timedelta(hours=6)
        project.clock = lambda: later
        for _ in range(2):
            project.intake.rescan()
        late = [event for event in project.ledger.events() if event.type == "readiness.overdue"]
    assert [event.data["missing"] for event in late] == [["recoveries"]]
    assert "lacks recoveries" in caplog.text
