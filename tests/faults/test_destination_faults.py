"""Destinations when something dies: this process, another one, the server, the connection, the disk."""

from __future__ import annotations

import contextlib
import os
import pickle
import random
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest

from penstock.adapters.lake import Lake
from penstock.adapters.postgres import Postgres
from penstock.errors import DataError, DestinationError, DestinationUnavailable, StorageUnavailable
from penstock.model.slots import Kind
from penstock.model.tables import Load
from penstock.testing.deliveries import Sender
from penstock.testing.postgres import TemporaryPostgres
from penstock.testing.shop import CAFE, LOG, PRODUCTS, order

pytestmark = pytest.mark.faults

LOADING = Path(__file__).with_name("loading.py")
SOURCE = Path(__file__).parents[2] / "src"


@dataclass
class Place:
    """A destination, addressed as another process would; looked at from outside."""

    address: str
    folder: Path

    def make(self, **options):
        url, _, schema = self.address.partition(" ")
        return Postgres(url, schema, workdir=self.folder / "scratch", **options) if schema else Lake(Path(url))

    def start(self, load: Load, *, crash: str = "", rounds: int = 1) -> subprocess.Popen:
        file = self.folder / f"{random.getrandbits(48):x}.load"
        file.write_bytes(pickle.dumps(load))
        command = [sys.executable, str(LOADING), self.address, str(file), str(rounds)]
        environment = {**os.environ, "PYTHONPATH": str(SOURCE), "PENSTOCK_CRASH_AT": crash}
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)

    def crash(self, load: Load, point: str) -> int:
        with self.start(load, crash=point) as child:
            return child.wait(60)

    def load(self, load: Load):
        with contextlib.closing(self.make()) as destination:
            return destination.load(load)

    def seen(self):
        """Totals of orders, positions of items and names of products, as a reader finds them in one look."""
        return (
            sorted(map(str, self.column("orders", "total"))),
            self.column("items", "position"),
            self.column("products", "name"),
        )

    def column(self, table: str, name: str):
        if " " in self.address:
            return sorted(self._postgres(table, name))
        return sorted(self._lake(table, name))

    def _postgres(self, table, name):
        url, _, schema = self.address.partition(" ")
        with psycopg.connect(url) as connection:
            if connection.execute("SELECT to_regclass(%s)", [f'"{schema}".{table}']).fetchone()[0] is None:
                return []
            return [row[0] for row in connection.execute(f'SELECT {name} FROM "{schema}".{table}')]

    def _lake(self, table, name):
        import duckdb

        files = Path(self.address) / table / "current"
        with duckdb.connect() as connection:
            found = connection.execute(f"SELECT {name} FROM '{files}/*.parquet'").fetchall() if files.exists() else []
        return [row[0] for row in found]

    def leftovers(self):
        """Whatever a load should not leave: shadow tables, half snapshots, scratch folders of the dead."""
        url, _, schema = self.address.partition(" ")
        if schema:
            query = "SELECT tablename FROM pg_tables WHERE schemaname = %s AND tablename LIKE 'penstock\\_shadow%%'"
            with psycopg.connect(url) as connection:
                return [row[0] for row in connection.execute(query, [schema])]
        home = Path(url) / ".snapshots" / "shop"
        current = int((home / "current").readlink().name)
        snapshots = [path.name for path in home.iterdir() if path.name.isdigit() and int(path.name) > current]
        return snapshots + [str(path) for path in home.glob(".current*")] + list((Path(url) / ".scratch").glob("*"))


@pytest.fixture
def sender(tmp_path):
    (tmp_path / "staged").mkdir()
    return Sender(tmp_path / "staged")


@pytest.fixture
def lake(tmp_path):
    return Place(str(tmp_path / "curated"), tmp_path)


@pytest.fixture
def warehouse(postgres_url, tmp_path, request):
    name = re.sub(r"\W", "", request.node.name)[:40] + f"{random.getrandbits(24):x}"
    yield Place(f"{postgres_url} {name}", tmp_path)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f'DROP SCHEMA IF EXISTS "{name}" CASCADE')


FIRST, SECOND = (["1.00"], [1], ["tea"]), (["2.00"], [2], ["tea"])
NOTHING = ([], [], [])


def generation(sender: Sender, number: int) -> Load:
    return sender.load(CAFE, order(sender, "a.csv", number, total=f"{number}.00", position=number))


# --- this process dies -------------------------------------------------------------------------------------------

POSTGRES_FIRST = ["shadow_created", "copied", "copied:2", "shadow_filled", "before_commit", "after_commit"]
POSTGRES_AGAIN = ["erased", "copied", "copied:3", "before_commit", "after_commit"]
LAKE = ["table_kept", "table_kept:3", "before_seal", "sealed", "before_flip", "after_flip"]


@pytest.mark.parametrize("point", POSTGRES_FIRST)
def test_postgres_after_a_crash_in_the_first_load(warehouse, sender, point):
    died(warehouse, sender, f"postgres.{point}", number=1, before=NOTHING, after=FIRST)


@pytest.mark.parametrize("point", POSTGRES_AGAIN)
def test_postgres_after_a_crash_in_a_later_load(warehouse, sender, point):
    warehouse.load(generation(sender, 1))
    died(warehouse, sender, f"postgres.{point}", number=2, before=FIRST, after=SECOND)


@pytest.mark.parametrize("point", LAKE)
def test_the_lake_after_a_crash_in_the_first_load(lake, sender, point):
    died(lake, sender, f"lake.{point}", number=1, before=NOTHING, after=FIRST)


@pytest.mark.parametrize("point", LAKE)
def test_the_lake_after_a_crash_in_a_later_load(lake, sender, point):
    lake.load(generation(sender, 1))
    died(lake, sender, f"lake.{point}", number=2, before=FIRST, after=SECOND)


def died(place: Place, sender: Sender, point: str, *, number: int, before, after):
    """A load dies at a point: readers find the old state or the new one, and the next load the new one."""
    load = generation(sender, number)
    assert place.crash(load, point) == -signal.SIGKILL
    committed = point.endswith(("after_commit", "after_flip"))
    assert place.seen() == (after if committed else before)
    done = place.load(load)
    assert place.seen() == after
    assert (len(done.applied), len(done.stale)) == ((0, 1) if committed else (1, 0))
    place.load(generation(sender, number + 1))
    assert place.leftovers() == []


def test_a_crash_while_old_snapshots_are_collected(lake, sender):
    from datetime import timedelta

    for number in (1, 2, 3):
        lake.load(generation(sender, number))
    code = (
        "import sys; from datetime import timedelta; from pathlib import Path; from penstock.adapters.lake import Lake;"
        "Lake(Path(sys.argv[1])).collect('shop', grace=timedelta(0))"
    )
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "PENSTOCK_CRASH_AT": "lake.collected"}
    done = subprocess.run([sys.executable, "-c", code, lake.address], env=environment, check=False)
    assert done.returncode == -signal.SIGKILL
    with contextlib.closing(lake.make()) as destination:
        destination.collect("shop", grace=timedelta(0))
    kept = [path.name for path in (Path(lake.address) / ".snapshots" / "shop").iterdir() if path.name.isdigit()]
    assert (kept, lake.seen()[0]) == (["3"], ["3.00"])


@pytest.mark.parametrize("kind", ["lake", "warehouse"])
def test_kills_at_any_moment_leave_one_whole_generation(request, sender, kind):
    place, seed = request.getfixturevalue(kind), int(os.environ.get("CRASH_SEED") or random.getrandbits(32))
    request.node.add_report_section("call", "seed", f"CRASH_SEED={seed}")
    chance, number = random.Random(seed), 1  # noqa: S311 - a test's dice
    for _ in range(3):
        load = generation(sender, number)
        with place.start(load, rounds=1000) as child:
            child.stdout.readline()
            time.sleep(chance.uniform(0, 0.2))
            child.kill()
        totals, positions, names = place.seen()
        assert (len(totals), positions, names) == (1, [number], ["tea"])
        with contextlib.closing(place.make()) as destination:
            assert destination.load(load).stale == load.units  # it waits for the end of what the dead one began
            number = next(iter(destination.holdings("shop", ["orders"]))).number + 1
    place.load(generation(sender, number))
    assert place.leftovers() == []


# --- others work at the same time --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["lake", "warehouse"])
def test_two_processes_load_one_unit_once(request, sender, kind):
    place, load = request.getfixturevalue(kind), generation(sender, 1)
    children = [place.start(load) for _ in range(2)]
    applied = sorted(int(child.communicate(timeout=60)[0]) for child in children)
    assert (applied, place.seen()) == ([0, 1], FIRST)


@pytest.mark.parametrize("kind", ["lake", "warehouse"])
def test_two_processes_load_two_units_both(request, sender, kind):
    place = request.getfixturevalue(kind)
    loads = [sender.load(CAFE, order(sender, name, 1, total=total)) for name, total in (("a", "1.00"), ("b", "2.00"))]
    children = [place.start(load) for load in loads]
    applied = [int(child.communicate(timeout=60)[0]) for child in children]
    assert (applied, place.seen()[0]) == ([1, 1], ["1.00", "2.00"])


def test_a_blocked_schema_change_is_tried_later(warehouse, sender):
    url, _, schema = warehouse.address.partition(" ")
    with contextlib.closing(warehouse.make(lock_timeout=0.1)) as destination, psycopg.connect(url) as reader:
        destination.load(sender.load([LOG], sender.part("a", 1, log=[(1, "x")])))
        wider = sender.load([LOG.having(size="INTEGER")], sender.part("b", 1, log=[(1, "y", 2)]))
        reader.execute(f'SELECT * FROM "{schema}".log')
        with pytest.raises(DestinationUnavailable):
            destination.load(wider)
        reader.rollback()
        assert len(destination.load(wider).applied) == 1


# --- the server goes away ----------------------------------------------------------------------------------------


def test_a_connection_that_dies_in_the_middle(warehouse, sender):
    with contextlib.closing(warehouse.make()) as destination:
        destination.load(generation(sender, 1))
        blocked, load = hold(warehouse, "orders"), generation(sender, 2)
        with blocked as waiting, ThreadPoolExecutor(1) as pool:
            loading = pool.submit(destination.load, load)
            waiting.terminate()
            with pytest.raises(DestinationUnavailable):
                loading.result(30)
        assert warehouse.seen() == FIRST
        assert len(destination.load(load).applied) == 1
        assert warehouse.seen() == SECOND


@contextlib.contextmanager
def hold(place: Place, table: str):
    """Lock a table's rows, so that a load stands still in the middle; `terminate` ends the session that waits."""
    url, _, schema = place.address.partition(" ")
    with psycopg.connect(url) as holder, psycopg.connect(url, autocommit=True) as other:
        holder.execute(f'SELECT * FROM "{schema}".{table} FOR UPDATE')

        class Waiting:
            def terminate(self):
                query = (
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE %s = ANY (pg_blocking_pids(pid)) AND application_name = 'penstock'"
                )
                deadline = time.monotonic() + 20
                while not other.execute(query, [holder.info.backend_pid]).fetchall():
                    assert time.monotonic() < deadline
                    time.sleep(0.01)

        yield Waiting()


def test_an_idle_connection_that_died_is_replaced(warehouse, sender):
    with contextlib.closing(warehouse.make(application_name="penstock-idle")) as destination:
        destination.load(generation(sender, 1))
        with psycopg.connect(warehouse.address.split(" ", maxsplit=1)[0], autocommit=True) as other:
            kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'penstock-idle'"
            assert other.execute(kill).fetchall() == [(True,)]
        assert len(destination.load(generation(sender, 2)).applied) == 1


def test_a_server_that_crashes_in_mid_copy_and_comes_back(tmp_path, sender, postgres_room):
    with TemporaryPostgres(room=postgres_room) as server:
        place = Place(f"{server.url} shop", tmp_path)
        with contextlib.closing(place.make()) as destination:
            destination.load(generation(sender, 1))
            load = generation(sender, 2)
            with Proxy(server.url, tmp_path, at=b"COPY", then=server.crash) as proxy:
                broken = Place(f"{proxy.url} shop", tmp_path)
                with contextlib.closing(broken.make()) as through, pytest.raises(DestinationUnavailable):
                    through.load(load)
                assert proxy.cut
            server.start()
            assert place.seen() == FIRST
            assert len(destination.load(load).applied) == 1
            assert place.seen() == SECOND


def test_no_server_at_all(tmp_path, sender):
    nowhere = Place(f"postgresql://postgres@/postgres?host={tmp_path} shop", tmp_path)
    with contextlib.closing(nowhere.make()) as destination, pytest.raises(DestinationUnavailable):
        destination.load(generation(sender, 1))


@pytest.mark.parametrize("reaches", [True, False])
def test_a_commit_whose_answer_is_lost(warehouse, sender, tmp_path, reaches):
    url, _, schema = warehouse.address.partition(" ")
    warehouse.load(generation(sender, 1))
    load = generation(sender, 2)
    with Proxy(url, tmp_path, at=b"COMMIT\0", forwards=reaches) as proxy:
        through = Place(f"{proxy.url} {schema}", tmp_path)
        with contextlib.closing(through.make()) as destination:
            destination._prepared = True
            done = destination.load(load)
        assert proxy.cut
    assert (done.applied, done.stale) == (load.units, ())
    assert done.rows == {("a.csv", "orders"): 1, ("a.csv", "items"): 1, ("a.csv", "products"): 1}
    assert warehouse.seen() == SECOND


class Proxy:
    """Stands between a client and the server, and cuts the first connection that says a word: before or after the
    server has heard it."""

    def __init__(self, url, folder, *, at, forwards=False, then=lambda: None):
        import socket

        parts = psycopg.conninfo.conninfo_to_dict(url)
        self._server = f"{parts['host']}/.s.PGSQL.{parts.get('port', 5432)}"
        self._word, self._forwards, self._then, self.cut = at, forwards, then, False
        self._folder = folder / f"p{random.getrandbits(16):x}"
        self._folder.mkdir()
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(self._folder / ".s.PGSQL.5432"))
        self.url = f"postgresql://{parts['user']}@/{parts['dbname']}?host={self._folder}"
        self._threads = []

    def __enter__(self):
        self._socket.listen()
        self._begin(self._accept)
        return self

    def __exit__(self, *_):
        import socket

        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in self._threads:
            thread.join(20)

    def _begin(self, work, *arguments):
        self._threads.append(threading.Thread(target=work, args=arguments))
        self._threads[-1].start()

    def _accept(self):
        import socket

        with contextlib.suppress(OSError):
            while True:
                client, server = self._socket.accept()[0], socket.socket(socket.AF_UNIX)
                server.connect(self._server)
                self._begin(self._pass, client, server, True)
                self._begin(self._pass, server, client, False)

    def _pass(self, source, target, watched):
        import socket

        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if watched and not self.cut and self._word in data:
                    self.cut = True
                    if self._forwards:
                        # The answer must not pass: the client's side is shut before the server hears the word.
                        source.shutdown(socket.SHUT_RDWR)
                        target.sendall(data)
                        target.recv(1)
                    self._then()
                    break
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


# --- what is refused says nothing of the data --------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "value"), [("VARCHAR", "Jane\0Doe"), ("JSON", '{"name": "Jane\\u0000Doe"}')])
def test_a_text_with_nul_is_refused_by_name(warehouse, sender, kind, value):
    load = sender.load([LOG.having(note=kind)], sender.part("a", 1, log=[(1, "x", value)]))
    with contextlib.closing(warehouse.make()) as destination, pytest.raises(DataError) as refused:
        destination.load(load)
    assert ("NUL" in refused.value.what, refused.value.at) == (True, "table log, column note")
    assert not told(refused.value, "Jane", "Doe")


def test_a_refused_row_is_not_quoted(warehouse, sender):
    from dataclasses import replace

    from penstock.testing.deliveries import Declared

    people = Declared(replace(LOG.spec, name="people", key=("text",)), LOG.columns)
    load = sender.load([people], sender.part("a", 1, people=[(1, "Jane Doe"), (2, "Jane Doe")]))
    with contextlib.closing(warehouse.make()) as destination, pytest.raises(DestinationError) as refused:
        destination.load(load)
    assert (refused.value.at, "23505" in refused.value.why, "people_pkey" in refused.value.why) == (
        "table people",
        True,
        True,
    )
    assert not told(refused.value, "Jane", "Doe")


def told(error, *words) -> bool:
    """Whether any word stands in the error or in what it is chained to."""
    texts = []
    while error is not None:
        texts += [str(error), *(error.facts().values() if hasattr(error, "facts") else ())]
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return any(word in text for word in words for text in texts)


# --- the disk ----------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(disk)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("a small disk needs the right to mount one")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_full_disk_keeps_the_published_snapshot(small_disk, tmp_path, sender):
    place = Place(str(small_disk / "curated"), tmp_path)
    place.load(generation(sender, 1))
    filler = small_disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb") as file:
        while True:
            file.write(b"x" * 4096)
            file.flush()
    with contextlib.closing(place.make()) as destination:
        with pytest.raises(StorageUnavailable):
            destination.load(generation(sender, 2))
        assert place.seen() == FIRST
        filler.unlink()
        assert len(destination.load(generation(sender, 2)).applied) == 1
    assert place.seen() == SECOND


def test_a_withdrawal_survives_a_crash(lake, sender):
    lake.load(generation(sender, 1))
    withdrawal = sender.load([], sender.part("a.csv", 2, Kind.WITHDRAWAL))
    assert lake.crash(withdrawal, "lake.before_flip") == -signal.SIGKILL
    lake.load(withdrawal)
    assert lake.seen() == NOTHING


def test_a_shared_winner_survives_a_crash(warehouse, sender):
    parts = [sender.part(slot, 1, products=[(1, 11, "tea", price)]) for slot, price in (("a", "1.00"), ("b", "2.00"))]
    warehouse.load(sender.load([PRODUCTS], *parts))
    withdrawal = sender.load([PRODUCTS], sender.part("b", 2, Kind.WITHDRAWAL))
    assert warehouse.crash(withdrawal, "postgres.erased") == -signal.SIGKILL
    assert warehouse.column("products", "price") == [Decimal("2.00")]
    warehouse.load(withdrawal)
    assert warehouse.column("products", "price") == [Decimal("1.00")]
