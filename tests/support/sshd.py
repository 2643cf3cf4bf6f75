"""A real sshd on loopback, that lets in whoever runs the test with one key."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
NEEDED = {"sshd": SSHD, **{name: shutil.which(name) for name in ("ssh", "ssh-keygen", "git")}}
MISSING = ", ".join(name for name, place in NEEDED.items() if place is None)
SEPARATION = Path("/run/sshd")
"""Where sshd of root insists on a folder of its own."""

CONFIG = """
HostKey {folder}/host
AuthorizedKeysFile {folder}/client.pub
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
"""


@dataclass(frozen=True)
class Host:
    """Where it listens, and what opens it."""

    port: int
    user: str
    key: Path
    host_key: str

    def url(self, repository: Path) -> str:
        return f"ssh://{self.user}@127.0.0.1:{self.port}{repository}"


def new_key(file: Path, passphrase: str = "") -> Path:
    """A key of one's own, and its public half beside it."""
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", str(file)]
    subprocess.run(words, check=True, timeout=60)
    return file


@contextmanager
def sshd(folder: Path) -> Iterator[Host]:
    """Each connection has a process of its own, as inetd would start it: nobody looks for a free port twice."""
    host, client = new_key(folder / "host"), new_key(folder / "client")
    config = folder / "sshd_config"
    config.write_text(CONFIG.format(folder=folder))
    made = os.getuid() == 0 and not SEPARATION.exists()
    if made:
        SEPARATION.mkdir(mode=0o755)
    listening = socket.create_server(("127.0.0.1", 0))
    processes: list[subprocess.Popen[bytes]] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                words = [str(SSHD), "-i", "-f", str(config), "-E", str(folder / "log")]
                processes.append(subprocess.Popen(words, stdin=connection, stdout=connection))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    public = " ".join(host.with_suffix(".pub").read_text().split()[:2])
    try:
        yield Host(listening.getsockname()[1], getpass.getuser(), client, public)
    finally:
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()
        if made:
            SEPARATION.rmdir()
