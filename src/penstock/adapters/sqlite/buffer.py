"""A stream's buffer: a SQLite file in which many senders share one flush to the disk.

One thread writes. It takes whatever has been submitted meanwhile and commits it at once (write-ahead log, synchronous
FULL), so that an acknowledged record survives the machine and a hundred senders pay for one flush. Other processes may
have the file open too: transactions take turns. What is released is overwritten, and the log is emptied.
"""

from __future__ import annotations

import hashlib
import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from uuid import uuid4

from penstock.errors import BufferFull, LedgerDamaged, PenstockError, StorageUnavailable
from penstock.model.faults import point
from penstock.model.streams import Appended, Level, Record, Sealed, Size

PATIENCE = 5.0
MOST_AT_ONCE = 2000
"""Records that share a commit: more would make the first of them wait."""
MOST_PENDING = 64_000_000
"""Bytes that wait in memory for their commit."""
CLOCK = Callable[[], datetime]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS records (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS ids (id BLOB PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS ids_at ON ids (at);
CREATE TABLE IF NOT EXISTS ranges (low INTEGER PRIMARY KEY, high INTEGER NOT NULL, address TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS state (
    name TEXT NOT NULL, following INTEGER NOT NULL, sealed INTEGER NOT NULL, latest INTEGER NOT NULL,
    rows INTEGER NOT NULL, bytes INTEGER NOT NULL, waiting_rows INTEGER NOT NULL, waiting_bytes INTEGER NOT NULL
);
"""
# following: the next number. sealed: the highest number in a sealed range. latest: the time of the newest record; time
# never runs backwards here. rows, bytes: what is stored; waiting_…: what of it is not sealed.


class _Batch:
    """Records that were submitted together: all are kept, or none."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.records = records
        self.bytes = sum(len(record.body) for record in records)
        self.done: Future[Appended] = Future()


class SqliteBuffer:
    """See `penstock.runtime.streams.Buffer`. Opened once for each process."""

    def __init__(self, path: Path, capacity: int, clock: CLOCK = lambda: datetime.now(UTC)) -> None:
        self.path, self._capacity, self._clock = path, capacity, clock
        self._turn, self._counting = threading.Lock(), threading.Lock()
        self._pending = 0
        self._queue: queue.SimpleQueue[_Batch | None] = queue.SimpleQueue()
        with self._translated():
            self._connection = _connect(path)
            self.name = self._prepare()
        self._thread = threading.Thread(target=self._work, name=f"stream {path.stem}", daemon=True)
        self._thread.start()

    # --- appending -----------------------------------------------------------------------------------------------

    def submit(self, records: Sequence[Record]) -> Future[Appended]:
        """See `penstock.runtime.streams.Buffer`."""
        batch = _Batch(records)
        with self._counting:
            if self._pending + batch.bytes > MOST_PENDING:
                batch.done.set_exception(_full())
                return batch.done
            self._pending += batch.bytes
        self._queue.put(batch)
        return batch.done

    def _work(self) -> None:
        while (batch := self._queue.get()) is not None:
            batches = [batch]
            rows = len(batch.records)
            while rows < MOST_AT_ONCE:
                try:
                    following = self._queue.get_nowait()
                except queue.Empty:
                    break
                if following is None:
                    self._queue.put(None)
                    break
                batches.append(following)
                rows += len(following.records)
            self._append(batches)

    def _append(self, batches: Sequence[_Batch]) -> None:
        with self._counting:
            self._pending -= sum(batch.bytes for batch in batches)
        try:
            with self._transaction() as connection:
                outcomes = _Writing(connection, self._capacity, self._now_ms()).append(batches)
                point("stream.before_commit")
            point("stream.after_commit")
        except Exception as error:  # noqa: BLE001  whoever waits must hear of it, and the thread goes on
            for batch in batches:
                batch.done.set_exception(error)
            return
        for batch, outcome in zip(batches, outcomes, strict=True):
            if isinstance(outcome, Appended):
                batch.done.set_result(outcome)
            else:
                batch.done.set_exception(outcome)

    # --- flushing ------------------------------------------------------------------------------------------------

    def level(self) -> Level:
        """See `penstock.runtime.streams.Buffer`."""
        with self._reading() as connection:
            sealed, rows, size = connection.execute("SELECT sealed, waiting_rows, waiting_bytes FROM state").fetchone()
            first = connection.execute("SELECT at FROM records WHERE seq > ? ORDER BY seq LIMIT 1", [sealed]).fetchone()
        return Level(rows, size, _moment(first[0]) if first else None)

    def sealed(self) -> list[Sealed]:
        """See `penstock.runtime.streams.Buffer`."""
        with self._reading() as connection:
            return [Sealed(*row) for row in connection.execute("SELECT low, high, address FROM ranges ORDER BY low")]

    def seal(self, size: Size, address: Callable[[int, int, datetime], str]) -> Sealed | None:
        """See `penstock.runtime.streams.Buffer`."""
        with self._transaction() as connection:
            (sealed,) = connection.execute("SELECT sealed FROM state").fetchone()
            cut = _cut(connection.execute(_WAITING, [sealed, size.rows]), size)
            if cut is None:
                return None
            low, high, hour, rows, count = cut
            found = Sealed(low, high, address(low, high, hour))
            connection.execute("INSERT INTO ranges VALUES (?, ?, ?)", [low, high, found.address])
            connection.execute(
                "UPDATE state SET sealed = ?, waiting_rows = waiting_rows - ?, waiting_bytes = waiting_bytes - ?",
                [high, rows, count],
            )
        return found

    def read(self, sealed: Sealed) -> bytes | None:
        """See `penstock.runtime.streams.Buffer`."""
        with self._transaction() as connection:
            known = connection.execute("SELECT count(*) FROM ranges WHERE low = ? AND high = ?", _range(sealed))
            if known.fetchone() == (0,):
                return None
            rows = connection.execute("SELECT body FROM records WHERE seq BETWEEN ? AND ? ORDER BY seq", _range(sealed))
            found = [body for (body,) in rows]
        if len(found) != sealed.high - sealed.low + 1:
            raise LedgerDamaged(
                "a stream's buffer lacks records that it has sealed", at=str(self.path), fix="restore it from a backup"
            )
        return b"".join(body + b"\n" for body in found)

    def release(self, sealed: Sealed, forget: datetime) -> None:
        """See `penstock.runtime.streams.Buffer`."""
        with self._transaction() as connection:
            gone = connection.execute("DELETE FROM ranges WHERE low = ? AND high = ?", _range(sealed)).rowcount
            if gone:  # otherwise another process was faster
                within = "FROM records WHERE seq BETWEEN ? AND ?"
                counted = f"SELECT count(*), coalesce(sum(length(body)), 0) {within}"
                rows, size = connection.execute(counted, _range(sealed)).fetchone()
                connection.execute(f"DELETE {within}", _range(sealed))
                connection.execute("UPDATE state SET rows = rows - ?, bytes = bytes - ?", [rows, size])
            connection.execute("DELETE FROM ids WHERE at < ?", [_ms(forget)])
        with self._reading() as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Commit what has been submitted, and let go of the file."""
        self._queue.put(None)
        self._thread.join()
        with self._turn:
            self._connection.close()

    # --- the file ------------------------------------------------------------------------------------------------

    def _prepare(self) -> str:
        self._connection.executescript("BEGIN IMMEDIATE;" + _SCHEMA + "COMMIT;")
        self._connection.execute("BEGIN IMMEDIATE")
        if self._connection.execute("SELECT count(*) FROM state").fetchone() == (0,):
            self._connection.execute("INSERT INTO state VALUES (?, 1, 0, 0, 0, 0, 0, 0)", [uuid4().hex[:6]])
        self._connection.execute("COMMIT")
        return str(self._connection.execute("SELECT name FROM state").fetchone()[0])

    def _now_ms(self) -> int:
        return _ms(self._clock())

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._turn, self._translated():
            yield self._connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            primary = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                fix = "put it aside and restore a backup"
                raise LedgerDamaged("a stream's buffer is not a sound database", at=str(self.path), fix=fix) from error
            why, fix = str(error), "check the disk and permissions"
            raise StorageUnavailable(
                "a stream's buffer cannot be used now", at=str(self.path), why=why, fix=fix
            ) from error
        except OSError as error:
            raise StorageUnavailable(
                "a stream's buffer cannot be used now", at=str(self.path), why=error.strerror or ""
            ) from error


class _Writing:
    """One commit's work: the batches that fit are appended, the others are told to come back."""

    def __init__(self, connection: sqlite3.Connection, capacity: int, now: int) -> None:
        self._connection, self._capacity = connection, capacity
        self._next, latest, self._bytes = connection.execute("SELECT following, latest, bytes FROM state").fetchone()
        self._at = max(now, latest)
        self._rows: list[tuple[int, int, bytes]] = []

    def append(self, batches: Sequence[_Batch]) -> list[Appended | PenstockError]:
        outcomes: list[Appended | PenstockError] = [self._take(batch) for batch in batches]
        size = sum(len(body) for _, _, body in self._rows)
        self._connection.executemany("INSERT INTO records VALUES (?, ?, ?)", self._rows)
        changes = (self._next, self._at, len(self._rows), size, len(self._rows), size)
        self._connection.execute(_ADVANCE, changes)
        return outcomes

    def _take(self, batch: _Batch) -> Appended | PenstockError:
        if self._bytes + batch.bytes > self._capacity:
            return _full()
        fresh = [record for record in batch.records if not record.id or self._is_new(record.id)]
        for record in fresh:
            self._rows.append((self._next, self._at, record.body))
            self._next += 1
            self._bytes += len(record.body)
        return Appended(len(fresh), len(batch.records) - len(fresh))

    def _is_new(self, name: str) -> bool:
        digest = hashlib.sha256(name.encode()).digest()[:20]  # an id may name a person
        added = self._connection.execute("INSERT OR IGNORE INTO ids VALUES (?, ?)", [digest, self._at])
        return added.rowcount == 1


def _connect(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    connection = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
    for setting in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON", "cache_size = -8000"):
        connection.execute(f"PRAGMA {setting}").fetchall()
    return connection


def _cut(rows: Iterator[tuple[int, int, int]], size: Size) -> tuple[int, int, datetime, int, int] | None:
    """The first records that make a file: lowest and highest number, hour, count and bytes."""
    for hour, items in groupby(rows, key=lambda row: row[1] // 3_600_000):
        low = high = count = total = 0
        for seq, _, length in items:
            if count and total + length > size.bytes:
                break
            low, high, count, total = low or seq, seq, count + 1, total + length
        return low, high, _moment(hour * 3_600_000), count, total
    return None


def _range(sealed: Sealed) -> tuple[int, int]:
    return sealed.low, sealed.high


def _full() -> BufferFull:
    return BufferFull(
        "the stream's buffer is full", why="records come faster than files are written", fix="send them again later"
    )


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


_WAITING = "SELECT seq, at, length(body) FROM records WHERE seq > ? ORDER BY seq LIMIT ?"

_ADVANCE = """
UPDATE state SET following = ?, latest = ?, rows = rows + ?, bytes = bytes + ?,
    waiting_rows = waiting_rows + ?, waiting_bytes = waiting_bytes + ?
"""
