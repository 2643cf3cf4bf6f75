"""Staged files, cut into parts that fit in memory."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.adapters.staged import Part, Reader, StagedFile, parts, relation
from penstock.errors import DestinationError
from penstock.model.loads import Record, judge
from penstock.testing.deliveries import Sender
from penstock.testing.shop import ORDERS

SENT = {"landing/leeds.csv": 2, "landing/york.csv": 1}


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


@pytest.fixture
def reader(tmp_path):
    with closing(Reader(tmp_path / "scratch", 100_000_000)) as reader:
        yield reader


def surveyed(reader, load, records=()):
    verdict = judge(load, {record.slot: record for record in records})
    return {name: dict(survey.counts) for name, survey in reader.survey(load.tables, verdict).items()}


def test_rows_are_counted_by_owner_whether_or_not_they_were_counted_before(tmp_path, reader):
    sender = Sender(tmp_path)
    parts = [sender.part(name, 1, orders=[(1, "Leeds", 5), (2, "Leeds", 6)][:rows]) for name, rows in SENT.items()]
    load = sender.load([ORDERS], *parts)
    uncounted = replace(load, units=tuple(replace(unit, rows={}) for unit in load.units))
    assert surveyed(reader, load) == surveyed(reader, uncounted) == {"orders": {0: 2, 1: 1}}


def test_what_is_held_already_is_left_out(tmp_path, reader):
    sender = Sender(tmp_path)
    load = sender.load([ORDERS], *(sender.part(name, 1, orders=[(1, "Leeds", 5)]) for name in SENT))
    unit = load.units[0]
    held = Record(unit.slot.address, unit.number, unit.sequence, unit.base, unit.span)
    assert surveyed(reader, load, [held]) == {"orders": {-1: 1, 0: 1}}


def test_rows_of_nobody_are_noticed(tmp_path, reader):
    sender = Sender(tmp_path)
    load = sender.load([ORDERS], *(sender.part(name, 1, orders=[(1, "Leeds", 5)]) for name in SENT))
    more = replace(load, units=(*load.units[:1], replace(load.units[1], base=7, rows={})))
    with pytest.raises(DestinationError, match="belong to no unit"):
        surveyed(reader, more)
