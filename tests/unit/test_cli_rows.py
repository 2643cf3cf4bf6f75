"""Rejected rows as text: lists, exports, and the edits that come back."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from penstock.entrypoints.cli import rows
from penstock.entrypoints.cli.output import Output
from penstock.errors import UsageError
from penstock.model.slots import Slot
from penstock.runtime.healing import Reject

LEEDS = "landing/leeds.csv"
NEGATIVE = Reject("cafe", "r1", LEEDS, 1, 7, ("total < 0", "no branch"), {"branch": None, "total": -4.5, "paid": True})
TORN = Reject("cafe", "r1", LEEDS, 1, 9, ("3 of 7 fields",), shape="9,9,9", byte_start=120, byte_end=131)
REJECTS = [NEGATIVE, TORN]


def output() -> Output:
    return Output(stdout=io.StringIO(), stderr=io.StringIO())


def export(path: Path) -> Path:
    rows._export(REJECTS, str(path), output())
    return path


def test_reasons_are_counted_by_delivery():
    assert rows.grouped([NEGATIVE, NEGATIVE, TORN]) == [
        (LEEDS, "total < 0", 2, 7),
        (LEEDS, "no branch", 2, 7),
        (LEEDS, "3 of 7 fields", 1, 9),
    ]


def test_an_export_as_csv_has_a_column_for_each_value(tmp_path):
    with export(tmp_path / "x.csv").open(newline="") as file:
        found = list(csv.reader(file))
    assert found == [
        ["pipeline", "run", "slot", "generation", "line", "reasons", "branch", "total", "paid"],
        ["cafe", "r1", LEEDS, "1", "7", "total < 0; no branch", "", "-4.5", "true"],
        ["cafe", "r1", LEEDS, "1", "9", "3 of 7 fields", "", "", ""],
    ]


def test_an_export_as_json_lines_has_the_shape_of_what_had_no_columns(tmp_path):
    found = [json.loads(line) for line in export(tmp_path / "x.jsonl").read_text().splitlines()]
    assert (found[0]["row"], found[1]["shape"], "row" in found[1]) == (NEGATIVE.row, "9,9,9", False)


@pytest.mark.parametrize("name", ["x.csv", "x.jsonl"])
def test_only_what_was_edited_comes_back(tmp_path, name):
    path = export(tmp_path / name)
    path.write_text(path.read_text().replace("-4.5", "4.50"))
    assert rows.edited(path, REJECTS) == {Slot("cafe", LEEDS): [{"slot": LEEDS, "line": 7, "set": {"total": "4.50"}}]}


def test_a_torn_line_can_be_written_anew(tmp_path):
    path = export(tmp_path / "x.csv")
    path.write_text(path.read_text().replace("3 of 7 fields,,,", "3 of 7 fields,Leeds,4.50,"))
    edit = {"slot": LEEDS, "line": 9, "set": {"branch": "Leeds", "total": "4.50"}}
    assert rows.edited(path, REJECTS) == {Slot("cafe", LEEDS): [edit]}


def test_a_value_can_be_emptied(tmp_path):
    path = export(tmp_path / "x.csv")
    path.write_text(path.read_text().replace("-4.5", ""))
    ((edit,),) = rows.edited(path, REJECTS).values()
    assert edit["set"] == {"total": ""}


def test_a_file_without_edits_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no value was changed"):
        rows.edited(export(tmp_path / "x.csv"), REJECTS)


def test_a_row_that_is_not_open_is_refused(tmp_path):
    path = export(tmp_path / "x.csv")
    with pytest.raises(UsageError, match="line 7"):
        rows.edited(path, [TORN])


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "slot,line\nx,seven\n", '{"slot": 1}\n'])
@pytest.mark.parametrize("name", ["x.csv", "x.jsonl"])
def test_a_file_that_is_no_export_is_refused(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError):
        rows.edited(tmp_path / name, REJECTS)


@pytest.mark.parametrize("target", [None, "rejected.xlsx"])
def test_an_export_needs_a_form(target):
    with pytest.raises(UsageError, match="export"):
        rows._export(REJECTS, target, output())
