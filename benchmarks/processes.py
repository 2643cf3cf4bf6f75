"""What the kernel says about processes: who belongs to whom, how much memory, how much processor time.

Only Linux tells; elsewhere the figures are zero and the benchmark still measures time.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Self

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")


def tree(root: int) -> list[int]:
    """A process and everything that it started, directly or not."""
    found = [root]
    for process in found:
        found.extend(_children(process))
    return found


def _children(process: int) -> Iterator[int]:
    # Children belong to the thread that started them, so each thread is asked.
    with suppress(OSError):
        for thread in (PROC / str(process) / "task").iterdir():
            for child in (thread / "children").read_text().split():
                yield int(child)


def own_memory(process: int) -> int:
    """Anonymous and shared memory in bytes: what a container's limit counts and cannot drop, unlike cached files."""
    total = 0
    with suppress(OSError):
        for line in (PROC / str(process) / "status").read_text().splitlines():
            if line.startswith(("RssAnon", "RssShmem")):
                total += int(line.split()[1]) * 1024
    return total


def processor_seconds(root: int) -> float:
    """User and system time of a process, its living children, and the children that it has buried."""
    own = _times(root)
    return (sum(own) + sum(sum(_times(child)[:2]) for child in _children(root))) / TICKS


def _times(process: int) -> list[int]:
    with suppress(OSError):
        fields = (PROC / str(process) / "stat").read_text().rpartition(")")[2].split()
        return [int(field) for field in fields[11:15]]
    return [0, 0, 0, 0]


class MemoryWatch:
    """Samples the memory of a process tree until it is closed; kills it when it passes the limit.

    A stand-in for a container's limit on machines where a benchmark may not make containers.
    """

    def __init__(self, root: int, *, every: float, limit: int | None = None) -> None:
        self.peak = 0
        self.killed = False
        self._root, self._every, self._limit = root, every, limit
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._closed.wait(self._every):
            processes = tree(self._root)
            self.peak = max(self.peak, sum(map(own_memory, processes)))
            if self._limit and self.peak > self._limit and not self.killed:
                self.killed = True
                end(processes)


def end(processes: list[int]) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
