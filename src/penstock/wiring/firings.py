"""A project and its schedules: who keeps the time, and what a person fires by hand."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from penstock.authoring.schedules import Schedule
from penstock.authoring.streams import Stream, rhythm
from penstock.errors import UnknownName, UsageError, nearest
from penstock.model.firings import Fired, Firing, FiringState, Timetable
from penstock.wiring.deliveries import Deliveries

if TYPE_CHECKING:
    from penstock.runtime.timekeeper import Timekeeper

ALL = 1_000_000
POLL_SECONDS = 0.02
"""Between two looks at a firing that another process acts on, or that waits for its next attempt."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One schedule as it is declared, as the ledger knows it, and its last firing."""

    pipeline: str
    schedule: Schedule
    timetable: Timetable | None
    next: datetime | None
    last: Firing | None

    @property
    def enabled(self) -> bool:
        return self.timetable is None or self.timetable.enabled


class Firings(Deliveries):
    """What is due, and what was."""

    @property
    def schedules(self) -> dict[str, Schedule]:
        """The declared schedules, by pipeline."""
        rhythms = ((name, rhythm(pipeline.trigger)) for name, pipeline in self.pipelines.items())
        return {name: found for name, found in rhythms if found is not None}

    def fires(self, pipeline: str) -> bool:
        """Whether there is something to do for a pipeline that nobody delivers: fetch, or submit files."""
        declared = self.pipeline(pipeline)
        if isinstance(declared.trigger, Stream):
            return False  # a poll delivers nothing: what waits is flushed, and loaded
        return declared.pulled or isinstance(declared.trigger, Schedule)

    def polls(self, pipeline: str) -> bool:
        """Whether a feed is polled for a pipeline, each reading a record of its stream."""
        trigger = self.pipeline(pipeline).trigger
        return isinstance(trigger, Stream) and trigger.every is not None

    def timekeeper(self) -> Timekeeper | None:
        """Who fires what is due; None where nothing ever is."""
        if not self.schedules:
            return None
        from penstock.runtime.timekeeper import Timekeeper

        return Timekeeper(self.courier, self.worker_name)

    def planned(self) -> list[Planned]:
        """Every schedule, with what is next."""
        from penstock.runtime.schedules import upcoming

        known = {item.pipeline: item for item in self.ledger.timetables()}
        now = self.clock()
        return [
            Planned(
                name,
                schedule,
                known.get(name),
                upcoming(schedule, now),
                next(iter(self.ledger.firings(name, 1)), None),
            )
            for name, schedule in self.schedules.items()
        ]

    def fired_for(self, pipeline: str) -> set[datetime]:
        """The times for which a pipeline has fired, and that came to a good end."""
        good = (FiringState.DONE, FiringState.UNCHANGED)
        return {item.due for item in self.ledger.firings(pipeline, ALL) if item.state in good}

    def switch(self, pipeline: str, *, on: bool, by: str) -> Timetable:
        """Switch a schedule on or off, for good."""
        schedules = self.schedules
        if self.pipeline(pipeline).name not in schedules:
            raise UnknownName(
                f"pipeline {pipeline!r} has no schedule",
                why="something else sets it off",
                fix=nearest(pipeline, schedules),
            )
        return self.ledger.switch(pipeline, schedules[pipeline].text, self.clock(), on=on, by=by)

    def fire(
        self, pipeline: str, *, at: datetime | None = None, reload: bool = False, hard: bool | None = None
    ) -> Fired:
        """Fire a pipeline by hand, for now or for another time, and act on it until that has come to an end; first on
        what is due of it already, or was cut off.

        A time without an offset is local to the schedule.
        """
        if not self.fires(pipeline) and pipeline not in self.schedules:
            raise UsageError(
                f"pipeline {pipeline!r} does not fire",
                why="files are delivered to it",
                fix="penstock run PIPELINE FILE",
            )
        with self.telling():
            self.bury_dead_workers()
            while (due := self._claim(pipelines=[pipeline])) is not None:
                self.courier.act(due)
            firing = self.ledger.fire_by_hand(
                pipeline, self._instant(pipeline, at), self.clock(), reload=reload, hard=hard
            )
            return self._see_through(firing)

    def _instant(self, pipeline: str, at: datetime | None) -> datetime:
        if at is None:
            return self.clock()
        schedule = self.schedules.get(pipeline)
        return at if at.tzinfo else at.replace(tzinfo=(schedule or Schedule()).zone)

    def _claim(self, *, pipelines: Sequence[str] | None = None, only: str = "") -> Firing | None:
        lease, policy = self.courier.route.lease, self.courier.route.policy
        return self.ledger.claim_firing(
            self.worker_name, self.clock(), lease, pipelines=pipelines, only=only, policy=policy
        )

    def _see_through(self, firing: Firing) -> Fired:
        """Act, in this process or while another one does, as often as the policy allows."""
        fired = Fired(firing)
        while not fired.firing.state.final:
            claimed = self._claim(only=firing.id)
            if claimed is not None:
                fired = self.courier.act(claimed)
                continue
            time.sleep(POLL_SECONDS)
            fired = Fired(self.ledger.firing(firing.id) or firing)
        return fired
