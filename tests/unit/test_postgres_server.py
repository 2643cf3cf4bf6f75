from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from penstock.errors import SetupError
from penstock.testing.postgres import TemporaryPostgres

ORPHAN = """
import os, signal
from penstock.testing.postgres import TemporaryPostgres
with TemporaryPostgres() as server:
    print(server.pid, server.folder, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def server(postgres_room: Path | None) -> Iterator[TemporaryPostgres]:
    with TemporaryPostgres(room=postgres_room) as server:
        yield server


def ask(url: str, question: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(question).fetchone()
    return row[0] if row else None


def soon(happens: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while not happens() and time.monotonic() < deadline:
        time.sleep(0.02)
    return happens()


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_it_is_a_real_server_that_thinks_in_utc(server):
    assert ask(server.url, "SELECT current_setting('server_version_num')::int >= 170000")
    assert ask(server.url, "SHOW timezone") == "UTC"


def test_it_listens_on_no_network_address(server):
    assert ask(server.url, "SHOW listen_addresses") == ""


def test_each_database_is_fresh_and_goes_even_while_somebody_is_connected(server):
    with server.database() as first, psycopg.connect(first) as forgotten:
        forgotten.execute("CREATE TABLE t ()")
        name = forgotten.info.dbname
    with server.database() as second:
        assert ask(second, "SELECT count(*) FROM pg_tables WHERE tablename = 't'") == 0
        assert ask(second, f"SELECT count(*) FROM pg_database WHERE datname = '{name}'") == 0


def test_what_was_committed_survives_a_crash_and_a_stop(server):
    with psycopg.connect(server.url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
    server.crash()
    server.start()
    server.stop()
    server.start()
    assert ask(server.url, "SELECT n FROM kept") == 7


def test_it_starts_again_after_its_process_was_killed(server):
    os.kill(server.pid, signal.SIGKILL)
    server.start()
    assert ask(server.url, "SELECT 1") == 1


def test_a_parameter_that_cannot_be_is_reported_in_the_servers_words(postgres_room):
    with pytest.raises(SetupError) as caught, TemporaryPostgres({"max_connections": "none"}, postgres_room):
        pass
    assert "max_connections" in caught.value.why


def test_nothing_of_it_is_left(postgres_room):
    with TemporaryPostgres(room=postgres_room) as server:
        pid, folder = server.pid, server.folder
    assert not folder.exists()
    assert is_gone(pid)


def test_it_ends_when_the_process_that_started_it_is_killed():
    script = [sys.executable, "-c", ORPHAN]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    finished = subprocess.run(script, capture_output=True, text=True, check=False, env=environment)
    pid, folder = finished.stdout.split()
    assert soon(lambda: is_gone(int(pid)))
    shutil.rmtree(folder)
