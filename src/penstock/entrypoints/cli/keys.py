"""Keys of pipelines with several sources: `status --ready` shows them, `backfill` fills in what a pipeline missed."""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from penstock.authoring.arrivals import Uploads
from penstock.authoring.tables import singular
from penstock.authoring.triggers import Upload
from penstock.entrypoints.cli import account, past
from penstock.entrypoints.cli.lookup import one_of, project_of
from penstock.entrypoints.cli.output import Output
from penstock.entrypoints.cli.run import listener, runs_of, tell
from penstock.errors import UsageError
from penstock.model.readiness import Mark, Readiness
from penstock.model.slots import Standing

if TYPE_CHECKING:
    from penstock.wiring.gathering import Key
    from penstock.wiring.local import Project
    from penstock.wiring.outcomes import Outcome

FAILURES = 3
MOST_AT_ONCE = 100
"""Keys that are filled in together."""
HERE, MISSING = "✓", "·"


def show_keys(project: Project, names: Sequence[str], out: Output) -> None:
    """The grid of each pipeline: its keys, which sources are there, and what became of it."""
    for name in names:
        condition, keys = project.conditions[name], project.keys(name)
        for key in keys:
            out.record(facts(condition, key, [as_captured(project, part, key) for part in condition.by]))
        out.say(f"{out.paint('bold', name)}  {sum(key.ready for key in keys):,} of {len(keys):,} keys are complete")
        sources = [need.name for need in condition.needs]
        rows = [_row(condition, key, sources) for key in keys]
        if rows:
            out.table((*(condition.by or ("key",)), *sources, "state"), rows)
    if not names:
        out.say("no pipeline has several sources")


def as_captured(project: Project, part: str, key: Key) -> str:
    """A part of a key as it stands in paths: `20220226`, where the ledger keeps the date."""
    value = key.state.parts[part]
    for pipeline in project.pipelines.values():
        trigger = pipeline.trigger
        templates = [trigger.template] if isinstance(trigger, Upload) else []
        templates += trigger.templates.values() if isinstance(trigger, Uploads) else []
        text = next((item.text_of(part, value) for item in templates if part in item.names), value)
        if text != value:
            return text
    return value


def facts(condition: Readiness, key: Key, values: Sequence[str]) -> dict[str, Any]:
    """A key as one record; `values` are its parts."""
    persisted = {f"{singular(need.name)}_persisted": need.name in key.state.names for need in condition.needs}
    return {
        "pipeline": condition.pipeline,
        "key": key.state.address,
        "partition_key": values[0] if values else None,
        "sort_key": values[1] if len(values) > 1 else None,
        **persisted,
        "ready": key.ready,
        "missing": list(key.missing),
        "standing": key.standing or None,
        "run": key.run or None,
        "overdue": key.state.overdue,
    }


def _row(condition: Readiness, key: Key, sources: Sequence[str]) -> tuple[str, ...]:
    parts = tuple(key.state.parts[name] for name in condition.by) or ("all",)
    here = tuple(MISSING if source in key.missing else HERE for source in sources)
    state = key.standing or ("late" if key.state.overdue else "waiting")
    return (*parts, *here, state)


# --- backfill ------------------------------------------------------------------------------------------------------


def arguments_backfill(parser: ArgumentParser) -> None:
    """The arguments of `backfill`."""
    parser.add_argument("pipeline", help="a pipeline that waits for tables of others, or has a schedule")
    parser.add_argument(
        "range", nargs="?", default="", metavar="FROM..TO", help="values of the key's last part, or days"
    )
    parser.add_argument("--yes", action="store_true", help="do it (default: print what would be done)")
    parser.add_argument("--failures", type=int, default=FAILURES, help=f"stop at so many failures ({FAILURES})")


def backfill(options: Namespace, out: Output) -> int:
    """Let a pipeline catch up: on keys that were loaded before it was declared, or on firings of a past range."""
    with project_of(options) as project:
        pipeline = one_of("pipeline", options.pipeline, project.pipelines)
        if pipeline in project.schedules and project.fires(pipeline):
            return past.backfill(project, pipeline, options, out)
        if project.polls(pipeline):
            raise UsageError(
                f"the past of {pipeline} cannot be polled",
                why="a feed shows its newest reading only",
                fix="send records with ps.writer, or POST them",
            )
        if pipeline not in project.derived:
            raise UsageError(
                f"pipeline {pipeline!r} has no schedule, and waits for no table",
                fix="penstock run PIPELINE --reload   loads files again",
            )
        missed = project.missed(pipeline, _range(options.range))
        _plan(project, pipeline, missed, out)
        if not options.yes:
            out.say("nothing was done: add --yes")
            return 0
        began = time.monotonic()
        outcomes = _fill(project, missed, options.failures, out)
        runs = runs_of(outcomes)
        tell(runs, pipeline, out, seconds=time.monotonic() - began)
    return account.exit_code(runs)


def _range(text: str) -> tuple[str, str]:
    first, dots, last = text.partition("..")
    return (first, last) if dots else (text, text)


def _plan(project: Project, pipeline: str, missed: Mapping[str, Sequence[Mark]], out: Output) -> None:
    condition = project.conditions[pipeline]
    for address, marks in missed.items():
        lacking = condition.missing({mark.member.name for mark in marks if not mark.gone})
        state = f"lacks {', '.join(lacking)}" if lacking else "complete"
        out.say(f"  {out.mark('open' if lacking else 'good')} {address}  {state}")
        out.event("backfill_planned", pipeline=pipeline, key=address, missing=lacking)


def _fill(project: Project, missed: Mapping[str, Sequence[Mark]], most_failures: int, out: Output) -> list[Outcome]:
    """The first key alone, then twice as many at a time for as long as none fails: ready keys cost little together, and
    a pipeline that is wrong fails with few. An interruption leaves whole keys."""
    found: list[Outcome] = []
    waiting, failures, many = list(missed.items()), 0, 1
    with out.progress("backfill") as progress:
        while waiting and failures < most_failures:
            some, waiting = waiting[:many], waiting[many:]
            outcomes = project.settle(project.backfill(dict(some)), listener(out, progress))
            found += outcomes
            failed = len({item.generation.slot for item in outcomes if _failed(item)})
            failures, many = failures + failed, 1 if failed else min(many * 2, MOST_AT_ONCE)
            progress.update(len(missed) - len(waiting), f"of {len(missed)} keys")
    if failures >= most_failures:
        out.say(f"stopped after {failures} failures: {len(waiting)} keys are left")
    return found


def _failed(outcome: Outcome) -> bool:
    """By the key's own standing: those that it shared a run with may be loaded."""
    return outcome.run is not None and outcome.generation.standing is not Standing.LOADED
