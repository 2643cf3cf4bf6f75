"""Files of unknown form, opened."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import duckdb
import pytest

from penstock.adapters.duckdb.proposals.sniffing import opened
from penstock.errors import ContractBroken, RefusedFile


def looked_at(path: Path, **options: bool):
    with opened([path], **options) as table:
        return table.layout, table.headers, table.names, table.sample(100)


def write(path: Path, data: str | bytes) -> Path:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(tmp_path, sign):
    path = write(
        tmp_path / "a.csv", "".join(f"{sign.join(row)}\n" for row in (("id", "city"), ("1", "York"), ("2", "Hull")))
    )
    layout, headers, _, rows = looked_at(path)
    assert (layout.delimiter, headers) == (sign, ("id", "city"))
    assert rows == [("1", "York"), ("2", "Hull")]


@pytest.mark.parametrize(
    ("encoding", "declared"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8"),
        ("utf-16", "utf-16-le"),
        ("utf-16-be", "utf-16"),
        ("cp1252", "cp1252"),
    ],
)
def test_the_encoding_is_found(tmp_path, encoding, declared):
    path = write(tmp_path / "a.csv", "name;Straße\nMüller;Weg 1\n".encode(encoding))
    layout, headers, _, rows = looked_at(path)
    assert (layout.encoding, headers) == (declared, ("name", "Straße"))
    assert rows == [("Müller", "Weg 1")]


def test_a_packed_file_is_unpacked(tmp_path):
    path = write(tmp_path / "a.csv.gz", gzip.compress(b"id,city\n1,York\n"))
    assert looked_at(path)[3] == [("1", "York")]


def test_quotes_newlines_and_ragged_lines_are_read(tmp_path):
    path = write(tmp_path / "a.csv", 'id,note,x\n1,"two\nlines, ""quoted""",a\n2,short\n3,fine,b\n')
    assert looked_at(path)[3] == [("1", 'two\nlines, "quoted"', "a"), ("2", "short", None), ("3", "fine", "b")]


def test_json_and_parquet_say_their_types(tmp_path):
    lines = write(tmp_path / "a.jsonl", "".join(json.dumps({"orderId": n, "paid": True}) + "\n" for n in range(3)))
    duckdb.sql("SELECT 1::BIGINT AS id, DATE '2024-01-02' AS day").write_parquet(str(tmp_path / "a.parquet"))
    for path, names, types in (
        (lines, ("orderId", "paid"), ("BIGINT", "BOOLEAN")),
        (tmp_path / "a.parquet", ("id", "day"), ("BIGINT", "DATE")),
    ):
        with opened([path]) as table:
            assert (table.names, table.types) == (names, types)


def test_a_relation_is_opened_as_a_file_is():
    with opened(duckdb.sql("SELECT 1 AS id, 'York' AS city")) as table:
        assert (table.names, table.sample(5)) == (("id", "city"), [("1", "York")])


def test_the_wish_of_the_caller_wins_over_the_guess(tmp_path):
    path = write(tmp_path / "a.csv", "id,city\n1,York\n")
    layout, headers, names, rows = looked_at(path, header=False)
    assert (layout.header, headers, names) == (False, ("", ""), ("column_1", "column_2"))
    assert len(rows) == 2


def test_several_files_are_batches(tmp_path):
    paths = [write(tmp_path / f"{n}.csv", f"id,city\n{n},York\n") for n in range(3)]
    with opened(paths) as table:
        assert (table.count, table.batches) == (3, 3)
        assert table.ask("SELECT count(DISTINCT _batch) FROM source") == [(3,)]


def test_files_of_different_columns_are_not_one_table(tmp_path):
    paths = [write(tmp_path / "a.csv", "id,city\n1,York\n"), write(tmp_path / "b.csv", "id,town\n1,York\n")]
    with pytest.raises(ContractBroken), opened(paths):
        pass


def test_a_sample_is_spread_over_the_file(tmp_path):
    path = write(tmp_path / "a.csv", "id,x\n" + "".join(f"{n},a\n" for n in range(1000)))
    with opened([path]) as table:
        sample = [int(row[0] or 0) for row in table.sample(100)]
    assert len(sample) == 100
    assert max(sample) > 900


@pytest.mark.parametrize(
    "data",
    [b"", b"  \n\n", b"PK\x03\x04" + bytes(100), b"\x89PNG\r\n\x1a\n" + bytes(200), b"<html><body>no</body></html>"],
)
def test_what_is_no_table_is_refused(tmp_path, data):
    with pytest.raises(RefusedFile), opened([write(tmp_path / "a.csv", data)]):
        pass


def test_broken_json_is_refused_without_its_text(tmp_path):
    path = write(tmp_path / "a.json", '[{"name": "Deborah Torres"')
    with pytest.raises(RefusedFile) as caught, opened([path]):
        pass
    assert "Deborah" not in str(caught.value.facts())


def test_a_file_that_is_not_there_is_refused(tmp_path):
    for name in ("gone.csv", "gone.parquet"):
        with pytest.raises(RefusedFile), opened([tmp_path / name]):
            pass
