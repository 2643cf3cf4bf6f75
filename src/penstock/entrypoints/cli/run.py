"""`run`: a pipeline, now, on the files that a person names or on everything that waits."""

from __future__ import annotations

import os
import time
from argparse import ArgumentParser, BooleanOptionalAction, Namespace
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.entrypoints.cli import account, catalog, firing, logs
from penstock.entrypoints.cli.lookup import project_of, subject_of
from penstock.entrypoints.cli.output import Output, Progress
from penstock.errors import UsageError
from penstock.model.runs import Run
from penstock.model.slots import Generation, Kind, Standing

if TYPE_CHECKING:
    from penstock.model.events import Event
    from penstock.model.firings import Fired
    from penstock.model.strays import Stray
    from penstock.wiring.local import Project
    from penstock.wiring.outcomes import Outcome

READING = "reading"
"""The stage under which a worker tells how far the reading has come (`penstock.runtime.worker`)."""


def arguments_run(parser: ArgumentParser) -> None:
    """The arguments of `run`."""
    parser.add_argument("pipeline", nargs="?", help="which pipeline (default: all)")
    parser.add_argument("files", nargs="*", metavar="FILE", help="files to receive and run (default: the landing zone)")
    parser.add_argument("--reload", action="store_true", help="load files again that are loaded already")
    parser.add_argument(
        "--hard",
        action=BooleanOptionalAction,
        default=None,
        help="suspend the run when a row fails a check, or let the row go aside (default: as the pipeline says)",
    )
    parser.add_argument("--at", metavar="TIME", type=firing.time_of, help="fire as if it were then: 2024-03-01T06:00")


@dataclass(slots=True)
class _Done:
    """What a command was asked for, and what came of it."""

    pipeline: str
    fired: Fired | None = None
    addresses: dict[str, list[str]] = field(default_factory=dict)
    """By pipeline."""
    outcomes: list[Outcome] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether what was to be fetched or polled was not."""
        return bool(firing.exit_code(self.fired))


def run(options: Namespace, out: Output) -> int:
    """Run, and print what became of every row."""
    files = _files(options.files)
    with project_of(options) as project:
        pipeline, first = subject_of(project, "run", options.pipeline)
        done, files = _Done(pipeline), [*_files(first), *files]
        began, before = time.monotonic(), _last_event(project)
        with out.progress(done.pipeline or "run") as progress:
            hear = listener(out, progress)
            done.fired = firing.fire(project, done.pipeline, options, out)
            if not done.fired:
                done.addresses = _offered(project, done.pipeline, files, options)
            _work(project, done, options, hear)
            if not done.pipeline and _speaks_of_all(options):
                _tell_fetched(project, options, out)
        _tell(project, done, out, seconds=time.monotonic() - began, before=before)
    return account.exit_code(done.runs) or firing.exit_code(done.fired)


def _work(project: Project, done: _Done, options: Namespace, hear: Callable[[str, Run], None]) -> None:
    if done.fired:
        done.outcomes = project.settle(done.fired.acceptances, hear)
    for name, addresses in done.addresses.items():
        done.outcomes += project.run(name, addresses, reload=options.reload, hard=options.hard, listener=hear)
    done.runs = runs_of(done.outcomes)
    if not done.addresses or not done.pipeline:
        # A firing finds nothing new where another one, which was killed, has taken it up: that waits, too.
        known = {run.id for run in done.runs}
        done.runs += [run for run in project.work_until_idle(hear, done.pipeline) if run.id not in known]


def _tell(project: Project, done: _Done, out: Output, *, seconds: float, before: int | None) -> None:
    """The account. What was polled and came to nothing has the last word."""
    if done.fired and not done.failed:
        firing.tell(done.fired, out, seconds=seconds)
    elif not (done.fired or done.addresses or done.pipeline):
        _point_out(list(project.intake.strays.values()), out)
    if not done.outcomes:
        for name in filter(project.conditions.__contains__, done.addresses):
            _tell_missing(project, name, out)
    for line in catalog.drift_lines(_events_since(project, before), out):
        out.say(line)
    if done.runs or not done.failed:
        speaks = "" if done.failed else done.pipeline
        tell(done.runs, speaks, out, seconds=seconds, duplicates=duplicates_of(done.outcomes))
    if done.fired and done.failed:
        firing.tell(done.fired, out, seconds=seconds)


def _speaks_of_all(options: Namespace) -> bool:
    """Whether an option is about files that are there already, whichever they are."""
    return options.reload or options.hard is not None


def _offered(
    project: Project, pipeline: str, files: Sequence[tuple[str, Path]], options: Namespace
) -> dict[str, list[str]]:
    """What each pipeline is to run, where anything is."""
    found = {name: _addresses(project, name, files, options) for name in _meant(project, pipeline, options)}
    return {name: addresses for name, addresses in found.items() if addresses}


def _meant(project: Project, pipeline: str, options: Namespace) -> list[str]:
    """The pipeline that was named; without one, those of which an option speaks, what follows from others last."""
    if pipeline:
        return [pipeline]
    names = [name for name in project.pipelines if not project.fires(name)] if _speaks_of_all(options) else []
    return sorted(names, key=project.derived.__contains__)


def _addresses(project: Project, pipeline: str, files: Sequence[tuple[str, Path]], options: Namespace) -> list[str]:
    """The files that were named, in the landing zone; every file of the pipeline where an option speaks of them all."""
    if files and project.pipelines[pipeline].several:
        return [project.bring(pipeline, source, path) for source, path in files]
    if files:
        return project.receive(pipeline, *(path for _, path in files))
    if options.reload and pipeline in project.conditions:
        return [key.state.address for key in project.keys(pipeline) if key.ready]
    if _speaks_of_all(options):
        from penstock.runtime.intake import takers

        own = {pipeline: project.pipelines[pipeline]}
        return [found.address for found in project.landing.scan() if takers(own, found.address)]
    return []


def _last_event(project: Project) -> int | None:
    """After which of the ledger's events this command's come; None where nobody asks for the catalog."""
    surveyed = any(pipeline.catalog for pipeline in project.pipelines.values())
    return logs.last_sequence(project.ledger) if surveyed else None


def _events_since(project: Project, sequence: int | None) -> Iterator[Event]:
    return iter(()) if sequence is None else logs.events_after(project.ledger, sequence)


def _tell_missing(project: Project, pipeline: str, out: Output) -> None:
    """What was brought completes nothing yet."""
    for key in project.keys(pipeline):
        if not key.ready:
            out.say(f"  {out.mark('open')} {key.state.address} waits for {', '.join(key.missing)}")
            out.event("key_waiting", pipeline=pipeline, key=key.state.address, missing=list(key.missing))


def _tell_fetched(project: Project, options: Namespace, out: Output) -> None:
    """What is fetched, or submitted by a schedule, begins there, and is asked for by its name."""
    words = " ".join(["--reload"] * options.reload + {True: ["--hard"], False: ["--no-hard"]}.get(options.hard, []))
    for name in filter(project.fires, project.pipelines):
        out.say(f"  {out.mark('open')} {name} fires, and was left alone: penstock run {name} {words}")


def runs_of(outcomes: Sequence[Outcome]) -> list[Run]:
    """The runs that speak for what was offered, each once: its own, or for what failed before the one that failed."""
    meant = [item for item in outcomes if not _is_duplicate(item)]
    addresses = {item.generation.slot.address for item in meant}
    runs = {item.run.id: item.run for item in meant if item.run}
    return [account.about(run, addresses) for run in runs.values()]


def duplicates_of(outcomes: Sequence[Outcome]) -> list[Generation]:
    """What was offered and is what its slot has already."""
    return [item.generation for item in outcomes if _is_duplicate(item)]


def _point_out(strays: Sequence[Stray], out: Output) -> None:
    """Files that lie in the landing zone and fit no pipeline: perhaps their names are misspelt."""
    for line in account.stray_lines(strays, out):
        out.say(line)
    for stray in strays:
        out.event("stray", address=stray.address)


def _is_duplicate(outcome: Outcome) -> bool:
    return not outcome.acceptance.fresh and outcome.generation.standing is Standing.LOADED


def listener(out: Output, progress: Progress) -> Callable[[str, Run], None]:
    """Tells of each boundary as it is reached: a JSON line for programs, progress for people."""
    read: dict[str, int] = {}

    def hear(stage: str, run: Run) -> None:
        read[run.id] = run.fates.read
        progress.update(sum(read.values()), stage)
        if stage != READING:
            name = f"run_{_past(stage)}"
            out.event(name, run=run.id, pipeline=run.pipeline, state=run.state.value, attempt=run.attempt)

    return hear


def tell(
    runs: Sequence[Run], pipeline: str, out: Output, *, seconds: float, duplicates: Sequence[Generation] = ()
) -> None:
    """The account of runs that are over. With `--json` each pipeline has a line `run_finished`: the one that was named
    has the last, behind those that its work has set off."""
    for line in account.delivery_lines(runs, out):
        out.say(line)
    for item in duplicates:
        name, word = item.slot.address.removeprefix("landing/"), _standing(item)
        out.say(f"  {out.mark('open')} {name}  {word} (to load it again: --reload)")
        out.event("delivery_duplicate", pipeline=pipeline, slot=item.slot.address)
    if not out.json:
        for error in account.failures(runs):
            out.fail(error)
    for line in account.summary(runs, seconds, out):
        out.say(line)
    others = dict.fromkeys(run.pipeline for run in runs if run.pipeline != pipeline)
    for name in (*others, pipeline) if pipeline or not others else others:
        own = [run for run in runs if run.pipeline == name]
        known = len(duplicates) if name == pipeline else 0
        out.record(account.finished(own, name, duplicates=known, seconds=seconds))


def _standing(duplicate: Generation) -> str:
    return "withdrawn, and the same file since" if duplicate.kind is Kind.WITHDRAWAL else "already loaded"


def _past(stage: str) -> str:
    return {"catalog": "catalogued", "prepare": "prepared", "load": "loaded", "publish": "published"}.get(stage, stage)


def _files(names: Sequence[str]) -> list[tuple[str, Path]]:
    """The files, each with the name of its source where one stands before it: `cases=us.csv`."""
    files = [_named(text) for text in names]
    for _, file in files:
        if not os.path.isfile(file):  # noqa: PTH113 - they may be thousands
            raise UsageError(f"there is no file {str(file)!r}", at=str(file.absolute()), fix="check the path")
    return files


def _named(text: str) -> tuple[str, Path]:
    source, separator, path = text.partition("=")
    named = separator and source.isidentifier() and not Path(text).exists()
    return (source, Path(path)) if named else ("", Path(text))
