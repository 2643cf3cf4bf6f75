"""The ledger among real processes: who holds it, and what is lost when the holder is killed while others call."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from penstock.adapters.sqlite import SqliteLedger
from penstock.model.slots import Kind, Slot
from penstock.testing.clerk import NOW

pytestmark = pytest.mark.faults

SOURCE = Path(__file__).parents[2] / "src"

# Delivers files and asks for reloads, one after another, and says what it was told was done.
CALLER = """
import sys
from pathlib import Path
from penstock.adapters.sqlite import SqliteLedger, open_ledger
from penstock.model.slots import Content, Delivery, Kind, Slot
from penstock.testing.clerk import NOW

name, folder, times = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
with open_ledger(folder, patience=20) as ledger:
    print("holder" if isinstance(ledger, SqliteLedger) else "caller", flush=True)
    sys.stdin.readline()
    for number in range(times):
        file = Delivery(Slot("cafe", f"landing/{name}-{number}.csv"), content=Content(f"{name}-{number}", 3))
        ledger.accept([file], NOW)
        print("file", number, flush=True)
        again = Delivery(Slot("cafe", f"landing/{name}.csv"), kind=Kind.RELOAD, content=Content(name, 3))
        ledger.accept([again], NOW)
        print("reload", number, flush=True)
    print("done", flush=True)
    sys.stdin.readline()
"""


class Caller:
    """A process that opens the ledger, waits for a word, calls, and waits for another word."""

    def __init__(self, name, folder, times=100):
        self.name = name
        self.process = subprocess.Popen(
            [sys.executable, "-c", CALLER, name, folder, str(times)],
            env={**os.environ, "PYTHONPATH": str(SOURCE)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def word(self):
        return self.process.stdout.readline().strip()

    def go(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)

    def end(self):
        """What it was told until now, and how it ended."""
        told, _ = self.process.communicate("end\n", timeout=60)
        return told.split("\n"), self.process.returncode


@pytest.fixture
def callers(tmp_path):
    started = []

    def start(*names, **options):
        new = [Caller(name, tmp_path, **options) for name in names]
        started.extend(new)
        return new

    yield start
    for caller in started:
        caller.process.kill()
        caller.process.wait()
        caller.process.stdin.close()
        caller.process.stdout.close()


def told(lines, kind):
    return sum(line.startswith(kind) for line in lines)


def test_of_all_who_open_at_once_one_holds(callers, tmp_path):
    racers = callers("a", "b", "c", "d", times=20)
    assert sorted(racer.word() for racer in racers) == ["caller", "caller", "caller", "holder"]
    for racer in racers:
        racer.go()
    while racers:
        racers = [racer for racer in racers if racer.word() != "done"]
    with pytest.raises(BlockingIOError):
        _lock(tmp_path)


def _lock(folder):
    import fcntl

    with (folder / "ledger.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_nothing_is_lost_and_nothing_done_twice_when_holders_are_killed(callers, tmp_path):
    """First the holder, then one of those who may have taken its place, all in the middle of their calls."""
    (holder,) = callers("holder", times=100_000)
    assert holder.word() == "holder"
    others = callers("a", "b", times=150) + callers("c", times=100_000)
    assert [other.word() for other in others] == ["caller"] * 3
    for caller in (holder, *others):
        caller.go()
    for caller in (holder, *others):
        assert caller.word() == "file 0"
    ends = {}
    for victim in (holder, others.pop()):
        time.sleep(0.05)
        victim.kill()
        ends[victim.name], status = victim.end()
        assert status == -signal.SIGKILL
    ends |= {other.name: _finish(other) for other in others}
    with SqliteLedger(tmp_path / "ledger.db") as ledger:
        for name, lines in ends.items():
            killed = "done" not in lines
            files = [slot for slot in ledger.slots("cafe") if slot.address.startswith(f"landing/{name}-")]
            reloads = ledger.history(Slot("cafe", f"landing/{name}.csv"))
            assert {len(ledger.history(slot)) for slot in files} == {1}
            assert len(files) - 1 - told(lines, "file") in ((0, 1) if killed else (0,))
            assert len(reloads) - told(lines, "reload") in ((0, 1) if killed else (0,))
            assert {item.kind for item in reloads} == {Kind.RELOAD}
        events = ledger.events(limit=1_000_000)
        assert [event.sequence for event in events] == list(range(1, len(events) + 1))


def _finish(caller):
    lines, status = caller.end()
    assert status == 0
    assert "done" in lines
    return lines


def test_a_killed_holder_leaves_a_ledger_that_the_next_one_opens(callers, tmp_path):
    for _ in range(3):
        (holder,) = callers("a", times=100_000)
        assert holder.word() == "holder"
        holder.go()
        holder.word()
        holder.kill()
        holder.end()
    with SqliteLedger(tmp_path / "ledger.db") as ledger:
        assert ledger.store._writer.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert ledger.claim("worker-1", NOW) is not None
