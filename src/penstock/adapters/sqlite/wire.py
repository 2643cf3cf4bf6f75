"""What travels between the process that holds the ledger and the others: calls and answers, pickled.

Pickle is safe here as nowhere else: both ends run as one user, prove a key that only this user can read, and speak
over a socket in this user's folder.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from multiprocessing import AuthenticationError
from operator import attrgetter
from typing import Any

from penstock.errors import PenstockError
from penstock.ledger.port import ClaimLimits, RetryPolicy
from penstock.model.events import Event
from penstock.model.fates import Fates
from penstock.model.firings import Fired, Firing, Pulled, Timetable
from penstock.model.messages import Message
from penstock.model.readiness import KeyState, Late, Mark, Need, Readiness
from penstock.model.refusals import Aside, Refused, Waiting
from penstock.model.runs import Portion, Result, Run, Staged
from penstock.model.slots import Acceptance, Content, Delivery, Generation, Kind, Member, Slot
from penstock.model.strays import Stray
from penstock.model.surveys import Surveyed

RECORDS = (
    Acceptance, Aside, ClaimLimits, Content, Delivery, Event, Fates, Fired, Firing, Generation, KeyState, Late, Mark,
    Member, Message, Need, Portion, Pulled, Readiness, Refused, Result, RetryPolicy, Run, Slot, Staged, Stray, Surveyed,
    Timetable, Waiting,
)  # fmt: skip

GONE = (OSError, EOFError, AuthenticationError)
"""What a connection raises when its other end went away, or was never one of ours."""

READS = frozenset(
    {
        "current", "history", "slots", "generations", "key", "keys", "run", "runs", "events", "messages", "live",
        "strays", "waiting", "pending", "oldest", "next_due", "timetables", "firing", "firings", "open_firings",
        "pulled",
    }
)  # fmt: skip
WRITES = frozenset(
    {
        "accept", "retry", "mark", "remind", "claim", "renew", "bury", "catalogued", "halfway", "prepared", "loaded",
        "set_aside", "published", "failed", "restage", "release", "drop", "redrive", "noted", "note", "take_message",
        "message_sent", "message_failed", "resend", "plan", "switch", "fire", "fire_by_hand", "claim_firing", "fired",
        "firing_failed", "bury_firings", "shown", "strayed", "drifted",
    }
)  # fmt: skip

MEMORABLE = frozenset(
    {"retry", "release", "drop", "redrive", "switch", "fire", "fire_by_hand", "fired", "firing_failed", "shown"}
)
"""Writes that have nothing to be known by when they are asked for again."""


@dataclass(frozen=True, slots=True)
class Call:
    """A method of the ledger to call. The id stays the same when it is asked again after a lost answer."""

    id: str
    method: str
    arguments: tuple[Any, ...] = ()
    named: Mapping[str, Any] = field(default_factory=dict)

    @property
    def memorable(self) -> bool:
        """Whether doing it twice would be wrong, so that its answer is kept.

        What carries an epoch finds its own work done, a repeated delivery is a duplicate of itself, and a claim whose
        answer was lost comes back when its lease expires. A person's word has nothing to be known by.
        """
        if self.method == "accept":
            return any(delivery.kind is not Kind.DELIVERY for delivery in self.arguments[0])
        return self.method in MEMORABLE


@dataclass(frozen=True, slots=True)
class Answer:
    """A value, or the error to raise."""

    value: Any = None
    error: PenstockError | None = None


Reducer = Callable[[Any], tuple[Any, ...]]


def _reducer(kind: type[Any]) -> Reducer:
    """Write a record as its class and its fields: a quarter of the time that dataclasses with slots take themselves."""
    read = attrgetter(*(item.name for item in fields(kind)))
    return lambda record: (kind, read(record))


_REDUCERS: dict[type[Any], Reducer] = {kind: _reducer(kind) for kind in (*RECORDS, Call, Answer)}


def pack(message: Call | Answer) -> bytes:
    """As bytes."""
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer, protocol=pickle.HIGHEST_PROTOCOL)
    pickler.dispatch_table = _REDUCERS
    pickler.dump(message)
    return buffer.getvalue()


def unpack(data: bytes) -> Any:
    """The call or answer that these bytes are."""
    return pickle.loads(data)  # noqa: S301 - see the module's docstring
