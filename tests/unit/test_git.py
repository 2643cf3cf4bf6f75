"""Files of Git repositories: of a real one in a folder, and over HTTP from a real server."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest

import penstock as ps
from penstock.errors import SourceRefused, SourceUnavailable

pytest.importorskip("dulwich", reason="dulwich is not installed")

from dulwich import porcelain
from dulwich.repo import Repo
from dulwich.server import DictBackend
from dulwich.web import make_wsgi_chain

from penstock.adapters.git import GitPuller

ME = b"Sender <sender@example.org>"
CSV = "date,cases\n2020-01-21,1\n"


class Repository:
    """A repository of somebody else's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.repo = porcelain.init(str(folder))
        self.commit("data/us.csv", CSV)
        porcelain.branch_create(self.repo, "main")
        porcelain.update_head(self.repo, "main")

    def commit(self, path: str, text: str) -> str:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        porcelain.add(self.repo, paths=[str(file)])
        return porcelain.commit(self.repo, message=b"more", author=ME, committer=ME).decode()


@pytest.fixture
def upstream(tmp_path):
    found = Repository(tmp_path / "upstream")
    yield found
    found.repo.close()


@pytest.fixture
def fetch(tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()

    def fetch(where: object, path: str = "data/us.csv", known: str = "", **options):
        origin = ps.git(str(where), path, ps.csv(columns={"date": "DATE"}), **options).origin
        file = tmp_path / "fetched"
        told = GitPuller({"git": "pw"}.__getitem__, tmp_path, scratch, wait=0.001).pull(origin, {"commit": known}, file)
        assert list(scratch.glob("*")) == []
        return (told["commit"], file.read_text()) if told else None

    return fetch


@contextmanager
def served(repository: Repository) -> Iterator[str]:
    class Quiet(WSGIRequestHandler):
        def log_message(self, *_: object) -> None:
            """Nothing."""

    backend = DictBackend({"/data.git": Repo(str(repository.folder))})
    server = make_server("127.0.0.1", 0, make_wsgi_chain(backend), handler_class=Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/data.git"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        backend.repos["/data.git"].close()


def test_a_file_as_the_branch_has_it(upstream, fetch):
    commit, text = fetch(upstream.folder, branch="main")
    assert text == CSV
    assert commit == upstream.repo.head().decode()


def test_the_default_branch(upstream, fetch):
    assert fetch(upstream.folder)[1] == CSV


def test_a_folder_by_its_url_and_from_the_project(upstream, fetch):
    assert fetch(upstream.folder.as_uri()) == fetch("upstream")


def test_the_same_commit_is_not_looked_at_again(upstream, fetch):
    commit, _ = fetch(upstream.folder)
    assert fetch(upstream.folder, known=commit) is None


def test_a_new_commit(upstream, fetch):
    first, _ = fetch(upstream.folder)
    second = upstream.commit("data/us.csv", CSV + "2020-01-22,1\n")
    assert fetch(upstream.folder, known=first) == (second, CSV + "2020-01-22,1\n")


def test_over_http(upstream, fetch):
    with served(upstream) as url:
        commit, text = fetch(url, branch="main")
        assert (text, fetch(url, branch="main", known=commit)) == (CSV, None)


def test_a_new_commit_over_http(upstream, fetch):
    with served(upstream) as url:
        first, _ = fetch(url)
        upstream.commit("data/us.csv", "date\n")
        assert fetch(url, known=first)[1] == "date\n"


def test_a_branch_that_is_not_there(upstream, fetch):
    with pytest.raises(SourceRefused) as caught:
        fetch(upstream.folder, branch="mian")
    assert "no branch 'mian'" in caught.value.why
    assert "main" in caught.value.fix


@pytest.mark.parametrize("path", ["data/uk.csv", "data/us.csv/x", "data"])
def test_a_path_that_is_no_file(upstream, fetch, path):
    with pytest.raises(SourceRefused):
        fetch(upstream.folder, path)


def test_a_link_is_no_file(upstream, fetch):
    (upstream.folder / "link.csv").symlink_to("/etc/passwd")
    porcelain.add(upstream.repo, paths=[str(upstream.folder / "link.csv")])
    porcelain.commit(upstream.repo, message=b"link", author=ME, committer=ME)
    with pytest.raises(SourceRefused) as caught:
        fetch(upstream.folder, "link.csv")
    assert "a link" in caught.value.why


def test_a_file_that_is_too_large(upstream, fetch):
    with pytest.raises(SourceRefused) as caught:
        fetch(upstream.folder, max_bytes=10)
    assert "larger than 10" in caught.value.why


def test_no_repository(tmp_path, fetch):
    with pytest.raises(SourceRefused):
        fetch(tmp_path / "nowhere")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_no_repository_behind_a_url(upstream, fetch):
    with served(upstream) as url, pytest.raises(SourceRefused):
        fetch(url.replace("data.git", "date.git"))
    gc.collect()  # dulwich leaves the answer that it refuses to the collector


def test_nobody_listens(fetch):
    with pytest.raises(SourceUnavailable) as caught:
        fetch("http://127.0.0.1:9/data.git")
    assert caught.value.at == "http://127.0.0.1:9/data.git data/us.csv"
