"""The HTTP API on loopback: real requests to a real server over a real lake."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from penstock.adapters.keys import Keys
from penstock.entrypoints.api.project import web
from penstock.entrypoints.cli.main import main
from penstock.errors import SetupError
from penstock.wiring.local import open_project

PIPELINE = """
import datetime
import penstock as ps

sheets = ps.Pipeline(
    "sheets",
    trigger=ps.upload("landing/{day:%Y-%m-%d}.csv"),
    source=ps.csv(columns={
        "user_name": "VARCHAR", "project": "VARCHAR", "hours": "DECIMAL(5,2)", "started": "TIMESTAMPTZ", "day": "DATE",
    }),
)
sheets.load("source", to=ps.lake(), table="sheets")
SHOWN = {"user": "user_name", "project": "project", "hours": "hours", "timestamp": "started"}
sheets.endpoint(
    "/get", table="sheets", columns=SHOWN, parameters={"user": str, "project": str | None}, order="timestamp",
    public=True, summary="A person's hours",
)
sheets.endpoint("/days", table="sheets", columns=["hours"], parameters={"day": datetime.date}, public=True, limit=2)
sheets.endpoint("/since", table="sheets", columns=["hours"], parameters={"started": datetime.datetime}, public=True)
sheets.endpoint("/hours", table="sheets", columns=["hours"], parameters={"hours": float}, public=True)
sheets.endpoint("/secret", table="sheets", columns=["hours"], rate="3/minute")
sheets.endpoint("/other", table="sheets", columns=["hours"])
"""
HEADER = "user_name,project,hours,started,day\n"
ROWS = HEADER + "".join(
    f"{user},{project},{hours},2024-03-0{day}T09:30:00+01:00,2024-03-0{day}\n"
    for user, project, hours, day in [("foo", "a", "1.50", 2), ("foo", "b", "2", 1), ("bar", "a", "3", 1)]
)


def make_project(folder: Path) -> Path:
    (folder / "pipelines").mkdir(parents=True)
    (folder / "pyproject.toml").write_text('[project]\nname = "hours"\n[tool.penstock]\n')
    (folder / "pipelines/sheets.py").write_text(PIPELINE)
    (folder / "landing").mkdir()
    (folder / "landing/2024-03-01.csv").write_text(ROWS)
    assert main(["run", "--project", str(folder), "--json"]) == 0
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return make_project(tmp_path_factory.mktemp("api") / "hours")


@pytest.fixture(scope="module")
def served(folder):
    with ExitStack() as stack:
        project = stack.enter_context(open_project(folder))
        yield stack.enter_context(web(project, 0))


class Answer:
    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def rows(self):
        assert self.status == 200, self.body
        return self.json["response"]

    @property
    def error(self):
        return self.json["error"]


def ask(url: str, path: str, headers: dict[str, str] | None = None, method: str = "GET") -> Answer:
    request = urllib.request.Request(url + path, headers=headers or {}, method=method)  # noqa: S310  our own server
    try:
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310  the same
            return Answer(response)
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error)


def test_a_persons_rows(served):
    assert ask(served, "/get?user=foo").json == {
        "response": [
            {"user": "foo", "project": "b", "hours": 2.00, "timestamp": "2024-03-01T08:30:00+00:00"},
            {"user": "foo", "project": "a", "hours": 1.50, "timestamp": "2024-03-02T08:30:00+00:00"},
        ]
    }


def test_decimals_keep_their_digits(served):
    assert b'"hours": 1.50' in ask(served, "/get?user=foo").body


def test_two_parameters_must_both_fit(served):
    assert [row["hours"] for row in ask(served, "/get?user=foo&project=a").rows] == [1.5]


def test_an_unknown_user_has_no_rows(served):
    assert ask(served, "/get?user=nobody").json == {"response": []}


@pytest.mark.parametrize("text", ["' OR '1'='1", "foo'--", 'foo" OR 1=1', "$1", "%27%20OR%201=1", "foo;DROP TABLE x"])
def test_a_value_is_never_sql(served, text):
    assert ask(served, f"/get?user={quote(text)}").rows == []
    assert len(ask(served, "/get?user=foo").rows) == 2


@pytest.mark.parametrize(
    ("path", "message", "fix"),
    [
        ("/get", "the parameter 'user' is missing", "?user=foo"),
        ("/get?user=", "the parameter 'user' is malformed", "?user=foo"),
        ("/get?user=%00", "the parameter 'user' is malformed", "?user=foo"),
        ("/get?user=a&user=b", "the parameter 'user' is given twice", "give it once"),
        ("/get?usr=a", "there is a parameter that is not known here", "did you mean 'user'?"),
        ("/get?user=" + "x" * 1001, "the parameter 'user' is malformed", "?user=foo"),
        ("/get?user=a&limit=0", "the parameter 'limit' is malformed", "a whole number from 1 to 10000"),
        ("/get?user=a&limit=x", "the parameter 'limit' is malformed", "a whole number from 1 to 10000"),
        ("/get?user=a&limit=%C2%B2", "the parameter 'limit' is malformed", "a whole number from 1 to 10000"),
        ("/days?day=yesterday", "the parameter 'day' is malformed", "?day=2024-03-01"),
        ("/days?day=2024-02-30", "the parameter 'day' is malformed", "?day=2024-03-01"),
        ("/since?started=9:30", "the parameter 'started' is malformed", "?started=2024-03-01T09:30:00Z"),
        ("/hours?hours=many", "the parameter 'hours' is malformed", "?hours=1.5"),
        ("/hours?hours=nan", "the parameter 'hours' is malformed", "?hours=1.5"),
        ("/hours?hours=1e999999999", "the parameter 'hours' is malformed", "?hours=1.5"),
    ],
)
def test_what_is_malformed_is_refused_with_the_reason(served, path, message, fix):
    answer = ask(served, path)
    assert (answer.status, answer.error["message"], answer.error["fix"]) == (400, message, fix)


def test_a_refusal_does_not_repeat_the_value(served):
    assert b"hunter2" not in ask(served, "/days?day=hunter2").body


@pytest.mark.parametrize(
    ("path", "hours"),
    [
        ("/days?day=2024-03-02", [1.5]),
        ("/since?started=2024-03-02T09:30:00%2B01:00", [1.5]),
        ("/since?started=2024-03-02T08:30:00Z", [1.5]),
        ("/since?started=2024-03-02+08:30:00", [1.5]),
        ("/hours?hours=1.5", [1.5]),
    ],
)
def test_parameters_have_types(served, path, hours):
    assert [row["hours"] for row in ask(served, path).rows] == hours


def test_pages_follow_each_other(served):
    first = ask(served, "/get?user=foo&limit=1")
    link = first.headers["Link"].partition(">")[0].removeprefix("<")
    second = ask(served, link)
    assert [answer.rows[0]["project"] for answer in (first, second)] == ["b", "a"]
    assert second.json.keys() == {"response"}


def test_a_cursor_shows_nothing_and_fits_its_question_only(served):
    cursor = ask(served, "/get?user=foo&limit=1").json["next"]
    assert ask(served, f"/get?user=bar&cursor={cursor}").status == 400
    assert ask(served, f"/get?user=foo&cursor=x{cursor}").error["message"] == (
        "the cursor is not one of this question's"
    )


def test_an_answer_that_is_known_is_not_sent_again(served):
    first = ask(served, "/get?user=foo")
    again = ask(served, "/get?user=foo", {"If-None-Match": first.headers["ETag"]})
    assert (again.status, again.body, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
    assert ask(served, "/get?user=bar", {"If-None-Match": first.headers["ETag"]}).status == 200


def test_a_publish_changes_the_answer_and_its_tag(tmp_path):
    folder = make_project(tmp_path / "hours")
    with open_project(folder) as project, web(project, 0) as url:
        before = ask(url, "/get?user=foo")
        (folder / "landing/2024-03-09.csv").write_text(HEADER + "foo,c,4,2024-03-09T09:00:00Z,2024-03-09\n")
        assert main(["run", "--project", str(folder), "--json"]) == 0
        after = ask(url, "/get?user=foo", {"If-None-Match": before.headers["ETag"]})
    assert (after.status, len(after.rows)) == (200, 3)


def test_other_methods_are_refused(served):
    answer = ask(served, "/get?user=foo", method="POST")
    assert (answer.status, set(answer.headers["Allow"].split(", "))) == (405, {"GET", "HEAD"})
    assert answer.error["message"] == "method not allowed"


def test_an_unknown_path_leads_to_what_there_is(served):
    answer = ask(served, "/nothing")
    assert (answer.status, answer.error["fix"]) == (404, "GET /openapi.json lists what there is")


def test_head_has_no_body(served):
    answer = ask(served, "/get?user=foo", method="HEAD")
    assert (answer.status, answer.body) == (200, b"")


def test_health(served):
    assert ask(served, "/health").json == {"status": "ok"}


def test_the_openapi_document(served):
    document = ask(served, "/openapi.json").json
    operation = document["paths"]["/get"]["get"]
    assert document["openapi"] == "3.1.0"
    assert operation["summary"] == "A person's hours"
    assert [(item["name"], item["required"]) for item in operation["parameters"][:2]] == [
        ("user", True), ("project", False),
    ]  # fmt: skip
    assert document["paths"]["/days"]["get"]["parameters"][0]["schema"] == {"type": "string", "format": "date"}
    assert operation["security"] == []
    assert document["paths"]["/secret"]["get"]["security"] == [{"bearer": []}, {"header": []}]


def test_another_sites_name_is_refused(served):
    place = urlsplit(served)
    connection = HTTPConnection(place.hostname, place.port, timeout=10)
    connection.request("GET", "/get?user=foo", headers={"Host": "evil.example"})
    assert connection.getresponse().status == 400
    connection.close()


def test_a_path_that_is_not_public_needs_a_key(served):
    answer = ask(served, "/secret")
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="penstock"')
    assert ask(served, "/secret", {"X-API-Key": "penstock_0_wrong"}).error["message"] == "the API key is not valid"


@pytest.fixture
def keys(folder):
    keys = Keys(folder / ".penstock")
    yield keys
    for key in keys.all():
        keys.revoke(key.name)


@pytest.mark.parametrize("headers", [{"Authorization": "Bearer {}"}, {"X-API-Key": "{}"}])
def test_a_key_opens(served, keys, headers):
    text = keys.create("window")
    assert ask(served, "/other", {name: value.format(text) for name, value in headers.items()}).status == 200


def test_a_revoked_key_opens_nothing(served, keys):
    text = keys.create("window")
    assert ask(served, "/other", {"X-API-Key": text}).status == 200
    keys.revoke("window")
    assert ask(served, "/other", {"X-API-Key": text}).status == 401


def test_a_key_for_another_path_is_forbidden(served, keys):
    text = keys.create("window", ("/secret",))
    answer = ask(served, "/other", {"X-API-Key": text})
    assert (answer.status, answer.error["message"]) == (403, "the API key does not open this path")


def test_too_many_requests_are_told_when_to_come_back(served, keys):
    text = keys.create("window")
    answers = [ask(served, "/secret", {"X-API-Key": text}) for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 61


def test_keys_have_a_count_of_their_own(served, keys):
    one, other = keys.create("one"), keys.create("other")
    assert [ask(served, "/secret", {"X-API-Key": one}).status for _ in range(4)][-1] == 429
    assert ask(served, "/secret", {"X-API-Key": other}).status == 200


def test_guessing_keys_ends_soon(folder, keys):
    text = keys.create("window")
    wrong = f"penstock_{text.split('_')[1]}_wrong"
    with open_project(folder) as project, web(project, 0) as url:
        statuses = [ask(url, "/other", {"X-API-Key": wrong}).status for _ in range(22)]
    assert statuses == [401] * 20 + [429] * 2


def test_many_ask_at_once(served):
    found = []

    def work():
        found.extend(len(ask(served, "/get?user=foo").rows) for _ in range(5))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [2] * 40


def test_a_port_that_is_taken_is_said(folder, served):
    port = urlsplit(served).port
    with open_project(folder) as project, pytest.raises(SetupError) as caught, web(project, port):
        pass
    assert caught.value.fix == "--port 0 takes a free one"


def test_a_project_without_endpoints_has_no_server(tmp_path):
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pyproject.toml").write_text("[tool.penstock]\n")
    text = PIPELINE.partition("SHOWN =")[0]
    (tmp_path / "pipelines/sheets.py").write_text(text)
    with open_project(tmp_path) as project, web(project) as url:
        assert url == ""
