"""`publish`: the versions of a pipeline's tables, and which one readers see."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from penstock.entrypoints.cli.lookup import one_of, project_of
from penstock.entrypoints.cli.output import Output
from penstock.entrypoints.cli.status import ago
from penstock.errors import UsageError

if TYPE_CHECKING:
    from penstock.adapters.lake import Version

NEWEST = "newest"


def arguments_publish(parser: ArgumentParser) -> None:
    """The arguments of `publish`."""
    parser.add_argument("pipeline", nargs="?", help="whose tables (list: default all)")
    parser.add_argument("version", nargs="?", help=f"the version to publish: its number, or {NEWEST}")


def publish(options: Namespace, out: Output) -> int:
    """List versions, or publish one of them."""
    with project_of(options) as project:
        name = one_of("pipeline", options.pipeline, project.pipelines) if options.pipeline else ""
        if options.version:
            project.show(name, _number(options.version), by="publish")
        found = project.versions(name)
        for item in found:
            out.record(asdict(item))
            out.say(_line(item, out))
        if not found:
            out.say(f"{name or 'the lake'} has no versions yet: penstock run")
        for item in found:
            if item.published and not item.newest:
                out.say(
                    f"{item.pipeline}: new versions are kept, not shown, until penstock publish {item.pipeline} newest"
                )
    return 0


def _number(text: str) -> int:
    if text == NEWEST:
        return 0
    if not text.isdigit() or not int(text):
        raise UsageError(f"{text!r} is no version", fix=f"a number that penstock publish lists, or {NEWEST}")
    return int(text)


def _line(item: Version, out: Output) -> str:
    """One version: what readers see has a mark."""
    words = [f"{name} {rows:,}" for name, rows in item.rows.items()]
    state = ("published" if item.newest else "published in place of the newest") if item.published else ""
    when = ago(item.published_at, datetime.now(UTC)) if item.published_at else ""
    mark = out.mark("good" if item.newest else "open") if item.published else " "
    return " · ".join(text for text in (f"{mark} {item.pipeline}@{item.number:<6}", when, *words, state) if text)
