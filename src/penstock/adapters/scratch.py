"""Folders for what an engine spills: one for each process, swept by others when its process has died."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from penstock.errors import StorageUnavailable

LOCK = "lock"
TRIES = 20


class Scratch:
    """A folder of this process under a shared one. The system lets go of its lock when the process ends."""

    def __init__(self, parent: Path) -> None:
        self.folder = parent / f"{os.getpid()}-{uuid4().hex[:8]}"
        try:
            _make(self.folder)
            self._lock = _locked(self.folder)
        except OSError as error:
            raise StorageUnavailable("there is no room for temporary files", why=error.strerror or "") from error
        sweep(parent)

    def close(self) -> None:
        """Remove the folder, and the shared one where nobody else uses it."""
        self._lock.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        with suppress(OSError):
            self.folder.parent.rmdir()


def sweep(parent: Path) -> int:
    """Remove the folders of dead processes; returns how many there were."""
    left = list(_abandoned(parent))
    for folder in left:
        shutil.rmtree(folder, ignore_errors=True)
    return len(left)


def _make(folder: Path) -> None:
    """Whoever closes last removes the shared folder, perhaps at this moment."""
    for _ in range(TRIES):
        with suppress(FileNotFoundError):
            folder.mkdir(parents=True)
            return
    folder.mkdir(parents=True)


def _locked(folder: Path) -> BinaryIO:
    """The lock gets its name when it is held: nobody may find it before and take the folder for abandoned."""
    draft = folder / f"{LOCK}.new"
    lock = draft.open("wb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        draft.rename(folder / LOCK)
    except BaseException:
        lock.close()
        raise
    return lock


def _abandoned(parent: Path) -> Iterator[Path]:
    """Folders whose process has gone."""
    for lock in parent.glob(f"*/{LOCK}"):
        with suppress(OSError), lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield lock.parent
