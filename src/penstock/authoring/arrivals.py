"""Triggers of pipelines with several sources: files of one key, and tables of other pipelines that are ready."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from penstock.authoring.templates import PathTemplate
from penstock.errors import TriggerError

_SPAN = re.compile(r"(\d+)\s*(min|h|d)")
_UNITS = {"min": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True, slots=True)
class Uploads:
    """Files that appear in the landing zone, one for each source; the parts of their paths are the key."""

    templates: Mapping[str, PathTemplate]
    deadline: timedelta | None = None

    @property
    def by(self) -> tuple[str, ...]:
        """The parts of the key, in the order of the first template."""
        return next(iter(self.templates.values())).names


@dataclass(frozen=True, slots=True)
class Ready:
    """The tables that the pipeline reads are complete for a key: a combination of these captured parts."""

    by: tuple[str, ...]
    deadline: timedelta | None = None


def uploads(templates: Mapping[str, str], deadline: str = "") -> Uploads:
    """See `penstock.authoring.triggers.upload`."""
    parsed = {name: PathTemplate.parse(text) for name, text in templates.items()}
    first = next(iter(parsed.values()))
    for name, template in parsed.items():
        if set(template.names) != set(first.names):
            raise TriggerError(
                f"the template of {name!r} captures other parts than the first one",
                why=f"{', '.join(template.names) or 'none'} instead of {', '.join(first.names) or 'none'}",
                fix="the captured parts are the key: give each template the same ones (a * captures nothing)",
            )
    return Uploads(parsed, span(deadline))


def ready(*, by: Sequence[str] = (), deadline: str = "") -> Ready:
    """`ps.ready(by=["sender", "day"])`: fires once for each combination of these parts, as soon as every table among
    the pipeline's sources has been loaded for it, and again whenever one of them has changed.

    The parts are captured by the paths of the pipelines that load the tables, or are the keys of their own readiness.
    `deadline="6h"` reports a key that is not complete so long after its first member.
    """
    if isinstance(by, str):
        raise TriggerError(f"by={by!r} is one text", fix=f"by=[{by!r}]")
    return Ready(tuple(by), span(deadline))


def span(text: str) -> timedelta | None:
    """`30min`, `6h`, `2d`; nothing for an empty text."""
    if not text:
        return None
    match = _SPAN.fullmatch(text.strip())
    if match is None:
        raise TriggerError(f"deadline={text!r} is no length of time", fix='write it as "30min", "6h" or "2d"')
    return timedelta(**{_UNITS[match[2]]: int(match[1])})
