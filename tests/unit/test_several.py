"""`prepare` with several inputs: each is read, judged and accounted for by itself, and joined afterwards."""

import pytest
from tests.support.prepared import Bench

import penstock as ps
from penstock.errors import DefinitionError, TriggerError
from penstock.model.fates import Fates
from penstock.model.slots import Standing

CASES = "date,cases\n2020-01-21,1\n2020-01-22,5\n2020-01-23,8\n"
RECOVERIES = "date,country,recovered\n2020-01-22,US,2\n2020-01-22,France,9\n2020-01-23,US,3\n"


def covid(**options) -> ps.Pipeline:
    return ps.Pipeline(
        "covid",
        trigger=ps.manual(),
        sources={
            "cases": ps.csv(columns={"date": "DATE", "cases": "INTEGER"}),
            "recoveries": ps.csv(columns={"date": "DATE", "country": "VARCHAR", "recovered": "INTEGER"}),
        },
        **options,
    )


@pytest.fixture
def joined():
    pipeline = covid()
    pipeline.sql(
        "american", "SELECT date, recovered FROM recoveries WHERE country = 'US'", inputs=["recoveries"], filters=True
    )
    pipeline.sql("days", "SELECT * FROM cases JOIN american USING (date)", inputs=["cases", "american"])
    pipeline.load("days", to=ps.lake(), mode="merge", key=["date"])
    pipeline.load("cases", to=ps.lake())
    pipeline.load("recoveries", to=ps.lake())
    return pipeline


@pytest.fixture(params=[24, 1 << 20], ids=["parts", "whole"])
def chunk_bytes(request):
    return request.param


def test_inputs_are_joined(tmp_path, joined, chunk_bytes):
    bench = Bench(tmp_path, joined, chunk_bytes=chunk_bytes)
    result = bench.join(cases=CASES, recoveries=RECOVERIES)
    assert result.standing is Standing.PREPARED
    assert [row[:2] for row in bench.rows("days", "cases, recovered")] == [(5, 2), (8, 3)]


def test_each_input_has_an_account_of_its_own(tmp_path, joined, chunk_bytes):
    bench = Bench(tmp_path, joined, chunk_bytes=chunk_bytes)
    result = bench.join(cases=CASES + "x,1\n", recoveries=RECOVERIES)
    cases, recoveries = result.portions
    assert (cases.name, cases.fates) == ("cases", Fates(read=4, kept=3, quarantined=1))
    assert (recoveries.name, recoveries.fates) == ("recoveries", Fates(read=3, kept=3))
    assert result.fates == Fates(read=7, kept=6, quarantined=1)


def test_a_rejected_row_names_its_input_and_line(tmp_path, joined):
    bench = Bench(tmp_path, joined)
    bench.join(cases=CASES, recoveries=RECOVERIES + "2020-01-24,US,many\n")
    (reject,) = bench.rejects()
    assert (reject["slot"], reject["member"], reject["line"]) == ("key/all", "recoveries", 5)


def test_identities_lead_back_to_input_and_line(tmp_path, joined, chunk_bytes):
    bench = Bench(tmp_path, joined, chunk_bytes=chunk_bytes)
    result = bench.join(cases=CASES, recoveries=RECOVERIES)
    cases, recoveries = result.portions
    assert [row[0] - result.slot.base - cases.offset for row in bench.rows("cases", "_row")] == [2, 3, 4]
    assert [row[0] - result.slot.base - recoveries.offset for row in bench.rows("recoveries", "_row")] == [2, 3, 4]
    assert (cases.span, recoveries.offset, result.span) == (5, 5, 10)


def test_rows_of_a_join_stand_for_the_whole_delivery(tmp_path, joined):
    bench = Bench(tmp_path, joined)
    result = bench.join(cases=CASES, recoveries=RECOVERIES)
    assert {row[0] for row in bench.rows("days", "_row")} == {result.slot.base}


def test_checks_and_privacy_belong_to_their_input(tmp_path):
    pipeline = covid(privacy={"recoveries": {"country": ps.mask()}}, deduplicate={"cases": ["date"]})
    pipeline.checks("cases", 'ColumnValues "cases" > 1')
    pipeline.checks("recoveries", 'IsUnique "recovered"')
    pipeline.load("cases", to=ps.lake())
    pipeline.load("recoveries", to=ps.lake())
    bench = Bench(tmp_path, pipeline)
    result = bench.join(cases=CASES + "2020-01-23,9\n", recoveries=RECOVERIES + "2020-01-25,US,9\n")
    assert result.portions[0].fates == Fates(read=4, kept=2, deduplicated=1, quarantined=1)
    assert result.portions[1].fates == Fates(read=4, kept=2, quarantined=2)
    assert {row[0] for row in bench.rows("recoveries", "country")} == {"**"}
    assert {(item["member"], item["line"]) for item in bench.rejects()} == {
        ("cases", 2), ("recoveries", 3), ("recoveries", 5),
    }  # fmt: skip


def test_an_input_without_records_is_an_empty_relation(tmp_path, joined):
    bench = Bench(tmp_path, joined)
    result = bench.join(cases=CASES, recoveries="date,country,recovered\n")
    assert (result.fates, result.rows) == (Fates(read=3, kept=3), {"cases": 3, "recoveries": 0, "days": 0})


def test_a_refused_input_refuses_the_delivery(tmp_path, joined):
    bench = Bench(tmp_path, joined)
    result = bench.join(cases=CASES, recoveries="date,land,recovered\n")
    assert (result.standing, result.error["code"]) == (Standing.REFUSED, "E202")
    assert result.error["at"] == "landing/recoveries-1.csv"
    assert (bench.rows("cases"), bench.rejects()) == ([], [])


def test_an_input_that_changed_since_is_not_loaded(tmp_path, joined):
    bench = Bench(tmp_path, joined)
    bench.join(cases=CASES, recoveries=RECOVERIES)
    bench.landing.store(b"date,cases\n", "landing/cases-1.csv")
    result = bench.run([replaced(bench)])[0]
    assert (result.standing, result.error["code"]) == (Standing.REFUSED, "E200")


def replaced(bench):
    """The same generation, whose object has been written over meanwhile."""
    from tests.support.prepared import NOW

    from penstock.model.slots import Content, Generation, Kind, Member, Slot, vector

    old = Content("0" * 64, 20)
    members = tuple(Member(name, f"landing/{name}-1.csv", old) for name in ("cases", "recoveries"))
    return Generation(Slot("covid", "key/all"), 1, Kind.DELIVERY, 1, NOW, vector(members), members=members)


def test_a_hard_pipeline_is_suspended_by_any_input(tmp_path, joined):
    bench = Bench(tmp_path, joined, hard=True)
    result = bench.join(cases=CASES, recoveries=RECOVERIES + "x,US,1\n")
    assert (result.standing, result.rows) == (Standing.SUSPENDED, {})


def test_deliveries_of_one_run_do_not_mix(tmp_path, joined):
    from dataclasses import replace

    from tests.support.prepared import NOW

    from penstock.model.slots import Generation, Kind, Member, Slot, vector

    bench = Bench(tmp_path, joined)
    generations = []
    for number, day in enumerate(("2020-01-22", "2020-01-23")):
        members = []
        for name, text in (("cases", f"date,cases\n{day},{number}\n"), ("recoveries", RECOVERIES)):
            address = f"landing/{name}-{number}.csv"
            bench.landing.store(text.encode(), address)
            members.append(Member(name, address, bench.landing.content(address)))
        slot = Slot("covid", f"key/day={day}")
        generation = Generation(slot, 1, Kind.DELIVERY, number + 1, NOW, vector(members), members=tuple(members))
        generations.append(replace(generation))
    first, second = bench.run(generations)
    assert [result.rows["days"] for result in (first, second)] == [1, 1]
    assert bench.rows("days", "cases, recovered") == [(0, 2), (1, 3)]


# --- definitions -------------------------------------------------------------------------------------------------


def test_one_source_or_several():
    with pytest.raises(DefinitionError, match="needs a source"):
        ps.Pipeline("covid", trigger=ps.manual())


def test_privacy_names_the_source_first():
    with pytest.raises(DefinitionError, match="there is no source 'country'"):
        covid(privacy={"country": ps.drop()})


def test_templates_are_one_for_each_source():
    with pytest.raises(TriggerError, match="templates for cases"):
        ps.Pipeline(
            "covid",
            trigger=ps.upload(cases="landing/{day}.csv"),
            sources={name: ps.csv(columns={"a": "DATE"}) for name in ("cases", "recoveries")},
        )


def test_templates_capture_the_same_parts():
    with pytest.raises(TriggerError, match="captures other parts"):
        ps.upload(cases="landing/{day}/cases.csv", recoveries="landing/recoveries.csv")


def test_one_template_cannot_tell_sources_apart():
    with pytest.raises(TriggerError, match="cannot tell"):
        ps.Pipeline("covid", trigger=ps.upload("landing/{a}.csv"), sources={"cases": ps.csv(columns={"a": "DATE"})})


def test_a_join_of_unknown_inputs_is_found_at_import():
    pipeline = covid()
    pipeline.sql("days", "SELECT * FROM cases JOIN recovery USING (date)", inputs=["cases", "recovery"])
    pipeline.load("days", to=ps.lake())
    with pytest.raises(DefinitionError, match="recovery"):
        pipeline.validate()


# --- what others read --------------------------------------------------------------------------------------------


def digests(tmp_path, folder, query="", **files):
    """Of one pipeline's table, by file."""
    pipeline = ps.Pipeline(
        "shop", trigger=ps.upload("landing/{name}.csv"), source=ps.csv(columns={"r": "INTEGER", "s": "INTEGER"})
    )
    if query:
        pipeline.sql("made", query)
    table = "made" if query else "source"
    pipeline.load(table, to=ps.lake())
    (tmp_path / folder).mkdir()
    bench = Bench(tmp_path / folder, pipeline)
    bench.plan = bench.plan.watching(frozenset({table}))
    return [result.digests[table] for result in bench.prepare(**files)]


@pytest.mark.parametrize(
    "query",
    ["", "SELECT r, [r, s] AS both FROM source", "SELECT sum(r) AS r, list(s ORDER BY s) AS s FROM source GROUP BY r"],
    ids=["read", "row-wise", "wide"],
)
def test_equal_rows_have_an_equal_digest_alone_and_among_others(tmp_path, query):
    one = "r,s\n1,2\n3,4\n"
    (alone,) = digests(tmp_path, "alone", query, a__csv=one)
    again, turned, other, empty = digests(
        tmp_path, "many", query, a__csv=one, b__csv="r,s\n3,4\n1,2\n", c__csv="r,s\n1,2\n3,5\n", d__csv="r,s\n"
    )
    assert alone == again == turned
    assert len({alone, other, empty}) == 3


# --- tables as sources, and what they say of each other ----------------------------------------------------------


def test_tables_stand_under_their_own_names_or_others():
    found = ps.tables("accounts", clients="stored_clients")
    assert {name: source.of for name, source in found.items()} == {"accounts": "accounts", "clients": "stored_clients"}


@pytest.mark.parametrize(("names", "named"), [((), {}), (("a", "a"), {}), (("a",), {"a": "b"})])
def test_tables_are_named_once_each(names, named):
    with pytest.raises(DefinitionError, match="each source once"):
        ps.tables(*names, **named)


def merged(**references):
    pipeline = ps.Pipeline("bank", trigger=ps.ready(by=["day"]), sources=ps.tables("clients", "accounts"))
    pipeline.load("clients", to=ps.lake(), mode="merge", key=["day", "client"])
    pipeline.load("accounts", to=ps.lake(), mode="merge", key=["account"], **references)
    return pipeline.loadings[1].references


@pytest.mark.parametrize("references", ["clients", ["clients"], {"clients": ["day", "client"]}])
def test_a_table_refers_to_the_key_of_another(references):
    (found,) = merged(references=references)
    assert (found.table, found.columns, found.keys) == ("clients", ("day", "client"), ("day", "client"))


def test_the_columns_of_a_reference_may_have_other_names():
    (found,) = merged(references={"clients": ["day", "owner"]})
    assert (found.columns, found.keys) == (("day", "owner"), ("day", "client"))


@pytest.mark.parametrize(
    ("references", "message"),
    [("client", "references names 'client'"), ({"clients": ["owner"]}, "by owner"), ("accounts", "names 'accounts'")],
)
def test_a_reference_is_to_a_merged_table_that_comes_first(references, message):
    with pytest.raises(DefinitionError, match=message):
        merged(references=references)
