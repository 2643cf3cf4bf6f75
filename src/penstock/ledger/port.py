"""The ledger's ports: what the runtime asks of the durable record, on every target.

Three small interfaces over one record. A message anywhere else (a watcher's, a queue's) is only a wake-up: `claim`
decides. Every method is one durable transaction; when it returns, what it says has happened, whatever dies next.
All instants are timezone-aware UTC and are passed in, so that a test can turn the clock.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from penstock.model.events import Event
from penstock.model.firings import Fired, Firing, Pulled, Timetable
from penstock.model.messages import Message, MessageState
from penstock.model.readiness import KeyState, Late, Mark, Readiness
from penstock.model.refusals import Refused, Waiting
from penstock.model.runs import Reached, Result, Run, Staged
from penstock.model.slots import Acceptance, Delivery, Generation, Slot
from penstock.model.strays import Stray
from penstock.model.surveys import Surveyed


@dataclass(frozen=True, slots=True)
class ClaimLimits:
    """How much one run may hold. A single generation larger than `bytes` is a run of its own."""

    generations: int = 10_000
    bytes: int = 128_000_000
    lease: timedelta = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Backoff with full jitter: attempt n waits up to `first · 2ⁿ⁻¹`, at most `longest`; after `attempts` it dies."""

    attempts: int = 5
    first: timedelta = timedelta(seconds=1)
    longest: timedelta = timedelta(minutes=5)
    deaths: int = 2
    """How many workers may vanish over a run before it is bisected, or is dead when one generation is left."""


class Intake(Protocol):
    """Promise 1 and 3: acceptance is durable before it is acknowledged, and equal to the current one is a duplicate."""

    def accept(self, deliveries: Sequence[Delivery], now: datetime) -> list[Acceptance]:
        """Judge deliveries in order, in one transaction.

        A `DELIVERY` whose content hash equals that of the slot's current generation is a recorded duplicate; anything
        else is the next generation. `RELOAD`, `PATCH` and `WITHDRAWAL` are always the next generation. A new delivery,
        reload or withdrawal supersedes the slot's accepted generations that no run holds, and its open rejects; any
        new generation supersedes what is suspended or dead. Only a withdrawal supersedes a withdrawal that waits.

        The current content is the newest delivery's or reload's, however that ended: a patch does not change it, and
        what was refused, stopped, dropped or is dead is loaded again by a reload only. After a withdrawal the same
        content is new, unless it is the same version of the object. Patches and withdrawals take over the content and
        parts of what they concern. Raises `UsageError` for a patch of what is not loaded, `UnknownName` for a patch
        or withdrawal of what never came; then nothing of the call was accepted.
        """
        ...


class Retries(Protocol):
    """Promise 7: rows that a destination refused come along with their pipeline's next run."""

    def retry(self, pipelines: Iterable[str], now: datetime) -> list[Acceptance]:
        """A person runs these pipelines: accept the rows that wait.

        A patch for each generation whose rows mean something alone, with the edits that brought them, otherwise a
        reload; both with the sequence of what they heal, and not hard. Nothing of a slot of which anything else is on
        its way or has failed.

        `claim` does the same for the pipeline of a new run that holds a delivery or reload, and `fired` for the
        firing's, but only for rows that have rested for long enough since they were refused."""
        ...


class Marks(Protocol):
    """Readiness: a key whose members are all marked is delivered in the transaction that marked the last of them."""

    def mark(self, marks: Sequence[Mark], now: datetime) -> list[Acceptance]:
        """Keep what members are now, in order, then offer every complete key that one of them belongs to as a delivery
        of the slot `key/…`: an equal vector is a duplicate. A key that has lost its last object or slot of a member is
        withdrawn. A mark of an older generation than the known one changes nothing.
        """
        ...

    def remind(self, triggers: Sequence[Readiness], now: datetime) -> list[Late]:
        """Record, once for each, the keys that were not complete at their deadline, and what they lack."""
        ...


class Claims(Protocol):
    """Promise 2 and 8: who may work on what, until when."""

    def claim(
        self,
        worker: str,
        now: datetime,
        *,
        pipelines: Iterable[str] | None = None,
        limits: ClaimLimits = ...,
        policies: Mapping[str, RetryPolicy] | None = None,
        surveyed: Collection[str] = (),
    ) -> Run | None:
        """The next run for this worker, or None.

        First a run whose lease has expired (its epoch and attempt grow, its `deaths` too), then one whose retry is
        due, then a new run over the oldest accepted generations of one pipeline. Within a slot generations go in
        order: none is claimed while an earlier one is in a run that is not final. A run over more than one generation
        that has lost `policy.deaths` workers is bisected at once: both halves become runs of their own.

        `run.open` is what there is to do; a run that was released, redriven or restaged holds finished generations
        too. A run of withdrawals holds nothing else and begins at stage `load`; a new run of a pipeline in `surveyed`
        begins at stage `catalog`, unless it holds patches only.
        """
        ...

    def renew(self, run: str, epoch: int, now: datetime, lease: timedelta) -> None:
        """Extend the lease. Raises `ClaimLost` when the epoch has passed."""
        ...

    def bury(self, worker: str, now: datetime) -> list[Run]:
        """The worker of this name is known to be dead: its runs may be claimed at once. Returns them."""
        ...

    def catalogued(self, run: str, epoch: int, now: datetime, found: Sequence[Surveyed]) -> Run:
        """The boundary behind stage `catalog`: the catalog knows what lies in the landing zone, and stage `prepare`
        begins. Drifts that were not told before are. Raises `ClaimLost`."""
        ...

    def halfway(
        self, run: str, epoch: int, now: datetime, results: Sequence[Result], kept: Staged, fingerprint: str
    ) -> Run:
        """The boundary behind a step that has one: what it made is staged, and stage `test` begins. `results` are those
        of generations that did not come so far. Raises `ClaimLost`."""
        ...

    def prepared(
        self, run: str, epoch: int, now: datetime, results: Sequence[Result], staged: Sequence[Staged], fingerprint: str
    ) -> Run:
        """The first boundary: rows are staged and rejected rows are aside. Generations that were refused, stopped or
        suspended are finished here; when none is left to load the run is final. Every open generation needs a result
        that is one of these or `prepared`. Raises `ClaimLost`."""
        ...

    def loaded(self, run: str, epoch: int, now: datetime, results: Sequence[Result]) -> Run:
        """The second boundary: every destination holds the rows (or holds newer ones). A result replaces what
        `prepare` found; an open generation without one is loaded as it was prepared. Raises `ClaimLost`."""
        ...

    def published(self, run: str, epoch: int, now: datetime, triggers: Sequence[Readiness] = ()) -> Run:
        """The end: the run is final, its tables are announced as events, and what it loaded is marked for those
        triggers that read it. Raises `ClaimLost`."""
        ...

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
        """An attempt failed. `retry` (the error's own word) waits and tries again until the policy's attempts are
        spent; a deterministic failure over several generations is bisected into two runs; over one it is dead.
        `reached`: the rows that one destination holds already, while another does not answer.
        Returns the runs as they stand now: the two halves of a bisected one, which itself is `failed`. Raises
        `ClaimLost`."""
        ...

    def set_aside(self, run: str, epoch: int, now: datetime, refused: Sequence[Refused]) -> Run:
        """A destination refuses these rows, and nothing has changed there: the run prepares again without them, under
        the next revision, from the boundary of a step where it has one. It counts as no attempt. A later `restage`,
        release or redrive that prepares again leaves nothing out. Raises `ClaimLost`."""
        ...

    def restage(self, run: str, epoch: int, now: datetime) -> Run:
        """Back to `prepare` with what is open: the staged rows were made under another definition, or are gone. What a
        destination holds of them gives way to the next revision. Raises `ClaimLost`."""
        ...

    def release(self, run: str, now: datetime, *, by: str) -> Run:
        """A person lets what is suspended of a run go on, with `hard` off: its generations load what passed. The run
        is due at once. Raises `UsageError` when nothing of it is suspended, or when it has not ended."""
        ...

    def drop(self, run: str, now: datetime, *, by: str) -> Run:
        """A person gives up what is suspended or dead of a run. Raises `UsageError` when nothing is."""
        ...

    def redrive(self, run: str, now: datetime, *, by: str) -> Run:
        """A person sends dead work back: the run is due at once, and its attempts count anew (their numbers go on).
        Raises `UsageError` when it is not dead."""
        ...


class Outbox(Protocol):
    """Messages to people, each kept until its channel has taken it."""

    def noted(self) -> int:
        """Up to which event messages have been decided. Asked for the first time: up to the last event there is."""
        ...

    def note(self, after: int, upto: int, messages: Sequence[Message]) -> bool:
        """Messages for the events after one and up to another: kept, and due at once. False, and nothing is kept,
        when somebody else has decided these."""
        ...

    def take_message(self, now: datetime, lease: timedelta, *, leaving: Collection[str] = ()) -> Message | None:
        """The message that is due longest, for its next attempt, but for those of some channels. When nothing is heard
        of it before the lease ends, it is due again."""
        ...

    def message_sent(self, message: str, attempt: int) -> None:
        """Its channel took it. An older attempt's word changes nothing."""
        ...

    def message_failed(self, message: str, attempt: int, error: Mapping[str, str], retry_at: datetime | None) -> None:
        """Its channel did not take it; without another time it is dead."""
        ...

    def resend(self, now: datetime) -> int:
        """A person wants the dead messages sent once more. Returns how many they are."""
        ...


class Record(Protocol):
    """What anybody may read."""

    def current(self, slot: Slot) -> Generation | None:
        """The slot's newest generation, whatever its standing."""
        ...

    def history(self, slot: Slot) -> list[Generation]: ...

    def slots(self, pipeline: str) -> list[Slot]: ...

    def key(self, slot: Slot) -> KeyState | None:
        """What is marked of one key, by the slot that it fires."""
        ...

    def keys(self, pipeline: str) -> list[KeyState]:
        """The keys of a pipeline with several inputs of which any member was ever marked, in the order of addresses."""
        ...

    def generations(self, pipeline: str, limit: int = 50) -> list[Generation]:
        """The last accepted ones, newest first."""
        ...

    def run(self, run: str) -> Run | None: ...

    def runs(self, *, pipeline: str | None = None, limit: int = 50, slot: Slot | None = None) -> list[Run]:
        """Newest first."""
        ...

    def events(self, after: int = 0, limit: int = 1000) -> list[Event]:
        """Changes in the order of their commits; `after` is the last sequence that the reader has seen."""
        ...

    def messages(self, states: Collection[MessageState] = ..., limit: int | None = 50) -> list[Message]:
        """Messages in these states, newest first."""
        ...

    def strays(self) -> list[Stray]:
        """Objects that fitted no pipeline when they were last looked at, in the order of addresses."""
        ...

    def live(self, pipeline: str) -> list[tuple[Generation, Result]]:
        """The loaded generations whose rows make up the pipeline's tables now: for each slot the newest loaded
        delivery or reload and the patches loaded after it, unless a withdrawal was loaded last."""
        ...

    def waiting(self, pipeline: str) -> list[Waiting]:
        """The rows of a pipeline that wait or are parked because a destination refused them, in the order of addresses
        and numbers: those of what is loaded now."""
        ...

    def pending(self, pipelines: Iterable[str] | None = None) -> int:
        """Accepted generations and unfinished runs: 0 means idle."""
        ...

    def oldest(self, pipeline: str) -> Generation | None:
        """The generation that has waited longest of those that could be claimed now."""
        ...

    def next_due(self) -> datetime | None:
        """When the next retry or expired lease is due; None when nothing waits."""
        ...


class Calendar(Protocol):
    """What anybody may read about schedules."""

    def timetables(self) -> list[Timetable]:
        """What is known of each schedule, by the name of its pipeline."""
        ...

    def firing(self, firing: str) -> Firing | None: ...

    def firings(self, pipeline: str | None = None, limit: int = 50) -> list[Firing]:
        """Newest first."""
        ...

    def open_firings(self) -> list[Firing]:
        """Those that are not final, in the order in which they were recorded."""
        ...

    def pulled(self, pipeline: str) -> dict[str, Pulled]:
        """What was last fetched from each of a pipeline's sources, by the source's name."""
        ...


class Almanac(Calendar, Protocol):
    """Schedules, and the firings that they or a person set off."""

    def plan(self, pipeline: str, text: str, now: datetime) -> Timetable:
        """The schedule of a pipeline is this one. What is new, or another than before, is settled up to now; whether
        it is enabled stays as it was (at first it is)."""
        ...

    def switch(self, pipeline: str, text: str, now: datetime, *, on: bool, by: str) -> Timetable:
        """A person switches a schedule on or off. What was due while it was off is not made up for."""
        ...

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
        """Record firings before anybody acts on them; the schedule is settled up to `until` then.

        Nothing is recorded when the timetable is no longer this one: somebody else was faster, or it is switched off.
        Unless `each` must be acted on, what still waits of the schedule gives way to the newest.
        """
        ...

    def fire_by_hand(
        self, pipeline: str, due: datetime, now: datetime, *, reload: bool = False, hard: bool | None = None
    ) -> Firing:
        """A person fires a pipeline, for some time, whatever its schedule says."""
        ...

    def claim_firing(
        self,
        worker: str,
        now: datetime,
        lease: timedelta,
        *,
        pipelines: Iterable[str] | None = None,
        only: str = "",
        policy: RetryPolicy = ...,
    ) -> Firing | None:
        """The next firing to act on, or None: one that is due, whose retry is due, or whose worker's lease has ended.

        For each pipeline one at a time, a schedule's in order. One whose workers have vanished as often as the policy
        has attempts fails. `only` names the one that is wanted.
        """
        ...

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
        """The end: its deliveries are accepted in the same transaction. It is `done` when any of them is new, or when
        something was `POURED`; `unchanged` otherwise. `told` says of each source what was found. `marks` are kept for
        the keys that the deliveries are of, and fire nothing themselves. Raises `ClaimLost`."""
        ...

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
        """An attempt failed: it waits for the next one, or has failed for good. Raises `ClaimLost`.

        Before `held_until` nobody acts for the pipeline, except for a person.
        """
        ...

    def bury_firings(self, worker: str, now: datetime) -> list[Firing]:
        """The worker of this name is known to be dead: what it held may be claimed at once."""
        ...


class Versions(Protocol):
    """Which version of a pipeline's tables readers see."""

    def shown(self, pipeline: str, version: int, now: datetime, *, before: int, newest: int, by: str) -> None:
        """A person has published one version in place of another. It changes nothing of what is loaded."""
        ...

    def strayed(self, strays: Sequence[Stray], now: datetime) -> None:
        """Objects fit no pipeline. What was told before, in the same version, is not told again."""
        ...

    def drifted(self, pipeline: str, table: str, drifts: Sequence[Mapping[str, str]], now: datetime) -> None:
        """Columns of a table, raw or loaded, have become others. What was told before is not told again."""
        ...


class Ledger(Intake, Retries, Marks, Claims, Outbox, Almanac, Versions, Record, Protocol):
    """The whole record."""
