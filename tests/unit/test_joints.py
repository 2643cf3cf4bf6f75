"""Many small files, read together: on several cores the same as on one."""

from __future__ import annotations

import duckdb
import pytest
from tests.support.prepared import Bench

import penstock as ps
from penstock.adapters.duckdb import feeding
from penstock.errors import StepFailed
from penstock.model.slots import Standing

COLUMNS = {"id": "INTEGER", "name": "VARCHAR", "price": "DECIMAL(6,2)"}
FILES = {
    f"f{number:03d}__csv": "".join(
        f"{number * 10 + line},{'tea' if line % 3 else 'jam'},{'x' if (number + line) % 7 == 0 else '2.50'}\n"
        for line in range(1, 3 + number % 5)
    )
    for number in range(30)
}
FAULTS = {
    "g1__csv": '1,"torn,2.50\n2,tea,1.00\n',
    "g2__csv": "1,tea\n2,tea,1.00\n",
    "g3__csv": "",
    "g4__csv": "1,tea,2.50\r\n2,milk,1.05\r\n",
}


@pytest.fixture
def eager(monkeypatch):
    """Every lane is worth its start."""
    monkeypatch.setattr(feeding, "WORTHWHILE", 1)


def shop(**options) -> ps.Pipeline:
    source = ps.csv(header=False, columns=COLUMNS)
    return ps.Pipeline("shop", trigger=ps.upload("landing/{name}.csv"), source=source, **options)


def plain() -> ps.Pipeline:
    found = shop()
    found.load("source", to=ps.lake())
    return found


def distinct() -> ps.Pipeline:
    found = shop(deduplicate=("name",))
    found.load("source", to=ps.lake())
    return found


def wide() -> ps.Pipeline:
    found = shop()
    found.sql("totals", "SELECT name, sum(price) AS total FROM source GROUP BY name")
    found.load("totals", to=ps.lake())
    return found


def hard() -> ps.Pipeline:
    found = shop(hard=True)
    found.checks("source", 'ColumnValues "id" < 250')
    found.load("source", to=ps.lake())
    return found


def entities() -> ps.Pipeline:
    found = shop()
    found.normalize("source", goods=ps.entity("name"), sales=ps.owned("id", "price", refs=["goods"]))
    found.load_all(to=ps.lake())
    return found


def python() -> ps.Pipeline:
    found = shop()

    @found.step(rowwise=True)
    def doubled(source: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        return source.project("*, id * 2 AS twice")

    found.load("doubled", to=ps.lake())
    return found


def prepared(folder, pipeline, threads):
    bench = Bench(folder, pipeline, chunk_bytes=600, threads=threads)
    results = bench.prepare(**FILES, **FAULTS)
    tables = {staged.table: bench.rows(staged.table) for staged in bench.prepared.staged}
    rejects = [(reject["slot"], reject["line"], reject["reasons"]) for reject in bench.rejects()]
    return results, {name: sorted(rows) for name, rows in tables.items()}, sorted(rejects)


@pytest.mark.parametrize("define", [plain, distinct, wide, hard, entities, python])
def test_lanes_give_what_one_gives(tmp_path, eager, define):
    one, many = (prepared(tmp_path / str(threads), define(), threads) for threads in (1, 4))
    assert one == many
    assert {result.standing for result in one[0]} >= {Standing.PREPARED, Standing.REFUSED}


def staged_rows(bench):
    """How many rows each staged file has, and the first of them."""
    (staged,) = bench.prepared.staged
    with duckdb.connect() as connection:
        read = "SELECT min(id), count(*) FROM read_parquet($1)"
        return [connection.execute(read, [file]).fetchall()[0] for file in staged.files]


def test_files_stand_in_the_order_of_their_rows(tmp_path, eager):
    bench = Bench(tmp_path, plain(), chunk_bytes=600, threads=4)
    bench.prepare(**FILES)
    firsts = [first for first, _ in staged_rows(bench)]
    assert len(firsts) >= 4
    assert firsts == sorted(firsts)


def test_lanes_have_equal_shares(tmp_path, eager):
    bench = Bench(tmp_path, plain(), threads=2)
    bench.prepare(**{f"f{number}__csv": f"{number},tea,2.50\n" * 10 for number in range(10)})
    assert staged_rows(bench) == [(0, 50), (5, 50)]


def test_few_files_have_one_lane(tmp_path):
    bench = Bench(tmp_path, plain(), threads=4)
    bench.prepare(**FILES)
    assert len(staged_rows(bench)) == 1


def test_the_first_error_ends_all_lanes(tmp_path, eager):
    found = shop()
    found.sql("halves", "SELECT id, CAST(name AS INTEGER) AS half FROM source")
    found.load("halves", to=ps.lake())
    bench = Bench(tmp_path, found, chunk_bytes=600, threads=4)
    with pytest.raises(StepFailed, match="refused"):
        bench.prepare(**FILES)
