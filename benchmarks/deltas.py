"""What comes after the first load: the same file again, a new file into loaded tables, and the price of the checks."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from benchmarks.harness import Measurement, Task
from benchmarks.project import Project
from benchmarks.report import Goal, Report, figure, middle
from benchmarks.stage import Stage, in_postgres

TWICE, NEW, BARE = "penstock, the same file again", "penstock, a new file", "bare COPY of its rows"
CHECKED, UNCHECKED = "penstock, eight checks", "penstock, no checks"
OWNED = ("orders", "order_items")


def redelivery(stage: Stage) -> Report:
    """An identical second delivery, measured inside the process."""
    project, delivery = _project(stage), stage.orders(stage.scale.orders)
    command = project.driven("again", "cafe", delivery.path)
    task = Task(
        TWICE,
        command,
        ready=partial(project.renew_with, "cafe", delivery.path),
        proof=partial(in_postgres, stage.server, "cafe", delivery.census),
        environment=project.environment,
        folder=project.folder,
    )
    measured = stage.run([task], min(stage.scale.rounds, 3))
    share = figure(measured, TWICE, "share")
    goals = [Goal("second delivery, of the first", share and share * 100, 5, "%")]
    return Report("The same file again (wall: one first and three second deliveries)", TWICE, measured, goals)


def increment(stage: Stage) -> Report:
    """A new file into loaded tables: Penstock's load stage, and a bare COPY of the very rows that it loaded."""
    project, base = _project(stage), stage.orders(stage.scale.orders)
    project.renew_with("cafe", base.path)
    measured = stage.run([_base(project, base.path)], 1)
    if measured and not measured[0].wrong:
        measured += [each for number in range(stage.scale.rounds) for each in _new_file(stage, project, number)]
    ratios = [load / bare for load, bare in zip(_loads(measured), _walls(measured, BARE), strict=True) if bare]
    goals = [Goal("load of a new file, to a bare COPY", middle(ratios), 1.5)]
    return Report(f"A new file of {stage.scale.increment:,} orders into loaded tables", BARE, measured, goals)


def checks(stage: Stage) -> Report:
    """The eight checks' share of the transform: what `prepare` takes with them and without."""
    delivery = stage.orders(stage.scale.orders)
    pipelines = {CHECKED: "cafe_lake", UNCHECKED: "cafe_unchecked"}
    measured = stage.run([_prepared(stage, *each, delivery.path) for each in pipelines.items()], stage.scale.rounds)
    with_them, without = (figure(measured, name, "seconds.prepared") for name in pipelines)
    share = (with_them - without) / with_them * 100 if with_them and without else None
    return Report("The eight checks", UNCHECKED, measured, [Goal("checks, of the transform", share, 25, "%")])


def _project(stage: Stage) -> Project:
    return Project(stage, stage.folder / "project")


def _prepared(stage: Stage, name: str, pipeline: str, path: Path) -> Task:
    project = _project(stage)
    return Task(
        name,
        project.driven("stages", pipeline, path),
        ready=partial(project.renew_with, pipeline, path),
        environment=project.environment,
        folder=project.folder,
    )


def _base(project: Project, path: Path) -> Task:
    """The file that is there already; it stands in the table of results, but in no ratio."""
    command = project.run("cafe", path)
    return Task("penstock, the first file", command, environment=project.environment, folder=project.folder)


def _new_file(stage: Stage, project: Project, number: int) -> list[Measurement]:
    """One new file, then its rows again by a bare COPY into a copy of the tables as they were before it."""
    delivery = stage.orders(stage.scale.increment, seed=100 + number)
    _copy_tables(stage)
    load = Task(
        NEW,
        project.driven("stages", "cafe", delivery.path),
        ready=partial(project.land, "cafe", [delivery.path]),
        environment=project.environment,
        folder=project.folder,
    )
    bare = Task(BARE, _bare_copy(stage), ready=partial(_export_newest, stage))
    return [stage.bench.measure(task, number) for task in (load, bare)]


def _copy_tables(stage: Stage) -> None:
    """The tables with their rows and indexes, under another schema."""
    clone = "create table bare.{0} (like cafe.{0} including all); insert into bare.{0} select * from cafe.{0}"
    stage.server.execute("drop schema if exists bare cascade", "create schema bare")
    stage.server.execute(*(clone.format(table) for table in OWNED), "checkpoint")


def _export_newest(stage: Stage) -> None:
    """The rows that the last transaction inserted, as CSV files."""
    newest = "where xmin::text::bigint = (select max(xmin::text::bigint) from cafe.{0})"
    query = rf"\copy (select * from cafe.{{0}} {newest}) to '{stage.folder}/{{0}}.csv' (format csv)"
    stage.server.execute(*(query.format(table) for table in OWNED), "checkpoint")


def _bare_copy(stage: Stage) -> tuple[str, ...]:
    copies = [rf"\copy bare.{table} from '{stage.folder}/{table}.csv' (format csv)" for table in OWNED]
    return stage.server.psql("begin", *copies, "commit")


def _loads(measured: list[Measurement]) -> list[float]:
    return [each.figures.get("seconds.loaded", 0.0) for each in measured if each.task == NEW]


def _walls(measured: list[Measurement], task: str) -> list[float]:
    return [0.0 if each.wrong else each.wall for each in measured if each.task == task]
