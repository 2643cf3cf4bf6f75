"""Crash points: places where a test may kill this process, to prove that what is left behind is whole."""

from __future__ import annotations

import os
import signal
from collections import Counter

VARIABLE = "PENSTOCK_CRASH_AT"
"""`name` kills the first passage of the point with that name, `name:3` the third."""

_passages: Counter[str] = Counter()


def point(name: str) -> None:
    """Do nothing, unless the environment names this point: then die at once, as the machine would."""
    wanted = os.environ.get(VARIABLE)
    if not wanted:
        return
    place, _, passage = wanted.partition(":")
    if place != name:
        return
    _passages[name] += 1
    if _passages[name] == int(passage or 1):
        os.kill(os.getpid(), signal.SIGKILL)
