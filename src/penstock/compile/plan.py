"""From a pipeline's definition to a plan: relations in order, tests, tables, each as SQL.

A relation is at *chunk level* when it is row-wise all the way from the source; it is computed for each chunk of rows.
Everything else is at *slot level* and sees a whole delivery.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from penstock.authoring.matching import Matched
from penstock.authoring.pipeline import SOURCE, Pipeline
from penstock.authoring.rules import CheckSpec
from penstock.authoring.sources import Source
from penstock.authoring.steps import Step
from penstock.authoring.tables import Target
from penstock.compile import once
from penstock.compile.boundaries import boundary_of
from penstock.compile.fitting import PROTECTED, check_columns
from penstock.compile.matching import of_source, ordered
from penstock.compile.needs import needed_columns, readers_of, stored_columns
from penstock.compile.outputs import TablePlan, table_plans
from penstock.compile.readiness import check_parts
from penstock.compile.reading import Reading
from penstock.compile.rowwise import Shape, analyse
from penstock.compile.tables import refuse_unknown, relations_of
from penstock.errors import StepError


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
    tables = table_plans(pipeline, shapes, chunked, normalizations, keys)
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
