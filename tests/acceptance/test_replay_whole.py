"""Replays of rows that depend on each other: all of the delivery is judged again, with every edit so far."""

from __future__ import annotations

import json
from collections import Counter

import duckdb
import pytest

from penstock.entrypoints.cli.main import main
from penstock.runtime.healing import Selection
from penstock.wiring.local import open_project

PIPELINE = """
import penstock as ps

sales = ps.Pipeline(
    "sales",
    trigger=ps.upload("landing/{{day}}.{suffix}"),
    source=ps.{source}(columns={{"id": "VARCHAR", "amount": "DECIMAL(8,2)"}}),
)
sales.checks("source", 'ColumnValues "amount" >= 0')
{more}
sales.load("source", to=ps.lake(), table="sales")
"""
KEYED = 'sales.checks("source", \'IsPrimaryKey "id"\')'
SUMMED = 'sales.sql("sums", "SELECT count(*) AS n, sum(amount) AS total FROM source")\nsales.load("sums", to=ps.lake())'
MANY = "sales.checks(\"source\", 'RowCount >= 2')"
ENTITIES = (
    'sales.sql("names", "SELECT id, amount FROM source")\n'
    'sales.load("names", to=ps.lake(), mode="merge", key=["id"])\n' + KEYED
)
ROWS = (("a", "1.00"), ("b", "2.00"), ("c", "-3.00"), ("d", "-4.00"))


class Shop:
    """A project whose deliveries are rows of an id and an amount."""

    def __init__(self, folder, more, source="csv"):
        self.folder, self.source = folder, source
        self.suffix = {"json_lines": "jsonl"}.get(source, source)
        (folder / "pipelines").mkdir(parents=True)
        (folder / "landing").mkdir()
        (folder / "pyproject.toml").write_text('[tool.penstock]\nproject = "shop"\n')
        text = PIPELINE.format(more=more, source=source, suffix=self.suffix)
        (folder / "pipelines/sales.py").write_text(text)

    def deliver(self, rows=ROWS, day="monday"):
        path = self.folder / f"landing/{day}.{self.suffix}"
        path.write_bytes(written(rows, self.source, self.folder))
        self.run()

    def run(self):
        with open_project(self.folder) as project:
            project.work_until_idle()

    def replay(self, edits=None, *, day="monday", lines=()):
        """The states of the runs."""
        address = f"landing/{day}.{self.suffix}"
        listed = [{"slot": address, "line": line, "set": values} for line, values in (edits or {}).items()]
        with open_project(self.folder) as project:
            selection = Selection(pipeline="sales", slot=address, lines=tuple(lines or edits or ()))
            return [str(outcome.run.state) for outcome in project.replay(selection, listed)]

    def rows(self, sql):
        with open_project(self.folder) as project:
            assert project.verify() == []
            return sorted(tuple(map(str, row)) for row in project.query(sql)[1])

    def statuses(self):
        with open_project(self.folder) as project:
            return Counter((reject.line, reject.status) for reject in project.rejects())


def written(rows, source, folder):
    text = "".join(f"{','.join(row)}\n" for row in (("id", "amount"), *rows))
    if source == "csv":
        return text.encode()
    if source == "parquet":
        (folder / "made.csv").write_text(text)
        types = "{'id': 'VARCHAR', 'amount': 'DECIMAL(8,2)'}"
        csv, file = folder / "made.csv", folder / "made.parquet"
        duckdb.sql(f"COPY (FROM read_csv('{csv}', header = true, columns = {types})) TO '{file}'")
        return file.read_bytes()
    lines = [json.dumps({"id": key, "amount": float(amount)}) for key, amount in rows]
    return ("\n".join(lines) if source == "json_lines" else f"[{','.join(lines)}]").encode()


FIRST = {"csv": 2, "json_lines": 1, "json": 1, "parquet": 1}
"""The line of the first row."""


def test_two_rows_of_one_key_are_never_both_loaded(tmp_path):
    shop = Shop(tmp_path, KEYED)
    shop.deliver((("a", "1.00"), ("a", "2.00")))
    for line in (2, 3):
        assert shop.replay(lines=[line]) == ["succeeded"]
        assert shop.rows("SELECT id FROM sales") == []
    assert shop.replay({3: {"id": "b"}}) == ["succeeded"]
    assert shop.rows("SELECT id, amount FROM sales") == [("a", "1.00"), ("b", "2.00")]


def test_an_edit_into_a_key_that_is_loaded_sets_both_aside(tmp_path):
    shop = Shop(tmp_path, KEYED)
    shop.deliver()
    shop.replay({4: {"id": "a", "amount": "3"}})
    assert shop.rows("SELECT id FROM sales") == [("b",)]
    assert {line for (line, status) in shop.statuses() if status == "open"} == {2, 4, 5}


def test_what_a_wide_step_makes_is_made_of_all_rows(tmp_path):
    shop = Shop(tmp_path, SUMMED)
    shop.deliver()
    assert shop.replay({4: {"amount": "3"}}) == ["succeeded"]
    assert shop.rows("SELECT n, total FROM sums") == [("3", "6.00")]


def test_edits_of_earlier_replays_still_hold(tmp_path):
    shop = Shop(tmp_path, SUMMED)
    shop.deliver()
    shop.replay({4: {"amount": "3"}})
    shop.replay({5: {"amount": "4"}})
    assert shop.rows("SELECT n, total FROM sums") == [("4", "10.00")]
    assert shop.statuses() == {(4, "healed"): 1, (5, "replayed"): 1, (5, "healed"): 1}


@pytest.mark.parametrize("more", ["", KEYED], ids=["alone", "whole"])
def test_a_row_may_be_corrected_one_value_after_the_other(tmp_path, more):
    shop = Shop(tmp_path, more + '\nsales.checks("source", \'ColumnLength "id" < 3\')')
    shop.deliver((("a", "1.00"), ("long", "-2.00")))
    assert shop.replay({3: {"amount": "2"}}) == ["succeeded"]
    assert shop.rows("SELECT id FROM sales") == [("a",)]
    assert shop.replay({3: {"id": "b"}}) == ["succeeded"]
    assert shop.rows("SELECT id, amount FROM sales") == [("a", "1.00"), ("b", "2.00")]


def test_a_rule_about_the_delivery_sees_all_of_it(tmp_path):
    shop = Shop(tmp_path, MANY)
    shop.deliver()
    assert shop.replay({4: {"amount": "3"}}) == ["succeeded"]
    assert len(shop.rows("SELECT id FROM sales")) == 3


def test_a_replay_that_is_stopped_changes_nothing_and_may_be_tried_again(tmp_path):
    shop = Shop(tmp_path, 'sales.checks("source", \'Sum "amount" < 10\', severity="stop")')
    shop.deliver()
    assert shop.replay({4: {"amount": "300"}}) == ["failed"]
    assert shop.rows("SELECT id FROM sales") == [("a",), ("b",)]
    assert shop.statuses()[4, "open"] == 1
    assert shop.replay({4: {"amount": "3"}}) == ["succeeded"]
    assert shop.rows("SELECT amount FROM sales WHERE id = 'c'") == [("3.00",)]


def test_a_reload_begins_anew(tmp_path, capsys):
    shop = Shop(tmp_path, KEYED)
    shop.deliver()
    shop.replay({4: {"amount": "3"}})
    assert main(["run", "sales", "--project", str(tmp_path), "--reload", str(tmp_path / "landing/monday.csv")]) == 0
    assert shop.rows("SELECT id FROM sales") == [("a",), ("b",)]
    assert shop.statuses()[4, "open"] == 1


def test_a_replay_of_an_older_delivery_does_not_win_over_a_newer_one(tmp_path):
    shop = Shop(tmp_path, ENTITIES)
    shop.deliver((("a", "1.00"), ("c", "-1.00")))
    shop.deliver((("a", "2.00"),), day="tuesday")
    shop.replay({3: {"amount": "3"}})
    assert shop.rows("SELECT id, amount FROM names") == [("a", "2.00"), ("c", "3.00")]


@pytest.mark.parametrize("source", FIRST)
@pytest.mark.parametrize("more", ["", KEYED], ids=["alone", "whole"])
def test_every_format(tmp_path, source, more):
    shop = Shop(tmp_path, more, source)
    shop.deliver()
    assert shop.replay({FIRST[source] + 2: {"amount": "3"}}) == ["succeeded"]
    assert shop.replay() == ["succeeded"]
    assert shop.rows("SELECT id, amount FROM sales") == [("a", "1.00"), ("b", "2.00"), ("c", "3.00")]


@pytest.mark.parametrize("source", ["csv", "parquet"])
def test_an_edit_far_down_a_long_file(tmp_path, monkeypatch, source):
    monkeypatch.setenv("PENSTOCK_CHUNK_BYTES", "200000")
    shop, count = Shop(tmp_path, KEYED, source), 210_000
    rows = [(f"key-{number:08}", "1.00" if number % 1000 else "-1.00") for number in range(count)]
    shop.deliver(rows)
    last = FIRST[source] + count - 1000
    assert shop.replay({last: {"amount": "500"}}) == ["succeeded"]
    assert shop.rows("SELECT count(*), sum(amount) FROM sales") == [(f"{count - 209}", f"{count - 210 + 500}.00")]


def test_a_line_that_never_had_columns_needs_all_of_them(tmp_path):
    shop = Shop(tmp_path, KEYED)
    (tmp_path / "landing/monday.csv").write_text("id,amount\na,1.00\nb\n")
    shop.run()
    shop.replay({3: {"amount": "2"}})
    assert len(shop.rows("SELECT id FROM sales")) == 1
    shop.replay({3: {"id": "b", "amount": "2"}})
    assert len(shop.rows("SELECT id FROM sales")) == 2


def test_healed_rows_are_told(tmp_path):
    shop = Shop(tmp_path, KEYED + '\nsales.notify(on=["succeeded"], to=ps.notify("team"))')
    secrets = tmp_path / ".penstock/secrets"
    secrets.mkdir(parents=True, mode=0o700)
    (secrets / "notify_team").write_text("file:told.jsonl")
    shop.deliver()
    shop.replay({4: {"amount": "3"}, 5: {"amount": "-1"}})
    told = [json.loads(line)["rows"] for line in (tmp_path / "told.jsonl").read_text().splitlines()]
    assert [rows["healed"] for rows in told] == [0, 1]


DIALECTS = {
    "semicolons": ('delimiter=";", encoding="cp1252"', ("{};{}", "cp1252")),
    "tabs, no quotes": ('delimiter="\\t", quote=""', ("{}\t{}", "utf-8")),
    "single quotes": ('quote="\'"', ("'{}',{}", "utf-8")),
    "not ASCII": ('delimiter="¦", encoding="latin-1"', ("{}¦{}", "latin-1")),
}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("more", ["", KEYED], ids=["alone", "whole"])
def test_every_dialect(tmp_path, more, dialect):
    shop = Shop(tmp_path, more)
    said, (form, encoding) = DIALECTS[dialect]
    definition = tmp_path / "pipelines/sales.py"
    definition.write_text(definition.read_text().replace("ps.csv(", f"ps.csv({said}, "))
    rows = (("id", "amount"), ("Ä, b", "1.00"), ('c "d"', "-2.00"), ("e; f", "-3.00"))
    lines = [form.format('"e; f"' if key == "e; f" and ";" in said else key, amount) for key, amount in rows]
    for day in ("monday", "tuesday"):
        (tmp_path / f"landing/{day}.csv").write_text("\n".join(lines) + "\n", encoding=encoding)
    shop.run()
    assert shop.replay({3: {"amount": "2"}}) == ["succeeded"]
    assert shop.replay({4: {"id": "g\rh\"i',;\t", "amount": "3"}}) == ["succeeded"]
    assert shop.replay(lines=[3], day="tuesday") == ["succeeded"]
    keys = ['c "d"', "g\rh\"i',;\t", "Ä, b", "Ä, b"]
    assert shop.rows("SELECT id FROM sales") == [(key,) for key in keys]
