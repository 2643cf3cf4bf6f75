"""The first line: names, or somebody's data?"""

from __future__ import annotations

import pytest

from penstock.adapters.duckdb.proposals.headers import declared, is_header


@pytest.mark.parametrize(
    ("first", "rest"),
    [
        (["name", "city"], [["Deborah Torres", "Leeds"], ["John Smith", "York"]]),
        (["Имя", "Город", ""], [["Анна Петрова", "Москва", "1"]]),
        (["id", "x"], [["1", "a"], ["2", "b"]]),
        (["Date", "Country/Region"], [["2020-01-22", "Afghanistan"], ["2020-01-23", "Albania"]]),
        (["foo_bar", "bazQux"], [["some text", "other text"]]),
        (["e_mail"], []),
        (["country", "2019", "2020", "2021"], [["France", "1", "2", "3"], ["Spain", "3", "4", "5"]]),
    ],
)
def test_a_header_is_seen(first, rest):
    assert is_header(first, rest)


@pytest.mark.parametrize(
    ("first", "rest"),
    [
        (["Deborah Torres", "Leeds"], [["John Smith", "York"], ["Mary Jones", "Hull"]]),
        (["01/01/2020 09:00", "Leeds"], [["01/01/2020 09:01", "Leeds"]]),
        (["4", "x"], [["5", "y"]]),
        (["a@example.org", "name"], [["b@example.org", "other"]]),
        (["5494173772652516", "CARD"], [["", "CASH"]]),
        (["Deborah Torres"], []),
        (["", ""], [["a", "b"]]),
        (["Leeds", "CASH"], [["York", "CASH"], ["Leeds", "CARD"]]),
    ],
)
def test_data_is_not_taken_for_a_header(first, rest):
    assert not is_header(first, rest)


@pytest.mark.parametrize(
    ("headers", "names"),
    [
        (["Country/Region", "orderId", "E-Mail"], ("country_region", "order_id", "e_mail")),
        (["a", "A", "a"], ("a", "a_2", "a_3")),
        (["", "  ", "_row", "2nd"], ("column_1", "column_2", "row", "c_2nd")),
        (["Имя", "名前"], ("имя", "名前")),
        (['x"; DROP TABLE y', "a\nb"], ("x_drop_table_y", "a_b")),
        (["é" * 80], ("é" * 48,)),
        (["a_2", "a", "a"], ("a_2", "a", "a_2_2")),
    ],
)
def test_declared_names_are_plain_and_unlike_each_other(headers, names):
    assert declared(headers) == names
