"""A web server on loopback that says what a test tells it to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = tuple[int, dict[str, str], bytes]
Say = Callable[[str, dict[str, str]], Answer]


@dataclass
class Site:
    """`say` answers a path and headers; `asked` keeps what was asked."""

    url: str = ""
    say: Say = lambda _path, _headers: (200, {}, b"")
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def serve(self, body: bytes, status: int = 200, **headers: str) -> None:
        """One answer to everything."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.say = lambda _path, _headers: (status, named, body)

    def serve_versions(self, body: bytes, etag: str) -> None:
        """As a server does that knows about versions."""

        def say(_path: str, headers: dict[str, str]) -> Answer:
            known = headers.get("if-none-match") == etag
            return (304, {"ETag": etag}, b"") if known else (200, {"ETag": etag}, body)

        self.say = say


@contextmanager
def site(*, context: object = None) -> Iterator[Site]:
    """A site at a port of its own, gone with the test."""
    found = Site()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            found.asked.append((self.path, headers))
            status, more, body = found.say(self.path, headers)
            self.send_response(status)
            for name, value in more.items():
                self.send_header(name, value)
            if "Content-Length" not in more and "Transfer-Encoding" not in more:
                self.send_header("Content-Length", str(len(body)))
            if more.get("Connection") == "close":
                self.close_connection = True
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    scheme = "http"
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme = "https"
    found.url = f"{scheme}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
