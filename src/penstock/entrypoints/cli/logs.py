"""`logs`: what happened, in the order of the ledger."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections import deque
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from penstock.entrypoints.cli.lookup import project_of, run_of
from penstock.entrypoints.cli.output import Output
from penstock.errors import UnknownName
from penstock.model.events import Event

if TYPE_CHECKING:
    from penstock.ledger.port import Ledger
    from penstock.wiring.local import Project

RECENT = 50
PAGE = 1000
FOLLOW_SECONDS = 0.3


def arguments_logs(parser: ArgumentParser) -> None:
    """The arguments of `logs`."""
    parser.add_argument("about", nargs="?", help="a run or a pipeline (default: everything)")
    parser.add_argument("-f", "--follow", action="store_true", help="go on printing what happens")
    parser.add_argument("-n", "--lines", type=int, default=50, help="how many of the last events (default 50, 0: all)")


def logs(options: Namespace, out: Output) -> int:
    """Print the ledger's changes."""
    with project_of(options) as project:
        about = _about(project, options.about)
        after = last_sequence(project.ledger)
        recent = events_before(project.ledger, after, about, options.lines)
        for event in recent:
            show(event, out)
        if options.follow:
            _follow(project.ledger, after, about, out)
    return 0


def concerns(event: Event, about: str) -> bool:
    """Whether an event is about a pipeline or a run."""
    return not about or about in (event.source, event.subject) or event.data.get("run") == about


def show(event: Event, out: Output) -> None:
    """One event: a line for people, its envelope for programs."""
    details = "  ".join(f"{name}={_plain(value)}" for name, value in event.data.items() if value or value is False)
    moment = out.paint("dim", f"{event.time.astimezone():%Y-%m-%d %H:%M:%S}")
    out.say(f"{moment}  {event.source:<12} {event.type:<22} {event.subject}{'  ' + details if details else ''}")
    out.event(
        event.type.replace(".", "_"),
        sequence=event.sequence,
        time=event.time,
        pipeline=event.source,
        subject=event.subject,
        **{
            name: value for name, value in event.data.items() if name not in ("sequence", "time", "pipeline", "subject")
        },
    )


def _plain(value: Any) -> str:
    """A value of an event in a line of text."""
    if isinstance(value, Mapping):
        if "code" in value:
            return f"{value['code']} {value.get('message', '')}"
        return "(" + ", ".join(f"{name} {_plain(item)}" for name, item in value.items()) + ")"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _about(project: Project, name: str | None) -> str:
    if not name or name in project.pipelines:
        return name or ""
    try:
        return run_of(project, name).id
    except UnknownName as error:
        known = [*project.pipelines, *(run.id for run in project.ledger.runs(limit=RECENT))]
        raise error if error.what[0].isdigit() else UnknownName.among("run or pipeline", name, known) from None


def events_after(ledger: Ledger, after: int) -> Iterator[Event]:
    """Everything that was recorded after a sequence."""
    while batch := ledger.events(after):
        yield from batch
        after = batch[-1].sequence


def events_before(ledger: Ledger, last: int, about: str, most: int) -> list[Event]:
    """The last events up to a sequence that are about something, in order; `most=0` is all of them."""
    found: deque[Event] = deque()
    while last > 0 and (not most or len(found) < most):
        first = max(0, last - PAGE)
        page = [event for event in ledger.events(first, last - first) if concerns(event, about)]
        found.extendleft(reversed(page))
        last = first
    return list(found)[-most:]


def last_sequence(ledger: Ledger) -> int:
    """The sequence of the newest event, in a few questions however long the record is."""
    low, high = 0, 1
    while ledger.events(high, 1):
        low, high = high + 1, 2 * high
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if ledger.events(middle, 1) else (low, middle)
    return low


def _follow(ledger: Ledger, after: int, about: str, out: Output) -> None:
    import time

    while True:
        for event in events_after(ledger, after):
            after = event.sequence
            if concerns(event, about):
                show(event, out)
        time.sleep(FOLLOW_SECONDS)
