"""Addresses of repositories behind ssh: `ssh://git@host:22/path`, or `git@host:path` as git writes it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from penstock.errors import DefinitionError

_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_SHORT = re.compile(r"(?:([^@/:]+)@)?(\[[^\]/]+\]|[^@/:\[\]]{2,}):(?!//)(.+)")
_HOST_KEY = re.compile(r"(?:ssh|ecdsa|sk)-[a-z0-9@.-]+ [A-Za-z0-9+/]{40,}={0,3}")


@dataclass(frozen=True, slots=True)
class SshAddress:
    """Where a repository is, and as whom it is asked for."""

    host: str
    path: str
    """From the root where it begins with a slash, otherwise from the user's home."""
    user: str = "git"
    port: int | None = None


def ssh_address(repository: str, user: str) -> SshAddress | None:
    """The address; None for one of another kind. Raises `DefinitionError` for one that cannot be used."""
    if repository.lower().startswith("ssh://"):
        parts = urlsplit(repository)
        if parts.password is not None:
            raise DefinitionError(
                f"the URL of {parts.hostname!r} holds a password",
                why="a URL is shown in logs and errors, and ssh knows keys",
                fix='ps.git("ssh://git@host/path", …, key=ps.secret("deploy_key"))',
            )
        return _checked(repository, unquote(parts.username or user), parts.hostname or "", parts.path, parts.port)
    match = _SHORT.fullmatch(repository)
    return _checked(repository, match[1] or user, match[2], match[3]) if match else None


def checked_host_key(text: str) -> str:
    """A public key as `ssh-keyscan` prints it, without the host. Raises `DefinitionError`."""
    if not _HOST_KEY.fullmatch(text):
        raise DefinitionError(
            "a host_key is not one", fix='"ssh-ed25519 AAAAC3…": two words of what ssh-keyscan HOST prints'
        )
    return text


def _checked(repository: str, user: str, host: str, path: str, port: int | None = None) -> SshAddress:
    if not _HOST.fullmatch(host) or not _USER.fullmatch(user) or not path.strip("/") or "\0" in path:
        raise DefinitionError(f"repository {repository!r} is not usable", fix="ssh://git@host/path, or git@host:path")
    return SshAddress(host.strip("[]"), path, user, port)
