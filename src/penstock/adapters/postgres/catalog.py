"""What a schema holds, and Penstock's own tables in it: slots, declarations, partitions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from penstock.adapters.choice import Held
from penstock.adapters.postgres.arrays import of_numbers, of_texts
from penstock.adapters.postgres.schema import CONTRIBUTIONS, Place, shared_index
from penstock.adapters.postgres.session import Session
from penstock.errors import SchemaConflict
from penstock.model.loads import Change, Holder, Record, collision, declared, described, whole
from penstock.model.shapes import redeclared, taken
from penstock.model.tables import Load, Mode, TableSpec, Unit

SHADOW = "penstock_shadow_"


@dataclass(frozen=True, slots=True)
class Heap:
    """How many bytes the rows of a table take, and whether its indexes are there."""

    bytes: int = 0
    indexed: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """What is there when a load begins."""

    there: Mapping[str, Mapping[str, str]]
    """Columns and their PostgreSQL types, by relation; only relations that exist."""
    specs: Mapping[str, TableSpec]
    """The pipeline's tables as they were last declared."""
    holders: Mapping[str, Holder]
    records: Mapping[str, Record]
    shadows: tuple[str, ...] = ()
    """Leftovers of a load that died."""
    foreign_keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Their names, by table; read only where they are wanted."""
    heaps: Mapping[str, Heap] = field(default_factory=dict)
    """The contributions that are there, by shared table."""

    @property
    def living(self) -> list[TableSpec]:
        """The pipeline's tables that exist."""
        return [spec for spec in self.specs.values() if held_in(spec) in self.there]


def held_in(spec: TableSpec) -> str:
    """The relation that holds the rows of slots: the table, or a shared table's contributions."""
    return spec.name + CONTRIBUTIONS if spec.shared else spec.name


def prepare(session: Session, place: Place) -> None:
    """Make the schema and Penstock's own tables, once."""
    with session.locked():
        [(schema, slots, known)] = session.rows(_PRESENT, [place.schema, place.table("penstock_slots")])
        if not schema:
            session.run(f"CREATE SCHEMA {place.name}")
        if not slots:
            session.run(_BOOKKEEPING.format(**_names(place)))
        for column, kind in _LATER.items() if slots else ():
            if column not in known:
                session.run(f"ALTER TABLE {place.table('penstock_slots')} ADD COLUMN {column} {kind}")


def read(session: Session, place: Place, load: Load, *, foreign_keys: bool) -> State:
    """Everything that a load has to know. Raises `KeyCollision` or `SchemaConflict` when it cannot be."""
    records = _records(session, place, load.pipeline, load.units)
    specs, holders = _declarations(session, place, load)
    wanted = {table.spec.name: table.spec for table in load.tables}
    relations = [name for spec in (specs | wanted).values() for name in (spec.name, spec.name + CONTRIBUTIONS)]
    found = columns(session, place, relations)
    shadows = tuple(name for name in found if name.startswith(SHADOW))
    for spec in wanted.values():
        _check(spec, specs.get(spec.name), found)
    references = _foreign_keys(session, place, relations) if foreign_keys else {}
    kept = [spec for spec in (specs | wanted).values() if held_in(spec) in found]
    return State(found, specs, holders, records, shadows, references, heaps(session, place, kept))


def columns(session: Session, place: Place, relations: Sequence[str]) -> dict[str, dict[str, str]]:
    """Columns and their PostgreSQL types, of those relations that exist and of every shadow."""
    found: dict[str, dict[str, str]] = {}
    for relation, column, kind in session.rows(_COLUMNS, [place.schema, list(relations)]):
        found.setdefault(relation, {})[column] = kind
    return found


def heaps(session: Session, place: Place, specs: Iterable[TableSpec]) -> dict[str, Heap]:
    """The contributions of shared tables that are there, by the table's name."""
    names = {held_in(spec): spec.name for spec in specs if spec.shared}
    indexes = [shared_index(name) for name in names.values()]
    rows = session.rows(_HEAPS, [place.schema, list(names), indexes]) if names else ()
    return {names[relation]: Heap(*facts) for relation, *facts in rows}


def _foreign_keys(session: Session, place: Place, relations: Sequence[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for relation, name in session.rows(_FOREIGN_KEYS, [place.schema, list(relations)]):
        found[relation] = (*found.get(relation, ()), name)
    return found


def _records(session: Session, place: Place, pipeline: str, units: Sequence[Unit]) -> dict[str, Record]:
    ranges = [whole(unit) for unit in units]
    slots = of_texts([unit.slot.address for unit in units])
    lows, highs = of_numbers([low for low, _ in ranges]), of_numbers([high for _, high in ranges])
    records: dict[str, Record] = {}
    for slot, crossed, *facts in session.rows(_SLOTS.format(**_names(place)), [pipeline, slots, lows, highs]):
        if crossed is not None:
            raise collision(slot, crossed, pipeline)
        if facts[0] is not None:
            records[slot] = Record(slot, *facts)
    return records


def _declarations(session: Session, place: Place, load: Load) -> tuple[dict[str, TableSpec], dict[str, Holder]]:
    names = [table.spec.name for table in load.tables]
    specs, holders = {}, {}
    for name, pipeline, facts, slot, sequence in session.rows(_TABLES.format(**_names(place)), [load.pipeline, names]):
        if pipeline != load.pipeline:
            raise taken(name, pipeline)
        specs[name] = declared(facts)
        if slot is not None:
            holders[name] = Holder(slot, sequence)
    return specs, holders


def _check(spec: TableSpec, known: TableSpec | None, there: Mapping[str, Any]) -> None:
    if known is None:
        if spec.name in there:
            raise SchemaConflict(
                f"a table {spec.name!r} is there that Penstock did not make",
                fix="rename or drop it, or load to another schema",
            )
        return
    if held_in(known) in there:
        redeclared(known, spec)


def held(session: Session, place: Place, state: State, spec: TableSpec) -> Held:
    """Whose rows a table of mode `replace` or `partition` holds."""
    if spec.mode is not Mode.PARTITION:
        return Held(state.holders.get(spec.name))
    rows = session.rows(_PARTITIONS.format(**_names(place)), [spec.name])
    return Held(partitions={key: Holder(slot, sequence) for key, slot, sequence in rows})


def record(session: Session, place: Place, pipeline: str, changes: Iterable[Change]) -> None:
    """Move the slots forward."""
    items = [change.record for change in changes]
    session.run(
        _RECORD.format(**_names(place)),
        [
            pipeline,
            of_texts([item.slot for item in items]),
            of_numbers([item.generation for item in items]),
            of_numbers([item.sequence for item in items]),
            of_numbers([item.base for item in items]),
            of_numbers([item.span for item in items]),
            of_texts([item.token for item in items]),
            json.dumps([dict(item.rows) for item in items]),
            of_texts([item.identity for item in items]),
            of_numbers([item.revision for item in items]),
        ],
    )


def declare(session: Session, place: Place, pipeline: str, spec: TableSpec, holder: Holder | None) -> None:
    """Remember how a table is declared and, for mode `replace`, whose rows it holds."""
    facts = [spec.name, pipeline, json.dumps(described(spec)), *(holder or (None, None))]
    session.run(_DECLARE.format(**_names(place)), facts)


def hold(session: Session, place: Place, table: str, partitions: Mapping[str, Holder]) -> None:
    """Remember whose rows a table's partitions hold."""
    slots, sequences = [item.slot for item in partitions.values()], [item.sequence for item in partitions.values()]
    session.run(_HOLD.format(**_names(place)), [table, list(partitions), slots, sequences])


def _names(place: Place) -> dict[str, str]:
    return {name: place.table(f"penstock_{name}") for name in ("slots", "tables", "partitions")}


_PRESENT = """
SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1), to_regclass($2) IS NOT NULL,
    ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = to_regclass($2))
"""

_LATER = {"identity": "text NOT NULL DEFAULT ''", "revision": "bigint NOT NULL DEFAULT 0"}
"""Columns of `penstock_slots` that older versions did not make."""

_BOOKKEEPING = """
CREATE TABLE {slots} (
    pipeline text, slot text, generation bigint NOT NULL, sequence bigint NOT NULL, base bigint NOT NULL,
    span bigint NOT NULL, token text NOT NULL, rows jsonb NOT NULL, loaded_at timestamptz NOT NULL DEFAULT now(),
    identity text NOT NULL DEFAULT '', revision bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (pipeline, slot), UNIQUE (pipeline, base)
);
CREATE TABLE {tables} (
    name text PRIMARY KEY, pipeline text NOT NULL, spec jsonb NOT NULL, holder text, sequence bigint
);
CREATE TABLE {partitions} (
    name text, partition text, holder text NOT NULL, sequence bigint NOT NULL, PRIMARY KEY (name, partition)
);
COMMENT ON TABLE {slots} IS 'Penstock: which generation of each slot is loaded; moves forward only'
"""

_COLUMNS = """
SELECT c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod)
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid
WHERE c.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = $1) AND a.attnum > 0
  AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND (c.relname = ANY ($2::text[]) OR c.relname LIKE 'penstock\\_shadow\\_%')
ORDER BY c.relname, a.attnum
"""

_HEAPS = """
SELECT c.relname::text, pg_relation_size(c.oid), EXISTS (
    SELECT FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS n ON n.oid = i.indexrelid
    WHERE i.indrelid = c.oid AND n.relname = ANY ($3::text[])
)
FROM pg_catalog.pg_class AS c
WHERE c.relname = ANY ($2::text[])
  AND c.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = $1)
"""

_FOREIGN_KEYS = """
SELECT c.relname::text, k.conname::text
FROM pg_catalog.pg_constraint AS k JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid
WHERE k.contype = 'f' AND c.relname = ANY ($2::text[])
  AND c.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = $1)
"""

_SLOTS = """
SELECT u.slot, n.slot, s.generation, s.sequence, s.base, s.span, s.token, s.rows, s.identity, s.revision
FROM unnest($2::text[], $3::bigint[], $4::bigint[]) AS u (slot, low, high)
LEFT JOIN {slots} AS s ON s.pipeline = $1 AND s.slot = u.slot
LEFT JOIN LATERAL (
    SELECT b.slot, b.base + b.span AS high FROM {slots} AS b
    WHERE b.pipeline = $1 AND b.base < u.high AND b.slot <> u.slot ORDER BY b.base DESC LIMIT 1
) AS n ON n.high > u.low
"""

_TABLES = "SELECT name, pipeline, spec, holder, sequence FROM {tables} WHERE pipeline = $1 OR name = ANY ($2::text[])"

_PARTITIONS = "SELECT partition, holder, sequence FROM {partitions} WHERE name = $1"

_RECORD = """
INSERT INTO {slots} (pipeline, slot, generation, sequence, base, span, token, rows, identity, revision)
SELECT $1, * FROM ROWS FROM (
    unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[]),
    jsonb_array_elements($8::jsonb),
    unnest($9::text[], $10::bigint[]))
ON CONFLICT (pipeline, slot) DO UPDATE SET generation = excluded.generation, sequence = excluded.sequence,
    base = excluded.base, span = excluded.span, token = excluded.token, rows = excluded.rows,
    identity = excluded.identity, revision = excluded.revision, loaded_at = now()
"""

_DECLARE = """
INSERT INTO {tables} AS t (name, pipeline, spec, holder, sequence) VALUES ($1, $2, $3::jsonb, $4, $5)
ON CONFLICT (name) DO UPDATE SET spec = excluded.spec, holder = excluded.holder, sequence = excluded.sequence
"""

_HOLD = """
INSERT INTO {partitions} (name, partition, holder, sequence)
SELECT $1, * FROM unnest($2::text[], $3::text[], $4::bigint[])
ON CONFLICT (name, partition) DO UPDATE SET holder = excluded.holder, sequence = excluded.sequence
"""
