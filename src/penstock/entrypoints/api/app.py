"""The web application: a route for each endpoint, the OpenAPI document, a sign of life."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.routing import BaseRoute, Route

from penstock.authoring.endpoints import Endpoint
from penstock.authoring.streams import Stream
from penstock.entrypoints.api.access import Gate
from penstock.entrypoints.api.answers import Refusal, answer, refusal_of, refused
from penstock.entrypoints.api.openapi import document
from penstock.entrypoints.api.questions import CURSOR, Seal, about, question
from penstock.errors import PenstockError
from penstock.model.lookups import Page

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

log = logging.getLogger("penstock")

LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")


class Ask(Protocol):
    """Where rows come from (`penstock.wiring.local.Project.page`)."""

    def __call__(
        self, endpoint: Endpoint, where: Sequence[tuple[str, str]], limit: int, after: tuple[str | None, ...] = ()
    ) -> Page: ...


@dataclass(frozen=True, slots=True)
class Service:
    """All that the web application is made of."""

    title: str
    version: str
    endpoints: Sequence[Endpoint]
    ask: Ask
    gate: Gate
    seal: Seal
    names: Sequence[str] = LOCAL_NAMES
    """Host names that requests may name: a page elsewhere must not reach this server under a name of its own."""
    routes: Sequence[BaseRoute] = field(default=())
    streams: Sequence[Stream] = field(default=())


def application(service: Service) -> Starlette:
    """The application, ready to be served."""
    routes: list[BaseRoute] = [
        Route("/openapi.json", _static(document(service.title, service.version, service.endpoints, service.streams))),
        Route("/health", _static({"status": "ok"})),
        *(Route(endpoint.path, guarded(_rows(service, endpoint)), methods=["GET"]) for endpoint in service.endpoints),
        *service.routes,
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=list(service.names), www_redirect=False)],
        exception_handlers={
            Refusal: _refused,
            PenstockError: _failed,
            HTTPException: _not_here,
        },
    )


def _static(content: dict[str, Any]) -> Callable[[Request], Response]:
    def handle(request: Request) -> Response:
        return answer(request, content)

    return handle


def guarded(handle: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """The handler, without the messages of unexpected errors: these may hold data, and servers log them."""

    def handled(request: Request) -> Response:
        try:
            return handle(request)
        except (Refusal, PenstockError, HTTPException):
            raise
        except Exception as error:  # noqa: BLE001  the last line of defence
            facts = {"action": "request_failed", "path": request.url.path, "error": {"message": type(error).__name__}}
            log.error("Request failed", extra=facts)  # noqa: TRY400  a traceback would quote the message
            return refused(Refusal(500, "the request cannot be answered", fix="tell whoever runs the server"))

    return handled


def _rows(service: Service, endpoint: Endpoint) -> Callable[[Request], Response]:
    """Not async: the answer comes from a thread, in which waiting for a destination holds nobody else up."""

    def handle(request: Request) -> Response:
        service.gate.admit(request, endpoint.path, public=endpoint.public, rate=endpoint.rate)
        asked = question(endpoint, request.query_params.multi_items(), service.seal)
        page = service.ask(endpoint, asked.where, asked.limit, asked.after)
        names = [name for name, _ in endpoint.columns]
        content: dict[str, Any] = {"response": [dict(zip(names, row, strict=True)) for row in page.rows]}
        if not page.next:
            return answer(request, content)
        cursor = service.seal.close(page.next, about(endpoint, asked.where))
        given = [(name, text) for name, text in request.query_params.multi_items() if name != CURSOR]
        link = f'<{endpoint.path}?{urlencode([*given, (CURSOR, cursor)])}>; rel="next"'
        return answer(request, {**content, "next": cursor}, {"Link": link})

    return handle


def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)  # noqa: S101  Starlette calls it for nothing else
    return refused(error)


def _failed(request: Request, error: Exception) -> Response:
    assert isinstance(error, PenstockError)  # noqa: S101  the same
    refusal = refusal_of(error)
    if refusal.status >= 500:
        facts = {"action": "request_failed", "path": request.url.path, "error": error.facts()}
        log.warning("Request failed", extra=facts)
    return refused(refusal)


def _not_here(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  the same
    fix = {404: "GET /openapi.json lists what there is", 405: "see /openapi.json"}.get(error.status_code, "")
    return refused(Refusal(error.status_code, error.detail.lower(), fix=fix, headers=error.headers))
