"""What sets a pipeline off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, overload

from penstock.authoring.arrivals import Ready, Uploads, uploads
from penstock.authoring.patterns import EventPattern
from penstock.authoring.schedules import Schedule
from penstock.authoring.sources import Source
from penstock.authoring.templates import PathTemplate
from penstock.errors import TriggerError


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that appears in the landing zone under a path of this form."""

    template: PathTemplate


@dataclass(frozen=True, slots=True)
class Matching:
    """An event that a pattern matches; its `detail.object.key` is the file, as in S3's events."""

    pattern: EventPattern


@dataclass(frozen=True, slots=True)
class Manual:
    """Only a person: `penstock run`."""


Trigger = Upload | Uploads | Ready | Matching | Manual | Schedule


@overload
def upload(template: str, /) -> Upload: ...
@overload
def upload(*, deadline: str = "", **templates: str) -> Uploads: ...
def upload(template: str = "", /, *, deadline: str = "", **templates: str) -> Upload | Uploads:
    """`ps.upload("landing/{branch}_{day:%d-%m-%Y}_{time}.csv")`: parts in braces are captured.

    Of a pipeline with several sources each has a template: `ps.upload(cases="landing/{day}/cases.csv", …)`. They
    capture the same parts, which are the key; when a key has them all it fires. `deadline="6h"` reports a key that is
    not complete so long after its first file.
    """
    if bool(template) is bool(templates):
        raise TriggerError("upload() needs a template, or one for each source", fix='ps.upload("landing/{name}.csv")')
    if template:
        return Upload(PathTemplate.parse(template))
    return uploads(templates, deadline)


def check_trigger(trigger: Trigger, sources: Mapping[str, Source], *, several: bool) -> None:
    """Raise `TriggerError` for a trigger that cannot set a pipeline with these sources off."""
    tables = [name for name, source in sources.items() if source.reads_table]
    if tables and not isinstance(trigger, Ready):
        raise TriggerError(
            f"the source {tables[0]!r} is a table, which becomes ready and does not arrive",
            fix="trigger=ps.ready(by=[…])",
        )
    if isinstance(trigger, Ready) and len(tables) < len(sources):
        raise TriggerError("ready() is about tables, and one of the sources is none", fix='ps.table("accounts")')
    if isinstance(trigger, Uploads) and set(trigger.templates) != set(sources):
        raise TriggerError(
            f"upload() has templates for {', '.join(trigger.templates)}",
            why=f"the sources are: {', '.join(sources)}",
            fix="give each source a template",
        )
    _check_arrival(trigger, sources)
    if several and isinstance(trigger, Upload | Matching):
        raise TriggerError(
            "one template cannot tell several sources apart", fix='ps.upload(cases="landing/…", recoveries="landing/…")'
        )


def _check_arrival(trigger: Trigger, sources: Mapping[str, Source]) -> None:
    """What a pipeline reads is delivered, or it is pulled."""
    pulled = [name for name, source in sources.items() if source.origin is not None]
    submits = isinstance(trigger, Schedule) and trigger.submit is not None
    if isinstance(trigger, Schedule) and not submits and not pulled:
        raise TriggerError(
            "the schedule has nothing to read",
            why="no source is pulled, and the schedule submits no files",
            fix='ps.http(…) or ps.git(…) as the source, or ps.schedule(…, submit="landing/…")',
        )
    polls = getattr(trigger, "every", None) is not None  # a stream's
    if polls and not pulled:
        raise TriggerError("the stream has nothing to poll", fix="ps.http(…) as the source, or leave every out")
    if pulled and (submits or not (polls or isinstance(trigger, Schedule | Manual))):
        raise TriggerError(
            f"the source {pulled[0]!r} is pulled, so no delivered file can set the pipeline off",
            fix="trigger=ps.schedule(…), ps.every(…) or ps.manual()",
        )
    if pulled and len(pulled) < len(sources):
        left = next(name for name in sources if name not in pulled)
        raise TriggerError(f"{pulled[0]!r} is pulled, {left!r} is not", fix="pull all of a pipeline's sources, or none")
    if submits and len(sources) > 1:
        raise TriggerError("a schedule submits the files of one source", fix="a pipeline for each")


def path_parts(trigger: Trigger) -> tuple[str, ...]:
    """The names of the parts that are captured from paths."""
    if isinstance(trigger, Upload):
        return trigger.template.names
    if isinstance(trigger, Schedule):
        return trigger.submit.names if trigger.submit else ()
    return trigger.by if isinstance(trigger, Uploads | Ready) else ()


def event(pattern: Mapping[str, Any]) -> Matching:
    """An EventBridge pattern over the object's event."""
    return Matching(EventPattern.parse(pattern))


def manual() -> Manual:
    """Started by a person only."""
    return Manual()
