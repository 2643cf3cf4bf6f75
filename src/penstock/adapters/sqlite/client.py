"""The other side of the socket: a ledger whose every method is a call to the process that holds it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from multiprocessing.connection import Client, Connection, answer_challenge, deliver_challenge
from pathlib import Path
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from penstock.adapters.sqlite.wire import GONE, Answer, Call, pack, unpack
from penstock.errors import LedgerBusy
from penstock.ledger.book import LIMITS, POLICY
from penstock.ledger.port import Almanac, ClaimLimits, Ledger, RetryPolicy
from penstock.model.events import Event
from penstock.model.firings import Fired, Firing, Pulled, Timetable
from penstock.model.messages import Message, MessageState
from penstock.model.readiness import KeyState, Late, Mark, Readiness
from penstock.model.refusals import Refused, Waiting
from penstock.model.runs import Reached, Result, Run, Staged
from penstock.model.slots import Acceptance, Delivery, Generation, Slot
from penstock.model.strays import Stray
from penstock.model.surveys import Surveyed

P = ParamSpec("P")
T = TypeVar("T")

LONGEST_ANSWER = 30.0
"""For how many seconds an answer is waited for."""


class LineLost(Exception):
    """The holder went away before it answered; the call may or may not have been carried out."""


class Line:
    """Connections to the holder, as many as there are calls at the same time."""

    def __init__(self, address: Path, key: Callable[[], bytes], patience: float = LONGEST_ANSWER) -> None:
        self._address, self._key, self._patience = address, key, patience
        self._idle: list[Connection] = []

    def ask(self, call: Call) -> Answer:
        """Raises `LineLost`, or `LedgerBusy` when the holder lives but does not answer."""
        try:
            connection = self._idle.pop() if self._idle else self._connect()
        except GONE as error:
            raise LineLost from error
        try:
            answer = self._exchange(connection, call)
        except BaseException as error:
            connection.close()
            if isinstance(error, GONE):
                raise LineLost from error
            raise
        self._idle.append(connection)
        return answer

    def _exchange(self, connection: Connection, call: Call) -> Answer:
        connection.send_bytes(pack(call))
        self._await(connection)
        answer: Answer = unpack(connection.recv_bytes())
        return answer

    def _await(self, connection: Connection) -> None:
        if not connection.poll(self._patience):
            raise LedgerBusy(
                f"the process that holds the ledger has not answered for {self._patience:g} s",
                at=str(self._address),
                fix="see whether it is stopped, or its disk is",
            )

    def _connect(self) -> Connection:
        """Both ends prove that they know the key. Not by `Client(authkey=…)`, which would wait forever."""
        connection = Client(str(self._address), family="AF_UNIX")
        try:
            self._await(connection)
            answer_challenge(connection, self._key())
            deliver_challenge(connection, self._key())
        except BaseException:
            connection.close()
            raise
        return connection

    def close(self) -> None:
        """Hang up."""
        while self._idle:
            self._idle.pop().close()


class Ask(Protocol):
    """Calls a method of the ledger wherever that is."""

    def __call__(self, method: Callable[Concatenate[Ledger, P], T], /, *arguments: P.args, **named: P.kwargs) -> T: ...


class RemoteSchedules(Almanac):
    """The schedules of the ledger in another process."""

    _ask: Ask

    def plan(self, pipeline: str, text: str, now: datetime) -> Timetable:
        return self._ask(Ledger.plan, pipeline, text, now)

    def switch(self, pipeline: str, text: str, now: datetime, *, on: bool, by: str) -> Timetable:
        return self._ask(Ledger.switch, pipeline, text, now, on=on, by=by)

    def fire(
        self,
        timetable: Timetable,
        dues: Sequence[datetime],
        until: datetime,
        now: datetime,
        *,
        missed: int = 0,
        each: bool = False,
    ) -> list[Firing]:
        return self._ask(Ledger.fire, timetable, tuple(dues), until, now, missed=missed, each=each)

    def fire_by_hand(
        self, pipeline: str, due: datetime, now: datetime, *, reload: bool = False, hard: bool | None = None
    ) -> Firing:
        return self._ask(Ledger.fire_by_hand, pipeline, due, now, reload=reload, hard=hard)

    def claim_firing(
        self,
        worker: str,
        now: datetime,
        lease: timedelta,
        *,
        pipelines: Iterable[str] | None = None,
        only: str = "",
        policy: RetryPolicy = POLICY,
    ) -> Firing | None:
        wanted = None if pipelines is None else tuple(pipelines)
        return self._ask(Ledger.claim_firing, worker, now, lease, pipelines=wanted, only=only, policy=policy)

    def fired(
        self,
        firing: str,
        epoch: int,
        now: datetime,
        deliveries: Sequence[Delivery],
        pulled: Sequence[Pulled] = (),
        told: Mapping[str, str] | None = None,
        marks: Sequence[Mark] = (),
    ) -> Fired:
        return self._ask(Ledger.fired, firing, epoch, now, tuple(deliveries), tuple(pulled), told, tuple(marks))

    def firing_failed(
        self,
        firing: str,
        epoch: int,
        now: datetime,
        error: Mapping[str, str],
        *,
        retry: bool,
        policy: RetryPolicy,
        held_until: datetime | None = None,
    ) -> Firing:
        return self._ask(
            Ledger.firing_failed, firing, epoch, now, dict(error), retry=retry, policy=policy, held_until=held_until
        )

    def bury_firings(self, worker: str, now: datetime) -> list[Firing]:
        return self._ask(Ledger.bury_firings, worker, now)

    def timetables(self) -> list[Timetable]:
        return self._ask(Ledger.timetables)

    def firing(self, firing: str) -> Firing | None:
        return self._ask(Ledger.firing, firing)

    def firings(self, pipeline: str | None = None, limit: int = 50) -> list[Firing]:
        return self._ask(Ledger.firings, pipeline, limit)

    def open_firings(self) -> list[Firing]:
        return self._ask(Ledger.open_firings)

    def pulled(self, pipeline: str) -> dict[str, Pulled]:
        return self._ask(Ledger.pulled, pipeline)


class RemoteLedger(RemoteSchedules, Ledger):
    """The ledger in another process: `ask` carries a call there, and its answer back."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def accept(self, deliveries: Sequence[Delivery], now: datetime) -> list[Acceptance]:
        return self._ask(Ledger.accept, tuple(deliveries), now)

    def retry(self, pipelines: Iterable[str], now: datetime) -> list[Acceptance]:
        return self._ask(Ledger.retry, tuple(pipelines), now)

    def waiting(self, pipeline: str) -> list[Waiting]:
        return self._ask(Ledger.waiting, pipeline)

    def mark(self, marks: Sequence[Mark], now: datetime) -> list[Acceptance]:
        return self._ask(Ledger.mark, tuple(marks), now)

    def remind(self, triggers: Sequence[Readiness], now: datetime) -> list[Late]:
        return self._ask(Ledger.remind, tuple(triggers), now)

    def claim(
        self,
        worker: str,
        now: datetime,
        *,
        pipelines: Iterable[str] | None = None,
        limits: ClaimLimits = LIMITS,
        policies: Mapping[str, RetryPolicy] | None = None,
        surveyed: Collection[str] = (),
    ) -> Run | None:
        wanted, begun = None if pipelines is None else tuple(pipelines), tuple(surveyed)
        return self._ask(Ledger.claim, worker, now, pipelines=wanted, limits=limits, policies=policies, surveyed=begun)

    def renew(self, run: str, epoch: int, now: datetime, lease: timedelta) -> None:
        self._ask(Ledger.renew, run, epoch, now, lease)

    def bury(self, worker: str, now: datetime) -> list[Run]:
        return self._ask(Ledger.bury, worker, now)

    def catalogued(self, run: str, epoch: int, now: datetime, found: Sequence[Surveyed]) -> Run:
        return self._ask(Ledger.catalogued, run, epoch, now, tuple(found))

    def halfway(
        self, run: str, epoch: int, now: datetime, results: Sequence[Result], kept: Staged, fingerprint: str
    ) -> Run:
        return self._ask(Ledger.halfway, run, epoch, now, tuple(results), kept, fingerprint)

    def prepared(
        self, run: str, epoch: int, now: datetime, results: Sequence[Result], staged: Sequence[Staged], fingerprint: str
    ) -> Run:
        return self._ask(Ledger.prepared, run, epoch, now, tuple(results), tuple(staged), fingerprint)

    def loaded(self, run: str, epoch: int, now: datetime, results: Sequence[Result]) -> Run:
        return self._ask(Ledger.loaded, run, epoch, now, tuple(results))

    def published(self, run: str, epoch: int, now: datetime, triggers: Sequence[Readiness] = ()) -> Run:
        return self._ask(Ledger.published, run, epoch, now, tuple(triggers))

    def failed(
        self,
        run: str,
        epoch: int,
        now: datetime,
        error: Mapping[str, str],
        *,
        retry: bool,
        policy: RetryPolicy,
        reached: Reached | None = None,
    ) -> list[Run]:
        held = {address: dict(rows) for address, rows in (reached or {}).items()}
        return self._ask(Ledger.failed, run, epoch, now, dict(error), retry=retry, policy=policy, reached=held)

    def set_aside(self, run: str, epoch: int, now: datetime, refused: Sequence[Refused]) -> Run:
        return self._ask(Ledger.set_aside, run, epoch, now, tuple(refused))

    def restage(self, run: str, epoch: int, now: datetime) -> Run:
        return self._ask(Ledger.restage, run, epoch, now)

    def release(self, run: str, now: datetime, *, by: str) -> Run:
        return self._ask(Ledger.release, run, now, by=by)

    def drop(self, run: str, now: datetime, *, by: str) -> Run:
        return self._ask(Ledger.drop, run, now, by=by)

    def redrive(self, run: str, now: datetime, *, by: str) -> Run:
        return self._ask(Ledger.redrive, run, now, by=by)

    def shown(self, pipeline: str, version: int, now: datetime, *, before: int, newest: int, by: str) -> None:
        self._ask(Ledger.shown, pipeline, version, now, before=before, newest=newest, by=by)

    def strayed(self, strays: Sequence[Stray], now: datetime) -> None:
        self._ask(Ledger.strayed, strays, now)

    def drifted(self, pipeline: str, table: str, drifts: Sequence[Mapping[str, str]], now: datetime) -> None:
        self._ask(Ledger.drifted, pipeline, table, [dict(drift) for drift in drifts], now)

    def noted(self) -> int:
        return self._ask(Ledger.noted)

    def note(self, after: int, upto: int, messages: Sequence[Message]) -> bool:
        return self._ask(Ledger.note, after, upto, tuple(messages))

    def take_message(self, now: datetime, lease: timedelta, *, leaving: Collection[str] = ()) -> Message | None:
        return self._ask(Ledger.take_message, now, lease, leaving=tuple(leaving))

    def message_sent(self, message: str, attempt: int) -> None:
        self._ask(Ledger.message_sent, message, attempt)

    def message_failed(self, message: str, attempt: int, error: Mapping[str, str], retry_at: datetime | None) -> None:
        self._ask(Ledger.message_failed, message, attempt, dict(error), retry_at)

    def resend(self, now: datetime) -> int:
        return self._ask(Ledger.resend, now)

    def messages(self, states: Collection[MessageState] = tuple(MessageState), limit: int | None = 50) -> list[Message]:
        return self._ask(Ledger.messages, tuple(states), limit)

    def key(self, slot: Slot) -> KeyState | None:
        return self._ask(Ledger.key, slot)

    def keys(self, pipeline: str) -> list[KeyState]:
        return self._ask(Ledger.keys, pipeline)

    def current(self, slot: Slot) -> Generation | None:
        return self._ask(Ledger.current, slot)

    def history(self, slot: Slot) -> list[Generation]:
        return self._ask(Ledger.history, slot)

    def slots(self, pipeline: str) -> list[Slot]:
        return self._ask(Ledger.slots, pipeline)

    def generations(self, pipeline: str, limit: int = 50) -> list[Generation]:
        return self._ask(Ledger.generations, pipeline, limit)

    def run(self, run: str) -> Run | None:
        return self._ask(Ledger.run, run)

    def runs(self, *, pipeline: str | None = None, limit: int = 50, slot: Slot | None = None) -> list[Run]:
        return self._ask(Ledger.runs, pipeline=pipeline, limit=limit, slot=slot)

    def events(self, after: int = 0, limit: int = 1000) -> list[Event]:
        return self._ask(Ledger.events, after, limit)

    def strays(self) -> list[Stray]:
        return self._ask(Ledger.strays)

    def live(self, pipeline: str) -> list[tuple[Generation, Result]]:
        return self._ask(Ledger.live, pipeline)

    def pending(self, pipelines: Iterable[str] | None = None) -> int:
        return self._ask(Ledger.pending, None if pipelines is None else tuple(pipelines))

    def oldest(self, pipeline: str) -> Generation | None:
        return self._ask(Ledger.oldest, pipeline)

    def next_due(self) -> datetime | None:
        return self._ask(Ledger.next_due)
