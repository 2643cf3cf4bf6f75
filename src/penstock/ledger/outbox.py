"""The outbox: messages are decided once for each event, kept with the record, and sent until a channel takes them.

The ledger's events are what messages are made from. A cursor says up to which event that was done; moving it and
keeping the messages is one transaction, so that an event is told of once, whoever looks, and whatever is killed.
(The alternative, writing messages in the transaction of the run, would make the ledger know who wants to hear of it.)
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from penstock.ledger.store import Store
from penstock.model.messages import Message, MessageState

CURSOR = "messages"


class Outbox:
    """The part of the book that is about messages."""

    _store: Store

    def noted(self) -> int:
        with self._store.writing() as pages:
            cursor = pages.cursor(CURSOR)
            if cursor is None:
                cursor = pages.told()
                pages.move_cursor(CURSOR, cursor)
            return cursor

    def note(self, after: int, upto: int, messages: Sequence[Message]) -> bool:
        with self._store.writing() as pages:
            if pages.cursor(CURSOR) != after:
                return False
            pages.move_cursor(CURSOR, upto)
            for message in messages:
                pages.keep_message(replace(message, due=message.created_at))
            return True

    def take_message(self, now: datetime, lease: timedelta, *, leaving: Collection[str] = ()) -> Message | None:
        with self._store.writing() as pages:
            found = pages.due_message(now, tuple(leaving))
            if found is None:
                return None
            taken = replace(found, attempt=found.attempt + 1, due=now + lease)
            pages.keep_message(taken)
            return taken

    def message_sent(self, message: str, attempt: int) -> None:
        with self._store.writing() as pages:
            found = pages.message(message)
            if found is not None and (found.attempt, found.state) == (attempt, MessageState.WAITING):
                pages.keep_message(replace(found, state=MessageState.SENT, due=None, error=None))

    def message_failed(self, message: str, attempt: int, error: Mapping[str, str], retry_at: datetime | None) -> None:
        with self._store.writing() as pages:
            found = pages.message(message)
            if found is not None and (found.attempt, found.state) == (attempt, MessageState.WAITING):
                state = MessageState.DEAD if retry_at is None else MessageState.WAITING
                pages.keep_message(replace(found, state=state, due=retry_at, error=error))

    def resend(self, now: datetime) -> int:
        with self._store.writing() as pages:
            dead = pages.messages((MessageState.DEAD,), limit=None)
            for item in dead:
                pages.keep_message(replace(item, state=MessageState.WAITING, due=now))
            return len(dead)

    def messages(self, states: Collection[MessageState] = tuple(MessageState), limit: int | None = 50) -> list[Message]:
        with self._store.reading() as record:
            return record.messages(states, limit)
