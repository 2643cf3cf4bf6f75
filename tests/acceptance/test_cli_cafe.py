"""The command line on the café example, as a newcomer meets it: every verb, happy and sad."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from penstock.entrypoints.cli.init import create
from penstock.entrypoints.cli.main import main

LEEDS = "leeds_04-03-2024_09-00-00.csv"
CHESTERFIELD = "chesterfield_04-03-2024_09-00-00.csv"


@dataclass(frozen=True)
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


Command = Callable[..., Said]


@pytest.fixture
def penstock(capsys) -> Command:
    def call(*words: str | Path) -> Said:
        code = main([str(word) for word in words])
        printed = capsys.readouterr()
        return Said(code, printed.out, printed.err)

    return call


@pytest.fixture(scope="module")
def tills(tmp_path_factory) -> Path:
    """Two branches' files of one day, 60 orders each, five of each wrong."""
    folder = tmp_path_factory.mktemp("tills")
    make = runpy.run_path(str(Path(__file__).parents[2] / "examples/cafe/make_data.py"))["make"]
    make(folder, days=1, orders=60, seed=3, mistakes=True)
    return folder


@pytest.fixture(scope="module")
def loaded_project(tills, tmp_path_factory) -> Path:
    """A project in which the files have been run once; copied by tests that change it."""
    folder = tmp_path_factory.mktemp("projects") / "shop"
    create(folder, "cafe")
    for name in (LEEDS, CHESTERFIELD):
        assert main(["run", "cafe", str(tills / name), "--project", str(folder), "--json"]) == 0
    return folder


@pytest.fixture
def empty(tmp_path, monkeypatch) -> Path:
    create(tmp_path / "shop", "cafe")
    monkeypatch.chdir(tmp_path / "shop")
    return tmp_path / "shop"


@pytest.fixture
def shop(loaded_project, tmp_path, monkeypatch) -> Path:
    shutil.copytree(loaded_project, tmp_path / "shop", symlinks=True)
    monkeypatch.chdir(tmp_path / "shop")
    return tmp_path / "shop"


# --- run -----------------------------------------------------------------------------------------------------------


def test_run_ends_with_the_account(empty, tills, penstock):
    said = penstock("run", "cafe", tills / LEEDS, "--json")
    last = said.records[-1]
    assert (said.code, last["event"], last["pipeline"], last["state"]) == (0, "run_finished", "cafe", "succeeded")
    assert last["rows"] == {"read": 60, "kept": 55, "filtered": 0, "deduplicated": 0, "quarantined": 5}
    assert last["loaded"]["orders"] == 55
    assert set(last["loaded"]) == {"branches", "products", "orders", "order_items"}


def test_a_file_alone_names_its_pipeline(empty, tills, penstock):
    said = penstock("run", tills / LEEDS, tills / CHESTERFIELD)
    assert (said.code, "run cafe-1" in said.out, CHESTERFIELD in said.out) == (0, True, True)
    assert penstock("test", f"landing/{LEEDS}").out.startswith("✓ cafe")


def test_a_file_that_two_pipelines_take_needs_a_name(empty, tills, penstock):
    head = (empty / "pipelines/cafe.py").read_text().partition("cafe.checks")[0].replace('    "cafe",', '    "tills",')
    (empty / "pipelines/tills.py").write_text(head + 'cafe.load("source", to=ps.lake(), table="tills")\n')
    said = penstock("run", tills / LEEDS)
    assert said.code == 2
    assert f"penstock run cafe {tills / LEEDS}   or   penstock run tills" in said.err


def test_run_tells_a_person_what_became_of_the_rows(empty, tills, penstock):
    said = penstock("run", "cafe", tills / LEEDS)
    assert f"{LEEDS}  60 rows: 55 kept, 5 set aside" in said.out
    assert re.search(r"ok in \d+\.\d s · run ", said.out)
    assert "penstock quarantine show" in said.out


def test_a_second_delivery_is_a_duplicate(shop, tills, penstock):
    said = penstock("run", "cafe", tills / LEEDS, "--json")
    assert (said.code, said.records[-1]["duplicates"], said.records[-1]["rows"]["read"]) == (0, 1, 0)


def test_reload_loads_again(shop, tills, penstock):
    said = penstock("run", "cafe", tills / LEEDS, "--reload", "--json")
    assert said.records[-1]["rows"]["kept"] == 55


def test_run_without_files_takes_what_lies_in_the_landing_zone(empty, tills, penstock):
    (empty / "landing").mkdir()
    for name in (LEEDS, CHESTERFIELD):
        shutil.copy(tills / name, empty / "landing")
    said = penstock("run", "--json")
    assert (said.code, said.records[-1]["rows"]["read"]) == (0, 120)


def test_nothing_to_do_is_well(empty, penstock):
    said = penstock("run", "cafe")
    assert (said.code, said.out) == (0, "ok · nothing to do\n")


def test_nothing_to_do_points_out_what_fits_no_pipeline(empty, penstock):
    (empty / "landing").mkdir()
    (empty / "landing/leeds.csv").write_text("")
    assert "landing/leeds.csv  fits no pipeline" in penstock("run").out
    assert penstock("run", "--json").records[0] == {"event": "stray", "address": "landing/leeds.csv"}


def test_what_was_withdrawn_is_not_called_loaded(empty, tills, penstock):
    penstock("run", "cafe", tills / LEEDS, "--json")
    penstock("withdraw", "cafe", LEEDS)
    said = penstock("run", "cafe", empty / "landing" / LEEDS)
    assert f"{LEEDS}  withdrawn, and the same file since (to load it again: --reload)" in said.out


def test_a_refused_file_is_visible_and_others_go_on(empty, tills, penstock):
    (empty / "landing").mkdir()
    shutil.copy(tills / LEEDS, empty / "landing")
    (empty / "landing/broken_04-03-2024_10-00-00.csv").write_bytes(b"\x00\x01\x02\xff" * 64)
    said = penstock("run", "cafe")
    assert said.code == 3
    assert "error[E201]" in said.err
    assert f"{LEEDS}  60 rows" in said.out
    assert "broken_04-03-2024" in penstock("status").out


@pytest.mark.parametrize(
    ("row", "files"), [(["branches", "Leeds"], {LEEDS}), (["products", "Mocha", "Large"], {LEEDS, CHESTERFIELD})]
)
def test_an_entity_is_traced_by_its_natural_key(shop, penstock, row, files):
    said = penstock("trace", *row)
    assert (said.code, {line.split(":")[0] for line in said.out.splitlines()}) == (
        0,
        {f"landing/{name}" for name in files},
    )


@pytest.mark.parametrize(
    ("row", "what", "fix"),
    [
        (["products", "Mocha"], "no row of 'products' has the key Mocha", "named by product_id or product, size"),
        (
            ["products", "a", "b", "c"],
            "is named by product_id or product, size",
            "penstock trace products PRODUCT SIZE",
        ),
        (["products", "Water", "Large"], "no row of 'products' has the key Water, Large", "product, size"),
        (["orders", "x"], "a row of 'orders' is named by its identity", "the column order_id of 'orders'"),
    ],
)
def test_a_row_that_is_named_wrongly(shop, penstock, row, what, fix):
    said = penstock("trace", *row)
    assert (said.code, what in said.err, fix in said.err) == (2, True, True)


@pytest.mark.parametrize("slot", [LEEDS, f"landing/{LEEDS}"])
def test_an_export_of_one_delivery(shop, penstock, slot):
    said = penstock("quarantine", "export", "--slot", slot, "--to", "my fixes.csv")
    assert said.out == "5 rows → my fixes.csv\ncorrect the values, then: penstock replay --fixes 'my fixes.csv'\n"


def test_an_export_of_nothing_says_so(shop, penstock):
    said = penstock("quarantine", "export", "--on", "2020-01-01", "--to", "none.csv")
    assert said.out == "0 rows → none.csv\nno row waits in quarantine\n"


@pytest.mark.parametrize(
    ("words", "what", "fix"),
    [
        (["run", "caffe"], "there is no pipeline 'caffe'", "did you mean 'cafe'?"),
        (["run", "cafe", "nowhere.csv"], "there is no file 'nowhere.csv'", "check the path"),
        (["run", "pyproject.toml"], "no pipeline takes 'landing/pyproject.toml'", "rename the file to fit a trigger"),
        (["run", "nowhere.csv"], "there is no pipeline or file 'nowhere.csv'", "known: cafe"),
        (["logs", "cafes"], "there is no run or pipeline 'cafes'", "did you mean 'cafe'?"),
        (["quarantine", "shw", "cafe"], "there is no action 'shw'", "did you mean 'show'?"),
        (["withdraw", "cafe", "leeds.csv"], "there is no delivery 'leeds.csv'", LEEDS),
        (["quarantine", "export", "--slot", "leds.csv", "--to", "x.csv"], "there is no delivery 'leds.csv'", LEEDS),
        (["redrive", "r0"], "there is no run 'r0'", "known: "),
        (["trace", "order", "1"], "there is no table 'order'", "did you mean 'orders'?"),
        (["query", "select * from orderz"], "orderz", "orders"),
        (["status", "--env", "prod"], "there is no environment 'prod'", "local"),
    ],
)
def test_unknown_names_are_2_with_the_nearest(shop, penstock, words, what, fix):
    said = penstock(*words)
    assert (said.code, said.out) == (2, "")
    assert what in said.err
    assert fix in said.err


def test_a_broken_pipeline_file_is_3_and_names_its_line(shop, penstock):
    file = shop / "pipelines/cafe.py"
    file.write_text(file.read_text().replace("ps.tokenize(", "ps.tokenise("))
    said = penstock("run")
    assert said.code == 3
    assert "pipelines/cafe.py:" in said.err
    assert "did you mean 'tokenize'?" in said.err


# --- hard ----------------------------------------------------------------------------------------------------------


def test_hard_suspends_and_redrive_lets_go(empty, tills, penstock):
    said = penstock("run", "cafe", tills / LEEDS, "--hard")
    assert (said.code, "error[E204]" in said.err, "nothing was loaded" in said.out) == (3, True, True)
    assert penstock("status", "--check").code == 1
    run = re.search(r"penstock redrive (\S+) lets", said.out)[1]
    again = penstock("redrive", run, "--json")
    assert (again.code, again.records[-1]["loaded"]["orders"]) == (0, 55)
    assert penstock("status", "--check").code == 0


def test_hard_without_a_pipeline_is_for_all_of_them(empty, tills, penstock):
    (empty / "landing").mkdir(exist_ok=True)
    for name in (LEEDS, CHESTERFIELD):
        shutil.copy(tills / name, empty / "landing" / name)
    said = penstock("run", "--hard")
    assert (said.code, "error[E204]" in said.err, "nothing was loaded" in said.out) == (3, True, True)
    assert penstock("run", "--no-hard", "--reload", "--json").records[-1]["state"] == "succeeded"


def test_reload_without_a_pipeline_is_for_all_of_them(shop, penstock):
    said = penstock("run", "--reload", "--json")
    assert said.code == 0
    assert said.records[-1]["loaded"]["orders"] > 0
    assert penstock("verify").code == 0


def test_a_suspended_delivery_can_be_given_up(empty, tills, penstock):
    run = penstock("run", "cafe", tills / LEEDS, "--hard", "--json").records[-1]["run"]
    assert penstock("redrive", run, "--drop").code == 0
    assert penstock("status", "--check").code == 0


def test_nothing_to_redrive_says_so(shop, penstock):
    assert penstock("redrive").out == "nothing is dead\n"


# --- looking -------------------------------------------------------------------------------------------------------


def test_status_tells_the_last_run(shop, penstock):
    said = penstock("status")
    assert re.search(r"✓ cafe +ok · run \S+, \d+ s ago", said.out)
    (record,) = penstock("status", "--json").records
    assert (record["pipeline"], record["state"], record["rows"]["read"]) == ("cafe", "ok", 60)


def test_logs_are_the_ledgers_events_in_order(shop, penstock):
    records = penstock("logs", "--json", "-n", "0").records
    assert [record["sequence"] for record in records] == sorted(record["sequence"] for record in records)
    assert [record["event"] for record in records].count("run_finished") == 2


def test_logs_of_a_run_are_about_it_alone(shop, penstock):
    run = penstock("status", "--json").records[0]["run"]
    records = penstock("logs", run, "--json").records
    assert records
    assert all(run in (record["subject"], record.get("run")) for record in records)


def test_quarantine_prints_one_row_a_line(shop, penstock):
    records = penstock("quarantine", "--json").records
    assert len(records) == 10
    assert all({"pipeline", "run", "slot", "generation", "line", "reasons"} <= set(record) for record in records)
    assert all(("row" in record) != ("shape" in record) for record in records)
    assert sum("row" in record for record in records) == 6


def test_quarantine_lists_by_reason(shop, penstock):
    said = penstock("quarantine")
    assert 'IsComplete "branch"' in said.out
    assert LEEDS in said.out


def test_quarantine_shows_rows_of_a_rule(shop, penstock):
    said = penstock("quarantine", "show", "cafe", "--rule", 'complete "branch"')
    assert (said.code, "2 rows\n" in said.out) == (0, True)


def test_a_name_or_a_card_is_nowhere_but_in_the_landing_zone(shop, tills, penstock):
    said = [
        penstock(*words) for words in (["quarantine", "show"], ["logs", "-n", "0"], ["query", "select * from orders"])
    ]
    printed = "".join(item.out + item.err for item in said).encode()
    written = [path for zone in (".penstock", "staging", "quarantine", "curated") for path in (shop / zone).rglob("*")]
    kept = b"".join(path.read_bytes() for path in written if path.is_file())
    with (tills / LEEDS).open() as file:
        secrets = {value for row in csv.reader(file) if len(row) == 7 for value in (row[2], row[6]) if value}
    assert secrets
    assert [value for value in secrets if value.encode() in printed + kept] == []


def test_query_prints_a_table(shop, penstock):
    said = penstock("query", "select branch from branches order by 1")
    assert said.out == "branch\n────────────\nChesterfield\nLeeds\n2 rows\n"


def test_query_prints_one_json_row_a_line(shop, penstock):
    records = penstock("query", "select count(*) n, sum(total) total from orders", "--json").records
    assert records[0]["n"] == 110


def test_query_prints_csv(shop, penstock):
    said = penstock("query", "select branch, 1 as one from branches order by 1", "--csv")
    assert list(csv.reader(io.StringIO(said.out))) == [["branch", "one"], ["Chesterfield", "1"], ["Leeds", "1"]]


def test_query_explains_wrong_sql(shop, penstock):
    said = penstock("query", "selec 1")
    assert (said.code, "^" in said.err) == (2, True)


@pytest.mark.parametrize(
    "sql", ["copy (select 1) to 'out.csv'", "create table x as select 1", "select 1; select 2", "attach 'x.db'", ""]
)
def test_query_reads_and_never_writes(shop, penstock, sql):
    before = sorted(shop.glob("*"))
    assert penstock("query", sql).code == 2
    assert sorted(shop.glob("*")) == before


def test_query_reads_no_file(shop, penstock):
    said = penstock("query", f"select * from read_text('{shop}/pyproject.toml')")
    assert (said.code, "Permission" in said.err) == (2, True)


def test_trace_leads_to_file_and_line(shop, penstock):
    order = penstock("query", "select min(order_id) id from orders", "--json").records[0]["id"]
    (record,) = penstock("trace", "orders", str(order), "--json").records
    assert record["slot"] in (f"landing/{LEEDS}", f"landing/{CHESTERFIELD}")
    assert 1 <= record["line"] <= 60


def test_trace_of_a_shared_row_leads_to_all_that_speak_of_it(shop, penstock):
    branch = penstock("query", "select branch_id id from branches where branch = 'Leeds'", "--json").records[0]["id"]
    records = penstock("trace", "branches", str(branch), "--json").records
    assert {record["slot"] for record in records} == {f"landing/{LEEDS}"}
    assert len({record["line"] for record in records}) == 20


def test_verify_finds_agreement(shop, penstock):
    said = penstock("verify")
    assert said.code == 0


def test_doctor_looks_at_everything(shop, penstock):
    said = penstock("doctor")
    assert said.code == 0
    assert all(f"✓ {name}" in said.out for name in ("python", "duckdb", "disk", "pipelines", "ledger", "secrets"))
    assert re.search(r"workers +1 +default", said.out)


def test_doctor_says_how_to_mend(shop, penstock):
    (shop / ".penstock/secrets/privacy_key").chmod(0o644)
    said = penstock("doctor")
    assert said.code == 3
    assert f"chmod 600 {shop}/.penstock/secrets/privacy_key" in said.out


def test_doctor_outside_a_project_looks_at_the_machine(tmp_path, penstock, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = penstock("doctor")
    assert (said.code, "✓ python" in said.out, "penstock init" in said.out) == (3, True, True)


def test_doctor_proposes_privacy_marks(shop, tills, penstock):
    said = penstock("doctor", "--privacy", tills / LEEDS)
    assert said.code == 0
    assert "tokenize(keep_last=4)" in said.out


def test_a_project_drafted_from_a_file_loads_it(tmp_path, tills, penstock, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = penstock("init", "drafted", "--from", tills / LEEDS)
    assert (said.code, "pipelines/\n    leeds.py" in said.out) == (0, True)
    monkeypatch.chdir(tmp_path / "drafted")
    assert penstock("run", "leeds", tills / LEEDS, "--json").records[-1]["rows"]["read"] == 60


# --- changing ------------------------------------------------------------------------------------------------------


def test_withdraw_takes_the_rows_out(shop, penstock):
    said = penstock("withdraw", "cafe", LEEDS)
    assert said.out == f"✓ landing/{LEEDS} is withdrawn; the file itself stays where it is\n"
    assert (said.code, (shop / "landing" / LEEDS).exists()) == (0, True)
    assert penstock("query", "select distinct branch from branches", "--json").records == [{"branch": "Chesterfield"}]


def test_an_edited_export_is_replayed(shop, penstock):
    penstock("quarantine", "export", "--rule", 'complete "branch"', "--to", "fixed.csv")
    text = (shop / "fixed.csv").read_text()
    with (shop / "fixed.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["branch"] = "Leeds" if "leeds" in row["slot"] else "Chesterfield"
    with (shop / "fixed.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, text.splitlines()[0].split(","))
        writer.writeheader()
        writer.writerows(rows)
    said = penstock("replay", "--fixes", "fixed.csv", "--json")
    assert said.code == 0
    assert penstock("query", "select count(*) n from orders", "--json").records == [{"n": 112}]
    assert len(penstock("quarantine", "--json").records) == 8


def test_nothing_to_replay_says_so(empty, penstock):
    assert penstock("replay").out.startswith("there is nothing to replay\n")


def test_replay_names_the_reasons_that_there_are(shop, penstock):
    said = penstock("replay", "--rule", "no such rule")
    assert (said.code, 'IsComplete "branch"' in said.err) == (2, True)


def test_replay_after_a_rule_was_changed(shop, penstock):
    file = shop / "pipelines/cafe.py"
    file.write_text(file.read_text().replace("    'IsComplete \"branch\"',\n", ""))
    said = penstock("replay", "cafe", "--rule", "branch", "--json")
    assert (said.code, said.records[-1]["rows"]["kept"]) == (0, 2)


def test_fixtures_share_one_run_time(tmp_path, monkeypatch, penstock):
    create(tmp_path / "shop", "minimal")
    monkeypatch.chdir(tmp_path / "shop")
    file = tmp_path / "shop/pipelines/sales.py"
    step = '@sales.step\ndef timed(source):\n    return source.sql("SELECT *, run_time() AS seen FROM source")\n\n\n'
    text = file.read_text().replace('sales.load("source"', step + 'sales.load("timed"')
    file.write_text(text)
    said = penstock("test")
    assert (said.code, "1 passed" in said.out) == (0, True)


def test_keys_are_rotated_as_the_reference_says(empty, tills, penstock):
    penstock("run", "cafe", tills / LEEDS)
    page = (Path(__file__).parents[2] / "docs/reference/settings.md").read_text()
    commands = re.search(r"### Rotate the privacy key.*?```shell\n(.*?)```", page, re.DOTALL)[1]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    subprocess.run(["bash", "-euc", commands], check=True, cwd=empty, env={"PATH": path})
    assert penstock("run", "cafe", tills / CHESTERFIELD).code == 0
    cards = penstock(
        "query", "select distinct branch, card[:3] key from orders join branches using (branch_id)", "--json"
    )
    keys = {(record["branch"], record["key"]) for record in cards.records if record["key"]}
    assert keys == {("Leeds", "k1:"), ("Chesterfield", "k2:")}
    assert penstock("doctor").code == 0


# --- the sample ----------------------------------------------------------------------------------------------------


@pytest.fixture
def demo(tmp_path, monkeypatch, penstock) -> tuple[Said, Said]:
    monkeypatch.chdir(tmp_path)
    return penstock("demo"), penstock("demo")


def test_the_demo_shows_what_arrived_and_what_did_not(demo):
    first, _ = demo
    assert first.code == 0
    assert all(
        word in first.out for word in ("590", "order_items", 'IsComplete "branch"', "Try next", "--project demo query")
    )
    assert len(first.out.splitlines()) < 40


def test_a_second_demo_loads_nothing_twice(demo):
    _, second = demo
    assert second.code == 0
    assert second.out.count("the same as before") == 2


def test_fixtures_pass(empty, penstock):
    said = penstock("test")
    assert said.code == 0


def test_the_real_files_are_accounted_for(empty, cafe_data, penstock):
    files = sorted(cafe_data.glob("*.csv"))
    said = penstock("run", "cafe", *files, "--json")
    assert said.records[-1]["rows"]["read"] == 268 + 382
    assert said.records[-1]["rows"]["kept"] == 268 + 382
