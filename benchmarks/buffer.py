"""Durable acknowledgements: records that are sent one by one, to SQLite by hand and to a stream of Penstock."""

from __future__ import annotations

from functools import partial

from benchmarks.harness import Task
from benchmarks.report import Goal, Report, middle
from benchmarks.stage import Stage

SENDERS, BATCH = 32, 100
GROUPED, SINGLY = f"SQLite by hand, {SENDERS} records a commit", "SQLite by hand, one record a commit"
THREADS, BATCHES = f"penstock, {SENDERS} threads", f"penstock, {BATCH} records a call"
HTTP, HTTP_BATCHES = f"penstock by HTTP, {SENDERS} senders", f"penstock by HTTP, {BATCH} records a request"


def buffer(stage: Stage) -> Report:
    """Each task tells how many records a second were acknowledged; ratios of these, since a start is not the matter."""
    count = stage.scale.records
    kinds = {GROUPED: "grouped", SINGLY: "singly", THREADS: "threads", BATCHES: "batches", HTTP: "http"}
    kinds[HTTP_BATCHES] = "http_batches"
    tasks = [_task(stage, name, kind, count) for name, kind in kinds.items()]
    measured = stage.run(tasks, min(stage.scale.rounds, 3))
    rates = {name: middle(m.figures["rate"] for m in measured if m.task == name and not m.wrong) for name in kinds}

    def slower(task: str, base: str) -> float | None:
        one, other = rates[task], rates[base]
        return other / one if one and other else None

    goals = [
        Goal("threads, to grouped commits by hand", slower(THREADS, GROUPED), 6),
        Goal("threads, to one commit a record", slower(THREADS, SINGLY), 1),
        Goal("HTTP, to one commit a record", slower(HTTP, SINGLY), 4),
        Goal("HTTP in batches, to grouped commits by hand", slower(HTTP_BATCHES, GROUPED), 3),
    ]
    told = "; ".join(f"{name} {rate:,.0f}/s" for name, rate in rates.items() if rate)
    return Report(f"{count:,} durable acknowledgements ({told})", GROUPED, measured, goals)


def _task(stage: Stage, name: str, kind: str, count: int) -> Task:
    folder = stage.folder / "buffer"
    command = (stage.python, stage.driver("buffer"), folder, kind, str(count), str(SENDERS), str(BATCH))
    return Task(name, command, ready=partial(stage.cleared, "buffer"))
