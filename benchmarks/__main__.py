"""`python3 -m benchmarks`: measure everything that Penstock promises about speed and size, and print it as ratios."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks import arrivals, buffer, deltas, environments, loads, ready, report, server
from benchmarks.harness import Bench, Measurement
from benchmarks.report import Report
from benchmarks.stage import FULL, QUICK, Scale, Stage

SUITES: dict[str, Callable[[Stage], Report]] = {
    "start": arrivals.start,
    "postgres": loads.postgres,
    "lake": loads.lake,
    "memory": loads.memory,
    "redelivery": deltas.redelivery,
    "increment": deltas.increment,
    "checks": deltas.checks,
    "small": arrivals.small,
    "watch": arrivals.watch,
    "buffer": buffer.buffer,
    "ready": ready.ready,
}
CONTENDERS = ("dlt", "pandas")
WORK = environments.ROOT / "build" / "benchmarks"
RESULTS = environments.HERE / "results"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="little data, one round: whether it works, not how fast")
    parser.add_argument("--only", nargs="+", choices=SUITES, default=[*SUITES], metavar="SUITE", help=", ".join(SUITES))
    parser.add_argument("--tasks", default="", metavar="PATTERN", help="only tasks whose names match")
    parser.add_argument("--rounds", type=int, help="how often each task is measured")
    parser.add_argument("--orders", type=int, help="how many orders Work J has")
    parser.add_argument("--work", type=Path, default=WORK, help="the folder for data and for the project under test")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the folder for the figures")
    parser.add_argument("--strict", action="store_true", help="a goal that is missed or not measured is a failure")
    return parser.parse_args()


def main() -> int:
    given = arguments()
    environments.settle()
    reports = {}
    with server.running() as running:
        stage = staged(given, running)
        for name, finished in played(stage, given.only):
            reports[name] = finished
            print(report.table(finished), end="\n\n", flush=True)
    goals = [goal for each in reports.values() for goal in each.goals]
    print(report.goal_table(goals))
    report.write(given.results / f"{time.strftime('%Y%m%dT%H%M%S')}.json", machine(given), reports)
    wrong = any(each.wrong for finished in reports.values() for each in finished.measurements)
    return int(wrong or (given.strict and not all(goal.met for goal in goals)))


def played(stage: Stage, names: list[str]) -> Iterator[tuple[str, Report]]:
    for name in names:
        print(f"{name} ...", file=sys.stderr, flush=True)
        yield name, SUITES[name](stage)


def staged(given: argparse.Namespace, running: server.Server) -> Stage:
    folder = given.work.resolve()
    return Stage(
        scale=scale(given),
        server=running,
        bench=Bench(folder / "logs", running.process, progress),
        folder=folder,
        python=Path(sys.executable),
        contenders=contenders(given),
        wanted=given.tasks,
    )


def scale(given: argparse.Namespace) -> Scale:
    chosen = QUICK if given.quick else FULL
    changes = {name: value for name in ("rounds", "orders") if (value := getattr(given, name))}
    return replace(chosen, **changes)


def contenders(given: argparse.Namespace) -> dict[str, Path]:
    """Their interpreters. A quick run takes those that are there and does not wait for packages."""
    if "postgres" not in given.only:
        return {}
    wanted = [name for name in CONTENDERS if not given.quick or environments.ready(name)]
    return {name: environments.contender(name) for name in wanted}


def progress(done: Measurement) -> None:
    said = done.wrong or f"{done.wall:.2f} s"
    print(f"  {done.task} [{done.round}]: {said}", file=sys.stderr, flush=True)


def machine(given: argparse.Namespace) -> dict[str, object]:
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "quick": given.quick,
    }


if __name__ == "__main__":
    raise SystemExit(main())
