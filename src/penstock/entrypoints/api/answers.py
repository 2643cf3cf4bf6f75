"""Answers: JSON with its digest as ETag, and errors that say what is wrong and how to go on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from penstock.entrypoints.cli.output import encode
from penstock.errors import PenstockError, Unavailable, UsageError

if TYPE_CHECKING:
    from starlette.requests import Request

JSON = "application/json"
RETRY_SECONDS = 5
_ALWAYS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "private, no-cache"}


class Refusal(Exception):
    """A request that is not answered as asked: a status, and words for whoever asked."""

    def __init__(
        self, status: int, message: str, *, why: str = "", fix: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.headers = status, dict(headers or {})
        facts = {"status": status, "message": message, "why": why, "fix": fix}
        self.facts = {name: value for name, value in facts.items() if value}


def answer(request: Request, content: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    """The content; 304 without it, when whoever asks has it already."""
    body = (encode(content) + "\n").encode()
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    told = {**_ALWAYS, "ETag": tag, "Vary": "Authorization, X-API-Key", **(headers or {})}
    if _known(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers=told)
    return Response(body, media_type=JSON, headers=told)


def accepted(content: Mapping[str, Any]) -> Response:
    """What was sent is kept."""
    return Response((encode(content) + "\n").encode(), 202, _ALWAYS, JSON)


def refused(refusal: Refusal) -> Response:
    """A refusal as JSON."""
    body = (encode({"error": refusal.facts}) + "\n").encode()
    return Response(body, refusal.status, {**_ALWAYS, **refusal.headers}, JSON)


def refusal_of(error: PenstockError) -> Refusal:
    """What an error means to whoever asked. Places on this machine are none of their business."""
    if isinstance(error, UsageError):
        return Refusal(400, error.what, why=error.why, fix=error.fix)
    if isinstance(error, Unavailable):
        retry = {"Retry-After": str(RETRY_SECONDS)}
        return Refusal(503, "the rows cannot be reached now", fix="try again later", headers=retry)
    return Refusal(500, "the request cannot be answered", why=f"error {error.code}", fix="tell whoever runs the server")


def _known(header: str, tag: str) -> bool:
    tags = [item.strip().removeprefix("W/") for item in header.split(",")]
    return "*" in tags or tag in tags
