"""Sources that are pulled: from where, and what is shown there to be let in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import PurePosixPath
from urllib.parse import SplitResult, urlsplit

from penstock.authoring.parts import Anything
from penstock.authoring.sources import Source
from penstock.authoring.ssh import SshAddress, checked_host_key, ssh_address
from penstock.authoring.templates import LANDING, PathTemplate
from penstock.errors import DefinitionError
from penstock.model.rows import digest

ENDINGS = {"csv": ".csv", "json": ".json", "json_lines": ".jsonl", "parquet": ".parquet"}
COMPRESSED = (".gz", ".zst")
MOST_BYTES = 1_000_000_000
SECONDS = 30.0
LONGEST_WAIT = 300
SECRET_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_SECRETIVE = ("authorization", "cookie", "proxy-authorization")
_BRANCH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")


@dataclass(frozen=True, slots=True)
class Secret:
    """A value of the secret store, looked up when it is used."""

    name: str
    form: str = "{}"
    """The text in which it stands, such as `Bearer {}`."""


@dataclass(frozen=True, slots=True)
class Http:
    """An object behind a URL."""

    url: str
    headers: tuple[tuple[str, str | Secret], ...] = ()
    params: tuple[tuple[str, str | Secret], ...] = ()
    to: PathTemplate | None = None
    most_bytes: int = MOST_BYTES
    seconds: float = SECONDS
    redirects: int = 5

    @property
    def shown(self) -> str:
        """The address as errors and logs show it: a key may stand in its query."""
        return self.url.partition("?")[0].partition("#")[0]

    @property
    def text(self) -> str:
        """What tells it from another one, without what may be secret."""
        query = self.url.removeprefix(self.shown)
        return f"{self.shown} {digest('query', query).hex()[:16]}" if query else self.shown


@dataclass(frozen=True, slots=True)
class Git:
    """A file of a repository, as a branch has it."""

    repository: str
    path: str
    branch: str = ""
    user: str = "git"
    password: Secret | None = None
    to: PathTemplate | None = None
    most_bytes: int = MOST_BYTES
    seconds: float = field(default=SECONDS)
    key: Secret | None = None
    host_key: str = ""

    @property
    def ssh(self) -> SshAddress | None:
        """Where it is, when that is behind ssh."""
        return ssh_address(self.repository, self.user)

    @property
    def shown(self) -> str:
        """The file as errors and logs show it."""
        return f"{self.repository.partition('?')[0]} {self.path}"

    @property
    def text(self) -> str:
        """What tells it from another one."""
        return f"{self.shown} {self.branch}".strip()


Origin = Http | Git


def secret(name: str, form: str = "{}") -> Secret:
    """`ps.secret("feed_token", "Bearer {}")`: a value of the secret store, in a text around it."""
    if not SECRET_NAME.fullmatch(name):
        raise DefinitionError(
            f"{name!r} cannot name a secret", fix="lower-case letters, digits and underscores, a letter first"
        )
    if form.count("{}") != 1:
        raise DefinitionError(f"the form {form!r} of secret {name!r}", fix='one {} stands for the value: "Bearer {}"')
    return Secret(name, form)


def http(
    url: str,
    format: Source,  # noqa: A002 - what it is
    *,
    headers: Mapping[str, str | Secret] | None = None,
    params: Mapping[str, str | Secret] | None = None,
    to: str = "",
    max_bytes: int = MOST_BYTES,
    timeout: float = SECONDS,
    redirects: int = 5,
) -> Source:
    """`ps.http("https://…/us.csv", ps.csv(columns={…}))`: fetched by each firing, or by `penstock run PIPELINE`.

    What has not changed (by its ETag or date, or byte for byte) is not loaded again. Without `to` it is one delivery
    whose newest content counts; with a path template (`to="landing/…/{time:%H%M}.json"`) each firing's is its own.
    `timeout` is in seconds, for each wait. Credentials come from the secret store: `headers={"Authorization":
    ps.secret("feed", "Bearer {}")}`.
    """
    parts = _url(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise DefinitionError(f"{url!r} is no address of the web", fix="http://… or https://…")
    for name, value in (headers or {}).items():
        if name.lower() in _SECRETIVE and not isinstance(value, Secret):
            raise DefinitionError(
                f"the header {name!r} holds a credential",
                why="pipeline files are kept where many can read them",
                fix=f'headers={{"{name}": ps.secret("name", "Bearer {{}}")}}',
            )
    shown = tuple((headers or {}).items()), tuple((params or {}).items())
    return _pulled(format, Http(url, *shown, _template(to), _size(max_bytes), _wait(timeout), redirects))


def git(
    repository: str,
    path: str,
    format: Source,  # noqa: A002 - what it is
    *,
    branch: str = "",
    user: str = "git",
    password: Secret | None = None,
    key: Secret | None = None,
    host_key: str = "",
    to: str = "",
    max_bytes: int = MOST_BYTES,
    timeout: float = SECONDS,
) -> Source:
    """`ps.git("https://…/data.git", "us.csv", ps.csv(columns={…}), branch="main")`: one file, as a branch has it.

    `repository` is a URL, an address of ssh (`git@host:path`) or a folder of this machine; without `branch` its
    default. `password` belongs to a URL. Over ssh, `key` is a private key, otherwise those of the ssh agent and of the
    user count; `host_key` is the host's public key, otherwise the known hosts of the user and the machine count.
    Otherwise as `http`.
    """
    _repository(repository, user, password, key, host_key)
    if not path or PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise DefinitionError(f"path {path!r} names no file of a repository", fix='such as "data/us.csv"')
    if branch and (not _BRANCH.fullmatch(branch) or ".." in branch):
        raise DefinitionError(f"branch {branch!r} is not usable", fix='such as branch="main"')
    made = Git(repository, path, branch, user, password, _template(to), _size(max_bytes), _wait(timeout), key, host_key)
    return _pulled(format, made)


def secrets_of(origin: Origin) -> tuple[str, ...]:
    """The names of the secrets that are shown there, each once."""
    if isinstance(origin, Http):
        shown = [value for _, value in (*origin.headers, *origin.params)]
        return tuple(dict.fromkeys(value.name for value in shown if isinstance(value, Secret)))
    return tuple(secret.name for secret in (origin.password, origin.key) if secret is not None)


def address(pipeline: str, name: str, source: Source, moment: datetime) -> str:
    """Where in the landing zone a pulled source lies: one place, or one for each firing."""
    origin = source.origin
    if origin is not None and origin.to is not None:
        return origin.to.format(**dict.fromkeys(origin.to.names, moment))
    return place(pipeline, name, source)


def place(pipeline: str, name: str, source: Source) -> str:
    """The one place of a pulled source."""
    origin = source.origin
    path = origin.path if isinstance(origin, Git) else urlsplit(origin.url).path if origin else ""
    packed = next((ending for ending in COMPRESSED if path.lower().endswith(ending)), "")
    return f"{LANDING}{pipeline}/{name}{ENDINGS[source.format]}{packed}"


def parts_of(pipeline: str, name: str, source: Source, where: str) -> Mapping[str, str] | None:
    """The captured parts of an address at which a pulled source lies; None for any other."""
    origin = source.origin
    if origin is None or origin.to is None:
        return {} if origin is not None and where == place(pipeline, name, source) else None
    parts = origin.to.match(where)
    return None if parts is None else {key: str(value) for key, value in parts.items()}


def _pulled(form: object, origin: Origin) -> Source:
    if not isinstance(form, Source) or form.origin is not None:
        raise DefinitionError(f"{origin.shown!r} needs the format of what comes from there", fix="ps.csv(columns={…})")
    return replace(form, origin=origin)


def _repository(repository: str, user: str, password: Secret | None, key: Secret | None, host_key: str) -> None:
    """Raise `DefinitionError` for one that cannot be read, or not with these credentials."""
    if ssh_address(repository, user) is not None:
        if password is not None:
            raise DefinitionError(
                f"{repository!r} has a password", why="ssh knows keys", fix='key=ps.secret("deploy_key")'
            )
        if host_key:
            checked_host_key(host_key)
        return
    parts = _url(repository)
    if len(parts.scheme) > 1 and parts.scheme not in ("http", "https", "file"):
        fix = "https://…, git@host:path, ssh://git@host/path, or a folder of this machine"
        raise DefinitionError(f"repository {repository!r} is not usable", fix=fix)
    if key is not None or host_key:
        raise DefinitionError(
            f"{repository!r} has a key", why="keys belong to ssh", fix="git@host:path, or ssh://git@host/path"
        )


def _url(text: str) -> SplitResult:
    """The parts of a URL. A password in it would be shown wherever the URL is."""
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 - looked at for the error that it raises
    except ValueError:
        raise DefinitionError("a source's URL cannot be read", fix="https://host/path") from None
    if parts.username or parts.password:
        raise DefinitionError(
            f"the URL of {parts.hostname!r} holds a user or password",
            why="a URL is shown in logs and errors",
            fix='headers={"Authorization": ps.secret("feed", "Bearer {}")}; for ps.git password=ps.secret("feed")',
        )
    return parts


def _template(text: str) -> PathTemplate | None:
    if not text:
        return None
    template = PathTemplate.parse(text)
    pieces = [piece for segment in template.segments for piece in segment.pieces]
    if any(segment.deep for segment in template.segments) or any(isinstance(piece, Anything) for piece in pieces):
        raise DefinitionError(
            f"to={text!r} stands for many places",
            why="only the time of a firing can fill it",
            fix="give every part a format: {time:%H%M}",
        )
    return template


def _size(number: int) -> int:
    if number <= 0:
        raise DefinitionError(f"max_bytes={number}", fix="a number of bytes above 0")
    return number


def _wait(seconds: float) -> float:
    if not 0 < seconds <= LONGEST_WAIT:
        raise DefinitionError(f"timeout={seconds}", fix=f"seconds, {LONGEST_WAIT} at most")
    return seconds
