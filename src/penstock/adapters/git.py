"""Files of Git repositories, as a branch has them: of a folder on this machine, over HTTP or over ssh."""

from __future__ import annotations

import logging
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from penstock.adapters.scratch import Scratch
from penstock.authoring.origins import Git, Origin, Secret
from penstock.errors import MissingExtra, PenstockError, SourceRefused, SourceUnavailable

if TYPE_CHECKING:
    from dulwich.client import GitClient
    from dulwich.objects import ObjectID
    from dulwich.repo import Repo

logging.getLogger("stamina").addHandler(logging.NullHandler())

COMMIT = "commit"
BRANCHES = b"refs/heads/"


class GitPuller:
    """Asks for the branch first: while its commit is the known one, nothing is fetched."""

    def __init__(self, secret: Callable[[str], str], folder: Path, scratch: Path, *, wait: float = 0.2) -> None:
        """`folder` is where relative repositories are looked for; `scratch` holds what is fetched, for a moment; `wait`
        is the first pause after a hiccup, in seconds."""
        try:
            import dulwich  # noqa: F401 - whether it is there
        except ImportError:
            raise MissingExtra("ps.git needs the package dulwich", fix="pip install 'penstock[git]'") from None
        self._secret, self._folder, self._scratch, self._wait = secret, folder, scratch, wait

    def pull(self, origin: Origin, known: Mapping[str, str], into: Path) -> Mapping[str, str] | None:
        """See `penstock.runtime.ports.Puller`."""
        assert isinstance(origin, Git)  # noqa: S101 - wiring chooses
        with _translated(origin):
            remote = origin.ssh is not None or urlsplit(origin.repository).scheme in ("http", "https")
            pull = self._from_afar if remote else self._from_folder
            return pull(origin, known.get(COMMIT, ""), into)

    def _from_folder(self, origin: Git, known: str, into: Path) -> Mapping[str, str] | None:
        from dulwich.repo import Repo

        with closing(Repo(str(self._path(origin)))) as repo:
            heads = {bytes(name): bytes(target) for name, target in repo.refs.get_symrefs().items()}
            commit = _commit(origin, {bytes(name): value for name, value in repo.get_refs().items()}, heads)
            if commit.decode() == known:
                return None
            return _write(repo, commit, origin, into)

    def _path(self, origin: Git) -> Path:
        parts = urlsplit(origin.repository)
        return self._folder / (url2pathname(parts.path) if parts.scheme == "file" else origin.repository)

    def _from_afar(self, origin: Git, known: str, into: Path) -> Mapping[str, str] | None:
        import stamina

        for attempt in stamina.retry_context(
            on=SourceUnavailable, attempts=3, wait_initial=self._wait, wait_max=2.0, wait_jitter=self._wait
        ):
            with (
                attempt,
                _translated(origin),
                closing(Scratch(self._scratch)) as place,
                self._line(origin, place.folder) as client,
            ):
                return self._exchange(client, place.folder / "fetched", origin, known, into)
        raise AssertionError("the last attempt returns or raises")

    def _exchange(
        self, client: GitClient, folder: Path, origin: Git, known: str, into: Path
    ) -> Mapping[str, str] | None:
        from dulwich.repo import Repo

        path = (origin.ssh.path if origin.ssh else urlsplit(origin.repository).path).encode()
        found = client.get_refs(path)
        refs = {bytes(name): value for name, value in found.refs.items() if value is not None}
        commit = _commit(origin, refs, {bytes(name): bytes(target) for name, target in found.symrefs.items()})
        if commit.decode() == known:
            return None
        with closing(Repo.init_bare(str(folder), mkdir=True)) as repo:
            client.fetch(path, repo, _only(commit), depth=1)
            return _write(repo, commit, origin, into)

    def _line(self, origin: Git, folder: Path) -> AbstractContextManager[GitClient]:
        if origin.ssh is None:
            return self._http(origin)
        from penstock.adapters.ssh import line

        return line(origin, origin.ssh, self._shown(origin.key), folder)

    def _shown(self, secret: Secret | None) -> str | None:
        return None if secret is None else secret.form.format(self._secret(secret.name))

    @contextmanager
    def _http(self, origin: Git) -> Iterator[GitClient]:
        """Connections to the server, closed in the end. dulwich shows a password to the declared host alone."""
        from dulwich.client import HttpGitClient, default_urllib3_manager
        from urllib3 import PoolManager, Retry

        parts = urlsplit(origin.repository)
        base = f"{parts.scheme}://{parts.netloc}"
        password = self._shown(origin.password)
        user = origin.user if password else None
        pool = default_urllib3_manager(None, base_url=base, timeout=origin.seconds)
        if isinstance(pool, PoolManager):
            pool.connection_pool_kw["retries"] = Retry(connect=0, read=0, redirect=5)
        try:
            yield HttpGitClient(base, pool_manager=pool, username=user, password=password, quiet=True)
        finally:
            pool.clear()


def _commit(origin: Git, refs: Mapping[bytes, ObjectID], heads: Mapping[bytes, bytes]) -> ObjectID:
    """The commit at the end of the branch."""
    name = BRANCHES + origin.branch.encode() if origin.branch else heads.get(b"HEAD", b"HEAD")
    if name not in refs:
        known = sorted(
            ref.removeprefix(BRANCHES).decode("utf-8", "replace") for ref in refs if ref.startswith(BRANCHES)
        )
        raise _refused(
            origin,
            f"there is no branch {origin.branch!r}" if origin.branch else "it has no default branch",
            f"branch= one of {', '.join(known[:12])}" if known else "",
        )
    return refs[name]


def _only(commit: ObjectID) -> Callable[..., list[ObjectID]]:
    """Of all that the other side has, this."""
    return lambda *_arguments, **_named: [commit]


def _write(repo: Repo, commit: ObjectID, origin: Git, into: Path) -> Mapping[str, str]:
    """The file of a commit. A link or a module of another repository is no file."""
    from dulwich.errors import NotTreeError
    from dulwich.object_store import tree_lookup_path
    from dulwich.objects import Blob, Commit

    made = repo[commit]
    assert isinstance(made, Commit)  # noqa: S101 - branches lead to commits
    try:
        mode, name = tree_lookup_path(repo.__getitem__, made.tree, origin.path.encode())
    except (KeyError, NotTreeError):
        raise _refused(origin, "the branch has no such file", "look at path= and branch=") from None
    blob = repo[name] if stat.S_ISREG(mode) else None
    if not isinstance(blob, Blob):
        raise _refused(origin, "it is a folder, a link or a module, not a file", "name a file")
    if blob.raw_length() > origin.most_bytes:
        raise _refused(origin, f"it is larger than {origin.most_bytes:,} bytes", "max_bytes=… allows more")
    with into.open("wb") as file:
        file.writelines(blob.as_raw_chunks())
    return {COMMIT: commit.decode()}


def _refused(origin: Git, why: str, fix: str) -> SourceRefused:
    return SourceRefused("the repository does not give what is read", at=origin.shown, why=why, fix=fix)


@contextmanager
def _translated(origin: Git) -> Iterator[None]:
    """The library's errors as ours."""
    from dulwich.client import HTTPUnauthorized
    from dulwich.errors import GitProtocolError, NotGitRepository

    try:
        yield
    except PenstockError:
        raise
    except HTTPUnauthorized as error:
        raise _refused(origin, "it wants other credentials", 'password=ps.secret("…")') from error
    except NotGitRepository as error:
        raise _refused(origin, "there is no repository", "look at its address") from error
    except GitProtocolError as error:
        from penstock.adapters.ssh import meaning

        raise meaning(error, origin) from error
    except Exception as error:
        # dulwich lets errors of urllib3, of sockets and its own pass; what they say may hold addresses.
        raise SourceUnavailable("the repository does not answer", at=origin.shown, why=type(error).__name__) from error
