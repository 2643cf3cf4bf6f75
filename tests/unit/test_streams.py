"""The stream buffer: what is acknowledged is kept once, and becomes files whose names never recur."""

from __future__ import annotations

import stat
import threading
from datetime import UTC, datetime, timedelta

import pytest

import penstock as ps
from penstock.adapters.files.landing import FolderLanding
from penstock.adapters.sqlite.buffer import SqliteBuffer
from penstock.authoring.streams import streams_of
from penstock.errors import BufferFull, DefinitionError, StorageUnavailable
from penstock.model.streams import Appended, Level, Record, Size
from penstock.runtime.streams import Flusher
from penstock.testing.tripwires import Clock

NOON = datetime(2026, 11, 20, 12, 59, tzinfo=UTC)


@pytest.fixture
def clock():
    return Clock(NOON)


@pytest.fixture
def buffer(tmp_path, clock):
    buffer = SqliteBuffer(tmp_path / "taxis.sqlite", 1000, clock)
    yield buffer
    buffer.close()


def send(buffer, *texts, ids=()):
    names = ids or [""] * len(texts)
    return buffer.submit([Record(text.encode(), name) for text, name in zip(texts, names, strict=True)]).result(10)


def flusher(buffer, tmp_path, clock, **size):
    stream = ps.stream("taxis", **size)
    return Flusher({"taxis": stream}, lambda _: buffer, FolderLanding(tmp_path), clock)


def written(tmp_path):
    files = sorted((tmp_path / "landing").rglob("*.jsonl"))
    return [(file.relative_to(tmp_path).as_posix(), file.read_text().split()) for file in files]


def test_a_record_is_kept(buffer):
    assert send(buffer, "{}") == Appended(1)
    assert buffer.level() == Level(1, 2, NOON)


def test_it_is_still_there_for_the_next_process(buffer, tmp_path, clock):
    send(buffer, "{}")
    buffer.close()
    again = SqliteBuffer(tmp_path / "taxis.sqlite", 1000, clock)
    assert (again.level().rows, again.name) == (1, buffer.name)
    again.close()


def test_only_its_owner_reads_the_file(buffer, tmp_path):
    assert stat.S_IMODE((tmp_path / "taxis.sqlite").stat().st_mode) == 0o600


def test_an_event_is_kept_once(buffer):
    assert send(buffer, '{"a":1}', ids=["x"]) == Appended(1)
    assert send(buffer, '{"a":1}', '{"a":2}', ids=["x", "y"]) == Appended(1, 1)
    assert send(buffer, "{}", "{}", ids=["z", "z"]) == Appended(1, 1)


def test_an_event_is_known_after_its_file_was_written(buffer, tmp_path, clock):
    send(buffer, "{}", ids=["x"])
    flusher(buffer, tmp_path, clock).flush(everything=True)
    assert send(buffer, "{}", ids=["x"]) == Appended(0, 1)


def test_and_forgotten_a_day_later(buffer, tmp_path, clock):
    send(buffer, "{}", ids=["x"])
    clock.turn(timedelta(days=1, seconds=1))
    send(buffer, "{}")
    flusher(buffer, tmp_path, clock).flush(everything=True)
    assert send(buffer, "{}", ids=["x"]) == Appended(1)


def test_a_full_buffer_takes_nothing_of_what_does_not_fit(buffer):
    send(buffer, "x" * 900)
    with pytest.raises(BufferFull):
        send(buffer, "x" * 60, "x" * 60)
    assert buffer.level().bytes == 900
    assert send(buffer, "x" * 100) == Appended(1)


def test_there_is_room_again_when_files_were_written(buffer, tmp_path, clock):
    send(buffer, "x" * 1000)
    flusher(buffer, tmp_path, clock).flush(everything=True)
    assert send(buffer, "x" * 1000) == Appended(1)


def test_many_senders_share_the_buffer(buffer, tmp_path, clock):
    def work(name):
        for number in range(20):
            send(buffer, f"{name}-{number}")

    threads = [threading.Thread(target=work, args=[name]) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    flusher(buffer, tmp_path, clock).flush(everything=True)
    ((_, lines),) = written(tmp_path)
    assert sorted(lines) == sorted(f"{name}-{number}" for name in "abcd" for number in range(20))
    assert [line for line in lines if line.startswith("a")] == [f"a-{number}" for number in range(20)]


def test_two_processes_share_the_buffer(buffer, tmp_path, clock):
    other = SqliteBuffer(tmp_path / "taxis.sqlite", 1000, clock)
    send(buffer, "a")
    send(other, "b")
    send(buffer, "c")
    other.close()
    flusher(buffer, tmp_path, clock).flush(everything=True)
    assert [lines for _, lines in written(tmp_path)] == [["a", "b", "c"]]


@pytest.mark.parametrize(
    ("size", "level", "due"),
    [
        (Size(2, 100, 60), Level(), False),
        (Size(2, 100, 60), Level(1, 10, NOON), False),
        (Size(2, 100, 60), Level(2, 10, NOON), True),
        (Size(2, 100, 60), Level(1, 100, NOON), True),
        (Size(2, 100, 60), Level(1, 10, NOON - timedelta(seconds=60)), True),
    ],
)
def test_when_a_file_is_due(size, level, due):
    assert size.reached(level, NOON) is due


def test_a_file_lies_in_the_folder_of_its_hour(buffer, tmp_path, clock):
    send(buffer, "a", "b")
    flusher(buffer, tmp_path, clock, rows=2).flush()
    name = f"taxis-{buffer.name}-000000000001-000000000002.jsonl"
    assert written(tmp_path) == [(f"landing/streams/taxis/year=2026/month=11/day=20/hour=12/{name}", ["a", "b"])]
    assert buffer.level() == Level()


def test_its_trigger_takes_it(buffer, tmp_path, clock):
    send(buffer, "a")
    (address,) = flusher(buffer, tmp_path, clock).flush(everything=True)
    parts = ps.stream("taxis").template.match(address)
    assert {**parts, "range": ""} == {"year": "2026", "month": "11", "day": "20", "hour": "12", "range": ""}


def test_nothing_is_written_before_it_is_due(buffer, tmp_path, clock):
    send(buffer, "a")
    writer = flusher(buffer, tmp_path, clock, seconds=60)
    assert writer.flush() == []
    clock.turn(timedelta(seconds=60))
    assert len(writer.flush()) == 1


def test_an_hour_ends_a_file(buffer, tmp_path, clock):
    send(buffer, "a")
    clock.turn(timedelta(minutes=2))
    send(buffer, "b")
    flusher(buffer, tmp_path, clock).flush(everything=True)
    assert [(address.split("/")[-2], lines) for address, lines in written(tmp_path)] == [
        ("hour=12", ["a"]), ("hour=13", ["b"]),
    ]  # fmt: skip


def test_a_clock_that_is_set_back_changes_nothing(buffer, tmp_path, clock):
    send(buffer, "a")
    clock.turn(-timedelta(hours=3))
    send(buffer, "b")
    flusher(buffer, tmp_path, clock).flush(everything=True)
    assert [lines for _, lines in written(tmp_path)] == [["a", "b"]]


@pytest.mark.parametrize(("options", "expected"), [({"rows": 2}, [2, 2, 1]), ({"bytes": 3}, [3, 2])])
def test_a_file_holds_no_more_than_it_should(buffer, tmp_path, clock, options, expected):
    send(buffer, *"abcde")
    flusher(buffer, tmp_path, clock, **options).flush(everything=True)
    assert [len(lines) for _, lines in written(tmp_path)] == expected


def test_a_record_larger_than_a_file_is_a_file_of_its_own(buffer, tmp_path, clock):
    send(buffer, "a", "b" * 50, "c")
    flusher(buffer, tmp_path, clock, bytes=10).flush(everything=True)
    assert [lines for _, lines in written(tmp_path)] == [["a"], ["b" * 50], ["c"]]


def test_names_never_recur(buffer, tmp_path, clock):
    writer = flusher(buffer, tmp_path, clock)
    for _ in range(3):
        send(buffer, "a")
        writer.flush(everything=True)
    assert len({address for address, _ in written(tmp_path)}) == 3


def test_a_new_buffer_has_names_of_its_own(tmp_path, clock):
    for folder in ("one", "two"):
        buffer = SqliteBuffer(tmp_path / folder / "taxis.sqlite", 1000, clock)
        send(buffer, "a")
        flusher(buffer, tmp_path, clock).flush(everything=True)
        buffer.close()
    assert len(written(tmp_path)) == 2


def test_what_cannot_be_written_now_waits(buffer, tmp_path, clock):
    send(buffer, "a")
    (tmp_path / "landing").write_text("in the way")
    writer = flusher(buffer, tmp_path, clock)
    with pytest.raises(StorageUnavailable):
        writer.flush(everything=True)
    send(buffer, "b")
    (tmp_path / "landing").unlink()
    writer.flush(everything=True)
    assert [lines for _, lines in written(tmp_path)] == [["a"], ["b"]]


def test_what_was_released_is_nowhere_in_the_file(buffer, tmp_path, clock):
    send(buffer, '{"name":"Grace Hopper"}')
    flusher(buffer, tmp_path, clock).flush(everything=True)
    buffer.close()
    assert all(b"Hopper" not in path.read_bytes() for path in tmp_path.glob("taxis.sqlite*"))


def test_a_file_that_is_no_buffer_says_so(tmp_path, clock):
    (tmp_path / "taxis.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(ps.PenstockError, match="not a sound database"):
        SqliteBuffer(tmp_path / "taxis.sqlite", 1000, clock)


@pytest.mark.parametrize(
    "options", [{"name": "Taxis"}, {"name": "a/b"}, {"rows": 0}, {"seconds": 0}, {"capacity": 10}, {"rate": "often"}]
)
def test_what_no_stream_can_be(options):
    with pytest.raises(DefinitionError):
        ps.stream(**{"name": "taxis", **options})


def test_a_stream_is_declared_once():
    assert list(streams_of([ps.stream("taxis"), ps.stream("taxis"), ps.manual()])) == ["taxis"]
    with pytest.raises(DefinitionError, match="declared twice"):
        streams_of([ps.stream("taxis"), ps.stream("taxis", rows=5)])
