"""Marks within a transaction: kept as they come, and offered when they make a key complete."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from penstock.ledger import changes, marking
from penstock.ledger.accepting import judge
from penstock.ledger.store import Pages
from penstock.model.readiness import KeyState, Late, Mark, Readiness
from penstock.model.slots import Acceptance, Delivery, Kind, Slot


def mark(pages: Pages, marks: Sequence[Mark], now: datetime) -> list[Acceptance]:
    """Keep marks, then offer the keys that they belong to."""
    touched: dict[Slot, Mark] = {}
    for mark in marks:
        slot = Slot(mark.readiness.pipeline, mark.address)
        if _keep(pages, slot, mark, now):
            touched[slot] = mark
    found = [_offer(pages, slot, mark, now) for slot, mark in touched.items()]
    return [acceptance for acceptance in found if acceptance is not None]


def keep(pages: Pages, marks: Sequence[Mark], now: datetime) -> None:
    """Keep marks without offering anything: whoever brings them delivers the key itself."""
    for mark in marks:
        _keep(pages, Slot(mark.readiness.pipeline, mark.address), mark, now)


def _keep(pages: Pages, slot: Slot, mark: Mark, now: datetime) -> bool:
    """Whether the mark counts: a member may be known as it became later."""
    state = pages.key(slot)
    if state is None:
        if mark.gone:
            return False
        state = KeyState(slot.pipeline, slot.address, mark.key, now)
        pages.open_key(state)
    member = marking.updated(mark, state.members)
    if member is None:
        return False
    instead = [known for known in state.members if marking.same_place(known, member)]
    if mark.gone:
        for known in instead:
            pages.drop_mark(slot, known)
    elif member not in instead:
        pages.put_mark(slot, member, instead)
    return True


def _offer(pages: Pages, slot: Slot, mark: Mark, now: datetime) -> Acceptance | None:
    state = pages.key(slot)
    delivery = marking.fired(mark.readiness, state, mark.hard) if state else None
    if delivery is not None:
        return judge(pages, delivery, now)
    tail = pages.tail(slot)
    if mark.gone and tail and tail[0].kind is not Kind.WITHDRAWAL:
        return judge(pages, Delivery(slot, Kind.WITHDRAWAL, cause=marking.CAUSE), now)
    return None


def remind(pages: Pages, trigger: Readiness, now: datetime) -> Iterator[Late]:
    """Record the keys of a trigger that are late and were not yet reported."""
    for state in pages.keys(trigger.pipeline) if trigger.deadline else ():
        deadline = marking.missed(trigger, state, now)
        if deadline is not None:
            missing = tuple(trigger.missing(state.names))
            pages.reported(Slot(state.pipeline, state.address))
            pages.record([changes.late(state, missing, deadline, now)])
            yield Late(state.pipeline, state.address, missing, state.parts)
