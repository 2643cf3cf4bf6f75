"""Types and formats, proven by counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.adapters.duckdb.proposals.columns import Column, few_values, profile
from penstock.adapters.duckdb.proposals.sniffing import opened
from penstock.authoring.sources import ColumnType


def column(tmp_path: Path, values: list[str], header: str = "thing") -> Column:
    path = tmp_path / "a.csv"
    path.write_text(f"id|{header}\n" + "".join(f"{n}|{value}\n" for n, value in enumerate(values)), encoding="utf-8")
    with opened([path], header=True) as table:
        found = profile(table, table.sample(5000), {})[1]
    ColumnType.parse(found.type, found.name)
    return found


@pytest.mark.parametrize(
    ("values", "type_name"),
    [
        (["1", "-20", "300"], "INTEGER"),
        (["5000000000", "1"], "BIGINT"),
        (["3.6", "4.1", "12"], "DECIMAL(10,2)"),
        (["1.2345", "-0.5"], "DECIMAL(10,6)"),
        (["1e10", "2.5e-3"], "DOUBLE"),
        (["33.123456789", "1.5"], "DOUBLE"),
        (["true", "False"], "BOOLEAN"),
        (["00123", "04567"], "VARCHAR"),
        (["3,50", "1.234,00"], "VARCHAR"),
        (["12:30", "09:15"], "TIME"),
        (["2024-01-02", "2024-11-30"], "DATE"),
        (["2024-01-02 10:00:00", "2024-11-30 11:30:00"], "TIMESTAMP"),
        (["2024-01-02T10:00:00Z", "2024-11-30T11:30:00+02:00"], "TIMESTAMPTZ"),
        (["2024-01-02 00:00:00 UTC"], "TIMESTAMPTZ '%Y-%m-%d %H:%M:%S UTC'"),
        (["13/01/2024", "02/03/2024"], "DATE '%d/%m/%Y'"),
        (["01/13/2024", "02/03/2024"], "DATE '%m/%d/%Y'"),
        (["31.12.99", "01.02.98"], "DATE '%d.%m.%y'"),
        (["20240131", "20231224", "20240301"], "DATE '%Y%m%d'"),
        (["1-Feb-2019", "28-Mar-2020"], "DATE '%d-%b-%Y'"),
        (["09/27/2019 12:00 AM", "09/28/2019 01:30 PM"], "TIMESTAMP '%m/%d/%Y %I:%M %p'"),
        (["hello", "world"], "VARCHAR"),
        (["1.2.3", "4.5.6"], "VARCHAR"),
    ],
)
def test_the_narrowest_type_that_holds_every_value(tmp_path, values, type_name):
    assert column(tmp_path, values).type == type_name


def test_a_day_above_12_proves_the_order_and_the_note_counts_it(tmp_path):
    found = column(tmp_path, ["13/01/2024", "02/03/2024", "25/03/2024"])
    assert found.note == "2 of 3 values have a day above 12"


def test_without_proof_a_date_stays_text_and_both_formats_are_named(tmp_path):
    found = column(tmp_path, ["03/04/2024", "05/06/2024"])
    assert (found.type, found.role) == ("VARCHAR", "moment")
    assert "'%d/%m/%Y'" in found.note
    assert "'%m/%d/%Y'" in found.note


def test_both_orders_in_one_column_stay_text(tmp_path):
    assert column(tmp_path, ["13/01/2024", "01/25/2024", "02/03/2024"]).type == "VARCHAR"


def test_several_formats_of_one_column_are_tried_in_turn(tmp_path):
    values = ["2019-09-27 00:00:00 UTC"] * 30 + ["09/27/2019 12:00 AM"] * 20 + ["26 сентября 2019 00:00"] * 2
    found = column(tmp_path, values)
    assert found.type == "TIMESTAMP '%Y-%m-%d %H:%M:%S UTC', '%m/%d/%Y %I:%M %p'"
    assert found.misfits == 2


def test_a_few_values_of_another_type_are_said_to_be_set_aside(tmp_path):
    found = column(tmp_path, [str(number) for number in range(99)] + ["x"])
    assert (found.type, found.misfits) == ("INTEGER", 1)
    assert "would be set aside" in found.note


def test_many_values_of_another_type_make_the_column_text(tmp_path):
    assert column(tmp_path, ["1", "2", "x", "y"]).type == "VARCHAR"


@pytest.mark.parametrize(
    ("header", "values", "role"),
    [
        ("order_id", ["1", "2"], "identifier"),
        ("line", ["1", "2"], "ordinal"),
        ("price", ["1", "2"], "money"),
        ("deaths", ["1", "2"], "measure"),
        ("lat", ["1.5", "2.5"], "place"),
        ("branch", ["Leeds", "York"], "category"),
        ("note", ["one two three four five six seven eight nine"] * 2, "text"),
        ("day", ["2024-01-02"], "moment"),
        ("nothing", ["", ""], "empty"),
    ],
)
def test_the_role_says_what_a_column_may_do(tmp_path, header, values, role):
    assert column(tmp_path, values, header).role == role


def test_few_values_are_listed_only_where_they_repeat_and_are_not_personal(tmp_path):
    """A handful of first names under a header that does not give them away is not listed either."""
    rows = "".join(f"{('CASH', 'CARD')[n % 2]},Ann,{('Julia', 'Oscar')[n % 2]},{n}\n" for n in range(20))
    path = tmp_path / "a.csv"
    path.write_text(f"payment,name,opened_by,n\n{rows}")
    with opened([path], header=True) as table:
        columns = profile(table, table.sample(50), {"name": "person name"})
        assert few_values(table, columns) == {"payment": ("CARD", "CASH")}
