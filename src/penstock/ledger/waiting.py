"""What a load leaves waiting because a destination refused it, and what waits no more after it."""

from __future__ import annotations

from datetime import datetime

from penstock.ledger.store import Pages
from penstock.model.refusals import NOTHING, Waiting
from penstock.model.runs import Run
from penstock.model.slots import Generation, Kind, Standing


def remember(pages: Pages, before: Run, after: Run, now: datetime) -> None:
    """Keep what waits of the generations that a run has just loaded; what they have tried again waits no more."""
    loaded = [
        new
        for old, new in zip(before.generations, after.generations, strict=True)
        if new.standing is Standing.LOADED and old.standing is not Standing.LOADED
    ]
    asides = {result.slot: result.aside for result in after.results if result.aside}
    known = pages.waiting(after.pipeline) if loaded else []
    for item in loaded if known or asides else ():
        for older in known:
            if older.slot == item.slot and older.number < item.number:
                _settle(pages, older, item)
        aside = asides.get(item.slot, NOTHING)
        if aside:
            pages.keep_waiting(Waiting(item.slot, item.number, aside, now))


def _settle(pages: Pages, older: Waiting, newer: Generation) -> None:
    left = older.aside.without(newer.lines) if newer.kind is Kind.PATCH else NOTHING
    if left:
        pages.keep_waiting(Waiting(older.slot, older.number, left, older.since))
    else:
        pages.drop_waiting(older)
