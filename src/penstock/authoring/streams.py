"""Streams: a trigger whose files Penstock writes itself, from records that are sent to it one by one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from penstock.authoring.endpoints import Rate, rate_of
from penstock.authoring.schedules import Schedule
from penstock.authoring.templates import PathTemplate
from penstock.authoring.triggers import Upload
from penstock.errors import DefinitionError
from penstock.model.streams import Size

FOLDER = "landing/streams"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")


@dataclass(frozen=True, slots=True)
class Stream(Upload):
    """Records by HTTP (`POST /streams/NAME`) or from a program (`ps.writer`), kept durably, flushed as files."""

    name: str = ""
    size: Size = field(default=Size())
    id: str = ""
    """The field of a record that names its event."""
    capacity: int = 0
    """Bytes that may wait; beyond, senders are told to come back later."""
    public: bool = False
    rate: Rate = field(default=Rate(6000, "minute"))
    every: Schedule | None = None
    """When the pipeline's source is polled, and what it has becomes a record."""

    @property
    def path(self) -> str:
        return f"/streams/{self.name}"


def stream(
    name: str,
    *,
    rows: int = Size().rows,
    bytes: int = Size().bytes,  # noqa: A002  the word for it
    seconds: float = Size().seconds,
    id: str = "",  # noqa: A002  the word for it
    capacity: int = 256_000_000,
    public: bool = False,
    rate: str = "6000/minute",
    every: Schedule | None = None,
) -> Stream:
    """Records that are sent one by one, e.g. `ps.stream("taxis", seconds=300)`.

    A file is written when `rows` or `bytes` wait, or when the oldest record has waited for so many `seconds`. `id`
    names the field that names an event: the same event counts once. `capacity` is how many bytes may wait. Senders
    need an API key unless it is `public`; `rate` is how often one of them may send. `every=ps.every(minutes=1)` polls
    the pipeline's source (`ps.http(…)`), and each new content is a record.
    """
    if not _NAME.fullmatch(name):
        fix = "lower-case letters, digits and underscores, a letter first, at most 48"
        raise DefinitionError(f"the stream name {name!r} is not usable", why="names become folders and paths", fix=fix)
    if min(rows, bytes) < 1 or seconds <= 0:
        raise DefinitionError(f"stream {name!r}: rows, bytes and seconds are more than 0", fix="leave them out")
    if capacity < bytes:
        raise DefinitionError(f"stream {name!r}: a file of {bytes} bytes never fits into {capacity}", fix="capacity=…")
    parts = "/year={year}/month={month}/day={day}/hour={hour}/{range}.jsonl"
    template = PathTemplate.parse(f"{FOLDER}/{name}{parts}")
    return Stream(template, name, Size(rows, bytes, seconds), id, capacity, public, rate_of(rate), every)


def rhythm(trigger: object) -> Schedule | None:
    """When a trigger fires by itself; None for one that does not."""
    return trigger if isinstance(trigger, Schedule) else trigger.every if isinstance(trigger, Stream) else None


def streams_of(triggers: Iterable[object]) -> dict[str, Stream]:
    """The streams among triggers, by name. Raises `DefinitionError` when two have one name and are not the same."""
    found: dict[str, Stream] = {}
    for trigger in triggers:
        if isinstance(trigger, Stream) and found.setdefault(trigger.name, trigger) != trigger:
            raise DefinitionError(
                f"the stream {trigger.name!r} is declared twice, and differently",
                fix="declare it once, in a file whose name begins with _, and import it",
            )
    return found
