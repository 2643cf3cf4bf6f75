"""Files as tills write them, each read by the oracle and by a project: joined with others, alone, and in parts."""

from __future__ import annotations

import random
from datetime import datetime

import pytest
from tests.systems.cafe import CAFE
from tests.systems.system import machine_on

from penstock.runtime.healing import Selection
from penstock.testing.exports import export
from penstock.testing.histories import Deliver
from penstock.testing.oracle import Delivery, differences, expected

DAY = datetime(2024, 3, 4, 9)  # noqa: DTZ001 - tills print local time
LINE_ENDS_IN_QUOTES = (
    b'04/03/2024 09:00,Leeds,"Ada\r\nBaker",Large Latte - 2.45,2.45,CASH,\r\n'
    b"04/03/2024 09:01,Leeds,Bo,Large Mocha - 2.90,2.9,CASH,\r\n"
    b"\r\n"
    b"04/\xff3/2024 09:02,Leeds,Bo,Large Mocha - 2.90,2.9,CASH,\r\n"
)
"""Engines that look for the line end by themselves find the wrong one."""

LEEDS = "landing/leeds_04-03-2024_1.csv"
CHEAP = b"04/03/2024 09:00,Leeds,Ada,Large Latte - 2.45,0.05,CASH,\n"


@pytest.fixture
def cafe(tmp_path):
    return CAFE.make(tmp_path / "cafe")


def wrong(cafe, files):
    """How a project that was given these files differs from what the oracle says of them."""
    deliveries = [Delivery(1, f"landing/leeds_04-03-2024_{number}.csv", data) for number, data in enumerate(files)]
    for delivery in deliveries:
        (cafe.folder / delivery.address).write_bytes(delivery.data)
    with machine_on(cafe) as machine:
        machine.project.intake.rescan()
        machine.settle()
        told = machine.told()
        return [*differences(expected(deliveries, key=cafe.key), told), *machine.faults()]


def test_many_small_files_together(cafe):
    rng = random.Random(1)  # noqa: S311 - a test's dice
    assert not wrong(cafe, [export(rng, "Leeds", DAY, rng.randrange(1, 15)).data for _ in range(150)])


def test_a_file_of_many_parts(cafe, monkeypatch):
    monkeypatch.setenv("PENSTOCK_CHUNK_BYTES", "200000")
    rng = random.Random(2)  # noqa: S311 - a test's dice
    data = export(rng, "Leeds", DAY, 11000).data
    assert len(data) > 1024 * 1024
    assert not wrong(cafe, [data])


@pytest.mark.parametrize("orders", [5, 11000])
def test_what_was_written_over_sets_nothing_aside(cafe, monkeypatch, orders):
    monkeypatch.setenv("PENSTOCK_CHUNK_BYTES", "200000")
    file, rng = cafe.folder / LEEDS, random.Random(3)  # noqa: S311 - a test's dice
    with machine_on(cafe) as machine:
        machine.change(Deliver(LEEDS, export(rng, "Leeds", DAY, orders).data))
        file.write_bytes(CHEAP + export(rng, "Leeds", DAY, orders).data)
        machine.settle()
        assert machine.told().slots[LEEDS].standing == "refused"
        assert not list(machine.project.rejects(Selection(status=())))


def test_line_ends_in_the_first_quotes(cafe):
    assert not wrong(cafe, [LINE_ENDS_IN_QUOTES])
