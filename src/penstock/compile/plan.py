"""From a pipeline's definition to a plan: relations in order, tests, tables, each as SQL.

A relation is at *chunk level* when it is row-wise all the way from the source; it is computed for each chunk of rows.
Everything else is at *slot level* and sees a whole delivery.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from penstock.authoring.matching import Matched
from penstock.authoring.pipeline import SOURCE, Pipeline
from penstock.authoring.rules import CheckSpec
from penstock.authoring.sources import Source
from penstock.authoring.steps import Step
from penstock.authoring.tables import Entity, Loading, Normalization, Owned, Target, identity_of
from penstock.compile import normal, once
from penstock.compile.boundaries import boundary_of
from penstock.compile.fitting import PROTECTED, check_columns
from penstock.compile.matching import of_source, ordered
from penstock.compile.needs import needed_columns, readers_of, stored_columns
from penstock.compile.readiness import check_parts
from penstock.compile.reading import Reading
from penstock.compile.rowwise import Shape, analyse
from penstock.compile.sql import quote_identifier
from penstock.compile.tables import refuse_unknown, relations_of
from penstock.errors import StepError
from penstock.model.rows import ROW, SLOT
from penstock.model.tables import Mode, TableSpec

GOOD = "_good_"
"""Prefix of the views over a relation's rows that no check has rejected: what tables are made from."""


@dataclass(frozen=True, slots=True)
class StepPlan:
    """One step, ready to run."""

    name: str
    inputs: tuple[str, ...]
    chunked: bool
    sql: str = ""
    each: str = ""
    """Selects `_each_<step>`, which `sql` reads: what is computed once for each distinct value of a column."""
    function: Callable[..., Any] | None = None
    forms: tuple[str, ...] = ()
    counted: bool = False
    """Its output must speak of every input row: a row that is missing was lost."""
    filters: bool = False
    stored: bool = True
    """Kept as a table; otherwise a view into its input."""
    columns: tuple[str, ...] = ()
    """The columns that somebody needs, where that is known; empty: all."""


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


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that the engine and the loads need to know of a pipeline."""

    pipeline: str
    fingerprint: str
    source: Source
    reading: Reading
    steps: tuple[StepPlan, ...]
    rules: Mapping[str, tuple[CheckSpec, ...]]
    deduplicate: tuple[str, ...]
    tables: tuple[TablePlan, ...]
    hard: bool
    spilled: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Chunk-level relations that slot-level work reads, and the columns it needs (empty: all)."""
    relation: str = SOURCE
    """The source's name."""
    members: tuple[Plan, ...] = ()
    """Of a pipeline with several sources: each one's part of the plan, up to where its rows leave the chunk level.
    `source`, `reading` and `deduplicate` are theirs then; what is left to the whole are wide steps and their tables."""
    matches: tuple[Matched, ...] = ()
    """Which rows need a partner in another input, in the order of judging."""
    sought: frozenset[str] = frozenset()
    """Of an input: its relations that matches look at."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """The source behind each relation that a match looks at."""
    watched: frozenset[str] = frozenset()
    """Tables that other pipelines read: their rows are digested."""
    boundary: str = ""
    """The step behind which the run has a durable boundary."""

    def watching(self, tables: frozenset[str]) -> Plan:
        """The same plan, whose tables others read."""
        return replace(self, watched=tables, members=tuple(replace(item, watched=tables) for item in self.members))

    @property
    def inputs(self) -> tuple[Plan, ...]:
        """The plans that read something: the members, or the only one."""
        return self.members or (self,)

    @property
    def indivisible(self) -> bool:
        """Whether what becomes of a row depends on the other rows of its delivery."""
        rules = (spec for specs in self.rules.values() for spec in specs)
        return (
            bool(self.deduplicate)
            or any(not step.chunked for step in self.steps)
            or any(spec.rule.scope == "slot" for spec in rules)
        )

    def step(self, name: str) -> StepPlan | None:
        return next((step for step in self.steps if step.name == name), None)

    def chunked(self, relation: str) -> bool:
        step = self.step(relation)
        return step is None or step.chunked

    @property
    def targets(self) -> tuple[Target, ...]:
        """The destinations, each once, in the order of declaration."""
        return tuple(dict.fromkeys(target for table in self.tables for target in table.targets))


def compile_pipeline(pipeline: Pipeline) -> Plan:
    """Compile a validated pipeline. Raises `DefinitionError`s with the place of the mistake."""
    check_parts(pipeline)
    readings = {
        name: Reading.of(source, pipeline.privacy.get(name, {}), pipeline.parts)
        for name, source in pipeline.sources.items()
    }
    shapes = _shapes(pipeline, readings)
    normalizations = {item.relation: item for item in pipeline.normalizations}
    chunked = _chunk_level(pipeline, shapes)
    keys = once.keys_in(pipeline, shapes, chunked)
    tables = _tables(pipeline, shapes, chunked, normalizations, keys)
    rules: dict[str, tuple[CheckSpec, ...]] = {}
    for spec, place in pipeline.rules:
        check_columns(spec.rule, _types(spec, pipeline), at=str(place))
        rules[spec.relation] = (*rules.get(spec.relation, ()), spec)
    _refuse_wide_quarantine(pipeline, chunked)
    kept = {name: reading.columns for name, reading in readings.items()}
    steps_known = {name: shape.columns for name, shape in shapes.items()}
    refuse_unknown(pipeline, relations_of(pipeline, kept, steps_known))
    needed = needed_columns(pipeline, shapes, tables, rules, keys)
    steps = tuple(
        _step_plan(
            step,
            shapes.get(step.name),
            chunked,
            needed,
            readers_of(pipeline, step.name, tables, rules),
            keys.get(step.name, {}),
        )
        for step in pipeline.order()
    )
    first = next(iter(pipeline.sources))
    whole = Plan(
        pipeline.name,
        _fingerprint(pipeline, steps, tables),
        pipeline.sources[first],
        readings[first],
        steps,
        rules,
        _deduplicated(pipeline, first),
        tables,
        pipeline.hard,
        _spilled(steps, rules, chunked),
        first,
        boundary=boundary_of(pipeline, chunked),
    )
    matches = ordered(pipeline, chunked)
    if not pipeline.several:
        return whole
    origins = {name: pipeline.origin(name) for match in matches for name in (match.relation, match.other)}
    whole = replace(whole, matches=matches, origins=origins)
    return replace(whole, members=tuple(_member(pipeline, whole, name, readings[name]) for name in pipeline.sources))


def _member(pipeline: Pipeline, whole: Plan, name: str, reading: Reading) -> Plan:
    """The part of a plan that one source's rows pass before they meet those of others."""

    def own(relation: str) -> bool:
        return whole.chunked(relation) and pipeline.origin(relation) == name

    tables = tuple(table for table in whole.tables if own(table.relation))
    return replace(
        whole,
        source=pipeline.sources[name],
        reading=reading,
        steps=tuple(step for step in whole.steps if own(step.name)),
        rules={relation: specs for relation, specs in whole.rules.items() if own(relation)},
        deduplicate=_deduplicated(pipeline, name),
        tables=tables,
        spilled={relation: columns for relation, columns in whole.spilled.items() if own(relation)},
        relation=name,
        matches=tuple(match for match in whole.matches if pipeline.origin(match.relation) == name),
        sought=frozenset(of_source(pipeline, whole.matches, name)),
    )


def _deduplicated(pipeline: Pipeline, source: str) -> tuple[str, ...]:
    found = pipeline.deduplications.get(source)
    return found.columns if found else ()


def _types(spec: CheckSpec, pipeline: Pipeline) -> dict[str, str]:
    """The types of the columns that a rule sees, where they are known: those of the source."""
    source = pipeline.sources.get(spec.relation)
    if source is None:
        return {}
    declared = pipeline.privacy.get(spec.relation, {})
    marks = declared if spec.rule.scope == "slot" else {}
    dropped = {name for name, mark in declared.items() if mark.kind == "drop"}
    return {name: PROTECTED if name in marks else kind.name for name, kind in source.columns if name not in dropped}


def _shapes(pipeline: Pipeline, readings: Mapping[str, Reading]) -> dict[str, Shape]:
    """The proven shape of every SQL step, in order, so that each knows the columns of the ones before it."""
    columns: dict[str, tuple[str, ...]] = {name: reading.columns for name, reading in readings.items()}
    shapes: dict[str, Shape] = {}
    for step in pipeline.order():
        if not step.query:
            continue
        shape = analyse(step.query, step.inputs, columns, where=str(step.place))
        _check_promises(step, shape)
        shapes[step.name] = shape
        columns[step.name] = shape.columns
    return shapes


def _refuse_wide_quarantine(pipeline: Pipeline, chunked: set[str]) -> None:
    for spec, place in pipeline.rules:
        if spec.severity == "quarantine" and spec.relation not in chunked:
            raise StepError(
                f"the check {spec.rule.text} cannot put rows of the wide step {spec.relation!r} aside",
                at=str(place),
                why="its rows come from many source rows, and what enters a wide step is kept",
                fix="test the rows before they enter it, let those without a partner wait (matched), "
                "or give the check severity='stop' or severity='warn'",
            )


def _check_promises(step: Step, shape: Shape) -> None:
    if step.rowwise and not shape.rowwise:
        raise StepError(f"step {step.name!r} is not row-wise", at=str(step.place), why=shape.why)
    if shape.filters and not step.filters:
        raise StepError(
            f"step {step.name!r} leaves rows out (WHERE), but does not say so",
            at=str(step.place),
            why="every row has one fate; a filter is a fate that an author declares",
            fix="add filters=True to the step",
        )


def _chunk_level(pipeline: Pipeline, shapes: Mapping[str, Shape]) -> set[str]:
    found = set(pipeline.sources)
    for step in pipeline.order():
        rowwise = shapes[step.name].rowwise if step.query else bool(step.rowwise)
        if rowwise and len(step.inputs) == 1 and step.inputs[0] in found:
            found.add(step.name)
    return found


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


def _tables(
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
            tables.append(TablePlan(spec, loading.to, base, base in chunked, sql, _combine(spec), key=key))
        else:
            base = loading.relation if declared.key else _row_grain(declared, normalization, origin)
            read, within = base in pipeline.sources, keys.get(base, {})
            distinct = not read and not declared.key
            sql = normal.owned_rows(loading.table, declared, normalization, GOOD + base, distinct=distinct, once=within)
            doubts = _doubts(loading, declared, normalization, base, read=read, keys=within)
            whole = bool(declared.key)
            tables.append(TablePlan(spec, loading.to, base, base in chunked, sql, doubts=doubts, whole=whole))
    return tuple(tables)


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


def _step_plan(
    step: Step,
    shape: Shape | None,
    chunked: set[str],
    needed: Mapping[str, set[str] | None],
    readers: int,
    keys: once.Keys,
) -> StepPlan:
    within = step.name in chunked
    if shape is None:
        return StepPlan(
            step.name, step.inputs, within, function=step.function, forms=step.forms,
            counted=within and not step.filters, filters=step.filters,
        )  # fmt: skip
    values = once.computed(step, shape) if step.per_distinct else ()
    if not within:  # what enters a wide step leaves its row behind: nothing that follows is told apart by rows
        return StepPlan(step.name, step.inputs, within, step.query, filters=step.filters)
    columns, sql, each = stored_columns(shape, needed.get(step.name)), shape.sql, ""
    if step.per_distinct:
        wanted = columns or shape.columns
        each = once.values(step, values, keys)
        columns, sql = (), once.rows(step, shape, wanted, keys)
    return StepPlan(
        step.name, step.inputs, within, sql, each, counted=not shape.preserves and not step.filters,
        filters=step.filters, stored=readers > 1, columns=columns,
    )  # fmt: skip


def _spilled(
    steps: tuple[StepPlan, ...], rules: Mapping[str, tuple[CheckSpec, ...]], chunked: set[str]
) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for step in steps:
        if not step.chunked:
            found |= {name: () for name in step.inputs if name in chunked}
    for relation, specs in rules.items():
        if relation in chunked and relation not in found and any(spec.rule.scope == "slot" for spec in specs):
            found[relation] = ()
    return found


def _fingerprint(pipeline: Pipeline, steps: tuple[StepPlan, ...], tables: tuple[TablePlan, ...]) -> str:
    """A digest of everything that can change the rows: recorded with each generation, never compared for newness."""
    parts: list[str] = [
        repr(pipeline.sources),
        repr(pipeline.parts),
        repr(sorted(pipeline.privacy.items())),
        repr(pipeline.deduplications),
    ]
    parts += [f"{step.name} {step.inputs} {step.each} {step.sql} {_source_of(step.function)}" for step in steps]
    parts += [repr((table.spec, table.targets, table.sql)) for table in tables]
    parts += [f"boundary {step.name}" for step in pipeline.steps.values() if step.boundary]
    parts += [f"{spec.relation} {spec.rule.text} {spec.severity}" for spec, _ in pipeline.rules]
    parts += [f"{match.relation} {match.text}" for match in pipeline.matches]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _source_of(function: Callable[..., Any] | None) -> str:
    if function is None:
        return ""
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        return repr(getattr(function, "__code__", function))
