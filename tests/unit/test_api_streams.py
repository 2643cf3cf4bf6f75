"""Sending records: over HTTP on loopback, and from a program."""

from __future__ import annotations

import http.client
import json
import socket
import time
import urllib.error
import urllib.request
from datetime import date
from decimal import Decimal
from urllib.parse import urlsplit

import pytest

import penstock as ps
from penstock.adapters.keys import Keys
from penstock.entrypoints.api.project import web
from penstock.entrypoints.cli.main import main
from penstock.errors import UnknownName, UsageError
from penstock.wiring.local import open_project

PIPELINE = """
import penstock as ps

COLUMNS = {"zone": "VARCHAR", "free": "BIGINT"}
taxis = ps.Pipeline(
    "taxis", trigger=ps.stream("taxis", public=True, capacity=20_000, bytes=10_000),
    source=ps.json_lines(columns=COLUMNS),
)
taxis.load("source", to=ps.lake(), table="taxis")
stream = ps.stream("named", id="zone", rate="5/minute")
named = ps.Pipeline("named", trigger=stream, source=ps.json_lines(columns=COLUMNS))
named.load("source", to=ps.lake(), table="named")
"""


def make_project(folder):
    (folder / "pipelines").mkdir(parents=True)
    (folder / "pyproject.toml").write_text("[tool.penstock]\nserver.body_bytes = 50_000\n")
    (folder / "pipelines/taxis.py").write_text(PIPELINE)
    return folder


@pytest.fixture
def project(tmp_path):
    with open_project(make_project(tmp_path / "city")) as project:
        yield project


@pytest.fixture(scope="module")
def quiet(tmp_path_factory):
    """A project that refuses all that these tests send, and the address of its server."""
    with open_project(make_project(tmp_path_factory.mktemp("quiet") / "city")) as project, web(project, 0) as url:
        yield project, url


@pytest.fixture
def url(project):
    with web(project, 0) as url:
        yield url


def post(url, body, kind="application/json", path="/streams/taxis", **headers):
    data = body if isinstance(body, bytes) else body.encode()
    told = {"Content-Type": kind, **{name.replace("_", "-"): value for name, value in headers.items()}}
    request = urllib.request.Request(url + path, data=data, headers=told)  # noqa: S310  our own server
    try:
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310  the same
            return response.status, json.load(response), response.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)["error"], error.headers


def waiting(project, stream="taxis"):
    project.flusher.flush(everything=True)
    found = sorted((project.zones_folder / "landing/streams" / stream).rglob("*.jsonl"))
    return "".join(file.read_text() for file in found).splitlines()


@pytest.mark.parametrize(
    ("body", "kind", "lines"),
    [
        ('{"free": 1}', "application/json", ['{"free": 1}']),
        ('\n {"free":\n 1} ', "application/json; charset=utf-8", ['{"free":  1}']),
        ('[{"free": 1}, {"free":2.50}]', "application/json", ['{"free": 1}', '{"free":2.50}']),
        ('{"free": 1}\n\n{"zone": "a, ]"}\r\n', "application/x-ndjson", ['{"free": 1}', '{"zone": "a, ]"}']),
        ('{"free": 12345678901234567890.10}', "application/jsonl", ['{"free": 12345678901234567890.10}']),
    ],
)
def test_records_are_kept_as_they_were_sent(project, url, body, kind, lines):
    status, told, _ = post(url, body, kind)
    assert (status, told) == (202, {"accepted": len(lines), "duplicates": 0})
    assert waiting(project) == lines


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", "there is no record"),
        ("[]", "there is no record"),
        ("{", "the body is not JSON"),
        ("{} {}", "the body is not JSON"),
        ("3", "record 1 is not a JSON object"),
        ('[{"a": 1}, null]', "record 2 is not a JSON object"),
        ("[{},]", "record 2 is not JSON"),
        ("[{} {}]", "what follows record 1 is not JSON"),
        ("[{}] x", "what follows the array is not JSON"),
        ("[{}", "what follows record 1 is not JSON"),
        ('{"a": NaN}', "the body is not JSON"),
        ("[" * 100_00, "record 1 is not JSON"),
        ('{"a":' * 5000, "the body is not JSON"),
        ('{"a": ' + "1" * 5000 + "}", "the body is not JSON"),
        (b"\xff\xfe", "the body is not UTF-8"),
        ('\ufeff{"a": 1}', "the body is not JSON"),
    ],
)
def test_what_is_no_record_is_refused_and_nothing_is_kept(quiet, body, message):
    project, url = quiet
    status, error, _ = post(url, body)
    assert (status, error["message"]) == (400, message)
    assert waiting(project) == []


def test_a_line_that_is_no_record_is_named(url):
    assert post(url, '{}\n{"a": secret}\n', "application/x-ndjson")[1]["message"] == "line 2 is not JSON"


def test_a_refusal_does_not_repeat_what_was_sent(url):
    assert "hunter2" not in json.dumps(post(url, '{"a": hunter2}')[1])


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        ("x" * 50_001, {}, 413),
        ("{}", {"kind": "text/plain"}, 415),
        ("{}", {"kind": "application/x-www-form-urlencoded"}, 415),
        ("{}", {"Content_Encoding": "gzip"}, 415),
        ("{}", {"Idempotency_Key": "x" * 201}, 400),
        ("[" + ",".join(["{}"] * 10_001) + "]", {}, 413),
    ],
)
def test_what_is_too_much_or_not_known_is_refused(quiet, body, headers, status):
    project, url = quiet
    assert post(url, body, **headers)[0] == status
    assert waiting(project) == []


def exchange(url, request: bytes) -> bytes:
    place = urlsplit(url)
    with socket.create_connection((place.hostname, place.port), timeout=10) as connection:
        connection.sendall(request)
        return connection.recv(4096)


HEAD = b"POST /streams/taxis HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


def test_a_body_without_end_is_cut_off(url):
    chunk = b"2710\r\n" + b"x" * 10_000 + b"\r\n"
    assert b" 413 " in exchange(url, HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 6)


@pytest.mark.parametrize("length", [b"-1", b"1e3", b"99999999999999999999", b"x"])
def test_a_length_that_cannot_be_is_refused(quiet, length):
    _, url = quiet
    assert exchange(url, HEAD + b"Content-Length: " + length + b"\r\n\r\n{}").split(b" ")[1] in (b"400", b"413")


def test_a_sender_that_goes_away_leaves_nothing(project, url):
    place = urlsplit(url)
    with socket.create_connection((place.hostname, place.port), timeout=10) as connection:
        connection.sendall(HEAD + b'Content-Length: 20\r\n\r\n{"free": 1')
    assert post(url, '{"free": 2}')[0] == 202
    assert waiting(project) == ['{"free": 2}']


def test_the_same_request_is_kept_once(project, url):
    body = '[{"free": 1}, {"free": 1}]'
    assert post(url, body, Idempotency_Key="a")[1] == {"accepted": 2, "duplicates": 0}
    assert post(url, body, Idempotency_Key="a")[1] == {"accepted": 0, "duplicates": 2}
    assert len(waiting(project)) == 2


def test_a_full_buffer_says_when_to_come_back(project, url):
    body = json.dumps({"zone": "x" * 9_000})
    found = [post(url, body) for _ in range(3)]
    assert [status for status, _, _ in found] == [202, 202, 503]
    assert found[-1][2]["Retry-After"] == "5"
    project.flusher.flush(everything=True)
    assert post(url, body)[0] == 202


@pytest.fixture
def key(project):
    return {"X_API_Key": Keys(project.store).create("sender", ("/streams/named",)), "path": "/streams/named"}


def test_a_stream_that_is_not_public_needs_a_key(url):
    assert post(url, '{"zone": "a"}', path="/streams/named")[0] == 401


def test_an_event_is_named_by_its_field(project, url, key):
    body = '[{"zone": "a"}, {"zone": "b"}, {"zone": "a"}]'
    assert post(url, body, **key)[1] == {"accepted": 2, "duplicates": 1}
    assert len(waiting(project, "named")) == 2


@pytest.mark.parametrize("record", ["{}", '{"zone": null}', '{"zone": ""}', '{"zone": [1]}', '{"zone": true}'])
def test_an_event_without_its_name_is_refused(url, key, record):
    assert post(url, record, **key)[1]["message"] == "record 1 has no 'zone' that could name it"


def test_sending_too_often_is_told(url, key):
    statuses = [post(url, f'{{"zone": "{number}"}}', **key)[0] for number in range(6)]
    assert statuses == [202] * 5 + [429]


def test_only_posts_are_taken(url):
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url + "/streams/taxis", timeout=10)  # noqa: S310  our own server
    with caught.value as error:
        assert (error.code, error.headers["Allow"]) == (405, "POST")


def test_the_openapi_document_speaks_of_streams(url):
    with urllib.request.urlopen(url + "/openapi.json", timeout=10) as response:  # noqa: S310  our own server
        paths = json.load(response)["paths"]
    assert paths["/streams/named"]["post"]["requestBody"]["content"]["application/json"]["schema"]["oneOf"][0] == {
        "type": "object", "required": ["zone"],
    }  # fmt: skip


def test_a_run_loads_what_was_sent(project, url, capsys):
    post(url, '[{"zone": "a", "free": 3}, {"zone": "b", "free": "many"}]')
    folder = str(project.settings.folder)
    assert main(["run", "taxis", "--project", folder, "--json"]) == 0
    account = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (account["rows"]["kept"], account["rows"]["quarantined"]) == (1, 1)


def test_a_program_writes_too(project):
    folder = project.settings.folder
    with ps.writer("taxis", project=folder) as taxis:
        assert taxis.write({"zone": "a", "day": date(2026, 11, 20), "fare": Decimal("1.50")}).accepted == 1
        assert taxis.write({"zone": "é"}, {"zone": "é"}, ids=["x", "x"]).duplicates == 1
    assert waiting(project) == ['{"zone": "a", "day": "2026-11-20", "fare": "1.50"}', '{"zone": "é"}']


def test_a_program_and_a_sender_name_events_alike(project, url, key):
    post(url, '{"zone": "a"}', **key)
    assert project.writer("named").write({"zone": "a"}, {"zone": "b"}).duplicates == 1


def test_a_record_that_is_no_json_is_refused(project):
    for record in ({"free": float("nan")}, {"free": object()}):
        with pytest.raises(UsageError, match="not JSON"):
            project.writer("taxis").write(record)
    with pytest.raises(UsageError, match="could name it"):
        project.writer("named").write({"free": 1})
    with pytest.raises(UsageError, match="2 ids"):
        project.writer("taxis").write({}, ids=["a", "b"])


def test_an_unknown_stream_says_which_is_near(project):
    with pytest.raises(UnknownName) as caught:
        project.writer("taxi")
    assert caught.value.fix == "did you mean 'taxis'?"


def test_a_sender_that_keeps_its_connection_waits_for_no_acknowledgement_of_packets(url):
    """Nagle's algorithm would cost each answer the 40 ms after which the other side acknowledges its first packet."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    seconds = []
    for _ in range(60):
        began = time.perf_counter()
        connection.request("POST", "/streams/taxis", '{"zone": "a"}', {"Content-Type": "application/json"})
        assert connection.getresponse().read() == b'{"accepted": 1, "duplicates": 0}\n'
        seconds.append(time.perf_counter() - began)
    connection.close()
    assert min(seconds[30:]) < 0.035  # the first ones are acknowledged at once anyway


def test_a_key_that_was_checked_is_counted_like_one_that_was_not(project, url):
    keys = Keys(project.store)
    text = keys.create("meter", ("/streams/named",))
    found = [post(url, f'{{"zone": "{n}"}}', path="/streams/named", X_API_Key=text)[0] for n in range(7)]
    assert found == [202] * 5 + [429] * 2
    keys.revoke("meter")
    assert post(url, '{"zone": "x"}', path="/streams/named", X_API_Key=text)[0] == 401


def test_a_key_that_was_checked_opens_its_own_paths_only(project, url):
    text = Keys(project.store).create("meter", ("/get",))
    assert [post(url, "{}", path="/streams/named", X_API_Key=text)[0] for _ in range(2)] == [403, 403]
