"""A project served as in production, and files that arrive in its landing zone by a rename."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

PATIENCE = 120.0


class Served:
    """A running `penstock serve`, and how many orders can be queried at this moment."""

    def __init__(self, process: subprocess.Popen[bytes], url: str) -> None:
        self._process = process
        self._connection = psycopg.connect(url, autocommit=True)

    def orders(self) -> int:
        try:
            return int(self._connection.execute("select count(*) from cafe.orders").fetchall()[0][0])
        except psycopg.errors.UndefinedTable:
            return 0

    def reaches(self, orders: int, *, every: float) -> None:
        """Wait until so many orders are there."""
        deadline = time.monotonic() + PATIENCE
        while (found := self.orders()) < orders:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{found} of {orders} orders arrived")
            time.sleep(every)


@contextmanager
def served(project: Path, url: str) -> Iterator[Served]:
    process = subprocess.Popen([sys.executable, "-m", "penstock", "serve"], cwd=project, stdout=sys.stderr)
    try:
        yield Served(process, url)
    finally:
        process.terminate()
        process.wait(PATIENCE)


def copied(files: list[Path], landing: Path) -> list[Path]:
    """Copies under names that are not final yet: what remains is one rename each."""
    landing.mkdir(parents=True, exist_ok=True)
    return [Path(shutil.copyfile(file, landing / f".{file.name}.tmp")) for file in files]


def arrive(waiting: Path) -> None:
    waiting.rename(waiting.with_name(waiting.name.removeprefix(".").removesuffix(".tmp")))
