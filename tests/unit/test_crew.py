"""Two workers of one process: each run is driven once, and stages are taken by turns."""

from __future__ import annotations

from collections import Counter

import pytest
from tests.systems.cafe import CAFE
from tests.systems.system import machine_on

LATTE = b"04/03/2024 09:00,Leeds,Ada,Large Latte - 2.45,2.45,CASH,\n"
NUMBERS = range(8)


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setenv("PENSTOCK_LIMITS_BATCH_FILES", "1")
    cafe = CAFE.make(tmp_path / "cafe")
    for number in NUMBERS:
        (cafe.folder / f"landing/leeds_04-03-2024_{number}.csv").write_bytes(LATTE)
    with machine_on(cafe) as machine:
        yield machine.project


def test_every_run_is_driven_once_whoever_drives_it(project):
    heard = Counter()
    runs = project.work_until_idle(lambda stage, run: heard.update([(stage, run.id)]))
    assert sorted(run.id for run in runs) == sorted(f"cafe-{number + 1}" for number in NUMBERS)
    assert {count for (stage, _), count in heard.items() if stage != "reading"} == {1}
    assert project.verify() == []


def test_what_was_offered_comes_to_rest_whoever_works_on_it(project):
    offered = [f"landing/leeds_04-03-2024_{number}.csv" for number in NUMBERS]
    outcomes = project.run("cafe", offered)
    assert [outcome.run.state for outcome in outcomes] == ["succeeded"] * len(offered)
