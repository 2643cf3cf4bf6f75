"""`prepare`: what becomes of every row of every file."""

from io import BytesIO

import duckdb
import pytest
from tests.support.prepared import Bench

import penstock as ps
from penstock.errors import RowsUnaccounted, StepError, StepFailed
from penstock.model.fates import Fates
from penstock.model.slots import Standing

COLUMNS = {"id": "INTEGER", "name": "VARCHAR", "price": "DECIMAL(6,2)"}


def pipeline(**options) -> ps.Pipeline:
    return ps.Pipeline(
        "shop", trigger=ps.upload("landing/{name}.csv"), source=ps.csv(header=False, columns=COLUMNS), **options
    )


@pytest.fixture
def shop():
    found = pipeline()
    found.load("source", to=ps.lake())
    return found


def test_clean_rows_are_kept_with_their_line(tmp_path, shop):
    bench = Bench(tmp_path, shop)
    (result,) = bench.prepare(a__csv="1,tea,2.50\n2,milk,1.05\n")
    assert result.fates == Fates(read=2, kept=2)
    base = result.slot.base
    assert [row[0] - base for row in bench.rows("source")] == [1, 2]


@pytest.mark.parametrize("chunk_bytes", [16, 1 << 20])
def test_a_slot_spans_the_lines_of_its_rows_below_a_header(tmp_path, chunk_bytes):
    headed = ps.Pipeline("shop", trigger=ps.upload("landing/{name}.csv"), source=ps.csv(columns=COLUMNS))
    headed.load("source", to=ps.lake())
    bench = Bench(tmp_path, headed, chunk_bytes=chunk_bytes)
    (result,) = bench.prepare(a__csv="id,name,price\n1,tea,2.50\n2,milk,1.05\n3,rice,3.00\n")
    assert [row[0] - result.slot.base for row in bench.rows("source")] == [2, 3, 4]
    assert result.span == 5


@pytest.mark.parametrize("price", ["5.255", "1e3", "£5", "1,5", "NaN", "abc"])
def test_a_value_that_is_not_of_its_type_rejects_its_row(tmp_path, shop, price):
    bench = Bench(tmp_path, shop)
    (result,) = bench.prepare(a__csv=f'1,tea,"{price}"\n2,milk,1.05\n')
    assert result.fates == Fates(read=2, kept=1, quarantined=1)
    (reject,) = bench.rejects()
    assert (reject["line"], reject["reasons"], reject["row"]) == (1, ["price is not DECIMAL(6,2)"], None)


@pytest.mark.parametrize("bad", [1, 61, 62, 63, 64, 130])
def test_a_value_is_not_of_its_type_in_whichever_column(tmp_path, bad):
    columns = {f"c{place}": "INTEGER" for place in range(1, 131)}
    wide = ps.Pipeline("wide", trigger=ps.upload("landing/{name}.csv"), source=ps.csv(header=False, columns=columns))
    wide.checks("source", f'ColumnValues "c{bad}" > 0')
    wide.load("source", to=ps.lake())
    bench = Bench(tmp_path, wide)
    lines = [",".join("x" if row and place == bad else "7" for place in range(1, 131)) for row in range(2)]
    (result,) = bench.prepare(a__csv="\n".join(lines))
    assert result.fates == Fates(read=2, kept=1, quarantined=1)
    assert result.reasons == {f"c{bad} is not INTEGER": 1}


def test_an_empty_field_is_null_and_no_reject(tmp_path, shop):
    bench = Bench(tmp_path, shop)
    (result,) = bench.prepare(a__csv="1,,\n")
    assert result.fates == Fates(read=1, kept=1)
    assert bench.rows("source", "name, price") == [(None, None)]


def test_lanes_side_by_side_give_what_one_gives(tmp_path, shop):
    text = "".join(f"{i},tea,{'x' if i % 9 == 0 else '2.50'}\n" for i in range(1, 400))
    found = []
    for threads in (1, 4):
        bench = Bench(tmp_path / str(threads), shop, chunk_bytes=400, threads=threads)
        (result,) = bench.prepare(a__csv=text)
        found.append((result, bench.rows("source"), [reject["line"] for reject in bench.rejects()]))
    assert found[0] == found[1]
    assert found[0][0].fates == Fates(read=399, kept=355, quarantined=44)


def test_the_first_error_ends_all_lanes(tmp_path):
    shop = pipeline()
    shop.sql("halves", "SELECT id, CAST(name AS INTEGER) AS half FROM source")
    shop.load("halves", to=ps.lake())
    bench = Bench(tmp_path, shop, chunk_bytes=400, threads=4)
    with pytest.raises(StepFailed, match="refused"):
        bench.prepare(a__csv="".join(f"{i},{'Ann' if i == 300 else i},1\n" for i in range(400)))


def test_files_of_lanes_stand_in_the_order_of_their_rows(tmp_path, shop):
    bench = Bench(tmp_path, shop, chunk_bytes=400, threads=4)
    bench.prepare(a__csv="".join(f"{i},tea,1\n" for i in range(1, 400)))
    (staged,) = bench.prepared.staged
    with duckdb.connect() as connection:
        read = "SELECT min(id) FROM read_parquet($1)"
        firsts = [connection.execute(read, [file]).fetchall()[0][0] for file in staged.files]
    assert len(firsts) > 4
    assert firsts == sorted(firsts)


def test_torn_lines_do_not_shift_the_lines_of_their_neighbours(tmp_path, shop):
    bench = Bench(tmp_path, shop, chunk_bytes=64)
    text = "".join(f"{i},tea,2.50\n" if i % 7 else f"{i},te\n" for i in range(1, 60))
    (result,) = bench.prepare(a__csv=text)
    assert result.fates == Fates(read=59, kept=51, quarantined=8)
    assert [row[0] - result.slot.base for row in bench.rows("source")] == [i for i in range(1, 60) if i % 7]
    assert [row[1] for row in bench.rows("source")] == [i for i in range(1, 60) if i % 7]


def test_a_torn_quote_swallows_nobody(tmp_path, shop):
    bench = Bench(tmp_path, shop)
    (result,) = bench.prepare(a__csv='1,"tea,2.50\n2,"milk",1.05\n3,"ja\nm",2\n')
    assert result.fates == Fates(read=3, kept=2, quarantined=1)
    assert bench.rows("source", "id, name") == [(2, "milk"), (3, "ja\nm")]


def test_many_small_files_keep_one_account_each(tmp_path, shop):
    bench = Bench(tmp_path, shop)
    results = bench.prepare(a__csv="1,tea,2\n", b__csv="1,x,bad\n2,milk,1\n", c__csv="9,jam,3\n")
    assert [result.fates.as_dict()["kept"] for result in results] == [1, 1, 1]
    assert [result.rows["source"] for result in results] == [1, 1, 1]


def test_small_files_of_every_form_keep_the_lines_of_their_rows(tmp_path):
    """Plain ones, ones with other line ends, with a fault, with the columns in another order: three are read apart."""
    shop = ps.Pipeline("shop", trigger=ps.upload("landing/{name}.csv"), source=ps.csv(columns=COLUMNS))
    shop.load("source", to=ps.lake())
    bench = Bench(tmp_path, shop)
    results = bench.prepare(
        a__csv="id,name,price\n1,tea,2\n2,jam,x\n",
        b__csv="id,name,price\r\n3,tea,2\r\n4,jam,1",
        c__csv='id,name,price\n5,tea,2\n6,"jam\n7,ham,3\n',
        d__csv="name,id,price\ntea,8,2\n",
        e__csv="id,name,price\n9,tea,2\n",
    )
    lines = [(0, 2, 1), (1, 2, 3), (1, 3, 4), (2, 2, 5), (2, 4, 7), (3, 2, 8), (4, 2, 9)]
    found = sorted((results[place].slot.base + line, row) for place, line, row in lines)
    assert bench.rows("source", "_row, id") == found
    assert [(item["slot"][-5], item["line"]) for item in bench.rejects()] == [("a", 3), ("c", 3)]


def test_a_bad_file_is_refused_and_the_others_go_on(tmp_path, shop):
    bench = Bench(tmp_path, shop)
    good, empty, binary = bench.prepare(a__csv="1,tea,2\n", b__csv="", c__csv=b"PK\x03\x04" + bytes(60))
    assert good.standing is Standing.PREPARED
    assert (empty.standing, binary.standing) == (Standing.REFUSED, Standing.REFUSED)
    assert empty.error["code"] == "E201"
    assert len(bench.rows("source")) == 1


def test_content_that_changed_since_it_was_accepted_is_not_loaded(tmp_path, shop):
    bench = Bench(tmp_path, shop)
    (before,) = bench.prepare(a__csv="1,tea,2\n")
    assert before.standing is Standing.PREPARED
    bench.landing.store(b"1,tea,3\n", "landing/a.csv")
    from dataclasses import replace

    from tests.support.prepared import NOW

    from penstock.model.slots import Content, Generation, Kind, Slot

    stale = Generation(Slot("shop", "landing/a.csv"), 1, Kind.DELIVERY, 1, NOW, Content("0" * 64, 8))
    (result,) = bench.run([replace(stale)])
    assert (result.standing, result.error["code"]) == (Standing.REFUSED, "E200")
    assert bench.rows("source") == []


def test_checks_put_rows_aside_with_their_protected_values(tmp_path):
    shop = pipeline(privacy={"name": ps.mask(keep_last=1)})
    shop.checks("source", 'ColumnValues "price" >= 0')
    shop.load("source", to=ps.lake())
    bench = Bench(tmp_path, shop)
    (result,) = bench.prepare(a__csv="1,tea,-2\n2,milk,1\n")
    assert result.reasons == {'ColumnValues "price" >= 0': 1}
    assert bench.rejects()[0]["row"] == {"id": 1, "name": "**a", "price": -2.0}


def test_a_warning_loads_and_counts(tmp_path):
    shop = pipeline()
    shop.checks("source", 'ColumnValues "price" >= 0', severity="warn")
    shop.load("source", to=ps.lake())
    (result,) = Bench(tmp_path, shop).prepare(a__csv="1,tea,-2\n")
    assert (result.fates.kept, result.warnings) == (1, {'ColumnValues "price" >= 0': 1})


def test_a_stop_keeps_the_delivery_out(tmp_path):
    shop = pipeline()
    shop.checks("source", "RowCount > 2")
    shop.load("source", to=ps.lake())
    bench = Bench(tmp_path, shop)
    short, long = bench.prepare(a__csv="1,tea,2\n", b__csv="1,a,1\n2,b,1\n3,c,1\n")
    assert (short.standing, long.standing) == (Standing.STOPPED, Standing.PREPARED)
    assert len(bench.rows("source")) == 3


def test_hard_suspends_only_the_delivery_that_fails(tmp_path, shop):
    bench = Bench(tmp_path, shop, hard=True)
    bad, good = bench.prepare(a__csv="1,tea,x\n", b__csv="2,milk,1\n")
    assert (bad.standing, good.standing) == (Standing.SUSPENDED, Standing.PREPARED)
    assert bench.rows("source", "id") == [(2,)]


def test_a_step_that_loses_a_row_fails_the_run(tmp_path):
    shop = pipeline()
    shop.sql("words", "SELECT id, unnest(string_split(name, ' ')) AS word FROM source")
    shop.load("words", to=ps.lake())
    with pytest.raises(RowsUnaccounted, match="step 'words' lost 1 row"):
        Bench(tmp_path, shop).prepare(a__csv="1,green tea,2\n2,,1\n")


def test_a_declared_filter_is_a_fate(tmp_path):
    shop = pipeline()
    shop.sql("dear", "SELECT id, price FROM source WHERE price > 2", filters=True)
    shop.load("dear", to=ps.lake())
    bench = Bench(tmp_path, shop)
    (result,) = bench.prepare(a__csv="1,tea,3\n2,milk,1\n")
    assert result.fates == Fates(read=2, kept=1, filtered=1)


def test_a_python_step_that_drops_a_row_fails_the_run(tmp_path):
    pa = pytest.importorskip("pyarrow", reason="the step takes an Arrow table")
    shop = pipeline()

    @shop.step(rowwise=True)
    def fewer(source: pa.Table):
        return source.slice(1)

    shop.load("fewer", to=ps.lake())
    with pytest.raises(RowsUnaccounted, match="step 'fewer' lost 1 row"):
        Bench(tmp_path, shop).prepare(a__csv="1,tea,3\n2,milk,1\n")


def test_a_row_of_a_step_that_is_rejected_rejects_its_source_row(tmp_path):
    shop = pipeline()
    shop.sql("words", "SELECT id, unnest(string_split(name, ' ')) AS word FROM source")
    shop.checks("words", 'ColumnLength "word" > 2')
    shop.load("words", to=ps.lake())
    bench = Bench(tmp_path, shop)
    (result,) = bench.prepare(a__csv="1,green of tea,2\n2,milk,1\n")
    assert result.fates == Fates(read=2, kept=1, quarantined=1)
    assert bench.rows("words", "word") == [("milk",)]


@pytest.mark.parametrize("form", ["duckdb.DuckDBPyRelation", "pa.Table", "pl.LazyFrame"])
def test_a_wide_python_step_takes_the_form_of_its_annotation(tmp_path, form):
    shop = pipeline()

    def total(source):
        if form.startswith("duckdb"):
            return source.aggregate("sum(price) AS total")
        if form.startswith("pa"):
            import pyarrow as pa

            return pa.table({"total": [sum(source["price"].to_pylist())]})
        return source.sum().select("price").rename({"price": "total"})

    total.__annotations__ = {"source": form}
    shop.step(total)
    shop.load("total", to=ps.lake())
    bench = Bench(tmp_path, shop)
    bench.prepare(a__csv="1,tea,3\n2,milk,1.5\n", b__csv="1,x,10\n")
    assert sorted(float(row[0]) for row in bench.rows("total", "total")) == [4.5, 10.0]


def test_a_step_that_raises_says_where_and_not_what(tmp_path):
    shop = pipeline()

    @shop.step
    def broken(source: "pa.Table"):  # noqa: F821
        raise ValueError("Richard Copeland")

    shop.load("broken", to=ps.lake())
    with pytest.raises(StepFailed) as caught:
        Bench(tmp_path, shop).prepare(a__csv="1,tea,3\n")
    assert caught.value.at.startswith("test_engine.py:")
    assert "Richard" not in f"{caught.value.facts()}"


@pytest.mark.parametrize("chunk", [1 << 20, 40])
def test_duplicates_are_dropped_only_where_an_author_asks(tmp_path, chunk):
    shop = pipeline(deduplicate=["id"])
    shop.load("source", to=ps.lake())
    bench = Bench(tmp_path, shop, chunk_bytes=chunk)
    (result,) = bench.prepare(a__csv="1,tea,3\n1,tea,3\n2,milk,1\n1,jam,4\n" * 2 + "3,x,1\n")
    assert result.fates == Fates(read=9, kept=3, deduplicated=6)
    assert bench.rows("source", "id, name") == [(1, "tea"), (2, "milk"), (3, "x")]


@pytest.mark.parametrize("chunk", [1 << 20, 40])
def test_uniqueness_is_judged_over_the_whole_delivery(tmp_path, chunk):
    shop = pipeline()
    shop.checks("source", 'IsUnique "id"')
    shop.load("source", to=ps.lake())
    bench = Bench(tmp_path, shop, chunk_bytes=chunk)
    (result,) = bench.prepare(a__csv="".join(f"{i},tea,1\n" for i in [1, 2, 3, 4, 5, 6, 7, 8, 2]))
    assert result.fates == Fates(read=9, kept=7, quarantined=2)
    assert result.reasons == {'IsUnique "id"': 2}


@pytest.mark.parametrize("chunk", [1 << 20, 40])
def test_wide_steps_see_the_whole_delivery(tmp_path, chunk):
    shop = pipeline()
    shop.sql("totals", "SELECT name, sum(price) AS total FROM source GROUP BY name")
    shop.load("totals", to=ps.lake())
    bench = Bench(tmp_path, shop, chunk_bytes=chunk)
    bench.prepare(a__csv="1,tea,1\n2,jam,2\n" * 5 + "3,bad,x\n")
    assert [(name, float(total)) for name, total in bench.rows("totals", "name, total")] == [
        ("jam", 10.0),
        ("tea", 5.0),
    ]


def test_sums_keep_all_their_digits(tmp_path):
    shop = pipeline()
    shop.sql("totals", "SELECT name, sum(id * 9007199254740993) AS total FROM source GROUP BY name")
    shop.load("totals", to=ps.lake())
    bench = Bench(tmp_path, shop)
    bench.prepare(a__csv="1,tea,1\n")
    assert bench.rows("totals", "name, total") == [("tea", 9007199254740993)]


@pytest.mark.parametrize("per_distinct", ["", "name"])
def test_a_plain_select_may_follow_a_wide_step(tmp_path, per_distinct):
    shop = pipeline()
    shop.sql("totals", "SELECT name, sum(price) AS total FROM source GROUP BY name")
    shop.sql("named", "SELECT total, upper(name) AS name FROM totals", inputs=["totals"], per_distinct=per_distinct)
    shop.load("named", to=ps.lake())
    bench = Bench(tmp_path, shop)
    bench.prepare(a__csv="1,tea,1\n2,jam,2\n3,tea,3\n")
    assert [(name, float(total)) for name, total in bench.rows("named", "name, total")] == [("JAM", 2.0), ("TEA", 4.0)]


def test_dropped_columns_and_clear_values_are_nowhere(tmp_path):
    shop = pipeline(privacy={"name": ps.tokenize()})
    shop.checks("source", 'ColumnValues "price" >= 0')
    shop.load("source", to=ps.lake())
    Bench(tmp_path, shop).prepare(
        a__csv="1,Richard Copeland,2\n2,Richard Copeland,-2\n3,Richard Copeland\n4,Richard Copeland,x\n"
    )
    written = [path for zone in ("staging", "quarantine") for path in (tmp_path / zone).rglob("*") if path.is_file()]
    assert written
    assert not any(b"Copeland" in path.read_bytes() for path in written)


def test_tokens_are_hmacs_under_the_named_key(tmp_path):
    import hmac

    shop = pipeline(privacy={"name": ps.tokenize(keep_last=2)})
    shop.load("source", to=ps.lake())
    bench = Bench(tmp_path, shop)
    bench.prepare(a__csv="1,milk,2\n")
    wanted = hmac.digest(b"p" * 32, b"milk", "sha256").hex()
    assert bench.rows("source", "name") == [(f"k1:{wanted}:lk",)]


def test_encrypted_values_can_be_read_back_with_the_key(tmp_path):
    from tests.support.prepared import KEY

    from penstock.adapters.duckdb.encryption import decrypt

    shop = pipeline(privacy={"name": ps.encrypt()})
    shop.load("source", to=ps.lake())
    bench = Bench(tmp_path, shop)
    bench.prepare(a__csv="1,Zoë,2\n")
    ((value,),) = bench.rows("source", "name")
    assert value.startswith("k1:")
    assert decrypt(KEY, value) == "Zoë"


@pytest.mark.parametrize("careful", [False, True])
@pytest.mark.parametrize("joined", [False, True])
def test_a_reader_that_loses_a_row_fails_the_run(tmp_path, shop, careful, joined):
    """The framer has counted three records, the reader gives two."""
    from dataclasses import replace

    from tests.support.prepared import NOW

    from penstock.adapters.duckdb.parts import ChunkPart, JoinedPart
    from penstock.adapters.duckdb.relations import Relations
    from penstock.adapters.duckdb.session import Resources, Session
    from penstock.adapters.duckdb.tally import Tally
    from penstock.adapters.files.dialect import Dialect, Layout
    from penstock.adapters.files.records import open_records
    from penstock.model.slots import Generation, Kind, Slot

    text = b"1,tea,2\n2,milk,1\n3,jam,4\n"
    layout = Layout(tuple(COLUMNS), Dialect(header=False))
    (chunk,) = open_records(BytesIO(text), layout, careful=careful)
    lossy = replace(chunk, data=chunk.data[: chunk.data.rindex(b"\n", 0, -1) + 1])
    tally = Tally(Generation(Slot("shop", "landing/a.csv"), 1, Kind.DELIVERY, 1, NOW), 0, hard=False)
    plan = Bench(tmp_path, shop).plan
    with Session(Resources(tmp_path / "scratch")) as session:
        Relations(session, plan).start()
        part = JoinedPart([[(tally, lossy)]], plan) if joined else ChunkPart(tally, lossy, plan)
        with pytest.raises(RowsUnaccounted):
            part.read_into(session, (), tmp_path)


def test_a_column_that_differs_within_a_source_row_cannot_be_normalised_away(tmp_path):
    shop = pipeline()
    shop.sql("words", "SELECT id, unnest(string_split(name, ' ')) AS word FROM source")
    shop.normalize("words", records=ps.owned("id", "word"))
    shop.load_all(to=ps.lake())
    with pytest.raises(StepFailed, match="not the same in all rows of one source row"):
        Bench(tmp_path, shop).prepare(a__csv="1,green tea,2\n")


def test_a_key_that_repeats_is_no_key(tmp_path):
    shop = pipeline()
    shop.sql("words", "SELECT id, 1 AS place, unnest(string_split(name, ' ')) AS word FROM source")
    shop.normalize(
        "words", records=ps.owned("id"), words=ps.owned("place", "word", refs=["records"], key=["record_id", "place"])
    )
    shop.load_all(to=ps.lake())
    with pytest.raises(StepFailed, match="occurs more than once"):
        Bench(tmp_path, shop).prepare(a__csv="1,green tea,2\n")


@pytest.mark.parametrize(("severity", "standing"), [("stop", Standing.STOPPED), ("warn", Standing.PREPARED)])
def test_rows_of_a_wide_step_are_judged(tmp_path, severity, standing):
    shop = pipeline()
    shop.sql("totals", "SELECT name, sum(price) AS total FROM source GROUP BY name")
    shop.checks("totals", 'ColumnValues "total" < 5', severity=severity)
    shop.load("totals", to=ps.lake())
    (result,) = Bench(tmp_path, shop).prepare(a__csv="1,tea,3\n2,tea,4\n")
    assert result.standing is standing
    assert result.warnings == ({'ColumnValues "total" < 5': 1} if severity == "warn" else {})


def test_rows_of_a_wide_step_cannot_go_aside(tmp_path):
    shop = pipeline()
    shop.sql("totals", "SELECT name, sum(price) AS total FROM source GROUP BY name")
    shop.checks("totals", 'ColumnValues "total" < 5')
    shop.load("totals", to=ps.lake())
    with pytest.raises(StepError, match="cannot put rows of the wide step"):
        Bench(tmp_path, shop)


@pytest.mark.parametrize("rows", [1, 2, 7])
def test_parquet_is_read_in_parts(tmp_path, monkeypatch, rows):
    import duckdb

    from penstock.adapters.duckdb import feeding

    monkeypatch.setattr(feeding, "_PARQUET_ROWS", 2)
    with duckdb.connect() as connection:
        values = f"SELECT i::INTEGER AS id, 'n' || i AS name, i / 2 AS price FROM range(1, {rows + 1}) AS t(i)"
        connection.execute(f"COPY ({values}) TO '{tmp_path / 'in.parquet'}' (FORMAT parquet)")
    shop = ps.Pipeline("shop", trigger=ps.upload("landing/{name}.parquet"), source=ps.parquet(columns=COLUMNS))
    shop.load("source", to=ps.lake())
    bench = Bench(tmp_path, shop)
    (result,) = bench.prepare(a__parquet=(tmp_path / "in.parquet").read_bytes())
    assert result.fates == Fates(read=rows, kept=rows)
    assert [row[0] for row in bench.rows("source", "id")] == list(range(1, rows + 1))
