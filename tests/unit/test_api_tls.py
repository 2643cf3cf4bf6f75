"""The HTTP API over TLS: a real certificate on loopback, and every way in which one can be wrong."""

from __future__ import annotations

import json
import socket
import ssl
import urllib.request
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.support.certificates import Authority

from penstock.entrypoints.api.project import web
from penstock.entrypoints.api.tls import context
from penstock.entrypoints.cli import doctor
from penstock.errors import SetupError
from penstock.model.settings import Server, Settings
from penstock.wiring.local import open_project

PIPELINE = """
import penstock as ps

sheets = ps.Pipeline("sheets", trigger=ps.upload("landing/{day}.csv"), source=ps.csv(columns={"hours": "BIGINT"}))
sheets.load("source", to=ps.lake(), table="sheets")
sheets.endpoint("/hours", table="sheets", columns=["hours"], public=True, rate="2/minute")
"""


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def pair(authority):
    return authority.issue("127.0.0.1", "localhost")


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pyproject.toml").write_text('[tool.penstock]\nproject = "hours"\n')
    (tmp_path / "pipelines/sheets.py").write_text(PIPELINE)
    return tmp_path


def served(folder: Path, **settings: str):
    """The project, and its web server's settings."""
    return open_project(folder, flags={f"server.{name}": value for name, value in settings.items()})


def ask(url: str, trust: ssl.SSLContext) -> dict[str, object]:
    with urllib.request.urlopen(url, context=trust, timeout=10) as response:  # noqa: S310  our own server
        return json.load(response)


def test_who_believes_the_certificate_is_answered(folder, authority, pair):
    files = {"tls_cert": str(pair.cert), "tls_key": str(pair.key)}
    with served(folder, **files) as project, web(project, 0) as url:
        assert url.startswith("https://127.0.0.1:")
        assert ask(f"{url}/health", ssl.create_default_context(cafile=authority.cert)) == {"status": "ok"}


def test_who_does_not_is_not(folder, pair):
    files = {"tls_cert": str(pair.cert), "tls_key": str(pair.key)}
    with served(folder, **files) as project, web(project, 0) as url, pytest.raises(OSError, match="CERTIFICATE_VERIFY"):
        ask(f"{url}/health", ssl.create_default_context())


def test_one_file_may_hold_both_and_lie_in_the_project(folder, authority, pair):
    (folder / "tls.pem").write_bytes(pair.both().read_bytes())
    with served(folder, tls_cert="tls.pem") as project, web(project, 0) as url:
        assert ask(f"{url}/health", ssl.create_default_context(cafile=authority.cert)) == {"status": "ok"}


def test_nothing_is_answered_in_clear(folder, pair):
    files = {"tls_cert": str(pair.cert), "tls_key": str(pair.key)}
    with served(folder, **files) as project, web(project, 0) as url:
        place = urlsplit(url)
        with socket.create_connection((place.hostname, place.port), timeout=10) as plain:
            plain.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b"ok" not in plain.recv(1000)


def test_old_protocols_are_not_spoken(pair):
    assert context(Server(tls_cert=str(pair.both())), Path()).minimum_version >= ssl.TLSVersion.TLSv1_2


def refusal(**settings: str) -> SetupError:
    with pytest.raises(SetupError) as caught:
        context(Server(**settings), Path("/nowhere"))
    return caught.value


def test_no_certificate_no_tls():
    assert context(Server(), Path()) is None


def test_a_key_without_a_certificate(pair):
    assert "no certificate" in refusal(tls_key=str(pair.key)).what


def test_a_file_that_is_not_there(pair):
    error = refusal(tls_cert="cert.pem", tls_key=str(pair.key))
    assert (error.at, error.why) == ("/nowhere/cert.pem", "No such file or directory")
    assert refusal(tls_cert=str(pair.cert), tls_key="key.pem").what == "the TLS key cannot be read"


def test_a_file_that_cannot_be_read(pair, tmp_path):
    assert refusal(tls_cert=str(pair.cert), tls_key=str(tmp_path)).why == "Is a directory"


def test_the_key_of_another_certificate(authority, pair):
    other = authority.issue("localhost")
    error = refusal(tls_cert=str(pair.cert), tls_key=str(other.key))
    assert "belongs to another certificate" in error.why


def test_a_key_behind_a_password_is_refused_and_nobody_is_asked_for_it(authority):
    locked = authority.issue("locked.example", password=b"hunter2")
    error = refusal(tls_cert=str(locked.cert), tls_key=str(locked.key))
    assert "password" in error.why
    assert "openssl pkey" in error.fix


@pytest.mark.parametrize("swapped", [True, False])
def test_files_that_are_something_else(pair, tmp_path, swapped):
    if swapped:
        assert "no certificate" in refusal(tls_cert=str(pair.key), tls_key=str(pair.cert)).why
        return
    (tmp_path / "x.pem").write_bytes(pair.cert.read_bytes()[:200])
    assert refusal(tls_cert=str(tmp_path / "x.pem"), tls_key=str(pair.key)).what == "the TLS certificate cannot be used"


def test_the_certificate_alone_has_no_key(pair):
    assert refusal(tls_cert=str(pair.cert)).why == "it holds no private key"


def look(server: Server, days: int = 0) -> list[tuple[str, str]]:
    found = doctor.tls(Settings(folder=Path("/nowhere"), server=server), datetime.now(UTC) + timedelta(days))
    return [(finding.outcome, finding.detail) for finding in found]


def test_doctor_says_until_when_it_is_valid(authority):
    long = authority.issue("long.example", valid=timedelta(days=90))
    server = Server(tls_cert=str(long.cert), tls_key=str(long.key))
    assert [look(server, days)[0][0] for days in (0, 80, 91)] == ["good", "open", "bad"]
    assert "valid until" in look(server)[0][1]
    long.key.chmod(0o644)
    assert look(server)[0] == ("bad", f"everybody may read {long.key}")


def test_doctor_has_nothing_to_say_without_one_and_names_what_is_wrong(pair):
    assert look(Server()) == []
    ((outcome, detail),) = look(Server(tls_cert="cert.pem"))
    assert (outcome, "cannot be read" in detail) == ("bad", True)
    assert look(replace(Server(), tls_key=str(pair.key)))[0][0] == "bad"


# --- behind a proxy --------------------------------------------------------------------------------------------------


def statuses(url: str, *addresses: str) -> list[int]:
    found = []
    for address in addresses:
        connection = HTTPConnection(urlsplit(url).netloc, timeout=10)
        connection.request("GET", "/hours", headers={"X-Forwarded-For": address})
        found.append(connection.getresponse().status)
        connection.close()
    return found


CALLERS = ("192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.1")


def test_of_a_proxy_that_is_named_the_callers_are_told_apart(folder):
    with served(folder, proxies="127.0.0.1") as project, web(project, 0) as url:
        found = statuses(url, *CALLERS)
    assert [status == 429 for status in found] == [False, False, False, True]


def test_anybody_else_cannot_say_that_they_are_somebody_else(folder):
    with served(folder) as project, web(project, 0) as url:
        found = statuses(url, *CALLERS)
    assert [status == 429 for status in found] == [False, False, True, True]
