"""The courier acts on firings: it looks for files, or fetches them, and puts what is new before the ledger.

Nothing is lost or doubled wherever it is killed: a firing stays open until its deliveries are accepted, in the same
transaction, and to fetch the same content again changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from penstock.authoring.origins import Origin, address, parts_of
from penstock.authoring.pipeline import SOURCE, Pipeline
from penstock.authoring.schedules import Schedule
from penstock.authoring.sources import Source
from penstock.authoring.streams import Stream
from penstock.errors import ClaimLost, PenstockError, SourceUnavailable, StorageUnavailable, unexpected
from penstock.ledger.port import Ledger, RetryPolicy
from penstock.model.faults import point
from penstock.model.firings import BY_SCHEDULE, POURED, Fired, Firing, Pulled
from penstock.model.readiness import Mark, Readiness
from penstock.model.slots import Content, Delivery, Kind, Member, Slot, key_address, vector
from penstock.runtime.ports import Landing, Puller

log = logging.getLogger("penstock")

NOT_MODIFIED, EQUAL, FETCHED = "not modified", "equal", "fetched"


def nowhere(stream: Stream, data: bytes, name: str) -> bool:  # noqa: ARG001 - a route without streams
    """There is no stream to send to."""
    raise StorageUnavailable(f"the stream {stream.name!r} is not open")


@dataclass(frozen=True, slots=True)
class Route:
    """What a courier works with."""

    ledger: Ledger
    landing: Landing
    pipelines: Mapping[str, Pipeline]
    conditions: Mapping[str, Readiness]
    """Those of pipelines with several sources."""
    fingerprints: Mapping[str, str]
    puller: Callable[[Origin], Puller]
    room: Callable[[], AbstractContextManager[Path]]
    """Folders for what is fetched, each for a moment: whoever dies over one leaves it to be swept."""
    clock: Callable[[], datetime]
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    send: Callable[[Stream, bytes, str], bool] = nowhere
    """Puts a polled content into a stream, durably, under a name that counts once; says whether it did."""
    lease: timedelta = timedelta(minutes=15)
    """Longer than any fetch may take: who has vanished on this machine is noticed sooner."""


@dataclass(slots=True)
class _Bag:
    """What a firing has found."""

    deliveries: list[Delivery] = field(default_factory=list)
    pulled: list[Pulled] = field(default_factory=list)
    told: dict[str, str] = field(default_factory=dict)
    marks: list[Mark] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Fetched:
    """What one source has: new content in the file, or what was there `before`."""

    file: Path
    told: str
    before: Pulled | None
    validators: Mapping[str, str] = field(default_factory=dict)


class Courier:
    """Acts on one firing at a time."""

    def __init__(self, route: Route) -> None:
        self.route = route

    def act(self, firing: Firing) -> Fired:
        """Act on a claimed firing; what goes wrong is in the ledger. Raises `ClaimLost`."""
        route = self.route
        try:
            bag = self._gather(firing)
        except ClaimLost:
            raise
        except PenstockError as error:
            return Fired(self.failed(firing, error))
        except OSError as error:
            return Fired(self.failed(firing, StorageUnavailable("the store failed", why=error.strerror or "")))
        except Exception as error:
            log.exception("Unexpected error", extra={"action": "firing_broken", "firing": firing.id})
            return Fired(self.failed(firing, unexpected(error)))
        point("fire.before_record")
        fired = route.ledger.fired(
            firing.id, firing.epoch, route.clock(), bag.deliveries, bag.pulled, bag.told, bag.marks
        )
        point("fire.after_record")
        return fired

    def failed(self, firing: Firing, error: PenstockError) -> Firing:
        """Record an attempt that failed. Raises `ClaimLost`.

        A person is not kept waiting for longer than for any other retry: what a source asks for beyond that, they are
        told.
        """
        route, now = self.route, self.route.clock()
        wait = timedelta(seconds=error.wait) if isinstance(error, SourceUnavailable) else timedelta()
        patient = firing.cause == BY_SCHEDULE or wait <= route.policy.longest
        return route.ledger.firing_failed(
            firing.id,
            firing.epoch,
            now,
            error.facts(),
            retry=error.retry and patient,
            policy=route.policy,
            held_until=now + wait if wait else None,
        )

    def _gather(self, firing: Firing) -> _Bag:
        pipeline = self.route.pipelines[firing.pipeline]
        bag = _Bag()
        if isinstance(pipeline.trigger, Stream):
            self._pour(firing, pipeline, pipeline.trigger, bag)
        elif pipeline.pulled:
            self._fetch(firing, pipeline, bag)
        elif isinstance(pipeline.trigger, Schedule):
            self._look(firing, pipeline.trigger, bag)
        return bag

    # --- files that lie there ------------------------------------------------------------------------------------

    def _look(self, firing: Firing, schedule: Schedule, bag: _Bag) -> None:
        """Everything that the template names for the firing's time, never for today's."""
        if schedule.submit is None:
            return
        wanted = schedule.submit.at(schedule.local(firing.due - schedule.lag))
        for found in self.route.landing.scan(wanted.prefix):
            parts = schedule.submit.match(found.address) if wanted.match(found.address) is not None else None
            if parts is not None:
                told = {name: str(value) for name, value in parts.items()}
                content = self.route.landing.content(found.address)
                bag.deliveries.append(self._delivery(firing, found.address, content, told))
        bag.told["files"] = str(len(bag.deliveries))

    # --- what lies elsewhere -------------------------------------------------------------------------------------

    def _fetch(self, firing: Firing, pipeline: Pipeline, bag: _Bag) -> None:
        """Fetch every source; when all of them are there, what is new lands. Several make one delivery, of all that is
        there now."""
        with ExitStack() as files:
            fetched = {
                name: self._pull(firing, name, source, files.enter_context(self._file()))
                for name, source in pipeline.sources.items()
            }
            found = {name: self._land(firing, name, pipeline.sources[name], item) for name, item in fetched.items()}
        bag.told = {name: item.told for name, item in fetched.items()}
        bag.pulled = [found[name] for name, item in fetched.items() if item.told != NOT_MODIFIED]
        if not firing.reload and FETCHED not in bag.told.values():
            return
        if not pipeline.several:
            (name, one), source = next(iter(found.items())), pipeline.source
            parts = parts_of(firing.pipeline, name, source, one.address) or {}
            bag.deliveries.append(self._delivery(firing, one.address, one.content, parts))
            return
        members = tuple(Member(name, item.address, item.content) for name, item in found.items())
        bag.deliveries.append(self._delivery(firing, key_address({}), vector(members), {}, members))
        condition = self.route.conditions[firing.pipeline]
        bag.marks.extend(Mark(condition, {}, member) for member in members)

    def _pull(self, firing: Firing, name: str, source: Source, file: Path) -> _Fetched:
        """What a source has now: in the file, or what was fetched before."""
        origin = source.origin
        assert origin is not None  # noqa: S101 - all of a pipeline's sources are pulled, or none
        before = self._known(firing.pipeline, name, origin)
        known = before.validators if before and not firing.reload else {}
        validators = self.route.puller(origin).pull(origin, known, file)
        point("fire.fetched")
        if validators is None:
            return _Fetched(file, NOT_MODIFIED, before)
        if before is not None and _sha256(file) == before.content.sha256:
            return _Fetched(file, EQUAL, replace(before, at=self.route.clock(), validators=validators))
        return _Fetched(file, FETCHED, None, validators)

    def _land(self, firing: Firing, name: str, source: Source, fetched: _Fetched) -> Pulled:
        """Put what is new into the landing zone."""
        if fetched.before is not None:
            return fetched.before
        landing, origin = self.route.landing, source.origin
        assert origin is not None  # noqa: S101 - as in `_pull`
        where = address(firing.pipeline, name, source, self._local(firing))
        landing.receive(fetched.file, where)
        point("fire.landed")
        content = landing.content(where)
        return Pulled(name, origin.text, where, content, self.route.clock(), fetched.validators)

    def _pour(self, firing: Firing, pipeline: Pipeline, stream: Stream, bag: _Bag) -> None:
        """What a polled source has becomes a record of the stream, named by its content: a reading that is polled
        twice, or once more after a kill, counts once."""
        route, origin = self.route, pipeline.source.origin
        assert origin is not None  # noqa: S101 - a stream that polls has something to poll
        known = route.ledger.pulled(pipeline.name).get(SOURCE)
        before = known if known is not None and known.origin == origin.text else None
        with self._file() as file:
            validators = route.puller(origin).pull(origin, before.validators if before else {}, file)
            point("fire.fetched")
            if validators is None and before is not None:
                bag.told[SOURCE] = NOT_MODIFIED
                return
            sha, size = _sha256(file), file.stat().st_size
            bag.told[SOURCE] = EQUAL if before is not None and sha == before.content.sha256 else FETCHED
            # What an earlier attempt put there before it was killed is news of this firing, too.
            if bag.told[SOURCE] == FETCHED and (
                route.send(stream, file.read_bytes(), f"polled:{sha}") or firing.attempt > 1
            ):
                bag.told[SOURCE] = POURED
            point("fire.landed")
        bag.pulled.append(Pulled(SOURCE, origin.text, stream.path, Content(sha, size), route.clock(), validators or {}))

    def _known(self, pipeline: str, name: str, origin: Origin) -> Pulled | None:
        """What was fetched last, if it came from there and lies where it was put, as it was."""
        known = self.route.ledger.pulled(pipeline).get(name)
        if known is None or known.origin != origin.text:
            return None
        found = next(iter(self.route.landing.scan(known.address)), None)
        return known if found is not None and found.version == known.content.version else None

    def _local(self, firing: Firing) -> datetime:
        trigger = self.route.pipelines[firing.pipeline].trigger
        return trigger.local(firing.due) if isinstance(trigger, Schedule) else firing.due

    @contextmanager
    def _file(self) -> Iterator[Path]:
        with self.route.room() as folder:
            yield folder / "pulled"

    def _delivery(
        self,
        firing: Firing,
        where: str,
        content: Content,
        parts: Mapping[str, str],
        members: tuple[Member, ...] = (),
    ) -> Delivery:
        return Delivery(
            Slot(firing.pipeline, where),
            Kind.RELOAD if firing.reload else Kind.DELIVERY,
            content,
            parts,
            firing.cause,
            self.route.fingerprints.get(firing.pipeline, ""),
            firing.hard,
            members=members,
            run_time=firing.due,
        )


def _sha256(file: Path) -> str:
    import hashlib

    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
