"""From the triggers of all pipelines to the conditions that the ledger keeps: who waits for what, by which key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from penstock.authoring.arrivals import Ready, Uploads
from penstock.authoring.pipeline import Pipeline
from penstock.authoring.triggers import Upload
from penstock.errors import DefinitionError, TriggerError, nearest
from penstock.model.readiness import Need, Readiness


def conditions(
    pipelines: Mapping[str, Pipeline], fingerprints: Mapping[str, str] | None = None
) -> dict[str, Readiness]:
    """The condition of every pipeline with several inputs, by its name.

    Raises `DefinitionError` for a table that nobody loads, for a key whose parts a table's pipeline does not have, and
    for pipelines that wait for each other.
    """
    homes = _homes(pipelines)
    found = {
        name: _condition(pipeline, homes, pipelines, (fingerprints or {}).get(name, ""))
        for name, pipeline in pipelines.items()
        if pipeline.several
    }
    for name in found:
        _refuse_circle(name, found, pipelines)
    return found


def triggers(conditions: Mapping[str, Readiness]) -> dict[str, tuple[Readiness, ...]]:
    """Who waits for each pipeline's tables."""
    found: dict[str, tuple[Readiness, ...]] = {}
    for condition in conditions.values():
        for pipeline in {need.pipeline for need in condition.needs if need.pipeline}:
            found[pipeline] = (*found.get(pipeline, ()), condition)
    return found


def watched(conditions: Mapping[str, Readiness], pipeline: str) -> frozenset[str]:
    """The tables of a pipeline that others wait for."""
    needs = (need for condition in conditions.values() for need in condition.needs)
    return frozenset(need.table for need in needs if need.pipeline == pipeline)


def parts_of(pipeline: Pipeline) -> tuple[str, ...]:
    """The captured parts that a pipeline's deliveries have."""
    trigger = pipeline.trigger
    if isinstance(trigger, Upload):
        return trigger.template.names
    return trigger.by if isinstance(trigger, Uploads | Ready) else ()


def check_parts(pipeline: Pipeline) -> None:
    """Raise `TriggerError` for parts that are to be columns, but that no path captures."""
    known = parts_of(pipeline)
    for part in pipeline.parts:
        if part not in known:
            raise TriggerError(
                f"pipeline {pipeline.name!r}: no path captures the part {part!r}",
                at=str(pipeline.place),
                fix=nearest(part, known) or "capture it in the trigger's template: {" + part + "}",
            )


def _homes(pipelines: Mapping[str, Pipeline]) -> dict[str, list[str]]:
    """The pipelines that load each table."""
    homes: dict[str, list[str]] = {}
    for name, pipeline in pipelines.items():
        for loading in pipeline.loadings:
            homes.setdefault(loading.table, []).append(name)
    return homes


def _condition(
    pipeline: Pipeline, homes: Mapping[str, list[str]], pipelines: Mapping[str, Pipeline], fingerprint: str
) -> Readiness:
    trigger = pipeline.trigger
    by = parts_of(pipeline)
    needs = tuple(_needs(pipeline, homes))
    for need in needs:
        known = parts_of(pipelines[need.pipeline]) if need.pipeline else by
        for part in by:
            if part not in known:
                raise TriggerError(
                    f"pipeline {pipeline.name!r}: the table {need.table!r} has no part {part!r}",
                    at=str(pipeline.place),
                    why=f"it is loaded by {need.pipeline!r}, whose deliveries have {', '.join(known) or 'no parts'}",
                    fix=nearest(part, known) or "capture it in the path: {" + part + "}",
                )
    deadline = trigger.deadline if isinstance(trigger, Uploads | Ready) else None
    return Readiness(pipeline.name, by, needs, fingerprint, deadline)


def _needs(pipeline: Pipeline, homes: Mapping[str, list[str]]) -> Iterator[Need]:
    for name, source in pipeline.sources.items():
        if not source.reads_table:
            yield Need(name)
            continue
        found = homes.get(source.of, [])
        if len(found) != 1:
            who = "two pipelines load" if found else "no pipeline loads"
            raise DefinitionError(
                f"pipeline {pipeline.name!r}: {who} the table {source.of!r}",
                at=str(pipeline.place),
                why=f"they are: {', '.join(found)}" if found else "",
                fix="give one of the tables another name" if found else nearest(source.of, homes),
            )
        yield Need(name, found[0], source.of)


def _refuse_circle(start: str, found: Mapping[str, Readiness], pipelines: Mapping[str, Pipeline]) -> None:
    """Raise for a pipeline that waits for itself, in however many steps."""
    way, waiting = {start}, [start]
    while waiting:
        for need in found[waiting.pop()].needs:
            if need.pipeline == start:
                raise DefinitionError(
                    f"pipeline {start!r} waits for itself",
                    at=str(pipelines[start].place),
                    why=f"what it loads leads back to the table {need.table!r}",
                )
            if need.pipeline in found and need.pipeline not in way:
                way.add(need.pipeline)
                waiting.append(need.pipeline)
