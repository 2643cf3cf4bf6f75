"""Third normal form as SQL: entities with surrogate keys, owned tables that refer to them.

A surrogate key is a BIGINT: the first 64 bits, two's complement, of SHA-256 over the natural key's values, each typed
and length-prefixed, after privacy. It is computed once for each distinct natural key.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from penstock.authoring.tables import Entity, Normalization, Owned, identity_of
from penstock.compile.sql import quote_identifier
from penstock.errors import DefinitionError
from penstock.model.rows import ROW, SLOT
from penstock.model.tables import Mode, Reference, TableSpec


def surrogate(columns: tuple[str, ...]) -> str:
    """The key's expression. A NULL is `n`; anything else is its kind (`s` text, `i` integer, `d` decimal, `o` other),
    its length in bytes, `:` and its canonical text; joined without a separator."""
    parts = []
    for column in columns:
        name = quote_identifier(column)
        text = f"CAST({name} AS VARCHAR)"
        kind = (
            f"CASE WHEN typeof({name}) = 'VARCHAR' THEN 's' WHEN typeof({name}) LIKE '%INT%' THEN 'i' "
            f"WHEN typeof({name}) LIKE 'DECIMAL%' THEN 'd' ELSE 'o' END"
        )
        parts.append(f"CASE WHEN {text} IS NULL THEN 'n' ELSE concat({kind}, strlen({text}), ':', {text}) END")
    number = f"('0x' || left(sha256(concat({', '.join(parts)})), 16))::UBIGINT::HUGEINT"
    return f"CAST({number} - CASE WHEN {number} >= 9223372036854775808 THEN 18446744073709551616 ELSE 0 END AS BIGINT)"


def specs(normalization: Normalization, columns: Mapping[str, object]) -> dict[str, TableSpec]:
    """The destination's view of every table of a normalisation."""
    entities = normalization.entities()
    found: dict[str, TableSpec] = {}
    for name, table in normalization.tables.items():
        _known(name, table, columns, normalization.relation)
        if isinstance(table, Entity):
            found[name] = _entity_spec(name, table)
        else:
            found[name] = _owned_spec(name, table, normalization, entities)
    return found


def _known(name: str, table: Entity | Owned, columns: Mapping[str, object], relation: str) -> None:
    wanted = (*table.natural, *table.attributes) if isinstance(table, Entity) else table.columns
    for column in wanted if columns else ():
        if column not in columns:
            raise DefinitionError(
                f"table {name!r} wants the column {column!r}, which step {relation!r} does not give",
                fix=f"its columns are: {', '.join(columns)}",
            )


def _entity_spec(name: str, table: Entity) -> TableSpec:
    natural = (*table.natural, *table.attributes) if table.conflict == "version" else table.natural
    return TableSpec(
        name, Mode.MERGE, (identity_of(name, table),), shared=True, natural=natural, order=table.order,
        conflict=table.conflict,
    )  # fmt: skip


def _owned_spec(name: str, table: Owned, normalization: Normalization, entities: Mapping[str, Entity]) -> TableSpec:
    references = []
    for ref in table.refs:
        identity = identity_of(ref, normalization.tables[ref])
        references.append(Reference((identity,), ref, (identity,)))
    parents = [ref for ref in table.refs if ref not in entities]
    if table.key:
        row = identity_of(parents[0], normalization.tables[parents[0]]) if parents else ROW
        return TableSpec(name, Mode.MERGE, table.key, row, references=tuple(references))
    identity = identity_of(name, table)
    return TableSpec(name, Mode.MERGE, (identity,), identity, references=tuple(references))


def key_columns(table: Entity) -> tuple[str, ...]:
    """What the surrogate key is made of."""
    return (*table.natural, *table.attributes) if table.conflict == "version" else table.natural


def keyed(name: str, table: Entity) -> str:
    """The natural keys in an entity's contributions with their surrogate keys, to be joined where it is meant."""
    listed = ", ".join(quote_identifier(column) for column in (identity_of(name, table), *key_columns(table)))
    return f"SELECT DISTINCT {listed} FROM {words(name)}"


def words(name: str) -> str:
    """Where an entity's contributions are kept while its tables are made."""
    return f"_words_{name}"


def key_in_rows(entity: str) -> str:
    """The column of a step's rows that holds an entity's surrogate key, where the step has computed it."""
    return f"_key_{entity}"


def identity(name: str, table: Entity, *, in_rows: bool) -> str:
    """An entity's surrogate key, as SQL over the rows that speak of it."""
    return quote_identifier(key_in_rows(name)) if in_rows else surrogate(key_columns(table))


def contributions(name: str, table: Entity, relation: str) -> str:
    """One slot's word on each entity: of rows that speak of one key, the largest order, then the largest row."""
    columns = key_columns(table)
    listed = ", ".join(quote_identifier(column) for column in columns)
    rest = [column for column in table.attributes if column not in columns]
    order = f"({quote_identifier(table.order)}, {ROW})" if table.order else ROW
    picked = "".join(
        f", arg_max_null({quote_identifier(column)}, {order}) AS {quote_identifier(column)}" for column in rest
    )
    words = f"SELECT {SLOT}, {listed}{picked}, max({ROW}) AS {ROW} FROM {relation} GROUP BY {SLOT}, {listed}"
    attributes = "".join(f", {quote_identifier(column)}" for column in rest)
    identity = quote_identifier(identity_of(name, table))
    return f"SELECT {surrogate(columns)} AS {identity}, {listed}{attributes}, {ROW}, {SLOT} FROM ({words})"


def contributions_once(name: str, table: Entity, relation: str, values: str) -> str:
    """The same for an entity whose keys are in the rows: its columns are with the distinct values in `values`."""
    key, identity = quote_identifier(key_in_rows(name)), quote_identifier(identity_of(name, table))
    listed = ", ".join(quote_identifier(column) for column in key_columns(table))
    words = f"SELECT {SLOT}, {key}, max({ROW}) AS {ROW} FROM {relation} GROUP BY {SLOT}, {key}"
    told = f"SELECT DISTINCT {key}, {listed} FROM {quote_identifier(values)}"
    return (
        f"SELECT {key} AS {identity}, {listed}, w.{ROW}, w.{SLOT} FROM ({words}) AS w JOIN ({told}) AS e USING ({key})"
    )


def owned_rows(
    name: str,
    table: Owned,
    normalization: Normalization,
    relation: str,
    *,
    distinct: bool,
    once: Collection[str] = (),
) -> str:
    """An owned table's rows over `relation`, with its references resolved by joins to `_key_<entity>`, but for those
    entities whose keys are in the rows (`once`)."""
    entities = normalization.entities()
    identity = identity_of(name, table)
    picked: dict[str, str] = {}
    if not table.key:
        picked[identity] = f"r.{ROW}"
    for ref in table.refs:
        key = identity_of(ref, normalization.tables[ref])
        found = f"r.{quote_identifier(key_in_rows(ref))}" if ref in once else f"k_{ref}.{quote_identifier(key)}"
        picked[key] = found if ref in entities else f"r.{ROW}"
    picked |= {column: f"r.{quote_identifier(column)}" for column in table.columns}
    if table.key and not any(value == f"r.{ROW}" for value in picked.values()):
        picked = {ROW: f"r.{ROW}"} | picked
    joins = "".join(
        f" JOIN _key_{ref} AS k_{ref} ON {_same(ref, entities[ref])}"
        for ref in table.refs
        if ref in entities and ref not in once
    )
    listed = ", ".join(f"{value} AS {quote_identifier(column)}" for column, value in picked.items())
    once = f"DISTINCT ON (r.{ROW}) " if distinct else ""
    return f"SELECT {once}{listed}, r.{SLOT} AS {SLOT} FROM {relation} AS r{joins}"


def columns_of_references(table: Owned, normalization: Normalization, once: Collection[str] = ()) -> Iterator[str]:
    """The columns of a relation's rows by which an owned table refers to entities."""
    for ref, entity in normalization.entities().items():
        if ref in table.refs:
            yield from (key_in_rows(ref),) if ref in once else key_columns(entity)


def lossy_rows(table: Owned, normalization: Normalization, relation: str, once: Collection[str] = ()) -> str:
    """Counts the source rows of which a table at the grain of the source row would keep only one of several truths."""
    needs = columns_of_references(table, normalization, once)
    listed = ", ".join(quote_identifier(column) for column in dict.fromkeys((*table.columns, *needs)))
    told = f"SELECT DISTINCT {ROW}, {listed} FROM {relation}"
    return f"SELECT count(*) FROM (SELECT {ROW} FROM ({told}) GROUP BY {ROW} HAVING count(*) > 1)"


def repeated_keys(name: str, table: Owned, normalization: Normalization, relation: str) -> tuple[str, str]:
    """Count the keys that more than one of a table's rows would have: judged on the relation, before any join.

    The first query counts rows whose key is not above that of the row before. Where there are none no key can occur
    twice; the second counts the repeated ones themselves, at five times the cost.
    """
    parents = {identity_of(ref, normalization.tables[ref]) for ref in table.refs} - {
        identity_of(ref, entity) for ref, entity in normalization.entities().items()
    }
    own = {identity_of(name, table), *parents}
    names = [ROW if column in own else quote_identifier(column) for column in table.key]
    keys = ", ".join(names)
    before = ", ".join(f"{key} AS k{place}, lag({key}) OVER () AS p{place}" for place, key in enumerate(names))
    above = "FALSE"
    for place in reversed(range(len(names))):
        above = f"(k{place} > p{place} OR (k{place} = p{place} AND {above}))"
    unsorted = f"SELECT greatest(count(*) - 1, 0) FROM (SELECT {before} FROM {relation}) WHERE {above} IS NOT TRUE"
    return unsorted, f"SELECT count(*) FROM (SELECT {keys} FROM {relation} GROUP BY {keys} HAVING count(*) > 1)"


def _same(ref: str, table: Entity) -> str:
    return " AND ".join(
        f"r.{quote_identifier(column)} IS NOT DISTINCT FROM k_{ref}.{quote_identifier(column)}"
        for column in key_columns(table)
    )
