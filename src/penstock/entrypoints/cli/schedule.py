"""`schedule`: which pipelines are due when, and switching that on and off."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from penstock.entrypoints.cli.account import as_error
from penstock.entrypoints.cli.lookup import one_of, project_of
from penstock.entrypoints.cli.output import Output
from penstock.entrypoints.cli.status import ago
from penstock.errors import UsageError
from penstock.model.firings import Firing, FiringState

if TYPE_CHECKING:
    from penstock.wiring.firings import Planned

WORDS = ("list", "enable", "disable")
MARKS = {FiringState.FAILED: "bad", FiringState.DONE: "good", FiringState.UNCHANGED: "good"}


def arguments_schedule(parser: ArgumentParser) -> None:
    """The arguments of `schedule`."""
    parser.add_argument("action", nargs="?", default="list", metavar="list|enable|disable", help="default: list")
    parser.add_argument("pipeline", nargs="?", help="whose schedule (list: default all)")


def schedule(options: Namespace, out: Output) -> int:
    """List schedules with what is next and what was last, or switch one on or off."""
    action = one_of("action", options.action, WORDS)
    if action != "list" and not options.pipeline:
        raise UsageError(f"penstock schedule {action} needs a pipeline", fix="penstock schedule list")
    with project_of(options) as project:
        name = one_of("pipeline", options.pipeline, project.pipelines) if options.pipeline else ""
        if action != "list":
            project.switch(name, on=action == "enable", by="schedule")
        found = [item for item in project.planned() if name in ("", item.pipeline)]
        for item in found:
            out.record(facts(item))
            out.say(_line(item, out))
        if not found:
            out.say(f"pipeline {name} has no schedule" if name else "no pipeline has a schedule")
    return 0


def facts(item: Planned) -> dict[str, Any]:
    """One schedule as one record."""
    last, schedule = item.last, item.schedule
    return {
        "pipeline": item.pipeline,
        "schedule": schedule.cron or schedule.text,
        "tz": schedule.tz,
        "enabled": item.enabled,
        "missed_policy": schedule.missed.value,
        "next": item.next if item.enabled else None,
        "missed": item.timetable.missed if item.timetable else 0,
        "last": last.due if last else None,
        "last_firing": last.id if last else None,
        "last_state": last.state.value if last else None,
        "attempt": last.attempt if last else None,
        "error": dict(last.error) if last and last.error else None,
    }


def _line(item: Planned, out: Output) -> str:
    mark = out.mark(MARKS.get(item.last.state, "open") if item.last and item.enabled else "open")
    after = f"next {item.schedule.local(item.next):%Y-%m-%d %H:%M:%S}" if item.next else "never again"
    parts = [item.schedule.text, after if item.enabled else "switched off", told(item.last)]
    missed = item.timetable.missed if item.timetable else 0
    text = " · ".join([*parts, f"{missed:,} missed"] if missed else parts)
    return f"{mark} {item.pipeline:<20} {text}"


def told(last: Firing | None, now: datetime | None = None) -> str:
    """A firing in a few words, with what went wrong."""
    if last is None:
        return "never fired"
    error = as_error(last.error) if last.error else None
    what = f": {error.code} {error.what}" if error else ""
    return f"{last.state} {ago(last.finished_at or last.recorded_at, now or datetime.now(UTC))}{what}"
