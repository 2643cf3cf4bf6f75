"""Files of Git repositories behind a real sshd: with a key of the secret store, with an agent, and with neither."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
from pathlib import Path

import pytest
from tests.support.sshd import MISSING, new_key, sshd

import penstock as ps
from penstock.errors import MissingSecret, SetupError, SourceRefused, SourceUnavailable

pytest.importorskip("dulwich", reason="dulwich is not installed")
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {MISSING}")

from dulwich import porcelain  # noqa: E402 - not before it is known to be there

from penstock.adapters.git import GitPuller  # noqa: E402

ME = b"Sender <sender@example.org>"
CSV = "date,cases\n2020-01-21,1\n"
KEY = ps.secret("deploy_key")


@pytest.fixture(scope="module")
def upstream(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("git") / "it's data.git"
    (folder / "data").mkdir(parents=True)
    with porcelain.init(str(folder)) as repo:
        (folder / "data/us.csv").write_text(CSV)
        porcelain.add(repo, paths=[str(folder / "data/us.csv")])
        porcelain.commit(repo, message=b"first", author=ME, committer=ME)
    return folder


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    with sshd(tmp_path_factory.mktemp("sshd")) as found:
        yield found


@pytest.fixture
def fetch(tmp_path, monkeypatch):
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    scratch = tmp_path / "scratch"

    def fetch(where: str, secret: str | None = None, known: str = "", **options):
        secrets = {} if secret is None else {"deploy_key": secret}
        origin = ps.git(where, "data/us.csv", ps.csv(columns={"date": "DATE"}), **options).origin
        file = tmp_path / "fetched"

        def look_up(name: str) -> str:
            if name not in secrets:
                raise MissingSecret(f"there is no secret {name!r}")
            return secrets[name]

        try:
            told = GitPuller(look_up, tmp_path, scratch, wait=0.001).pull(origin, {"commit": known}, file)
        finally:
            assert list(scratch.glob("*")) == []  # no key is left anywhere
        return (told["commit"], file.read_text()) if told else None

    return fetch


def test_with_a_key_of_the_secret_store(host, upstream, fetch):
    secret = host.key.read_text().strip()  # as the secret store gives it
    commit, text = fetch(host.url(upstream), secret, key=KEY, host_key=host.host_key)
    assert text == CSV
    assert fetch(host.url(upstream), secret, known=commit, key=KEY, host_key=host.host_key) is None


def test_as_git_writes_it(host, upstream, fetch, monkeypatch, tmp_path):
    """Such an address has no port, so the agent of this test is an ssh that knows it."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/ssh").write_text(f'#!/bin/sh\nexec {os.path.realpath("/usr/bin/ssh")} -p {host.port} "$@"\n')
    (tmp_path / "bin/ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    where = f"{host.user}@127.0.0.1:{upstream}"
    assert fetch(where, host.key.read_text(), key=KEY, host_key=host.host_key)[1] == CSV


@pytest.fixture
def agent(tmp_path, monkeypatch, host):
    place = tmp_path / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(place)], stdout=subprocess.DEVNULL)

    def enter() -> None:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(place))
        while not place.exists():
            assert process.poll() is None
        subprocess.run(["ssh-add", "-q", str(host.key)], check=True, timeout=60)

    yield enter
    process.terminate()
    process.wait()


def test_with_a_key_that_an_agent_holds(host, upstream, fetch, agent):
    options = {"host_key": host.host_key}
    with pytest.raises(SourceRefused) as caught:
        fetch(host.url(upstream), **options)
    assert caught.value.why == "it does not let this key in"
    agent()
    assert fetch(host.url(upstream), **options)[1] == CSV


def test_a_declared_key_alone_is_shown(host, upstream, fetch, agent, tmp_path):
    agent()
    other = new_key(tmp_path / "other").read_text()
    with pytest.raises(SourceRefused):
        fetch(host.url(upstream), other, key=KEY, host_key=host.host_key)


def test_a_host_that_nobody_knows_is_not_talked_to(host, upstream, fetch):
    with pytest.raises(SourceRefused) as caught:
        fetch(host.url(upstream), host.key.read_text(), key=KEY)
    assert caught.value.why == "its host key is not known here"
    assert "host_key=" in caught.value.fix


def test_a_host_that_is_another_one_is_not_talked_to(host, upstream, fetch, tmp_path):
    new_key(tmp_path / "impostor")
    other = " ".join((tmp_path / "impostor.pub").read_text().split()[:2])
    with pytest.raises(SourceRefused) as caught:
        fetch(host.url(upstream), host.key.read_text(), key=KEY, host_key=other)
    assert "host key is not the known one" in caught.value.why


@pytest.mark.parametrize("what", ["no key at all", "behind a passphrase"])
def test_a_secret_that_opens_nothing(host, upstream, fetch, tmp_path, what):
    secret = "hunter2" if what == "no key at all" else new_key(tmp_path / "locked", "hunter2").read_text()
    with pytest.raises(SetupError, match="'deploy_key' is no private key") as caught:
        fetch(host.url(upstream), secret, key=KEY, host_key=host.host_key)
    assert "hunter2" not in str(caught.value.facts())


def test_a_secret_that_is_not_there(host, upstream, fetch):
    with pytest.raises(MissingSecret):
        fetch(host.url(upstream), key=KEY, host_key=host.host_key)


def test_no_repository_there(host, upstream, fetch):
    with pytest.raises(SourceRefused) as caught:
        fetch(host.url(upstream.parent), host.key.read_text(), key=KEY, host_key=host.host_key)
    assert caught.value.why == "there is no repository"


def test_nobody_listens(host, fetch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(SourceUnavailable) as caught:
        fetch(f"ssh://git@127.0.0.1:{port}/data.git", host.key.read_text(), key=KEY, host_key=host.host_key)
    assert caught.value.why == "no connection"


def test_a_server_that_says_nothing(host, fetch):
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        where = f"ssh://git@127.0.0.1:{deaf.getsockname()[1]}/data.git"
        with pytest.raises(SourceUnavailable) as caught:
            fetch(where, host.key.read_text(), key=KEY, host_key=host.host_key, timeout=1)
    assert caught.value.why == "nothing came in time"


def test_no_ssh_on_this_machine(host, upstream, fetch, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupError, match="needs the program ssh") as caught:
        fetch(host.url(upstream), host.key.read_text(), key=KEY, host_key=host.host_key)
    assert "openssh-client" in caught.value.fix


def test_the_key_is_for_its_owner_only(tmp_path):
    from penstock.adapters.ssh import _kept

    assert stat.S_IMODE(Path(_kept(tmp_path / "key", "x")).stat().st_mode) == 0o600
