"""The holder's side of the socket: reads are answered at once, writes share commits.

Each connection has a thread of its own. Writes go to one thread, which takes all that wait, applies them within one
transaction, and commits once: while the disk is busy with one group, the next one gathers.
"""

from __future__ import annotations

import logging
import queue
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Client, Connection, Listener, answer_challenge, deliver_challenge
from pathlib import Path

from penstock.adapters.sqlite.desk import Desk
from penstock.adapters.sqlite.wire import GONE, READS, Answer, Call, pack, unpack

log = logging.getLogger("penstock")

MOST_TOGETHER = 256
"""How many calls share one commit at most."""

BACKLOG = 128


PAUSE = 0.1
"""After a connection that could not be taken, in seconds: the process may have too many files open."""


LONGEST_GOODBYE = 1.0
"""For how long a last answer may take to be sent, in seconds: whoever asked may have stopped reading."""


class _Waiting:
    """A write on its way to the thread that writes, and back."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.answer = Answer()
        self.done = threading.Event()


class Server:
    """Serves the ledger on a socket until it is closed. Whoever starts one holds the lock of the folder."""

    def __init__(self, desk: Desk, address: Path, key: bytes) -> None:
        self._desk, self._address, self._key = desk, address, key
        self._writes: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._gate = threading.Lock()
        self._closing = False
        self._connections: dict[Connection, threading.Lock] = {}
        self.calls = self.commits = 0
        """Writes that were asked for, and the transactions that they shared."""
        # A holder that was killed left its socket behind.
        address.unlink(missing_ok=True)
        self._listener = Listener(str(address), family="AF_UNIX", backlog=BACKLOG)
        address.chmod(0o600)
        self._threads = [_start(self._write, "ledger-writer"), _start(self._welcome, "ledger-door")]

    def close(self) -> None:
        """Answer what was asked, then let everybody go."""
        with self._gate:
            self._closing = True
            self._writes.put(None)
        # The thread at the door is waiting for somebody. Where the folder is gone nobody can come: it ends with us.
        with suppress(*GONE):
            Client(str(self._address), family="AF_UNIX").close()
        writer, door = self._threads
        writer.join()
        door.join(timeout=LONGEST_GOODBYE)
        with suppress(FileNotFoundError):
            self._listener.close()
        for connection, answering in tuple(self._connections.items()):
            if answering.acquire(timeout=LONGEST_GOODBYE):
                answering.release()
            _hang_up(connection)

    # --- connections ---------------------------------------------------------------------------------------------

    def _welcome(self) -> None:
        while not self._closing:
            try:
                connection = self._listener.accept()
            except OSError as error:
                log.warning("No connection", extra={"action": "ledger_door_failed", "why": error.strerror})
                time.sleep(PAUSE)
                continue
            _start(self._converse, "ledger-line", connection)

    def _converse(self, connection: Connection) -> None:
        answering = self._connections[connection] = threading.Lock()
        try:
            with connection, suppress(*GONE):
                deliver_challenge(connection, self._key)
                answer_challenge(connection, self._key)
                while self._exchange(connection, connection.recv_bytes(), answering):
                    pass
        finally:
            del self._connections[connection]

    def _exchange(self, connection: Connection, data: bytes, answering: threading.Lock) -> bool:
        with answering:
            answer = self._answer(unpack(data))
            if answer is not None:
                connection.send_bytes(pack(answer))
        return answer is not None

    def _answer(self, call: Call) -> Answer | None:
        if call.method in READS:
            return self._desk.answer(call)
        waiting = _Waiting(call)
        with self._gate:
            if self._closing:
                return None
            self.calls += 1
            self._writes.put(waiting)
        waiting.done.wait()
        return waiting.answer

    # --- writes --------------------------------------------------------------------------------------------------

    def _write(self) -> None:
        while (group := self._gather()) is not None:
            answers = self._desk.answer_together([waiting.call for waiting in group])
            self.commits += 1
            for waiting, answer in zip(group, answers, strict=True):
                waiting.answer = answer
                waiting.done.set()

    def _gather(self) -> list[_Waiting] | None:
        """All that wait now, at least one; None after the last."""
        first = self._writes.get()
        if first is None:
            return None
        group = [first]
        while len(group) < MOST_TOGETHER:
            try:
                waiting = self._writes.get_nowait()
            except queue.Empty:
                break
            if waiting is None:
                self._writes.put(None)
                break
            group.append(waiting)
        return group


def _start(work: Callable[..., None], name: str, *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=work, args=arguments, name=name, daemon=True)
    thread.start()
    return thread


def _hang_up(connection: Connection) -> None:
    """Closing alone would not wake the thread that reads from it."""
    with suppress(OSError), socket.socket(fileno=socket.dup(connection.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)
