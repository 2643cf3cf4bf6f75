"""Seeded histories of each system, of deliveries, corrections, withdrawals, replays and deaths, each compared with its
oracle.

A failure names its seed. `PENSTOCK_SEED` moves the first seed, so that a longer run sees other histories.
"""

from __future__ import annotations

import os

import pytest
from tests.systems.all import SYSTEMS
from tests.systems.cafe import CAFE
from tests.systems.covid import PARKING
from tests.systems.system import WAREHOUSE, machine_on, sources

from penstock.testing.histories import play

pytestmark = pytest.mark.faults

FIRST = int(os.environ.get("PENSTOCK_SEED", "1"))
FEW = range(FIRST, FIRST + 2)
MANY = range(FIRST, FIRST + 150)
LONG = {"banking": 40}
"""How many steps it takes until something comes of them, where that is more than usual."""


def played(system, seed, folder, url="", *, lake=True):
    with sources() as outside:
        home = system.make(folder, url, lake=lake, feed=outside.url)
        oracle = home.oracle()
        with machine_on(home, sources=outside) as machine:
            play(system.scenario(seed, length=LONG.get(system.name, 30)), machine, oracle)
    return oracle


@pytest.mark.parametrize("seed", FEW)
@pytest.mark.parametrize("name", SYSTEMS)
def test_the_lake_holds_what_the_oracle_tells(tmp_path, name, seed):
    played(SYSTEMS[name], seed, tmp_path / name)


@pytest.mark.parametrize("seed", FEW)
def test_a_day_is_parked_after_its_last_attempt(tmp_path, seed):
    played(PARKING, seed, tmp_path / "covid")


@pytest.mark.parametrize("name", ["cafe", "checkins"])
@pytest.mark.parametrize("seed", FEW)
def test_postgres_holds_what_the_oracle_tells(tmp_path, postgres, monkeypatch, name, seed):
    monkeypatch.setenv(WAREHOUSE, postgres)
    played(SYSTEMS[name], seed, tmp_path / name, postgres, lake=False)


@pytest.mark.slow
def test_both_destinations_hold_the_same(tmp_path, postgres, monkeypatch):
    monkeypatch.setenv(WAREHOUSE, postgres)
    played(CAFE, FIRST, tmp_path / "cafe", postgres)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", SYSTEMS)
def test_many_histories_on_the_lake(tmp_path, name):
    for seed in MANY:
        played(SYSTEMS[name], seed, tmp_path / str(seed))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", ["cafe", "checkins"])
def test_many_histories_on_postgres(tmp_path, postgres_server, monkeypatch, name):
    for seed in MANY:
        with postgres_server.database() as url:
            monkeypatch.setenv(WAREHOUSE, url)
            played(SYSTEMS[name], seed, tmp_path / str(seed), url, lake=False)
