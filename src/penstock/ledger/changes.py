"""Changes of the record as events: what docs/reference/events.md lists.

Generations announce themselves: `generation_changes` compares two states of a run. What a run does is said by the
method that makes it happen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from penstock.model.events import Event
from penstock.model.readiness import KeyState
from penstock.model.refusals import Refused
from penstock.model.runs import Result, Run, RunState
from penstock.model.slots import Delivery, Generation, Slot, Standing
from penstock.model.strays import Stray
from penstock.model.surveys import Surveyed

ANNOUNCED = (
    Standing.LOADED,
    Standing.SUSPENDED,
    Standing.REFUSED,
    Standing.STOPPED,
    Standing.DEAD,
    Standing.DROPPED,
    Standing.SUPERSEDED,
)

TYPES = (
    "generation.accepted",
    "generation.duplicate",
    *(f"generation.{standing}" for standing in ANNOUNCED),
    "run.started",
    "run.resumed",
    "run.catalogued",
    "run.halfway",
    "run.prepared",
    "run.loaded",
    "run.finished",
    "run.waiting",
    "run.bisected",
    "run.refused",
    "run.restaged",
    "run.released",
    "run.redriven",
    "run.dropped",
    "table.published",
    "version.published",
    "schema.drifted",
    "readiness.overdue",
    "object.stray",
    "schedule.enabled",
    "schedule.disabled",
    "firing.recorded",
    "firing.missed",
    "firing.superseded",
    "firing.done",
    "firing.unchanged",
    "firing.waiting",
    "firing.failed",
)
"""Every type that the ledger emits."""


def accepted(generation: Generation) -> Event:
    """A delivery, reload, patch or withdrawal became its slot's next generation."""
    data = {"number": generation.number, "kind": str(generation.kind), "cause": generation.cause}
    if generation.heals:
        data["heals"] = generation.heals
    return _of_slot("generation.accepted", generation.slot, generation.accepted_at, data)


def repeated(delivery: Delivery, head: Generation, now: datetime) -> Event:
    """The same content arrived again; nothing is loaded."""
    data = {"number": head.number, "standing": str(head.standing), "cause": delivery.cause}
    return _of_slot("generation.duplicate", delivery.slot, now, data)


def superseded(generation: Generation, by: Generation) -> Event:
    """A generation that no run held gave way."""
    data = {"number": generation.number, "by": by.number}
    return _of_slot("generation.superseded", generation.slot, by.accepted_at, data)


def generation_changes(before: Run, after: Run, now: datetime) -> Iterator[Event]:
    """An event for each generation of a run that came to an end between two states of it."""
    results: dict[str, Result] = {}
    for old, new in zip(before.generations, after.generations, strict=True):
        if new.standing is old.standing or new.standing not in ANNOUNCED:
            continue
        results = results or {result.slot.address: result for result in after.results}
        data = {"number": new.number, "run": after.id, **_told(new.standing, results.get(new.slot.address))}
        yield _of_slot(f"generation.{new.standing}", new.slot, now, data)


def _told(standing: Standing, result: Result | None) -> dict[str, Any]:
    if result is None or standing is Standing.SUPERSEDED:
        return {}
    if standing is Standing.LOADED:
        return {"rows": dict(result.rows)}
    return {"error": dict(result.error)} if result.error else {}


def of_run(kind: str, run: Run, now: datetime, **data: Any) -> Event:
    """Something about a run; `kind` without the leading `run.`."""
    return Event(f"run.{kind}", run.pipeline, run.id, now, data)


def catalogued(run: Run, found: Sequence[Surveyed], now: datetime) -> Event:
    """The catalog is up to date."""
    return of_run("catalogued", run, now, attempt=run.attempt, tables={item.table: item.facts for item in found})


def drifted(pipeline: str, table: str, drift: Mapping[str, str], now: datetime, run: str = "") -> Event:
    """A column of a table has become another; `run` where one has found it."""
    return Event("schema.drifted", pipeline, table, now, {**drift, **({"run": run} if run else {})})


def refused(run: Run, rows: Sequence[Refused], now: datetime) -> Event:
    """Destinations would not take some rows; the run prepares again without them."""
    reasons = dict(Counter(item.reason for item in rows).most_common())
    return of_run("refused", run, now, attempt=run.attempt, rows=len(rows), reasons=reasons)


def finished(run: Run, now: datetime) -> Iterator[Event]:
    """The run is final: which tables its readers find changed, and how it ended, with rows by fate and by table."""
    loaded = run.loaded
    if run.state in (RunState.SUCCEEDED, RunState.PARTIAL):
        for table, rows in loaded.items():
            yield Event("table.published", run.pipeline, table, now, {"run": run.id, "rows": rows})
    error: Mapping[str, str] = run.error or {}
    facts = {"state": str(run.state), "rows": run.fates.as_dict(), "loaded": loaded, "error": dict(error)}
    retries = {"retries": run.retries} if run.retries else {}
    yield of_run("finished", run, now, **facts, **retries)


def stray(found: Stray, now: datetime) -> Event:
    """An object fits no pipeline."""
    return Event("object.stray", found.near, found.address, now, {"size": found.size, "why": found.why})


def late(state: KeyState, missing: Sequence[str], deadline: datetime, now: datetime) -> Event:
    """A key was not complete at its deadline."""
    data = {
        "key": dict(state.parts),
        "missing": list(missing),
        "here": sorted(state.names),
        "since": state.since.isoformat(),
        "deadline": deadline.isoformat(),
    }
    return Event("readiness.overdue", state.pipeline, state.address, now, data)


def _of_slot(kind: str, slot: Slot, now: datetime, data: Mapping[str, Any]) -> Event:
    return Event(kind, slot.pipeline, slot.address, now, data)
