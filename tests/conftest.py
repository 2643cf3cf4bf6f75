"""What all tests share: the real data where it is, a real PostgreSQL, and an environment without anybody's settings."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from penstock.testing.postgres import TemporaryPostgres

ROOT = Path(__file__).resolve().parent.parent
MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it
ROOM_FOR_A_SERVER = 2_000_000_000

# Machines differ in speed; a failure must be the same on all of them.
settings.register_profile("here", deadline=None, print_blob=True)
settings.register_profile("ci", parent=settings.get_profile("here"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if {"postgres_room", "postgres_server"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("postgres")


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings in the shell of whoever runs the tests must not reach them."""
    for name in [name for name in os.environ if name.startswith("PENSTOCK_") and name != "PENSTOCK_TEST_DATA"]:
        monkeypatch.delenv(name)


def real_data(name: str) -> Path:
    """A folder of real data, which is no part of this repository."""
    folder = Path(os.environ.get("PENSTOCK_TEST_DATA") or ROOT.parent / "shared" / "data") / name
    if not folder.is_dir():
        pytest.skip("no real data here: PENSTOCK_TEST_DATA names its folder (default: ../shared/data)")
    return folder


@pytest.fixture(scope="session")
def cafe_data() -> Path:
    """The café's real till exports."""
    return real_data("cafe")


@pytest.fixture(scope="session")
def checkins_data() -> Path:
    """The real check-ins."""
    return real_data("checkins")


@pytest.fixture(scope="session")
def covid_data() -> Path:
    """What two health authorities really published."""
    return real_data("covid")


@pytest.fixture(scope="session")
def postgres_room() -> Path | None:
    """A disk in memory for servers, where there is one: making a database there takes a tenth of the time."""
    usable = MEMORY.is_dir() and os.access(MEMORY, os.W_OK)
    return MEMORY if usable and shutil.disk_usage(MEMORY).free > ROOM_FOR_A_SERVER else None


@pytest.fixture(scope="session")
def postgres_server(postgres_room: Path | None) -> Iterator[TemporaryPostgres]:
    """One server for the whole session. A test that stops or crashes one starts its own."""
    with TemporaryPostgres(room=postgres_room) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_url(postgres_server: TemporaryPostgres) -> str:
    """The session's server; what a test makes there, others see."""
    return postgres_server.url


@pytest.fixture
def postgres(postgres_server: TemporaryPostgres) -> Iterator[str]:
    """The URL of a database of the test's own."""
    with postgres_server.database() as url:
        yield url
