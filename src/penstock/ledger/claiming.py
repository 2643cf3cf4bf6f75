"""What one run takes."""

from __future__ import annotations

from collections.abc import Iterable

from penstock.ledger.port import ClaimLimits
from penstock.model.slots import Generation, Kind


def choose(waiting: Iterable[Generation], limits: ClaimLimits) -> tuple[Generation, ...]:
    """The first of those that wait, as many as fit in one run, and always one.

    Withdrawals and everything else do not mix: the former begin at another stage. Neither do generations of different
    run times. Reads no further than it takes.
    """
    taken: list[Generation] = []
    room = limits.bytes
    for item in waiting:
        size = _size(item)
        fits = not taken or (size <= room and _alike(item, taken[0]))
        if len(taken) >= limits.generations or not fits:
            break
        taken.append(item)
        room -= size
    return tuple(taken)


def _alike(one: Generation, other: Generation) -> bool:
    return _withdraws(one) == _withdraws(other) and one.run_time == other.run_time


def _size(generation: Generation) -> int:
    """The bytes that a run must read for it."""
    return 0 if _withdraws(generation) or generation.content is None else generation.content.size


def _withdraws(generation: Generation) -> bool:
    return generation.kind is Kind.WITHDRAWAL
