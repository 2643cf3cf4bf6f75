"""Messages about runs: what is told of an event, to whom, and when it is tried again. Pure, but for the `Notifier`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from penstock.authoring.notices import Notice
from penstock.errors import PenstockError, SetupError
from penstock.ledger.port import Ledger, RetryPolicy
from penstock.model.events import Event
from penstock.model.messages import Message
from penstock.model.rows import digest
from penstock.model.runs import Result, Run
from penstock.model.slots import Kind, Standing

log = logging.getLogger("penstock")

PATIENCE = RetryPolicy(attempts=12, first=timedelta(seconds=5), longest=timedelta(hours=1))
"""About three hours of trying."""
LEASE = timedelta(minutes=2)
STALE = timedelta(days=1)
"""What is older than this is no news: channels that were declared anew are not flooded."""
SHOWN = 10
_LOST = (Standing.REFUSED, Standing.STOPPED, Standing.SUSPENDED, Standing.DEAD)


class Channel(Protocol):
    """A way to people. Knows nothing of runs."""

    def send(self, message: Message) -> None:
        """Hand the message over, once. Raises a `PenstockError`, whose `retry` says whether to try again."""
        ...


@dataclass(frozen=True, slots=True)
class Told:
    """Rows as a message counts them: loaded (healed ones among them), failed, healed."""

    loaded: int
    failed: int
    healed: int

    @classmethod
    def of(cls, run: Run) -> Told:
        """Rows of a delivery that was not loaded have failed, all of them."""
        healing = {item.slot.address for item in run.generations if item.kind is Kind.PATCH}
        came = [result for result in run.results if result.standing is Standing.LOADED]
        lost = sum(result.fates.read for result in run.results if result.standing in _LOST)
        return cls(
            sum(result.fates.kept for result in came),
            lost + sum(result.fates.quarantined for result in came),
            sum(result.fates.kept for result in came if result.slot.address in healing),
        )

    def __str__(self) -> str:
        healed = f", {self.healed:,} healed" if self.healed else ""
        return f"{self.loaded:,} rows loaded, {self.failed:,} failed{healed}"


@dataclass(frozen=True, slots=True)
class Place:
    """Whose messages these are."""

    project: str
    environment: str


def word_of(event: Event) -> str:
    """How an event is called in notices; empty for those that nobody can ask for."""
    if event.type == "run.finished":
        return str(event.data["state"])
    return "retrying" if event.type == "run.waiting" else ""


def asked_for(word: str, on: Sequence[str]) -> bool:
    """`failed` asks for every end but success."""
    return word in on or ("failed" in on and word not in ("", "succeeded", "retrying"))


def channels_of(word: str, notices: Sequence[Notice]) -> tuple[str, ...]:
    """Who wants to hear of it, each once."""
    return tuple(dict.fromkeys(name for notice in notices if asked_for(word, notice.on) for name in notice.to))


def compose(event: Event, run: Run, channel: str, place: Place, now: datetime) -> Message:
    """A message about a run's end or failed attempt. Counts and places, never a value from the data."""
    word, told = word_of(event), Told.of(run)
    facts = _facts(event, run, word, told, place)
    subject = f"{run.pipeline} {word}: {told} [{place.project}/{place.environment}]"
    return Message(f"{event.sequence}/{channel}", channel, subject, "\n".join(_lines(subject, facts)), now, facts)


def _facts(event: Event, run: Run, word: str, told: Told, place: Place) -> dict[str, Any]:
    error = event.data.get("error") or run.error or {}
    return {
        "project": place.project,
        "environment": place.environment,
        "pipeline": run.pipeline,
        "run": run.id,
        "status": word,
        "state": str(run.stage),
        "attempt": run.attempt,
        "at": event.time.isoformat(),
        "rows": {"loaded": told.loaded, "failed": told.failed, "healed": told.healed, **run.fates.as_dict()},
        "tables": dict(run.loaded),
        "deliveries": [_delivery(result) for result in run.results[:SHOWN]],
        "more": max(0, len(run.results) - SHOWN),
        "reasons": _reasons(run.results),
        "error": dict(error),
    }


def _delivery(result: Result) -> dict[str, Any]:
    error = {"error": dict(result.error)} if result.error else {}
    return {"slot": result.slot.address, "standing": str(result.standing), "read": result.fates.read, **error}


def _reasons(results: Sequence[Result]) -> dict[str, int]:
    """The rules that failed most, over all deliveries."""
    counts: dict[str, int] = {}
    for result in results:
        for reason, rows in result.reasons.items():
            counts[reason] = counts.get(reason, 0) + rows
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:SHOWN])


def _lines(subject: str, facts: Mapping[str, Any]) -> Iterator[str]:
    yield subject
    yield ""
    yield f"run {facts['run']}, attempt {facts['attempt']}, state {facts['state']}, status {facts['status']}"
    error = facts["error"]
    if error:
        yield f"why: {error.get('code', '')} {error.get('message', '')}".rstrip()
        yield from (f"  {name:<4} {error[name]}" for name in ("at", "why", "fix") if error.get(name))
    yield from (f"table {table}: {rows:,} rows" for table, rows in facts["tables"].items())
    yield from (f"{rows:>8,}  {reason}" for reason, rows in facts["reasons"].items())
    yield from (f"{item['standing']}: {item['slot']}" for item in facts["deliveries"])
    if facts["more"]:
        yield f"… and {facts['more']:,} more"
    yield ""
    yield f"penstock logs {facts['run']}"


def next_try(message: Message, error: PenstockError, now: datetime, policy: RetryPolicy = PATIENCE) -> datetime | None:
    """When to try again; None when it would change nothing, or was tried often enough.

    A missing secret or package is a person's to mend, so it is worth waiting for.
    """
    if not (error.retry or isinstance(error, SetupError)) or message.attempt >= policy.attempts:
        return None
    ceiling = min(policy.longest.total_seconds(), policy.first.total_seconds() * 2 ** (message.attempt - 1))
    spread = int.from_bytes(digest("message", message.id, str(message.attempt))[:6], "big") / 2**48
    return now + timedelta(seconds=ceiling * (1 + spread) / 2)


@dataclass(slots=True)
class Notifier:
    """Reads the ledger's events, keeps messages about them, and sends those that are due.

    Any number of processes may have one: the ledger sees to it that each event is told of once.
    """

    ledger: Ledger
    notices: Callable[[str], Sequence[Notice]]
    """By pipeline."""
    open_channel: Callable[[str], Channel]
    place: Place
    clock: Callable[[], datetime]
    _open: dict[str, Channel] = field(default_factory=dict)

    def begin(self) -> None:
        """From here on events are told of."""
        self.ledger.noted()

    def tick(self) -> None:
        """Tell of what has happened, as far as channels take it. Never fails."""
        try:
            self.gather()
            self.send()
        except PenstockError as error:
            fields = {"action": "notifying_failed", "code": error.code, "error": error.facts()}
            log.warning("Notifying failed", extra=fields)

    def gather(self) -> None:
        """Keep a message for each event and channel that wants to hear of it."""
        after = self.ledger.noted()
        while events := self.ledger.events(after):
            messages = [message for event in events for message in self._about(event)]
            if not self.ledger.note(after, events[-1].sequence, messages):
                return
            after = events[-1].sequence

    def _about(self, event: Event) -> list[Message]:
        now, word = self.clock(), word_of(event)
        names = channels_of(word, self.notices(event.source)) if word else ()
        if not names or now - event.time > STALE:
            return []
        run = self.ledger.run(event.subject)
        if run is None or not any(item.run == run.id for item in run.generations):
            return []  # it was bisected: its halves speak for themselves
        return [compose(event, run, name, self.place, now) for name in names]

    def send(self) -> None:
        """Send what is due. A channel that fails is left alone until the next time."""
        failing: set[str] = set()
        while (message := self.ledger.take_message(self.clock(), LEASE, leaving=sorted(failing))) is not None:
            error = self._send(message)
            if error is None:
                self.ledger.message_sent(message.id, message.attempt)
                continue
            failing.add(message.channel)
            retry_at = next_try(message, error, self.clock())
            self.ledger.message_failed(message.id, message.attempt, error.facts(), retry_at)

    def _send(self, message: Message) -> PenstockError | None:
        try:
            if message.channel not in self._open:
                self._open[message.channel] = self.open_channel(message.channel)
            self._open[message.channel].send(message)
        except PenstockError as error:
            self._open.pop(message.channel, None)  # its URL may be mended meanwhile
            return error
        return None
