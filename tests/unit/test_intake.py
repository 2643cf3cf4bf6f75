"""What the runtime offers to the ledger, and what it remembers of it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

import penstock as ps
from penstock.adapters.files.landing import FolderLanding
from penstock.errors import LedgerBusy
from penstock.runtime.intake import Intake
from penstock.testing.memory import MemoryLedger

ADDRESS = "landing/leeds.csv"


class BusyOnce(MemoryLedger):
    """A ledger that cannot be reached the first time."""

    busy = True

    def accept(self, deliveries, now):
        if self.busy:
            self.busy = False
            raise LedgerBusy("the ledger is held by somebody else")
        return super().accept(deliveries, now)


@pytest.fixture
def landing(tmp_path):
    landing = FolderLanding(tmp_path)
    landing.store(b"1\n", ADDRESS)
    return landing


def intake_on(ledger, landing):
    pipeline = ps.Pipeline("shop", trigger=ps.upload("landing/{branch}.csv"), source=ps.csv(columns={"a": "INTEGER"}))
    return Intake(ledger, landing, {"shop": pipeline}, lambda: datetime(2024, 3, 4, tzinfo=UTC))


def test_what_the_ledger_did_not_take_is_offered_again(landing):
    intake = intake_on(BusyOnce(), landing)
    with pytest.raises(LedgerBusy):
        intake.rescan()
    assert [item.fresh for item in intake.rescan()] == [True]


def test_what_the_ledger_took_is_passed_over(landing):
    intake = intake_on(MemoryLedger(), landing)
    assert [len(intake.rescan()) for _ in range(2)] == [1, 0]


def test_what_fits_no_pipeline_is_told_once_with_the_nearest_reason(landing):
    landing.store(b"", "landing/leeds.txt")
    landing.store(b"", "landing/north/leeds.csv")
    ledger = MemoryLedger()
    for _ in range(2):
        intake = intake_on(ledger, landing)
        intake.rescan()
        intake.rescan()
        assert sorted(intake.strays) == ["landing/leeds.txt", "landing/north/leeds.csv"]
    told = [event for event in ledger.events() if event.type == "object.stray"]
    assert [(event.source, event.subject) for event in told] == [
        ("shop", "landing/leeds.txt"), ("shop", "landing/north/leeds.csv"),
    ]  # fmt: skip
    assert told[0].data["why"].startswith("“.csv” does not stand in 'leeds.txt'")
    landing.store(b"1", "landing/leeds.txt")
    intake.rescan()
    assert ledger.events()[-1].data["size"] == 1


def test_of_many_strays_the_first_are_explained(landing):
    for number in range(60):
        landing.store(b"", f"landing/{number}.txt")
    intake = intake_on(MemoryLedger(), landing)
    intake.rescan()
    assert len(intake.strays) == 60
    assert sum(bool(stray.why) for stray in intake.strays.values()) == 50


def test_another_process_passes_it_over_too(landing):
    ledger = MemoryLedger()
    intake_on(ledger, landing).rescan()
    assert intake_on(ledger, landing).rescan() == []


def test_a_files_address_is_that_of_what_it_leads_to(landing, tmp_path):
    (tmp_path / "link.csv").symlink_to(tmp_path / ADDRESS)
    (tmp_path / "landing" / "out.csv").symlink_to(tmp_path / "elsewhere.csv")
    (tmp_path / "folder").symlink_to(tmp_path / "landing")
    names = ["link.csv", "folder/leeds.csv", "landing/../landing/leeds.csv", "landing/out.csv", "elsewhere.csv"]
    assert landing.addresses_of(tmp_path / name for name in names) == [ADDRESS] * 3 + [None] * 2
