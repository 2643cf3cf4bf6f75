"""Names of workers: the machine, the process that answers for them, and their number in it."""

from __future__ import annotations

import os
import socket


def name_of_worker(serial: int = 0) -> str:
    """The name of this process's worker, or of one of those that it has started."""
    name = f"{socket.gethostname()}-{os.getpid()}"
    return f"{name}-{serial}" if serial else name


def is_gone(name: str) -> bool:
    """Whether the process that answers for a worker of this machine is there no more. Another machine's may be."""
    prefix = f"{socket.gethostname()}-"
    process = name.removeprefix(prefix).partition("-")[0]
    return name.startswith(prefix) and process.isdecimal() and not _is_there(int(process))


def _is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
