"""Opening the ledger's file: settings of every connection, and the way from an older schema to the present one."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from penstock.adapters.sqlite.refusals import translated
from penstock.errors import SetupError, StorageUnavailable

APPLICATION = 0x50454E53
"""Marks the file as a ledger: the letters PENS."""

PAGE = 2048
"""Bytes of a page: a commit writes whole pages, and most of ours change a few rows in each of several."""

OLDEST_SQLITE = (3, 38, 0)
"""Strict tables and JSON without a build option."""


def migrations() -> list[str]:
    """The scripts that lead from an empty file to the present schema, in order."""
    folder = files("penstock.adapters.sqlite") / "migrations"
    names = sorted(
        (item.name for item in folder.iterdir() if item.name.endswith(".sql")), key=lambda name: int(name[:-4])
    )
    return [(folder / name).read_text(encoding="utf-8") for name in names]


def connect(path: Path, patience: float, *, readonly: bool = False) -> sqlite3.Connection:
    """A connection; `patience` is for how many seconds a lock is waited for."""
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise SetupError(
            f"SQLite {sqlite3.sqlite_version} is too old",
            why=f"the ledger needs {'.'.join(map(str, OLDEST_SQLITE))} or later, as Python's own builds bring it",
            fix="use a Python that was built with a newer SQLite",
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageUnavailable(
            "the ledger's folder cannot be made", at=str(path), why=error.strerror or ""
        ) from error
    with translated(path):
        connection = sqlite3.connect(
            path, timeout=patience, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA query_only = {'ON' if readonly else 'OFF'}")
        return connection


def prepare(connection: sqlite3.Connection, path: Path, scripts: Sequence[str]) -> None:
    """Bring the file to the present schema. Raises `SetupError` when it is no ledger, or a newer one."""
    with translated(path):
        if _version(connection, path, len(scripts)) == len(scripts):
            return
        connection.execute(f"PRAGMA page_size = {PAGE}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Another process may have done it in the meantime.
            for script in scripts[_version(connection, path, len(scripts)) :]:
                _execute(connection, script)
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute(f"PRAGMA user_version = {len(scripts)}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def _version(connection: sqlite3.Connection, path: Path, newest: int) -> int:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    application = int(connection.execute("PRAGMA application_id").fetchone()[0])
    empty = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0
    if not empty and application != APPLICATION:
        raise SetupError(
            "the file is a database, but no ledger", at=str(path), fix="move it away, or name another folder"
        )
    if version > newest:
        raise SetupError(
            "a newer Penstock wrote this ledger",
            at=str(path),
            why=f"its schema is {version}; this Penstock knows {newest}",
            fix="pip install --upgrade penstock",
        )
    return version


def _execute(connection: sqlite3.Connection, script: str) -> None:
    """One statement at a time: `executescript` would commit first."""
    statement = ""
    for part in script.split(";"):
        statement += part + ";"
        if sqlite3.complete_statement(statement):
            connection.execute(statement)
            statement = ""
