"""Rejected rows: `quarantine` lists, shows and exports them, `replay` runs them again."""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.entrypoints.cli import account
from penstock.entrypoints.cli.lookup import one_of, project_of, run_of
from penstock.entrypoints.cli.output import Output, encode
from penstock.entrypoints.cli.run import listener, runs_of, tell
from penstock.errors import StorageUnavailable, UnknownName, UsageError
from penstock.model.slots import Slot
from penstock.runtime.healing import OPEN, PARKED, Reject, Selection

if TYPE_CHECKING:
    from penstock.runtime.worker import Listener
    from penstock.wiring.local import Project
    from penstock.wiring.outcomes import Outcome

ACTIONS = ("list", "show", "export")
SHOWN_ROWS = 50
HEAD = ("pipeline", "run", "slot", "generation", "line", "reasons")


def arguments_quarantine(parser: ArgumentParser) -> None:
    """The arguments of `quarantine`."""
    parser.add_argument("action", nargs="?", default="list", help="list (default), show or export")
    parser.add_argument("about", nargs="?", help="a run or a pipeline (default: everything)")
    _arguments(parser)
    parser.add_argument("--all", action="store_true", help="healed and superseded rows, too")
    parser.add_argument("--limit", type=int, default=SHOWN_ROWS, help=f"rows that show prints ({SHOWN_ROWS}, 0: all)")
    parser.add_argument("--to", metavar="FILE", help="where export writes: .csv or .jsonl")


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
    parser.add_argument("--on", metavar="DATE", type=date.fromisoformat, help="rows that were rejected on this day")


def quarantine(options: Namespace, out: Output) -> int:
    """List, show or export rejected rows."""
    action, about = options.action, options.about
    if action not in ACTIONS and not about:
        action, about = "list", action
    one_of("action", action, ACTIONS)
    with project_of(options) as project:
        rejects = project.rejects(_selection(project, options, about, () if options.all else (OPEN, PARKED)))
        if action == "export":
            _export(rejects, options.to, out)
        elif out.json:
            for reject in rejects:
                out.record(reject.as_dict())
        elif action == "show":
            _show(rejects, options.limit, out)
        else:
            _list(rejects, out)
    return 0


def replay(options: Namespace, out: Output) -> int:
    """Run rejected rows again."""
    with project_of(options) as project:
        selection = _selection(project, options, options.run or options.pipeline, (OPEN, PARKED))
        began = time.monotonic()
        with out.progress("replay") as progress:
            runs = runs_of(list(_replayed(project, selection, options.fixes, listener(out, progress))))
        if not runs:
            out.say("there is nothing to replay")
        tell(runs, selection.pipeline, out, seconds=time.monotonic() - began)
    return account.exit_code(runs)


def _replayed(project: Project, selection: Selection, fixes: str | None, hear: Listener) -> Iterator[Outcome]:
    """All that is selected as it is; or, with fixes, the rows that were edited, delivery by delivery."""
    rejects = list(project.rejects(selection))
    if not rejects:
        return
    if not fixes:
        yield from project.replay(selection, listener=hear)
        return
    for slot, edits in edited(Path(fixes), rejects).items():
        lines = tuple(edit["line"] for edit in edits)
        chosen = replace(selection, pipeline=slot.pipeline, slot=slot.address, lines=lines)
        yield from project.replay(chosen, edits, hear)


def grouped(rejects: Iterable[Reject]) -> list[tuple[str, str, int, int]]:
    """Address, reason, rows and first line, the most frequent first."""
    counts: Counter[tuple[str, str]] = Counter()
    first: dict[tuple[str, str], int] = {}
    for reject in rejects:
        for reason in reject.reasons:
            counts[reject.slot, reason] += 1
            first.setdefault((reject.slot, reason), reject.line)
    return [(slot, reason, rows, first[slot, reason]) for (slot, reason), rows in counts.most_common()]


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
    selection = Selection(pipeline, run, options.slot, "", since, until, status=status)
    return replace(selection, rule=_rule(project, selection, options.rule)) if options.rule else selection


def _rule(project: Project, selection: Selection, text: str) -> str:
    """The one reason that a person means by a part of it."""
    reasons = {reason for reject in project.rejects(selection) for reason in reject.reasons}
    meant = sorted(reason for reason in reasons if text.lower() in reason.lower())
    if text in meant or len(meant) == 1:
        return text if text in meant else meant[0]
    if not meant:
        raise UnknownName.among("reason", text, reasons)
    raise UsageError(f"{len(meant)} reasons contain {text!r}", fix="write more of one: " + "; ".join(meant))


def _list(rejects: Iterable[Reject], out: Output) -> None:
    groups = grouped(rejects)
    if not groups:
        out.say("no row waits in quarantine")
        return
    out.table(("delivery", "reason", "rows", "first line"), groups)
    out.say("\npenstock quarantine show RUN   prints the rows")
    out.say("penstock quarantine export --to FILE   writes them, to be edited and replayed")


def _show(rejects: Iterator[Reject], limit: int, out: Output) -> None:
    shown = 0
    for reject in islice(rejects, limit or None):
        shown += 1
        state = "" if reject.status == OPEN else f"  ({reject.status})"
        out.say(f"{out.paint('bold', f'{reject.slot}:{reject.line}')}  run {reject.run}{state}")
        for reason in reject.reasons:
            out.say(f"  {out.paint('yellow', reason)}")
        values = list(reject.row.items()) if reject.row is not None else [("shape", reject.shape)]
        out.say("  " + "  ".join(f"{name}={'–' if value is None else value}" for name, value in values))
    more = next(rejects, None) is not None
    out.say(f"{shown:,} row{'' if shown == 1 else 's'}{', and more: --limit 0 shows all' if more else ''}")


def _export(rejects: Iterable[Reject], target: str | None, out: Output) -> None:
    if not target or Path(target).suffix not in (".csv", ".jsonl"):
        raise UsageError("export writes a .csv or a .jsonl file", fix="penstock quarantine export --to rejected.csv")
    path = Path(target)
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            rows = _write_csv(rejects, file) if path.suffix == ".csv" else _write_lines(rejects, file)
    except OSError as error:
        raise StorageUnavailable("the file cannot be written", at=target, why=error.strerror or "") from error
    out.say(f"{rows:,} row{'' if rows == 1 else 's'} → {target}")
    out.say(f"correct the values, then: penstock replay --fixes {target}")
    out.event("quarantine_exported", rows=rows, file=target)


def _write_lines(rejects: Iterable[Reject], file: Any) -> int:
    rows = 0
    for rows, reject in enumerate(rejects, 1):  # noqa: B007  the count is the result
        file.write(encode(reject.as_dict()) + "\n")
    return rows


def _write_csv(rejects: Iterable[Reject], file: Any) -> int:
    """One column for each name that any row has, behind where the row stands and why."""
    import csv

    found = list(rejects)
    names = list(dict.fromkeys(name for reject in found for name in reject.row or ()))
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*HEAD, *names])
    for reject in found:
        head = [getattr(reject, name) for name in HEAD[:-1]]
        writer.writerow([*head, "; ".join(reject.reasons), *(_text((reject.row or {}).get(name)) for name in names)])
    return len(found)


# --- edits -----------------------------------------------------------------------------------------------------------


def edited(path: Path, rejects: Iterable[Reject]) -> dict[Slot, list[dict[str, Any]]]:
    """By delivery, the values that differ from what was exported, each as text as the file would have it."""
    known = {(reject.slot, reject.line): reject for reject in rejects}
    found: dict[Slot, list[dict[str, Any]]] = {}
    for address, line, values in _edits(path):
        reject = known.get((address, line))
        if reject is None:
            raise UsageError(
                f"line {line} of {address!r} is not among the rejected rows",
                at=str(path),
                why="it was healed or superseded, or the place was edited",
                fix="penstock quarantine export   writes those that are open now",
            )
        before = {name: _text(value) for name, value in (reject.row or {}).items()}
        changed = {name: value for name, value in values.items() if value != before.get(name, "")}
        if changed:
            slot = Slot(reject.pipeline, address)
            found.setdefault(slot, []).append({"slot": address, "line": line, "set": changed})
    if not found:
        raise UsageError("no value was changed", at=str(path), fix="edit the file, or replay without --fixes")
    return found


def _edits(path: Path) -> Iterator[tuple[str, int, dict[str, str]]]:
    """Address, line and values as text of each row of an export."""
    import csv
    import json

    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            if path.suffix == ".jsonl":
                for record in map(partial(json.loads, parse_float=str, parse_int=str), file):
                    yield (
                        record["slot"],
                        int(record["line"]),
                        {k: _text(v) for k, v in (record.get("row") or {}).items()},
                    )
                return
            for row in csv.DictReader(file, strict=True):
                yield row["slot"], int(row["line"]), {k: v or "" for k, v in row.items() if k and k not in HEAD}
    except FileNotFoundError:
        fix = "penstock quarantine export --to FILE   writes one"
        raise UsageError(f"there is no file {str(path)!r}", fix=fix) from None
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        why = f"{type(error).__name__}: it needs the columns slot and line, as it was exported"
        raise UsageError("the edits cannot be read", at=str(path), why=why, fix="export them again") from error


def _text(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
