"""Schedules, firings and what was fetched, as rows."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from penstock.adapters.sqlite.rows import instant, moment
from penstock.model.firings import Firing, FiringState, Pulled, Timetable
from penstock.model.slots import Content

TIMETABLE = "pipeline, schedule, since, enabled, missed"
TIMETABLES = f"SELECT {TIMETABLE} FROM timetables ORDER BY pipeline"
TIMETABLE_OF = f"SELECT {TIMETABLE} FROM timetables WHERE pipeline = ?"
KEEP_TIMETABLE = f"INSERT OR REPLACE INTO timetables ({TIMETABLE}) VALUES (?, ?, ?, ?, ?)"

FIRING = (
    "id, pipeline, due, recorded_at, cause, reload, hard, state, attempt, epoch, worker, moment, accepted, error,"
    " finished_at, held_until"
)
FIRING_BY_ID = f"SELECT {FIRING} FROM firings WHERE id = ?"
FIRINGS = f"SELECT {FIRING} FROM firings ORDER BY number DESC LIMIT ?"
FIRINGS_OF_PIPELINE = f"SELECT {FIRING} FROM firings WHERE pipeline = ? ORDER BY number DESC LIMIT ?"
OPEN_FIRINGS = f"SELECT {FIRING} FROM firings WHERE moment IS NOT NULL ORDER BY number"
KEEP_FIRING = f"""
INSERT INTO firings ({FIRING}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE
SET state = excluded.state, attempt = excluded.attempt, epoch = excluded.epoch, worker = excluded.worker,
    moment = excluded.moment, accepted = excluded.accepted, error = excluded.error, finished_at = excluded.finished_at,
    held_until = excluded.held_until
"""

PULLED = "source, origin, address, sha256, size, version, fetched_at, validators"
PULLED_OF = f"SELECT {PULLED} FROM pulled WHERE pipeline = ? ORDER BY source"
KEEP_PULLED = f"INSERT OR REPLACE INTO pulled (pipeline, {PULLED}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"


class AlmanacRecord:
    """What anybody may ask."""

    _execute: Callable[..., sqlite3.Cursor]

    def timetable(self, pipeline: str) -> Timetable | None:
        row = self._execute(TIMETABLE_OF, (pipeline,)).fetchone()
        return None if row is None else _timetable(row)

    def timetables(self) -> list[Timetable]:
        return [_timetable(row) for row in self._execute(TIMETABLES)]

    def firing(self, firing: str) -> Firing | None:
        row = self._execute(FIRING_BY_ID, (firing,)).fetchone()
        return None if row is None else _firing(row)

    def firings(self, pipeline: str | None = None, limit: int = 50) -> list[Firing]:
        if pipeline is None:
            return [_firing(row) for row in self._execute(FIRINGS, (limit,))]
        return [_firing(row) for row in self._execute(FIRINGS_OF_PIPELINE, (pipeline, limit))]

    def open_firings(self) -> list[Firing]:
        return [_firing(row) for row in self._execute(OPEN_FIRINGS)]

    def pulled(self, pipeline: str) -> dict[str, Pulled]:
        found = (_pulled(row) for row in self._execute(PULLED_OF, (pipeline,)))
        return {item.source: item for item in found}


class AlmanacPages(AlmanacRecord):
    """What the book writes."""

    def keep_timetable(self, item: Timetable) -> None:
        self._execute(KEEP_TIMETABLE, (item.pipeline, item.text, instant(item.since), item.enabled, item.missed))

    def keep_firing(self, item: Firing) -> None:
        self._execute(KEEP_FIRING, _firing_row(item))

    def keep_pulled(self, pipeline: str, item: Pulled) -> None:
        content = item.content
        found = (item.source, item.origin, item.address, content.sha256, content.size, content.version)
        self._execute(KEEP_PULLED, (pipeline, *found, instant(item.at), json.dumps(dict(item.validators))))


def _timetable(row: Sequence[Any]) -> Timetable:
    pipeline, text, since, enabled, missed = row
    return Timetable(pipeline, text, moment(since), bool(enabled), missed)


def _firing(row: Sequence[Any]) -> Firing:
    name, pipeline, due, recorded_at, cause, reload, hard, state, attempt, epoch, worker, *rest = row
    claimable, accepted, error, finished_at, held_until = rest
    return Firing(
        name,
        pipeline,
        moment(due),
        moment(recorded_at),
        cause,
        bool(reload),
        None if hard is None else bool(hard),
        FiringState(state),
        attempt,
        epoch,
        worker,
        None if claimable is None else moment(claimable),
        tuple(json.loads(accepted)),
        None if error is None else json.loads(error),
        None if finished_at is None else moment(finished_at),
        None if held_until is None else moment(held_until),
    )


def _firing_row(item: Firing) -> tuple[Any, ...]:
    return (
        item.id,
        item.pipeline,
        instant(item.due),
        instant(item.recorded_at),
        item.cause,
        item.reload,
        item.hard,
        str(item.state),
        item.attempt,
        item.epoch,
        item.worker,
        None if item.moment is None else instant(item.moment),
        json.dumps(item.accepted),
        None if item.error is None else json.dumps(dict(item.error)),
        None if item.finished_at is None else instant(item.finished_at),
        None if item.held_until is None else instant(item.held_until),
    )


def _pulled(row: Sequence[Any]) -> Pulled:
    source, origin, address, sha256, size, version, at, validators = row
    return Pulled(source, origin, address, Content(sha256, size, version), moment(at), json.loads(validators))
