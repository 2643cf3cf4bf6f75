"""A proxy on loopback, as a company has one: whatever host is asked for, one server answers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

SECONDS = 30


@dataclass
class Proxy:
    """Its URL, and the hosts that it was asked for."""

    url: str
    asked: list[str] = field(default_factory=list)


@contextmanager
def proxy(host: str, port: int) -> Iterator[Proxy]:
    """`CONNECT anything` leads to this host and port."""
    listening = socket.create_server(("127.0.0.1", 0))
    found = Proxy(f"http://127.0.0.1:{listening.getsockname()[1]}")
    threads: list[threading.Thread] = []

    def connect(near: socket.socket) -> None:
        with near, suppress(OSError):
            near.settimeout(SECONDS)
            head = b""
            while b"\r\n\r\n" not in head:
                head += near.recv(4096) or b"\r\n\r\n"
            found.asked.append(head.split()[1].decode())
            with socket.create_connection((host, port), SECONDS) as far:
                near.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=_pass, args=(far, near), daemon=True)
                back.start()
                _pass(near, far)
                back.join(SECONDS)

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                threads.append(threading.Thread(target=connect, args=(connection,), daemon=True))
                threads[-1].start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        for one in (thread, *threads):
            one.join(SECONDS)


def _pass(from_: socket.socket, to: socket.socket) -> None:
    """Until one side has no more to say."""
    with suppress(OSError):
        while data := from_.recv(65536):
            to.sendall(data)
    with suppress(OSError):
        to.shutdown(socket.SHUT_WR)
