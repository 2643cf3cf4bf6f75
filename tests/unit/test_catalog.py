"""One schema for many batches, and how they drift."""

from __future__ import annotations

import gzip
from contextlib import closing

import pytest

import penstock as ps
from penstock.adapters.duckdb.infer import Inference
from penstock.compile.catalog import Column, Drift, united, wide

FIRST = ("a", (("id", "BIGINT"), ("free", "BIGINT")))


def test_batches_of_one_shape_do_not_drift():
    columns, drifts = united([FIRST, ("b", FIRST[1])])
    assert columns == (Column("id", "BIGINT", "a"), Column("free", "BIGINT", "a"))
    assert drifts == ()


def test_a_new_column_is_told_with_the_batch_that_brought_it():
    columns, drifts = united([FIRST, ("b", (*FIRST[1], ("area", "VARCHAR")))])
    assert columns[-1] == Column("area", "VARCHAR", "b", missing=1)
    assert drifts == (Drift("area", "", "VARCHAR", "b"),)


def test_a_wider_type_is_told_once():
    _, drifts = united([FIRST, ("b", (("id", "BIGINT"), ("free", "DOUBLE"))), ("c", FIRST[1])])
    assert drifts == (Drift("free", "BIGINT", "DOUBLE", "b"),)


def test_a_column_that_goes_and_comes_back_is_told_twice():
    _, drifts = united([FIRST, ("b", FIRST[1][:1]), ("c", FIRST[1])])
    assert [(drift.column, drift.kind, drift.since) for drift in drifts] == [
        ("free", "missing", "b"),
        ("free", "added", "c"),
    ]


def test_no_batches_have_no_columns():
    assert united([]) == ((), ())


@pytest.mark.parametrize(
    ("first", "second", "both"),
    [
        ("BIGINT", "DOUBLE", "DOUBLE"), ("DECIMAL(8,2)", "DOUBLE", "DOUBLE"), ("DATE", "TIMESTAMP", "TIMESTAMP"),
        ("INTEGER", "BIGINT", "BIGINT"), ("BIGINT", "DATE", "VARCHAR"), ("JSON", "BIGINT", "VARCHAR"),
    ],
)  # fmt: skip
def test_two_types_have_one_that_holds_both(first, second, both):
    assert wide(first, second) == wide(second, first) == both


# --- of one file -------------------------------------------------------------------------------------------------

CSV = ps.csv(columns={"id": "VARCHAR", "free": "VARCHAR"})


def inferred(path, source):
    with closing(Inference(path.parent / "scratch")) as inference:
        return inference.columns(path, source)


def test_a_csv_s_types_are_inferred_from_its_values(tmp_path):
    (tmp_path / "a.csv").write_text("id,free,day\n1,1.5,2024-03-01\n")
    assert inferred(tmp_path / "a.csv", CSV) == (("id", "BIGINT"), ("free", "DOUBLE"), ("day", "DATE"))


def test_without_a_header_the_declared_names_count(tmp_path):
    (tmp_path / "a.csv").write_text("1;x\n")
    source = ps.csv(columns={"id": "VARCHAR", "area": "VARCHAR"}, header=False, delimiter=";")
    assert inferred(tmp_path / "a.csv", source) == (("id", "BIGINT"), ("area", "VARCHAR"))


def test_a_misspelt_column_has_its_declared_name(tmp_path):
    (tmp_path / "a.csv").write_text("id,fre\n1,2\n")
    source = ps.csv(columns={"id": "VARCHAR", "free": "VARCHAR"}, aliases={"fre": "free"})
    assert inferred(tmp_path / "a.csv", source) == (("id", "BIGINT"), ("free", "BIGINT"))


def test_torn_records_and_other_encodings_do_not_hide_the_columns(tmp_path):
    (tmp_path / "a.csv").write_bytes('id;preis (€)\r\n1;4\r\ntorn\r\n2;5;6\r\n3;"7\r\n'.encode("cp1252"))
    source = ps.csv(
        columns={"id": "VARCHAR", "price": "VARCHAR"}, aliases={"preis (€)": "price"}, delimiter=";", encoding="cp1252"
    )
    assert inferred(tmp_path / "a.csv", source) == (("id", "BIGINT"), ("price", "BIGINT"))
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_nested_json_is_json(tmp_path):
    with gzip.open(tmp_path / "a.jsonl.gz", "wt") as file:
        file.write('{"id": 1, "at": [103.8, 1.3], "more": {"x": 1}}\n')
    found = inferred(tmp_path / "a.jsonl.gz", ps.json_lines(columns={"id": "BIGINT"}))
    assert found == (("id", "BIGINT"), ("at", "JSON"), ("more", "JSON"))


@pytest.mark.parametrize("content", [b"", b"\x00\xff\x00", b'{"id": \n'])
def test_what_cannot_be_read_has_no_columns(tmp_path, content):
    (tmp_path / "a.jsonl").write_bytes(content)
    assert inferred(tmp_path / "a.jsonl", ps.json_lines(columns={"id": "BIGINT"})) == ()
