"""Staged files, cut into parts that fit in memory."""

from __future__ import annotations

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.adapters.staged import Part, StagedFile, parts, relation


def rows_of(part, sizes):
    return part.stop - part.start if part.stop else sum(sizes[file] for file in part.files)


@given(st.lists(st.integers(0, 35), max_size=12))
def test_parts_are_small_and_cover_every_row_once(counts):
    sizes = {str(number): count for number, count in enumerate(counts)}
    found = list(parts([StagedFile(name, count, 0, 0) for name, count in sizes.items()], limit=10))
    assert all(rows_of(part, sizes) <= 10 for part in found)
    ends = {file: max((part.stop for part in found if part.files == (file,)), default=0) for file in sizes}
    whole = {file for part in found if not part.stop for file in part.files}
    assert all((name in whole) or ends[name] >= count for name, count in sizes.items() if count)


def test_a_large_file_is_cut_by_its_rows(tmp_path):
    file = tmp_path / "large.parquet"
    duckdb.sql("SELECT i FROM range(25) AS t (i)").write_parquet(str(file))
    found = [
        duckdb.sql(f"SELECT i FROM {part.relation()}").fetchall()
        for part in parts([StagedFile(str(file), 25, 0, 24)], 10)
    ]
    assert [len(rows) for rows in found] == [10, 10, 5]
    assert sorted(row for rows in found for (row,) in rows) == list(range(25))


@pytest.mark.parametrize("name", ["[a]*?", "it's", "a=b"])
def test_no_character_of_a_path_is_a_pattern(tmp_path, name):
    (tmp_path / name).mkdir()
    file = tmp_path / name / "x.parquet"
    duckdb.sql("SELECT 1 AS one").write_parquet(str(file))
    assert duckdb.sql(f"SELECT * FROM {relation([str(file)])}").fetchall() == [(1,)]
    assert duckdb.sql(f"SELECT * FROM {Part((str(file),), 0, 5).relation()}").fetchall() == [(1,)]
