"""Children from the nursery, and a project that lives in them as a system that scenarios are played on."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from tests.faults.acts import BULK
from tests.faults.projects import environment

from penstock.model.faults import VARIABLE
from penstock.testing.machine import write
from penstock.testing.scenarios import Deliver, History, compare

ROOT = Path(__file__).parents[2]
KILLED = -signal.SIGKILL


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

    def run(self, act, told, *, kill_after=None, **options):
        """(exit status, answer, seconds, process id)"""
        child = self.start(act, told, **options)
        return *self.wait(child, kill_after), child[0]


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
    """A café project whose work is done by children, one after the other, each of which may be killed."""

    def __init__(self, nursery, cafe, url="", *, bulk=False):
        self.nursery, self.cafe = nursery, cafe
        self.environment = environment(url) | ({BULK: "1"} if bulk else {})
        self.dead, self.history, self._report = [], History(), None

    def run(self, act, *, crash_at="", kill_after=None, **options):
        """Whether the child was killed."""
        told = self.environment | ({VARIABLE: crash_at} if crash_at else {})
        options |= {"folder": str(self.cafe.folder), "dead": tuple(self.dead)}
        status, answer, _, child = self.nursery.run(act, told, kill_after=kill_after, **options)
        if status == KILLED:
            self.dead.append(child)
            return True
        assert status == 0, f"{act} ended with {status}"
        self._report = answer or self._report
        return False

    def generations(self, address):
        """How many there were at the last report."""
        account = self._report[0].slots.get(address) if self._report else None
        return account.generations if account else 0

    def change(self, step, **fate):
        """A change in a child of its own, or, where a sender only writes a file, without one."""
        self.history.add(step)
        if isinstance(step, Deliver):
            write(self.cafe.folder / step.address, step.data)
            return False
        return self.run("change", step=step, **fate)

    def rest(self, where):
        """Everything comes to rest, and the oracle agrees."""
        assert not self.run("recover_and_report")
        self.dead.clear()
        compare(self.history.told(self.cafe.key), self, where)

    def told(self):
        return self._report[0]

    def faults(self):
        return self._report[1]
