"""When to try again, and when to stop: pure functions of a run and its policy."""

from __future__ import annotations

from datetime import timedelta

from penstock.ledger.port import RetryPolicy
from penstock.model.rows import digest
from penstock.model.runs import Run

_MOST_DOUBLINGS = 60
"""More would not fit a number of seconds, and every policy has reached its longest wait long before."""


def tries(run: Run) -> int:
    """Attempts of the present round."""
    return run.attempt - run.first_attempt + 1


def spent(run: Run, policy: RetryPolicy) -> bool:
    """Whether no attempt is left."""
    return tries(run) >= policy.attempts


def delay(run: Run, policy: RetryPolicy) -> timedelta:
    """How long to wait after the present attempt of a run."""
    return pause(policy, tries(run), run.id, run.attempt)


def pause(policy: RetryPolicy, tries: int, name: str, attempt: int) -> timedelta:
    """How long to wait after so many tries: full jitter under an exponential ceiling.

    Full jitter spreads retries best: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/. It
    comes from the name of the work and its attempt, so that the decision can be repeated.
    """
    ceiling = policy.first.total_seconds() * 2 ** min(max(tries - 1, 0), _MOST_DOUBLINGS)
    return timedelta(seconds=min(policy.longest.total_seconds(), ceiling) * _fraction(name, attempt))


def _fraction(name: str, attempt: int) -> float:
    """Evenly spread over [0, 1)."""
    return int.from_bytes(digest("retry", name, str(attempt))[:6], "big") / 2**48
