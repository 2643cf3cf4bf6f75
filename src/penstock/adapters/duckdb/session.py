"""One DuckDB connection, set up for a run: bounded memory, UTC, bound keys, errors without data."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import duckdb

from penstock.errors import MissingExtra, PenstockError, StepFailed, StorageUnavailable

MOST_LANES = 4
_BLOCK = 64


@dataclass(frozen=True, slots=True)
class Resources:
    """What one session may use. `memory` in bytes; 0 leaves DuckDB's default, as does 0 for `threads`."""

    scratch: Path
    memory: int = 0
    threads: int = 0
    chunk_bytes: int = 32 * 1024 * 1024

    @property
    def lanes(self) -> int:
        """How many sessions may share the cores, each with its own part of a long delivery."""
        return min(self.threads or os.cpu_count() or 1, MOST_LANES)

    def divided(self, shares: int, folder: str = "") -> Resources:
        """One of some equal shares, with a folder of its own."""
        threads = (self.threads or os.cpu_count() or 1) // shares if shares > 1 else self.threads
        return Resources(self.scratch / folder, self.memory // shares, threads, self.chunk_bytes // shares)


@dataclass(frozen=True, slots=True)
class Key:
    """The current privacy key."""

    id: str
    secret: bytes

    def pads(self) -> tuple[bytes, bytes]:
        """The inner and outer pad of HMAC-SHA256 (RFC 2104) for keys of up to 64 bytes."""
        block = self.secret.ljust(_BLOCK, b"\0")
        return bytes(byte ^ 0x36 for byte in block), bytes(byte ^ 0x5C for byte in block)


class Session:
    """A connection of its own. Every statement passes through `run`, so that no engine message leaves unfiltered."""

    def __init__(self, resources: Resources, *, key: Key | None = None, run_time: datetime | None = None) -> None:
        resources.scratch.mkdir(parents=True, exist_ok=True)
        config: dict[str, Any] = {"temp_directory": str(resources.scratch), "autoinstall_known_extensions": False}
        if resources.memory:
            config["memory_limit"] = f"{resources.memory}B"
        if resources.threads:
            config["threads"] = resources.threads
        self.connection = duckdb.connect(config=config)
        self.run("SET TimeZone = 'UTC'")
        self.run("SET enable_progress_bar = false")
        self.run("CREATE MACRO run_time() AS getvariable('run_time')")
        if run_time is not None:
            self._bind("run_time", run_time.replace(tzinfo=None))
        if key is not None:
            self._bind_key(key)

    def _bind(self, name: str, value: object) -> None:
        self.run(f"SET VARIABLE {name} = $1", [value])

    def _bind_key(self, key: Key) -> None:
        inner, outer = key.pads()
        self._bind("ipad", inner)
        self._bind("opad", outer)
        self._bind("key_id", key.id)

    def enable_encryption(self, key: Key) -> None:
        """Give SQL `penstock_encrypt`: AES-SIV (RFC 5297) under a key derived from the privacy key."""
        from penstock.adapters.duckdb.encryption import encryptor

        try:
            self.connection.create_function("penstock_encrypt", encryptor(key), ["VARCHAR"], "VARCHAR")
        except duckdb.InvalidInputException as error:
            raise MissingExtra("encrypt() needs numpy", fix="pip install 'penstock[encrypt]'") from error

    def run(self, sql: str, parameters: Sequence[Any] = (), *, where: str = "") -> duckdb.DuckDBPyConnection:
        """Execute one statement. Engine errors become ours, without the values they may quote."""
        try:
            return self.connection.execute(sql, parameters or None)
        except duckdb.Error as error:
            raise translated(error, where) from None

    def rows(self, sql: str, parameters: Sequence[Any] = (), *, where: str = "") -> list[tuple[Any, ...]]:
        try:
            return self.run(sql, parameters, where=where).fetchall()
        except duckdb.Error as error:
            raise translated(error, where) from None

    def number(self, sql: str, *, where: str = "") -> int:
        """The one integer that a query gives."""
        return int(self.rows(sql, where=where)[0][0])

    def close(self) -> None:
        with suppress(duckdb.Error):
            self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'|`[^`]*`")


def translated(error: duckdb.Error, where: str = "") -> PenstockError:
    """Our error for DuckDB's: its kind and its first words, with everything quoted taken out."""
    kind = type(error).__name__
    if isinstance(error, duckdb.IOException) or "No space left" in str(error):
        return StorageUnavailable("the engine could not read or write a file", at=where, why=_harmless(str(error)))
    if isinstance(error, duckdb.OutOfMemoryException):
        return StepFailed(
            "the engine ran out of memory", at=where, why=kind, fix="raise memory_limit, or lower chunk_bytes"
        )
    return StepFailed("the engine refused a statement", at=where, why=_harmless(str(error)))


def _harmless(message: str) -> str:
    """The first sentence without quoted text or digits: names of errors stay, values of rows go."""
    first = message.splitlines()[0] if message else ""
    return re.sub(r"\d+", "9", _QUOTED.sub("…", first))[:200]


@contextmanager
def readable(data: bytes, scratch: Path) -> Iterator[str]:
    """A path under which the engine can read bytes that are in memory: anonymous where the system can."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("penstock")
        path = f"/proc/self/fd/{descriptor}"
    else:
        descriptor, path = tempfile.mkstemp(dir=scratch, suffix=".csv")
    try:
        with os.fdopen(descriptor, "wb", buffering=0, closefd=False) as file:
            view = memoryview(data)
            while view:
                view = view[file.write(view) :]
        yield path
    finally:
        os.close(descriptor)
        if not path.startswith("/proc/"):
            Path(path).unlink()
