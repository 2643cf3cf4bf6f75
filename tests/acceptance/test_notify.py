"""People are told how runs end, once, by real servers on loopback; and no run ever waits for them."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.receivers import mail_server, web_server

from penstock.entrypoints.cli.main import main
from penstock.model.messages import MessageState
from penstock.model.runs import RunState
from penstock.wiring.local import open_project

PIPELINE = """
import penstock as ps

sales = ps.Pipeline(
    "sales",
    trigger=ps.upload("landing/{day:%Y-%m-%d}.csv"),
    source=ps.csv(columns={"name": "VARCHAR", "amount": "DECIMAL(8,2)"}),
)
sales.checks("source", 'ColumnValues "amount" >= 0')
sales.load("source", to=ps.lake(), table="sales")
sales.notify(to=[ps.notify("team"), ps.notify("hook")])
"""
GOOD, BAD = "name,amount\nada,1.50\nbob,2.00\n", "name,amount\nada,1.50\nzenobia,-2.00\n"


@pytest.fixture
def mail():
    with mail_server() as (box, url):
        yield box, url


@pytest.fixture
def web():
    with web_server() as (hook, place):
        yield hook, f"http://{place}/in"


@pytest.fixture
def shop(tmp_path, mail, web, monkeypatch) -> Path:
    (tmp_path / "pyproject.toml").write_text("[tool.penstock]\nproject = 'shop'\n")
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "sales.py").write_text(PIPELINE)
    monkeypatch.setenv("PENSTOCK_SECRET_NOTIFY_TEAM", mail[1])
    monkeypatch.setenv("PENSTOCK_SECRET_NOTIFY_HOOK", web[1])
    return tmp_path


def deliver(project, text: str, day: int = 1, **options):
    file = project.settings.folder / "landing" / f"2024-03-{day:02}.csv"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    return project.run("sales", project.receive("sales", file), **options)


def test_success_is_told_once_by_mail_and_webhook_with_the_counts(shop, mail, web):
    with open_project(shop) as project:
        deliver(project, GOOD)
        project.work_until_idle()
    (letter,), ((_, _, body),) = mail[0].letters, web[0].calls
    assert letter["Subject"] == body["subject"] == "sales succeeded: 2 rows loaded, 0 failed [shop/local]"
    assert (body["run"], body["status"], body["rows"]["loaded"], body["tables"]) == (
        "sales-1",
        "succeeded",
        2,
        {"sales": 2},
    )


def test_a_suspended_run_is_told_with_its_reason_and_without_its_data(shop, mail, web):
    with open_project(shop) as project:
        deliver(project, BAD, hard=True)
    ((_, _, body),) = web[0].calls
    assert (body["status"], body["error"]["code"], body["rows"]["failed"]) == ("suspended", "E204", 2)
    assert body["reasons"] == {'ColumnValues "amount" >= 0': 1}
    told = json.dumps(body) + mail[0].letters[0].as_string()
    assert "zenobia" not in told
    assert "2.00" not in told


def test_a_refused_file_is_a_failure(shop, web):
    with open_project(shop) as project:
        deliver(project, "nothing,of,this\n1,2,3\n")
    ((_, _, body),) = web[0].calls
    assert (body["status"], body["deliveries"][0]["standing"]) == ("failed", "refused")


def test_rows_that_a_replay_heals_are_told(shop, web):
    with open_project(shop) as project:
        deliver(project, BAD)
        (reject,) = project.rejects()
        edit = {"slot": reject.slot, "line": reject.line, "set": {"amount": "2.00"}}
        project.replay(project_selection(), [edit])
    assert [body["rows"]["healed"] for _, _, body in web[0].calls] == [0, 1]


def project_selection():
    from penstock.runtime.healing import Selection

    return Selection(pipeline="sales")


def test_a_notifier_that_fails_fails_no_run_and_is_tried_again(shop, mail, web):
    mail[0].answers += ["451 later", "451 later"]
    with open_project(shop) as project:
        (outcome,) = deliver(project, GOOD)
        assert outcome.run.state is RunState.SUCCEEDED
        (waiting,) = project.ledger.messages([MessageState.WAITING])
        assert (waiting.channel, waiting.error["code"], mail[0].letters) == ("team", "E306", [])
        for _ in range(2):
            _later(project, hours=2)
    assert (len(mail[0].letters), len(web[0].calls)) == (1, 1)


def _later(project, *, hours: int) -> None:
    """Turn the notifier's clock, and let it look."""
    before = project.notifier.clock
    project.notifier.clock = lambda: before() + timedelta(hours=hours)
    project.notifier.tick()


def test_what_nobody_takes_is_dead_at_last_and_status_shows_it(shop, mail, capsys):
    mail[0].answers += ["550 nobody of that name"]
    with open_project(shop) as project:
        deliver(project, GOOD)
    capsys.readouterr()
    assert main(["status", "--project", str(shop)]) == 0
    assert "notify team" in (shown := capsys.readouterr().out)
    assert "1 dead · E410 the mail server did not take the mail: it answered 550" in shown
    assert main(["redrive", "--messages", "--project", str(shop)]) == 0
    assert "1 message sent again" in capsys.readouterr().out
    assert len(mail[0].letters) == 1


def test_a_missing_url_fails_no_run_and_the_message_waits_for_it(shop, mail, monkeypatch):
    monkeypatch.delenv("PENSTOCK_SECRET_NOTIFY_TEAM")
    with open_project(shop) as project:
        (outcome,) = deliver(project, GOOD)
        assert outcome.run.state is RunState.SUCCEEDED
        assert [item.error["code"] for item in project.ledger.messages([MessageState.WAITING])] == ["E501"]
    monkeypatch.setenv("PENSTOCK_SECRET_NOTIFY_TEAM", mail[1])
    with open_project(shop) as project:
        _later(project, hours=2)
    assert len(mail[0].letters) == 1


def test_two_processes_tell_of_a_run_once(shop, mail, web):
    with open_project(shop) as one, open_project(shop) as other:
        for project in (one, other):
            project.notifier.begin()
        deliver(one, GOOD)
        deliver(other, GOOD, day=2)
        threads = [threading.Thread(target=project.notifier.tick) for project in (one, other) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(body["run"] for _, _, body in web[0].calls) == ["sales-1", "sales-2"]
    assert len(mail[0].letters) == 2


def test_what_a_killed_sender_had_in_its_hands_is_sent_by_the_next(shop, mail, web):
    def die(_name):
        raise KeyboardInterrupt

    with open_project(shop) as project:
        project.notifier.open_channel = die
        with pytest.raises(KeyboardInterrupt):
            deliver(project, GOOD)
    with open_project(shop) as project:
        _later(project, hours=1)
    assert (len(mail[0].letters), len(web[0].calls)) == (1, 1)


def test_settings_add_channels_for_an_environment(shop, web):
    settings = shop / "pyproject.toml"
    settings.write_text(settings.read_text() + '[tool.penstock.env.prod.notify.hook]\non = ["succeeded"]\n')
    (shop / "pipelines" / "sales.py").write_text(PIPELINE.replace("sales.notify", "# "))
    for environment in ("local", "prod"):
        with open_project(shop, environment) as project:
            file = shop / "2024-03-01.csv"
            file.write_text(GOOD)
            project.run("sales", project.receive("sales", file))
    assert [body["environment"] for _, _, body in web[0].calls] == ["prod"]


def test_doctor_sends_one_to_each_channel_and_says_what_happened(shop, mail, web, capsys):
    web[0].answers.append(404)
    assert main(["doctor", "--notify", "--project", str(shop)]) == 1
    shown = capsys.readouterr().out
    assert "✓ team         took a message" in shown
    assert "✗ hook         error[E410]: the webhook did not take the message (127.0.0.1): it answered 404" in shown
    assert mail[0].letters[0]["Subject"] == "shop: a message from Penstock"
    assert main(["doctor", "--notify", "teem", "--project", str(shop)]) == 2
    assert "did you mean 'team'?" in capsys.readouterr().err


def test_who_declares_no_channel_pays_nothing(shop):
    (shop / "pipelines" / "sales.py").write_text(PIPELINE.replace("sales.notify", "# "))
    with open_project(shop) as project:
        deliver(project, GOOD)
        assert (project.notifier, project.ledger.messages()) == (None, [])
