"""From measurements to medians, ratios, goals and tables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from benchmarks.harness import OVER_MEMORY, Measurement

MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Goal:
    """A promise about speed or size: a figure of this run and the limit that it must keep."""

    name: str
    figure: float | None
    limit: float
    unit: str = "x"
    at_least: bool = False

    @property
    def met(self) -> bool | None:
        """None where this run has no figure."""
        if self.figure is None:
            return None
        return self.figure >= self.limit if self.at_least else self.figure <= self.limit


@dataclass(frozen=True)
class Report:
    """One suite's result; ratios are to its base task."""

    title: str
    base: str
    measurements: list[Measurement]
    goals: list[Goal]


@dataclass(frozen=True)
class Summary:
    """A task's medians over its rounds, and its median ratio to the base task of the same rounds."""

    task: str
    rounds: int
    wall: float
    fastest: float
    slowest: float
    client: float
    server: float
    peak: int
    ratio: float | None
    wrong: str


# --- figures -----------------------------------------------------------------------------------------------------


def ratio(measured: Iterable[Measurement], task: str, base: str) -> float | None:
    """The median of the ratios between two tasks in the rounds that both have completed."""
    walls = {(each.task, each.round): each.wall for each in measured if not each.wrong}
    shared = [number for name, number in walls if name == task and (base, number) in walls]
    return middle(walls[task, number] / walls[base, number] for number in shared)


def figure(measured: Iterable[Measurement], task: str, name: str) -> float | None:
    """The median of a number that a task printed about itself."""
    return middle(
        each.figures[name] for each in measured if each.task == task and name in each.figures and not each.wrong
    )


def wall(measured: Iterable[Measurement], task: str) -> float | None:
    """The median seconds of a task."""
    return middle(each.wall for each in measured if each.task == task and not each.wrong)


def peak(measured: Iterable[Measurement], task: str) -> float | None:
    """The highest memory of a task in megabytes, that of a killed one included."""
    return max((each.peak / MEGABYTE for each in measured if each.task == task and _used(each)), default=None)


def _used(each: Measurement) -> bool:
    return not each.wrong or each.wrong == OVER_MEMORY


def middle(numbers: Iterable[float]) -> float | None:
    found = list(numbers)
    return median(found) if found else None


def summaries(report: Report) -> Iterator[Summary]:
    for task in dict.fromkeys(each.task for each in report.measurements):
        yield _summary([each for each in report.measurements if each.task == task], report)


def _summary(own: Sequence[Measurement], report: Report) -> Summary:
    walls = [each.wall for each in own]
    return Summary(
        task=own[0].task,
        rounds=len(own),
        wall=median(walls),
        fastest=min(walls),
        slowest=max(walls),
        client=median(each.client for each in own),
        server=median(each.server for each in own),
        peak=max(each.peak for each in own),
        ratio=ratio(report.measurements, own[0].task, report.base),
        wrong=next((each.wrong for each in own if each.wrong), ""),
    )


# --- tables ------------------------------------------------------------------------------------------------------

HEADINGS = ("", "n", "wall s", "min - max", "client cpu s", "server cpu s", "peak MB", "ratio", "")
VERDICTS = {True: "met", False: "MISSED", None: ""}


def table(report: Report) -> str:
    return f"{report.title}\n{aligned([HEADINGS, *map(_cells, summaries(report))])}"


def _cells(row: Summary) -> tuple[str, ...]:
    return (
        row.task,
        str(row.rounds),
        f"{row.wall:.3f}",
        f"{row.fastest:.2f} - {row.slowest:.2f}",
        f"{row.client:.2f}",
        f"{row.server:.2f}",
        f"{row.peak / MEGABYTE:.0f}",
        "" if row.ratio is None else f"{row.ratio:.2f}",
        f"WRONG: {row.wrong}" if row.wrong else "",
    )


def goal_table(goals: Iterable[Goal]) -> str:
    rows = [("Goals", "measured", "limit", "")]
    for goal in goals:
        measured = "-" if goal.figure is None else f"{goal.figure:.3g} {goal.unit}"
        bound = "at least" if goal.at_least else "at most"
        rows.append((goal.name, measured, f"{bound} {goal.limit:g} {goal.unit}", VERDICTS[goal.met]))
    return aligned(rows)


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell: the first and the last to the left, those between to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(_padded(row, widths)).rstrip() for row in rows)


def _padded(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    for place, (cell, width) in enumerate(zip(row, widths, strict=True)):
        yield cell.rjust(width) if 0 < place < len(row) - 1 else cell.ljust(width)


# --- files -------------------------------------------------------------------------------------------------------


def write(path: Path, machine: dict[str, object], reports: dict[str, Report]) -> None:
    """Everything as JSON: each measurement, each median, each goal."""
    path.parent.mkdir(parents=True, exist_ok=True)
    suites = {name: _plain(report) for name, report in reports.items()}
    path.write_text(json.dumps({"machine": machine, "suites": suites}, indent=2) + "\n")


def _plain(report: Report) -> dict[str, object]:
    goals = [{**asdict(goal), "met": goal.met} for goal in report.goals]
    return {**asdict(report), "goals": goals, "summaries": [asdict(row) for row in summaries(report)]}
