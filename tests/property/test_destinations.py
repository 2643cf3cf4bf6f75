"""Both destinations against a model of a few lines, after any sequence of loads."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, field
from datetime import date

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.adapters.lake import Lake
from penstock.adapters.postgres import Postgres
from penstock.model.slots import Kind
from penstock.testing.deliveries import Part, Sender
from penstock.testing.shop import DAILY, LOG, NEWEST, RANKED

TABLES = (LOG, NEWEST, DAILY, RANKED)
SLOTS = ("a", "b", "c")
_schemas = itertools.count(1)

lines = st.integers(1, 4)
words = st.sampled_from(["x", "y", "", None])
texts = st.dictionaries(lines, words, max_size=3)
days = st.dictionaries(
    lines, st.tuples(st.integers(1, 2), st.sampled_from(["leeds", None]), st.integers(0, 9)), max_size=3
)
products = st.dictionaries(
    lines, st.tuples(st.integers(1, 3), st.integers(0, 3), st.sampled_from([None, 1, 2])), max_size=3
)
contents = st.fixed_dictionaries({"log": texts, "newest": texts, "daily": days, "products": products})
events = st.tuples(
    st.sampled_from(SLOTS), st.sampled_from([Kind.DELIVERY] * 3 + [Kind.PATCH, Kind.WITHDRAWAL]), contents
)


@dataclass
class Slot:
    """What a slot's applied generations say by now. `sequence` is that of its newest delivery."""

    number: int = 0
    sequence: int = 0
    rows: dict = field(default_factory=lambda: {table.spec.name: {} for table in TABLES})
    patched: Part | None = None


class Model:
    """Slots, loaded in the order of acceptance: what the tables must hold."""

    def __init__(self):
        self.slots = {name: Slot() for name in SLOTS}
        self.newest = ("", 0)
        self.partitions: dict = {}

    def apply(self, name, kind, sequence, content):
        slot = self.slots[name]
        if kind is not Kind.PATCH:
            slot.rows, slot.sequence = {table: {} for table in content}, sequence
        if kind is Kind.WITHDRAWAL:
            return
        touched = {line for rows in content.values() for line in rows}
        for table, rows in content.items():
            slot.rows[table] = {line: row for line, row in slot.rows[table].items() if line not in touched} | rows
        if slot.sequence >= self.newest[1]:
            self.newest = (name, slot.sequence)
        for day, branch, _ in content["daily"].values():
            if slot.sequence >= self.partitions.get((day, branch), ("", 0))[1]:
                self.partitions[day, branch] = (name, slot.sequence)
        # A row whose partition is another's by now is not loaded, and does not come back.
        for other in self.slots:
            mine = self.slots[other].rows["daily"]
            for line in [n for n, (day, branch, _) in mine.items() if self.partitions[day, branch][0] != other]:
                del mine[line]

    def tables(self):
        log = Counter(text for slot in self.slots.values() for text in slot.rows["log"].values())
        newest = Counter(self.slots[self.newest[0]].rows["newest"].values()) if self.newest[0] else Counter()
        daily = Counter(row for slot in self.slots.values() for row in slot.rows["daily"].values())
        return {"log": log, "newest": newest, "daily": daily, "products": self._winners()}

    def _winners(self):
        told: dict = {}
        for slot in self.slots.values():
            for line, (key, price, since) in slot.rows["products"].items():
                rank = (since is not None, since or 0, slot.sequence, line)
                told.setdefault(key, []).append((rank, price, since))
        return Counter((key, *max(told[key], key=lambda each: each[0])[1:]) for key in told)


def part(sender, name, number, kind, content, healed):
    rows = {
        "log": [(line, text) for line, text in content["log"].items()],
        "newest": [(line, text) for line, text in content["newest"].items()],
        "daily": [(line, date(2024, 1, day), branch, total) for line, (day, branch, total) in content["daily"].items()],
        "products": [
            (line, key, f"name {key}", price, date(2024, 1, since) if since else None)
            for line, (key, price, since) in content["products"].items()
        ],
    }
    return sender.patch(healed, number, **rows) if kind is Kind.PATCH else sender.part(name, number, kind, **rows)


def check(destination, look, sender, batches):
    model, newest = Model(), {}
    for batch in batches:
        parts, taken = [], set()
        for name, wanted, content in batch:
            if name in taken:
                continue
            taken.add(name)
            slot = model.slots[name]
            kind = Kind.DELIVERY if wanted is Kind.PATCH and name not in newest else wanted
            empty = kind is Kind.WITHDRAWAL
            said = {table: {} if empty else rows for table, rows in content.items()}
            slot.number += 1
            made = part(sender, name, slot.number, kind, said, newest.get(name))
            parts.append((made, kind, said))
            newest[name] = newest[name] if kind is Kind.PATCH else made
        destination.load(sender.load(TABLES, *[made for made, _, _ in parts]))
        # Within one load the newest delivery wins, whatever its place: the model takes them in order of sequence.
        for made, kind, said in sorted(parts, key=lambda each: each[0].unit.sequence):
            model.apply(made.unit.slot.address, kind, made.unit.sequence, said)
        assert look() == model.tables()


HERE = settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
batches = st.lists(st.lists(events, min_size=1, max_size=3), min_size=1, max_size=6)

COLUMNS = {
    "log": "text",
    "newest": "text",
    "daily": "extract(day FROM day)::int, branch, total",
    "products": "product_id, price::int, extract(day FROM since)::int",
}


@HERE
@given(batches=batches)
def test_the_lake_holds_what_the_model_says(tmp_path_factory, batches):
    folder = tmp_path_factory.mktemp("lake")
    lake, sender = Lake(folder / "curated"), Sender(folder)

    def look():
        import duckdb

        with lake.reading("shop") as snapshot:
            return counted(
                lambda table: duckdb.sql(f"SELECT {COLUMNS[table]} FROM {snapshot.relations[table]}").fetchall()
            )

    check(lake, look, sender, batches)
    lake.close()


@pytest.fixture(scope="module")
def connection(postgres_url):
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        yield connection


@HERE
@given(batches=batches)
def test_postgres_holds_what_the_model_says(tmp_path_factory, postgres_url, connection, batches):
    folder, schema = tmp_path_factory.mktemp("postgres"), f"model_{next(_schemas)}"
    warehouse, sender = Postgres(postgres_url, schema, workdir=folder / "work"), Sender(folder)

    def look():
        return counted(lambda table: connection.execute(f"SELECT {COLUMNS[table]} FROM {schema}.{table}").fetchall())

    check(warehouse, look, sender, batches)
    warehouse.close()
    connection.execute(f"DROP SCHEMA {schema} CASCADE")


def counted(read):
    found = {table: read(table) for table in COLUMNS}
    return {table: Counter(row[0] if len(row) == 1 else tuple(row) for row in rows) for table, rows in found.items()}
