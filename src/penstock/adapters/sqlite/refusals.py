"""SQLite's errors in Penstock's words: the only place that reads them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from penstock.errors import LedgerBusy, LedgerDamaged, PenstockError, StorageUnavailable

_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raise what SQLite says about the file as an error of the tree."""
    try:
        yield
    except sqlite3.Error as error:
        raise refusal(error, path) from error


def refusal(error: sqlite3.Error, path: Path) -> PenstockError:
    """The error of the tree that says what SQLite said."""
    primary = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if primary in _BUSY:
        return LedgerBusy(
            "the ledger is held by another process",
            at=str(path),
            why=str(error),
            fix="try again; one process that holds it for long is a backup or a database browser",
        )
    if primary in _DAMAGED:
        return LedgerDamaged(
            "the ledger's file is not a sound database",
            at=str(path),
            why=str(error),
            fix="put it aside and restore a backup; sqlite3's .recover may save the rest",
        )
    if isinstance(error, sqlite3.IntegrityError):
        return LedgerDamaged(
            "the ledger refused a record that would contradict others",
            at=str(path),
            why=str(error),
            fix="nothing was written; report it with the output of `penstock doctor`",
        )
    return StorageUnavailable(
        "the ledger cannot be read or written now", at=str(path), why=str(error), fix="check the disk and permissions"
    )
