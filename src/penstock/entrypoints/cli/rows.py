"""Rejected rows: `quarantine` lists, shows and exports them, `replay` runs them again."""

from __future__ import annotations

import time
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from penstock.entrypoints.cli import account
from penstock.entrypoints.cli.fixes import edited, export, forms, texts
from penstock.entrypoints.cli.lookup import address_of, one_of, project_of, run_of
from penstock.entrypoints.cli.output import Output
from penstock.entrypoints.cli.run import listener, runs_of, tell
from penstock.errors import UnknownName, UsageError
from penstock.model.reasons import worded
from penstock.runtime.healing import OPEN, PARKED, Reject, Selection

if TYPE_CHECKING:
    from penstock.runtime.worker import Listener
    from penstock.wiring.local import Project
    from penstock.wiring.outcomes import Outcome

ACTIONS = ("list", "show", "export")
SHOWN_ROWS = 50
NOTHING_WAITS = "no row waits in quarantine"
NO_LINE = "–"


def arguments_quarantine(parser: ArgumentParser) -> None:
    """The arguments of `quarantine`."""
    parser.add_argument("action", nargs="?", default="list", help="list (default), show or export")
    parser.add_argument("about", nargs="?", help="a run or a pipeline (default: everything)")
    _arguments(parser)
    parser.add_argument("--all", action="store_true", help="healed and superseded rows, too")
    parser.add_argument("--limit", type=int, default=SHOWN_ROWS, help=f"rows that show prints ({SHOWN_ROWS}, 0: all)")
    parser.add_argument("--to", metavar="FILE", help="where export writes: .csv or .jsonl")
    parser.add_argument("--text", action="store_true", help="with show: lines without columns as they were delivered")


def arguments_replay(parser: ArgumentParser) -> None:
    """The arguments of `replay`."""
    parser.add_argument("pipeline", nargs="?", help="only rows of this pipeline")
    parser.add_argument("--run", metavar="RUN", help="rows that this run rejected")
    _arguments(parser)
    parser.add_argument("--fixes", metavar="FILE", help="edits: a file of quarantine export with corrected values")


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--rule", metavar="TEXT", default="", help="rows with this reason, or the one that contains this text"
    )
    parser.add_argument("--slot", metavar="ADDRESS", default="", help="rows of this delivery")
    parser.add_argument("--on", metavar="DATE", type=day_of, help="rows that were rejected on this day")


def day_of(text: str) -> date:
    """A day that a person typed."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no day such as 2024-03-01") from None


def quarantine(options: Namespace, out: Output) -> int:
    """List, show or export rejected rows."""
    action, about = options.action, options.about
    if action not in ACTIONS and not about:
        action, about = "list", action
    one_of("action", action, ACTIONS)
    with project_of(options) as project:
        rejects = project.rejects(_selection(project, options, about, () if options.all else (OPEN, PARKED)))
        if action == "export":
            _export(project, rejects, options.to, out)
        elif out.json:
            for reject, text in _with_texts(project, rejects, wanted=options.text):
                out.record(reject.as_dict() if text is None else {**reject.as_dict(), "text": text})
        elif action == "show":
            _show(_with_texts(project, rejects, wanted=options.text), options.limit, out)
        else:
            _list(rejects, out, every=options.all)
    return 0


def replay(options: Namespace, out: Output) -> int:
    """Run rejected rows again."""
    with project_of(options) as project:
        selection = _selection(project, options, options.run or options.pipeline, (OPEN, PARKED))
        began = time.monotonic()
        rejects = list(project.rejects(selection))
        _point_out(project.outdated(rejects), out)
        with out.progress("replay") as progress:
            hear = listener(out, progress)
            runs = runs_of(list(_replayed(project, selection, rejects, options.fixes, hear)))
        if not runs:
            out.say("there is nothing to replay")
        tell(runs, selection.pipeline, out, seconds=time.monotonic() - began)
    return account.exit_code(runs)


def _point_out(outdated: Mapping[str, int], out: Output) -> None:
    """Who replays should know whether another definition judges the rows this time."""
    for pipeline, rows in outdated.items():
        were = "1 row was" if rows == 1 else f"{rows:,} rows were"
        out.say(f"the definition of {pipeline} has changed since {were} rejected: the present one judges now")
        out.event("definition_changed", pipeline=pipeline, rows=rows)


def _replayed(
    project: Project, selection: Selection, rejects: Sequence[Reject], fixes: str | None, hear: Listener
) -> Iterator[Outcome]:
    """All that is selected as it is; or, with fixes, the rows that were edited, delivery by delivery."""
    if not rejects:
        return
    if not fixes:
        yield from project.replay(selection, listener=hear)
        return
    for slot, edits in edited(Path(fixes), rejects, forms(project.pipelines)).items():
        lines = tuple(edit["line"] for edit in edits)
        chosen = replace(selection, pipeline=slot.pipeline, slot=slot.address, lines=lines)
        yield from project.replay(chosen, edits, hear)


def grouped(rejects: Iterable[Reject]) -> list[tuple[str, str, str, int, int | str]]:
    """Address, reason, status, rows and first line, the most frequent first; rows of wide steps have no line."""
    counts: Counter[tuple[str, str, str]] = Counter()
    first: dict[tuple[str, str, str], int] = {}
    for reject in rejects:
        for reason in reject.reasons:
            group = (reject.slot, worded(reason), reject.status)
            counts[group] += 1
            first.setdefault(group, reject.line)
    return [(*group, rows, first[group] or NO_LINE) for group, rows in counts.most_common()]


def _selection(project: Project, options: Namespace, about: str | None, status: tuple[str, ...]) -> Selection:
    pipeline, run = "", ""
    if about in project.pipelines:
        pipeline = about
    elif about:
        try:
            found = run_of(project, about)
        except UnknownName:
            known = [*project.pipelines, *(item.id for item in project.ledger.runs())]
            raise UnknownName.among("run or pipeline", about, known) from None
        pipeline, run = found.pipeline, found.id
    since = datetime.combine(options.on, datetime.min.time(), UTC) if options.on else None
    until = since + timedelta(days=1) if since else None
    slot = address_of(project, [pipeline] if pipeline else project.pipelines, options.slot) if options.slot else ""
    selection = Selection(pipeline, run, slot, "", since, until, status=status)
    return replace(selection, rule=_rule(project, selection, options.rule)) if options.rule else selection


def _rule(project: Project, selection: Selection, text: str) -> str:
    """The one reason that a person means by a part of it."""
    reasons = {reason for reject in project.rejects(selection) for reason in reject.reasons}
    meant = [reason for reason in reasons if text in (reason, worded(reason))]
    meant = meant or sorted(reason for reason in reasons if text.lower() in f"{reason}\n{worded(reason)}".lower())
    if len(meant) == 1:
        return meant[0]
    if not meant:
        raise UnknownName.among("reason", text, map(worded, reasons))
    fix = "write more of one: " + "; ".join(map(worded, meant))
    raise UsageError(f"{len(meant)} reasons contain {text!r}", fix=fix)


def _list(rejects: Iterable[Reject], out: Output, *, every: bool) -> None:
    """Count the rows; of those that wait the status says nothing new, of all of them it does."""
    groups = grouped(rejects)
    if not groups:
        out.say("no row was ever set aside" if every else NOTHING_WAITS)
        return
    head = ("delivery", "reason", "status", "rows", "first line")
    shown = [place for place, name in enumerate(head) if every or name != "status"]
    out.table([head[place] for place in shown], [[group[place] for place in shown] for group in groups])
    out.say("\npenstock quarantine show RUN           prints the rows")
    out.say("penstock quarantine export --to FILE   writes them, to be edited and replayed")


def _with_texts(project: Project, rejects: Iterator[Reject], *, wanted: bool) -> Iterator[tuple[Reject, str | None]]:
    """What was delivered stays in the landing zone; whoever asks for it reads it from there."""
    return project.texts(rejects) if wanted else ((reject, None) for reject in rejects)


def _show(rejects: Iterator[tuple[Reject, str | None]], limit: int, out: Output) -> None:
    shown = 0
    for reject, text in islice(rejects, limit or None):
        shown += 1
        state = "" if reject.status == OPEN else f"  ({reject.status})"
        place = f"{reject.slot}:{reject.line or NO_LINE}"
        out.say(f"{out.paint('bold', place)}  run {reject.run}{state}")
        for reason in reject.reasons:
            out.say(f"  {out.paint('yellow', worded(reason))}")
        values = texts(reject.row) if reject.row is not None else {"shape": reject.shape}
        out.say("  " + "  ".join(f"{name}={value or '–'}" for name, value in values.items()))
        for line in text.splitlines() if text is not None else ():
            out.say(f"  | {line}")
    more = next(rejects, None) is not None
    out.say(f"{shown:,} row{'' if shown == 1 else 's'}{', and more: --limit 0 shows all' if more else ''}")


def _export(project: Project, rejects: Iterable[Reject], target: str | None, out: Output) -> None:
    rows = export(rejects, target, forms(project.pipelines))
    out.say(f"{rows:,} row{'' if rows == 1 else 's'} → {target}")
    out.say(f"correct the values, then: penstock replay --fixes {quote(target or '')}" if rows else NOTHING_WAITS)
    out.event("quarantine_exported", rows=rows, file=target)
