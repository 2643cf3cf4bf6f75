"""What a SQL step is proven to be, from its text alone."""

import duckdb
import pytest

from penstock.compile.rowwise import analyse
from penstock.compile.words import AGGREGATES, VOLATILE
from penstock.errors import StepError

COLUMNS = {"source": ("a", "b", "items")}


def shape(query: str, *inputs: str):
    return analyse(query, inputs or ("source",), COLUMNS, where="pipelines/p.py:1")


@pytest.mark.parametrize(
    "query",
    [
        "SELECT a, b FROM source",
        "select * from source",
        "SELECT a + 1 AS c, list_sum(items) AS s FROM source",
        "SELECT s.a, upper(s.b) AS b FROM source AS s",
        "SELECT a, unnest(items) AS item FROM source",
        "SELECT a, x.item FROM source CROSS JOIN unnest(items) AS x(item)",
        "SELECT c FROM (SELECT a AS c FROM source WHERE b > 0)",
        "SELECT a IS NOT DISTINCT FROM b AS same FROM source",
        "SELECT 'count(x) over' AS text FROM source",
    ],
)
def test_row_wise_statements_are_proven(query):
    assert shape(query).rowwise, shape(query).why


@pytest.mark.parametrize(
    "query",
    [
        "SELECT a, sum(b) FROM source GROUP BY a",
        "SELECT DISTINCT a FROM source",
        "SELECT a, row_number() OVER (ORDER BY b) AS n FROM source",
        "SELECT a FROM source LIMIT 3",
        "SELECT a FROM source ORDER BY b",
        "SELECT a FROM source UNION ALL SELECT b FROM source",
        "SELECT s.a FROM source s JOIN source t ON s.a = t.b",
        "SELECT (SELECT max(a) FROM source) AS m FROM source",
        "SELECT a FROM source QUALIFY row_number() OVER () = 1",
        "WITH x AS (SELECT a FROM source) SELECT a FROM x",
        "SELECT mode(a) FROM source",
        "SELECT a FROM source USING SAMPLE 3",
    ],
)
def test_everything_else_is_wide_and_left_as_it_is(query):
    found = shape(query)
    assert not found.rowwise
    assert found.why
    assert found.sql == query


def test_identity_columns_are_added_to_every_select_of_the_chain():
    sql = shape("SELECT c FROM (SELECT a AS c FROM source)").sql
    assert sql == "SELECT _row, _slot, c FROM (SELECT _row, _slot, a AS c FROM source)"


def test_a_star_brings_the_identity_columns_itself():
    query = "SELECT * EXCLUDE (b) FROM source"
    assert shape(query).sql == query
    assert shape(query).columns == ("a", "items")


def test_passthrough_follows_renames_and_stops_at_expressions():
    found = shape("SELECT a AS x, b + 1 AS b, items FROM source")
    assert found.passthrough == {"x": "a", "items": "items"}
    assert found.requires["b"] == {"b"}


def test_a_where_is_seen_as_a_filter():
    assert shape("SELECT a FROM source WHERE b > 0").filters


@pytest.mark.parametrize("word", ["now()", "random()", "current_date", "today()", "uuid()"])
def test_what_depends_on_the_moment_is_refused(word):
    with pytest.raises(StepError, match="not allowed"):
        shape(f"SELECT a, {word} AS t FROM source")


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM other",
        "SELECT * FROM read_csv('x.csv')",
        "SELECT * FROM 'x.parquet'",
        "DROP TABLE source",
        "SELECT a FROM source; SELECT 1",
        "SELECT FROM WHERE",
    ],
)
def test_statements_that_reach_outside_are_refused_with_their_place(query):
    with pytest.raises(StepError) as caught:
        shape(query)
    assert caught.value.at == "pipelines/p.py:1"


def test_the_aggregates_are_those_of_the_engine():
    with duckdb.connect() as connection:
        rows = connection.execute(
            "SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type = 'aggregate' "
            "AND regexp_full_match(function_name, '[a-z_0-9]+')"
        ).fetchall()
    assert {row[0] for row in rows} <= AGGREGATES


def test_every_unsteady_function_of_the_engine_is_known():
    harmless = {
        "error",
        "in_search_path",
        "current_database",
        "current_schema",
        "current_schemas",
        "vector_type",
        "write_log",
    }
    with duckdb.connect() as connection:
        rows = connection.execute(
            "SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type = 'scalar' "
            "AND stability IS NOT NULL AND stability <> 'CONSISTENT' AND regexp_full_match(function_name, '[a-z_0-9]+')"
        ).fetchall()
    assert {row[0] for row in rows} - harmless <= VOLATILE | {"current_date"}
