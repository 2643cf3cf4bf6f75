"""What has become of each ingestion: a delivery's generation as an item. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from penstock.model.fates import Fates
from penstock.model.runs import Run, RunState, Stage
from penstock.model.slots import Generation, Kind, Standing

SUCCESS, FAILED, RUNNING, RETRYING = "success", "failed", "running", "retrying"
_STATUS = {
    Standing.LOADED: SUCCESS,
    Standing.REFUSED: FAILED,
    Standing.STOPPED: FAILED,
    Standing.DEAD: FAILED,
    Standing.SUSPENDED: "suspended",
    Standing.DROPPED: "dropped",
    Standing.SUPERSEDED: "superseded",
}
LOADS = (Stage.LOAD, Stage.PUBLISH)


def ingests(generation: Generation) -> bool:
    """Replays belong to the ingestion that they heal, and a withdrawal ingests nothing."""
    return generation.kind in (Kind.DELIVERY, Kind.RELOAD) and not generation.replays_whole


def state_of(generation: Generation, run: Run | None, boundary: str) -> tuple[str, str]:
    """The stage that an ingestion has come to, and how it stands there.

    `boundary` names the step behind which there is one: until then that is what happens.
    """
    first = boundary or str(Stage.PREPARE)
    testing = str(Stage.TEST) if boundary else first
    stage, status = _stage(run, first), _STATUS.get(generation.standing)
    if status is not None:
        ends = {
            Standing.LOADED: "load",
            Standing.REFUSED: first,
            Standing.STOPPED: testing,
            Standing.SUSPENDED: testing,
        }
        return ends.get(generation.standing, stage), status
    if run is None:
        return first, str(RunState.WAITING)
    return stage, RETRYING if run.state is RunState.WAITING else RUNNING


def _stage(run: Run | None, first: str) -> str:
    if run is None or run.stage is Stage.PREPARE:
        return first
    return "load" if run.stage in LOADS else str(run.stage)


def fields_of(generation: Generation, run: Run | None, boundary: str) -> dict[str, Any]:
    """Everything that can be said of an ingestion."""
    state, status = state_of(generation, run, boundary)
    result = run.result(generation.slot) if run else None
    fates = result.fates if result else Fates()
    error = (result.error if result else None) or {}
    kept = fates.kept if generation.standing is Standing.LOADED else 0
    return {
        **generation.parts,
        "accepted": generation.accepted_at,
        "attempts": _attempts(run, state, boundary),
        "error": f"{error.get('code', '')} {error.get('message', '')}".strip(),
        "failed": fates.quarantined,
        "loaded": kept,
        "number": generation.number,
        "pipeline": generation.slot.pipeline,
        "read": fates.read,
        "run": generation.run,
        "serial": generation.sequence,
        "slot": generation.slot.address,
        "state": state,
        "status": status,
    }


def _attempts(run: Run | None, state: str, boundary: str) -> int:
    """At the stage that it has come to."""
    stage = str(Stage.PREPARE) if state == boundary else state
    return run.tries.get(stage, 0) if run else 0


def item_of(forms: Mapping[str, str], fields: Mapping[str, Any]) -> dict[str, Any]:
    """An item: forms filled with fields. A form that is nothing but a number's name gives the number."""
    return {name: _filled(form, fields) for name, form in forms.items()}


def _filled(form: str, fields: Mapping[str, Any]) -> Any:
    alone = fields.get(form[1:-1]) if form[:1] == "{" and form[-1:] == "}" else None
    return alone if isinstance(alone, int) else form.format_map(_Known(fields))


class _Known(dict[str, Any]):
    """A part that this delivery's path did not have is empty: it was accepted under another template."""

    def __missing__(self, _name: str) -> _Nothing:
        return _Nothing()


class _Nothing:
    def __format__(self, _spec: str) -> str:
        return ""
