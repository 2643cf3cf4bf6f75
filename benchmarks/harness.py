"""Commands measured side by side, in interleaved rounds.

Seconds differ from machine to machine and from minute to minute. A ratio to a neighbour of the same round does not:
a noisy moment slows both.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from benchmarks import processes
from benchmarks.environments import ROOT

OVER_MEMORY = "killed: over its memory limit"


BYTECODE = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(ROOT / "build" / "benchmarks" / "bytecode")}
"""An installed program has been compiled; one that is run from a checkout shall not be compiled anew at each start."""


@dataclass(frozen=True)
class Task:
    """One command line to measure, with what makes the ground ready before it and what proves its result after it.

    `proof` returns what is wrong with the result, "" for nothing. A command may print one JSON object as its last
    line; its numbers become the measurement's `figures`.
    """

    name: str
    command: Sequence[str | Path]
    ready: Callable[[], object] = lambda: None
    proof: Callable[[], str] = lambda: ""
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None
    memory_limit: int | None = None


@dataclass(frozen=True)
class Measurement:
    """One task in one round; seconds and bytes. `client` and `server` are processor time."""

    task: str
    round: int
    wall: float
    client: float = 0.0
    server: float = 0.0
    peak: int = 0
    wrong: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Bench:
    """Where tasks run and how closely they are watched."""

    logs: Path
    server: int
    report: Callable[[Measurement], None] = lambda _: None
    sampling: float = 0.05

    def run(self, tasks: Iterable[Task], rounds: int) -> list[Measurement]:
        """Every task once in each round, in the same order, so that neighbours share the machine's mood."""
        tasks = tuple(tasks)
        return [self.measure(task, number) for number in range(rounds) for task in tasks]

    def measure(self, task: Task, number: int) -> Measurement:
        task.ready()
        self.logs.mkdir(parents=True, exist_ok=True)
        log = self.logs / f"{_plain(task.name)}.{number}.log"
        measurement = self._timed(task, number, log)
        if not measurement.wrong:
            found = figures(log.read_text(errors="replace"))
            measurement = replace(measurement, wrong=task.proof(), figures=found)
        self.report(measurement)
        return measurement

    def _timed(self, task: Task, number: int, log: Path) -> Measurement:
        before = self._server_seconds()
        started = time.perf_counter()
        with log.open("wb") as output:
            child = _started(task, output)
        try:
            with processes.MemoryWatch(child.pid, every=self.sampling, limit=task.memory_limit) as memory:
                status, client = _waited(child)
                wall = time.perf_counter() - started
        finally:
            if child.returncode is None:
                processes.end(processes.tree(child.pid))
        wrong = OVER_MEMORY if memory.killed else _failure(status, log)
        return Measurement(task.name, number, wall, client, self._server_seconds() - before, memory.peak, wrong)

    def _server_seconds(self) -> float:
        time.sleep(0.15)  # the server counts a session's time when it has buried the session
        return processes.processor_seconds(self.server)


def _started(task: Task, output: BinaryIO) -> subprocess.Popen[bytes]:
    command = [str(part) for part in task.command]
    environment = {**os.environ, **BYTECODE, **task.environment}
    return subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment, cwd=task.folder)


def _waited(child: subprocess.Popen[bytes]) -> tuple[int, float]:
    """The exit code, with the processor time of the child and of all that it waited for (`wait()` does not tell)."""
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return child.returncode, used.ru_utime + used.ru_stime


def _failure(status: int, log: Path) -> str:
    return f"exit code {status}, see {log.name}" if status else ""


def _plain(name: str) -> str:
    return "_".join("".join(letter if letter.isalnum() else " " for letter in name).split())


def figures(output: str) -> dict[str, float]:
    """The numbers of the JSON object on a command's last line, nested ones by their dotted names."""
    last = output.rstrip().rpartition("\n")[2]
    try:
        found = json.loads(last)
    except ValueError:
        return {}
    return dict(_numbers(found, "")) if isinstance(found, dict) else {}


def _numbers(found: Mapping[str, object], prefix: str) -> Iterator[tuple[str, float]]:
    for name, value in found.items():
        if isinstance(value, dict):
            yield from _numbers(value, f"{prefix}{name}.")
        elif isinstance(value, int | float):
            yield f"{prefix}{name}", value
