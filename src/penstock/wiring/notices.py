"""Who hears of a project's runs: what its pipelines declare, and what its settings add."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import TYPE_CHECKING

from penstock.authoring.notices import DEFAULT, Notice
from penstock.errors import PenstockError
from penstock.model.messages import Message
from penstock.runtime.items import fields_of, ingests, item_of, state_of
from penstock.runtime.notices import Channel, Items, Notifier, Place
from penstock.wiring.parts import Parts
from penstock.wiring.repeating import repeated

if TYPE_CHECKING:
    from penstock.authoring.pipeline import Pipeline
    from penstock.model.runs import Run
    from penstock.model.settings import Settings

log = logging.getLogger("penstock")

TICK_SECONDS = 1.0


def notices_of(settings: Settings, pipelines: Mapping[str, Pipeline]) -> dict[str, tuple[Notice, ...]]:
    """By pipeline. A channel of the settings hears of every pipeline unless it names some."""
    added = [(item.pipelines, Notice(item.on or DEFAULT, (name,))) for name, item in settings.notify.items()]
    return {
        name: (*pipeline.notices, *(notice for names, notice in added if not names or name in names))
        for name, pipeline in pipelines.items()
    }


def channels(settings: Settings, pipelines: Mapping[str, Pipeline]) -> list[str]:
    """Every channel that somebody names."""
    found = notices_of(settings, pipelines).values()
    return sorted({name for notices in found for notice in notices for name in notice.to} | set(settings.notify))


class Telling(Parts):
    """The part of a project that tells people."""

    @cached_property
    def notifier(self) -> Notifier | None:
        """None when nobody wants to hear of anything: then nothing is read for it, and nothing is kept."""
        notices = notices_of(self.settings, self.pipelines)
        if not any(notices.values()):
            return None
        place = Place(self.settings.project, self.settings.environment)
        return Notifier(
            self.ledger, lambda name: notices.get(name, ()), self.open_channel, place, self.clock, self.items_of
        )

    def items_of(self, run: Run) -> Items:
        """How a run's ingestions stand, and how their pipeline calls them."""
        boundary, forms = self.plans[run.pipeline].boundary, self.pipelines[run.pipeline].tracked
        mine = [item for item in run.generations if item.run == run.id]
        states = [state_of(item, run, boundary)[0] for item in mine]
        named = [item_of(forms, fields_of(item, run, boundary)) for item in mine if forms and ingests(item)]
        return Items(states[-1] if states else str(run.stage), named)

    def open_channel(self, name: str) -> Channel:
        """A channel by name. Raises `MissingSecret`, `ChannelRefused`."""
        from penstock.adapters.notify import open_channel

        return open_channel(self.secrets.get(f"notify_{name}"), self.settings.folder)

    def try_channel(self, name: str) -> None:
        """Send a message that says no more than that it was sent."""
        now = self.clock()
        subject = f"{self.settings.project}: a message from Penstock"
        text = "Sent by `penstock doctor --notify`. This channel works."
        facts = {"project": self.settings.project, "environment": self.settings.environment, "status": "test"}
        self.open_channel(name).send(Message(f"test-{now.timestamp():.6f}/{name}", name, subject, text, now, facts))

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Around work: afterwards what happened is told, each message tried once; the others stay in the outbox."""
        if self.notifier is None:
            yield
            return
        with suppress(PenstockError):
            self.notifier.begin()
        yield
        self.notifier.tick()

    @contextmanager
    def telling_meanwhile(self) -> Iterator[None]:
        """While others work: what happens is told as it happens, by a thread of its own."""
        notifier = self.notifier
        if notifier is None:
            yield
            return
        with suppress(PenstockError):
            notifier.begin()
        try:
            with repeated(notifier.tick, TICK_SECONDS, "notifier"):
                yield
        finally:
            notifier.tick()
