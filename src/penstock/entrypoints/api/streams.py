"""`POST /streams/NAME`: records are acknowledged when they are durable, and not before."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.routing import BaseRoute, Route

from penstock.entrypoints.api.access import Gate
from penstock.entrypoints.api.answers import RETRY_SECONDS, Refusal, accepted
from penstock.entrypoints.api.records import LINES, LONGEST_ID, ONE, records
from penstock.errors import BufferFull, PenstockError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from penstock.authoring.streams import Stream
    from penstock.runtime.streams import Buffer

BODY_SECONDS = 30
SMALL = 16_000
"""Bodies up to this size are read at once; larger ones in a thread, so that others are answered meanwhile."""


def routes(streams: Mapping[str, Stream], buffers: Mapping[str, Buffer], gate: Gate, most: int) -> list[BaseRoute]:
    """A route for each stream; `most` bytes are the largest body."""
    return [
        Route(stream.path, _intake(stream, buffers[name], gate, most), methods=["POST"])
        for name, stream in streams.items()
    ]


def _intake(stream: Stream, buffer: Buffer, gate: Gate, most: int) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        await gate.admit_soon(request, stream.path, public=stream.public, rate=stream.rate)
        kind, key = _kind(request), _key(request)
        body = await _body(request, most)
        if len(body) <= SMALL:
            found = records(kind, body, key, stream.id)
        else:
            found = await run_in_threadpool(records, kind, body, key, stream.id)
        appended = await _appended(buffer, found)
        return accepted({"accepted": appended.accepted, "duplicates": appended.duplicates})

    return handle


async def _appended(buffer: Buffer, found: Any) -> Any:
    try:
        return await asyncio.wrap_future(buffer.submit(found))
    except BufferFull as full:
        headers = {"Retry-After": str(RETRY_SECONDS)}
        raise Refusal(503, full.what, why=full.why, fix=full.fix, headers=headers) from None
    except PenstockError:
        headers = {"Retry-After": str(RETRY_SECONDS)}
        raise Refusal(503, "the records cannot be kept now", fix="send them again later", headers=headers) from None


def _kind(request: Request) -> str:
    """Named types only: a form on somebody's web page cannot send them without being asked first."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in (ONE, *LINES):
        raise Refusal(415, "the body's type is not known here", fix=f"Content-Type: {ONE}, or {LINES[0]}")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Refusal(415, "a compressed body is not taken", fix="send it as it is")
    return kind


def _key(request: Request) -> str:
    key = request.headers.get("idempotency-key", "")
    if len(key) > LONGEST_ID:
        raise Refusal(400, "the Idempotency-Key is too long", fix=f"at most {LONGEST_ID} characters")
    return key


async def _body(request: Request, most: int) -> bytes:
    """The body, as far as it may be. Whoever sends too slowly is not waited for."""
    told = request.headers.get("content-length", "0")
    if not told.isdecimal() or int(told) > most:
        raise _too_large(most)
    found = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for piece in request.stream():
                found += piece
                if len(found) > most:
                    raise _too_large(most)
    except TimeoutError:
        raise Refusal(
            408, f"the body took longer than {BODY_SECONDS} seconds", headers={"Connection": "close"}
        ) from None
    except ClientDisconnect:
        raise Refusal(400, "the body ends too early") from None
    return bytes(found)


def _too_large(most: int) -> Refusal:
    fix = "send fewer records at a time"
    return Refusal(413, f"the body has more than {most} bytes", fix=fix, headers={"Connection": "close"})
