"""Matches in the order in which they are judged: a row that has lost its partner is a partner no more."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.authoring.matching import Matched
from penstock.authoring.pipeline import Pipeline
from penstock.errors import RuleError


def ordered(pipeline: Pipeline, chunked: set[str]) -> tuple[Matched, ...]:
    """The matches, those of a source before those that look for partners in it. Raises `RuleError`."""
    for match in pipeline.matches:
        _check(pipeline, match, chunked)
    done: list[Matched] = []
    waiting = list(pipeline.matches)
    while waiting:
        ready = [match for match in waiting if not _waits(pipeline, match, waiting)]
        if not ready:
            raise RuleError(
                f"pipeline {pipeline.name!r}: matches wait for each other",
                at=str(waiting[0].place),
                why=" and ".join(match.text for match in waiting),
                fix="leave one of them out",
            )
        done += ready
        waiting = [match for match in waiting if match not in ready]
    return tuple(done)


def of_source(pipeline: Pipeline, matches: Sequence[Matched], source: str) -> set[str]:
    """The relations of one source that matches look at."""
    names = {name for match in matches for name in (match.relation, match.other)}
    return {name for name in names if pipeline.origin(name) == source}


def _waits(pipeline: Pipeline, match: Matched, others: Sequence[Matched]) -> bool:
    source = pipeline.origin(match.other)
    return any(pipeline.origin(other.relation) == source for other in others)


def _check(pipeline: Pipeline, match: Matched, chunked: set[str]) -> None:
    for name in (match.relation, match.other):
        if name not in chunked:
            raise RuleError(
                f"pipeline {pipeline.name!r}: {match.text} looks at the wide step {name!r}",
                at=str(match.place),
                why="rows are matched before they are joined",
                fix="name a source, or a row-wise step",
            )
    if pipeline.origin(match.relation) == pipeline.origin(match.other):
        raise RuleError(
            f"pipeline {pipeline.name!r}: {match.text} compares a source with itself",
            at=str(match.place),
            fix="name two sources",
        )
