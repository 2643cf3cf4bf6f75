"""Files on their way into the landing zone: whole or not there, whoever is killed."""

from __future__ import annotations

import fcntl
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from penstock.adapters.files.landing import FolderLanding
from penstock.errors import StorageUnavailable

ADDRESS = "landing/a.csv"
DRAFT = "landing/.a.csv.penstock.part"


@pytest.fixture
def landing(tmp_path) -> FolderLanding:
    (tmp_path / "landing").mkdir()
    return FolderLanding(tmp_path)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "landing").iterdir())


def test_what_a_killed_writer_left_is_written_anew(landing, tmp_path):
    (tmp_path / DRAFT).write_bytes(b"half of something that was longer")
    landing.store(b"whole", ADDRESS)
    assert (names(tmp_path), (tmp_path / ADDRESS).read_bytes()) == (["a.csv"], b"whole")


def test_what_nobody_writes_any_more_is_swept(landing, tmp_path):
    (tmp_path / DRAFT).write_bytes(b"half")
    assert (landing.sweep(), names(tmp_path)) == (1, [])


def test_what_somebody_writes_is_not_swept(landing, tmp_path):
    with (tmp_path / DRAFT).open("wb") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        assert (landing.sweep(), names(tmp_path)) == (0, [".a.csv.penstock.part"])


def test_a_strangers_unfinished_upload_is_left_alone(landing, tmp_path):
    (tmp_path / "landing/.a.csv.part").write_bytes(b"half")
    landing.store(b"whole", ADDRESS)
    assert (landing.sweep(), names(tmp_path)) == (0, [".a.csv.part", "a.csv"])


def test_many_who_write_one_object_leave_it_whole(landing, tmp_path):
    contents = [bytes([letter]) * 200_000 for letter in b"abcdefgh"]
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda data: landing.store(data, ADDRESS), contents)) == {ADDRESS}
    assert (names(tmp_path), (tmp_path / ADDRESS).read_bytes() in contents) == (["a.csv"], True)


def test_what_cannot_be_put_leaves_nothing(landing, tmp_path):
    (tmp_path / ADDRESS).mkdir()
    with pytest.raises(StorageUnavailable):
        landing.store(b"whole", ADDRESS)
    assert names(tmp_path) == ["a.csv"]
