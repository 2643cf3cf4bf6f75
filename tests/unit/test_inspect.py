"""Queries over the lake's published files."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from penstock.adapters.duckdb.inspect import Inspection
from penstock.errors import UnknownName, UsageError


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Inspection]:
    """A table of three sales, one of them at no known moment."""
    (tmp_path / "sales").mkdir()
    file = tmp_path / "sales/part.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            "COPY (SELECT * FROM (VALUES (1, TIMESTAMPTZ '2024-03-04 09:00:00+01'), (2, NULL), "
            f"(3, TIMESTAMPTZ '2024-03-04 10:00:00Z')) AS rows(id, sold_at)) TO '{file}' (FORMAT parquet)"
        )
    inspection = Inspection({"sales": f"read_parquet('{file}')"}, {"sales": [str(file)]}, ["sales", "refunds"])
    yield inspection
    inspection.close()


@pytest.mark.parametrize("ending", ["", ";", " -- the newest first"])
def test_instants_come_in_utc_and_in_their_order(lake, ending):
    names, rows = lake.query(f"SELECT id, sold_at FROM sales ORDER BY id DESC{ending}")
    assert names == ["id", "sold_at"]
    assert list(rows) == [
        (3, datetime(2024, 3, 4, 10, tzinfo=UTC)),
        (2, None),
        (1, datetime(2024, 3, 4, 8, tzinfo=UTC)),
    ]


def test_two_columns_may_have_one_name(lake):
    names, rows = lake.query("SELECT sold_at, id AS sold_at FROM sales WHERE id = 3")
    assert (names, list(rows)) == (["sold_at", "sold_at"], [(datetime(2024, 3, 4, 10, tzinfo=UTC), 3)])


@pytest.mark.parametrize("sql", ["COPY (SELECT 1) TO 'out.csv'", "SELECT 1; SELECT 2", "DROP VIEW sales"])
def test_a_query_changes_nothing(lake, sql):
    with pytest.raises(UsageError):
        lake.query(sql)


def test_nothing_but_the_tables_is_within_reach(lake, tmp_path):
    (tmp_path / "other.csv").write_text("a\n1\n")
    with pytest.raises(UsageError):
        lake.query(f"SELECT * FROM '{tmp_path}/other.csv'")


@pytest.mark.parametrize(
    ("sql", "what", "fix"),
    [
        ("FROM sale", "there is no table 'sale'", "did you mean 'sales'?"),
        ('SELECT * FROM main."sale"', "there is no table 'main.sale'", "did you mean 'sales'?"),
        ("FROM refunds", "the table 'refunds' is not there yet", "penstock run, penstock publish"),
    ],
)
def test_a_table_that_is_not_there_has_the_nearest_of_ours(lake, sql, what, fix):
    for ask in (lake.query, lake.explain):
        with pytest.raises(UnknownName) as caught:
            ask(sql)
        assert (caught.value.what, caught.value.fix) == (what, fix)


def test_bytes_are_those_of_the_columns_that_are_read(lake):
    whole, one, none = (lake.explain(f"SELECT {what} FROM sales").bytes_read for what in ("*", "id", "count(*)"))
    assert lake.explain("FROM sales").bytes > whole > one > none == 0
