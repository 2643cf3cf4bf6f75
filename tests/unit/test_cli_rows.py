"""Rejected rows as text: lists, exports, and the edits that come back."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from pathlib import Path

import pytest

from penstock.entrypoints.cli import fixes, rows
from penstock.entrypoints.cli.output import WIDEST_CELL, Output
from penstock.errors import UsageError
from penstock.model import reasons
from penstock.model.slots import Slot
from penstock.runtime.healing import Reject

LEEDS = "landing/leeds.csv"
NEGATIVE = Reject("cafe", "r1", LEEDS, 1, 7, ("total < 0", "no branch"), {"branch": None, "total": -4.5, "paid": True})
TORN = Reject("cafe", "r1", LEEDS, 1, 9, ("too_few_columns",), shape="9,9,9", byte_start=120, byte_end=131)
REJECTS = [NEGATIVE, TORN]


def output() -> Output:
    return Output(stdout=io.StringIO(), stderr=io.StringIO())


def export(path: Path) -> Path:
    fixes.export(REJECTS, str(path), {})
    return path


def test_reasons_are_counted_by_delivery():
    assert rows.grouped([NEGATIVE, NEGATIVE, TORN]) == [
        (LEEDS, "total < 0", "open", 2, 7),
        (LEEDS, "no branch", "open", 2, 7),
        (LEEDS, "fewer columns than declared", "open", 1, 9),
    ]


def test_every_code_of_a_record_has_its_words():
    codes = {value for name, value in vars(reasons).items() if name.isupper() and isinstance(value, str)}
    assert codes == set(reasons.WORDS)
    assert not [words for words in reasons.WORDS.values() if "_" in words or len(words) > WIDEST_CELL]


def test_a_rule_is_its_own_words():
    assert reasons.worded('ColumnValues "total" >= 0') == 'ColumnValues "total" >= 0'


def test_an_export_as_csv_has_a_column_for_each_value(tmp_path):
    with export(tmp_path / "x.csv").open(newline="") as file:
        found = list(csv.reader(file))
    assert found == [
        ["pipeline", "run", "slot", "generation", "line", "reasons", "branch", "total", "paid"],
        ["cafe", "r1", LEEDS, "1", "7", "total < 0; no branch", "", "-4.5", "true"],
        ["cafe", "r1", LEEDS, "1", "9", "fewer columns than declared", "", "", ""],
    ]


def test_an_export_as_json_lines_has_the_shape_of_what_had_no_columns(tmp_path):
    found = [json.loads(line) for line in export(tmp_path / "x.jsonl").read_text().splitlines()]
    assert (found[0]["row"], found[1]["shape"], "row" in found[1]) == (NEGATIVE.row, "9,9,9", False)


@pytest.mark.parametrize("name", ["x.csv", "x.jsonl"])
def test_only_what_was_edited_comes_back(tmp_path, name):
    path = export(tmp_path / name)
    path.write_text(path.read_text().replace("-4.5", "4.50"))
    assert fixes.edited(path, REJECTS, {}) == {
        Slot("cafe", LEEDS): [{"slot": LEEDS, "line": 7, "set": {"total": "4.50"}}]
    }


def test_a_torn_line_can_be_written_anew(tmp_path):
    path = export(tmp_path / "x.csv")
    path.write_text(path.read_text().replace("declared,,,", "declared,Leeds,4.50,"))
    edit = {"slot": LEEDS, "line": 9, "set": {"branch": "Leeds", "total": "4.50"}}
    assert fixes.edited(path, REJECTS, {}) == {Slot("cafe", LEEDS): [edit]}


CAFE = {"cafe": fixes.Form(("branch", "total", "paid", "card"))}
UNTYPED = Reject("cafe", "r1", LEEDS, 1, 8, ("total is not DECIMAL(8,2)",), shape="a,a,9,9")


def test_rows_without_values_bring_the_columns_of_their_source(tmp_path):
    fixes.export([UNTYPED], str(tmp_path / "x.csv"), CAFE)
    with (tmp_path / "x.csv").open(newline="") as file:
        head = next(csv.reader(file))
    assert head[len(fixes.HEAD) :] == ["branch", "total", "paid", "card"]


@pytest.mark.parametrize(
    ("reject", "edit"),
    [
        (TORN, {"branch": "", "total": "4.50", "paid": "", "card": ""}),
        (UNTYPED, {"total": "4.50"}),
    ],
    ids=["never split: all of it is new", "split: the rest is as it came"],
)
def test_what_an_edit_leaves_empty(tmp_path, reject, edit):
    path = tmp_path / "x.csv"
    fixes.export([reject], str(path), CAFE)
    path.write_text(path.read_text().replace(",,,,", ",,4.50,,"))
    assert fixes.edited(path, [reject], CAFE) == {
        Slot("cafe", LEEDS): [{"slot": LEEDS, "line": reject.line, "set": edit}]
    }


TAGGED = Reject(
    "shop", "r1", LEEDS, 1, 3, ("no price",), {"tags": ["a", {"n": Decimal("2.5")}], "note": "x", "all": None}
)
SHOP = {"shop": fixes.Form(documents=frozenset({"tags", "note", "all"}))}


def test_a_json_column_is_json_in_a_csv_file_too(tmp_path):
    fixes.export([TAGGED], str(tmp_path / "x.csv"), SHOP)
    with (tmp_path / "x.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert [row[name] for name in ("tags", "note", "all")] == ['["a", {"n": 2.5}]', '"x"', ""]


@pytest.mark.parametrize("name", ["x.csv", "x.jsonl"])
def test_an_edited_json_value_comes_back_as_json(tmp_path, name):
    path = tmp_path / name
    fixes.export([TAGGED], str(path), SHOP)
    path.write_text(path.read_text().replace("2.5", "12345678901234567890.10"))
    ((edit,),) = fixes.edited(path, [TAGGED], SHOP).values()
    assert edit["set"] == {"tags": '["a", {"n": 12345678901234567890.10}]'}


def test_a_value_can_be_emptied(tmp_path):
    path = export(tmp_path / "x.csv")
    path.write_text(path.read_text().replace("-4.5", ""))
    ((edit,),) = fixes.edited(path, REJECTS, {}).values()
    assert edit["set"] == {"total": ""}


def test_a_file_without_edits_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no value was changed"):
        fixes.edited(export(tmp_path / "x.csv"), REJECTS, {})


def test_a_row_that_is_not_open_is_refused(tmp_path):
    path = export(tmp_path / "x.csv")
    with pytest.raises(UsageError, match="line 7"):
        fixes.edited(path, [TORN], {})


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "slot,line\nx,seven\n", '{"slot": 1}\n'])
@pytest.mark.parametrize("name", ["x.csv", "x.jsonl"])
def test_a_file_that_is_no_export_is_refused(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError):
        fixes.edited(tmp_path / name, REJECTS, {})


@pytest.mark.parametrize("target", [None, "rejected.xlsx"])
def test_an_export_needs_a_form(target):
    with pytest.raises(UsageError, match="export"):
        fixes.export(REJECTS, target, {})
