"""Lists in a field: seen, unpacked, cut."""

from __future__ import annotations

import random

import duckdb
import pytest

from penstock.adapters.duckdb.proposals.columns import Column
from penstock.adapters.duckdb.proposals.packing import Packed, find_packed
from penstock.compile.rowwise import analyse

RANDOM = random.Random(3)  # noqa: S311  these numbers must come again


def packed(values: list[str], name: str = "basket") -> Packed | None:
    column = Column(name, name, "VARCHAR", "text", len(values), len([value for value in values if value]), len(values))
    return find_packed([column], [(value or None,) for value in values])


def lists(elements: list[str], sign: str = ", ", count: int = 60) -> list[str]:
    return [sign.join(RANDOM.choices(elements, k=RANDOM.choice((1, 2, 3, 4)))) for _ in range(count)]


DRINKS = [f"{size} {name} - {price}" for size, price in (("Regular", "2.15"), ("Large", "2.45"))
          for name in ("Latte", "Mocha", "Flat white", "Tea - Green", "Cortado")]  # fmt: skip


def test_a_basket_is_seen_and_its_elements_are_cut():
    found = packed(lists(DRINKS))
    assert found is not None
    assert [(part.name, part.type) for part in found.parts] == [
        ("size", "VARCHAR"), ("item", "VARCHAR"), ("price", "DECIMAL(10,2)"),
    ]  # fmt: skip
    assert found.money == ("price",)


@pytest.mark.parametrize("sign", [", ", ";", "|", " | ", "; ", "\n", " + "])
def test_the_sign_between_elements_is_found(sign):
    found = packed(lists(["red", "green", "blue", "black", "white"], sign), "colours")
    assert found is not None
    assert (found.sign, found.element, found.parts) == (sign, "colour", ())


def test_an_amount_before_each_element_is_cut_off():
    found = packed(lists([f"{n}x {name}" for n in (1, 2) for name in ("bolt", "nut", "washer")]))
    assert found is not None
    assert [part.name for part in found.parts] == ["quantity", "item"]


@pytest.mark.parametrize(
    "values",
    [
        [f"{RANDOM.randrange(200)} High Street, Leeds" for _ in range(60)],
        [f"Family{n}, Given{n}" for n in range(60)],
        ["Leeds, UK", "York, UK", "Paris, FR"] * 20,
        [f"{town} Police, {part}{state}" for town in "ABCDEFGH" for part in ("", "North, ") for state in ("NY", "TX")],
        [f"This is comment {n}, which goes on, and says {RANDOM.random()}" for n in range(60)],
        [f"2024-03-{n % 28 + 1:02}, 10:00" for n in range(60)],
        ["plain", "words", "only"] * 20,
        [],
    ],
)
def test_what_only_holds_a_comma_is_no_list(values):
    assert packed(values) is None


@pytest.mark.parametrize(
    "values", [lists(DRINKS), [f"[{text}]" for text in lists(['"a"', '"b"', '"c"'])], [*lists(["x", "y"]), ""]]
)
def test_the_proposed_step_gives_each_element_a_numbered_row(values):
    found = packed(values)
    assert found is not None
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE source AS SELECT unnest($1::VARCHAR[]) AS basket, 1 AS n", [[v or None for v in values]]
        )
        rows = connection.execute(found.unpacking(["n"], "source")).fetchall()
    assert len(rows) == found.elements + values.count("")
    assert {row[2] for row in rows if row[2] == 1} == {1}


def test_the_proposed_cut_gives_the_parts():
    found = packed(lists(DRINKS))
    assert found is not None
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE lines AS SELECT 1 AS line_no, 'Large Tea - Green - 2.45' AS item_text")
        row = connection.execute(found.cutting([], "lines")).fetchall()[0]
    assert [str(value) for value in row] == ["1", "Large", "Tea - Green", "2.45"]


def test_both_steps_are_proven_to_be_row_wise():
    found = packed(lists(DRINKS))
    assert found is not None
    first = analyse(found.unpacking(["branch"], "source"), ("source",), {"source": ("branch", "basket")}, where="")
    second = analyse(
        found.cutting(["branch"], "lines"), ("lines",), {"lines": ("branch", "line_no", "item_text")}, where=""
    )
    assert first.rowwise
    assert second.rowwise


def test_reserved_words_and_odd_names_are_quoted():
    found = packed(lists(["a", "b", "c"]), "order")
    assert found is not None
    assert 'string_split("order"' in found.unpacking(["имя"], "source")
    assert '"имя"' in found.unpacking(["имя"], "source")
