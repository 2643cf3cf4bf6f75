"""Real processes of each system, killed with SIGKILL at every boundary, inside every stage and at random moments, and
started again.

Whenever everything has come to rest the tables must be exactly the oracle's, the row accounts must balance, and no
temporary file may be left. The long form (`make faults`) kills ten times at each place for each destination; it prints
its seed and what it counted. `PENSTOCK_SEED` repeats a seed, `PENSTOCK_KILLS` says how often.
"""

from __future__ import annotations

import os
import random
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import pytest
from tests.faults.children import Family, nursery
from tests.faults.kills import (
    ACCEPTING,
    ANY_MOMENT,
    FIRING,
    FLUSHING,
    HALFWAY,
    LAKE,
    POSTGRES,
    SENDING,
    WORKING,
    Kills,
    Story,
)
from tests.faults.test_place_kills import PLACES as OTHERS
from tests.faults.test_refusal_kills import PLACES as REFUSALS
from tests.faults.test_stream_kills import PLACES as STREAM
from tests.systems.all import SYSTEMS
from tests.systems.cafe import CAFE
from tests.systems.system import sources

from penstock.testing.histories import Deliver, Replay

pytestmark = pytest.mark.faults

SEED = int(os.environ.get("PENSTOCK_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
KILLS = int(os.environ.get("PENSTOCK_KILLS", "10"))
ROOT = Path(__file__).parents[2]
LEEDS = "landing/leeds_04-03-2024_1.csv"

PLACES = {
    "cafe": (*ACCEPTING, *WORKING),
    "checkins": (*ACCEPTING, *WORKING, *HALFWAY),
    "covid": (*FIRING, *WORKING),
    "taxis": (*SENDING, *FIRING, *FLUSHING, *ACCEPTING, *WORKING),
    "banking": (*ACCEPTING, *WORKING),
}
"""Where the processes of each system pass, beside those of its destination."""
RUNS = {"banking": 8, "taxis": 2}
"""How many runs one child may come to, any of which may be killed in the long form."""
SOME = 6
"""Places at work where the short form kills."""


def test_every_place_is_killed_at_and_told_of():
    source = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "src").rglob("*.py"))
    page = (ROOT / "docs" / "explanation" / "faults.md").read_text(encoding="utf-8")
    places = set(re.findall(r'\bpoint\("([^"]+)"\)', source))
    killed = {place for each in PLACES.values() for place in each}
    assert places == {*killed, *LAKE, *POSTGRES, "postgres.outcome_unknown", *STREAM, *OTHERS, *REFUSALS} - {ANY_MOMENT}
    assert places == set(re.findall(r"^\| `(\w+(?:\.\w+)?)` \|", page, re.MULTILINE))


@pytest.fixture
def children(monkeypatch):
    """Children that may die more often over one run than workers do."""
    for limit in ("PENSTOCK_RETRY_DEATHS", "PENSTOCK_RETRY_ATTEMPTS"):
        monkeypatch.setenv(limit, "1000")
    with nursery() as found:
        yield found


def nowhere():
    """No database is needed."""
    return nullcontext("")


class Stories:
    """Tells stories of one system: each has a project, and where it needs one a database, of its own."""

    def __init__(self, name, folder, children, outside, databases=nowhere, runs=1):
        self.system, self.folder, self.children = SYSTEMS[name], folder, children
        self.outside, self.databases, self.runs = outside, databases, runs

    def tell(self, kills, left, at_once):
        """Where children were killed."""
        with self.databases() as url:
            return self._story(kills, left, url, at_once).tell()

    def _story(self, kills, left, url, at_once):
        name, number = self.system.name, kills.stories
        self.outside.shown.clear()
        home = self.system.make(self.folder / f"{name}-{number}", url, lake=not url, feed=self.outside.url)
        family = Family(self.children, home, bulk=bool(url) and ("shadow" in left[0] or number % 2 == 1))
        scenario = self.system.short(kills.seed + number)
        return Story(family, scenario, left, kills.rng, at_once, self.runs, self.outside)


def short_form(name, folder, children, places):
    """A kill at each place, up to eight one after the other, before the last child may finish the work."""
    with sources() as outside:
        kills = Kills(Stories(name, folder, children, outside).tell, SEED)
        kills.kill(places, at_once=8)
    assert kills.counts == Counter(places)


def test_a_kill_at_each_place(children, tmp_path):
    short_form("cafe", tmp_path, children, (*PLACES["cafe"], *LAKE, ANY_MOMENT))


@pytest.mark.parametrize("name", [name for name in SYSTEMS if name != "cafe"])
def test_a_kill_at_some_places(children, tmp_path, name):
    """At all that the café does not pass, and at some that it does."""
    own = [place for place in PLACES[name] if place not in WORKING]
    some = random.Random(SEED).sample(WORKING, SOME)  # noqa: S311 - a test's dice
    short_form(name, tmp_path, children, (*own, *some))


def long_form(name, folder, children, outside, own, databases=nowhere):
    """What was counted."""
    kills = Kills(Stories(name, folder, children, outside, databases, RUNS.get(name, 1)).tell, SEED)
    kills.kill((*PLACES[name], *own), KILLS, at_once=3)
    kills.kill([ANY_MOMENT], 3 * KILLS, at_once=3)
    return kills.told(f"{name}, {'PostgreSQL' if own is POSTGRES else 'lake'}")


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", [name for name in SYSTEMS if name != "cafe"])
def test_many_kills_on_the_lake(children, tmp_path, name, capsys):
    with sources() as outside:
        told = long_form(name, tmp_path, children, outside, LAKE)
    with capsys.disabled():
        print(told)  # noqa: T201 - the counts are what it is for


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", ["cafe", "checkins"])
def test_many_kills_on_both_destinations(children, tmp_path, postgres_server, name, capsys):
    """On a core each."""
    with sources() as outside, nursery() as others, ThreadPoolExecutor(2) as pool:
        jobs = [
            pool.submit(long_form, name, tmp_path / "lake", children, outside, LAKE),
            pool.submit(long_form, name, tmp_path / "pg", others, outside, POSTGRES, postgres_server.database),
        ]
        told = [job.result() for job in jobs]
    with capsys.disabled():
        print(*told)  # noqa: T201 - the counts are what it is for


def test_a_replay_that_is_asked_for_again_is_sent_once(children, tmp_path):
    family, step = Family(children, CAFE.make(tmp_path / "cafe")), Replay(LEEDS, {1: {"total": "2.45"}})
    family.change(Deliver(LEEDS, b"04/03/2024 09:00,Leeds,Ada,Large Latte - 2.45,0.05,CASH,\n"))
    family.run("work")
    assert family.run("change", step=step, crash_at="claimed")
    family.run("change", step=step)
    family.oracle.add(step)
    family.rest("asked for twice")


def test_the_next_run_clears_up(children, tmp_path):
    family = Family(children, CAFE.make(tmp_path / "cafe"))
    family.change(Deliver(LEEDS, b"04/03/2024 09:00,Leeds,Ada,Large Latte - 2.45,2.45,CASH,\n"))
    assert family.run("work", crash_at="publish.after_record")
    assert list(family.home.folder.glob("staging/*/*"))
    family.run("work")
    assert not list(family.home.folder.glob("staging/*/*"))


@pytest.mark.parametrize("second", ["publish.after_record", "publish.released", "prepare.after_record"])
def test_what_an_abandoned_attempt_set_aside_goes_too(children, tmp_path, second):
    family = Family(children, CAFE.make(tmp_path / "cafe"))
    family.change(Deliver(LEEDS, b"04/03/2024 09:00,Leeds,Ada,Large Latte - 2.45,0.05,CASH,\n"))
    assert all(family.run("work", crash_at=place) for place in ("prepare.set_aside", second))
    family.rest(second)
