"""Columns and values at a destination."""

# ruff: noqa: S101 - assert is the language of tests

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from penstock.errors import SchemaConflict
from penstock.model.slots import Slot
from penstock.model.tables import TableSpec
from penstock.testing.contracts.bench import Bench
from penstock.testing.deliveries import Declared, Part, Sender
from penstock.testing.shop import (
    BUN,
    LOG,
    NEWEST,
    ORDERS,
    PRODUCTS,
    TEA,
    World,
    column,
    load,
    product,
    values,
)


class ColumnContract(Bench):
    """What a table takes, and that it gives back the same."""

    def test_a_new_column_is_added(self, world: World, sender: Sender) -> None:
        load(world, sender, [LOG], sender.part("a", 1, log=[(1, "old")]))
        load(world, sender, [LOG.having(size="INTEGER")], sender.part("b", 1, log=[(1, "new", 5)]))
        assert values(world, "log", "text", "size") == [("new", 5), ("old", None)]

    def test_a_new_column_of_an_entity_is_added(self, world: World, sender: Sender) -> None:
        load(world, sender, [PRODUCTS], product(sender, "a", 1, (TEA, "tea", "1.00"), (BUN, "bun", "2.00")))
        load(world, sender, [PRODUCTS.having(vegan="BOOLEAN")], product(sender, "b", 1, (BUN, "bun", "2.00", True)))
        assert values(world, "products", "name", "vegan") == [("bun", True), ("tea", None)]

    def test_a_column_that_is_missing_stays_empty(self, world: World, sender: Sender) -> None:
        load(world, sender, [ORDERS], sender.part("a", 1, orders=[(1, "leeds", "1.00")]))
        load(world, sender, [ORDERS.lacking("branch")], sender.part("b", 1, orders=[(1, "2.00")]))
        assert values(world, "orders", "branch", "total") == [("leeds", Decimal("1.00")), (None, Decimal("2.00"))]

    def test_a_missing_attribute_is_empty_when_its_contribution_wins(self, world: World, sender: Sender) -> None:
        load(world, sender, [PRODUCTS], product(sender, "a", 1, (TEA, "tea", "1.00")))
        load(world, sender, [PRODUCTS.lacking("price")], product(sender, "b", 1, (TEA, "tea")))
        assert column(world, "products", "price") == [None]

    @pytest.mark.parametrize(
        ("old", "new", "value"),
        [
            ("SMALLINT", "BIGINT", 2**40),
            ("INTEGER", "BIGINT", 2**40),
            ("DECIMAL(8,2)", "DECIMAL(20,4)", Decimal("123456789.1234")),
        ],
    )
    def test_a_type_widens(self, world: World, sender: Sender, old: str, new: str, value: Any) -> None:
        load(world, sender, [LOG.having(amount=old)], sender.part("a", 1, log=[(1, "x", 1)]))
        load(world, sender, [LOG.having(amount=new)], sender.part("b", 1, log=[(1, "y", value)]))
        assert values(world, "log", "text", "amount") == [("x", 1), ("y", value)]

    @pytest.mark.parametrize(
        ("old", "new", "value"),
        [
            ("BIGINT", "INTEGER", 2),
            ("DECIMAL(8,2)", "DECIMAL(6,2)", 2),
            ("INTEGER", "VARCHAR", "2"),
            ("DATE", "TIMESTAMP", date(2024, 1, 2)),
        ],
    )
    def test_a_type_that_narrows_or_changes_is_refused(
        self, world: World, sender: Sender, old: str, new: str, value: Any
    ) -> None:
        load(
            world,
            sender,
            [LOG.having(amount=old), NEWEST],
            sender.part("a", 1, log=[(1, "x", value if old == "DATE" else 1)]),
        )
        parts = sender.part("b", 1, log=[(1, "y", value)], newest=[(1, "z")])
        with pytest.raises(SchemaConflict) as refused:
            load(world, sender, [NEWEST, LOG.having(amount=new)], parts)
        assert all(word in str(refused.value.facts()) for word in ("log", "amount", old, new, "fix"))
        assert (column(world, "log", "text"), world.rows("newest")) == (["x"], [])

    def test_a_table_belongs_to_one_pipeline(self, world: World, sender: Sender) -> None:
        load(world, sender, [LOG], sender.part("a", 1, log=[(1, "x")]))
        theirs = sender.load([LOG], sender.part("a", 1, log=[(1, "y")]))
        units = tuple(replace(unit, slot=Slot("bank", "a")) for unit in theirs.units)
        with pytest.raises(SchemaConflict):
            world.destination.load(replace(theirs, pipeline="bank", units=units))

    def test_a_key_may_not_change(self, world: World, sender: Sender) -> None:
        load(world, sender, [PRODUCTS], product(sender, "a", 1, (TEA, "tea", "1.00")))
        renamed = Declared(replace(PRODUCTS.spec, key=("name",)), PRODUCTS.columns)
        with pytest.raises(SchemaConflict):
            load(world, sender, [renamed], product(sender, "b", 1, (TEA, "tea", "1.00")))

    @pytest.mark.parametrize(
        "text",
        [
            "",
            " ",
            "NULL",
            "\\N",
            "\\.",
            'a"b',
            "a'b",
            "a,b",
            "a\tb",
            "a\nb",
            "a\rb",
            "a\r\nb",
            "\\",
            "日本語 ☕ ñ",
            "\u2028",
        ],
    )
    def test_texts_arrive_as_they_are(self, world: World, sender: Sender, text: str) -> None:
        load(world, sender, [LOG], sender.part("a", 1, log=[(1, text), (2, None), (3, f"{text}\n\\.\n{text}")]))
        assert column(world, "log", "text") == [*sorted([text, f"{text}\n\\.\n{text}"]), None]

    @pytest.mark.parametrize(
        ("kind", "value"),
        [
            ("DECIMAL(38,10)", Decimal("1234567890123456789012345678.0123456789")),
            ("DECIMAL(8,2)", Decimal("-0.01")),
            ("DOUBLE", 0.1),
            ("DOUBLE", 1.7976931348623157e308),
            ("DOUBLE", float("-inf")),
            ("BIGINT", -(2**63)),
            ("SMALLINT", 32767),
            ("BOOLEAN", False),
            ("DATE", date(1, 1, 1)),
            ("TIMESTAMP", datetime(2024, 2, 29, 23, 59, 59, 999999)),  # noqa: DTZ001 - naïve on purpose
            ("TIMESTAMPTZ", datetime(2024, 2, 29, 23, 59, 59, 1, tzinfo=UTC)),
            ("TIME", time(23, 59, 59, 999999)),
            ("BLOB", b"\x00\xff\\x41'\"\n"),
            ("UUID", UUID("00112233-4455-6677-8899-aabbccddeeff")),
        ],
    )
    def test_values_arrive_exactly(self, world: World, sender: Sender, kind: str, value: Any) -> None:
        load(world, sender, [LOG.having(value=kind)], sender.part("a", 1, log=[(1, "x", value), (2, "y", None)]))
        assert [row["value"] for row in sorted(world.rows("log"), key=lambda row: row["text"])] == [value, None]

    def test_json_arrives_with_its_structure(self, world: World, sender: Sender) -> None:
        document = {"a": [1, None, "ü\n"], "b": {"c": 0.5}}
        load(world, sender, [LOG.having(value="JSON")], sender.part("a", 1, log=[(1, "x", json.dumps(document))]))
        found = world.rows("log")[0]["value"]
        assert (json.loads(found) if isinstance(found, str) else found) == document

    def test_names_may_hold_anything(self, world: World, sender: Sender) -> None:
        odd = Declared(TableSpec('od d"t%s'), (("sel ect", "VARCHAR"), ("100%", "VARCHAR"), ('q"{}$1', "INTEGER")))
        load(world, sender, [odd], Part(sender.part("it's.csv", 1).unit, {odd.spec.name: [(1, "a", "b", 3)]}))
        assert values(world, odd.spec.name, "sel ect", "100%", 'q"{}$1') == [("a", "b", 3)]
