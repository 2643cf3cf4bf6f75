"""The timekeeper: records what is due, hands it to the courier, and sleeps until something is due again.

It decides nothing that is not in the ledger: any number of them may look at the same clock, and die.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from datetime import datetime, timedelta

from penstock.authoring.schedules import Missed, Schedule
from penstock.authoring.streams import rhythm
from penstock.errors import ClaimLost, PenstockError
from penstock.model.faults import point
from penstock.model.firings import Firing, Timetable
from penstock.runtime.courier import Courier
from penstock.runtime.schedules import decide, upcoming

log = logging.getLogger("penstock")

LONGEST_SLEEP = timedelta(minutes=1)
"""Clocks are set, and machines are suspended: nobody sleeps past a change for longer than this."""

SHORTEST_SLEEP = timedelta(milliseconds=10)
AFTER_TROUBLE = timedelta(seconds=1)


class Timekeeper:
    """One thread that keeps the time, and one for each pipeline that is being acted for."""

    def __init__(self, courier: Courier, worker: str) -> None:
        self.courier, self.worker = courier, worker
        pipelines = courier.route.pipelines
        rhythms = {name: rhythm(pipeline.trigger) for name, pipeline in pipelines.items()}
        self.schedules = {name: found for name, found in rhythms.items() if found is not None}
        self._wake = threading.Event()
        self._over = False
        self._thread = threading.Thread(target=self._keep, name="timekeeper", daemon=True)
        self._acting: set[threading.Thread] = set()

    def start(self) -> None:
        """Keep the time from now on."""
        self._thread.start()

    def stop(self, grace: float) -> None:
        """Let what is being fetched finish, for a while; what does not is begun again by whoever comes next."""
        self._over = True
        self._wake.set()
        deadline = time.monotonic() + grace
        if self._thread.is_alive():
            self._thread.join(grace)
        self.rest(deadline - time.monotonic())

    def rest(self, patience: float) -> None:
        """Wait for what is being acted on, for so many seconds at most."""
        deadline = time.monotonic() + patience
        for thread in tuple(self._acting):
            thread.join(max(0.0, deadline - time.monotonic()))

    def look(self) -> datetime:
        """Record what is due and begin to act. Returns when to look again."""
        route = self.courier.route
        now = route.clock()
        soonest = now + LONGEST_SLEEP
        known = {item.pipeline: item for item in route.ledger.timetables()}
        for name, schedule in self.schedules.items():
            soonest = min(soonest, self._record(name, schedule, known.get(name), now))
        while not self._over and (firing := self._claim()) is not None:
            self._begin(firing)
        waiting = (item.moment for item in route.ledger.open_firings() if item.moment is not None)
        return min([soonest, *(moment for moment in waiting if moment > now)])

    def _record(self, name: str, schedule: Schedule, known: Timetable | None, now: datetime) -> datetime:
        """Record the firings of one schedule that are due. Returns when the next one is."""
        ledger = self.courier.route.ledger
        if known is None or known.text != schedule.text:
            known = ledger.plan(name, schedule.text, now)
        after = upcoming(schedule, now) or now + LONGEST_SLEEP
        if not known.enabled:
            return after
        decision = decide(schedule, known.since, now)
        if decision.firings or decision.missed:
            point("fire.due")
            each = schedule.missed is Missed.ALL
            ledger.fire(known, decision.firings, decision.until, now, missed=decision.missed, each=each)
            point("fire.recorded")
        return after if decision.until == now else now

    def _claim(self) -> Firing | None:
        route = self.courier.route
        return route.ledger.claim_firing(
            self.worker, route.clock(), route.lease, pipelines=tuple(route.pipelines), policy=route.policy
        )

    def _begin(self, firing: Firing) -> None:
        thread = threading.Thread(target=self._act, args=(firing,), name=f"firing {firing.id}", daemon=True)
        self._acting.add(thread)
        thread.start()

    def _act(self, firing: Firing) -> None:
        try:
            self.courier.act(firing)
        except ClaimLost:
            log.warning("Claim lost", extra={"action": "claim_lost", "firing": firing.id})
        except PenstockError as error:
            _warn(error)
            with suppress(PenstockError):
                self.courier.failed(firing, error)
        except Exception:
            log.exception("Unexpected error", extra={"action": "firing_broken", "firing": firing.id})
        finally:
            self._acting.discard(threading.current_thread())
            self._wake.set()

    def _keep(self) -> None:
        while not self._over:
            self._wake.clear()
            try:
                again = self.look()
            except PenstockError as error:
                _warn(error)
                again = self.courier.route.clock() + AFTER_TROUBLE
            except Exception:
                log.exception("Unexpected error", extra={"action": "schedule_broken"})
                again = self.courier.route.clock() + AFTER_TROUBLE
            pause = max(SHORTEST_SLEEP, again - self.courier.route.clock())
            self._wake.wait(min(pause, LONGEST_SLEEP).total_seconds())


def _warn(error: PenstockError) -> None:
    fields = {"action": "schedule_failed", "code": error.code, "error": error.facts()}
    log.warning("Schedule failed", extra=fields)
