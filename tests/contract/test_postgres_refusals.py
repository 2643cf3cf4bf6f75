"""Rows that PostgreSQL refuses for what they hold: found among the others, each with its reason."""

from __future__ import annotations

import itertools
import pickle
from dataclasses import replace

import psycopg
import pytest

from penstock.adapters.postgres import Postgres
from penstock.errors import DestinationError, RowsRefused
from penstock.model.tables import Mode, Reference, TableSpec
from penstock.testing.deliveries import Declared, Sender
from penstock.testing.shop import CAFE, ITEMS, LOG, PRODUCTS, order, product

_numbers = itertools.count(1)
SALES = Declared(
    TableSpec("sales", Mode.APPEND), (("item", "VARCHAR"), ("price", "DECIMAL(8,2)"), ("seen", "TIMESTAMP"))
)
NOON = "2024-03-04 12:00:00"


class Warehouse:
    def __init__(self, url, folder, **options):
        self.schema = f"refusing_{next(_numbers)}"
        self.destination = Postgres(url, self.schema, workdir=folder, **options)
        self._connection = psycopg.connect(url, autocommit=True)

    def execute(self, query):
        cursor = self._connection.execute(query.replace("@", self.schema))
        return cursor.fetchall() if cursor.description else []

    def refused(self, load):
        """(table, line, reason) of each refused row."""
        with pytest.raises(RowsRefused) as refused:
            self.destination.load(load)
        assert refused.value.__cause__ is None
        assert refused.value.__suppress_context__
        bases = {unit.slot.address: unit.base for unit in load.units}
        self.rows = refused.value.rows
        return [(row.table, row.row - bases[row.slot], row.reason) for row in self.rows]

    def close(self):
        self.destination.close()
        self.execute("DROP SCHEMA IF EXISTS @ CASCADE")
        self._connection.close()


@pytest.fixture
def make(postgres_url, tmp_path):
    made = []

    def warehouse(**options):
        made.append(Warehouse(postgres_url, tmp_path / f"work{len(made)}", **options))
        return made[-1]

    yield warehouse
    for each in made:
        each.close()


@pytest.fixture
def sender(tmp_path):
    (tmp_path / "staged").mkdir()
    return Sender(tmp_path / "staged")


@pytest.fixture
def warehouse(make, sender):
    """One sale of tea has been loaded."""
    warehouse = make()
    warehouse.destination.load(sales(sender, "monday", ("tea", "1.50")))
    return warehouse


def sales(sender, address, *rows, number=1):
    listed = [(line, *row, NOON) for line, row in enumerate(rows, 1)]
    return sender.load([SALES], sender.part(address, number, sales=listed))


POSITIVE = "ALTER TABLE @.sales ADD CONSTRAINT positive CHECK (price > 0)"


def test_the_refused_rows_are_found_among_the_others(warehouse, sender):
    warehouse.execute(POSITIVE)
    rows = [("tea", "-1.00" if line in (17, 400) else "1.00") for line in range(1, 501)]
    found = warehouse.refused(sales(sender, "tuesday", *rows))
    assert found == [("sales", line, "CHECK positive of table sales") for line in (17, 400)]


def test_nothing_has_changed(warehouse, sender):
    warehouse.execute(POSITIVE)
    warehouse.refused(sales(sender, "tuesday", ("tea", "1.00"), ("bun", "-1.00")))
    assert warehouse.execute("SELECT item FROM @.sales") == [("tea",)]
    assert warehouse.execute("SELECT slot FROM @.penstock_slots") == [("monday",)]


def test_what_is_left_is_taken(warehouse, sender):
    warehouse.execute(POSITIVE)
    warehouse.refused(sales(sender, "tuesday", ("tea", "1.00"), ("bun", "-1.00")))
    warehouse.destination.load(sales(sender, "tuesday", ("tea", "1.00")))
    assert warehouse.execute("SELECT count(*) FROM @.sales") == [(2,)]


def test_the_error_crosses_processes_with_its_rows(warehouse, sender):
    warehouse.execute(POSITIVE)
    with pytest.raises(RowsRefused) as refused:
        warehouse.destination.load(sales(sender, "tuesday", ("bun", "-1.00")))
    again = pickle.loads(pickle.dumps(refused.value))  # noqa: S301 - our own
    assert (again.rows, again.facts()) == (refused.value.rows, refused.value.facts())


def test_rows_of_several_deliveries(warehouse, sender):
    warehouse.execute(POSITIVE)
    parts = [sender.part(day, 1, sales=[(1, "tea", price, NOON)]) for day, price in (("a", "1"), ("b", "-1"))]
    warehouse.refused(sender.load([SALES], *parts))
    assert [(row.slot, row.row) for row in warehouse.rows] == [("b", parts[1].unit.base + 1)]


def test_a_load_that_replaces_its_slot_is_tried_without_the_old_rows(warehouse, sender):
    warehouse.execute("CREATE UNIQUE INDEX one_of_each ON @.sales (item)")
    found = warehouse.refused(sales(sender, "monday", ("tea", "1.00"), ("bun", "1.00"), ("bun", "2.00"), number=2))
    assert found == [("sales", 3, "UNIQUE one_of_each of table sales")]


FUNCTION = """
CREATE FUNCTION @.judge() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.price > 100 THEN RAISE EXCEPTION 'too dear: %', NEW.item; END IF; RETURN NEW; END $$;
CREATE TRIGGER judging BEFORE INSERT ON @.sales FOR EACH ROW EXECUTE FUNCTION @.judge()
"""


ITEMS_KNOWN = """
CREATE TABLE @.items (name text PRIMARY KEY); INSERT INTO @.items VALUES ('tea'), ('dear');
ALTER TABLE @.sales ADD CONSTRAINT known FOREIGN KEY (item) REFERENCES @.items"""


@pytest.mark.parametrize(
    ("constraint", "reason"),
    [
        (POSITIVE, "CHECK positive of table sales"),
        ("ALTER TABLE @.sales ALTER COLUMN price SET NOT NULL", "NOT NULL price of table sales"),
        ("ALTER TABLE @.sales ADD EXCLUDE USING btree (item WITH =)", "EXCLUDE sales_item_excl of table sales"),
        (FUNCTION, "trigger judge of table sales"),
        (
            "ALTER TABLE @.sales ADD COLUMN share numeric GENERATED ALWAYS AS (1 / (price + 3)) STORED",
            "division by zero (SQLSTATE 22012) of table sales",
        ),
        (
            "ALTER TABLE @.sales ADD CONSTRAINT short CHECK (CAST(price AS smallint) < 30000)",
            "numeric value out of range (SQLSTATE 22003) of table sales",
        ),
        (
            ITEMS_KNOWN,
            "foreign key known of table sales",
        ),
        (
            f"{ITEMS_KNOWN} DEFERRABLE INITIALLY DEFERRED",
            "foreign key known of table sales",
        ),
    ],
)
def test_each_kind_of_refusal_has_its_words(warehouse, sender, constraint, reason):
    warehouse.execute(constraint)
    bad = {
        "CHECK positive": ("secret", "-1"),
        "NOT NULL": ("secret", None),
        "EXCLUDE": ("tea", "7"),
        "trigger": ("secret", "101"),
        "division": ("secret", "-3"),
        "numeric": ("secret", "99999"),
        "foreign": ("secret", "1"),
    }
    wrong = next(row for word, row in bad.items() if reason.startswith(word))
    good = "dear" if "foreign" in reason else "fresh"
    found = warehouse.refused(sales(sender, "tuesday", (good, "5"), wrong))
    assert found == [("sales", 2, reason)]


def test_no_value_of_a_row_is_told(warehouse, sender):
    warehouse.execute(FUNCTION)
    with pytest.raises(RowsRefused) as refused:
        warehouse.destination.load(sales(sender, "tuesday", ("secret", "101")))
    assert "secret" not in f"{refused.value.facts()} {refused.value.rows}"


# --- shared tables, several tables -------------------------------------------------------------------------------


def test_an_entity_that_is_refused_is_known_by_its_natural_key(make, sender):
    warehouse = make()
    warehouse.destination.load(sender.load([PRODUCTS], product(sender, "a", 1, (1, "tea", "1.00"))))
    warehouse.execute("ALTER TABLE @.products ADD CONSTRAINT positive CHECK (price > 0)")
    load = sender.load([PRODUCTS], product(sender, "b", 1, (2, "bun", "-1.00"), (1, "tea", "2.00"), (3, "pie", "0.00")))
    assert [found[:2] for found in warehouse.refused(load)] == [("products", 1), ("products", 3)]
    assert len({row.mark for row in warehouse.rows} - {""}) == 2
    assert warehouse.execute("SELECT name, price FROM @.products") == [("tea", 1)]


def test_rows_of_a_wide_step_have_a_mark_each(warehouse, sender):
    warehouse.execute(POSITIVE)
    rows = [(0, "tea", "1.00", NOON), (0, "bun", "-1.00", NOON), (0, "pie", "-1.00", NOON)]
    assert [found[1] for found in warehouse.refused(sender.load([SALES], sender.part("b", 1, sales=rows)))] == [0, 0]
    assert len({row.mark for row in warehouse.rows} - {""}) == 2


@pytest.fixture
def strict(make, sender):
    warehouse = make(foreign_keys=True)
    warehouse.destination.load(sender.load(CAFE, order(sender, "a.csv", 1)))
    return warehouse


def test_rows_that_refer_to_nothing_are_found_before_the_commit(strict, sender):
    part = order(sender, "b.csv", 1)
    rows = {**part.rows, "items": [(1, 1, 11), (2, 1, 11)]}
    found = strict.refused(sender.load(CAFE, replace(part, rows=rows)))
    assert found == [("items", 2, "foreign key items_order_id_fkey of table items")]


def test_a_large_load_has_its_references_judged_row_by_row(strict, sender, monkeypatch):
    monkeypatch.setattr("penstock.adapters.postgres.loading.CHECKED_ROWS", 0)
    part = order(sender, "b.csv", 1)
    found = strict.refused(sender.load(CAFE, replace(part, rows={**part.rows, "items": [(1, 1, 11), (2, 1, 11)]})))
    assert [row[:2] for row in found] == [("items", 2)]


def test_first_rows_of_new_tables_are_judged_too(make, sender):
    warehouse, part = make(foreign_keys=True), order(sender, "b.csv", 1)
    found = warehouse.refused(sender.load(CAFE, replace(part, rows={**part.rows, "items": [(1, 1, 11), (2, 1, 11)]})))
    assert [row[:2] for row in found] == [("items", 2)]


def test_a_row_may_refer_to_one_behind_it(make, sender):
    """In one statement both are there; by halves the first one comes alone."""
    staff = Declared(TableSpec("staff", Mode.MERGE, ("id",), "id"), (("boss", "BIGINT"),))
    warehouse = make()
    part = sender.part("a", 1, staff=[])
    base = part.unit.base
    warehouse.destination.load(sender.load([staff], part))
    warehouse.execute("ALTER TABLE @.staff ADD CONSTRAINT bosses FOREIGN KEY (boss) REFERENCES @.staff")
    rows = [(1, base + 4), (2, base + 1), (3, 99), (4, None), (5, base + 3)]
    found = warehouse.refused(sender.load([staff], sender.part("a", 2, staff=rows)))
    assert [row[1] for row in found] == [3, 5]


def test_what_refers_to_a_refused_row_is_refused(strict, sender):
    strict.execute("ALTER TABLE @.orders ADD CONSTRAINT positive CHECK (total > 0)")
    found = strict.refused(sender.load(CAFE, order(sender, "b.csv", 1, total="-1.00")))
    assert [row[0] for row in found] == ["orders", "items"]


def test_two_constraints_that_wait_for_the_commit(make, sender):
    warehouse = make()
    tables = (LOG, SALES)
    parts = [sender.part("a", 1, log=[(1, "x")], sales=[(1, "tea", "1", NOON)])]
    warehouse.destination.load(sender.load(tables, *parts))
    for table, column in (("log", "text"), ("sales", "item")):
        warehouse.execute(
            f"CREATE TABLE @.known_{table} (name text PRIMARY KEY); INSERT INTO @.known_{table} VALUES ('x'), ('tea');"
            f"ALTER TABLE @.{table} ADD CONSTRAINT known_{table} FOREIGN KEY ({column}) REFERENCES @.known_{table}"
            " DEFERRABLE INITIALLY DEFERRED"
        )
    part = sender.part("b", 1, log=[(1, "x"), (2, "y")], sales=[(3, "bun", "1", NOON), (4, "tea", "1", NOON)])
    assert [row[:2] for row in warehouse.refused(sender.load(tables, part))] == [("log", 2), ("sales", 3)]


# --- what is not the rows' fault ---------------------------------------------------------------------------------


def whole(warehouse, load):
    with pytest.raises(DestinationError) as refused:
        warehouse.destination.load(load)
    assert not isinstance(refused.value, RowsRefused)
    return refused.value


def test_a_declared_key_that_does_not_tell_rows_apart(make, sender):
    warehouse = make()
    keyed = Declared(TableSpec("people", Mode.MERGE, ("name",)), (("name", "VARCHAR"),))
    warehouse.destination.load(sender.load([keyed], sender.part("a", 1, people=[(1, "ann")])))
    assert "people_pkey" in whole(warehouse, sender.load([keyed], sender.part("b", 1, people=[(1, "ann")]))).why


def test_when_very_many_rows_are_refused_the_table_is_wrong(make, sender):
    warehouse = make(refused_rows=3)
    warehouse.destination.load(sales(sender, "monday", ("tea", "1.50")))
    warehouse.execute(POSITIVE)
    assert len(warehouse.refused(sales(sender, "a", *[("bun", "-1")] * 3))) == 3
    error = whole(warehouse, sales(sender, "a", *[("bun", "-1")] * 4))
    assert ("more than 3 rows" in error.why, "positive" in error.why, error.at) == (True, True, "table sales")


def test_nobody_looks_for_rows_where_none_may_be_refused(make, sender):
    warehouse = make(refused_rows=0)
    warehouse.destination.load(sales(sender, "monday", ("tea", "1.50")))
    warehouse.execute(POSITIVE)
    assert "positive" in whole(warehouse, sales(sender, "a", ("bun", "-1"))).why


def test_rows_that_may_not_go_are_no_fault_of_those_that_come(warehouse, sender):
    warehouse.execute(
        "ALTER TABLE @.sales ADD UNIQUE (item); CREATE TABLE @.notes (item text REFERENCES @.sales (item));"
        "INSERT INTO @.notes VALUES ('tea')"
    )
    assert "notes_item_fkey" in whole(warehouse, sales(sender, "monday", ("bun", "1.00"), number=2)).why


def test_a_trigger_that_cannot_run(warehouse, sender):
    warehouse.execute(FUNCTION.replace("NEW.price", "NEW.amount"))
    assert "42703" in whole(warehouse, sales(sender, "tuesday", ("tea", "1"))).why


def test_an_entity_and_what_refers_to_it(make, sender):
    """References among tables of one load are judged parents first, however the rows lie."""
    items = replace(ITEMS.spec, references=(Reference(("product_id",), "products", ("product_id",)),))
    tables = (CAFE[0], PRODUCTS, Declared(items, ITEMS.columns))
    warehouse = make(foreign_keys=True)
    warehouse.destination.load(sender.load(tables, order(sender, "a.csv", 1)))
    warehouse.execute("ALTER TABLE @.items ADD CONSTRAINT first CHECK (position = 1)")
    found = warehouse.refused(sender.load(tables, order(sender, "b.csv", 1, position=2)))
    assert [row[0] for row in found] == ["items"]
