"""The web server beside the supervisor: in a thread of its own, on a socket that is bound before anything starts."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ssl import SSLContext
from typing import Any

from penstock.errors import SetupError, StorageUnavailable
from penstock.model.settings import Server

START_SECONDS = 10
GRACE_SECONDS = 5
CONCURRENT = 200
BACKLOG = 256


def bound(settings: Server) -> socket.socket:
    """A socket at the server's place. Raises `SetupError` when somebody else has it."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # Connections that it accepts inherit the protocol. Where it is not named, asyncio leaves Nagle's algorithm on, and
    # an answer's second packet waits up to 40 ms for the first one's acknowledgement.
    found = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((settings.host, settings.port))
    except (OSError, OverflowError) as error:
        found.close()
        why = getattr(error, "strerror", None) or "the port is no number from 0 to 65535"
        raise SetupError(
            f"the web server cannot listen on {settings.host}:{settings.port}", why=why, fix="--port 0 takes a free one"
        ) from error
    return found


def url_of(listening: socket.socket, *, encrypted: bool = False) -> str:
    """Where a server on this socket is reached."""
    host, port = listening.getsockname()[:2]
    scheme = "https" if encrypted else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


@contextmanager
def serving(
    application: Any, listening: socket.socket, context: SSLContext | None = None, proxies: str = ""
) -> Iterator[str]:
    """Serve for as long as the block lasts, with a `context` over TLS; gives the address. Requests that have begun are
    finished. Of `proxies`, addresses with commas between them, it is believed whom they speak for."""
    import uvicorn

    config = uvicorn.Config(
        application,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=proxies,
        limit_concurrency=CONCURRENT,
        backlog=BACKLOG,
        timeout_graceful_shutdown=GRACE_SECONDS,
        ssl_context_factory=None if context is None else lambda _config, _default: context,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening],), name="web", daemon=True)
    thread.start()
    try:
        _wait(server, thread)
        yield url_of(listening, encrypted=context is not None)
    finally:
        server.should_exit = True
        thread.join(GRACE_SECONDS + START_SECONDS)
        listening.close()


def _wait(server: Any, thread: threading.Thread) -> None:
    over = threading.Event()
    for _ in range(START_SECONDS * 100):
        if server.started:
            return
        if not thread.is_alive():
            break
        over.wait(0.01)
    raise StorageUnavailable("the web server does not start", fix="penstock serve --verbose")
