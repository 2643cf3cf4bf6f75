"""`status`: how every pipeline stands, what failed first."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from penstock.entrypoints.cli import account
from penstock.entrypoints.cli.jobs import Job, jobs
from penstock.entrypoints.cli.lookup import one_of, project_of
from penstock.entrypoints.cli.output import Output
from penstock.model.firings import Firing, FiringState
from penstock.model.messages import MessageState
from penstock.model.refusals import Waiting
from penstock.model.runs import Run, RunState
from penstock.model.slots import Standing
from penstock.model.streams import Level
from penstock.wiring.names import is_gone

if TYPE_CHECKING:
    from penstock.ledger.port import Ledger
    from penstock.wiring.gathering import Key
    from penstock.wiring.local import Project

RECENT = 50
LATE = timedelta(minutes=5)
"""What waits for longer than this, though it could be worked on, is late: nobody serves, or too few workers do."""
SHOWN_KEYS = 5
TROUBLE = (Standing.REFUSED, Standing.STOPPED, Standing.SUSPENDED, Standing.DEAD)
# The worst first: what a person must look at stands on top.
ORDER = ("failed", "suspended", "retrying", "running", "waiting", "ok", "never ran")


@dataclass(frozen=True, slots=True)
class Trouble:
    """A delivery that needs a person."""

    run: str
    slot: str
    standing: Standing
    error: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Health:
    """How one pipeline stands: its last run, what waits, what is running, and what needs a person."""

    pipeline: str
    state: str
    waiting: int = 0
    since: datetime | None = None
    """When the oldest delivery that waits for a worker was accepted."""
    retries: tuple[Run, ...] = ()
    last: Run | None = None
    troubled: tuple[Trouble, ...] = ()
    running: tuple[Job, ...] = ()
    firing: Firing | None = None
    """The last one, where a pipeline is due by itself or pulls."""
    stream: Level | None = None
    """What waits in its stream."""
    file_due: datetime | None = None
    """When that becomes a file."""
    version: tuple[int, int] = (0, 0)
    """The version of its tables that readers see, and the newest; 0 where the lake has none."""
    overdue: tuple[Key, ...] = ()
    """Keys whose deadline has passed, and that still lack something."""
    aside: tuple[Waiting, ...] = ()
    """Rows that a destination refused."""

    @property
    def well(self) -> bool:
        return self.state not in ("failed", "suspended", "retrying")

    def late(self, now: datetime) -> bool:
        """Whether anything could have been worked on for a while, and nobody has; or should have come, and has not."""
        if self.overdue:
            return True
        moments = [self.since, self.file_due, *(run.retry_at for run in self.retries)]
        return any(moment is not None and now - moment > LATE for moment in moments)


def arguments_status(parser: ArgumentParser) -> None:
    """The arguments of `status`."""
    parser.add_argument("pipeline", nargs="?", help="only this one")
    parser.add_argument("--ready", action="store_true", help="what is there of each key, and what became of it")
    parser.add_argument("--items", action="store_true", help="what became of each of the last deliveries, too")
    parser.add_argument(
        "--check", action="store_true", help="exit code 1 when anything failed, is being retried or is late"
    )


def status(options: Namespace, out: Output) -> int:
    """Print how every pipeline stands."""
    with project_of(options) as project:
        names = (
            [one_of("pipeline", options.pipeline, project.pipelines)] if options.pipeline else list(project.pipelines)
        )
        if options.ready:
            from penstock.entrypoints.cli.keys import show_keys

            show_keys(project, [name for name in names if name in project.conditions], out)
            return 0
        found = sorted((_health(project, name) for name in names), key=lambda item: ORDER.index(item.state))
        now = project.clock()
        for item in found:
            out.record(facts(item, now))
        _print(project, found, now, out)
        for name in names:
            _show_items(project, name, out, wanted=options.items)
        if not options.pipeline:
            _print_strays(project, out)
        _print_unsent(project.ledger, out)
    return 1 if options.check and not all(item.well and not item.late(now) for item in found) else 0


def _health(project: Project, pipeline: str) -> Health:
    """As the ledger has it, and what the ledger does not know: the stream, and the version that readers see."""
    overdue = tuple(project.late_keys(pipeline))
    item = replace(health(project.ledger, pipeline), version=project.shown(pipeline), overdue=overdue)
    found = project.waiting(pipeline)
    stream, level = found or (None, Level())
    if stream is None or level.oldest is None:
        return item
    return replace(item, stream=level, file_due=level.oldest + timedelta(seconds=stream.size.seconds))


def health(ledger: Ledger, pipeline: str, gone: Callable[[str], bool] = is_gone) -> Health:
    """Judge a pipeline by its recent runs and by what the ledger holds of their deliveries now.

    `gone` says whether the process of a worker is there no more.
    """
    runs = ledger.runs(pipeline=pipeline, limit=RECENT)
    troubled = tuple(_unsettled(ledger, runs))
    waiting, oldest = ledger.pending([pipeline]), ledger.oldest(pipeline)
    firing = next(iter(ledger.firings(pipeline, 1)), None)
    return Health(
        pipeline,
        _of_firing(firing, _state(runs, troubled, waiting)),
        waiting,
        oldest.accepted_at if oldest else None,
        tuple(run for run in runs if run.state is RunState.WAITING),
        runs[0] if runs else None,
        troubled,
        tuple(jobs(ledger, pipeline, runs, gone)),
        firing,
        aside=tuple(ledger.waiting(pipeline)),
    )


def facts(item: Health, now: datetime) -> dict[str, Any]:
    """A pipeline's standing as one record."""
    last = item.last
    return {
        "pipeline": item.pipeline,
        "state": item.state,
        "waiting": item.waiting,
        "waiting_since": item.since,
        "late": item.late(now),
        "overdue": [{"key": key.state.address, "missing": list(key.missing)} for key in item.overdue],
        "stream": _stream_facts(item.stream),
        "version": {"published": item.version[0], "newest": item.version[1]} if item.version[0] else None,
        "retries": [
            {"run": run.id, "retry_at": run.retry_at, "attempt": run.attempt, **(run.error or {})}
            for run in item.retries
        ],
        "run": last.id if last else None,
        "run_state": last.state.value if last else None,
        "at": (last.finished_at or last.created_at) if last else None,
        "rows": last.fates.as_dict() if last else None,
        "problems": [
            {"slot": found.slot, "run": found.run, "standing": found.standing.value, **found.error}
            for found in item.troubled
        ],
        "running": [job.as_dict() for job in item.running],
        "firing": _firing_facts(item.firing),
        "retriable": dict(last.retries) if last else {},
        "refused": _refused(item),
    }


def _stream_facts(level: Level | None) -> dict[str, Any] | None:
    return {"records": level.rows, "bytes": level.bytes, "since": level.oldest} if level else None


def _refused(item: Health) -> dict[str, int]:
    """How many rows wait because a destination refused them, and how many are parked."""
    asides = [each.aside for each in item.aside]
    return {"waiting": sum(len(each.lines) for each in asides), "parked": sum(len(each.parked) for each in asides)}


def _firing_facts(firing: Firing | None) -> dict[str, Any] | None:
    if firing is None:
        return None
    error = dict(firing.error) if firing.error else None
    return {
        "id": firing.id,
        "due": firing.due,
        "state": firing.state.value,
        "attempt": firing.attempt,
        "retry_at": firing.moment if firing.state is FiringState.WAITING else None,
        "held_until": firing.held_until,
        "error": error,
    }


def ago(moment: datetime | None, now: datetime) -> str:
    """`12 s ago`, `3 min ago`, `5 h ago`, `2 d ago`."""
    return "–" if moment is None else f"{lasting(now - moment)} ago"


def lasting(time: timedelta) -> str:
    """`12 s`, `3 min`, `5 h`, `2 d`; no time for what is to come."""
    seconds = max(0, int(time.total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _unsettled(ledger: Ledger, runs: Sequence[Run]) -> Iterator[Trouble]:
    """Deliveries that ended badly and that no newer generation of their slot has replaced."""
    seen = set()
    for run, generation in ((held, generation) for held in runs for generation in held.generations):
        if generation.slot in seen:
            continue
        seen.add(generation.slot)
        current = ledger.current(generation.slot) if generation.standing in TROUBLE else None
        if current is not None and current.number == generation.number and current.standing in TROUBLE:
            result = run.result(generation.slot)
            error = (result.error if result else None) or run.error or {}
            yield Trouble(run.id, generation.slot.address, current.standing, dict(error))


def _state(runs: Sequence[Run], troubled: Sequence[Trouble], waiting: int) -> str:
    if any(run.state is RunState.PARTIAL for run in runs[:1]):
        return "failed"
    if troubled:
        return "suspended" if all(item.standing is Standing.SUSPENDED for item in troubled) else "failed"
    for state, word in ((RunState.WAITING, "retrying"), (RunState.RUNNING, "running")):
        if any(run.state is state for run in runs):
            return word
    if waiting:
        return "waiting"
    return "ok" if runs else "never ran"


def _of_firing(firing: Firing | None, otherwise: str) -> str:
    """What a pipeline's last firing says of it: there is nothing to load where nothing could be fetched."""
    words = {FiringState.FAILED: "failed", FiringState.WAITING: "retrying", FiringState.ACTING: "running"}
    word = words.get(firing.state, otherwise) if firing else otherwise
    return min(word, otherwise, key=ORDER.index)


def _print(project: Project, found: Sequence[Health], now: datetime, out: Output) -> None:
    out.say(f"{out.paint('bold', project.settings.project)}  env {project.settings.environment}")
    marks = {"ok": "good", "failed": "bad", "suspended": "bad"}
    for item in found:
        last = f"run {item.last.id}, {ago(item.last.finished_at or item.last.created_at, now)}" if item.last else ""
        waiting = f"{item.waiting:,} waiting" if item.waiting else ""
        rows = account.fates(item.last.fates) if item.last and item.last.state.final else ""
        stream = f"{_records(item.stream.rows)} in the stream" if item.stream else ""
        parts = [text for text in (item.state, last, rows, waiting, stream) if text]
        out.say(f"  {out.mark(marks.get(item.state, 'open'))} {item.pipeline:<20} {' · '.join(parts)}")
        for line in _late(item, now):
            out.say(f"      {line}")
        for trouble in item.troubled:
            out.say(f"      {trouble.slot}  run {trouble.run}  {trouble.standing}: {_told(trouble.error)}")
        for line in _more(item, now):
            out.say(f"      {line}")
    if found and not all(item.well for item in found):
        out.say("\npenstock logs RUN tells what happened; penstock redrive sends dead and suspended work on its way.")


def _more(item: Health, now: datetime) -> Iterator[str]:
    """An older version that readers see, a fetch that failed, rows that wait, and what is running."""
    published, newest = item.version
    if published != newest:
        yield (
            f"readers see version {published} of its tables, not the newest, {newest}"
            f" (penstock publish {item.pipeline} newest)"
        )
    if item.firing and (item.firing.error or item.firing.held_until):
        yield _firing_line(item.firing, now)
    if item.last and item.last.retries:
        yield f"retriable rows of its last run: {account.counted(item.last.retries)}"
    refused = {word: rows for word, rows in _refused(item).items() if rows}
    if refused:
        yield f"refused by a destination: {account.counted(refused)} (the next run tries those that wait again)"
    for job in item.running:
        word = "cut off" if job.cut_off else "running"
        yield f"{word}: {job.id}  {job.stage}, attempt {job.attempt}, since {ago(job.since, now)}  {job.worker}"


def _firing_line(item: Firing, now: datetime) -> str:
    error = item.error or {}
    what = f": {error.get('code', '')} {error.get('message', '')}" if error else ""
    waits = item.state in (FiringState.DUE, FiringState.WAITING) and item.moment is not None and item.moment > now
    when = f" · again in {lasting(item.moment - now)}" if waits and item.moment else ""
    asked = ", as its source asks" if when and item.moment == item.held_until else ""
    return f"firing {item.id}  {item.state}{what}{when}{asked}"


def _records(number: int) -> str:
    return f"{number:,} record{'' if number == 1 else 's'}"


def _show_items(project: Project, name: str, out: Output, *, wanted: bool) -> None:
    """The last ingestions. Programs get those of a pipeline that names them without asking."""
    if not wanted and not (out.json and project.pipelines[name].tracked):
        return
    found = list(items(project, name))
    for item in found:
        out.record(item)
    if found:
        out.say("")
        out.table(tuple(found[0]), [tuple(item.values()) for item in found])


def items(project: Project, name: str, limit: int = RECENT) -> Iterator[dict[str, Any]]:
    """A pipeline's last ingestions, newest first, under the names that it gives them."""
    from penstock.authoring.items import DEFAULT
    from penstock.runtime.items import fields_of, ingests, item_of

    forms, boundary = project.pipelines[name].tracked or DEFAULT, project.plans[name].boundary
    runs: dict[str, Run | None] = {}
    for generation in project.ledger.generations(name, limit):
        if ingests(generation):
            if generation.run not in runs:
                runs[generation.run] = project.ledger.run(generation.run) if generation.run else None
            yield item_of(forms, fields_of(generation, runs[generation.run], boundary))


def _print_strays(project: Project, out: Output) -> None:
    """Files that lie in the landing zone and fit no pipeline."""
    found = project.strays()
    for stray in found:
        out.record({"stray": stray.address, "near": stray.near or None, "why": stray.why or None})
    for line in account.stray_lines(found, out):
        out.say(line)


def _print_unsent(ledger: Ledger, out: Output) -> None:
    """Messages that no channel has taken yet, or will."""
    unsent = ledger.messages([MessageState.WAITING, MessageState.DEAD], limit=RECENT)
    for channel in sorted({item.channel for item in unsent}):
        mine = [item for item in unsent if item.channel == channel]
        dead = sum(item.state is MessageState.DEAD for item in mine)
        error = next((item.error for item in mine if item.error), None) or {}
        out.record({"channel": channel, "waiting": len(mine) - dead, "dead": dead, "error": dict(error)})
        text = f"messages: {len(mine) - dead:,} waiting, {dead:,} dead"
        why = f"{error.get('code', '')} {error.get('message', '')}: {error.get('why', '')}" if error else ""
        out.say(f"  {out.mark('bad' if dead else 'open')} notify {channel:<13} {text}{' · ' if why else ''}{why}")
    if any(item.state is MessageState.DEAD for item in unsent):
        out.say("penstock doctor --notify tries the channels; penstock redrive --messages sends them again.")


def _told(error: Mapping[str, str]) -> str:
    return f"{error.get('code', '')} {error.get('message', '')}"


def _late(item: Health, now: datetime) -> Iterator[str]:
    """What is not loaded yet although it was accepted: since when, and when it is tried again."""
    if item.since and now - item.since > LATE:
        yield f"late: the oldest delivery has waited for {lasting(now - item.since)} (penstock serve works)"
    if item.file_due and now - item.file_due > LATE:
        yield f"late: the stream's records should be a file since {lasting(now - item.file_due)} (penstock serve works)"
    for key in item.overdue[:SHOWN_KEYS]:
        yield f"late: {key.state.address} lacks {', '.join(key.missing)}"
    if len(item.overdue) > SHOWN_KEYS:
        yield f"late: {len(item.overdue) - SHOWN_KEYS:,} more keys (penstock status {item.pipeline} --ready)"
    for run in item.retries:
        due = run.retry_at or now
        when = f"due since {lasting(now - due)}" if now - due > LATE else f"again in {lasting(due - now)}"
        failed = f"attempt {run.attempt} failed: {_told(run.error)}; " if run.error else ""
        yield f"run {run.id}  {failed}{when}"
