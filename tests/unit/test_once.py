"""Expressions that are computed once for each distinct value give the rows that the plain step gives."""

import itertools

import pytest
from tests.support.prepared import Bench

import penstock as ps
from penstock.compile.plan import compile_pipeline
from penstock.errors import StepError

COLUMNS = {"id": "INTEGER", "item": "VARCHAR", "price": "DECIMAL(6,2)"}
ROWS = [
    "1,Large Tea,2.50",
    "2,small tea,1.50",
    "3,,1.00",
    "4,Large Tea,2.60",
    "5,Large Jam,-1",
    "6,huge Jam,3.10",
    "7,Plain,1.05",
    "8,large tea,2.70",
]
SPLIT = """
    SELECT id, price, string_split(item, ' ') AS words, lower(words[1]) AS size, words[2] AS name FROM source
"""


def shop(per_distinct: str, *, reader: bool = False, checks: bool = False, keyed: bool = True) -> ps.Pipeline:
    found = ps.Pipeline("shop", trigger=ps.upload("landing/{name}.csv"), source=ps.csv(header=False, columns=COLUMNS))
    found.sql("items", SPLIT, inputs=["source"], per_distinct=per_distinct)
    found.checks("source", 'ColumnValues "price" >= 0')
    if checks:
        found.checks("items", 'ColumnValues "size" in ["large", "small", "plain"]')
    if reader:
        found.sql("all_of_it", "SELECT * FROM items", inputs=["items"])
        found.load("all_of_it", to=ps.lake())
    key = ["id"] if keyed else None
    found.normalize(
        "items",
        products=ps.entity("name", "size"),
        sizes=ps.entity("size"),
        sales=ps.owned("id", "price", refs=["products", "sizes"], key=key),
    )
    found.load_all(to=ps.lake())
    return found


def tables(folder, pipeline: ps.Pipeline, **options):
    bench = Bench(folder, pipeline, **options)
    results = bench.prepare(a__csv="\n".join(ROWS) + "\n")
    names = {table.spec.name for table in compile_pipeline(pipeline).tables}
    found = {name: sorted(bench.rows(name, "COLUMNS(lambda c: NOT starts_with(c, '_'))"), key=repr) for name in names}
    return found, [(result.fates, result.reasons, result.rows) for result in results]


@pytest.mark.parametrize(
    ("reader", "checks", "keyed", "chunk"),
    [*itertools.product([False, True], [False, True], [True], [1 << 20, 48]), (False, False, False, 1 << 20)],
)
def test_the_tables_are_those_of_the_plain_step(tmp_path, reader, checks, keyed, chunk):
    options = {"reader": reader, "checks": checks, "keyed": keyed}
    plain = tables(tmp_path / "plain", shop("", **options), chunk_bytes=chunk)
    assert plain[0]["sales"]
    assert tables(tmp_path / "once", shop("item", **options), chunk_bytes=chunk) == plain


def test_the_rows_hold_keys_instead_of_the_texts_that_only_keys_are_made_of():
    step = compile_pipeline(shop("item")).step("items")
    assert "_key_products" in step.sql
    assert "name" not in step.sql.replace("_key_", "")


def test_whoever_reads_the_rows_finds_their_texts_and_no_keys():
    step = compile_pipeline(shop("item", reader=True)).step("items")
    assert "_key_" not in step.sql
    assert '"name"' in step.sql


def test_an_entity_with_a_column_of_the_row_is_looked_up():
    found = ps.Pipeline("shop", trigger=ps.upload("landing/{n}.csv"), source=ps.csv(header=False, columns=COLUMNS))
    found.sql("items", SPLIT, inputs=["source"], per_distinct="item")
    found.normalize("items", products=ps.entity("name", "id"), sales=ps.owned("price", refs=["products"]))
    found.load_all(to=ps.lake())
    assert "_key_" not in compile_pipeline(found).step("items").sql


def test_an_expression_over_another_column_is_refused():
    found = ps.Pipeline("shop", trigger=ps.upload("landing/{n}.csv"), source=ps.csv(header=False, columns=COLUMNS))
    found.sql("items", "SELECT id, item || price AS both FROM source", inputs=["source"], per_distinct="item")
    found.load("items", to=ps.lake())
    with pytest.raises(StepError, match="does not fit"):
        compile_pipeline(found)
