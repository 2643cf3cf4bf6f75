"""Who may ask, and how often: API keys, and counts of requests in moving windows."""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool

from penstock.adapters.keys import Key, Keys
from penstock.authoring.endpoints import Rate
from penstock.entrypoints.api.answers import Refusal

if TYPE_CHECKING:
    from starlette.requests import Request

WRONG_KEYS = Rate(20, "minute")
"""So many wrong keys from one address; checking one costs 25 ms."""


class Gate:
    """Counts live in this process's memory, and begin anew with it."""

    def __init__(self, keys: Keys) -> None:
        from limits.storage import MemoryStorage
        from limits.strategies import MovingWindowRateLimiter

        self._keys = keys
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._checking = threading.Lock()

    def admit(self, request: Request, path: str, *, public: bool, rate: Rate) -> None:
        """Let a request in, or raise `Refusal`: 401 without a valid key, 403 with another path's, 429 too often."""
        asker = self._client(request) if public else self._named(self._checked(request), path)
        self._count(rate, path, asker)

    async def admit_soon(self, request: Request, path: str, *, public: bool, rate: Rate) -> None:
        """The same from an event loop, which only a key that was not seen before leaves, for the time of its check."""
        known = None if public else self._keys.remembered(_sent(request))
        if public or known is not None:
            self._count(rate, path, self._named(known, path) if known else self._client(request))
            return
        await run_in_threadpool(self.admit, request, path, public=public, rate=rate)

    def _checked(self, request: Request) -> Key:
        text = _sent(request)
        if not text:
            raise _unauthorized("an API key is needed")
        client = self._client(request)
        self._test(WRONG_KEYS, "wrong key", client)
        with self._checking:  # Argon2 takes 19 MB: one at a time
            key = self._keys.verify(text)
        if key is None:
            self._count(WRONG_KEYS, "wrong key", client)
            raise _unauthorized("the API key is not valid")
        return key

    @staticmethod
    def _named(key: Key, path: str) -> str:
        if not key.opens(path):
            fix = f"penstock key create NAME --allow {path}"
            raise Refusal(403, "the API key does not open this path", fix=fix)
        return f"key {key.id}"

    @staticmethod
    def _client(request: Request) -> str:
        return request.client.host if request.client else ""

    def _count(self, rate: Rate, *names: str) -> None:
        if not self._limiter.hit(_item(rate), *names):
            raise self._too_often(rate, *names)

    def _test(self, rate: Rate, *names: str) -> None:
        if not self._limiter.test(_item(rate), *names):
            raise self._too_often(rate, *names)

    def _too_often(self, rate: Rate, *names: str) -> Refusal:
        reset = self._limiter.get_window_stats(_item(rate), *names).reset_time
        seconds = max(1, math.ceil(reset - time.time()))
        headers = {"Retry-After": str(seconds)}
        return Refusal(429, "too many requests", why=f"{rate} are allowed", fix="wait", headers=headers)


def _item(rate: Rate) -> Any:
    from limits import parse

    return parse(str(rate))


def _sent(request: Request) -> str:
    """The key of a request, as a bearer token or in a header of its own."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else request.headers.get("x-api-key", "")


def _unauthorized(message: str) -> Refusal:
    fix = "send one that penstock key create NAME prints, as Authorization: Bearer KEY"
    return Refusal(401, message, fix=fix, headers={"WWW-Authenticate": 'Bearer realm="penstock"'})
