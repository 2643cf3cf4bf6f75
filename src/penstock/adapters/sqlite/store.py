"""The durable store of one machine: a SQLite file with one connection that writes and as many as needed that read."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from penstock.adapters.sqlite import schema
from penstock.adapters.sqlite.pages import SqlitePages
from penstock.adapters.sqlite.record import SqliteRecord
from penstock.adapters.sqlite.refusals import refusal, translated
from penstock.errors import LedgerBusy
from penstock.ledger.book import Book
from penstock.model.faults import point

PATIENCE = 5.0
"""For how many seconds another process's lock is waited for."""


class SqliteStore:
    """Write-ahead log, flushed to the disk at every commit: what is committed survives the machine. Safe among threads.

    Only one process at a time should write (see `election`); others that do are noticed and waited for.
    """

    def __init__(self, path: Path, patience: float = PATIENCE, migrations: Sequence[str] | None = None) -> None:
        self.path = path
        self._patience = patience
        self._lock = threading.RLock()
        self._depth = 0
        self._version = -1
        self._closed = False
        self._readers: list[sqlite3.Connection] = []
        self._writer = schema.connect(path, patience)
        try:
            schema.prepare(self._writer, path, schema.migrations() if migrations is None else migrations)
        except BaseException:
            self._writer.close()
            raise
        self._pages = SqlitePages(self._writer)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._closed = True
            while self._readers:
                self._readers.pop().close()
            self._writer.close()

    # --- writing -------------------------------------------------------------------------------------------------

    @contextmanager
    def writing(self) -> Iterator[SqlitePages]:
        with self._lock:
            unwritten = len(self._pages.unwritten)
            self._depth += 1
            try:
                self._begin()
                yield self._pages
                self._end()
            except sqlite3.Error as error:
                self._undo(unwritten)
                raise refusal(error, self.path) from error
            except BaseException:
                self._undo(unwritten)
                raise
            finally:
                self._depth -= 1

    def _begin(self) -> None:
        """A transaction, or a savepoint within it."""
        if self._depth == 1:
            self._writer.execute("BEGIN IMMEDIATE")
            self._notice_others()
        else:
            self._expect_transaction()
            self._writer.execute(f"SAVEPOINT call{self._depth}")

    def _end(self) -> None:
        self._expect_transaction()
        if self._depth == 1:
            self._pages.flush()
            point("ledger.before_commit")
            self._writer.execute("COMMIT")
            point("ledger.after_commit")
        else:
            self._writer.execute(f"RELEASE call{self._depth}")

    def _undo(self, unwritten: int) -> None:
        self._pages.undo(unwritten)
        if not self._writer.in_transaction:
            return
        if self._depth == 1:
            self._writer.execute("ROLLBACK")
        else:
            self._writer.execute(f"ROLLBACK TO call{self._depth}")
            self._writer.execute(f"RELEASE call{self._depth}")

    def _expect_transaction(self) -> None:
        """After a full disk SQLite may have rolled back by itself: what came now would be committed alone."""
        if not self._writer.in_transaction:
            raise LedgerBusy("the transaction around this call was undone", at=str(self.path), fix="try again")

    def _notice_others(self) -> None:
        version = self._writer.execute("PRAGMA data_version").fetchone()[0]
        if version != self._version:
            self._version = version
            self._pages.forget()

    # --- reading -------------------------------------------------------------------------------------------------

    @contextmanager
    def reading(self) -> Iterator[SqliteRecord]:
        with translated(self.path):
            connection = self._reader()
            try:
                connection.execute("BEGIN")
                yield SqliteRecord(connection)
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                if self._closed:
                    connection.close()
                else:
                    self._readers.append(connection)

    def _reader(self) -> sqlite3.Connection:
        try:
            return self._readers.pop()
        except IndexError:
            return schema.connect(self.path, self._patience, readonly=True)


class SqliteLedger(Book):
    """The ledger in this process."""

    def __init__(self, path: Path, patience: float = PATIENCE) -> None:
        self.store = SqliteStore(path, patience)
        super().__init__(self.store)

    def close(self) -> None:
        """Let go of the file."""
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
