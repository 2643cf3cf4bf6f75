"""What every destination answers to those who ask for a few rows at a time."""

# ruff: noqa: S101 - assert is the language of tests

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from penstock.errors import DestinationError, UsageError
from penstock.model.lookups import Lookup, Sort
from penstock.model.rows import ROW
from penstock.model.tables import Mode, TableSpec
from penstock.testing.contracts.bench import Bench
from penstock.testing.deliveries import PIPELINE, Declared, Sender
from penstock.testing.shop import LOG, PRODUCTS, TEA, World, load, product

VALUES: list[tuple[str, Any, str]] = [
    ("VARCHAR", "o'neill; drop table log --", "o'neill; drop table log --"),
    ("BIGINT", 2**62, str(2**62)),
    ("DECIMAL(8,2)", Decimal("1.50"), "1.5"),
    ("DATE", date(2024, 2, 29), "2024-02-29"),
    ("BOOLEAN", True, "true"),
    ("TIMESTAMP", datetime(2024, 1, 1, 9, 30), "2024-01-01 09:30:00"),  # noqa: DTZ001 - a local time
    ("TIMESTAMPTZ", datetime(2024, 1, 1, 9, 30, tzinfo=UTC), "2024-01-01 10:30:00+01"),
]
"""A type, a value, and a text that means it."""

HOSTILE = ["' OR '1'='1", "'; DROP TABLE log; --", "$1", "%s", "\\", '"', "x' UNION SELECT 1, 2 --"]
ASKED = Lookup(PIPELINE, "log", ("text",))


def texts(world: World, lookup: Lookup) -> list[Any]:
    """The first column of one page."""
    return [row[0] for row in world.destination.page(lookup).rows]


def walked(world: World, lookup: Lookup) -> Iterator[tuple[Any, ...]]:
    """All rows, page by page."""
    while True:
        page = world.destination.page(lookup)
        yield from page.rows
        if not page.next:
            return
        lookup = replace(lookup, after=page.next)


class PageContract(Bench):
    """Questions about a published table."""

    def test_of_nothing_there_is_an_empty_page(self, world: World) -> None:
        assert world.destination.page(ASKED).rows == ()

    def test_a_table_that_was_never_loaded_is_empty(self, world: World, sender: Sender) -> None:
        load(world, sender, [LOG], sender.part("a", 1, log=[(1, "x")]))
        assert texts(world, replace(ASKED, table="other")) == []

    def test_of_another_pipeline_there_is_nothing(self, world: World, sender: Sender) -> None:
        load(world, sender, [LOG], sender.part("a", 1, log=[(1, "x")]))
        assert texts(world, replace(ASKED, pipeline="other")) == []

    def test_rows_that_equal_a_value(self, world: World, sender: Sender) -> None:
        load(world, sender, [LOG], sender.part("a", 1, log=[(1, "x"), (2, "y"), (3, None), (4, "x")]))
        assert texts(world, replace(ASKED, where=(("text", "x"),))) == ["x", "x"]

    @pytest.mark.parametrize(("kind", "value", "text"), VALUES)
    def test_a_value_is_read_as_its_columns_type(
        self, world: World, sender: Sender, kind: str, value: Any, text: str
    ) -> None:
        table = Declared(TableSpec("typed", Mode.APPEND), (("value", kind),))
        load(world, sender, [table], sender.part("a", 1, typed=[(1, value), (2, None)]))
        asked = Lookup(PIPELINE, "typed", ("value",), where=(("value", text),))
        assert texts(world, asked) == [value]

    @pytest.mark.parametrize("text", HOSTILE)
    def test_a_value_is_never_sql(self, world: World, sender: Sender, text: str) -> None:
        load(world, sender, [LOG], sender.part("a", 1, log=[(1, "x"), (2, text)]))
        assert texts(world, replace(ASKED, where=(("text", text),))) == [text]
        assert len(texts(world, ASKED)) == 2

    @pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind, value, _ in VALUES if kind != "VARCHAR"])
    def test_a_value_that_is_none_of_the_type_is_refused(
        self, world: World, sender: Sender, kind: str, value: Any
    ) -> None:
        table = Declared(TableSpec("typed", Mode.APPEND), (("value", kind),))
        load(world, sender, [table], sender.part("a", 1, typed=[(1, value)]))
        with pytest.raises(UsageError):
            world.destination.page(Lookup(PIPELINE, "typed", ("value",), where=(("value", "x' OR 1=1"),)))

    def test_an_unknown_column_says_which_is_near(self, world: World, sender: Sender) -> None:
        load(world, sender, [LOG], sender.part("a", 1, log=[(1, "x")]))
        with pytest.raises(DestinationError) as caught:
            world.destination.page(replace(ASKED, columns=("txt",)))
        assert caught.value.fix == "did you mean 'text'?"

    def test_rows_come_in_the_order_of_delivery(self, world: World, sender: Sender) -> None:
        load(world, sender, [LOG], sender.part("a", 1, log=[(3, "c"), (1, "b"), (2, "a")]))
        assert texts(world, ASKED) == ["b", "a", "c"]

    @pytest.mark.parametrize(
        ("sort", "expected"),
        [(Sort("text"), ["B", "a", "b", None]), (Sort("text", descending=True), ["b", "a", "B", None])],
    )
    def test_rows_are_sorted_and_empty_values_come_last(
        self, world: World, sender: Sender, sort: Sort, expected: list[str | None]
    ) -> None:
        load(world, sender, [LOG], sender.part("a", 1, log=[(1, "b"), (2, None), (3, "B"), (4, "a")]))
        assert texts(world, replace(ASKED, sort=(sort,))) == expected

    @pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
    @pytest.mark.parametrize("descending", [True, False])
    def test_pages_hold_each_row_once(self, world: World, sender: Sender, limit: int, *, descending: bool) -> None:
        rows = [(line, text) for line, text in enumerate(["b", None, "a", "b", None, "b", "c"], 1)]
        load(world, sender, [LOG], sender.part("a", 1, log=rows))
        asked = Lookup(PIPELINE, "log", ("text", ROW), sort=(Sort("text", descending),), limit=limit)
        whole = world.destination.page(replace(asked, limit=100)).rows
        assert list(walked(world, asked)) == list(whole)
        assert len(whole) == len(rows)

    @pytest.mark.parametrize("limit", [1, 2, 3, 5])
    def test_pages_hold_rows_that_share_an_identity(self, world: World, sender: Sender, limit: int) -> None:
        """As the rows of a wide step do."""
        load(world, sender, [LOG], sender.part("a", 1, log=[(0, "x"), (0, "y"), (0, "x"), (0, None), (0, "x")]))
        found = sorted(walked(world, replace(ASKED, limit=limit)), key=str)
        assert found == [("x",), ("x",), ("x",), ("y",), (None,)]

    def test_pages_of_a_shared_table_follow_its_key(self, world: World, sender: Sender) -> None:
        rows = [(TEA + number, f"tea {number}", "1.00") for number in range(5)]
        load(world, sender, [PRODUCTS], product(sender, "a", 1, *rows))
        asked = Lookup(PIPELINE, "products", ("name", "price"), limit=2)
        assert list(walked(world, asked)) == [(name, Decimal(price)) for _, name, price in rows]

    def test_a_made_up_cursor_is_refused(self, world: World, sender: Sender) -> None:
        load(world, sender, [LOG], sender.part("a", 1, log=[(1, "x")]))
        for after in [("1",), ("1", "x", "no number"), ("1", "x", "1", "1")]:
            with pytest.raises(UsageError):
                world.destination.page(replace(ASKED, after=after))

    def test_json_comes_with_its_structure(self, world: World, sender: Sender) -> None:
        table = Declared(TableSpec("typed", Mode.APPEND), (("value", "JSON"),))
        load(world, sender, [table], sender.part("a", 1, typed=[(1, '{"a": [1, null]}')]))
        assert texts(world, Lookup(PIPELINE, "typed", ("value",))) == [{"a": [1, None]}]

    def test_a_page_never_shows_half_a_load(self, world: World, sender: Sender) -> None:
        made = [sender.part("a", number, log=[(line, str(number)) for line in (1, 2, 3)]) for number in range(1, 9)]
        load(world, sender, [LOG], made[0])
        seen: list[list[str]] = []
        over = threading.Event()
        other = world.another()

        def look() -> None:
            while not over.is_set():
                seen.append([row[0] for row in other.page(ASKED).rows])

        with ThreadPoolExecutor(1) as pool:
            looking = pool.submit(look)
            for part in made[1:]:
                load(world, sender, [LOG], part)
            over.set()
            looking.result()
        assert seen
        assert all(len(texts) == 3 and len(set(texts)) == 1 for texts in seen)
