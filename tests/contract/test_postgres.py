"""What only PostgreSQL promises: real types, real keys, real foreign keys, and tables of its own beside others'."""

from __future__ import annotations

import itertools
from contextlib import closing
from dataclasses import replace

import psycopg
import pytest

from penstock.adapters.postgres import Postgres
from penstock.errors import DestinationError, SchemaConflict, UsageError
from penstock.model.slots import Kind
from penstock.model.tables import Reference
from penstock.testing.deliveries import Declared, Sender
from penstock.testing.shop import CAFE, ITEMS, LOG, ORDERS, PRODUCTS, order, product

_numbers = itertools.count(1)


class Warehouse:
    def __init__(self, url, folder, **options):
        self.schema = f"warehouse_{next(_numbers)}"
        self.destination = Postgres(url, self.schema, workdir=folder, **options)
        self._connection = psycopg.connect(url, autocommit=True)

    def execute(self, query):
        cursor = self._connection.execute(query.replace("@", self.schema))
        return cursor.fetchall() if cursor.description else []

    def close(self):
        self.destination.close()
        self.execute("DROP SCHEMA IF EXISTS @ CASCADE")
        self._connection.close()


@pytest.fixture
def warehouse(postgres_url, tmp_path):
    warehouse = Warehouse(postgres_url, tmp_path / "work")
    yield warehouse
    warehouse.close()


@pytest.fixture
def strict(postgres_url, tmp_path):
    warehouse = Warehouse(postgres_url, tmp_path / "work", foreign_keys=True)
    yield warehouse
    warehouse.close()


@pytest.fixture
def sender(tmp_path):
    (tmp_path / "staged").mkdir()
    return Sender(tmp_path / "staged")


FOREIGN_KEYS = "SELECT conname FROM pg_constraint WHERE contype = 'f' AND connamespace = '@'::regnamespace"


# --- types and keys ----------------------------------------------------------------------------------------------


def test_canonical_types_become_postgres_own(warehouse, sender):
    kinds = ["SMALLINT", "BIGINT", "DECIMAL(8,2)", "DOUBLE", "TIMESTAMP", "TIMESTAMPTZ", "JSON", "BLOB", "UUID"]
    table = Declared(LOG.spec, tuple((f"c{number}", kind) for number, kind in enumerate(kinds)))
    warehouse.destination.load(sender.load([table], sender.part("a", 1, log=[])))
    query = (
        "SELECT data_type FROM information_schema.columns"
        " WHERE table_schema = '@' AND column_name LIKE 'c%' ORDER BY ordinal_position"
    )
    assert [kind for (kind,) in warehouse.execute(query)] == [
        *("smallint", "bigint", "numeric", "double precision", "timestamp without time zone"),
        *("timestamp with time zone", "jsonb", "bytea", "uuid"),
    ]


def test_a_declared_key_is_the_primary_key(warehouse, sender):
    warehouse.destination.load(sender.load(CAFE, order(sender, "a.csv", 1)))
    query = "SELECT conname FROM pg_constraint WHERE contype = 'p' AND connamespace = '@'::regnamespace"
    keys = {name for (name,) in warehouse.execute(query)}
    assert {"orders_pkey", "items_pkey", "products_pkey"} <= keys


def test_the_commit_token_stands_beside_the_tables(warehouse, sender):
    part = order(sender, "a.csv", 3)
    warehouse.destination.load(sender.load(CAFE, part, token="run-7"))
    query = "SELECT pipeline, slot, generation, sequence, base, span, token FROM @.penstock_slots"
    unit = part.unit
    assert warehouse.execute(query) == [("shop", "a.csv", 3, unit.sequence, unit.base, unit.span, "run-7")]


@pytest.mark.parametrize("address", ["plain", 'say "a"', "back\\slash", "{a,b}", "NULL", "", "Zoë's", 'mixed \\" {",'])
def test_slots_may_have_any_names(warehouse, sender, address):
    for number in (1, 2):
        parts = [sender.part(name, number, log=[(1, name)]) for name in (address, "another")]
        warehouse.destination.load(sender.load([LOG], *parts))
    held = warehouse.destination.holdings("shop", ["log"])
    assert {(holding.slot.address, holding.number) for holding in held} == {(address, 2), ("another", 2)}


@pytest.mark.parametrize("lacking", ["DROP COLUMN revision", "DROP COLUMN identity, DROP COLUMN revision"])
def test_slots_of_an_earlier_version_get_the_new_columns(warehouse, sender, postgres_url, tmp_path, lacking):
    part = order(sender, "a.csv", 1)
    warehouse.destination.load(sender.load(CAFE, part))
    warehouse.execute(f"ALTER TABLE @.penstock_slots {lacking}")
    known = replace(part, unit=replace(part.unit, identity="x"))
    with closing(Postgres(postgres_url, warehouse.schema, workdir=tmp_path / "later")) as later:
        assert later.load(sender.load(CAFE, known)).overtaken == ()
        assert later.load(sender.load(CAFE, order(sender, "b.csv", 1))).applied
    assert warehouse.execute("SELECT count(*) FROM @.penstock_slots WHERE identity = '' AND revision = 0") == [(2,)]


def test_a_long_name_is_refused_rather_than_cut(warehouse, sender):
    table = Declared(replace(LOG.spec, name="x" * 64), LOG.columns)
    with pytest.raises(SchemaConflict):
        warehouse.destination.load(sender.load([table], sender.part("a", 1)))


def test_somebody_elses_table_is_left_alone(warehouse, sender):
    warehouse.execute("CREATE SCHEMA @; CREATE TABLE @.log (a int)")
    with pytest.raises(SchemaConflict):
        warehouse.destination.load(sender.load([LOG], sender.part("a", 1, log=[(1, "x")])))


def test_columns_that_a_person_added_stay_empty(warehouse, sender):
    warehouse.destination.load(sender.load([PRODUCTS], product(sender, "a", 1, (1, "tea", "1.00"))))
    warehouse.execute("ALTER TABLE @.products ADD COLUMN note text")
    warehouse.destination.load(sender.load([PRODUCTS], product(sender, "a", 2, (2, "bun", "2.00"))))
    assert warehouse.execute("SELECT name, note FROM @.products") == [("bun", None)]


def test_a_visible_table_that_was_dropped_is_made_again(warehouse, sender):
    warehouse.destination.load(sender.load([PRODUCTS], product(sender, "a", 1, (1, "tea", "1.00"))))
    warehouse.execute("DROP TABLE @.products")
    warehouse.destination.load(sender.load([PRODUCTS], product(sender, "b", 1, (2, "bun", "2.00"))))
    assert sorted(warehouse.execute("SELECT name FROM @.products")) == [("bun",), ("tea",)]


def test_a_schema_that_was_dropped_is_made_again(warehouse, sender):
    warehouse.destination.load(sender.load([LOG], sender.part("a", 1, log=[(1, "x")])))
    warehouse.execute("DROP SCHEMA @ CASCADE")
    load = sender.load([LOG], sender.part("a", 1, log=[(1, "x")]))
    with pytest.raises(DestinationError):
        warehouse.destination.load(load)
    assert len(warehouse.destination.load(load).applied) == 1


# --- foreign keys ------------------------------------------------------------------------------------------------


def test_without_asking_there_are_no_foreign_keys(warehouse, sender):
    warehouse.destination.load(sender.load(CAFE, order(sender, "a.csv", 1)))
    assert warehouse.execute(FOREIGN_KEYS) == []


def test_foreign_keys_are_real(strict, sender):
    strict.destination.load(sender.load(CAFE, order(sender, "a.csv", 1)))
    assert strict.execute(FOREIGN_KEYS) == [("items_order_id_fkey",)]
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        strict.execute("DELETE FROM @.orders")


def test_an_entity_and_its_last_reference_go_together(strict, sender):
    items = Declared(
        replace(ITEMS.spec, references=(Reference(("product_id",), "products", ("product_id",)),)), ITEMS.columns
    )
    tables = (ORDERS, PRODUCTS, items)
    strict.destination.load(sender.load(tables, order(sender, "a.csv", 1)))
    strict.destination.load(sender.load(tables, sender.part("a.csv", 2, Kind.WITHDRAWAL)))
    assert strict.execute("SELECT (SELECT count(*) FROM @.products), (SELECT count(*) FROM @.items)") == [(0, 0)]


def test_a_row_that_refers_to_nothing_stops_the_load(strict, sender):
    strict.destination.load(sender.load(CAFE, order(sender, "a.csv", 1)))
    with pytest.raises(DestinationError) as refused:
        strict.destination.load(sender.load(CAFE, sender.part("b.csv", 1, items=[(1, 1, 11)])))
    assert "items_order_id_fkey" in refused.value.why
    assert strict.execute("SELECT count(*) FROM @.items") == [(1,)]


def test_a_large_load_takes_its_foreign_keys_off_and_puts_them_back(strict, sender, monkeypatch):
    strict.destination.load(sender.load(CAFE, order(sender, "a.csv", 1)))
    monkeypatch.setattr("penstock.adapters.postgres.loading.CHECKED_ROWS", 0)
    strict.destination.load(sender.load(CAFE, order(sender, "b.csv", 1)))
    assert strict.execute(FOREIGN_KEYS) == [("items_order_id_fkey",)]
    with pytest.raises(DestinationError):
        strict.destination.load(sender.load(CAFE, sender.part("c.csv", 1, items=[(1, 1, 11)])))


# --- indexes of contributions -----------------------------------------------------------------------------------

INDEXES = "SELECT indexname FROM pg_indexes WHERE schemaname = '@' AND tablename = 'products__contributions'"
BOTH = {"products_contributions_key_idx", "products_contributions_row_idx"}


def indexes(warehouse):
    return {name for (name,) in warehouse.execute(INDEXES)}


def speaking(warehouse, sender, slot, number, *rows):
    warehouse.destination.load(sender.load([PRODUCTS], product(sender, slot, number, *rows)))


def test_whoever_says_the_same_needs_no_index(warehouse, sender):
    for slot in "abc":
        speaking(warehouse, sender, slot, 1, (1, "tea", "1.00"))
    speaking(warehouse, sender, "d", 1, (2, "bun", None))
    assert warehouse.execute("SELECT name, price::text FROM @.products ORDER BY 1") == [("bun", None), ("tea", "1.00")]
    assert indexes(warehouse) == set()


def test_a_slot_that_gives_way_is_found_by_an_index(warehouse, sender):
    speaking(warehouse, sender, "a", 1, (1, "tea", "1.00"))
    speaking(warehouse, sender, "a", 2, (2, "bun", "2.00"))
    assert indexes(warehouse) == BOTH
    assert warehouse.execute("SELECT name FROM @.products") == [("bun",)]


def test_whoever_says_something_else_is_compared_by_an_index(warehouse, sender):
    early, late = (product(sender, slot, 1, (1, "tea", price)) for slot, price in (("a", "1.00"), ("b", "2.00")))
    for part in (late, early):
        warehouse.destination.load(sender.load([PRODUCTS], part))
    assert indexes(warehouse) == BOTH
    assert warehouse.execute("SELECT price::text FROM @.products") == [("2.00",)]


def test_two_of_one_load_that_disagree_are_compared_by_an_index(warehouse, sender):
    parts = [product(sender, slot, 1, (1, "tea", price)) for slot, price in (("a", "1.00"), ("b", "2.00"))]
    warehouse.destination.load(sender.load([PRODUCTS], *parts))
    assert indexes(warehouse) == BOTH
    assert warehouse.execute("SELECT price::text FROM @.products") == [("2.00",)]


def test_contributions_that_take_much_room_are_indexed_before_it_is_needed(warehouse, sender, monkeypatch):
    speaking(warehouse, sender, "a", 1, (1, "tea", "1.00"))
    monkeypatch.setattr("penstock.adapters.postgres.loading.LARGE", 100)
    speaking(warehouse, sender, "b", 1, (1, "tea", "1.00"))
    assert indexes(warehouse) == BOTH


def test_whoever_counts_the_rows_of_slots_makes_the_indexes(warehouse, sender):
    speaking(warehouse, sender, "a", 1, (1, "tea", "1.00"))
    assert [holding.rows for holding in warehouse.destination.holdings("shop", ["products"])] == [{"products": 1}]
    assert indexes(warehouse) == BOTH


def test_indexes_of_an_earlier_version_stay(warehouse, sender):
    speaking(warehouse, sender, "a", 1, (1, "tea", "1.00"))
    warehouse.execute("CREATE INDEX products_contributions_row_idx ON @.products__contributions (_row)")
    speaking(warehouse, sender, "a", 2, (2, "bun", "2.00"))
    assert warehouse.execute("SELECT name FROM @.products") == [("bun",)]


# --- looking -----------------------------------------------------------------------------------------------------


def test_rows_come_with_their_names(warehouse, sender):
    warehouse.destination.load(sender.load([LOG], sender.part("a", 1, log=[(1, "x")])))
    assert list(warehouse.destination.rows("SELECT text, 1 AS one FROM log")) == [{"text": "x", "one": 1}]


@pytest.mark.parametrize("query", ["SELECT nothing FROM log", "DELETE FROM log", "SELEC"])
def test_a_query_that_cannot_run_says_why(warehouse, sender, query):
    warehouse.destination.load(sender.load([LOG], sender.part("a", 1, log=[(1, "x")])))
    with pytest.raises(UsageError) as refused:
        list(warehouse.destination.rows(query))
    assert refused.value.why


def test_shapes_name_tables_and_columns(warehouse, sender):
    warehouse.destination.load(sender.load(CAFE, order(sender, "a.csv", 1)))
    shape = warehouse.destination.shapes("shop")["products"]
    assert [name for name, _ in shape] == ["product_id", "name", "price"]


@pytest.mark.parametrize(
    ("tampering", "expected"),
    [
        ("DELETE FROM @.log", {"a": {}}),
        ("INSERT INTO @.log SELECT * FROM @.log", {"a": {"log": 2}}),
        ("INSERT INTO @.log VALUES (5, 'y')", {"a": {"log": 1}, "": {"log": 1}}),
    ],
)
def test_holdings_see_what_a_person_changed(warehouse, sender, tampering, expected):
    warehouse.destination.load(sender.load([LOG], sender.part("a", 1, log=[(1, "x")])))
    warehouse.execute(tampering)
    held = warehouse.destination.holdings("shop", ["log"])
    assert {holding.slot.address: holding.rows for holding in held} == expected


@pytest.mark.parametrize(
    ("tampering", "expected"),
    [
        ("DELETE FROM @.products", {"a": {}}),
        ("INSERT INTO @.products VALUES (7, 'bun', 1)", {"a": {"products": 1}, "": {"products": 1}}),
    ],
)
def test_holdings_see_what_a_person_changed_of_entities(warehouse, sender, tampering, expected):
    warehouse.destination.load(sender.load([PRODUCTS], product(sender, "a", 1, (1, "tea", "1.00"))))
    warehouse.execute(tampering)
    held = warehouse.destination.holdings("shop", ["products"])
    assert {holding.slot.address: holding.rows for holding in held} == expected
