"""Real processes, killed with SIGKILL at every boundary, inside every stage and at random moments, and started again.

After each kill the tables must be exactly the oracle's, the row accounts must balance, and no temporary file may be
left. The long form (`make faults`) kills ten times at each place for each destination; it prints its seed and what
it counted. `PENSTOCK_SEED` repeats a seed, `PENSTOCK_KILLS` says how often.
"""

from __future__ import annotations

import os
import random
import re
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pytest
from tests.faults.children import Family, nursery
from tests.faults.projects import make_cafe
from tests.faults.test_place_kills import PLACES as OTHERS
from tests.faults.test_refusal_kills import PLACES as REFUSALS
from tests.faults.test_stream_kills import PLACES as STREAM

from penstock.testing.exports import export
from penstock.testing.scenarios import Deliver, Reload, Replay, Withdraw

pytestmark = pytest.mark.faults

SEED = int(os.environ.get("PENSTOCK_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
KILLS = int(os.environ.get("PENSTOCK_KILLS", "10"))
MOST_STORIES = 6
"""How many stories may be told until a place has been passed once more."""

LEDGER = ("ledger.before_commit", "ledger.after_commit")
COMMON = (
    "accept.before_record",
    "accept.after_record",
    "claimed",
    "prepare.staged",
    "prepare.set_aside",
    "prepare.before_durable",
    "prepare.after_durable",
    "prepare.before_record",
    "prepare.after_record",
    "load.before",
    "load.after",
    "load.before_record",
    "load.after_record",
    "publish.before_record",
    "publish.after_record",
    "publish.released",
    *LEDGER,
)
LAKE = ("lake.table_kept", "lake.before_seal", "lake.sealed", "lake.before_flip", "lake.after_flip", "lake.collected")
POSTGRES = (
    "postgres.shadow_created",
    "postgres.shadow_filled",
    "postgres.erased",
    "postgres.copied",
    "postgres.before_commit",
    "postgres.after_commit",
)
ROOT = Path(__file__).parents[2]
ANY_MOMENT = "any moment"
OFTEN = dict.fromkeys(("prepare.staged", "lake.table_kept", "postgres.copied"), 4) | dict.fromkeys(LEDGER, 6)
"""Places that one run passes several times."""

LEEDS, ZURICH = "landing/leeds_04-03-2024_1.csv", "landing/zürich_04-03-2024_1.csv"
DAY = datetime(2024, 3, 4, 9)  # noqa: DTZ001 - tills print local time


class Story:
    """One project's life: two deliveries, a replay, a correction and a withdrawal, and everything once more."""

    def __init__(self, family, rng):
        self.family, self.rng = family, rng
        self.leeds, self.zurich = self._export("Leeds"), self._export("Zürich")

    def _export(self, branch):
        return export(self.rng, branch, DAY, self.rng.randrange(4, 12))

    def chapters(self):
        """Each makes changes, and names the change, if any, that is left to the child that may be killed."""
        family = self.family
        family.change(Deliver(LEEDS, self.leeds.data))
        family.change(Deliver(ZURICH, self.zurich.data))
        yield None
        waiting = family.history.told().slots[LEEDS].waiting
        edits = {line: edit for line, edit in self.leeds.edits.items() if line in waiting}
        if edits:
            yield Replay(LEEDS, edits)
        self.leeds = self._export("Leeds")
        family.change(Deliver(LEEDS, self.leeds.data))
        family.change(Withdraw(ZURICH))
        yield None
        family.change(Deliver(ZURICH, self.zurich.data))
        family.change(Reload(LEEDS))
        yield None

    def tell(self, places, at_once):
        """Which of the places children were killed at: in each chapter at most `at_once`, one after the other."""
        left = list(places)
        for number, step in enumerate(self.chapters()):
            killed = self._chapter(left[:at_once], step)
            left = [place for place in left if place not in killed]
            self.family.rest(f"seed {SEED}, chapter {number}, killed at {', '.join(killed)}")
            age_snapshots(self.family.cafe.folder)
        return [place for place in places if place not in left]

    def _chapter(self, places, step):
        """What has to be done, by as many children as it takes. Returns where they were killed."""
        before = self.family.generations(LEEDS)
        killed = []
        for place in places:
            act = {"act": "change", "step": step} if step and not killed else {"act": "work"}
            killed += [place] if self.family.run(**self._fate(place), **act) else []
        if step:
            self.family.run("recover_and_report")
            if self.family.generations(LEEDS) == before:
                self.family.run("change", step=step)
            self.family.history.add(step)
        return killed

    def _fate(self, place):
        if place == ANY_MOMENT:
            return {"kill_after": self.rng.uniform(0, 0.5)}
        return {"crash_at": f"{place}:{self.rng.randint(1, OFTEN.get(place, 1))}"}


def age_snapshots(folder):
    """Two hours pass for the lake's snapshots, so that the next load may collect what it has replaced."""
    long_ago = time.time() - 7200
    for manifest in folder.glob("curated/.snapshots/*/*/.manifest.json"):
        os.utime(manifest, (long_ago, long_ago))


class Crashes:
    """Kills at one destination, counted by place."""

    def __init__(self, nursery, folder, databases=None):
        self.nursery, self.folder, self.databases = nursery, folder, databases
        self.rng, self.counts, self.stories = random.Random(SEED), Counter(), 0  # noqa: S311 - a test's dice

    def kill(self, places, wanted, at_once=1):
        """Kill at each of the places until it has been done so often. One story, one set of tables."""
        left = [place for place in places for _ in range(wanted)]
        most = self.stories + MOST_STORIES * len(left)
        while left:
            assert self.stories < most, f"not passed: {sorted(set(left))}"
            for place in self._story(list(dict.fromkeys(left)), at_once):
                self.counts[place] += 1
                left.remove(place)

    def kill_often(self, own):
        """The long form."""
        self.kill((*COMMON, *own), KILLS)
        self.kill([ANY_MOMENT], 3 * KILLS)

    def _story(self, places, at_once):
        self.stories += 1
        folder = self.folder / str(self.stories)
        if self.databases is None:
            return Story(Family(self.nursery, make_cafe(folder)), self.rng).tell(places, at_once)
        with self.databases() as url:
            bulk = "shadow" in places[0] or self.stories % 2
            family = Family(self.nursery, make_cafe(folder, url, lake=False), url, bulk=bulk)
            return Story(family, self.rng).tell(places, at_once)

    def told(self, destination):
        lines = [f"{count:6} at {place}" for place, count in self.counts.items()]
        return "\n".join([f"\n{self.counts.total()} kills, {destination}, seed {SEED}:", *lines])


def test_every_place_is_killed_at_and_told_of():
    source = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "src").rglob("*.py"))
    page = (ROOT / "docs" / "explanation" / "faults.md").read_text(encoding="utf-8")
    places = set(re.findall(r'\bpoint\("([^"]+)"\)', source))
    assert places == {*COMMON, *LAKE, *POSTGRES, "postgres.outcome_unknown", *STREAM, *OTHERS, *REFUSALS} - {ANY_MOMENT}
    assert places == set(re.findall(r"^\| `(\w+(?:\.\w+)?)` \|", page, re.MULTILINE))


@pytest.fixture
def children(monkeypatch):
    """Children that may die more often over one run than workers do."""
    for limit in ("PENSTOCK_RETRY_DEATHS", "PENSTOCK_RETRY_ATTEMPTS"):
        monkeypatch.setenv(limit, "1000")
    with nursery() as found:
        yield found


def test_a_kill_at_each_place_on_the_lake(children, tmp_path):
    """Up to eight one after the other, before the last child may finish the work."""
    places = (*COMMON, *LAKE, ANY_MOMENT)
    crashes = Crashes(children, tmp_path)
    crashes.kill(places, 1, at_once=8)
    assert crashes.counts == Counter(places)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_many_kills(children, tmp_path, postgres_server, capsys):
    """Both destinations at once, on a core each."""
    with nursery() as others, ThreadPoolExecutor(2) as pool:
        lake = Crashes(children, tmp_path / "lake")
        postgres = Crashes(others, tmp_path / "postgres", postgres_server.database)
        jobs = [pool.submit(lake.kill_often, LAKE), pool.submit(postgres.kill_often, POSTGRES)]
        for job in jobs:
            job.result()
    with capsys.disabled():
        print(lake.told("lake"), postgres.told("PostgreSQL"))  # noqa: T201 - the counts are what it is for


def test_a_replay_that_is_asked_for_again_is_sent_once(children, tmp_path):
    family, step = Family(children, make_cafe(tmp_path / "cafe")), Replay(LEEDS, {1: {"total": "2.45"}})
    family.change(Deliver(LEEDS, b"04/03/2024 09:00,Leeds,Ada,Large Latte - 2.45,0.05,CASH,\n"))
    family.run("work")
    assert family.run("change", step=step, crash_at="claimed")
    family.run("change", step=step)
    family.history.add(step)
    family.rest("asked for twice")


def test_the_next_run_clears_up(children, tmp_path):
    family = Family(children, make_cafe(tmp_path / "cafe"))
    family.change(Deliver(LEEDS, b"04/03/2024 09:00,Leeds,Ada,Large Latte - 2.45,2.45,CASH,\n"))
    assert family.run("work", crash_at="publish.after_record")
    assert list(family.cafe.folder.glob("staging/*/*"))
    family.run("work")
    assert not list(family.cafe.folder.glob("staging/*/*"))


@pytest.mark.parametrize("second", ["publish.after_record", "publish.released", "prepare.after_record"])
def test_what_an_abandoned_attempt_set_aside_goes_too(children, tmp_path, second):
    family = Family(children, make_cafe(tmp_path / "cafe"))
    family.change(Deliver(LEEDS, b"04/03/2024 09:00,Leeds,Ada,Large Latte - 2.45,0.05,CASH,\n"))
    assert all(family.run("work", crash_at=place) for place in ("prepare.set_aside", second))
    family.rest(second)
