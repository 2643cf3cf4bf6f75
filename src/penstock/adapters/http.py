"""Objects behind URLs: fetched with a limit on everything, and not at all when they have not changed."""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx2
import stamina

from penstock.authoring.origins import Git, Http, Origin, Secret
from penstock.errors import PenstockError, SourceRefused, SourceUnavailable

MOST_SECONDS = 600.0
"""For how long one object may be fetched, attempts and waits included: a server that trickles must not hold it up."""

HICCUPS = 3
"""Attempts in a row; an outage that lasts is the firing's to retry."""

LONGEST_HICCUP = 2.0
"""Seconds between attempts in a row: a source that asks for more is left alone, and the firing waits."""

MOST_ASKED = 3600.0
"""For how many seconds a source may ask to be left alone (`Retry-After`). One that asks for more is tried then."""

MAY_PASS = (408, 425, 429)
ETAG, LAST_MODIFIED = "etag", "last-modified"
_CONDITIONS = {ETAG: "If-None-Match", LAST_MODIFIED: "If-Modified-Since"}
_BLOCK = 1 << 16


def _keep_addresses_out_of_logs() -> None:
    """The library tells the whole address of each request, and a key may stand in it."""
    logging.getLogger("httpx2").addFilter(lambda record: record.levelno >= logging.WARNING)
    logging.getLogger("stamina").addHandler(logging.NullHandler())


_keep_addresses_out_of_logs()


class HttpPuller:
    """Fetches with GET. TLS is verified, redirects are counted, credentials go to the declared host alone."""

    def __init__(self, secret: Callable[[str], str], *, wait: float = 0.2) -> None:
        """`secret` looks a value of the secret store up; `wait` is the first pause after a hiccup, in seconds."""
        self._secret, self._wait = secret, wait

    def pull(self, origin: Origin, known: Mapping[str, str], into: Path) -> Mapping[str, str] | None:
        """See `penstock.runtime.ports.Puller`."""
        assert not isinstance(origin, Git)  # noqa: S101 - wiring chooses
        deadline = time.monotonic() + MOST_SECONDS
        for attempt in stamina.retry_context(
            on=_again, attempts=HICCUPS, timeout=MOST_SECONDS, wait_initial=self._wait, wait_max=LONGEST_HICCUP,
            wait_jitter=self._wait,
        ):  # fmt: skip
            with attempt, _translated(origin), httpx2.Client(timeout=origin.seconds) as client:
                return self._fetch(client, origin, known, into, deadline)
        raise AssertionError("the last attempt returns or raises")

    def _fetch(
        self, client: httpx2.Client, origin: Http, known: Mapping[str, str], into: Path, deadline: float
    ) -> Mapping[str, str] | None:
        with self._answer(client, origin, known) as response:
            if response.status_code == httpx2.codes.NOT_MODIFIED and known:
                return None
            _check(response, origin)
            _write(response, origin, into, deadline)
            return {name: response.headers[name] for name in _CONDITIONS if name in response.headers}

    @contextmanager
    def _answer(self, client: httpx2.Client, origin: Http, known: Mapping[str, str]) -> Iterator[httpx2.Response]:
        """The answer behind all redirects."""
        conditions = {_CONDITIONS[name]: value for name, value in known.items() if name in _CONDITIONS}
        own = {name: self._shown(value) for name, value in origin.headers}
        home = httpx2.URL(origin.url)
        url = home.copy_merge_params({name: self._shown(value) for name, value in origin.params})
        for _ in range(origin.redirects + 1):
            headers = {**conditions, **(own if _same(url, home) else {})}
            with client.stream("GET", url, headers=headers, follow_redirects=False) as response:
                if not response.is_redirect or "location" not in response.headers:
                    yield response
                    return
                url = _next(url, response.headers["location"], origin)
        raise _refused(origin, f"more than {origin.redirects} redirects", "redirects=… allows more")

    def _shown(self, value: str | Secret) -> str:
        return value.form.format(self._secret(value.name)) if isinstance(value, Secret) else value


def _next(url: httpx2.URL, location: str, origin: Http) -> httpx2.URL:
    """Where a redirect leads: to the web, and never from a protected line to an open one."""
    try:
        found = url.join(location)
    except httpx2.InvalidURL:
        raise _refused(origin, "it redirects to an address that cannot be read", "") from None
    if found.scheme not in ("http", "https") or (url.scheme == "https" and found.scheme == "http"):
        raise _refused(origin, f"it redirects from {url.scheme} to {found.scheme}", "name the final address in url=")
    return found


def _same(one: httpx2.URL, other: httpx2.URL) -> bool:
    return (one.scheme, one.host, one.port) == (other.scheme, other.host, other.port)


def _check(response: httpx2.Response, origin: Http) -> None:
    status = response.status_code
    if status == httpx2.codes.OK:
        return
    why = f"it answered {status} {response.reason_phrase}".strip()
    if status in MAY_PASS or status >= httpx2.codes.INTERNAL_SERVER_ERROR:
        wait = _asked(response.headers.get("retry-after", ""))
        asks = f" and asks to be left alone for {wait:,.0f} s" if wait else ""
        raise SourceUnavailable("the source does not serve now", at=origin.shown, why=why + asks, wait=wait)
    fix = "look at the credentials" if status in (401, 403) else "look at the address in a browser"
    raise _refused(origin, why, fix)


def _again(error: Exception) -> bool | float:
    """Whether to try again in a row, and after how many seconds where the source says so."""
    if not isinstance(error, SourceUnavailable) or error.wait > LONGEST_HICCUP:
        return False
    return error.wait or True


def _asked(text: str) -> float:
    """The seconds of a `Retry-After`, a number of them or a date (RFC 9110, 10.2.3); 0 when it cannot be read."""
    text = text.strip()
    if text.isascii() and text.isdecimal():
        return min(float(text), MOST_ASKED)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return 0.0
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max((moment - datetime.now(UTC)).total_seconds(), 0.0), MOST_ASKED)


def _write(response: httpx2.Response, origin: Http, into: Path, deadline: float) -> None:
    announced = response.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > origin.most_bytes:
        raise _too_large(origin)
    size = 0
    with into.open("wb") as file:
        for block in response.iter_bytes(_BLOCK):
            size += len(block)
            if size > origin.most_bytes:
                raise _too_large(origin)
            if time.monotonic() > deadline:
                raise SourceUnavailable(
                    "the source is too slow", at=origin.shown, why=f"not all was there after {MOST_SECONDS:g} s"
                )
            file.write(block)


def _too_large(origin: Http) -> SourceRefused:
    return _refused(origin, f"it is larger than {origin.most_bytes:,} bytes", "max_bytes=… allows more")


def _refused(origin: Http, why: str, fix: str) -> SourceRefused:
    return SourceRefused("the source does not give what is read", at=origin.shown, why=why, fix=fix)


@contextmanager
def _translated(origin: Http) -> Iterator[None]:
    """The library's errors as ours; its messages may hold addresses with keys."""
    try:
        yield
    except PenstockError:
        raise
    except httpx2.UnsupportedProtocol as error:
        raise _refused(origin, "its address is of no known scheme", "http:// or https://") from error
    except httpx2.TimeoutException as error:
        raise SourceUnavailable(
            "the source does not answer in time", at=origin.shown, why=f"nothing came for {origin.seconds:g} s"
        ) from error
    except httpx2.HTTPError as error:
        if _is_distrust(error):
            raise _refused(
                origin, "its TLS certificate cannot be verified", "look at the server's certificate"
            ) from error
        raise SourceUnavailable("the source does not answer", at=origin.shown, why=_kind(error)) from error


def _is_distrust(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _kind(error: httpx2.HTTPError) -> str:
    words = {
        httpx2.ConnectError: "no connection", httpx2.ReadError: "the connection broke", httpx2.RemoteProtocolError:
        "it broke off, or does not speak HTTP", httpx2.DecodingError: "its compression is broken",
        httpx2.ProxyError: "the proxy refuses",
    }  # fmt: skip
    return next((text for kind, text in words.items() if isinstance(error, kind)), type(error).__name__)
