"""Fetching over HTTP, from a real server on loopback that behaves well, badly, and worse."""

from __future__ import annotations

import copy
import gzip
import logging
import socket
import ssl
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from tests.support.certificates import Authority
from tests.support.web import Site, site

import penstock as ps
from penstock.adapters.http import MOST_ASKED, HttpPuller
from penstock.errors import SourceRefused, SourceUnavailable

CSV = b"date,cases\n2020-01-21,1\n"
FORM = {"date": "DATE", "cases": "BIGINT"}
SECRETS = {"feed": "s3cr3t-t0ken"}


@pytest.fixture
def web():
    with site() as found:
        yield found


def source(url: str, **options):
    return ps.http(url, ps.csv(columns=FORM), **options).origin


@pytest.fixture
def fetch(tmp_path):
    """Fetch into a file; returns what the server calls it, and the bytes."""

    def fetch(url: str, known: dict[str, str] | None = None, **options):
        file = tmp_path / "fetched"
        told = HttpPuller(SECRETS.__getitem__, wait=0.001).pull(source(url, **options), known or {}, file)
        return told, file.read_bytes() if told is not None else None

    return fetch


def test_an_object_comes_as_it_is(web, fetch):
    web.serve(CSV, ETag='"1"', Last_Modified="Tue, 21 Jan 2020 00:00:00 GMT")
    told, body = fetch(f"{web.url}/us.csv")
    assert body == CSV
    assert told == {"etag": '"1"', "last-modified": "Tue, 21 Jan 2020 00:00:00 GMT"}


def test_what_has_not_changed_is_not_sent(web, fetch):
    web.serve_versions(CSV, '"1"')
    told, _ = fetch(f"{web.url}/us.csv")
    assert fetch(f"{web.url}/us.csv", told) == (None, None)


def test_a_date_will_do(web, fetch):
    web.serve(CSV, Last_Modified="Tue, 21 Jan 2020 00:00:00 GMT")
    told, _ = fetch(web.url)
    fetch(web.url, told)
    assert web.asked[-1][1]["if-modified-since"] == "Tue, 21 Jan 2020 00:00:00 GMT"


def test_not_modified_without_having_been_asked_is_nonsense(web, fetch):
    web.serve(b"", 304)
    with pytest.raises(SourceRefused, match="does not give"):
        fetch(web.url)


def test_a_server_without_versions_is_asked_plainly(web, fetch):
    web.serve(CSV)
    assert fetch(web.url, {}) == ({}, CSV)
    assert "if-none-match" not in web.asked[0][1]


def test_a_hiccup_is_tried_again(web, fetch):
    answers = [(503, {}, b""), (502, {}, b""), (200, {}, CSV)]
    web.say = lambda _path, _headers: answers.pop(0)
    assert fetch(web.url)[1] == CSV


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
def test_an_outage_may_pass(web, fetch, status):
    web.serve(b"sorry", status)
    with pytest.raises(SourceUnavailable) as caught:
        fetch(web.url)
    assert f"answered {status}" in caught.value.why
    assert len(web.asked) == 3


@pytest.mark.parametrize("status", [429, 503])
def test_who_asks_for_more_time_than_a_hiccup_takes_is_left_alone(web, fetch, status):
    web.serve(b"", status, Retry_After="120")
    with pytest.raises(SourceUnavailable) as caught:
        fetch(web.url)
    assert copy.copy(caught.value).wait == 120
    assert "asks to be left alone for 120 s" in caught.value.why
    assert len(web.asked) == 1


def test_who_asks_for_a_moment_is_given_it(web, fetch):
    answers = [(503, {"Retry-After": "1"}, b""), (200, {}, CSV)]
    web.say = lambda _path, _headers: answers.pop(0)
    begun = time.monotonic()
    assert fetch(web.url)[1] == CSV
    assert time.monotonic() - begun >= 1


def test_a_date_to_come_back_at(web, fetch):
    web.serve(b"", 503, Retry_After=format_datetime(datetime.now(UTC) + timedelta(minutes=10), usegmt=True))
    with pytest.raises(SourceUnavailable) as caught:
        fetch(web.url)
    assert 500 < caught.value.wait <= 600


@pytest.mark.parametrize("asked", ["86400", "9" * 400, "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_nobody_is_left_alone_for_longer_than_an_hour(web, fetch, asked):
    web.serve(b"", 429, Retry_After=asked)
    with pytest.raises(SourceUnavailable) as caught:
        fetch(web.url)
    assert caught.value.wait == MOST_ASKED == 3600


@pytest.mark.parametrize(
    "asked", ["0", "", "soon", "-5", "1e3", "²", "Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 99 Oct 2015"]
)
def test_a_time_that_says_nothing_is_a_hiccup(web, fetch, asked):
    web.say = lambda _path, _headers: (503, {"Retry-After": asked.encode().decode("latin-1")}, b"")
    with pytest.raises(SourceUnavailable) as caught:
        fetch(web.url)
    assert caught.value.wait == 0
    assert len(web.asked) == 3


@pytest.mark.parametrize("status", [204, 206, 400, 401, 403, 404, 410])
def test_a_refusal_is_not_tried_again(web, fetch, status):
    web.serve(b"" if status == 204 else b"no", status)
    with pytest.raises(SourceRefused) as caught:
        fetch(web.url)
    assert f"answered {status}" in caught.value.why
    assert len(web.asked) == 1


def test_nobody_listens(fetch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(SourceUnavailable) as caught:
        fetch(f"http://127.0.0.1:{port}/us.csv")
    assert caught.value.why == "no connection"


def test_a_host_that_does_not_exist(fetch):
    with pytest.raises(SourceUnavailable):
        fetch("http://nowhere.invalid/us.csv")


def test_a_server_that_says_nothing(fetch):
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(8)
        with pytest.raises(SourceUnavailable, match="in time"):
            fetch(f"http://127.0.0.1:{deaf.getsockname()[1]}/", timeout=0.05)


def test_a_body_that_breaks_off(web, fetch):
    web.serve(CSV, Content_Length="9999", Connection="close")
    with pytest.raises(SourceUnavailable) as caught:
        fetch(web.url)
    assert "broke" in caught.value.why


@pytest.mark.parametrize("announced", [True, False])
def test_no_more_is_taken_than_allowed(web, fetch, announced):
    body = b"x" * 5000
    if announced:
        web.serve(body)
    else:
        chunks = b"".join(b"%x\r\n%s\r\n" % (500, body[:500]) for _ in range(10)) + b"0\r\n\r\n"
        web.serve(chunks, Transfer_Encoding="chunked")
    with pytest.raises(SourceRefused, match="does not give") as caught:
        fetch(web.url, max_bytes=4999)
    assert "larger than 4,999" in caught.value.why


def test_the_limit_holds_for_what_was_packed(web, fetch):
    web.serve(gzip.compress(b"0" * 1_000_000), Content_Encoding="gzip")
    with pytest.raises(SourceRefused):
        fetch(web.url, max_bytes=100_000)


def test_an_encoding_is_undone(web, fetch):
    web.serve(gzip.compress(CSV), Content_Encoding="gzip")
    assert fetch(web.url)[1] == CSV


def test_a_broken_encoding(web, fetch):
    web.serve(b"not gzip at all", Content_Encoding="gzip")
    with pytest.raises(SourceUnavailable):
        fetch(web.url)


def redirecting(web: Site, places: dict[str, str]) -> None:
    def say(path, _headers):
        place = places.get(path.partition("?")[0])
        return (302, {"Location": place}, b"") if place else (200, {}, CSV)

    web.say = say


def test_redirects_are_followed(web, fetch):
    redirecting(web, {"/a": "/b", "/b": f"{web.url}/c"})
    assert fetch(f"{web.url}/a")[1] == CSV


def test_redirects_are_counted(web, fetch):
    redirecting(web, {"/a": "/a"})
    with pytest.raises(SourceRefused) as caught:
        fetch(f"{web.url}/a", redirects=3)
    assert "more than 3 redirects" in caught.value.why
    assert len(web.asked) == 4


@pytest.mark.parametrize("place", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://x"])
def test_redirects_lead_to_the_web_only(web, fetch, place):
    redirecting(web, {"/a": place})
    with pytest.raises(SourceRefused, match="does not give"):
        fetch(f"{web.url}/a")


def test_a_credential_is_shown(web, fetch):
    web.serve(CSV)
    fetch(web.url, headers={"Authorization": ps.secret("feed", "Bearer {}")}, params={"key": ps.secret("feed")})
    path, headers = web.asked[0]
    assert headers["authorization"] == "Bearer s3cr3t-t0ken"
    assert path == "/?key=s3cr3t-t0ken"


def test_a_credential_is_not_shown_to_strangers(web, fetch):
    with site() as other:
        other.serve(CSV)
        redirecting(web, {"/a": f"{other.url}/b"})
        fetch(f"{web.url}/a", headers={"X-Api-Key": ps.secret("feed")}, params={"key": ps.secret("feed")})
        assert "x-api-key" not in other.asked[0][1]
        assert "s3cr3t" not in str(other.asked)


def test_no_log_and_no_error_holds_a_credential(web, fetch, caplog):
    caplog.set_level(logging.DEBUG)
    web.serve(b"", 500)
    with pytest.raises(SourceUnavailable) as caught:
        fetch(f"{web.url}/?token=s3cr3t", headers={"X-Key": ps.secret("feed")}, params={"key": ps.secret("feed")})
    assert "s3cr3t" not in caplog.text + str(caught.value.facts())


def test_a_certificate_that_nobody_vouches_for(fetch, tmp_path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pair = Authority(tmp_path).issue("127.0.0.1")
    context.load_cert_chain(pair.cert, pair.key)
    with site(context=context) as web, pytest.raises(SourceRefused) as caught:
        fetch(web.url)
    assert "certificate" in caught.value.why
