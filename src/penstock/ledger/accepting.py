"""Taking a delivery: a duplicate, or the next generation of its slot, and what gives way to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from penstock.ledger import changes, judging, transitions
from penstock.ledger.store import Pages
from penstock.ledger.turning import known
from penstock.model.slots import Acceptance, Delivery, Generation, Standing


def judge(pages: Pages, delivery: Delivery, now: datetime) -> Acceptance:
    """Accept one delivery as what it is."""
    tail = pages.tail(delivery.slot)
    if judging.duplicate(delivery, tail):
        return _repeat(pages, delivery, tail, now)
    generation = judging.next_generation(delivery, tail, pages.places() + 1, now)
    if not tail:
        pages.add(generation, ready=True)
        pages.record((changes.accepted(generation),))
        return Acceptance(generation, fresh=True)
    outdated = judging.superseded(tail, delivery.kind)
    pages.add(generation, ready=_first_in_line(pages, tail, outdated))
    pages.record((changes.accepted(generation),))
    for item in outdated:
        _give_way(pages, item, generation)
    return Acceptance(generation, fresh=True)


def _first_in_line(pages: Pages, tail: Sequence[Generation], outdated: Sequence[Generation]) -> bool:
    """Whether nothing of its slot stands before a new generation. What gives way leaves it its place in the line."""
    waiting = [item for item in tail if judging.waits(item)]
    if not waiting:
        return not pages.held(tail[0].slot)
    return pages.ready(waiting[0]) and all(item in outdated for item in waiting)


def _repeat(pages: Pages, delivery: Delivery, tail: Sequence[Generation], now: datetime) -> Acceptance:
    head = tail[0]
    pages.record([changes.repeated(delivery, head, now)])
    for item in tail:
        anew = judging.pinned_anew(item, delivery)
        if anew is not item and (item.standing.final or not item.run):
            pages.amend(anew)
            head = anew if item is head else head
    return Acceptance(head, fresh=False)


def _give_way(pages: Pages, generation: Generation, by: Generation) -> None:
    if generation.run:
        before = known(pages, generation.run)
        after = transitions.settle(before, [generation.slot], Standing.SUPERSEDED)
        pages.save(after)
        pages.record(changes.generation_changes(before, after, by.accepted_at))
        return
    pages.amend(replace(generation, standing=Standing.SUPERSEDED))
    pages.record([changes.superseded(generation, by)])
