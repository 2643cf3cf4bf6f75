"""The tables of a pipeline: how their staged rows are selected, and where they go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from penstock.authoring.pipeline import Pipeline
from penstock.authoring.tables import Entity, Loading, Normalization, Owned, Target, identity_of
from penstock.compile import normal, once
from penstock.compile.marks import mark
from penstock.compile.rowwise import Shape
from penstock.compile.sql import quote_identifier
from penstock.model.rows import ROW, SLOT
from penstock.model.tables import Mode, TableSpec

GOOD = "_good_"
"""Prefix of the views over a relation's rows that no check has rejected: what tables are made from."""


@dataclass(frozen=True, slots=True)
class TablePlan:
    """One table: how its staged rows are selected, and where they go."""

    spec: TableSpec
    targets: tuple[Target, ...]
    relation: str
    chunked: bool
    sql: str
    """Selects the staged columns, `_slot`, and for contributions `_row`; reads `_good_` views and `_key_` tables."""
    combine: str = ""
    """For contributions: merges the parts of one slot; reads `_parts`."""
    doubts: tuple[tuple[tuple[str, ...], str], ...] = ()
    """(queries, what it would mean) for each count that must be 0, or re-joining would not give the rows back: the
    next query is asked only when the one before it leaves the doubt."""
    key: str = ""
    """For entities: selects `_key_<table>` from `_words_<table>`, which holds what `sql` gives."""
    whole: bool = False
    """Each row of the relation must be one row of the table."""
    identity: str = ""
    """For entities: their surrogate key, as SQL over a row of the relation."""

    @property
    def mark(self) -> str:
        """What of a shared table's row a row of the relation speaks (see `penstock.compile.marks`)."""
        return mark({column: self.identity or quote_identifier(column) for column in self.spec.key})


def table_plans(
    pipeline: Pipeline,
    shapes: Mapping[str, Shape],
    chunked: set[str],
    normalizations: Mapping[str, Normalization],
    keys: Mapping[str, once.Keys],
) -> tuple[TablePlan, ...]:
    """The plans of all tables, in the order of loading."""
    tables: list[TablePlan] = []
    for loading in pipeline.loadings:
        normalization = normalizations.get(loading.relation)
        if normalization is None or loading.table not in normalization.tables:
            tables.append(_plain_table(loading, chunked))
            continue
        known = shapes[loading.relation].requires if loading.relation in shapes else {}
        spec = normal.specs(normalization, known)[loading.table]
        origin = partial(_origin_of, pipeline, shapes, loading.relation)
        declared = normalization.tables[loading.table]
        if isinstance(declared, Entity):
            base = origin(declared)
            key = normal.keyed(loading.table, declared)
            if loading.table in keys.get(base, {}):
                sql = normal.contributions_once(loading.table, declared, GOOD + base, once.each(base))
            else:
                sql = normal.contributions(loading.table, declared, GOOD + base)
            found = normal.identity(loading.table, declared, in_rows=loading.table in keys.get(base, {}))
            combine = _combine(spec)
            tables.append(TablePlan(spec, loading.to, base, base in chunked, sql, combine, key=key, identity=found))
        else:
            base = loading.relation if declared.key else _row_grain(declared, normalization, origin)
            read, within = base in pipeline.sources, keys.get(base, {})
            distinct = not read and not declared.key
            sql = normal.owned_rows(loading.table, declared, normalization, GOOD + base, distinct=distinct, once=within)
            doubts = _doubts(loading, declared, normalization, base, read=read, keys=within)
            whole = bool(declared.key)
            tables.append(TablePlan(spec, loading.to, base, base in chunked, sql, doubts=doubts, whole=whole))
    return tuple(tables)


def _origin(pipeline: Pipeline, shapes: Mapping[str, Shape], relation: str, columns: tuple[str, ...]) -> str:
    """The earliest relation that holds these columns under these names, unchanged, for the same rows."""
    while relation not in pipeline.sources:
        shape, step = shapes.get(relation), pipeline.steps[relation]
        if shape is None or not shape.rowwise or step.filters:
            break
        if any(shape.passthrough.get(column) != column for column in columns):
            break
        relation = step.inputs[0]
    return relation


def _doubts(
    loading: Loading, table: Owned, normalization: Normalization, base: str, *, read: bool, keys: once.Keys
) -> tuple[tuple[tuple[str, ...], str], ...]:
    """What must be counted before an owned table may stand for its relation. PostgreSQL's own key counts repeats."""
    if not table.key:
        query = normal.lossy_rows(table, normalization, GOOD + base, keys)
        return () if read else (((query,), "its columns are not the same in all rows of one source row"),)
    references_entity = any(
        column == identity_of(name, entity) for name, entity in normalization.entities().items() for column in table.key
    )
    if references_entity or all(target.kind == "postgres" for target in loading.to):
        return ()
    return (
        (
            normal.repeated_keys(loading.table, table, normalization, GOOD + base),
            f"the key {', '.join(table.key)} occurs more than once",
        ),
    )


def _origin_of(pipeline: Pipeline, shapes: Mapping[str, Shape], relation: str, table: Entity | Owned) -> str:
    wanted = (*table.natural, *table.attributes) if isinstance(table, Entity) else table.columns
    return _origin(pipeline, shapes, relation, wanted)


def _row_grain(table: Owned, normalization: Normalization, origin: Callable[[Entity | Owned], str]) -> str:
    """Where a table of one row for each source row comes from: the source itself, when all it needs is there."""
    entities = normalization.entities()
    needs = tuple(column for ref in table.refs if ref in entities for column in normal.key_columns(entities[ref]))
    return origin(Owned((*table.columns, *needs)))


def _combine(spec: TableSpec) -> str:
    """Parts of one slot's contributions become one row for each key: the same winner as inside a part."""
    key = ", ".join(quote_identifier(column) for column in spec.key)
    order = f"({quote_identifier(spec.order)}, {ROW})" if spec.order else ROW
    ranked = f"row_number() OVER (PARTITION BY {key}, {SLOT} ORDER BY {order} DESC NULLS LAST)"
    return f"SELECT * FROM _parts QUALIFY {ranked} = 1"


def _plain_table(loading: Loading, chunked: set[str]) -> TablePlan:
    shared = loading.mode is Mode.MERGE
    spec = TableSpec(
        loading.table, loading.mode, loading.key, ROW, shared, loading.key, loading.order, loading.conflict,
        loading.partition_by, loading.references,
    )  # fmt: skip
    relation = GOOD + loading.relation
    within = loading.relation in chunked
    identity = f"{ROW}, {SLOT}, * EXCLUDE ({ROW}, {SLOT})"
    if not shared:
        return TablePlan(spec, loading.to, loading.relation, within, f"SELECT {identity} FROM {relation}")
    plan = TablePlan(spec, loading.to, loading.relation, within, "", _combine(spec))
    sql = plan.combine.replace(
        "SELECT * FROM _parts", f"SELECT * EXCLUDE ({ROW}, {SLOT}), {ROW}, {SLOT} FROM {relation}"
    )
    return TablePlan(spec, loading.to, loading.relation, within, sql, plan.combine)
