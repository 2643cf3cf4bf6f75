"""A process that has everything imported and forks children on demand: a child costs milliseconds, not a second.

Reads pickled commands, answers pickled replies. Children are real processes that can really be killed: at a crash
point (`PENSTOCK_CRASH_AT`), or after a time.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import signal
import struct
import sys
import tempfile
import time
import traceback
from pathlib import Path

import duckdb  # noqa: F401 - what is imported here, no child has to import
import psycopg  # noqa: F401
from tests.faults.acts import ACTS

import penstock.adapters.duckdb.engine
import penstock.adapters.http
import penstock.adapters.lake.destination
import penstock.adapters.postgres
import penstock.adapters.sqlite
import penstock.adapters.sqlite.buffer
import penstock.compile.plan  # noqa: F401
from penstock.model import faults


def main():
    commands, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    while True:
        try:
            command = pickle.load(commands)  # noqa: S301 - our own parent writes it
        except EOFError:
            return
        pickle.dump(COMMANDS[command.pop("do")](**command), replies)
        replies.flush()


def start(act, environment, unprivileged=False, **options):
    """Fork a child; returns its id and where its answer will be. An unprivileged one is bound by mode bits like any
    user, even where it runs as root."""
    answer = tempfile.mktemp(prefix="penstock-answer-")  # noqa: S306 - nobody else writes here
    child = os.fork()
    if child == 0:
        _live(act, environment, options, Path(answer), unprivileged)
    return child, answer


def _live(act, environment, options, answer, unprivileged):
    status = 1
    try:
        if unprivileged:
            _give_up_capabilities()
        os.environ.clear()
        os.environ.update(environment)
        faults._passages.clear()
        answer.write_bytes(pickle.dumps(ACTS[act](**options)))
        status = 0
    except BaseException:  # noqa: BLE001 - nobody else will tell
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _give_up_capabilities():
    """capset(2), version 3: no capability is effective, permitted or inheritable."""
    header, nothing = struct.pack("Ii", 0x20080522, 0), bytes(24)
    if ctypes.CDLL(None, use_errno=True).capset(header, nothing):
        raise OSError(ctypes.get_errno(), "capset")


def wait(child, answer, kill_after=None):
    """The child's exit status (negative: the signal that ended it), its answer if it gave one, and its age."""
    began = time.monotonic()
    while True:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            break
        if kill_after is not None and time.monotonic() - began >= kill_after:
            os.kill(child, signal.SIGKILL)
            kill_after = None
        time.sleep(0.0005)
    path = Path(answer)
    given = pickle.loads(path.read_bytes()) if path.exists() and not status else None  # noqa: S301 - our own child wrote it
    path.unlink(missing_ok=True)
    return os.waitstatus_to_exitcode(status), given, time.monotonic() - began


COMMANDS = {"start": start, "wait": wait}

if __name__ == "__main__":
    main()
