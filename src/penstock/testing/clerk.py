"""A clerk who delivers to a ledger and works on what it hands out, at a clock that stands until it is turned."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from penstock.errors import StepFailed
from penstock.ledger.port import ClaimLimits, Ledger, RetryPolicy
from penstock.model.fates import Fates
from penstock.model.readiness import Readiness
from penstock.model.refusals import Refused
from penstock.model.runs import Reached, Result, Run, Stage, Staged
from penstock.model.slots import Acceptance, Content, Delivery, Generation, Kind, Slot, Standing
from penstock.model.surveys import Surveyed

NOW = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
PIPELINE = "cafe"
RAW = "raw.cafe"
LEASE = timedelta(seconds=60)
POLICY = RetryPolicy(attempts=3, first=timedelta(seconds=10), longest=timedelta(minutes=1), deaths=2)
BROKEN = StepFailed("the step raised", at="step items").facts()


def slot(name: str, pipeline: str = PIPELINE) -> Slot:
    """The slot of a file in the landing zone."""
    return Slot(pipeline, f"landing/{name}.csv")


def content(text: str, version: str = "") -> Content:
    """What a file with this text is to the ledger."""
    return Content(hashlib.sha256(text.encode()).hexdigest(), len(text), version)


def result(generation: Generation, standing: Standing = Standing.PREPARED) -> Result:
    """What a run finds out about a file of three rows, one of which is rejected."""
    return Result(
        slot=generation.slot,
        number=generation.number,
        standing=standing,
        fates=Fates(read=3, kept=2, quarantined=1),
        span=4,
        reasons={"bad date": 1},
        rows={"orders": 2},
        checksums={"orders": 2 * generation.slot.base + 3},
        error=None if standing in (Standing.PREPARED, Standing.LOADED) else BROKEN,
    )


class Clerk:
    """Names stand for files: `deliver("leeds", "A")` delivers a file whose text is A."""

    def __init__(self, ledger: Ledger, pipeline: str = PIPELINE, worker: str = "worker-1") -> None:
        self.ledger, self.pipeline, self.worker = ledger, pipeline, worker
        self.now = NOW
        self.policy = POLICY
        self.triggers: tuple[Readiness, ...] = ()
        """Who waits for what this clerk's runs load."""
        self.surveyed: tuple[str, ...] = ()
        """The pipelines whose runs begin with the catalog."""

    def turn(self, time: timedelta) -> None:
        """Turn the clock."""
        self.now += time

    # --- deliveries ----------------------------------------------------------------------------------------------

    def deliver(self, name: str, text: str = "A", version: str = "", **more: Any) -> Acceptance:
        """A file arrives."""
        return self._send(name, content=content(text, version), **more)

    def deliver_all(self, names: Iterable[str], text: str = "A") -> list[Acceptance]:
        """Files arrive together."""
        deliveries = [Delivery(slot(name, self.pipeline), content=content(text)) for name in names]
        return self.ledger.accept(deliveries, self.now)

    def reload(self, name: str, text: str = "A") -> Acceptance:
        """A person asks for a file to be loaded again."""
        return self._send(name, kind=Kind.RELOAD, content=content(text))

    def patch(self, name: str, *lines: int) -> Acceptance:
        """Rejected lines of a file are replayed."""
        return self._send(name, kind=Kind.PATCH, lines=lines)

    def replay_whole(self, name: str, text: str, *lines: int) -> Acceptance:
        """Rejected lines of a file are replayed with all the others."""
        return self._send(name, kind=Kind.RELOAD, content=content(text), lines=lines)

    def withdraw(self, name: str) -> Acceptance:
        """A person takes a file's rows out of the tables."""
        return self._send(name, kind=Kind.WITHDRAWAL)

    def _send(self, name: str, **what: Any) -> Acceptance:
        (acceptance,) = self.ledger.accept([Delivery(slot(name, self.pipeline), **what)], self.now)
        return acceptance

    # --- work ----------------------------------------------------------------------------------------------------

    def claim(self, worker: str = "", *, most: int = 1000, **more: Any) -> Run | None:
        """The next run for a worker."""
        return self.ledger.claim(
            worker or self.worker,
            self.now,
            limits=ClaimLimits(generations=most, lease=LEASE),
            policies={self.pipeline: self.policy},
            surveyed=self.surveyed,
            **more,
        )

    def start(self, worker: str = "", *, most: int = 1000) -> Run:
        """The next run, which must be there."""
        run = self.claim(worker, most=most)
        if run is None:
            message = "there is nothing to claim"
            raise LookupError(message)
        return run

    def catalogue(self, run: Run, *drifts: Mapping[str, str]) -> Run:
        """Record that the catalog is up to date."""
        return self.ledger.catalogued(run.id, run.epoch, self.now, [Surveyed(RAW, 2, 3, drifts=drifts)])

    def halfway(self, run: Run, **ends: Standing) -> Run:
        """Record the boundary behind a step. `ends` says by name what did not come so far."""
        results = [result(item, ends[name_of(item.slot)]) for item in run.open if name_of(item.slot) in ends]
        kept = Staged("transform", (f"staging/{run.id}/{run.attempt}.kept/rows.parquet",), (), 3)
        return self.ledger.halfway(run.id, run.epoch, self.now, results, kept, "fingerprint")

    def prepare(self, run: Run, **ends: Standing) -> Run:
        """Record the first boundary. `ends` says by name what did not pass."""
        results = [result(item, ends.get(name_of(item.slot), Standing.PREPARED)) for item in run.open]
        staged = Staged("orders", (f"staging/{run.id}/{run.attempt}/orders.parquet",), (("at", "TIMESTAMP"),), 2)
        return self.ledger.prepared(run.id, run.epoch, self.now, results, [staged], "fingerprint")

    def load(self, run: Run) -> Run:
        """Record the second boundary."""
        return self.ledger.loaded(run.id, run.epoch, self.now, [])

    def publish(self, run: Run) -> Run:
        """Record the end."""
        return self.ledger.published(run.id, run.epoch, self.now, self.triggers)

    def complete(self, run: Run, **ends: Standing) -> Run:
        """Drive a run to its end."""
        if run.stage is Stage.CATALOG:
            run = self.catalogue(run)
        if run.stage is Stage.PREPARE:
            run = self.prepare(run, **ends)
        if run.stage is Stage.LOAD and not run.state.final:
            run = self.load(run)
        return run if run.state.final else self.publish(run)

    def work(self) -> list[Run]:
        """Drive all there is to its end."""
        done = []
        while (run := self.claim()) is not None:
            done.append(self.complete(run))
        return done

    def fail(self, run: Run, *, retry: bool = False, reached: Reached | None = None) -> list[Run]:
        """An attempt fails; `retry` is the error's own word, `reached` what some destinations hold all the same."""
        policy = self.policy
        return self.ledger.failed(run.id, run.epoch, self.now, BROKEN, retry=retry, policy=policy, reached=reached)

    def set_aside(self, run: Run, *lines: int) -> Run:
        """A destination refuses lines of the run's first file."""
        first = run.generations[0].slot
        rows = [
            Refused(first.address, first.base + line, "orders", "Refused by warehouse: CHECK sense of table orders")
            for line in lines
        ]
        return self.ledger.set_aside(run.id, run.epoch, self.now, rows)

    def renew(self, run: Run) -> None:
        """A worker is still at it."""
        self.ledger.renew(run.id, run.epoch, self.now, LEASE)

    def restage(self, run: Run) -> Run:
        """Staged rows are of no use any more."""
        return self.ledger.restage(run.id, run.epoch, self.now)

    def release(self, run: Run) -> Run:
        return self.ledger.release(run.id, self.now, by="ann")

    def drop(self, run: Run) -> Run:
        return self.ledger.drop(run.id, self.now, by="ann")

    def redrive(self, run: Run) -> Run:
        return self.ledger.redrive(run.id, self.now, by="ann")

    # --- what is to be seen --------------------------------------------------------------------------------------

    def stands(self, name: str) -> list[str]:
        """How each generation of a file stands, in order."""
        return [item.standing.value for item in self.ledger.history(slot(name, self.pipeline))]

    def told(self, *types: str) -> list[tuple[str, str]]:
        """Events as (type, subject); only those of these types, when there are any."""
        return [(item.type, item.subject) for item in self.ledger.events() if not types or item.type in types]

    def live(self) -> list[tuple[str, int]]:
        """The generations that make up the tables now."""
        return [(name_of(item.slot), item.number) for item, _ in self.ledger.live(self.pipeline)]


def name_of(place: Slot) -> str:
    """The name that stands for a slot's file."""
    return place.address.removeprefix("landing/").removesuffix(".csv")
