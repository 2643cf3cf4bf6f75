"""What happens often: small files by the thousand, a file that is dropped while somebody waits, a command's start."""

from __future__ import annotations

from functools import partial

from benchmarks.harness import Task
from benchmarks.project import Project
from benchmarks.report import Goal, Report, figure, ratio, wall
from benchmarks.stage import Stage, in_postgres

FLOOR, BATCHED, SINGLY = "one SQLite commit a file", "penstock, batched", "penstock, as they arrive"
BARE, HELP, IMPORT = "python -c pass", "penstock --help", "import penstock"
RENAMED = "penstock, rename to rows"
TIMED_IMPORT = """
import json, time
started = time.perf_counter()
import penstock
print(json.dumps({"import": time.perf_counter() - started}))
"""


def small(stage: Stage) -> Report:
    """Thousands of small files, all at once and one by one, to one durable SQLite commit for each."""
    tasks = [_floor(stage), _batched(stage), _singly(stage)]
    measured = stage.run(tasks, min(stage.scale.rounds, 3))
    singly, floor = figure(measured, SINGLY, "seconds"), wall(measured, FLOOR)
    goals = [
        Goal("small files batched, to SQLite commits", ratio(measured, BATCHED, FLOOR), 5),
        Goal("small files as they arrive, to SQLite commits", singly / floor if singly and floor else None, 12),
    ]
    return Report(f"{stage.scale.files:,} files of {stage.scale.rows} orders", FLOOR, measured, goals)


def watch(stage: Stage) -> Report:
    """From the rename of a watched file to the moment that its rows can be queried."""
    project, files = _project(stage), stage.small_files()
    driver = (stage.python, stage.driver("renames"), project.folder, stage.server.url, files.folder)
    task = Task(
        RENAMED,
        (*driver, str(stage.scale.renames)),
        ready=project.renew,
        environment=project.environment,
        folder=project.folder,
    )
    measured = stage.run([task], 1)
    median = figure(measured, RENAMED, "median")
    goals = [Goal("rename to rows, median", median and median * 1000, 300, "ms")]
    return Report(f"{stage.scale.renames} files dropped one after the other", RENAMED, measured, goals)


def start(stage: Stage) -> Report:
    """What every command costs before it does anything."""
    tasks = [
        Task(BARE, (stage.python, "-c", "pass")),
        Task(HELP, (stage.python, "-m", "penstock", "--help")),
        Task(IMPORT, (stage.python, "-c", TIMED_IMPORT)),
    ]
    measured = stage.run(tasks, stage.scale.starts)
    help_, imported = wall(measured, HELP), figure(measured, IMPORT, "import")
    goals = [
        Goal("penstock --help", help_ and help_ * 1000, 100, "ms"),
        Goal("import penstock", imported and imported * 1000, 50, "ms"),
    ]
    return Report("Start of a command", BARE, measured, goals)


def _project(stage: Stage) -> Project:
    return Project(stage, stage.folder / "project")


def _floor(stage: Stage) -> Task:
    ledger = stage.folder / "floor" / "ledger.db"
    command = (stage.python, stage.driver("floor"), ledger, str(stage.scale.files))
    return Task(FLOOR, command, ready=partial(stage.cleared, "floor"))


def _batched(stage: Stage) -> Task:
    project, small = _project(stage), stage.small_files()
    files = sorted(small.folder.iterdir())
    return Task(
        BATCHED,
        project.run("cafe", *files),
        ready=partial(project.renew_with, "cafe", *files),
        proof=partial(in_postgres, stage.server, "cafe", small.census),
        environment=project.environment,
        folder=project.folder,
    )


def _singly(stage: Stage) -> Task:
    """Files that appear one after the other while the service works: a run takes what has arrived by then."""
    project, small = _project(stage), stage.small_files()
    driver = (stage.python, stage.driver("stream"), project.folder, stage.server.url, small.folder)
    return Task(
        SINGLY,
        (*driver, str(small.census.orders)),
        ready=project.renew,
        proof=partial(in_postgres, stage.server, "cafe", small.census),
        environment=project.environment,
        folder=project.folder,
    )
