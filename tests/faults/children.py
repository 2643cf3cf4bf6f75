"""Children from the nursery, and a project that lives in them as a system that scenarios are played on."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from tests.faults.acts import BULK
from tests.systems.system import WAREHOUSE

from penstock.model.faults import VARIABLE
from penstock.testing.histories import Deliver, compare
from penstock.testing.machine import write

ROOT = Path(__file__).parents[2]
KILLED = -signal.SIGKILL
SETTINGS = {"PENSTOCK_THREADS": "1"}


class Nursery:
    """Starts children and waits for them."""

    def __init__(self, process):
        self._process = process

    def _ask(self, **command):
        pickle.dump(command, self._process.stdin)
        self._process.stdin.flush()
        return pickle.load(self._process.stdout)  # noqa: S301 - our own child writes it

    def start(self, act, told, **options):
        return self._ask(do="start", act=act, environment=told, **options)

    def wait(self, child, kill_after=None):
        return self._ask(do="wait", child=child[0], answer=child[1], kill_after=kill_after)


@contextmanager
def nursery():
    """A nursery that ends with its block."""
    told = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-m", "tests.faults.nursery"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=told, cwd=ROOT) as process:
        yield Nursery(process)
        process.stdin.close()
        process.wait(30)


class Family:
    """A project whose work is done by children, one after the other, each of which may be killed."""

    def __init__(self, nursery, home, *, bulk=False):
        self.nursery, self.home = nursery, home
        self.environment = {**os.environ, **SETTINGS, **({WAREHOUSE: home.url} if home.url else {})}
        self.environment |= {BULK: "1"} if bulk else {}
        self.oracle, self._report = home.oracle(), None

    def start(self, act, *, crash_at="", **options):
        told = self.environment | ({VARIABLE: crash_at} if crash_at else {})
        return self.nursery.start(act, told, folder=str(self.home.folder), **options)

    def run(self, act, *, kill_after=None, **options):
        """Whether the child was killed."""
        return self.end(self.start(act, **options), act, kill_after)

    def end(self, started, act, kill_after=None):
        """Wait for a child: whether it was killed."""
        status, answer, _ = self.nursery.wait(started, kill_after)
        if status == KILLED:
            return True
        assert status == 0, f"{act} ended with {status}"
        self._report = answer or self._report
        return False

    def look(self):
        """Every run's state and error code, newest first; how much is left to do."""
        return self.ask("look")

    def ask(self, act, **options):
        """What a child finds out that changes nothing."""
        return self.nursery.wait(self.start(act, **options))[1]

    def change(self, step, **fate):
        """A change in a child of its own, or, where a sender only writes a file, without one."""
        self.oracle.add(step)
        if isinstance(step, Deliver):
            write(self.home.folder / step.address, step.data)
            return False
        return self.run("change", step=step, **fate)

    def rest(self, where):
        """Everything comes to rest, and the oracle agrees."""
        assert not self.run("recover_and_report", system=self.home.system.name)
        compare(self.oracle, self, where)

    def told(self):
        return self._report[0]

    def faults(self):
        return self._report[1]


class Service:
    """A supervisor in a child of its own."""

    def __init__(self, family, act, **options):
        self.family, self.act = family, act
        folder = family.home.folder / ".penstock"
        folder.mkdir(exist_ok=True)
        self._until, self._journal = folder / "enough", folder / "journal"
        self._child = family.start(act, until=str(self._until), journal=str(self._journal), **options)

    def told(self):
        """The actions and error codes that it has logged."""
        return self._journal.read_text().splitlines() if self._journal.exists() else []

    def stop(self):
        """It must end well."""
        self._until.touch()
        assert not self.family.end(self._child, self.act)
        self._until.unlink()
        self._journal.unlink()


@contextmanager
def serving(family, act="serve", **options):
    """A service for as long as the block lasts."""
    service = Service(family, act, **options)
    try:
        yield service
    finally:
        service.stop()


def eventually(look, right, seconds=30):
    """What is seen once it is right. Fails with what was seen last."""
    deadline = time.monotonic() + seconds
    while not right(seen := look()):
        assert time.monotonic() < deadline, seen
        time.sleep(0.05)
    return seen
