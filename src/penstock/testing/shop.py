"""A small shop: the tables, the world and the words in which tests of destinations are written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any, Protocol

from penstock.model.tables import Loaded, Mode, Reference, TableSpec
from penstock.runtime.ports import Destination, Holding
from penstock.testing.deliveries import PIPELINE, Declared, Part, Sender

ORDERS = Declared(
    TableSpec("orders", Mode.MERGE, ("order_id",), "order_id"), (("branch", "VARCHAR"), ("total", "DECIMAL(8,2)"))
)
ITEMS = Declared(
    TableSpec(
        "items",
        Mode.MERGE,
        ("order_id", "position"),
        "order_id",
        references=(Reference(("order_id",), "orders", ("order_id",)),),
    ),
    (("position", "SMALLINT"), ("product_id", "BIGINT")),
)
PRODUCTS = Declared(
    TableSpec("products", Mode.MERGE, ("product_id",), shared=True, natural=("name",)),
    (("product_id", "BIGINT"), ("name", "VARCHAR"), ("price", "DECIMAL(8,2)")),
)
RANKED = Declared(replace(PRODUCTS.spec, order="since"), (*PRODUCTS.columns, ("since", "DATE")))
STRICT = Declared(replace(PRODUCTS.spec, conflict="reject"), PRODUCTS.columns)
LOG = Declared(TableSpec("log", Mode.APPEND), (("text", "VARCHAR"),))
NEWEST = Declared(TableSpec("newest", Mode.REPLACE), (("text", "VARCHAR"),))
DAILY = Declared(
    TableSpec("daily", Mode.PARTITION, partition_by=("day", "branch")),
    (("day", "DATE"), ("branch", "VARCHAR"), ("total", "INTEGER")),
)
CAFE = (ORDERS, ITEMS, PRODUCTS)

TEA, BUN = 11, 12


class World(Protocol):
    """A destination, and a way to look at its tables that does not pass through it."""

    destination: Destination

    def rows(self, table: str) -> list[dict[str, Any]]:
        """A table's rows as a plain reader finds them; KeyError or an empty list when there is no such table."""
        ...

    def together(self, *tables: str) -> list[list[dict[str, Any]]]:
        """Several tables at one instant."""
        ...

    def another(self) -> Destination:
        """A second object for the same place, as another process would have."""
        ...


def load(world: World, sender: Sender, tables: Sequence[Declared], *parts: Part) -> Loaded:
    """Stage some parts and load them at once."""
    return world.destination.load(sender.load(tables, *parts))


def order(sender: Sender, address: str, number: int, *, total: str = "1.00", position: int = 1) -> Part:
    """One order of one item, and the product that it is of."""
    tea = [(1, TEA, "tea", "1.00")]
    return sender.part(address, number, orders=[(1, "leeds", total)], items=[(1, position, TEA)], products=tea)


def product(sender: Sender, address: str, number: int, *rows: tuple[Any, ...]) -> Part:
    """Entities, one on each line."""
    return sender.part(address, number, products=[(line, *row) for line, row in enumerate(rows, 1)])


def daily(sender: Sender, address: str, number: int, *rows: tuple[int, str | None, int]) -> Part:
    """Totals of days of January 2024, one on each line."""
    days = [(line, date(2024, 1, day), branch, total) for line, (day, branch, total) in enumerate(rows, 1)]
    return sender.part(address, number, daily=days)


def column(world: World, table: str, name: str) -> list[Any]:
    """A column's values in order, empty ones last; decimals as text."""
    found = [row[name] for row in world.rows(table)]
    told = [str(value) if isinstance(value, Decimal) else value for value in found if value is not None]
    return sorted(told) + [None] * (len(found) - len(told))


def values(world: World, table: str, *names: str) -> list[tuple[Any, ...]]:
    """Some columns, row by row, in an order of their own."""
    return sorted((tuple(row[name] for name in names) for row in world.rows(table)), key=repr)


def totals(world: World) -> list[str]:
    """The orders' totals."""
    found: list[str] = column(world, "orders", "total")
    return found


def holdings(world: World, *tables: str) -> list[Holding]:
    """What the destination says it holds, slot by slot."""
    return sorted(world.destination.holdings(PIPELINE, tables), key=lambda held: held.slot)
