"""`test`: fixtures, whole and in parts. `verify`: does everything agree? `trace`: a row back to its line."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from typing import TYPE_CHECKING

from penstock.entrypoints.cli.lookup import one_of, project_of
from penstock.entrypoints.cli.output import Output

if TYPE_CHECKING:
    from penstock.wiring.local import Project

DIFFERENCES = 4


def arguments_test(parser: ArgumentParser) -> None:
    """The arguments of `test`."""
    parser.add_argument("pipeline", nargs="?", help="which pipeline (default: all)")
    parser.add_argument("files", nargs="*", metavar="FILE", help="which files (default: the project's fixtures/)")


def test(options: Namespace, out: Output) -> int:
    """Compare whole with split, and check that every row has one fate."""
    raise NotImplementedError


def arguments_verify(parser: ArgumentParser) -> None:
    """The arguments of `verify`."""
    parser.add_argument("pipeline", nargs="?", help="only this one")


def verify(options: Namespace, out: Output) -> int:
    """Print every difference between landing zone, ledger and destinations."""
    with project_of(options) as project:
        pipeline = one_of("pipeline", options.pipeline, project.pipelines) if options.pipeline else ""
        differences = project.verify(pipeline)
        for difference in differences:
            out.say(f"{out.mark('bad')} {difference}")
            out.event("difference", **difference.as_dict())
        if not differences:
            out.say(f"{out.mark('good')} landing zone, ledger and destinations agree")
    return DIFFERENCES if differences else 0


def arguments_trace(parser: ArgumentParser) -> None:
    """The arguments of `trace`."""
    parser.add_argument("table", help="the table")
    parser.add_argument("row", type=int, help="the row's identity: its key, or its column _row")


def trace(options: Namespace, out: Output) -> int:
    """Print the delivery and the line behind a row."""
    with project_of(options) as project:
        pipeline = _pipeline_of(project, options.table)
        origin = project.trace(options.row, pipeline)
        out.say(f"{origin.slot}:{origin.line}" if origin.line else f"{origin.slot} as a whole")
        out.say(f"  pipeline {origin.pipeline}, generation {origin.generation}")
        out.event("traced", table=options.table, row=options.row, **asdict(origin))
    return 0


def _pipeline_of(project: Project, table: str) -> str:
    homes = {loading.table: name for name, pipeline in project.pipelines.items() for loading in pipeline.loadings}
    return homes[one_of("table", table, homes)]
