"""The oracle is worth something: it catches each of these bugs."""

from __future__ import annotations

import pytest
from tests.faults.planted import BUGS
from tests.faults.projects import WAREHOUSE, machine_on, make_cafe

from penstock.testing.scenarios import Deliver, Mismatch, Replay, Scenario, Settle, Withdraw, play

pytestmark = pytest.mark.faults

LEEDS, LONDON = "landing/leeds_04-03-2024_1.csv", "landing/london_04-03-2024_1.csv"
LATTE = b"04/03/2024 09:00,Leeds,Ada,Large Latte - 2.45,2.45,CASH,\n"
MOCHA = b"04/03/2024 09:01,Leeds,Bo,Large Mocha - 2.90,2.9,CARD,1234567890123456\n"
CHEAP = b"04/03/2024 09:02,Leeds,Bo,Large Mocha - 2.90,0.05,CASH,\n"

ORACLE_SAYS = r"rows (missing|too many)|must be"
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
    return make_cafe(tmp_path / "cafe")


def test_the_story_comes_out_right_without_a_bug(cafe):
    with machine_on(cafe) as machine:
        play(STORY, machine, cafe.key)


@pytest.mark.parametrize("bug", BUGS)
def test_the_oracle_catches(cafe, bug):
    with machine_on(cafe, BUGS[bug]) as machine, pytest.raises(Mismatch, match=ORACLE_SAYS):
        play(STORY, machine, cafe.key)


@pytest.mark.slow
@pytest.mark.parametrize("bug", BUGS)
def test_the_oracle_catches_on_postgres(tmp_path, postgres, monkeypatch, bug):
    monkeypatch.setenv(WAREHOUSE, postgres)
    cafe = make_cafe(tmp_path / "cafe", postgres, lake=False)
    with machine_on(cafe, BUGS[bug]) as machine, pytest.raises(Mismatch, match=ORACLE_SAYS):
        play(STORY, machine, cafe.key)
