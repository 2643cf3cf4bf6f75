"""Receivers of messages on loopback: a real mail server, and a real web server that can be told to fail."""

from __future__ import annotations

import email
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from aiosmtpd.controller import Controller


class Mailbox:
    """Keeps what it is sent. `answers` are given instead, one after the other, until they are used up."""

    def __init__(self) -> None:
        self.letters: list[EmailMessage] = []
        self.receivers: list[list[str]] = []
        self.answers: list[str] = []

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802  aiosmtpd's name
        if self.answers:
            return self.answers.pop(0)
        self.letters.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        self.receivers.append(list(envelope.rcpt_tos))
        return "250 OK"


class _Anywhere(Controller):
    """On a port that is free: the controller looks for its server where it was told to, which was port 0."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@contextmanager
def mail_server() -> Iterator[tuple[Mailbox, str]]:
    """A server, and the URL of a channel to it."""
    box = Mailbox()
    controller = _Anywhere(box, hostname="127.0.0.1", port=0)
    controller.start()
    try:
        yield box, f"smtp://127.0.0.1:{controller.port}?from=etl@example.org&to=team@example.org,boss@example.org"
    finally:
        controller.stop()


class Hook:
    """What a web server was sent, as (path, headers, body)."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, str], dict]] = []
        self.answers: list[int] = []


@contextmanager
def web_server(context: ssl.SSLContext | None = None, says: bytes = b"") -> Iterator[tuple[Hook, str]]:
    """A server, with a `context` over TLS, and its address without a scheme. `says` is what it answers."""
    hook = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            hook.calls.append((self.path, dict(self.headers), body))
            self.send_response(hook.answers.pop(0) if hook.answers else 200)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", str(len(says)))
            self.end_headers()
            self.wfile.write(says)

        def log_message(self, *_: object) -> None:
            """Tests are quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield hook, f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
