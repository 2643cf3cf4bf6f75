"""Each example as it is cloned: `penstock test` reads its fixtures, whole and in parts; every row has its fate."""

from __future__ import annotations

import json
import runpy
from datetime import date

import pytest

from penstock.entrypoints.cli.init import create, examples
from penstock.entrypoints.cli.main import main

SALES = {'ColumnValues "total" >= 0': 1, 'IsComplete "branch"': 1, 'Sql "due = total"': 1}
TORN = {"ordered_at is not TIMESTAMP": 1, "too_few_columns": 1}
# By fixture: rows read, kept and filtered; rows of each table; rows set aside by reason.
EXPECTED = {
    "cafe": {
        "chesterfield_04-03-2024_09-00-00.csv": (
            (24, 19, 0), {"branches": 1, "products": 32, "orders": 19, "order_items": 52}, {**SALES, **TORN}
        ),
        "leeds_04-03-2024_09-00-00.csv": (
            (24, 19, 0), {"branches": 1, "products": 26, "orders": 19, "order_items": 42}, {**SALES, **TORN}
        ),
    },
    "checkins": {
        "checkins.csv": (
            (40, 36, 0),
            {"daily_checkins": 36},
            {
                'ColumnValues "hours_worked" >= 0': 1, 'IsComplete "user_name"': 1, "timestamp is not TIMESTAMPTZ": 1,
                "too_few_columns": 1,
            },
        )
    },
    "covid": {
        "all": (
            (75, 15, 50),
            {"days": 6},
            {
                'Matched "date" in "recoveries"': 5, 'IsUnique "date"': 2, 'ColumnValues "deaths" >= 0': 1,
                "date is not DATE": 1, "recovered is not BIGINT": 1,
            },
        )
    },
    "taxis": {
        "taxis-9f2c41-000000000001-000000000007.jsonl": (
            (7, 5, 0), {"taxis": 4}, {'ColumnValues "free" between -1 and 100000': 1, 'IsComplete "taken_at"': 1}
        )
    },
    "banking": {
        "accounts_20220226.csv": ((4, 4, 0), {"stored_accounts": 4}, {}),
        "clients_20220226.csv": ((4, 4, 0), {"stored_clients": 4}, {}),
        "portfolios_20220226.csv": ((4, 4, 0), {"stored_portfolios": 4}, {}),
        "transactions_20220226.csv": ((5, 5, 0), {"stored_transactions": 5}, {}),
    },
}  # fmt: skip


@pytest.mark.parametrize("example", [name for name in examples() if name != "minimal"])
def test_the_fixtures_of_an_example(tmp_path, monkeypatch, capsys, example):
    create(tmp_path / "project", example)
    monkeypatch.chdir(tmp_path / "project")
    capsys.readouterr()
    assert main(["test", "--json"]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    found = {}
    for trial in (record for record in told if record["event"] == "trial"):
        assert trial["parts"] == [1, 2, 7]
        rows = trial["rows"]
        counts = (rows["read"], rows["kept"], rows["filtered"])
        found[trial["file"].rpartition("/")[2]] = (counts, trial["staged"], trial["reasons"])
    assert found == EXPECTED[example]


def test_the_fixtures_of_covid_are_what_its_generator_makes(tmp_path, monkeypatch):
    create(tmp_path / "project", "covid")
    monkeypatch.chdir(tmp_path / "project")
    runpy.run_path("make_data.py")["make"](tmp_path / "made", date(2020, 1, 31), 14, faults=True)
    for source, name in (("cases", "us.csv"), ("world", "time-series-19-covid-combined.csv")):
        made = (tmp_path / "made" / name).read_bytes()
        assert (tmp_path / "project/fixtures/covid" / source / name).read_bytes() == made
