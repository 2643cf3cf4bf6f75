"""What a person and a program read about rejected rows: words, codes, status, JSON, and a definition that changed."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from penstock.entrypoints.cli.init import create
from penstock.entrypoints.cli.main import main

PIPELINE = """
import penstock as ps

events = ps.Pipeline(
    "events",
    trigger=ps.upload("landing/{day:%Y-%m-%d}.jsonl"),
    source=ps.json_lines(columns={"id": "BIGINT", "price": "DECIMAL(30,2)", "tags": "JSON", "note": "JSON"}),
)
events.checks("source", 'ColumnValues "price" >= 0')
events.load("source", to=ps.lake(), table="events")
"""
LINES = """\
{"id": 1, "price": 2.50, "tags": ["a"], "note": "b"}
{"id": 2, "price": -12345678901234567890.25, "tags": {"deep": [1.50, "é", null]}, "note": "-1"}
{"id": 3, "price":
"""


@pytest.fixture
def penstock(tmp_path, capsys):
    """The command on a project with one loaded row, one negative price and one torn line; gives code and output."""
    create(tmp_path / "shop", "minimal")
    (tmp_path / "shop/pipelines/sales.py").write_text(PIPELINE)
    (tmp_path / "2024-03-04.jsonl").write_text(LINES, encoding="utf-8")

    def call(*words: str | Path) -> tuple[int, str]:
        code = main([*map(str, words), "--project", str(tmp_path / "shop")])
        return code, capsys.readouterr().out

    call.ran = call("run", "events", tmp_path / "2024-03-04.jsonl")
    return call


def edit(path: Path, **changes: str) -> None:
    """Change the first row of an exported CSV file."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows([rows[0] | changes, *rows[1:]])


def test_people_read_words(penstock):
    printed = [penstock.ran[1], *(penstock("quarantine", action)[1] for action in ("list", "show"))]
    assert [("not JSON" in text, "not_json" in text) for text in printed] == [(True, False)] * 3


def test_programs_read_the_code(penstock):
    _, printed = penstock("quarantine", "--json")
    assert [json.loads(line)["reasons"] for line in printed.splitlines()][-1] == ["not_json"]


@pytest.mark.parametrize("rule", ["not_json", "not JSON"])
def test_a_reason_is_chosen_by_its_code_or_its_words(penstock, rule):
    assert "1 row" in penstock("quarantine", "show", "--rule", rule)[1]


def test_an_exported_json_value_is_json(penstock, tmp_path):
    penstock("quarantine", "export", "--to", tmp_path / "x.csv")
    with (tmp_path / "x.csv").open(newline="", encoding="utf-8") as file:
        row = next(csv.DictReader(file))
    assert (json.loads(row["tags"]), json.loads(row["note"])) == ({"deep": [1.5, "é", None]}, "-1")
    assert row["price"] == "-12345678901234567890.25"


def test_an_edited_row_keeps_its_json(penstock, tmp_path):
    penstock("quarantine", "export", "--to", tmp_path / "x.csv")
    edit(tmp_path / "x.csv", price="3.00", tags='{"deep": [2.50]}')
    assert penstock("replay", "--fixes", tmp_path / "x.csv")[0] == 0
    _, printed = penstock(
        "query", "select tags::varchar as tags, note::varchar as note from events where id = 2", "--json"
    )
    assert {name: json.loads(text) for name, text in json.loads(printed).items()} == {
        "tags": {"deep": [2.5]},
        "note": "-1",
    }


def test_all_rows_are_listed_with_their_status(penstock, tmp_path):
    penstock("quarantine", "export", "--to", tmp_path / "x.csv")
    edit(tmp_path / "x.csv", price="3.00")
    penstock("replay", "--fixes", tmp_path / "x.csv")
    _, printed = penstock("quarantine", "--all")
    assert ["healed" in printed, "open" in printed, "status" in penstock("quarantine")[1]] == [True, True, False]


def test_a_replay_says_that_the_definition_has_changed(penstock, tmp_path):
    file = tmp_path / "shop/pipelines/sales.py"
    file.write_text(file.read_text().replace(">= 0", ">= -9"))
    _, printed = penstock("replay", "events", "--rule", "price", "--json")
    assert json.loads(printed.splitlines()[0]) == {"event": "definition_changed", "pipeline": "events", "rows": 1}


def test_a_replay_under_the_same_definition_says_nothing(penstock):
    assert "definition" not in penstock("replay", "events")[1]


def test_a_line_without_columns_is_shown_to_who_asks_for_its_text(penstock):
    _, printed = penstock("quarantine", "show", "--text")
    assert '  | {"id": 3, "price":\n' in printed
    assert printed.count("  | ") == 1
    assert '{"id": 3' not in penstock("quarantine", "show")[1]
    records = [json.loads(line) for line in penstock("quarantine", "show", "--text", "--json")[1].splitlines()]
    assert [record.get("text") for record in records] == [None, '{"id": 3, "price":']


def test_the_text_of_what_is_no_longer_there_is_not_guessed(penstock, tmp_path):
    landed = tmp_path / "shop/landing/2024-03-04.jsonl"
    landed.write_text(LINES.replace('"id": 3', '"id": 4'), encoding="utf-8")
    assert "  | " not in penstock("quarantine", "show", "--text")[1]
    landed.unlink()
    code, printed = penstock("quarantine", "show", "--text")
    assert (code, "  | " in printed, "not JSON" in printed) == (0, False, True)


def test_the_text_of_one_of_several_inputs(tmp_path, capsys):
    folder = tmp_path / "two"
    create(folder, "minimal")
    (folder / "pipelines/sales.py").write_text(SEVERAL)
    for name, text in (("left", "id;name\n1;Ada\n2;Müller;x\n"), ("right", "id;price\n1;2\n")):
        (folder / "landing/a").mkdir(parents=True, exist_ok=True)
        (folder / f"landing/a/{name}.csv").write_text(text, encoding="latin-1")
    main(["run", "--project", str(folder)])
    capsys.readouterr()
    assert main(["quarantine", "show", "--text", "--project", str(folder)]) == 0
    assert "  | 2;Müller;x\n" in capsys.readouterr().out


SEVERAL = """
import penstock as ps

form = {"delimiter": ";", "encoding": "latin-1"}
pairs = ps.Pipeline(
    "pairs",
    trigger=ps.upload(left="landing/{key}/left.csv", right="landing/{key}/right.csv"),
    sources={
        "left": ps.csv(columns={"id": "INTEGER", "name": "VARCHAR"}, **form),
        "right": ps.csv(columns={"id": "INTEGER", "price": "INTEGER"}, **form),
    },
)
pairs.sql("both", 'SELECT id, name, price FROM "left" JOIN "right" USING (id)')
pairs.load("both", to=ps.lake())
"""
