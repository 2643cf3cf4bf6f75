"""Messages and cursors, as rows."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any

from penstock.adapters.sqlite.rows import instant, moment
from penstock.model.messages import Message, MessageState

MESSAGE = "id, channel, subject, text, created_at, facts, state, attempt, due, error"
MESSAGE_BY_ID = f"SELECT {MESSAGE} FROM messages WHERE id = ?"
MESSAGES = f"""
SELECT {MESSAGE} FROM messages WHERE state IN (SELECT value FROM json_each(?)) ORDER BY number DESC LIMIT ?
"""
DUE_MESSAGE = f"""
SELECT {MESSAGE} FROM messages
WHERE due <= ? AND channel NOT IN (SELECT value FROM json_each(?))
ORDER BY due, number LIMIT 1
"""
KEEP_MESSAGE = f"""
INSERT INTO messages ({MESSAGE}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE
SET state = excluded.state, attempt = excluded.attempt, due = excluded.due, error = excluded.error
"""
CURSOR = "SELECT sequence FROM cursors WHERE name = ?"
MOVE_CURSOR = "INSERT OR REPLACE INTO cursors (name, sequence) VALUES (?, ?)"
ALL = -1


class OutboxRecord:
    """What anybody may ask."""

    _execute: Callable[..., sqlite3.Cursor]

    def messages(self, states: Collection[MessageState] = tuple(MessageState), limit: int | None = 50) -> list[Message]:
        wanted = json.dumps([str(state) for state in states])
        return [_message(row) for row in self._execute(MESSAGES, (wanted, ALL if limit is None else limit))]


class OutboxPages(OutboxRecord):
    """What the book writes."""

    def cursor(self, name: str) -> int | None:
        row = self._execute(CURSOR, (name,)).fetchone()
        return None if row is None else int(row[0])

    def move_cursor(self, name: str, sequence: int) -> None:
        self._execute(MOVE_CURSOR, (name, sequence))

    def message(self, message: str) -> Message | None:
        row = self._execute(MESSAGE_BY_ID, (message,)).fetchone()
        return None if row is None else _message(row)

    def keep_message(self, message: Message) -> None:
        self._execute(KEEP_MESSAGE, _row(message))

    def due_message(self, now: datetime, leaving: Sequence[str]) -> Message | None:
        row = self._execute(DUE_MESSAGE, (instant(now), json.dumps(leaving))).fetchone()
        return None if row is None else _message(row)


def _message(row: Sequence[Any]) -> Message:
    name, channel, subject, text, created_at, facts, state, attempt, due, error = row
    return Message(
        name, channel, subject, text, moment(created_at), json.loads(facts), MessageState(state), attempt,
        None if due is None else moment(due), None if error is None else json.loads(error),
    )  # fmt: skip


def _row(item: Message) -> tuple[Any, ...]:
    return (
        item.id,
        item.channel,
        item.subject,
        item.text,
        instant(item.created_at),
        json.dumps(item.facts, ensure_ascii=False, default=dict),
        str(item.state),
        item.attempt,
        None if item.due is None else instant(item.due),
        None if item.error is None else json.dumps(dict(item.error), ensure_ascii=False),
    )
