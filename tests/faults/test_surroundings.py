"""When what is around a project fails: a full disk, files that may not be read, a database that goes away.

Each time the state is clear (the run waits, with its error's code), and when the trouble is over the same process goes
on by itself.
"""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager

import pytest
from tests.faults.children import Family, eventually, nursery, serving
from tests.systems.cafe import CAFE
from tests.systems.system import WAREHOUSE

from penstock.testing.histories import Deliver
from penstock.testing.postgres import TemporaryPostgres

pytestmark = pytest.mark.faults

LEEDS, LONDON = "landing/leeds_04-03-2024_1.csv", "landing/london_04-03-2024_1.csv"
LATTE = b"04/03/2024 09:00,Leeds,Ada,Large Latte - 2.45,2.45,CASH,\n"
HASTE = {
    "PENSTOCK_RESCAN_SECONDS": "0.1",
    "PENSTOCK_RETRY_FIRST_SECONDS": "0.1",
    "PENSTOCK_RETRY_LONGEST_SECONDS": "0.5",
    "PENSTOCK_RETRY_ATTEMPTS": "1000",
}


@pytest.fixture
def children(monkeypatch):
    for name, value in HASTE.items():
        monkeypatch.setenv(name, value)
    with nursery() as found:
        yield found


def waits_with(code):
    return lambda seen: ("waiting", code) in seen[0]


def rests(seen):
    return seen[0] and seen[1] == 0 and all(state == "succeeded" for state, _ in seen[0])


# --- disks -------------------------------------------------------------------------------------------------------


@contextmanager
def small_disk(folder, size):
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    made = subprocess.run(command, check=False, capture_output=True)
    if made.returncode:
        pytest.skip("only root may mount a small filesystem here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(folder, leave):
    """Take all room but some."""
    room = os.statvfs(folder)
    (folder / "ballast").write_bytes(bytes(max(0, room.f_bavail * room.f_frsize - leave)))


def test_a_full_disk_under_the_zones(children, tmp_path, monkeypatch):
    with small_disk(tmp_path / "disk", "6m") as disk:
        family = Family(children, CAFE.make(disk / "cafe"))
        family.environment["PENSTOCK_STORE"] = str(tmp_path / "store")
        with serving(family):
            family.change(Deliver(LEEDS, LATTE * 2000))
            fill(disk, 8_000)
            eventually(family.look, waits_with("E301"))
            (disk / "ballast").unlink()
            eventually(family.look, rests)
        family.rest("room again")


def test_a_full_disk_under_the_ledger(children, tmp_path):
    with small_disk(tmp_path / "disk", "2m") as disk:
        family = Family(children, CAFE.make(tmp_path / "cafe"))
        family.environment["PENSTOCK_STORE"] = str(disk / "store")
        with serving(family) as service:
            family.change(Deliver(LEEDS, LATTE))
            eventually(family.look, rests)
            fill(disk, 0)
            family.change(Deliver(LONDON, LATTE))
            eventually(service.told, lambda told: "intake_failed E301" in told)
            (disk / "ballast").unlink()
            eventually(family.look, lambda seen: rests(seen) and len(seen[0]) > 1)
        family.rest("room again")


# --- files that may not be read or written -----------------------------------------------------------------------


def test_a_landing_zone_that_may_only_be_read(children, tmp_path):
    family = Family(children, CAFE.make(tmp_path / "cafe"))
    family.change(Deliver(LEEDS, LATTE))
    with mode(family.home.folder / "landing", 0o555), serving(family, unprivileged=True):
        eventually(family.look, rests)
    family.rest("read only")


def test_a_landing_zone_that_may_only_be_read_receives_nothing(children, tmp_path):
    family, elsewhere = Family(children, CAFE.make(tmp_path / "cafe")), tmp_path / LONDON.rpartition("/")[2]
    elsewhere.write_bytes(LATTE)
    with mode(family.home.folder / "landing", 0o555):
        assert family.ask("receive", file=str(elsewhere), unprivileged=True) == "E301"
    assert not family.ask("receive", file=str(elsewhere), unprivileged=True)
    assert [file.name for file in (family.home.folder / "landing").iterdir()] == [elsewhere.name]


def test_a_file_that_may_not_be_read_holds_no_other_up(children, tmp_path):
    family = Family(children, CAFE.make(tmp_path / "cafe"))
    family.change(Deliver(LEEDS, LATTE))
    family.change(Deliver(LONDON, LATTE))
    with serving(family, unprivileged=True) as service:
        with mode(family.home.folder / LEEDS, 0):
            eventually(family.look, rests)
            assert len(family.look()[0]) == 1
            assert "object_unreadable E301" in service.told()
        eventually(family.look, lambda seen: rests(seen) and len(seen[0]) > 1)
    family.rest("readable again")


def test_a_landing_zone_that_may_not_be_read(children, tmp_path):
    family = Family(children, CAFE.make(tmp_path / "cafe"))
    family.change(Deliver(LEEDS, LATTE))
    with serving(family, unprivileged=True) as service:
        with mode(family.home.folder / "landing", 0):
            eventually(service.told, lambda told: "intake_failed E301" in told)
        eventually(family.look, rests)
    family.rest("readable again")


@contextmanager
def mode(path, bits):
    before = path.stat().st_mode
    path.chmod(bits)
    try:
        yield
    finally:
        path.chmod(before)


# --- a database that goes away -----------------------------------------------------------------------------------


def test_postgres_goes_away_in_the_middle_of_a_copy(children, tmp_path, postgres_room, monkeypatch):
    with TemporaryPostgres(room=postgres_room) as server:
        monkeypatch.setenv(WAREHOUSE, server.url)
        family = Family(children, CAFE.make(tmp_path / "cafe", server.url, lake=False))
        family.change(Deliver(LEEDS, LATTE * 500))
        paused, go = tmp_path / "paused", tmp_path / "go"
        with serving(family, "serve_and_pause", paused=str(paused), go=str(go)):
            eventually(paused.exists, bool)
            server.crash()
            go.touch()
            eventually(family.look, waits_with("E302"))
            server.start()
            eventually(family.look, rests)
        family.rest("the server is back")
