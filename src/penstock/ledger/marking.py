"""Marks: what a finished run means for those who wait for its tables, and what a key's marks come to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from penstock.model.readiness import KeyState, Mark, Need, Readiness
from penstock.model.rows import digest
from penstock.model.runs import Result, Run
from penstock.model.slots import Content, Delivery, Generation, Kind, Member, Slot, Standing, vector

CAUSE = "ready"


def of_run(run: Run, triggers: Sequence[Readiness]) -> Iterator[Mark]:
    """The marks of what a run has loaded, in the order of its generations."""
    results = {result.slot.address: result for result in run.results}
    for item in run.generations:
        if item.run == run.id and item.standing is Standing.LOADED:
            for trigger in triggers:
                yield from _of_generation(item, results.get(item.slot.address), trigger)


def of_live(live: Iterable[tuple[Generation, Result]], trigger: Readiness) -> Iterator[Mark]:
    """The marks of what makes up a pipeline's tables now: for a trigger that was not there when they were loaded."""
    for generation, result in live:
        yield from _of_generation(generation, result, trigger)


def _of_generation(item: Generation, result: Result | None, trigger: Readiness) -> Iterator[Mark]:
    for need in trigger.needs:
        key = trigger.key(item.parts) if need.pipeline == item.slot.pipeline else None
        if key is not None:
            member = _member(item, result or Result(item.slot, item.number), need)
            yield Mark(trigger, key, member, gone=item.kind is Kind.WITHDRAWAL, adds=item.kind is Kind.PATCH)


def _member(item: Generation, result: Result, need: Need) -> Member:
    """A slot's rows of a table. Where nobody watched the table, the generation stands for what it holds."""
    told = result.digests.get(need.table, f"#{item.number}")
    content = Content(told, result.rows.get(need.table, 0), str(item.number))
    return Member(need.name, item.slot.address, content, item.slot.pipeline)


def updated(mark: Mark, known: Sequence[Member]) -> Member | None:
    """The member as it is to be kept; None when what is known is newer.

    A patch adds to what was there, and an object takes the place of the one that had its name.
    """
    new = mark.member
    old = next((member for member in known if same_place(member, new)), None)
    if old is None or not new.pipeline:
        return new
    if int(new.content.version) < int(old.content.version):
        return None
    if mark.adds and new.content.version != old.content.version:
        told = old.content.sha256 if not new.content.size else _joined(old.content.sha256, new.content.sha256)
        content = Content(told, old.content.size + new.content.size, new.content.version)
        return Member(new.name, new.address, content, new.pipeline)
    return new


def _joined(first: str, second: str) -> str:
    return digest(first, second).hex()


def same_place(one: Member, other: Member) -> bool:
    """Whether one takes the place of the other: an object that of any object of its name."""
    if one.name != other.name or one.pipeline != other.pipeline:
        return False
    return not one.pipeline or one.address == other.address


def fired(readiness: Readiness, state: KeyState, hard: bool | None) -> Delivery | None:  # noqa: FBT001 - a record's field
    """The delivery that a key's marks make; None while a member is missing."""
    if readiness.missing(state.names):
        return None
    slot = Slot(readiness.pipeline, state.address)
    return Delivery(
        slot, Kind.DELIVERY, vector(state.members), state.parts, CAUSE, readiness.fingerprint, hard,
        members=state.members,
    )  # fmt: skip


def missed(readiness: Readiness, state: KeyState, now: datetime) -> datetime | None:
    """The deadline that a key has passed without being complete, and of which nobody was told."""
    if readiness.deadline is None or state.overdue or not readiness.missing(state.names):
        return None
    deadline = state.since + readiness.deadline
    return deadline if deadline <= now else None
