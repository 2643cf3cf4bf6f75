"""The PostgreSQL that everybody loads into: real, durable as in production, and gone afterwards."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "30min",
    "maintenance_work_mem": "256MB",
    "autovacuum": "off",  # it would slow whichever task it happens to meet
    "timezone": "UTC",
}


@dataclass(frozen=True)
class Server:
    """A running PostgreSQL and the client program that came with it."""

    programs: Path
    socket: Path
    process: int

    @property
    def url(self) -> str:
        return f"postgresql://postgres@/postgres?host={self.socket}"

    @property
    def psql_command(self) -> tuple[str, ...]:
        return (str(self.programs / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", self.url)

    def psql(self, *commands: str) -> tuple[str, ...]:
        """The command line that runs these commands in one session, stopping at the first error."""
        return (*self.psql_command, *(part for command in commands for part in ("-c", command)))

    def execute(self, *statements: str) -> None:
        subprocess.run(self.psql(*statements), check=True, capture_output=True)

    def value(self, query: str) -> str:
        """The first column of the first row, as text."""
        command = (*self.psql(query), "-A", "-t")
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@contextmanager
def running() -> Iterator[Server]:
    """A server with an empty database, from its first file to its last."""
    from penstock.testing.postgres import TemporaryPostgres

    with TemporaryPostgres(SETTINGS) as postgres:
        yield Server(postgres.programs, postgres.folder, postgres.pid)
