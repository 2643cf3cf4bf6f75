"""Tables as PostgreSQL knows them: types, names, the statements that create and evolve them. Pure: text to text."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from penstock.compile.sql import quote_identifier
from penstock.errors import SchemaConflict
from penstock.model.rows import ROW, SEQUENCE
from penstock.model.shapes import Columns, evolved
from penstock.model.tables import Reference, TableSpec

CONTRIBUTIONS = "__contributions"
BOOKKEEPING = "penstock_"
LONGEST_NAME = 63
"""In bytes; PostgreSQL would cut longer names silently."""

TYPES = {
    "VARCHAR": "text", "DOUBLE": "double precision", "BLOB": "bytea", "JSON": "jsonb", "BOOLEAN": "boolean",
    "SMALLINT": "smallint", "INTEGER": "integer", "BIGINT": "bigint", "DATE": "date", "UUID": "uuid",
    "TIME": "time without time zone", "TIMESTAMP": "timestamp without time zone",
    "TIMESTAMPTZ": "timestamp with time zone",
}  # fmt: skip
_CANONICAL = {name: canonical for canonical, name in TYPES.items()}
_NUMERIC = re.compile(r"numeric\((\d+),(\d+)\)")


@dataclass(frozen=True, slots=True)
class Place:
    """A schema, and how the tables in it are written in SQL."""

    schema: str

    @property
    def name(self) -> str:
        return quote_identifier(self.schema)

    def table(self, name: str) -> str:
        return f"{self.name}.{quote_identifier(name)}"

    def contributions(self, name: str) -> str:
        return self.table(name + CONTRIBUTIONS)


def type_name(canonical: str) -> str:
    """PostgreSQL's name of a canonical type: `DECIMAL(8,2)` is `numeric(8,2)`."""
    return TYPES.get(canonical) or canonical.replace("DECIMAL", "numeric")


def canonical_name(type_name: str) -> str:
    """The canonical type of a column that is there; a type that Penstock never makes keeps PostgreSQL's name."""
    numeric = _NUMERIC.fullmatch(type_name)
    return f"DECIMAL({numeric[1]},{numeric[2]})" if numeric else _CANONICAL.get(type_name, type_name)


def listed(columns: Iterable[str], prefix: str = "") -> str:
    """Column names as a quoted list."""
    return ", ".join(prefix + quote_identifier(column) for column in columns)


def checked(spec: TableSpec) -> None:
    """Raise `SchemaConflict` for names that PostgreSQL would cut or that are taken."""
    longest = spec.name + CONTRIBUTIONS if spec.shared else spec.name
    if len(longest.encode()) > LONGEST_NAME:
        raise SchemaConflict(
            f"the table name {spec.name!r} is too long for PostgreSQL",
            why=f"{longest!r} has more than {LONGEST_NAME} bytes",
            fix="give the table a shorter name",
        )
    if spec.name.startswith(BOOKKEEPING) or spec.name.endswith(CONTRIBUTIONS):
        raise SchemaConflict(
            f"the table name {spec.name!r} is taken",
            why="Penstock's own tables have such names",
            fix="choose another name",
        )


def create(table: str, columns: Columns) -> str:
    """A table without keys or indexes: they are added when its first rows are in."""
    body = ", ".join(f"{quote_identifier(name)} {type_name(kind)}" for name, kind in columns)
    return f"CREATE TABLE {table} ({body})"


def owned_indexes(place: Place, relation: str, spec: TableSpec) -> list[str]:
    """The primary key where one is declared, and always an index by which one slot's rows are found.

    `relation` is where the rows are; its indexes are named after the table that it becomes.
    """
    table = place.table(relation)
    statements = [_primary_key(table, spec)] if spec.key else []
    if not spec.key or spec.key[0] != spec.row:
        statements.append(_index(table, f"{spec.name}_row_idx", listed([spec.row])))
    if spec.partition_by:
        statements.append(_index(table, f"{spec.name}_partition_idx", listed(spec.partition_by)))
    return statements


def required(place: Place, relation: str, spec: TableSpec) -> str:
    """A contribution speaks of a key, and is somebody's."""
    names = ", ".join(f"ALTER COLUMN {quote_identifier(name)} SET NOT NULL" for name in (*spec.key, ROW, SEQUENCE))
    return f"ALTER TABLE {place.table(relation)} {names}"


def shared_indexes(place: Place, spec: TableSpec, columns: Columns) -> list[str]:
    """Contributions are found by key, the winning one first, and by row identity."""
    table = place.contributions(spec.name)
    by_key = f"{listed(spec.key)}, {ranking(spec, columns)}"
    return [
        _index(table, f"{spec.name}_contributions_key_idx", by_key, "IF NOT EXISTS "),
        _index(table, shared_index(spec.name), listed([ROW]), "IF NOT EXISTS "),
    ]


def shared_index(name: str) -> str:
    """The last one of a shared table's indexes: where it is, all are."""
    return short(f"{name}_contributions_row_idx")


def primary_key(place: Place, spec: TableSpec) -> str:
    """The statement that gives a table its declared key."""
    return _primary_key(place.table(spec.name), spec)


def ranking(spec: TableSpec, columns: Columns) -> str:
    """The order of one key's contributions, the winner first. Texts compare by code point, as on every target."""
    order = ""
    if spec.order:
        collation = ' COLLATE "C"' if dict(columns).get(spec.order) == "VARCHAR" else ""
        order = f"{quote_identifier(spec.order)}{collation} DESC NULLS LAST, "
    return f"{order}{quote_identifier(SEQUENCE)} DESC, {quote_identifier(ROW)} DESC"


def evolve(name: str, table: str, there: Mapping[str, str], columns: Columns) -> list[str]:
    """How a table that is there takes these columns: new ones are added, wider types widen, nothing narrows."""
    known = {column: canonical_name(kind) for column, kind in there.items()}
    changes = []
    for column, kind in evolved(name, tuple(known.items()), columns):
        if column not in known:
            changes.append(f"ADD COLUMN {quote_identifier(column)} {type_name(kind)}")
        elif known[column] != kind:
            changes.append(f"ALTER COLUMN {quote_identifier(column)} TYPE {type_name(kind)}")
    return [f"ALTER TABLE {table} {', '.join(changes)}"] if changes else []


def foreign_key(place: Place, spec: TableSpec, reference: Reference) -> str:
    """Checked when the transaction commits, so that the order of statements does not matter."""
    return (
        f"ALTER TABLE {place.table(spec.name)} ADD CONSTRAINT {quote_identifier(foreign_key_name(spec, reference))} "
        f"FOREIGN KEY ({listed(reference.columns)}) "
        f"REFERENCES {place.table(reference.table)} ({listed(reference.keys)}) "
        "DEFERRABLE INITIALLY DEFERRED"
    )


def foreign_key_name(spec: TableSpec, reference: Reference) -> str:
    """`order_items_order_id_fkey`, as PostgreSQL itself would choose."""
    return short(f"{spec.name}_{'_'.join(reference.columns)}_fkey")


def short(name: str) -> str:
    """A name that PostgreSQL does not cut: the end of a long one becomes a digest of the whole."""
    if len(name.encode()) <= LONGEST_NAME:
        return name
    tail = hashlib.sha256(name.encode()).hexdigest()[:8]
    return name.encode()[: LONGEST_NAME - 9].decode(errors="ignore") + "_" + tail


def _primary_key(table: str, spec: TableSpec) -> str:
    name = quote_identifier(short(f"{spec.name}_pkey"))
    return f"ALTER TABLE {table} ADD CONSTRAINT {name} PRIMARY KEY ({listed(spec.key)})"


def _index(table: str, name: str, columns: str, unless: str = "") -> str:
    return f"CREATE INDEX {unless}{quote_identifier(short(name))} ON {table} ({columns})"
