"""What `run` does for a pipeline that nobody delivers to: it fires by hand. A feed is polled, once."""

from __future__ import annotations

from argparse import ArgumentTypeError, Namespace
from datetime import datetime
from typing import TYPE_CHECKING

from penstock.entrypoints.cli.account import as_error, finished
from penstock.entrypoints.cli.output import Output
from penstock.errors import UsageError
from penstock.model.firings import Fired, FiringState
from penstock.model.runs import RunState

if TYPE_CHECKING:
    from penstock.wiring.local import Project


def time_of(text: str) -> datetime:
    """A time that a person typed."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no time such as 2024-03-01 or 2024-03-01T06:00") from None


def fire(project: Project, pipeline: str, options: Namespace, out: Output) -> Fired | None:
    """Fetch, poll, or look for, what nobody delivers; None where files are delivered, or were named."""
    polls = bool(pipeline) and project.polls(pipeline)
    if polls and options.at:
        raise UsageError(f"{pipeline} cannot be polled as if it were then", why="a feed shows its newest reading only")
    # What is to be loaded again, or otherwise, is what has come already.
    meant = not options.files and not (polls and (options.reload or options.hard is not None))
    if not (meant and pipeline and (polls or project.fires(pipeline))):
        if options.at:
            raise UsageError("--at is the time of a firing", fix="penstock run PIPELINE --at 2024-03-01, without files")
        return None
    fired = project.fire(pipeline, at=options.at, reload=options.reload, hard=options.hard)
    item = fired.firing
    out.event(f"firing_{item.state}", firing=item.id, pipeline=pipeline, due=item.due, accepted=item.accepted)
    return fired


def tell(fired: Fired, out: Output, *, seconds: float) -> None:
    """What a firing came to, where no delivery says so."""
    error, pipeline = fired.firing.error, fired.firing.pipeline
    if error:
        out.fail(as_error(error))
        out.record({**finished([], pipeline, seconds=seconds), "state": RunState.FAILED.value, "errors": [dict(error)]})
    elif fired.firing.state is FiringState.UNCHANGED:
        out.say(f"  {out.mark('good')} nothing new since the last time")
    elif not fired.firing.accepted:
        out.say(f"  {out.mark('good')} polled: a new record")


def exit_code(fired: Fired | None) -> int:
    """0 unless the firing came to nothing."""
    return as_error(fired.firing.error).exit_code if fired and fired.firing.error else 0
