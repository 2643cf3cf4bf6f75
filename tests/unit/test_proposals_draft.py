"""Drafted pipeline files: they import, validate, and say what they rest on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

import penstock as ps
from penstock.adapters.duckdb.proposals.draft import draft_pipeline, template
from penstock.adapters.duckdb.proposals.reports import report
from penstock.adapters.duckdb.proposals.study import Study, study
from penstock.errors import DefinitionError, RefusedFile


def pipeline_of(text: str) -> ps.Pipeline:
    space: dict[str, Any] = {"__name__": "drafted"}
    exec(compile(text, "drafted.py", "exec"), space)  # noqa: S102  a draft is a program
    pipeline = next(value for value in space.values() if isinstance(value, ps.Pipeline))
    pipeline.validate()
    return pipeline


def file(tmp_path: Path, text: str, name: str = "a.csv") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8", newline="")
    return path


def test_a_draft_declares_what_the_file_has(tmp_path):
    rows = "".join(f"{n};{n}.5;13/0{n % 9 + 1}/2024;Ann Byrne\n" for n in range(20))
    path = file(tmp_path, "Order ID;amount;day;customer name\n" + rows)
    drafted = pipeline_of(draft_pipeline(path, "sales"))
    assert {name: (kind.name, kind.formats) for name, kind in drafted.source.columns} == {
        "order_id": ("INTEGER", ()), "amount": ("DECIMAL(10,2)", ()), "day": ("DATE", ("%d/%m/%Y",)),
        "customer_name": ("VARCHAR", ()),
    }  # fmt: skip
    assert drafted.source.delimiter == ";"
    assert drafted.source.aliases == {"Order ID": "order_id", "customer name": "customer_name"}
    assert drafted.privacy["source"] == {"customer_name": ps.drop()}
    assert [spec.rule.text for spec, _ in drafted.rules] == [
        'IsComplete "order_id"', 'IsComplete "amount"', 'IsComplete "day"', 'ColumnValues "amount" >= 0',
        'IsUnique "order_id"',
    ]  # fmt: skip


def test_what_need_not_hold_for_ever_only_warns(tmp_path):
    path = file(tmp_path, "id,payment\n" + "".join(f"{n},{('CASH', 'CARD')[n % 2]}\n" for n in range(40)))
    found = {spec.rule.text: spec.severity.value for spec, _ in pipeline_of(draft_pipeline(path, "a")).rules}
    assert found['ColumnValues "payment" in ["CARD", "CASH"]'] == "warn"
    assert found['IsComplete "payment"'] == "quarantine"


def test_a_range_lets_empty_fields_pass(tmp_path):
    path = file(tmp_path, "id,deaths\n" + "".join(f"{n},{n if n % 3 else ''}\n" for n in range(40)))
    assert '(ColumnValues "deaths" >= 0) or (ColumnValues "deaths" = NULL)' in draft_pipeline(path, "a")


def test_values_of_sets_with_quotes_become_valid_rules(tmp_path):
    words = ('it\'s "so"', "back\\slash", "plain")
    lines = "".join('{},"{}"\n'.format(n, words[n % 3].replace('"', '""')) for n in range(60))
    drafted = pipeline_of(draft_pipeline(file(tmp_path, "id,word\n" + lines), "a"))
    (rule,) = [spec.rule for spec, _ in drafted.rules if spec.rule.text.startswith("ColumnValues")]
    assert set(rule.condition.values) == set(words)


@pytest.mark.parametrize(
    "header",
    [
        'a"b,c\'d,e', "x\\,y\\n,z", "__import__('os'),b,c", '"""",b,c', "naïve,Ångström,名前", '"two\nlines",b,c',
        "{a},{b:%d},c", "a,a,a", ",,c", "_row,_slot,_sequence", "class,def,import", "\u202eabc,b,c",
        "a b,a-b,a_b", "#,%,$",
    ],
)  # fmt: skip
def test_hostile_headers_become_a_pipeline_that_validates(tmp_path, header):
    path = file(tmp_path, f"{header}\n" + "".join(f"{n},word{n % 3},{n}.5\n" for n in range(30)))
    text = draft_pipeline(path, "a")
    assert len(pipeline_of(text).source.columns) == 3
    assert "\u202e" not in text


@pytest.mark.parametrize("name", ["class", "ps", "source", "a", "x" * 48])
def test_any_usable_name_makes_a_valid_file(tmp_path, name):
    assert pipeline_of(draft_pipeline(file(tmp_path, "id,x\n1,2\n"), name)).name == name


@pytest.mark.parametrize("name", ["", "Sales", "2024", "a-b", "x" * 49, 'a"b'])
def test_a_name_that_no_pipeline_can_have_is_refused(tmp_path, name):
    with pytest.raises(DefinitionError):
        draft_pipeline(file(tmp_path, "id,x\n1,2\n"), name)


def test_json_and_parquet_keep_the_names_of_the_file(tmp_path):
    lines = file(
        tmp_path, "".join(json.dumps({"orderId": n, "when": "2024-03-01"}) + "\n" for n in range(20)), "a.jsonl"
    )
    duckdb.sql('SELECT range AS "orderId", 1.5::DECIMAL(8,2) AS total FROM range(20)').write_parquet(
        str(tmp_path / "b.parquet")
    )
    for path, form, names in (
        (lines, "json_lines", ("orderId", "when")),
        (tmp_path / "b.parquet", "parquet", ("orderId", "total")),
    ):
        drafted = pipeline_of(draft_pipeline(path, "a"))
        assert (drafted.source.format, drafted.source.names) == (form, names)


def test_another_encoding_is_declared(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("id;Straße\n1;Weg\n".encode("cp1252"))
    assert pipeline_of(draft_pipeline(path, "a")).source.encoding == "cp1252"


@pytest.fixture(scope="module")
def leeds(tmp_path_factory) -> Study:
    rows = "".join(f"{n},Leeds\n" for n in range(20))
    return study(file(tmp_path_factory.mktemp("leeds"), f"id,branch\n{rows}"))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("leeds_25-08-2021_09-00-00.csv", "landing/{branch}_{day:%d-%m-%Y}_{time}.csv"),
        ("leeds_01-02-2021_09-00-00.csv", "landing/{branch}_{day}_{time}.csv"),
        ("sales_2024-03-04.csv", "landing/sales_{day:%Y-%m-%d}.csv"),
        ("transactions_20200130.csv", "landing/transactions_{day:%Y%m%d}.csv"),
        ("export.0042.csv.gz", "landing/export.0042.csv.gz"),
        ("a{b}c.csv", "landing/a{{b}}c.csv"),
        ("plain.csv", "landing/plain.csv"),
        ("part_17.csv", "landing/part_{number}.csv"),
    ],
)
def test_a_file_name_becomes_a_path_template(leeds, name, expected):
    assert template(Path(name), leeds) == expected


def test_folders_below_the_landing_zone_are_kept(leeds):
    path = Path("project") / "landing" / "shop" / "a_2024-03-04.csv"
    assert template(path, leeds) == "landing/shop/a_{day:%Y-%m-%d}.csv"


def test_a_file_that_is_no_table_is_refused(tmp_path):
    with pytest.raises(RefusedFile):
        draft_pipeline(file(tmp_path, ""), "a")


def test_the_report_has_lines_for_people_and_records_for_programs(tmp_path):
    rows = "".join(f"{n},a{n}@example.org\n" for n in range(20))
    found = report(file(tmp_path, "id,e-mail\n" + rows))
    assert found.lines("privacy") == [
        "e_mail: e-mail (0.98) → ps.hash(): the header says so; 100 % have the form of an address"
    ]
    assert [record["event"] for record in found.records()] == [
        "file_studied", "column_proposed", "column_proposed", "mark_proposed", "tables_proposed",
    ]  # fmt: skip
    assert "@example.org" not in json.dumps(found.records()) + "\n".join(found.lines())
