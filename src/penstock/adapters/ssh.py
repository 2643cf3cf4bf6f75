"""Git over ssh: the machine's own `ssh` speaks. It asks nobody anything, and talks to no host that it cannot tell."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dulwich.client import SSHGitClient, SSHVendor, SubprocessWrapper
from dulwich.errors import GitProtocolError, HangupException

from penstock.authoring.origins import Git
from penstock.authoring.ssh import SshAddress
from penstock.errors import PenstockError, SetupError, SourceRefused, SourceUnavailable

MOST_SECONDS = 600.0
"""For how long one exchange may last: a server that says nothing more must not hold it up."""

ALIVE_SECONDS = 10
HOST = "declared"
"""The name of the host in a file of known hosts that holds the declared key only."""

# What `ssh` and git say on standard error, and what that means: the words themselves may hold addresses.
_REFUSALS = (
    ("identification has changed", "its host key is not the known one", "make sure who answers there; then host_key="),
    ("host key verification failed", "its host key is not known here", 'host_key="ssh-ed25519 AAAA…", or known_hosts'),
    ("no matching host key", "it has no host key of the declared type", "host_key= with another of its keys"),
    ("permission denied", "it does not let this key in", 'key=ps.secret("…"), or an ssh agent that holds another'),
    ("not appear to be a git repository", "there is no repository", "look at its address"),
    ("repository not found", "there is no repository, or the key may not read it", "look at its address"),
)  # fmt: skip
_OUTAGES = (
    ("could not resolve", "no such host"), ("connection refused", "no connection"),
    ("timed out", "nothing came in time"), ("no route", "no connection"), ("closed by", "it broke off"),
)  # fmt: skip


@contextmanager
def line(origin: Git, address: SshAddress, key: str | None, folder: Path) -> Iterator[SSHGitClient]:
    """A client; what it has started is ended with it. `folder` holds the key for as long."""
    if key is not None:
        _check(key, origin)
    vendor = _Vendor(_options(origin, key, folder))
    client = _Client(address.host, address.port, address.user, vendor=vendor, quiet=True)
    watch = threading.Timer(MOST_SECONDS, vendor.end)
    watch.daemon = True
    watch.start()
    try:
        yield client
    finally:
        watch.cancel()
        vendor.end()
        client.close()


def meaning(error: GitProtocolError, origin: Git) -> PenstockError:
    """What an exchange that broke off comes to."""
    lines = (error.stderr_lines or ()) if isinstance(error, HangupException) else ()
    said = f"{error} {b' '.join(lines).decode('utf-8', 'replace')}".lower()
    for words, why, fix in _REFUSALS:
        if words in said:
            return SourceRefused("the repository does not give what is read", at=origin.shown, why=why, fix=fix)
    why = next((text for words, text in _OUTAGES if words in said), "it broke off")
    return SourceUnavailable("the repository does not answer", at=origin.shown, why=why)


def _check(key: str, origin: Git) -> None:
    """Raise `SetupError` for what is no key: `ssh` would say no more than that it was not let in."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key

    load = load_ssh_private_key if "OPENSSH" in key.partition("\n")[0] else load_pem_private_key
    try:
        load(key.strip().encode() + b"\n", None)
    except UnsupportedAlgorithm:
        return  # of a kind that ssh may know
    except (ValueError, TypeError):
        name = origin.key.name if origin.key else ""
        raise SetupError(
            f"the secret {name!r} is no private key that can be used",
            at=origin.shown,
            fix=f"ssh-keygen -t ed25519 -N '' -f {name}   makes one without a passphrase",
        ) from None


class _Client(SSHGitClient):
    """Closes what the library leaves open when an exchange fails."""

    def _connect(self, *arguments: Any, **named: Any) -> Any:
        found = super()._connect(*arguments, **named)
        self._opened = [*getattr(self, "_opened", []), found[0]]
        return found

    def close(self) -> None:
        for protocol in getattr(self, "_opened", []):
            protocol.close()


class _Vendor(SSHVendor):
    """Starts `ssh`, without a shell."""

    def __init__(self, options: list[str]) -> None:
        self._options = options
        self._started: list[subprocess.Popen[bytes]] = []

    def run_command(
        self,
        host: str,
        command: bytes,
        username: str | None = None,
        port: int | None = None,
        *_arguments: object,
        **_named: object,
    ) -> SubprocessWrapper:
        place = ["-p", str(port)] if port else []
        words = ["ssh", *self._options, *place, "-l", username or "git", "--", host, os.fsdecode(command)]
        pipe = subprocess.PIPE
        try:
            process = subprocess.Popen(words, bufsize=0, stdin=pipe, stdout=pipe, stderr=pipe)  # noqa: S603
        except FileNotFoundError:
            raise SetupError(
                "a repository behind ssh needs the program ssh", fix="sudo apt install openssh-client"
            ) from None
        self._started.append(process)
        return SubprocessWrapper(process)

    def end(self) -> None:
        """End what still runs."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
                process.wait()


def _options(origin: Git, key: str | None, folder: Path) -> list[str]:
    wanted = {
        "BatchMode": "yes", "StrictHostKeyChecking": "yes", "UpdateHostKeys": "no", "ClearAllForwardings": "yes",
        "ConnectTimeout": str(max(1, round(origin.seconds))), "ServerAliveInterval": str(ALIVE_SECONDS),
        "RequestTTY": "no",
    }  # fmt: skip
    if origin.host_key:
        known = _kept(folder / "known_hosts", f"{HOST} {origin.host_key}\n")
        wanted |= {"UserKnownHostsFile": known, "GlobalKnownHostsFile": os.devnull, "HostKeyAlias": HOST}
    if key is not None:
        file = _kept(folder / "key", key.strip() + "\n")
        wanted |= {"IdentityFile": file, "IdentitiesOnly": "yes", "IdentityAgent": "none"}
    return [word for name, value in wanted.items() for word in ("-o", f"{name}={value}")]


def _kept(file: Path, text: str) -> str:
    """A file that only its owner may read."""
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(text)
    return str(file)
