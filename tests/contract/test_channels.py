"""Channels hand a message to real servers once, and say truly what became of it."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

import pytest
from tests.support.receivers import mail_server, web_server

from penstock.adapters.notify import open_channel
from penstock.errors import ChannelRefused, ChannelUnavailable, StorageUnavailable
from penstock.model.messages import Message

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # Apprise asks for it

NOW = datetime(2024, 3, 4, 9, 15, tzinfo=UTC)
MESSAGE = Message(
    "7/team",
    "team",
    "cafe succeeded: 8 rows",
    "Zeile für Zeile\n\n.\nпрогон",
    NOW,
    {"status": "succeeded", "rows": {"x": 8}},
)
SECRET = "hunter2"


@pytest.fixture
def mail():
    with mail_server() as found:
        yield found


@pytest.fixture
def web():
    with web_server() as found:
        yield found


# --- mail --------------------------------------------------------------------------------------------------------


def test_a_letter_arrives_once_at_each_receiver_with_its_text(mail, tmp_path):
    box, url = mail
    open_channel(url, tmp_path).send(MESSAGE)
    (letter,) = box.letters
    assert (letter["From"], letter["Subject"]) == ("etl@example.org", MESSAGE.subject)
    assert box.receivers == [["team@example.org", "boss@example.org"]]
    assert letter.get_content().replace("\r\n", "\n").rstrip("\n") == MESSAGE.text


def test_a_letter_that_is_sent_again_has_the_same_identity(mail, tmp_path):
    box, url = mail
    for _ in range(2):
        open_channel(url, tmp_path).send(MESSAGE)
    assert len({letter["Message-ID"] for letter in box.letters}) == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [("451 later", ChannelUnavailable), ("552 too much", ChannelRefused), ("550 no", ChannelRefused)],
)
def test_a_mail_server_s_answer_says_whether_to_try_again(mail, tmp_path, answer, error):
    box, url = mail
    box.answers.append(answer)
    with pytest.raises(error) as caught:
        open_channel(url, tmp_path).send(MESSAGE)
    assert caught.value.why == f"it answered {answer[:3]}"


def test_a_password_is_not_sent_in_clear_text(mail, tmp_path):
    box, url = mail
    with pytest.raises(ChannelRefused, match="offers no encryption"):
        open_channel(url.replace("//", f"//etl:{SECRET}@"), tmp_path).send(MESSAGE)
    assert box.letters == []


def test_a_mail_server_that_is_not_there_may_come_back(tmp_path):
    with mail_server() as (_, url):
        pass
    with pytest.raises(ChannelUnavailable, match="does not answer"):
        open_channel(url, tmp_path).send(MESSAGE)


@pytest.mark.parametrize(
    "url",
    [
        "smtp://127.0.0.1",
        "smtp://127.0.0.1?from=a@b",
        "smtp:?from=a@b&to=c@d",
        f"smtp://u:{SECRET}@host:port?from=a@b&to=c@d",
        f"smtp://u:{SECRET}@host?from=a@b%0d%0aBcc:x@y&to=c@d",
        "https://",
        "https://exa mple.org/",
        f"https://u:{SECRET}@host:port/",
        "file:",
        "nonsense",
        f"nonsense://{SECRET}",
        "",
    ],
)
def test_a_url_that_leads_nowhere_is_refused_and_not_shown(tmp_path, url):
    with pytest.raises(ChannelRefused) as caught:
        open_channel(url, tmp_path)
    assert SECRET not in str(caught.value.facts())


# --- webhooks ----------------------------------------------------------------------------------------------------


def test_a_webhook_receives_the_facts_once(web, tmp_path):
    hook, place = web
    open_channel(f"http://etl:{SECRET}@{place}/in?k=1", tmp_path).send(MESSAGE)
    ((path, headers, body),) = hook.calls
    assert (path, headers["Idempotency-Key"], headers["Authorization"]) == (
        "/in?k=1",
        "7/team",
        "Basic ZXRsOmh1bnRlcjI=",
    )
    assert body == {"id": "7/team", "subject": MESSAGE.subject, "text": MESSAGE.text, **MESSAGE.facts}


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (302, ChannelRefused),
        (400, ChannelRefused),
        (404, ChannelRefused),
        (408, ChannelUnavailable),
        (429, ChannelUnavailable),
        (503, ChannelUnavailable),
    ],
)
def test_a_webhook_s_answer_says_whether_to_try_again(web, tmp_path, status, error):
    hook, place = web
    hook.answers.append(status)
    with pytest.raises(error) as caught:
        open_channel(f"http://{place}/", tmp_path).send(MESSAGE)
    assert (caught.value.why, len(hook.calls)) == (f"it answered {status}", 1)


def test_a_web_server_that_is_not_there_may_come_back(tmp_path):
    with web_server() as (_, place):
        pass
    with pytest.raises(ChannelUnavailable, match="does not answer"):
        open_channel(f"http://{place}/{SECRET}", tmp_path).send(MESSAGE)


# --- Apprise -----------------------------------------------------------------------------------------------------


def test_a_service_of_apprise_receives_it_once(web, tmp_path):
    hook, place = web
    open_channel(f"json://{place}/in", tmp_path).send(MESSAGE)
    ((path, _, body),) = hook.calls
    assert (path, body["title"], body["message"], body["type"]) == ("/in", MESSAGE.subject, MESSAGE.text, "success")


def test_a_service_that_fails_is_tried_again_and_nothing_of_its_url_is_logged(web, tmp_path, caplog, capfd):
    hook, place = web
    hook.answers.append(500)
    with caplog.at_level(logging.DEBUG), pytest.raises(ChannelUnavailable) as caught:
        open_channel(f"json://etl:{SECRET}@{place}/in", tmp_path).send(MESSAGE)
    said = caplog.text + str(caught.value.facts()) + "".join(capfd.readouterr())
    assert (len(hook.calls), SECRET in said) == (1, False)


def test_slack_is_known(tmp_path):
    assert open_channel("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#team", tmp_path)


# --- files -------------------------------------------------------------------------------------------------------


def test_a_file_gets_a_line_for_each(tmp_path):
    for url in ("file:notices.jsonl", f"file://{tmp_path}/notices.jsonl"):
        open_channel(url, tmp_path).send(MESSAGE)
    lines = [json.loads(line) for line in (tmp_path / "notices.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(line["id"], line["text"]) for line in lines] == [("7/team", MESSAGE.text)] * 2


def test_a_file_that_cannot_be_written_is_tried_again(tmp_path):
    with pytest.raises(StorageUnavailable, match="cannot be written"):
        open_channel("file:none/notices.jsonl", tmp_path).send(MESSAGE)
