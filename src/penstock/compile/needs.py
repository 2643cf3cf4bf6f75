"""What is read of each step's relation: the columns worth keeping, and how often they are looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from penstock.authoring.pipeline import Pipeline
from penstock.authoring.rules import CheckSpec
from penstock.authoring.steps import Step
from penstock.authoring.tables import Entity, Owned
from penstock.compile import normal, once
from penstock.compile.rowwise import Shape

if TYPE_CHECKING:
    from penstock.compile.outputs import TablePlan


def needed_columns(
    pipeline: Pipeline,
    shapes: Mapping[str, Shape],
    tables: tuple[TablePlan, ...],
    rules: Mapping[str, tuple[CheckSpec, ...]],
    keys: Mapping[str, once.Keys],
) -> dict[str, set[str] | None]:
    """For each SQL step the columns that are read from it; None where all may be."""
    needed: dict[str, set[str] | None] = {}
    for step in reversed(pipeline.order()):
        wanted: set[str] | None = set()
        for table in tables:
            if table.relation == step.name:
                wanted = _add(wanted, _columns_of(table, pipeline, keys.get(step.name, {})))
        for spec in rules.get(step.name, ()):
            wanted = _add(wanted, set(spec.rule.columns) if spec.rule.columns else None)
        for reader in pipeline.steps.values():
            if step.name in reader.inputs:
                wanted = _add(wanted, _read_by(reader, shapes.get(reader.name), needed))
        needed[step.name] = wanted
    return needed


def _add(wanted: set[str] | None, more: set[str] | None) -> set[str] | None:
    return None if wanted is None or more is None else wanted | more


def _columns_of(table: TablePlan, pipeline: Pipeline, keys: once.Keys) -> set[str] | None:
    """What a table wants of its relation's rows, but for the `keys` that are in them anyway."""
    for normalization in pipeline.normalizations:
        declared = normalization.tables.get(table.spec.name)
        if isinstance(declared, Entity):
            return set() if table.spec.name in keys else {*declared.natural, *declared.attributes}
        if isinstance(declared, Owned):
            given = {normal.key_in_rows(entity) for entity in keys}
            return {*declared.columns, *normal.columns_of_references(declared, normalization, keys)} - given
    return None


def _read_by(reader: Step, shape: Shape | None, needed: Mapping[str, set[str] | None]) -> set[str] | None:
    if shape is None or not shape.rowwise or reader.filters:
        return None
    outputs = needed.get(reader.name)
    if not reader.per_distinct or outputs is None:
        outputs = set(shape.columns)  # the author's own text names all of them
    own = {reader.per_distinct} if reader.per_distinct else set()
    return own | {origin for name in outputs for origin in shape.requires.get(name, frozenset())}


def readers_of(pipeline: Pipeline, name: str, tables: tuple[TablePlan, ...], rules: Mapping[str, object]) -> int:
    """How often a step's relation is read: twice or more is worth keeping."""
    steps = sum(2 if step.per_distinct else 1 for step in pipeline.steps.values() if name in step.inputs)
    return steps + sum(2 for table in tables if table.relation == name) + (1 if name in rules else 0)


def stored_columns(shape: Shape, wanted: set[str] | None) -> tuple[str, ...]:
    """The columns of a step that are worth keeping; none where all may be needed."""
    if wanted is None or not shape.columns or not wanted <= set(shape.columns):
        return ()
    return tuple(name for name in shape.columns if name in wanted)
