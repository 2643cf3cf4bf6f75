"""`withdraw`: a delivery's rows leave the tables. `redrive`: dead and suspended work goes on, or is given up."""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from penstock.entrypoints.cli import account
from penstock.entrypoints.cli.lookup import RECENT_RUNS, address_of, one_of, project_of, run_of
from penstock.entrypoints.cli.output import Output
from penstock.entrypoints.cli.run import listener, runs_of, tell
from penstock.errors import UsageError
from penstock.model.messages import MessageState
from penstock.model.runs import Run, RunState
from penstock.model.slots import Standing

if TYPE_CHECKING:
    from penstock.wiring.local import Project


def arguments_withdraw(parser: ArgumentParser) -> None:
    """The arguments of `withdraw`."""
    parser.add_argument("pipeline", help="whose delivery")
    parser.add_argument("address", help="the file, as landing/… or its name")


def withdraw(options: Namespace, out: Output) -> int:
    """Take a delivery's rows out of every table. The raw file stays where it is."""
    with project_of(options) as project:
        pipeline = one_of("pipeline", options.pipeline, project.pipelines)
        address = address_of(project, [pipeline], options.address)
        began = time.monotonic()
        runs = runs_of([project.withdraw(pipeline, address)])
        seconds, code = time.monotonic() - began, account.exit_code(runs)
        if code:
            tell(runs, pipeline, out, seconds=seconds)
        else:
            out.say(f"{out.mark('good')} {address} is withdrawn; the file itself stays where it is")
            out.record(account.finished(runs, pipeline, seconds=seconds))
    return code


def arguments_redrive(parser: ArgumentParser) -> None:
    """The arguments of `redrive`."""
    parser.add_argument("runs", nargs="*", metavar="RUN", help="which runs (default: all that are dead)")
    parser.add_argument("--drop", action="store_true", help="give the work up instead")
    parser.add_argument("--messages", action="store_true", help="send messages again that no channel took")


def redrive(options: Namespace, out: Output) -> int:
    """Send runs on their way again: a dead one from the start, a suspended one without its rejected rows."""
    if options.messages:
        return _resend(options, out)
    with project_of(options) as project:
        wanted = [_stopped(run_of(project, name)) for name in options.runs] or _dead(project)
        if options.drop and not options.runs:
            raise UsageError("--drop gives deliveries up, so it names its runs", fix="penstock redrive RUN --drop")
        if not wanted:
            out.say("nothing is dead")
        for run in wanted:
            _send(project, run, out, drop=options.drop)
        began = time.monotonic()
        runs: list[Run] = []
        if wanted and not options.drop:
            with out.progress("redrive") as progress:
                project.work_until_idle(listener(out, progress))
            runs = [found for run in wanted if (found := project.ledger.run(run.id))]
        if runs:
            tell(runs, runs[0].pipeline, out, seconds=time.monotonic() - began)
    return account.exit_code(runs)


def _resend(options: Namespace, out: Output) -> int:
    with project_of(options) as project:
        count = project.ledger.resend(datetime.now(UTC))
        with project.telling():
            pass
        dead = len(project.ledger.messages([MessageState.DEAD]))
    out.say(f"{count:,} message{'' if count == 1 else 's'} sent again{f', {dead:,} in vain' if dead else ''}")
    out.event("messages_resent", messages=count, dead=dead)
    return 1 if dead else 0


def _dead(project: Project) -> list[Run]:
    return [run for run in project.ledger.runs(limit=RECENT_RUNS) if run.state is RunState.DEAD]


def _stopped(run: Run) -> Run:
    if not {Standing.DEAD, Standing.SUSPENDED} & {generation.standing for generation in run.generations}:
        raise UsageError(
            f"run {run.id!r} is {run.state}, so there is nothing to redrive",
            why="only dead and suspended work waits for a person",
            fix="penstock run PIPELINE FILE --reload   loads a delivery again",
        )
    return run


def _send(project: Project, run: Run, out: Output, *, drop: bool) -> None:
    now, by = datetime.now(UTC), "redrive"
    if drop:
        project.ledger.drop(run.id, now, by=by)
    elif any(generation.standing is Standing.SUSPENDED for generation in run.generations):
        project.ledger.release(run.id, now, by=by)
    else:
        project.ledger.redrive(run.id, now, by=by)
    word = "given up" if drop else "on its way again"
    out.say(f"run {run.id} ({run.pipeline}) is {word}")
    out.event("run_dropped" if drop else "run_redriven", run=run.id, pipeline=run.pipeline)
