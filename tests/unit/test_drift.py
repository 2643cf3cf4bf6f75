"""A sender's format that has changed: the whole delivery is refused, and the change is named."""

from __future__ import annotations

import pytest
from tests.support.prepared import Bench

import penstock as ps
from penstock.model.slots import Standing

MARK = {"name": ps.tokenize()}


def pipeline(date: str = "DATE", privacy=None) -> ps.Pipeline:
    columns = {"date": date, "name": "VARCHAR", "cases": "BIGINT"}
    shop = ps.Pipeline("covid", trigger=ps.manual(), source=ps.csv(columns=columns), privacy=privacy or {})
    shop.load("source", to=ps.lake(), table="cases")
    return shop


def lines(*dates: str, cases: str = "1") -> str:
    return "date,name,cases\n" + "".join(f"{date},Anna,{cases}\n" for date in dates)


@pytest.fixture
def prepared(tmp_path):
    def prepare(*texts: str, date: str = "DATE", privacy=None, chunk_bytes: int = 1 << 20):
        bench = Bench(tmp_path, pipeline(date, privacy), chunk_bytes=chunk_bytes)
        bench.results = bench.prepare(**{f"day{number}__csv": text for number, text in enumerate(texts)})
        return bench

    return prepare


def test_a_format_that_has_changed_is_named(prepared):
    bench = prepared(lines(*(f"1/{day}/2020" for day in range(1, 29))), date="DATE '%Y-%m-%d'")
    result = bench.results[0]
    assert result.standing is Standing.REFUSED
    assert result.error["code"] == "E202"
    assert "'date' has changed: 28 of 28 rows are not DATE" in result.error["message"]
    assert result.error["why"] == "declared are '%Y-%m-%d', came as '9/9/9' (letters and digits masked)"


def test_nothing_is_loaded_and_nothing_set_aside(prepared):
    bench = prepared(lines("1/21/2020", "1/22/2020"))
    assert bench.rows("cases") == []
    assert bench.rejects() == []


def test_a_few_good_rows_do_not_change_it(prepared):
    dates = [*(f"1/{day}/2020" for day in range(1, 29)), "2020-01-30", "2020-01-31"]
    assert prepared(lines(*dates)).results[0].standing is Standing.REFUSED


def test_many_bad_rows_among_good_ones_are_set_aside(prepared):
    dates = [*(f"1/{day}/2020" for day in range(1, 9)), "2020-01-30", "2020-01-31"]
    result = prepared(lines(*dates)).results[0]
    assert (result.standing, result.fates.quarantined, result.fates.kept) == (Standing.PREPARED, 8, 2)


def test_one_row_is_no_change(prepared):
    assert prepared(lines("1/21/2020")).results[0].fates.quarantined == 1


def test_other_files_of_the_run_go_on(prepared):
    bench = prepared(lines("1/21/2020", "1/22/2020"), lines("2020-01-21", "x", "2020-01-22"))
    assert [result.standing for result in bench.results] == [Standing.REFUSED, Standing.PREPARED]
    assert [reject["slot"] for reject in bench.rejects()] == ["landing/day1.csv"]
    assert len(bench.rows("cases")) == 2


def test_a_delivery_in_parts_is_judged_as_a_whole(prepared):
    good, bad = [f"2020-01-{day:02}" for day in range(1, 29)], [f"1/{day}/2020" for day in range(1, 29)]
    kept = prepared(lines(*good * 20, *bad * 20), chunk_bytes=400).results[0]
    assert (kept.standing, kept.fates.quarantined) == (Standing.PREPARED, 560)


def test_a_long_delivery_that_has_changed(prepared):
    bench = prepared(lines(*(f"1/{day}/2020" for day in range(1, 29)), *["1/1/2020"] * 500), chunk_bytes=400)
    assert bench.results[0].standing is Standing.REFUSED
    assert (bench.rows("cases"), bench.rejects()) == ([], [])


def test_what_is_not_shown_is_not_shown_here_either(prepared):
    result = prepared(lines("Anna", "Berta", cases="x"), privacy=MARK).results[0]
    assert "Anna" not in str(result.error)
    assert result.error["why"] == "declared are values such as 2020-01-31, came as 'a' (letters and digits masked)"


def test_numbers_that_became_something_else(prepared):
    result = prepared(lines("2020-01-21", "2020-01-22", cases="1,5".replace(",", "."))).results[0]
    assert "'cases' has changed" in result.error["message"]
    assert result.error["why"] == "declared are BIGINT, came as '9.9' (letters and digits masked)"
