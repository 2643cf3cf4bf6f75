"""Seeded histories of deliveries, corrections, withdrawals, replays and deaths, each compared with the oracle.

A failure names its seed. `PENSTOCK_SEED` moves the first seed, so that a longer run sees other histories.
"""

from __future__ import annotations

import os

import pytest
from tests.faults.projects import WAREHOUSE, machine_on, make_cafe

from penstock.testing.scenarios import play, scenario

pytestmark = pytest.mark.faults

FIRST = int(os.environ.get("PENSTOCK_SEED", "1"))
FEW = range(FIRST, FIRST + 2)
MANY = range(FIRST, FIRST + 150)


def played(cafe, seed):
    with machine_on(cafe) as machine:
        told = play(scenario(seed), machine, cafe.key)
    assert told.slots


@pytest.mark.parametrize("seed", FEW)
def test_the_lake_holds_what_the_oracle_tells(tmp_path, seed):
    played(make_cafe(tmp_path / "cafe"), seed)


@pytest.mark.parametrize("seed", FEW)
def test_postgres_holds_what_the_oracle_tells(tmp_path, postgres, monkeypatch, seed):
    monkeypatch.setenv(WAREHOUSE, postgres)
    played(make_cafe(tmp_path / "cafe", postgres, lake=False), seed)


@pytest.mark.slow
def test_both_destinations_hold_the_same(tmp_path, postgres, monkeypatch):
    monkeypatch.setenv(WAREHOUSE, postgres)
    played(make_cafe(tmp_path / "cafe", postgres), FIRST)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_many_histories_on_the_lake(tmp_path):
    for seed in MANY:
        played(make_cafe(tmp_path / str(seed)), seed)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_many_histories_on_postgres(tmp_path, postgres_server, monkeypatch):
    for seed in MANY:
        with postgres_server.database() as url:
            monkeypatch.setenv(WAREHOUSE, url)
            played(make_cafe(tmp_path / str(seed), url, lake=False), seed)
