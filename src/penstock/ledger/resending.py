"""Rows that a destination refused come along with their pipeline's next run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import groupby

from penstock.ledger.accepting import judge
from penstock.ledger.store import Pages
from penstock.model.refusals import RETRY, Waiting
from penstock.model.slots import Acceptance, Delivery, Kind, Standing


def send_again(pages: Pages, pipeline: str, now: datetime, *, rested: bool = True) -> list[Acceptance]:
    """Accept what waits of a pipeline's slots, where nothing else of the slot is on its way or has failed; of what has
    been refused more than once only what has `rested`."""
    waiting = (item for item in pages.waiting(pipeline) if item.due(now, rested=rested))
    by_slot = groupby(waiting, key=lambda item: item.slot)
    deliveries = [each for _, items in by_slot for each in _again(pages, list(items))]
    return [judge(pages, delivery, now) for delivery in deliveries]


def _again(pages: Pages, due: list[Waiting]) -> Iterator[Delivery]:
    tail = pages.tail(due[0].slot)
    if (
        not tail
        or pages.held(tail[0].slot)
        or any(item.standing is not Standing.LOADED for item in (tail[0], tail[-1]))
    ):
        return
    head = tail[0]
    if any(item.aside.whole for item in due):
        lines = tuple(sorted({line for item in due for line in item.aside.lines}))
        yield Delivery(
            head.slot, Kind.RELOAD, head.content, head.parts, RETRY, head.fingerprint, hard=False, lines=lines,
            fixes=head.fixes, members=head.members,
        )  # fmt: skip
        return
    fixes = {item.number: item.fixes for item in tail}
    for item in due:
        yield Delivery(
            head.slot, Kind.PATCH, head.content, cause=RETRY, fingerprint=head.fingerprint, hard=False,
            lines=item.aside.lines, fixes=fixes.get(item.number, ""),
        )  # fmt: skip
