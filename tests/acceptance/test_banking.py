"""Banking: four files of a sender's day, relationships, and three transformers that know nothing of each other."""

from __future__ import annotations

import json
import os
import runpy
import shutil
from collections import Counter
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from penstock.entrypoints.cli.init import create
from penstock.entrypoints.cli.main import main
from penstock.runtime.healing import Selection
from penstock.wiring.local import open_project

ROOT = Path(__file__).resolve().parents[2]
MAKE = runpy.run_path(str(ROOT / "examples/banking/make_data.py"))["make"]
STORED = ("clients", "portfolios", "accounts", "transactions")
TRANSFORMERS = ("deposits", "balances", "taxes")


class Bank:
    """The example in a folder of its own, opened anew for every look: pipelines may have been edited."""

    def __init__(self, folder):
        self.folder = folder

    def run(self, hours=0):
        """Work until nothing is left to do, so many hours from now; returns how many runs each pipeline had."""
        with open_project(self.folder) as project:
            now = project.clock
            project.clock = lambda: now() + timedelta(hours=hours)
            return Counter(run.pipeline for run in project.work_until_idle())

    def rows(self, sql):
        with open_project(self.folder) as project:
            return sorted(tuple(map(str, row)) for row in project.query(sql)[1])

    def generations(self, pipeline):
        with open_project(self.folder) as project:
            slots = project.ledger.slots(pipeline)
            return {slot.address.removeprefix("key/"): len(project.ledger.history(slot)) for slot in slots}

    def grid(self, pipeline="relations"):
        with open_project(self.folder) as project:
            return {key.state.address: set(key.missing) for key in project.keys(pipeline)}

    def edit(self, name, old, new, sender="EXT_CLIENT"):
        """A sender corrects a file."""
        path = self.folder / f"landing/{sender}/{name}_20220226.csv"
        text = path.read_text()
        assert old in text
        draft = path.with_suffix(".part")
        draft.write_text(text.replace(old, new, 1))
        draft.replace(path)

    def landing(self, name, sender="EXT_CLIENT"):
        return self.folder / f"landing/{sender}/{name}_20220226.csv"

    def column(self, name, number, line=1, sender="EXT_CLIENT"):
        return self.landing(name, sender).read_text().splitlines()[line].split(",")[number]


@pytest.fixture
def empty(tmp_path):
    create(tmp_path / "bank", "banking")
    return Bank(tmp_path / "bank")


@pytest.fixture
def bank(empty):
    MAKE(empty.folder / "landing", senders=1, days=1, clients=5)
    return empty


def take_away(bank, *names):
    """Files that are still to come."""
    held = bank.folder / "held"
    held.mkdir()
    for name in names:
        shutil.move(bank.landing(name), held / bank.landing(name).name)
    return held


def test_relationships_are_built_once_when_all_four_are_there(bank):
    held = take_away(bank, "accounts")
    assert bank.run() == dict.fromkeys(("clients", "portfolios", "transactions"), 1)
    assert bank.grid() == {"key/sender=EXT_CLIENT/day=2022-02-26": {"accounts"}}
    shutil.move(held / bank.landing("accounts").name, bank.landing("accounts"))
    assert bank.run() == dict.fromkeys(("accounts", "relations", *TRANSFORMERS), 1)
    assert bank.run() == {}


def test_there_is_one_record_for_each_client_and_each_portfolio(bank):
    bank.run()
    for table, key in (("client_taxes", "client_reference"), ("portfolio_deposits", "portfolio_reference")):
        assert bank.rows(f"SELECT count(*), count(DISTINCT {key}) FROM {table}") == [("5", "5")]


def test_the_transformers_are_right(bank):
    bank.run()
    accounts = [line.split(",") for line in bank.landing("accounts").read_text().splitlines()[1:]]
    assert bank.rows("SELECT sum(balance) FROM portfolio_balances") == [(f"{sum(float(a[2]) for a in accounts):.2f}",)]
    lines = [line.split(",") for line in bank.landing("transactions").read_text().splitlines()[1:]]
    deposits = sum(float(line[3]) for line in lines if line[4] == "DEPOSIT")
    assert bank.rows("SELECT sum(deposits), sum(transactions) FROM portfolio_deposits") == [
        (f"{deposits:.2f}", str(len(lines)))
    ]
    assert bank.rows("SELECT count(*) FROM client_taxes WHERE above <> greatest(paid - allowance, 0)") == [("0",)]


def test_the_real_day(empty):
    data = Path(os.environ.get("PENSTOCK_TEST_DATA") or ROOT.parent / "shared" / "data") / "banking/20200130"
    if not data.is_dir():
        pytest.skip("no real data here: PENSTOCK_TEST_DATA names its folder (default: ../shared/data)")
    shutil.copytree(data, empty.folder / "landing/EXT_CLIENT")
    empty.run()
    assert empty.rows("SELECT allowance, paid, above FROM client_taxes") == [
        ("0.00", "789.56", "789.56"), ("801.00", "0.00", "0.00"),
    ]  # fmt: skip
    assert empty.rows("SELECT deposits, transactions FROM portfolio_deposits") == [("0.00", "1"), ("5000.00", "1")]


def test_senders_that_come_interleaved_and_out_of_order_never_mix(empty):
    files = MAKE(empty.folder / "late", senders=2, days=2, clients=4)
    for path in sorted(files, key=lambda path: (path.name[::-1], path.parent.name)):
        target = empty.folder / "landing" / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(path, target)
        empty.run()
    assert set(empty.generations("relations").values()) == {1}
    assert empty.rows("SELECT sender, day, count(*) FROM client_taxes GROUP BY ALL") == [
        (sender, day, "4") for sender in ("EXT_CLIENT", "NORTH_BANK") for day in ("2022-02-26", "2022-02-27")
    ]
    crossed = "SELECT count(*) FROM portfolios p JOIN clients c USING (client_reference) WHERE p.sender <> c.sender"
    assert empty.rows(crossed) == [("0",)]


def test_a_correction_re_fires_what_depends_on_it_and_only_that(empty):
    MAKE(empty.folder / "landing", senders=2, days=1, clients=4)
    empty.run()
    old = empty.landing("transactions").read_text().splitlines()[1]
    empty.edit("transactions", old, old.replace(old.split(",")[3], "123.45"))
    assert empty.run() == {"transactions": 1, "relations": 1, "deposits": 1}
    assert empty.generations("relations") == {
        "sender=EXT_CLIENT/day=2022-02-26": 2, "sender=NORTH_BANK/day=2022-02-26": 1,
    }  # fmt: skip


def test_a_correction_that_changes_nothing_goes_no_further(bank):
    bank.run()
    bank.edit("clients", bank.column("clients", 1), "Zoe")  # names are never read
    assert bank.run() == {"clients": 1}


def test_one_transformer_that_fails_does_not_stop_the_others(bank):
    path = bank.folder / "pipelines/taxes.py"
    path.write_text(path.read_text().replace("sum(taxes_paid)", "sum(taxes_payd)"))
    runs = bank.run()
    assert runs == dict.fromkeys((*STORED, "relations", *TRANSFORMERS), 1)
    assert len(bank.rows("SELECT 1 FROM portfolio_deposits")) == len(bank.rows("SELECT 1 FROM portfolio_balances")) == 5
    path.write_text(path.read_text().replace("taxes_payd", "taxes_paid"))
    with open_project(bank.folder) as project:
        (dead,) = project.ledger.runs(pipeline="taxes")
        project.ledger.redrive(dead.id, project.clock(), by="ann")
    assert bank.run() == {"taxes": 1}
    assert len(bank.rows("SELECT 1 FROM client_taxes")) == 5


FOURTH = """
import penstock as ps

agents = ps.Pipeline("agents", trigger=ps.ready(by=["sender", "day"]), source=ps.table("portfolios"))
agents.sql("agent_portfolios", "SELECT sender, day, agent_code, count(*) AS held FROM source GROUP BY ALL")
agents.load("agent_portfolios", to=ps.lake())
"""


def test_a_fourth_transformer_is_one_more_file_and_earlier_days_are_filled_in(bank):
    bank.run()
    before = {name: bank.generations(name) for name in ("relations", *TRANSFORMERS)}
    (bank.folder / "pipelines/agents.py").write_text(FOURTH)
    assert bank.run() == {}
    assert main(["backfill", "agents", "2022-02-01..2022-02-28", "--yes", "--project", str(bank.folder)]) == 0
    assert bank.rows("SELECT sum(held) FROM agent_portfolios") == [("5",)]
    assert {name: bank.generations(name) for name in before} == before


def test_a_backfill_takes_keys_together_and_stops_at_failures(empty, capsys):
    MAKE(empty.folder / "landing", senders=1, days=9, clients=2)
    empty.run()
    (empty.folder / "pipelines/agents.py").write_text(FOURTH)
    fill = ["backfill", "agents", "--yes", "--project", str(empty.folder)]
    with open_project(empty.folder) as project:
        before = len(project.ledger.runs(limit=1000))
    assert main(fill) == 0
    with open_project(empty.folder) as project:
        assert len(project.ledger.runs(limit=1000)) - before == 4  # of one, two, four and two keys
    assert empty.rows("SELECT count(DISTINCT day), sum(held) FROM agent_portfolios") == [("9", "18")]
    path = empty.folder / "pipelines/taken.py"
    never = 'taken.checks("taken_portfolios", "RowCount > 99", severity="stop")\n'
    path.write_text(FOURTH.replace("agents", "taken").replace("agent_portfolios", "taken_portfolios") + never)
    capsys.readouterr()
    assert main(["backfill", "taken", "--yes", "--failures", "2", "--project", str(empty.folder)]) != 0
    assert "stopped after 2 failures: 7 keys are left" in capsys.readouterr().out


def test_orphans_wait_in_quarantine_and_heal(empty):
    MAKE(empty.folder / "landing", senders=1, days=1, clients=5, orphans=True)
    empty.run()
    with open_project(empty.folder) as project:
        rejects = list(project.rejects(Selection(pipeline="relations")))
    assert {(item.member, item.retriable) for item in rejects} <= {("accounts", True), ("transactions", True)}
    assert empty.rows("SELECT count(*) FROM accounts") == [("4",)]
    account, client = empty.column("accounts", 1, 5), empty.column("clients", 3, 5)
    last = empty.landing("portfolios").read_text().splitlines()[-1]
    empty.edit("portfolios", last, f"{last}\n5,{account},feedfeedfeedfeed,{client},AG0001")
    empty.run()
    assert empty.rows("SELECT count(*) FROM accounts") == [("5",)]
    with open_project(empty.folder) as project:
        assert list(project.rejects(Selection(pipeline="relations"))) == []


def test_orphans_of_many_keys_heal_in_one_run_and_only_their_own(empty):
    MAKE(empty.folder / "landing", senders=3, days=1, clients=5, orphans=True)
    empty.run()
    for sender in ("EXT_CLIENT", "NORTH_BANK"):
        account, client = empty.column("accounts", 1, 5, sender), empty.column("clients", 3, 5, sender)
        last = empty.landing("portfolios", sender).read_text().splitlines()[-1]
        empty.edit("portfolios", last, f"{last}\n5,{account},feedfeedfeedfeed,{client},AG0001", sender)
    empty.edit("portfolios", ",AG", ",XX", "HARBOUR_TRUST")  # nothing that heals
    assert empty.run()["relations"] == 1
    assert empty.rows("SELECT sender, count(*) FROM accounts GROUP BY ALL") == [
        ("EXT_CLIENT", "5"), ("HARBOUR_TRUST", "4"), ("NORTH_BANK", "5"),
    ]  # fmt: skip
    with open_project(empty.folder) as project:
        last, _ = project.ledger.runs(pipeline="relations")
        retries = {result.slot.address.split("/")[1]: result.retries for result in last.results}
        rejects = {item.slot.split("/")[1] for item in project.rejects(Selection(pipeline="relations"))}
    assert rejects == {"sender=HARBOUR_TRUST"}
    assert set(retries["sender=HARBOUR_TRUST"]) == {"waiting"}
    assert {*retries["sender=EXT_CLIENT"], *retries["sender=NORTH_BANK"]} == {"healed"}


def test_foreign_keys_hold_in_postgres(bank, postgres, monkeypatch):
    monkeypatch.setenv("PENSTOCK_BANK_URL", postgres)
    relations = bank.folder / "pipelines/relations.py"
    relations.write_text(relations.read_text().replace("to=ps.lake()", 'to=[ps.lake(), ps.postgres("bank")]'))
    with (bank.folder / "pyproject.toml").open("a") as file:
        file.write("\n[tool.penstock.destinations.bank]\nforeign_keys = true\n")
    bank.run()
    old = bank.landing("transactions").read_text().splitlines()[1]
    bank.edit("transactions", old, old.replace(old.split(",")[3], "123.45"))
    bank.run()
    with psycopg.connect(postgres) as connection:
        found = connection.execute(
            "SELECT conrelid::regclass::text, confrelid::regclass::text FROM pg_constraint WHERE contype = 'f'"
        ).fetchall()
        assert set(found) == {("portfolios", "clients"), ("accounts", "portfolios"), ("transactions", "accounts")}
        assert connection.execute("SELECT count(*) FROM accounts").fetchall() == [(5,)]


def test_the_grid_tells_what_is_there(bank, capsys):
    take_away(bank, "clients")
    bank.run()
    capsys.readouterr()
    assert main(["status", "relations", "--ready", "--json", "--project", str(bank.folder)]) == 0
    (item,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    wanted = {
        "partition_key": "EXT_CLIENT", "sort_key": "20220226", "account_persisted": True, "portfolio_persisted": True,
        "transaction_persisted": True, "client_persisted": False,
    }  # fmt: skip
    assert {name: item[name] for name in wanted} == wanted


@pytest.fixture
def told(empty):
    """What people are told of late keys, message by message."""
    relations = empty.folder / "pipelines/relations.py"
    relations.write_text(relations.read_text() + '\nrelations.notify(on="late", to=ps.notify("team"))\n')
    secret = empty.folder / ".penstock/secrets/notify_team"
    secret.parent.mkdir(parents=True)
    secret.write_text("file:notices.jsonl")
    secret.chmod(0o600)
    file = empty.folder / "notices.jsonl"
    return lambda: [json.loads(line)["subject"] for line in file.read_text().splitlines()] if file.exists() else []


LACKS = "relations late: sender EXT_CLIENT, day 2022-02-26 lacks clients and accounts [bank/local]"


def test_a_deadline_tells_once_what_is_missing(empty, told):
    MAKE(empty.folder / "landing", senders=2, days=1, clients=3)
    held = take_away(empty, "clients", "accounts")
    for hours in (0, 5, 7, 8, 30):
        empty.run(hours=hours)
    assert told() == [LACKS]
    assert main(["status", "--check", "--project", str(empty.folder)]) == 1
    for file in held.iterdir():
        shutil.move(file, empty.folder / "landing/EXT_CLIENT" / file.name)
    assert empty.run(hours=31)["relations"] == 1
    assert told() == [LACKS]
    assert main(["status", "--check", "--project", str(empty.folder)]) == 0


def test_a_file_that_came_while_nobody_looked_makes_no_key_late(empty, told):
    MAKE(empty.folder / "landing", senders=1, days=1, clients=3)
    held = take_away(empty, "clients")
    empty.run()
    shutil.move(held / "clients_20220226.csv", empty.landing("clients"))
    assert empty.run(hours=7)["relations"] == 1
    assert told() == []


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("clients_20220226.csv", "record_id,first_name,last_name,reference,tax_free_allowance\n1,a,b,c,1\n", "E202"),
        ("accounts_20220226.csv", "", "E201"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_visibly(bank, name, text, code):
    (bank.folder / "landing/EXT_CLIENT" / name).write_text(text)
    bank.run()
    pipeline = name.partition("_")[0]
    with open_project(bank.folder) as project:
        (run,) = project.ledger.runs(pipeline=pipeline)
        assert run.results[0].error["code"] == code
    assert bank.grid()["key/sender=EXT_CLIENT/day=2022-02-26"] == {pipeline}


@pytest.mark.parametrize("name", ["loans_20220226.csv", "accounts_2022.csv", "accounts_20220299.csv"])
def test_a_name_that_nobody_takes_is_pointed_out(bank, capsys, name):
    bank.run()
    (bank.folder / "landing/EXT_CLIENT" / name).write_text("a\n1\n")
    capsys.readouterr()
    main(["run", "--json", "--project", str(bank.folder)])
    assert name in capsys.readouterr().out
    main(["status", "--project", str(bank.folder)])
    assert f"landing/EXT_CLIENT/{name}  fits no pipeline · " in capsys.readouterr().out
    (bank.folder / "landing/EXT_CLIENT" / name).unlink()
    main(["status", "--project", str(bank.folder)])
    assert name not in capsys.readouterr().out


def test_everything_agrees(bank):
    bank.run()
    with open_project(bank.folder) as project:
        assert project.verify() == []
