"""Wide steps see one whole delivery each, though many of them are worked on together."""

import pytest
from tests.support.prepared import Bench

import penstock as ps
from penstock.model.slots import Standing

FILES = {
    "a__csv": "1,tea,3\n2,tea,4\n3,jam,1\n",
    "b__csv": "1,tea,1\n",
    "c__csv": "9,x,y\n",  # nothing of it is left
    "d__csv": "1,jam,2\n2,jam,2\n",
}


def till() -> ps.Pipeline:
    columns = {"id": "INTEGER", "name": "VARCHAR", "price": "DECIMAL(6,2)"}
    pipeline = ps.Pipeline(
        "till", trigger=ps.upload("landing/{name}.csv"), source=ps.csv(header=False, columns=columns)
    )
    pipeline.sql("totals", "SELECT name, sum(price) AS total FROM source GROUP BY name")
    return pipeline


def shares(pipeline: ps.Pipeline) -> ps.Pipeline:
    """One wide step behind another, which reads the rows of the first twice."""
    pipeline.sql(
        "shares",
        "SELECT t.name, source.name AS one, total / (SELECT sum(total) FROM totals) AS share "
        "FROM totals t JOIN source USING (name) ORDER BY id",
        inputs=["totals", "source"],
    )
    pipeline.load("shares", to=ps.lake())
    pipeline.load("totals", to=ps.lake(), mode="merge", key=["name"])
    return pipeline


def counted(pipeline: ps.Pipeline) -> ps.Pipeline:
    """A function behind a query: its columns depend on the rows."""

    @pipeline.step
    def columns(totals):
        return totals.sql("SELECT count(*) AS names FROM totals")

    @pipeline.step
    def pivoted(totals: "duckdb.DuckDBPyRelation"):  # noqa: F821
        rows = sorted(totals.fetchall())
        return totals.query("t", f"SELECT {', '.join(f'{total} AS v' for _, total in rows[:1]) or '0.00 AS v'}")

    pipeline.load("columns", to=ps.lake())
    pipeline.load("pivoted", to=ps.lake())
    return pipeline


@pytest.mark.parametrize("steps", [shares, counted])
def test_deliveries_together_and_alone_are_the_same(tmp_path, steps):
    together = Bench(tmp_path / "together", steps(till()))
    results = together.prepare(**FILES)
    tables = [table.spec.name for table in together.plan.tables]
    alone: dict[str, list] = {table: [] for table in tables}
    for (name, text), result in zip(FILES.items(), results, strict=True):
        bench = Bench(tmp_path / name, steps(till()))
        (single,) = bench.prepare(**{name: text})
        assert (single.standing, single.fates, single.rows) == (result.standing, result.fates, result.rows)
        for table in tables:
            alone[table] += bench.rows(table, "* EXCLUDE (_sequence)" if table == "totals" else "*")
    for table in tables:
        columns = "* EXCLUDE (_sequence)" if table == "totals" else "*"
        assert together.rows(table, columns) == sorted(alone[table])


@pytest.mark.parametrize("rule", ['ColumnValues "total" < 5', "RowCount < 2", 'Sum "total" < 8'])
def test_a_delivery_that_is_stopped_stops_no_other(tmp_path, rule):
    pipeline = till()
    pipeline.checks("totals", rule, severity="stop")
    pipeline.load("totals", to=ps.lake())
    bench = Bench(tmp_path, pipeline)
    results = bench.prepare(**FILES)
    assert [result.standing is Standing.STOPPED for result in results] == [True, False, False, False]
    assert [(name, float(total)) for name, total in bench.rows("totals", "name, total")] == [("jam", 4.0), ("tea", 1.0)]
    assert [result.rows.get("totals", 0) for result in results] == [0, 1, 0, 1]


def test_warnings_belong_to_their_delivery(tmp_path):
    pipeline = till()
    pipeline.checks("totals", 'ColumnValues "total" < 2', severity="warn")
    pipeline.load("totals", to=ps.lake())
    results = Bench(tmp_path, pipeline).prepare(**FILES)
    assert [sum(result.warnings.values()) for result in results] == [1, 0, 0, 1]
