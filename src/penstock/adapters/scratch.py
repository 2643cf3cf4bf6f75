"""Folders for what an engine spills: one for each process, swept by others when its process has died."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from penstock.errors import StorageUnavailable

LOCK = "lock"


class Scratch:
    """A folder of this process under a shared one. The system lets go of its lock when the process ends."""

    def __init__(self, parent: Path) -> None:
        self.folder = parent / f"{os.getpid()}-{uuid4().hex[:8]}"
        try:
            self.folder.mkdir(parents=True)
            self._lock = (self.folder / LOCK).open("wb")
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        except OSError as error:
            raise StorageUnavailable("there is no room for temporary files", why=error.strerror or "") from error
        for left in _abandoned(parent):
            shutil.rmtree(left, ignore_errors=True)

    def close(self) -> None:
        """Remove the folder, and the shared one where nobody else uses it."""
        self._lock.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        with suppress(OSError):
            self.folder.parent.rmdir()


def _abandoned(parent: Path) -> Iterator[Path]:
    """Folders whose process has gone."""
    for lock in parent.glob(f"*/{LOCK}"):
        with suppress(OSError), lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield lock.parent
