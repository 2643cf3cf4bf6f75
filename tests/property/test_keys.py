"""Whatever order the files of two keys come in, however often, and whenever somebody works or dies: the tables are what
the newest files come to."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from penstock.model.slots import Delivery, Kind, Slot
from penstock.testing.machine import PATIENT
from penstock.testing.tripwires import Died, Trap, Wired
from penstock.wiring.local import open_project

PIPELINES = """
import penstock as ps

joined = ps.Pipeline(
    "joined",
    trigger=ps.upload(left="landing/{key}/left.csv", right="landing/{key}/right.csv"),
    sources={side: ps.csv(columns={"id": "INTEGER", "value": "INTEGER"}) for side in ("left", "right")},
    parts={"key": "VARCHAR"},
)
joined.matched("left", in_="right", on="id", attempts=1000)
joined.sql("pairs", "SELECT key, id, l.value AS l, r.value AS r FROM \\"left\\" l JOIN \\"right\\" r USING (key, id)")
joined.load("pairs", to=ps.lake())

summed = ps.Pipeline("summed", trigger=ps.ready(by=["key"]), source=ps.table("pairs"))
summed.sql("sums", "SELECT key, count(*) AS pairs, sum(l * r) AS product FROM source GROUP BY ALL")
summed.load("sums", to=ps.lake())
"""
KEYS, SIDES = ("a", "b"), ("left", "right")
CALLS = ("ledger.mark", "ledger.claim", "ledger.prepared", "ledger.loaded", "ledger.published")


class World:
    """A project, and the files as they were last delivered."""

    def __init__(self, folder, rng):
        self.folder, self.rng, self.trap = folder, rng, Trap()
        self.files: dict[tuple[str, str], dict[int, int]] = {}
        self.withdrawn: set[str] = set()

    def deliver(self):
        key, side = self.rng.choice(KEYS), self.rng.choice(SIDES)
        if self.rng.random() < 0.8 or (key, side) not in self.files:
            ids = self.rng.sample(range(6), self.rng.randrange(1, 6))
            self.files[key, side] = {number: self.rng.randrange(1, 4) for number in ids}
        self.withdrawn.discard(key)  # a file that is written again comes back, though it be the same
        rows = "".join(f"{number},{value}\n" for number, value in sorted(self.files[key, side].items()))
        path = self.folder / f"landing/{key}/{side}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".part")
        draft.write_text(f"id,value\n{rows}")
        draft.replace(path)

    def work(self):
        """Work until nothing is left, or until this process dies."""
        self._inside(lambda project: project.work_until_idle())

    def die(self):
        self.trap.set(self.rng.choice(CALLS), after=self.rng.random() < 0.5)
        self.work()
        self.trap.clear()

    def withdraw(self):
        self.work()
        key = self.rng.choice(KEYS)
        if all((key, side) in self.files for side in SIDES) and key not in self.withdrawn:
            slot = Slot("joined", f"key/key={key}")
            self._inside(lambda project: project.ledger.accept([Delivery(slot, Kind.WITHDRAWAL)], project.clock()))
            self.withdrawn.add(key)

    def _inside(self, act):
        with open_project(self.folder) as project:
            project.ledger = Wired(project.ledger, "ledger", self.trap)
            project.equipment = replace(project.equipment, policy=PATIENT)
            for run in project.ledger.runs():  # whoever held one before is dead
                project.ledger.bury(run.worker, project.clock())
            try:
                act(project)
            except Died:
                return

    def expected(self):
        pairs = []
        for key in KEYS:
            left, right = (self.files.get((key, side), {}) for side in SIDES)
            if key not in self.withdrawn:
                pairs += [(key, number, left[number], right[number]) for number in left if number in right]
        sums = [
            (key, len(mine), sum(row[2] * row[3] for row in mine))
            for key in KEYS
            if (mine := [row for row in pairs if row[0] == key])
        ]
        return sorted(pairs), sorted(sums)

    def found(self):
        with open_project(self.folder) as project:
            if len(self.files) < 2 or not project.ledger.slots("joined"):
                return [], []
            tables = [
                sorted(tuple(map(_plain, row)) for row in project.query(f"SELECT * EXCLUDE (_row) FROM {name}")[1])
                for name in ("pairs", "sums")
            ]
            assert project.verify() == []
            return tuple(tables)


def _plain(value):
    return value if isinstance(value, str) else int(value)


@pytest.mark.parametrize("seed", range(6))
def test_the_tables_are_what_the_newest_files_come_to(tmp_path, seed):
    rng = random.Random(seed)  # noqa: S311
    (tmp_path / "pyproject.toml").write_text('[tool.penstock]\nproject = "keys"\n')
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines/joined.py").write_text(PIPELINES)
    world = World(tmp_path, rng)
    for _ in range(14):
        rng.choices((world.deliver, world.work, world.die, world.withdraw), weights=(6, 2, 3, 1))[0]()
    for _ in range(3):
        world.work()
    assert world.found() == world.expected()
