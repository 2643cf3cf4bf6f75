"""Messages and cursors in memory: the part of the in-memory ledger that is about them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from penstock.model.events import Event
from penstock.model.messages import Message, MessageState


class MemoryOutbox:
    """Dictionaries, like those of the rest."""

    _put: Callable[..., None]
    _events: list[Event]
    _cursors: dict[str, int]
    _messages: dict[str, Message]

    def told(self) -> int:
        return len(self._events)

    def cursor(self, name: str) -> int | None:
        return self._cursors.get(name)

    def move_cursor(self, name: str, sequence: int) -> None:
        self._put(self._cursors, name, sequence)

    def message(self, message: str) -> Message | None:
        return self._messages.get(message)

    def keep_message(self, message: Message) -> None:
        self._put(self._messages, message.id, message)

    def due_message(self, now: datetime, leaving: Sequence[str]) -> Message | None:
        due = [(item.due, place, item) for place, item in enumerate(self._messages.values()) if item.due is not None]
        wanted = [found for found in due if found[0] <= now and found[2].channel not in leaving]
        return min(wanted)[2] if wanted else None

    def messages(self, states: Collection[MessageState] = tuple(MessageState), limit: int | None = 50) -> list[Message]:
        return [item for item in reversed(self._messages.values()) if item.state in states][:limit]
