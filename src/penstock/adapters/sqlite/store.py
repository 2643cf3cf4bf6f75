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
from penstock.adapters.sqlite.refusals import translated
from penstock.errors import LedgerBusy
from penstock.ledger.book import Book

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
            while self._readers:
                self._readers.pop().close()
            self._writer.close()

    # --- writing -------------------------------------------------------------------------------------------------

    @contextmanager
    def writing(self) -> Iterator[SqlitePages]:
        with self._lock, translated(self.path):
            scope = self._savepoint() if self._depth else self._transaction()
            self._depth += 1
            try:
                with scope:
                    yield self._pages
            finally:
                self._depth -= 1

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._writer.execute("BEGIN IMMEDIATE")
        self._notice_others()
        try:
            yield
            self._pages.flush()
            self._writer.execute("COMMIT")
        except BaseException:
            self._pages.undo(0)
            # SQLite itself has rolled back after some errors, a full disk for one.
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            raise

    @contextmanager
    def _savepoint(self) -> Iterator[None]:
        if not self._writer.in_transaction:
            raise LedgerBusy("the transaction around this call was undone", at=str(self.path), fix="try again")
        name, unwritten = f"call{self._depth}", len(self._pages.unwritten)
        self._writer.execute(f"SAVEPOINT {name}")
        try:
            yield
        except BaseException:
            self._pages.undo(unwritten)
            if self._writer.in_transaction:
                self._writer.execute(f"ROLLBACK TO {name}")
                self._writer.execute(f"RELEASE {name}")
            raise
        self._writer.execute(f"RELEASE {name}")

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
                connection.execute("ROLLBACK")
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
