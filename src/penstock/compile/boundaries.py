"""The boundary behind a step: where it may lie, and the plan on both sides of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from penstock.compile.sql import quote_identifier
from penstock.errors import StepError
from penstock.model.rows import ROW

if TYPE_CHECKING:
    from penstock.authoring.pipeline import Pipeline
    from penstock.compile.plan import Plan, StepPlan

RELATION = "_kept"
"""The rows of the step with the boundary, as they come back."""


def boundary_of(pipeline: Pipeline, chunked: set[str]) -> str:
    """The step behind which the run has a boundary. Raises `StepError` where it cannot lie."""
    found = [step for step in pipeline.steps.values() if step.boundary]
    for step in found:
        if step.name not in chunked:
            why, fix = "its rows come from many source rows", "give the boundary to a row-wise step before it"
        elif pipeline.several:
            why, fix = "the pipeline has several sources", "leave boundary=True out"
        elif len(found) > 1:
            why, fix = f"step {found[0].name!r} has one, and a pipeline has one at most", "leave one of them out"
        else:
            continue
        raise StepError(f"step {step.name!r} cannot have a boundary", at=str(step.place), why=why, fix=fix)
    return found[0].name if found else ""


def before(plan: Plan) -> Plan:
    """The plan as far as the boundary: what leads to its step, and the tests that reading makes anyway."""
    rules = tuple(spec for spec in plan.rules.get(plan.relation, ()) if spec.rule.scope == "row")
    steps = tuple(step for step in plan.steps if step.name in _leading(plan))
    return replace(plan, steps=steps, rules={plan.relation: rules}, deduplicate=(), tables=(), spilled={})


def behind(plan: Plan) -> Plan:
    """The plan from the boundary on: its step gives back what was kept, and what only led to it is not run again."""
    leading = _leading(plan)
    others = [step for step in plan.steps if step.name not in leading]
    read = {name for step in others for name in step.inputs} | {table.relation for table in plan.tables}
    read |= {*plan.rules, *plan.spilled}
    steps = (step for step in plan.steps if step.name not in leading or step.name in read or step.name == plan.boundary)
    filters = any(step.filters for step in plan.steps if step.name in leading)
    return replace(plan, steps=tuple(_kept(step, plan, filters=filters) for step in steps))


def _kept(step: StepPlan, plan: Plan, *, filters: bool) -> StepPlan:
    if step.name != plan.boundary:
        return step
    # What only the whole delivery shows (a duplicate, say) leaves the source again after the step has made its rows.
    sql = f"SELECT * FROM {RELATION} SEMI JOIN {quote_identifier(plan.relation)} USING ({ROW})"
    return replace(
        step, inputs=(plan.relation,), sql=sql, each="", function=None, columns=(),
        counted=not filters, filters=filters, stored=False,
    )  # fmt: skip


def _leading(plan: Plan) -> set[str]:
    """The boundary's step and every step that it reads, directly or not."""
    inputs = {step.name: step.inputs for step in plan.steps}
    found, new = set(), {plan.boundary}
    while new:
        found |= new
        new = {name for step in new for name in inputs[step] if name in inputs} - found
    return found
