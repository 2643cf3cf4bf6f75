"""The oracles are worth something: they catch each of these bugs."""

from __future__ import annotations

import pytest
from tests.faults import planted_elsewhere
from tests.faults.planted import BUGS
from tests.systems.all import SYSTEMS
from tests.systems.cafe import CAFE
from tests.systems.system import WAREHOUSE, machine_on, sources

from penstock.testing.histories import Deliver, Mismatch, Replay, Scenario, Settle, Withdraw, play

pytestmark = pytest.mark.faults

LEEDS, LONDON = "landing/leeds_04-03-2024_1.csv", "landing/london_04-03-2024_1.csv"
LATTE = b"04/03/2024 09:00,Leeds,Ada,Large Latte - 2.45,2.45,CASH,\n"
MOCHA = b"04/03/2024 09:01,Leeds,Bo,Large Mocha - 2.90,2.9,CARD,1234567890123456\n"
CHEAP = b"04/03/2024 09:02,Leeds,Bo,Large Mocha - 2.90,0.05,CASH,\n"

ORACLE_SAYS = r"rows (missing|too many)|must be|records (lost|doubled)"
"""Not only `verify`."""

STORY = Scenario(
    0,
    (
        Deliver(LEEDS, LATTE + LATTE + MOCHA),
        Settle(),
        Deliver(LONDON, LATTE + CHEAP),
        Settle(),
        Deliver(LEEDS, LATTE),
        Settle(),
        Replay(LONDON, {2: {"total": "2.90"}}),
        Settle(),
        Deliver(LEEDS, LATTE),
        Deliver(LONDON, b""),
        Settle(),
        Withdraw(LEEDS),
        Settle(),
    ),
)
"""A correction that drops the only sale of a product, a patch, a duplicate, a useless file, a withdrawal."""


@pytest.fixture
def cafe(tmp_path):
    return CAFE.make(tmp_path / "cafe")


def test_the_story_comes_out_right_without_a_bug(cafe):
    with machine_on(cafe) as machine:
        play(STORY, machine, cafe.oracle())


@pytest.mark.parametrize("bug", BUGS)
def test_the_oracle_catches(cafe, bug):
    with machine_on(cafe, BUGS[bug]) as machine, pytest.raises(Mismatch, match=ORACLE_SAYS):
        play(STORY, machine, cafe.oracle())


@pytest.mark.slow
@pytest.mark.parametrize("bug", BUGS)
def test_the_oracle_catches_on_postgres(tmp_path, postgres, monkeypatch, bug):
    monkeypatch.setenv(WAREHOUSE, postgres)
    cafe = CAFE.make(tmp_path / "cafe", postgres, lake=False)
    with machine_on(cafe, BUGS[bug]) as machine, pytest.raises(Mismatch, match=ORACLE_SAYS):
        play(STORY, machine, cafe.oracle())


ELSEWHERE = [(name, bug) for name, bugs in planted_elsewhere.BUGS.items() for bug in bugs]
HISTORIES = range(1, 6)
"""One of them comes by what is planted."""
NAMES = {
    name: f"landing/EXT_CLIENT/{name}_20220226.csv" for name in ("clients", "portfolios", "accounts", "transactions")
}
CLIENTS = b"record_id,first_name,last_name,client_reference,tax_free_allowance\n1,Ada,Gray,c1,10\n"
RENAMED = Scenario(
    0,
    (
        Deliver(NAMES["clients"], CLIENTS),
        Deliver(
            NAMES["portfolios"],
            b"record_id,account_number,portfolio_reference,client_reference,agent_code\n1,7,p1,c1,A",
        ),
        Deliver(NAMES["accounts"], b"record_id,account_number,cash_balance,currency,taxes_paid\n1,7,5.00,EUR,12.00"),
        Deliver(NAMES["transactions"], b"record_id,account_number,transaction_reference,amount,keyword\n"),
        Settle(),
        Deliver(NAMES["clients"], CLIENTS.replace(b"Ada", b"Zoe")),
        Settle(),
    ),
)
"""A correction of what nobody reads."""


@pytest.mark.parametrize(("name", "bug"), ELSEWHERE)
def test_the_oracles_of_the_other_systems_catch(tmp_path, name, bug):
    system, rig = SYSTEMS[name], planted_elsewhere.BUGS[name][bug]
    scenarios = [system.short(seed, length=30) for seed in HISTORIES]
    with pytest.raises(Mismatch, match=ORACLE_SAYS):
        all_played([RENAMED, *scenarios] if name == "banking" else scenarios, rig, system, tmp_path)


def all_played(scenarios, rig, system, folder):
    for scenario in scenarios:
        played(scenario, rig, system, folder / str(scenario.seed))


def played(scenario, rig, system, folder):
    with sources() as outside:
        home = system.make(folder, feed=outside.url)
        with machine_on(home, rig, outside) as machine:
            play(scenario, machine, home.oracle())


@pytest.mark.parametrize("name", planted_elsewhere.BUGS)
def test_the_same_history_comes_out_right_without_a_bug(tmp_path, name):
    system = SYSTEMS[name]
    played(system.short(HISTORIES[0], length=30), lambda _: None, system, tmp_path / name)


def test_a_correction_of_what_nobody_reads_comes_out_right_without_a_bug(tmp_path):
    played(RENAMED, lambda _: None, SYSTEMS["banking"], tmp_path / "banking")
