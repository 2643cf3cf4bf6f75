"""Slack is told of a run: Apprise posts to hooks.slack.com over TLS, through a proxy that leads to loopback."""

from __future__ import annotations

import html
import json
import os
import ssl
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.support.certificates import Authority
from tests.support.proxy import proxy
from tests.support.receivers import web_server

pytest.importorskip("apprise", reason="Apprise is not installed")

ROOT = Path(__file__).parents[2]
TOKENS = "T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
PIPELINE = """
import penstock as ps

sales = ps.Pipeline(
    "sales",
    trigger=ps.upload("landing/{day:%Y-%m-%d}.csv"),
    source=ps.csv(columns={"name": "VARCHAR", "phone": "VARCHAR", "amount": "DECIMAL(8,2)"}),
    privacy={"phone": ps.drop()},
)
sales.checks("source", 'ColumnValues "amount" >= 0', 'ColumnLength "name" <= 12')
sales.load("source", to=ps.lake(), table="sales")
sales.track(ingestedID="{accepted:%Y}-A{serial:03}", state="{state}", status="{status}")
sales.notify(to=ps.notify("team"))
"""
GOOD = "name,phone,amount\nada,+44 1632 960001,1.50\nbob,+44 1632 960002,2.00\n"
BAD = GOOD + "zenobia,+44 1632 960003,-7.25\nzenobia the eldest,+44 1632 960004,9.75\n"
PERSONAL = ("ada", "bob", "zenobia", "960001", "960003", "7.25", "9.75")


class Slack:
    """What Slack heard, and what of it a process needs."""

    def __init__(self, hook, proxy, environment):
        self.hook, self.proxy, self.environment = hook, proxy, environment

    @property
    def heard(self) -> list[dict]:
        return [body["attachments"][0] for _, _, body in self.hook.calls]


@pytest.fixture
def slack(tmp_path):
    authority = Authority(tmp_path / "authority")
    pair = authority.issue("hooks.slack.com")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.cert, pair.key)
    with web_server(context, b"ok") as (hook, place):
        host, _, port = place.partition(":")
        with proxy(host, int(port)) as way:
            ours = {name: value for name, value in os.environ.items() if name.lower() != "no_proxy"}
            environment = {
                **ours, "PYTHONPATH": str(ROOT / "src"), "HTTPS_PROXY": way.url, "https_proxy": way.url,
                "REQUESTS_CA_BUNDLE": str(authority.cert), "PENSTOCK_SECRET_NOTIFY_TEAM": f"slack://{TOKENS}/#team",
            }  # fmt: skip
            yield Slack(hook, way, environment)


@pytest.fixture
def shop(tmp_path) -> Path:
    folder = tmp_path / "shop"
    (folder / "pipelines").mkdir(parents=True)
    (folder / "landing").mkdir()
    (folder / "pyproject.toml").write_text("[tool.penstock]\nproject = 'shop'\n")
    (folder / "pipelines/sales.py").write_text(PIPELINE)
    return folder


def penstock(slack: Slack, shop: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "penstock", *words, "--project", str(shop)]
    return subprocess.run(command, env=slack.environment, capture_output=True, text=True, timeout=120, check=False)


def deliver(shop: Path, text: str) -> None:
    (shop / "landing/2024-03-04.csv").write_text(text)


def test_success_is_posted_with_state_id_and_counts(slack, shop):
    deliver(shop, GOOD)
    assert penstock(slack, shop, "run").returncode == 0
    ((path, headers, body),) = slack.hook.calls
    assert slack.proxy.asked == ["hooks.slack.com:443"]
    assert (path, headers["Host"], body["channel"]) == (f"/services/{TOKENS}", "hooks.slack.com", "#team")
    (said,) = slack.heard
    assert said["title"] == "sales succeeded: 2 rows loaded, 0 failed [shop/local]"
    for part in ("run sales-1, attempt 1, state load, status succeeded", "table sales: 2 rows", "-A001"):
        assert part in said["text"]
    assert not any(word in json.dumps(body) for word in PERSONAL)


def test_failure_is_posted_with_its_reason_and_nothing_of_the_data(slack, shop):
    deliver(shop, BAD)
    assert penstock(slack, shop, "run", "--hard").returncode == 3
    (said,) = slack.heard
    assert said["title"].startswith("sales suspended: 0 rows loaded, ")
    for part in ("status suspended", 'ColumnValues "amount" >= 0', 'ColumnLength "name" <= 12', "E204"):
        assert part in html.unescape(said["text"])  # Slack wants >, < and & escaped, and shows them as they are
    assert not any(word in json.dumps(slack.hook.calls[0][2]) for word in PERSONAL)


def test_a_server_that_fails_fails_no_run_and_is_asked_again(slack, shop):
    slack.hook.answers.append(500)
    deliver(shop, GOOD)
    assert penstock(slack, shop, "run").returncode == 0
    assert len(slack.hook.calls) == 1
    shown = penstock(slack, shop, "status").stdout
    assert "✓ sales" in shown
    assert "1 waiting, 0 dead · E306 the service did not take the message" in shown
    assert "TIiajkdn" not in shown
    deadline = time.monotonic() + 90
    while len(slack.hook.calls) < 2 and time.monotonic() < deadline:
        time.sleep(1)
        assert penstock(slack, shop, "run").returncode == 0
    assert slack.heard[0]["text"] == slack.heard[1]["text"]
    assert "waiting" not in penstock(slack, shop, "status").stdout


def test_a_certificate_that_nobody_vouches_for_hears_nothing(slack, shop):
    del slack.environment["REQUESTS_CA_BUNDLE"]
    deliver(shop, GOOD)
    assert penstock(slack, shop, "run").returncode == 0
    assert slack.hook.calls == []
    assert "1 waiting" in penstock(slack, shop, "status").stdout
