"""The honest floor: Work J by hand, in DuckDB SQL and COPY, with nothing that makes it safe to repeat.

The file is cut at line ends into parts; while one part is transformed, a second thread loads the one before it, all in
one transaction, so memory stays constant for any size. No ledger, no staging, no hashed keys, no commit token.
"""

from __future__ import annotations

import argparse
import os
import queue
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import job
import psycopg

if TYPE_CHECKING:
    import duckdb

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder made by tempfile follows


def parts(path: Path, size: int) -> Iterator[tuple[int, bytes]]:
    """Pieces of about `size` bytes that end with a line, each with the number of its first line."""
    start = 0
    with path.open("rb") as file:
        while part := file.read(size):
            part += file.readline()
            yield start, part
            start += part.count(b"\n")


@contextmanager
def in_memory(content: bytes) -> Iterator[Path]:
    """A path under which DuckDB reads these bytes, without a disk between."""
    handle = os.memfd_create("part")
    try:
        with os.fdopen(handle, "wb", closefd=False) as file:
            file.write(content)
        yield Path(f"/proc/self/fd/{handle}")
    finally:
        os.close(handle)


class Loader(threading.Thread):
    """Copies CSV files into PostgreSQL in one transaction, in the order given, and adds the keys at the end."""

    def __init__(self, dsn: str, schema: str) -> None:
        super().__init__()
        self._dsn, self._schema = dsn, schema
        self._waiting: queue.Queue[tuple[str, Path] | None] = queue.Queue(3)
        self._error: Exception | None = None
        self.start()

    def put(self, table: str, file: Path) -> None:
        self._raise()
        self._waiting.put((table, file))

    def finish(self) -> None:
        self._waiting.put(None)
        self.join()
        self._raise()

    def _raise(self) -> None:
        if self._error:
            raise self._error

    def run(self) -> None:
        try:
            self._load()
        except Exception as error:  # noqa: BLE001 - the other thread raises it
            self._error = error
            while self._waiting.get():
                pass

    def _load(self) -> None:
        with psycopg.connect(self._dsn) as connection:
            connection.execute(f"set search_path to {self._schema}")
            for table in job.KEYS:
                connection.execute(f"alter table {table} drop constraint {table}_key")
            while waiting := self._waiting.get():
                self._copy(connection.cursor(), *waiting)
            for table, key in job.KEYS.items():
                connection.execute(f"alter table {table} add constraint {table}_key primary key ({key})")

    def _copy(self, cursor: psycopg.Cursor, table: str, file: Path) -> None:
        with file.open("rb", buffering=0) as rows, cursor.copy(f"copy {table} from stdin (format csv)") as copy:
            while block := rows.read(1 << 20):
                copy.write(block)
        file.unlink()


def to_postgres(path: Path, dsn: str, schema: str, size: int, aside: Path) -> None:
    loader = Loader(dsn, schema)
    shared = SHARED_MEMORY if SHARED_MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(dir=shared) as folder:
        try:
            for number, table, query, connection in _results(path, size, aside):
                file = Path(folder, f"{table}_{number}.csv")
                connection.execute(f"copy ({query}) to {job.literal(file)} (format csv, header false)")
                loader.put(table, file)
        finally:
            loader.finish()


def to_lake(path: Path, lake: Path, size: int, aside: Path) -> None:
    for number, table, query, connection in _results(path, size, aside):
        (lake / table).mkdir(parents=True, exist_ok=True)
        file = lake / table / f"part-{number:04d}.parquet"
        connection.execute(f"copy ({query}) to {job.literal(file)} (format parquet, compression zstd)")


def _results(path: Path, size: int, aside: Path) -> Iterator[tuple[int, str, str, duckdb.DuckDBPyConnection]]:
    """Each part's rows of the large tables, then the small tables, as queries to be run at once."""
    connection = job.connect()
    for number, (start, part) in enumerate(parts(path, size)):
        with in_memory(part) as readable:
            job.transform(connection, readable, aside / f"part-{number:04d}.csv", start)
        for table, query in job.facts(start).items():
            yield number, table, query, connection
    for table, query in job.entities().items():
        yield 0, table, query, connection


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--dsn")
    parser.add_argument("--schema", default="duckdb_best")
    parser.add_argument("--lake", type=Path)
    parser.add_argument("--aside", type=Path, required=True, help="a folder for the rows that are set aside")
    parser.add_argument("--part", type=int, default=32, help="megabytes that are worked on at once")
    given = parser.parse_args()
    given.aside.mkdir(parents=True, exist_ok=True)
    if given.lake:
        to_lake(given.file, given.lake, given.part << 20, given.aside)
    else:
        to_postgres(given.file, given.dsn, given.schema, given.part << 20, given.aside)


if __name__ == "__main__":
    main()
