"""What a delivery is: a duplicate of what its slot holds already, or the slot's next generation.

A slot's *tail* is all that a judgement needs: its newest generation that is not a patch (the head: it decides what the
slot's content is) and the patches accepted after it, in order. An unknown slot's tail is empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from penstock.errors import UnknownName, UsageError
from penstock.model.slots import Delivery, Generation, Kind, Standing

AWAITING_A_PERSON = (Standing.SUSPENDED, Standing.DEAD)


def duplicate(delivery: Delivery, tail: Sequence[Generation]) -> bool:
    """Whether the slot holds this content already.

    A patch does not change what a slot's content is, so the head is asked. After a withdrawal the same content is new
    again, unless it is the very object (the same version) that was withdrawn: a rescan must not undo a withdrawal.
    """
    if delivery.kind is not Kind.DELIVERY or not tail or delivery.content is None:
        return False
    head, content = tail[0], delivery.content
    if head.content is None or head.content.sha256 != content.sha256:
        return False
    return head.kind is not Kind.WITHDRAWAL or (bool(content.version) and content.version == head.content.version)


def next_generation(delivery: Delivery, tail: Sequence[Generation], place: int, now: datetime) -> Generation:
    """The slot's next generation. `place` is its place in the ledger's order of acceptance.

    Raises `UsageError` for a wish that the slot cannot fulfil.
    """
    _validate(delivery, tail)
    head = tail[0] if tail else None
    healed = head if delivery.kind is Kind.PATCH or delivery.lines else None
    return Generation(
        slot=delivery.slot,
        number=tail[-1].number + 1 if tail else 1,
        kind=delivery.kind,
        sequence=healed.sequence if healed else place,
        accepted_at=now,
        content=delivery.content or (head.content if head else None),
        parts=delivery.parts or (head.parts if head else {}),
        cause=delivery.cause,
        fingerprint=delivery.fingerprint,
        hard=delivery.hard,
        lines=delivery.lines,
        fixes=delivery.fixes,
        heals=healed.number if healed and delivery.kind is Kind.PATCH else 0,
        members=delivery.members or (head.members if head and delivery.content is None else ()),
        run_time=delivery.run_time or (healed.run_time if healed else None),
    )


def _validate(delivery: Delivery, tail: Sequence[Generation]) -> None:
    at = str(delivery.slot)
    match delivery.kind:
        case Kind.DELIVERY | Kind.RELOAD:
            if delivery.content is None:
                raise UsageError(f"a {delivery.kind} needs the content that arrived", at=at, fix="pass content=")
            if delivery.lines:
                _validate_replay(at, tail)
        case Kind.WITHDRAWAL:
            if not tail:
                raise UnknownName("nothing was ever delivered there, so nothing can be withdrawn", at=at)
        case Kind.PATCH:
            _validate_replay(at, tail)


def _validate_replay(at: str, tail: Sequence[Generation]) -> None:
    if not tail:
        raise UnknownName("nothing was ever delivered there, so nothing can be patched", at=at)
    head = tail[0]
    if head.kind is Kind.WITHDRAWAL:
        raise UsageError("the delivery was withdrawn, so it cannot be patched", at=at, fix="deliver the file again")
    if head.standing is not Standing.LOADED and not (head.replays_whole and head.standing.final):
        raise UsageError(
            "only a loaded delivery can be patched",
            at=at,
            why=f"generation {head.number} is {head.standing}",
            fix="wait until it is loaded, or load the file again with --reload",
        )


def superseded(tail: Sequence[Generation], kind: Kind) -> list[Generation]:
    """What of a slot's tail gives way to a new generation of this kind.

    A person's decision about what is suspended or dead is moot as soon as anything newer exists: a slot's numbers only
    move forward at the destination. What merely waits gives way to a new content, not to a patch. What a run holds at
    the moment finishes first, and so does a withdrawal: it needs no object, and the new content may be refused.
    """
    return [item for item in tail if item.standing in AWAITING_A_PERSON or (waits(item) and _yields(item.kind, kind))]


def _yields(old: Kind, new: Kind) -> bool:
    return new is Kind.WITHDRAWAL or (new is not Kind.PATCH and old is not Kind.WITHDRAWAL)


def waits(generation: Generation) -> bool:
    """Whether it is accepted and no run holds it."""
    return generation.standing is Standing.ACCEPTED and not generation.run


def pinned_anew(generation: Generation, delivery: Delivery) -> Generation:
    """The same bytes were written again: the newer version of each object is the one to read from now on."""
    content = delivery.content
    if content is None or generation.content is None or content.version == generation.content.version:
        return generation
    pinned = replace(generation.content, version=content.version)
    return replace(generation, content=pinned, members=delivery.members or generation.members)
