"""Messages to people: what the ledger keeps of each until its channel has taken it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class MessageState(StrEnum):
    """`waiting` has a time for its next attempt; `dead` has none left, and a person may send it again."""

    WAITING = "waiting"
    SENT = "sent"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Message:
    """One message to one channel. It never holds a value from the data."""

    id: str
    """The event that it tells of and the channel: the same after every retry, so that a receiver may know it again."""
    channel: str
    subject: str
    text: str
    created_at: datetime
    facts: Mapping[str, Any] = field(default_factory=dict)
    """The same for programs: what a webhook receives."""
    state: MessageState = MessageState.WAITING
    attempt: int = 0
    """Grows with every claim: whoever tells how an older attempt ended is not listened to."""
    due: datetime | None = None
    """When it may be claimed; None when it is final."""
    error: Mapping[str, str] | None = None
