"""Work J as a whole command: a million orders to PostgreSQL and to the lake, and five million in little memory."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from benchmarks.generate import Delivery
from benchmarks.harness import Task
from benchmarks.project import Project, in_parquet
from benchmarks.report import MEGABYTE, Goal, Report, peak, ratio
from benchmarks.stage import Stage, in_postgres

COPY = r"psql \copy, raw"
DUCKDB, DLT, PANDAS = "duckdb by hand", "dlt at its best", "pandas + COPY"
PENSTOCK = "penstock"
TILL = ("ordered_at", "branch", "customer", "basket", "total", "payment", "card")
RAW = ", ".join(f"{name} text" for name in TILL)
MEMORY, ENGINE = 512 * MEGABYTE, "256MB"
LIMITED, UNLIMITED = "penstock in 512 MB", "penstock, no limit"


def postgres(stage: Stage) -> Report:
    """CSV → privacy, eight checks, quarantine, four tables with surrogate keys → PostgreSQL."""
    delivery = stage.orders(stage.scale.orders)
    tasks = [raw_copy(stage, delivery), *_contenders(stage, delivery), _penstock(stage, delivery)]
    measured = stage.run(tasks, stage.scale.rounds)
    goals = [
        Goal(r"PostgreSQL, to psql \copy", ratio(measured, PENSTOCK, COPY), 5),
        Goal("dlt at its best, to Penstock", ratio(measured, DLT, PENSTOCK), 2, at_least=True),
        Goal("pandas + COPY, to Penstock", ratio(measured, PANDAS, PENSTOCK), 5, at_least=True),
    ]
    return Report(f"Work J to PostgreSQL, {stage.scale.orders:,} orders", COPY, measured, goals)


def lake(stage: Stage) -> Report:
    """The same work, to Parquet."""
    delivery = stage.orders(stage.scale.orders)
    tasks = [raw_copy(stage, delivery), _lake_by_hand(stage, delivery), _penstock_lake(stage, delivery)]
    measured = stage.run(tasks, stage.scale.rounds)
    goals = [Goal(r"lake, to psql \copy", ratio(measured, PENSTOCK, COPY), 3)]
    return Report(f"Work J to the lake, {stage.scale.orders:,} orders", COPY, measured, goals)


def memory(stage: Stage) -> Report:
    """Five million orders, with and without a limit; a process that passes the limit is killed."""
    delivery = stage.orders(stage.scale.large)
    free = _penstock(stage, delivery, name=UNLIMITED)
    bound = _penstock(stage, delivery, name=LIMITED, limit=MEMORY)
    tasks = [raw_copy(stage, delivery), free, bound, _by_hand(stage, delivery)]
    measured = stage.closely().run(tasks, stage.scale.large_rounds)
    goals = [
        Goal("peak memory in 512 MB", peak(measured, LIMITED), 512, "MB"),
        Goal("512 MB, to no limit", ratio(measured, LIMITED, UNLIMITED), 1.5),
    ]
    return Report(f"Bounded memory, {stage.scale.large:,} orders to PostgreSQL", COPY, measured, goals)


def raw_copy(stage: Stage, delivery: Delivery) -> Task:
    """The base of every ratio: the raw file into one table of seven text columns, by PostgreSQL's own client."""
    server = stage.server
    make = ("drop table if exists raw", f"create table raw ({RAW})", "checkpoint")
    copy = rf"\copy raw from '{delivery.whole}' (format csv)"
    return Task(COPY, server.psql(copy), ready=partial(server.execute, *make))


def _contenders(stage: Stage, delivery: Delivery) -> list[Task]:
    tasks = [_by_hand(stage, delivery)]
    if "dlt" in stage.contenders:
        tasks.append(_dlt(stage, delivery))
    if "pandas" in stage.contenders:
        tasks.append(_pandas(stage, delivery))
    return tasks


def _by_hand(stage: Stage, delivery: Delivery) -> Task:
    script = stage.contender("duckdb_best")
    return _into_tables(stage, DUCKDB, [stage.python, script], "duckdb_best", delivery)


def _pandas(stage: Stage, delivery: Delivery) -> Task:
    script = stage.contender("pandas_copy")
    return _into_tables(stage, PANDAS, [stage.contenders["pandas"], script], "pandas_copy", delivery)


def _into_tables(stage: Stage, name: str, program: list[Path], schema: str, delivery: Delivery) -> Task:
    """A contender that finds its tables made."""
    server, aside = stage.server, stage.cleared(f"aside/{schema}")
    tables = stage.contender("tables").with_suffix(".sql").read_text().replace("{schema}", schema)
    return Task(
        name,
        [*program, delivery.path, "--dsn", server.url, "--schema", schema, "--aside", aside],
        ready=partial(server.execute, tables, "checkpoint"),
        proof=partial(in_postgres, server, schema, delivery.census),
    )


def _dlt(stage: Stage, delivery: Delivery) -> Task:
    server, aside, schema = stage.server, stage.cleared("aside/dlt_best"), "dlt_best"
    script = stage.contender(schema)
    drop = f"drop schema if exists {schema} cascade"
    return Task(
        DLT,
        [stage.contenders["dlt"], script, delivery.path, "--socket", server.socket, "--aside", aside],
        ready=partial(server.execute, drop, f"drop schema if exists {schema}_staging cascade", "checkpoint"),
        proof=partial(in_postgres, server, schema, delivery.census),
    )


def _penstock(stage: Stage, delivery: Delivery, *, name: str = PENSTOCK, limit: int | None = None) -> Task:
    project = Project(stage, stage.folder / "project")
    bound = {"PENSTOCK_MEMORY_LIMIT": ENGINE} if limit else {}
    return Task(
        name,
        project.run("cafe", delivery.path),
        ready=partial(project.renew_with, "cafe", delivery.path),
        proof=partial(in_postgres, stage.server, "cafe", delivery.census),
        environment={**project.environment, **bound},
        folder=project.folder,
        memory_limit=limit,
    )


def _penstock_lake(stage: Stage, delivery: Delivery) -> Task:
    project = Project(stage, stage.folder / "project")
    return Task(
        PENSTOCK,
        project.run("cafe_lake", delivery.path),
        ready=partial(project.renew_with, "cafe_lake", delivery.path),
        proof=partial(project.in_lake, delivery.census),
        environment=project.environment,
        folder=project.folder,
    )


def _lake_by_hand(stage: Stage, delivery: Delivery) -> Task:
    target, aside = stage.folder / "lake", stage.cleared("aside/lake")
    script = stage.contender("duckdb_best")
    return Task(
        DUCKDB,
        [stage.python, script, delivery.path, "--lake", target, "--aside", aside],
        ready=partial(stage.cleared, "lake"),
        proof=partial(in_parquet, stage, target, "*.parquet", delivery.census),
    )
