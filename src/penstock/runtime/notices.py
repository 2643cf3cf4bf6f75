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
from penstock.model.reasons import worded
from penstock.model.refusals import RETRY
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
        replays = [item for item in run.generations if item.cause != RETRY]  # those that come by themselves count it
        healing = {item.slot.address for item in replays if item.kind is Kind.PATCH}
        wholes = {item.slot.address: len(item.lines) for item in replays if item.replays_whole}
        came = [result for result in run.results if result.standing is Standing.LOADED]
        lost = sum(result.fates.read for result in run.results if result.standing in _LOST)
        patched = sum(result.fates.kept for result in came if result.slot.address in healing)
        patched += sum(max(wholes.get(each.slot.address, 0) - each.fates.quarantined, 0) for each in came)
        return cls(
            sum(result.fates.kept for result in came),
            lost + sum(result.fates.quarantined for result in came),
            patched + run.retries.get("healed", 0),
        )

    def __str__(self) -> str:
        healed = f", {self.healed:,} healed" if self.healed else ""
        return f"{self.loaded:,} rows loaded, {self.failed:,} failed{healed}"


@dataclass(frozen=True, slots=True)
class Place:
    """Whose messages these are."""

    project: str
    environment: str

    def __str__(self) -> str:
        return f"[{self.project}/{self.environment}]"


@dataclass(frozen=True, slots=True)
class Items:
    """How a run's ingestions are called: the stage that they have come to, and the items that their pipeline names."""

    state: str
    named: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class Text:
    """A message for any channel."""

    subject: str
    text: str
    facts: Mapping[str, Any]

    def to(self, channel: str, event: Event, now: datetime) -> Message:
        """To one of them."""
        return Message(f"{event.sequence}/{channel}", channel, self.subject, self.text, now, self.facts)


_CALLED = {
    "run.waiting": "retrying",
    "firing.waiting": "retrying",
    "firing.failed": "failed",
    "readiness.overdue": "late",
    "object.stray": "stray",
}


def word_of(event: Event) -> str:
    """How an event is called in notices; empty for those that nobody can ask for."""
    return str(event.data["state"]) if event.type == "run.finished" else _CALLED.get(event.type, "")


def asked_for(word: str, on: Sequence[str]) -> bool:
    """`failed` asks for every end but success."""
    return word in on or ("failed" in on and word not in ("", "succeeded", "retrying", "late", "stray"))


def channels_of(word: str, notices: Sequence[Notice]) -> tuple[str, ...]:
    """Who wants to hear of it, each once."""
    return tuple(dict.fromkeys(name for notice in notices if asked_for(word, notice.on) for name in notice.to))


def compose(event: Event, run: Run, items: Items, place: Place) -> Text:
    """What is told of a run's end or failed attempt. Counts and places, never a value from the data."""
    told = Told.of(run)
    facts = {**_facts(event, place), **_of_run(event, run, told, items)}
    subject = f"{run.pipeline} {facts['status']}: {told} {place}"
    return Text(subject, "\n".join(_lines(subject, facts)), facts)


def compose_alone(event: Event, place: Place) -> Text:
    """What is told of something that no run stands behind: a source that does not answer, a file that fits nowhere."""
    error = event.data.get("error") or ({"why": event.data["why"]} if "why" in event.data else {})
    facts = {**_facts(event, place), "about": event.subject, "error": dict(error)}
    subject = f"{event.source} {facts['status']}: {event.subject} {place}"
    return Text(subject, "\n".join([subject, "", *_why(error), "", f"penstock logs {event.source}"]), facts)


def compose_late(event: Event, place: Place) -> Text:
    """What is told of a key whose deadline has passed: whose it is, what it lacks, and what is there."""
    told = {name: event.data[name] for name in ("key", "missing", "here", "since", "deadline")}
    facts = {**_facts(event, place), "about": event.subject, **told}
    key = ", ".join(f"{name} {value}" for name, value in told["key"].items()) or "its only key"
    subject = f"{event.source} late: {key} lacks {_listed(told['missing'])} {place}"
    here = _listed(told["here"]) or "nothing any more"
    lines = (
        f"missing: {', '.join(told['missing'])}",
        f"there: {here}, since {_minute(told['since'])}",
        f"the deadline was {_minute(told['deadline'])}",
    )
    way = f"penstock status {event.source} --ready"
    return Text(subject, "\n".join([subject, "", *lines, "", way]), facts)


def _listed(names: Sequence[str]) -> str:
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)


def _minute(moment: str) -> str:
    return f"{datetime.fromisoformat(moment):%Y-%m-%d %H:%M} UTC"


def _facts(event: Event, place: Place) -> dict[str, Any]:
    return {
        "project": place.project,
        "environment": place.environment,
        "pipeline": event.source,
        "event": event.type,
        "status": word_of(event),
        "at": event.time.isoformat(),
    }


def _of_run(event: Event, run: Run, told: Told, items: Items) -> dict[str, Any]:
    error = event.data.get("error") or run.error or {}
    return {
        "run": run.id,
        "state": items.state,
        "attempt": run.attempt,
        "items": items.named[:SHOWN],
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
    yield from _why(facts["error"])
    yield from (f"table {table}: {rows:,} rows" for table, rows in facts["tables"].items())
    yield from (f"{rows:>8,}  {worded(reason)}" for reason, rows in facts["reasons"].items())
    yield from (f"{item['standing']}: {item['slot']}" for item in facts["deliveries"])
    yield from ("  ".join(map(str, item.values())) for item in facts["items"])
    if facts["more"]:
        yield f"… and {facts['more']:,} more"
    yield ""
    yield f"penstock logs {facts['run']}"


def _why(error: Mapping[str, str]) -> Iterator[str]:
    if "message" in error:
        yield f"why: {error.get('code', '')} {error['message']}"
    if error:
        yield from (f"  {name:<4} {error[name]}" for name in ("at", "why", "fix") if error.get(name))


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
    items: Callable[[Run], Items] = lambda run: Items(str(run.stage))
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
        text = self._text(event)
        return [text.to(name, event, now) for name in names] if text else []

    def _text(self, event: Event) -> Text | None:
        if event.type == "readiness.overdue":
            return compose_late(event, self.place)
        if not event.type.startswith("run."):
            return compose_alone(event, self.place)
        run = self.ledger.run(event.subject)
        if run is None or not any(item.run == run.id for item in run.generations):
            return None  # it was bisected: its halves speak for themselves
        return compose(event, run, self.items(run), self.place)

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
