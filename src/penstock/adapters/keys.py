"""API keys: only their hashes are kept, in one file of mode 0600 that is replaced as a whole.

A key reads `penstock_<id>_<secret>`. The id finds the record; the secret is checked against an Argon2id hash
(19 MB, 2 passes: OWASP's minimum, some 25 ms). What has been checked once is remembered until the file changes.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from penstock.errors import StorageUnavailable, UnknownName, UsageError

FILE = "api_keys.json"
MARK = "penstock"
PASSES, KIBIBYTES, LANES = 2, 19 * 1024, 1


@dataclass(frozen=True, slots=True)
class Key:
    """Who may ask: `allow` names paths, and is empty for all of them."""

    id: str
    name: str
    allow: tuple[str, ...] = ()
    created_at: str = ""

    def opens(self, path: str) -> bool:
        return not self.allow or path in self.allow


@dataclass(frozen=True, slots=True)
class _Read:
    """The file as it was read last, and the keys that have been checked since, by a digest of their texts."""

    state: tuple[int, int] = (0, 0)
    records: dict[str, Any] = field(default_factory=dict)
    checked: dict[bytes, Key] = field(default_factory=dict)


class Keys:
    """The keys of one project."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._read = _Read()

    def create(self, name: str, allow: tuple[str, ...] = ()) -> str:
        """A new key; this is the only time that its text is known."""
        identity, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        facts = {"name": name, "hash": _hasher().hash(secret), "allow": list(allow), "created_at": _now()}

        def add(records: dict[str, Any]) -> None:
            if any(record["name"] == name for record in records.values()):
                raise UsageError(f"there is a key {name!r} already", fix=f"penstock key revoke {name}")
            records[identity] = facts

        self._change(add)
        return f"{MARK}_{identity}_{secret}"

    def revoke(self, name: str) -> None:
        """Remove a key; what is sent with it from now on is refused."""

        def remove(records: dict[str, Any]) -> None:
            found = [identity for identity, record in records.items() if record["name"] == name]
            if not found:
                raise UnknownName.among("key", name, (record["name"] for record in records.values()))
            for identity in found:
                del records[identity]

        self._change(remove)

    def all(self) -> list[Key]:
        """Every key, without what it opens with."""
        return [_key(identity, record) for identity, record in self._records().items()]

    def verify(self, text: str) -> Key | None:
        """The key that a text is, or None."""
        found = self.remembered(text)
        if found is not None or not text.isascii():
            return found
        read = self._newest()
        mark, _, rest = text.partition("_")
        identity, _, secret = rest.partition("_")
        record = read.records.get(identity)
        if mark != MARK or record is None or not _matches(record["hash"], secret):
            return None
        read.checked[_digest(text)] = key = _key(identity, record)
        return key

    def remembered(self, text: str) -> Key | None:
        """The key that a text is, if it was checked before; takes no time."""
        return self._newest().checked.get(_digest(text)) if text.isascii() else None

    def _newest(self) -> _Read:
        state = self._state()
        if state != self._read.state:
            self._read = _Read(state, self._records())
        return self._read

    def _state(self) -> tuple[int, int]:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return 0, 0
        return found.st_mtime_ns, found.st_ino

    def _records(self) -> dict[str, Any]:
        try:
            records: dict[str, Any] = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise StorageUnavailable("the API keys cannot be read", at=str(self._path)) from error
        return records

    def _change(self, change: Callable[[dict[str, Any]], None]) -> None:
        with self._locked():
            records = self._records()
            change(records)
            self._write(json.dumps(records, indent=1))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.with_suffix(".lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _write(self, text: str) -> None:
        draft = self._path.with_suffix(".new")
        draft.unlink(missing_ok=True)
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _key(identity: str, record: dict[str, Any]) -> Key:
    return Key(identity, record["name"], tuple(record["allow"]), record["created_at"])


def _hasher() -> Any:
    from argon2 import PasswordHasher

    return PasswordHasher(time_cost=PASSES, memory_cost=KIBIBYTES, parallelism=LANES)


def _matches(known: str, secret: str) -> bool:
    from argon2.exceptions import Argon2Error, InvalidHashError

    try:
        return bool(_hasher().verify(known, secret))
    except (Argon2Error, InvalidHashError):
        return False


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
