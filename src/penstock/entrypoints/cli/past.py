"""`backfill` of a pipeline with a schedule: the firings of a past range, each for its own time."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import dropwhile, takewhile
from typing import TYPE_CHECKING

from penstock.authoring.schedules import Schedule
from penstock.entrypoints.cli import account, firing
from penstock.entrypoints.cli.output import Output
from penstock.entrypoints.cli.run import listener, runs_of, tell
from penstock.errors import UsageError

if TYPE_CHECKING:
    from penstock.wiring.local import Project
    from penstock.wiring.outcomes import Outcome

DAY = "2024-03-01"


def backfill(project: Project, pipeline: str, options: Namespace, out: Output) -> int:
    """Fire for every time of the range for which nobody has fired yet."""
    schedule = project.schedules[pipeline]
    dues = _dues(schedule, options.range)
    settled = project.fired_for(pipeline)
    for due in dues:
        word = "done already" if due in settled else "to do"
        out.say(f"  {out.mark('good' if due in settled else 'open')} {schedule.local(due):%Y-%m-%d %H:%M:%S}  {word}")
        out.event("backfill_planned", pipeline=pipeline, due=due, done=due in settled)
    if not options.yes:
        out.say("nothing was done: add --yes")
        return 0
    began = time.monotonic()
    outcomes, code = _fill(project, pipeline, [due for due in dues if due not in settled], options.failures, out)
    runs = runs_of(outcomes)
    tell(runs, pipeline, out, seconds=time.monotonic() - began)
    return account.exit_code(runs) or code


def _fill(
    project: Project, pipeline: str, dues: Sequence[datetime], most_failures: int, out: Output
) -> tuple[list[Outcome], int]:
    """One after the other, so that an interruption leaves whole firings, and the next backfill goes on from there."""
    found: list[Outcome] = []
    failures = code = 0
    with out.progress("backfill") as progress:
        for number, due in enumerate(dues, 1):
            fired = project.fire(pipeline, at=due)
            outcomes = project.settle(fired.acceptances, listener(out, progress))
            found += outcomes
            code = code or firing.exit_code(fired)
            failures += bool(firing.exit_code(fired) or account.exit_code(runs_of(outcomes)))
            progress.update(number, f"of {len(dues)} firings")
            if failures >= most_failures:
                out.say(f"stopped after {failures} failures: {len(dues) - number} firings are left")
                break
    return found, code


def _dues(schedule: Schedule, text: str) -> list[datetime]:
    """The firings of a range; a day means all of it, in the schedule's time zone."""
    from penstock.runtime.schedules import firings

    first, dots, last = text.partition("..")
    if not first or (dots and not last):
        raise UsageError(
            "a backfill of a schedule needs both ends", fix=f"penstock backfill PIPELINE {DAY}..{DAY[:-1]}5"
        )
    begin, end = _moment(first, schedule), _moment(last or first, schedule)
    end += timedelta(days=1, microseconds=-1) if len(last or first) == len(DAY) else timedelta()
    found = firings(schedule, begin - timedelta(microseconds=1))
    return list(takewhile(lambda due: due <= end, dropwhile(lambda due: due < begin, found)))


def _moment(text: str, schedule: Schedule) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text!r} is no time such as {DAY} or {DAY}T06:00") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=schedule.zone)
