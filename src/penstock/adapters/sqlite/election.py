"""Who holds a project's ledger: whoever has the lock on its file. Everybody else speaks to the holder.

The kernel lets go of the lock with the process, however that ends. Then the next caller takes the lock, and serves.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import ClassVar, Concatenate, ParamSpec, Self, TypeVar

from penstock.adapters.sqlite.client import Line, LineLost, RemoteLedger
from penstock.adapters.sqlite.desk import Desk
from penstock.adapters.sqlite.server import Server
from penstock.adapters.sqlite.store import PATIENCE, SqliteLedger
from penstock.adapters.sqlite.wire import Answer, Call
from penstock.errors import LedgerBusy, SetupError, StorageUnavailable
from penstock.ledger.port import Ledger

P = ParamSpec("P")
T = TypeVar("T")

LONGEST_ADDRESS = 100
"""The path of a unix socket has room for little more."""

PAUSE = 0.02
"""Between two looks at who holds the ledger, in seconds."""


@contextmanager
def open_ledger(folder: Path, patience: float = PATIENCE) -> Iterator[Ledger]:
    """The ledger of a project, whose files are in `folder`.

    The first process to come holds it and serves the others for as long as it is open. When it goes, even killed, the
    next call of any other takes its place: nothing that was committed is lost, and no call is carried out twice.
    Raises `LedgerBusy` when nobody can be reached for `patience` seconds.
    """
    with _Succession(folder, patience) as succession:
        yield succession.ledger()


class Holder:
    """The process that has the lock: its ledger, and the server for all others."""

    def __init__(self, folder: Path, lock: Lock, patience: float) -> None:
        with ExitStack() as stack:
            stack.enter_context(lock)
            self.ledger = stack.enter_context(SqliteLedger(folder / "ledger.db", patience))
            self.desk = Desk(self.ledger)
            self.server = Server(self.desk, address_of(folder), key_of(folder))
            stack.callback(self.server.close)
            self._stack = stack.pop_all()

    def close(self) -> None:
        """Answer what was asked, then let go."""
        self._stack.close()


class Lock:
    """An exclusive lock on a file, gone with the process that has it."""

    _held: ClassVar[weakref.WeakSet[Lock]] = weakref.WeakSet()

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._held.add(self)

    @classmethod
    def take(cls, path: Path) -> Lock | None:
        """The lock, or None when somebody has it. Raises `StorageUnavailable`."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StorageUnavailable(
                "the ledger's lock cannot be opened", at=str(path), why=error.strerror or ""
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return cls(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    @classmethod
    def let_go(cls) -> None:
        """In a forked child: a lock belongs to both, and would outlive the parent that has it."""
        for lock in tuple(cls._held):
            lock.__exit__()


os.register_at_fork(after_in_child=Lock.let_go)


class _Succession:
    """Carries calls to whoever holds the ledger; takes its place when it is gone."""

    def __init__(self, folder: Path, patience: float) -> None:
        self._folder, self._patience = folder, patience
        self._line = Line(address_of(folder), lambda: key_of(folder))
        self._changing = threading.Lock()
        self._holder: Holder | None = None

    def __enter__(self) -> Self:
        self._try_to_hold()
        return self

    def __exit__(self, *_: object) -> None:
        self._line.close()
        if self._holder is not None:
            self._holder.close()

    def ledger(self) -> Ledger:
        """The ledger itself where this process holds it: a holder stays one until it closes."""
        return RemoteLedger(self) if self._holder is None else self._holder.ledger

    def __call__(self, method: Callable[Concatenate[Ledger, P], T], /, *arguments: P.args, **named: P.kwargs) -> T:
        """Ask until somebody answers. The call keeps its name, so that it is not carried out twice."""
        call = Call(os.urandom(16).hex(), method.__name__, arguments, named)
        deadline = time.monotonic() + self._patience
        while True:
            try:
                answer = self._ask(call)
            except LineLost as lost:
                if time.monotonic() > deadline:
                    raise self._unreachable() from lost
                if not self._try_to_hold():
                    time.sleep(PAUSE)
                continue
            if answer.error is not None:
                raise answer.error
            value: T = answer.value
            return value

    def _ask(self, call: Call) -> Answer:
        return self._line.ask(call) if self._holder is None else self._holder.desk.answer(call)

    def _try_to_hold(self) -> bool:
        with self._changing:
            if self._holder is None and (lock := Lock.take(self._folder / "ledger.lock")) is not None:
                self._holder = self._hold(lock)
            return self._holder is not None

    def _hold(self, lock: Lock) -> Holder:
        try:
            return Holder(self._folder, lock, self._patience)
        except OSError as error:
            raise StorageUnavailable(
                "the ledger cannot be served", at=str(self._folder), why=error.strerror or str(error)
            ) from error

    def _unreachable(self) -> LedgerBusy:
        return LedgerBusy(
            f"the process that holds the ledger could not be reached for {self._patience:g} s",
            at=str(self._folder),
            why="it has the lock, but does not listen",
            fix="see whether it is stopped, or still starting",
        )


# --- files beside the ledger -------------------------------------------------------------------------------------


def address_of(folder: Path) -> Path:
    """Where the holder listens: in the folder, or in one of this user's own where that path is too long."""
    address = folder.resolve() / "ledger.sock"
    if len(os.fsencode(address)) <= LONGEST_ADDRESS:
        return address
    name = hashlib.sha256(os.fsencode(address)).hexdigest()[:16]
    return _own_folder() / f"{name}.sock"


def _own_folder() -> Path:
    import tempfile  # costs 5 ms, and hardly any folder needs it

    folder = Path(tempfile.gettempdir()) / f"penstock-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise SetupError(
            "somebody else could listen in the folder for sockets", at=str(folder), fix="remove it, or set TMPDIR"
        )
    return folder


def key_of(folder: Path) -> bytes:
    """What both ends of the socket must prove: a secret in a file that only this user can read. Made when missing."""
    path = folder / "ledger.key"
    if not path.exists():
        _make_key(path)
    return path.read_bytes()


def _make_key(path: Path) -> None:
    """Wholly or not at all, and once: whoever comes second finds the first one's key."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(os.urandom(32))
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
