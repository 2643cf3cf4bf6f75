"""Proposals that a person edits: which columns of a file look personal, and a pipeline to begin with."""

from __future__ import annotations

import re
from pathlib import Path

from penstock.entrypoints.cli.output import Output
from penstock.errors import UsageError


def show_marks(path: Path, out: Output) -> int:
    """Print proposed privacy marks, surest first, in the form in which a pipeline file takes them."""
    from penstock.adapters.duckdb.proposals.personal import propose_marks

    found = sorted(propose_marks(_checked(path)), key=lambda mark: -mark.confidence)
    for mark in found:
        out.record({"event": "mark_proposed", **mark.record()})
    if not found:
        out.say("no column looks personal; you know better than the shape of values does")
        return 0
    rows = [(mark.column, mark.kind_of_data, f"{mark.confidence:.0%}", "; ".join(mark.why)) for mark in found]
    out.table(("column", "looks like", "sure", "because"), rows)
    marks = ", ".join(f'"{mark.column}": ps.{mark.mark}' for mark in found)
    out.say(f"\nA proposal, for you to judge:\n  privacy={{{marks}}},")
    return 0


def propose(path: Path) -> tuple[str, str]:
    """A pipeline's name, and the text of its file, drafted from a file like those that will arrive."""
    from penstock.adapters.duckdb.proposals.draft import draft_pipeline

    name = pipeline_name(_checked(path))
    return name, draft_pipeline(path, name)


def pipeline_name(path: Path) -> str:
    """`2024-03-04_Sales export.csv` → `sales_export`: the words of a file's name, without its numbers."""
    words = re.findall(r"[a-z]+", path.name.partition(".")[0].lower())
    return "_".join(words)[:48].rstrip("_") or "delivery"


def _checked(path: Path) -> Path:
    if not path.is_file():
        raise UsageError(f"there is no file {str(path)!r}", at=str(path.absolute()), fix="check the path")
    return path
