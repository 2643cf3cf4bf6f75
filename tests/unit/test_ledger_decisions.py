"""The ledger's decisions, each a pure function."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import timedelta

import pytest

from penstock.errors import UsageError
from penstock.ledger import judging, transitions
from penstock.ledger.claiming import choose
from penstock.ledger.port import ClaimLimits, RetryPolicy
from penstock.ledger.retrying import delay, spent
from penstock.model.runs import Run, RunState, Stage
from penstock.model.slots import Content, Delivery, Generation, Kind, Member, Standing
from penstock.testing.clerk import BROKEN, LEASE, NOW, POLICY, content, result, slot

HALVES = ("cafe-2", "cafe-3")


def generation(name="a", number=1, **more):
    return replace(Generation(slot(name), number, Kind.DELIVERY, number, NOW, content("A")), **more)


def begun(names="ab", **more):
    run = transitions.begin("cafe-1", [generation(name) for name in names], "worker-1", NOW, LEASE)
    return replace(run, **more)


# --- judging -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tail", "delivery", "expected"),
    [
        ([], Delivery(slot("a"), content=content("A")), False),
        ([generation()], Delivery(slot("a"), content=content("A")), True),
        ([generation()], Delivery(slot("a"), content=content("B")), False),
        ([generation()], Delivery(slot("a"), kind=Kind.RELOAD, content=content("A")), False),
        ([generation(content=None)], Delivery(slot("a"), content=content("A")), False),
        ([generation(), generation(number=2, kind=Kind.PATCH)], Delivery(slot("a"), content=content("A")), True),
        ([generation(kind=Kind.WITHDRAWAL)], Delivery(slot("a"), content=content("A")), False),
        (
            [generation(kind=Kind.WITHDRAWAL, content=content("A", "v1"))],
            Delivery(slot("a"), content=content("A", "v1")),
            True,
        ),
        (
            [generation(kind=Kind.WITHDRAWAL, content=content("A", "v1"))],
            Delivery(slot("a"), content=content("A", "v2")),
            False,
        ),
    ],
)
def test_what_a_duplicate_is(tail, delivery, expected):
    assert judging.duplicate(delivery, tail) is expected


def test_a_hash_and_not_a_size_or_version_is_the_identity():
    tail = [generation(content=Content("same", 3, "v1"))]
    assert judging.duplicate(Delivery(slot("a"), content=Content("same", 4, "v2")), tail)
    assert not judging.duplicate(Delivery(slot("a"), content=Content("other", 3, "v1")), tail)


@pytest.mark.parametrize("standing", [item for item in Standing if item is not Standing.LOADED])
def test_only_what_is_loaded_can_be_patched(standing):
    with pytest.raises(UsageError):
        judging.next_generation(Delivery(slot("a"), kind=Kind.PATCH), [generation(standing=standing)], 2, NOW)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [(Kind.DELIVERY, [1, 2, 4]), (Kind.RELOAD, [1, 2, 4]), (Kind.WITHDRAWAL, [1, 2, 4]), (Kind.PATCH, [2, 4])],
)
def test_what_gives_way(kind, expected):
    tail = [
        generation(number=1),
        generation(number=2, standing=Standing.SUSPENDED, run="cafe-1"),
        generation(number=3, run="cafe-2"),
        generation(number=4, standing=Standing.DEAD, run="cafe-3"),
        generation(number=5, standing=Standing.LOADED, run="cafe-4"),
        generation(number=6, standing=Standing.REFUSED, run="cafe-5"),
    ]
    assert [item.number for item in judging.superseded(tail, kind)] == expected


# --- claiming ----------------------------------------------------------------------------------------------------


def sized(*sizes):
    return [generation(f"f{place}", content=Content("x", size)) for place, size in enumerate(sizes)]


@pytest.mark.parametrize(
    ("sizes", "limits", "taken"),
    [
        ([], ClaimLimits(), 0),
        ([1, 1, 1], ClaimLimits(generations=2), 2),
        ([5, 5, 1], ClaimLimits(bytes=10), 2),
        ([5, 6, 1], ClaimLimits(bytes=10), 1),
        ([50, 1], ClaimLimits(bytes=10), 1),
        ([1, 50], ClaimLimits(bytes=10), 1),
        ([0, 0, 0], ClaimLimits(bytes=0), 3),
    ],
)
def test_how_much_one_run_takes(sizes, limits, taken):
    assert choose(iter(sized(*sizes)), limits) == tuple(sized(*sizes)[:taken])


def test_no_more_is_read_than_is_taken():
    waiting = iter(sized(1, 1, 1, 1, 1))
    choose(waiting, ClaimLimits(generations=2))
    assert len(list(waiting)) == 2


# --- retrying ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("attempt", [1, 2, 3, 4, 10, 5000])
def test_a_delay_has_an_exponential_ceiling_and_a_longest(attempt):
    policy = RetryPolicy(first=timedelta(seconds=1), longest=timedelta(seconds=5))
    waits = [delay(begun(id=f"cafe-{number}", attempt=attempt), policy) for number in range(200)]
    ceiling = timedelta(seconds=min(5, 2 ** min(attempt - 1, 9)))
    assert timedelta() <= min(waits) < ceiling / 10
    assert ceiling * 9 / 10 < max(waits) < ceiling


def test_a_delay_can_be_computed_again():
    assert delay(begun(attempt=3), POLICY) == delay(begun(attempt=3), POLICY)
    assert delay(begun(attempt=3), POLICY) != delay(begun(attempt=3, id="cafe-9"), POLICY)


def test_a_new_round_has_all_attempts_and_short_waits_again():
    run = begun(attempt=7, first_attempt=7)
    assert not spent(run, POLICY)
    assert delay(run, POLICY) < POLICY.first
    assert spent(begun(attempt=9, first_attempt=7), POLICY)


# --- transitions -------------------------------------------------------------------------------------------------


def test_standing_otherwise_changes_nothing_else():
    """`standing_at` is written out for speed: a field that it forgot would be lost."""
    full = Generation(
        slot("a"), 2, Kind.PATCH, 9, NOW, content("A"), {"branch": "leeds"}, "replay", "f1", True, (3,), "fixes/1", 1,
        Standing.PREPARED, "cafe-7", (Member("cases", "landing/a.csv", content("A")),), NOW,
    )  # fmt: skip
    assert all(getattr(full, item.name) != item.default for item in fields(full))
    changed = transitions.standing_at(full, Standing.LOADED, "cafe-8")
    assert changed == replace(full, standing=Standing.LOADED, run="cafe-8")


def test_halves_differ_by_one_at_most_and_keep_the_order():
    ended, left, right = transitions.bisect(begun("abcde"), BROKEN, NOW, HALVES)
    assert [item.slot for half in (left, right) for item in half.generations] == [
        item.slot for item in ended.generations
    ]
    assert (len(left.generations), len(right.generations)) == (3, 2)
    assert {item.run for item in ended.generations} == set(HALVES)


def test_what_fails_for_good_alone_is_dead_and_not_bisected():
    (run,) = transitions.fail(begun("a"), BROKEN, NOW, POLICY, HALVES, retry=False)
    assert (run.state, run.generations[0].standing) == (RunState.DEAD, Standing.DEAD)


def test_an_outage_bisects_nothing():
    (run,) = transitions.fail(begun(attempt=POLICY.attempts), BROKEN, NOW, POLICY, HALVES, retry=True)
    assert run.state is RunState.DEAD


@pytest.mark.parametrize(("deaths", "runs"), [(0, 1), (1, 3)])
def test_as_many_workers_may_vanish_as_the_policy_says(deaths, runs):
    assert len(transitions.expire(begun(deaths=deaths), POLICY, NOW, HALVES)) == runs


def test_a_worker_that_vanishes_while_it_publishes_kills_nothing():
    run = transitions.load(transitions.prepare(begun(), NOW, [result(item) for item in begun().open], [], "f"), [])
    (after,) = transitions.expire(replace(run, deaths=5), POLICY, NOW, HALVES)
    assert (after.state, after.stage) == (RunState.RUNNING, Stage.PUBLISH)


@pytest.mark.parametrize(
    ("ends", "state"),
    [
        ("loaded loaded", RunState.SUCCEEDED),
        ("loaded superseded", RunState.SUCCEEDED),
        ("loaded refused", RunState.PARTIAL),
        ("loaded suspended", RunState.PARTIAL),
        ("loaded dropped", RunState.PARTIAL),
        ("loaded dead", RunState.DEAD),
        ("suspended refused", RunState.SUSPENDED),
        ("stopped refused", RunState.FAILED),
        ("superseded superseded", RunState.FAILED),
        ("dead suspended", RunState.DEAD),
    ],
)
def test_how_a_run_ends(ends, state):
    run = begun()
    stands = zip(run.generations, ends.split(), strict=True)
    assert (
        transitions.verdict(
            replace(run, generations=tuple(replace(item, standing=Standing(end)) for item, end in stands))
        )
        is state
    )


def test_a_bisected_run_is_judged_by_what_stayed_with_it():
    ended, *_ = transitions.bisect(begun(), BROKEN, NOW, HALVES)
    loaded = tuple(replace(item, standing=Standing.LOADED) for item in ended.generations)
    assert transitions.verdict(replace(ended, generations=loaded)) is RunState.FAILED


def test_a_run_cannot_be_prepared_twice_over():
    run: Run = transitions.prepare(begun(), NOW, [result(item) for item in begun().open], [], "f")
    with pytest.raises(UsageError):
        transitions.prepare(run, NOW, [], [], "f")
