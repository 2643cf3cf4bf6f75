"""Ready triggers: keys that are complete, each of which sets a pipeline off, to the same results made by hand."""

from __future__ import annotations

from functools import partial

from benchmarks.harness import Task
from benchmarks.report import Goal, Report, middle
from benchmarks.stage import Stage

HAND = "DuckDB by hand: a query, a Parquet file and a commit for each key"
TOGETHER, SINGLY = "penstock, keys that are ready at once", "penstock, one key after the other"
FEWER = 10
"""One after the other takes long, and tells as much with so many times fewer keys."""


def ready(stage: Stage) -> Report:
    """Each task tells how many keys a second have come through; ratios of these, since a start is not the matter."""
    count = stage.scale.keys
    tasks = [
        _task(stage, HAND, "by_hand", count),
        _task(stage, TOGETHER, "together", count),
        _task(stage, SINGLY, "singly", max(1, count // FEWER)),
    ]
    measured = stage.run(tasks, min(stage.scale.rounds, 3))
    rates = {
        task.name: middle(m.figures["rate"] for m in measured if m.task == task.name and not m.wrong) for task in tasks
    }

    def slower(task: str) -> float | None:
        one, other = rates[task], rates[HAND]
        return other / one if one and other else None

    goals = [
        Goal("keys ready at once, to results by hand", slower(TOGETHER), 3),
        Goal("keys one after the other, to results by hand", slower(SINGLY), 40),
    ]
    told = "; ".join(f"{name} {rate:,.0f}/s" for name, rate in rates.items() if rate)
    return Report(f"{count:,} ready triggers ({told})", HAND, measured, goals)


def _task(stage: Stage, name: str, kind: str, count: int) -> Task:
    command = (stage.python, stage.driver("ready"), stage.folder / "ready", kind, str(count))
    return Task(name, command, ready=partial(stage.cleared, "ready"))
