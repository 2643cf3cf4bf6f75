"""The lake's files: what readers find, what stays, what goes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.adapters.lake import Lake
from penstock.adapters.lake.manifest import DataFile, Manifest, Segment, Table, dumped, loaded
from penstock.adapters.lake.slots import FANOUT, Slots, due
from penstock.errors import KeyCollision, SchemaConflict, UnknownName
from penstock.model.loads import Holder, Record
from penstock.model.slots import Kind
from penstock.model.tables import Mode, TableSpec
from penstock.testing.deliveries import Declared, Sender
from penstock.testing.shop import CAFE, DAILY, LOG, daily, order

AT_ONCE = timedelta(0)


@pytest.fixture
def curated(tmp_path):
    return tmp_path / "curated"


@pytest.fixture
def lake(curated):
    lake = Lake(curated)
    yield lake
    lake.close()


@pytest.fixture
def sender(tmp_path):
    (tmp_path / "staged").mkdir()
    return Sender(tmp_path / "staged")


def say(lake, sender, address, number, *texts):
    rows = list(enumerate(texts, 1))
    return lake.load(sender.load([LOG], sender.part(address, number, log=rows)))


def read(path, column="text"):
    return sorted(value for (value,) in duckdb.sql(f"SELECT {column} FROM '{path}/*.parquet'").fetchall())


def files(curated, table="log"):
    return {path.name: path.stat().st_ino for path in (curated / table / "current").rglob("*.parquet")}


def snapshots(curated):
    return sorted(int(path.name) for path in (curated / ".snapshots" / "shop").iterdir() if path.name.isdigit())


# --- what readers find -------------------------------------------------------------------------------------------


def test_a_plain_reader_follows_current(lake, curated, sender):
    say(lake, sender, "a", 1, "x", "y")
    assert read(curated / "log" / "current") == ["x", "y"]


def test_pyarrow_reads_a_table_as_a_dataset(lake, curated, sender):
    parquet = pytest.importorskip("pyarrow.parquet")
    lake.load(sender.load(CAFE, order(sender, "a.csv", 1)))
    found = parquet.read_table(curated / "products" / "current")
    assert found.to_pydict()["name"] == ["tea"]


def test_partitions_are_folders_that_tools_understand(lake, curated, sender):
    dataset = pytest.importorskip("pyarrow.dataset")
    lake.load(sender.load([DAILY], daily(sender, "a", 1, (1, "leeds", 5), (2, "york", 6))))
    found = dataset.dataset(curated / "daily" / "current", partitioning="hive").to_table().to_pydict()
    assert sorted(zip(found["day"], found["branch"], found["total"], strict=True)) == [
        ("2024-01-01", "leeds", 5),
        ("2024-01-02", "york", 6),
    ]


def test_a_reader_of_an_empty_table_finds_its_columns(lake, curated, sender):
    say(lake, sender, "a", 1, "x")
    lake.load(sender.load([LOG], sender.part("a", 2, Kind.WITHDRAWAL)))
    found = duckdb.sql(f"SELECT * FROM '{curated}/log/current/*.parquet'")
    assert (found.columns, found.fetchall()) == (["_row", "text"], [])


def test_a_new_column_does_not_trouble_plain_readers(lake, curated, sender):
    say(lake, sender, "a", 1, "x")
    lake.load(sender.load([LOG.having(size="INTEGER")], sender.part("b", 1, log=[(1, "y", 5)])))
    assert read(curated / "log" / "current", "(text, size)") == [("x", None), ("y", 5)]


def test_relations_bring_partition_columns_with_their_types(lake, sender):
    lake.load(sender.load([DAILY], daily(sender, "a", 1, (1, None, 5))))
    with lake.reading("shop") as snapshot:
        [row] = duckdb.sql(f"SELECT day, branch, total FROM {snapshot.relations['daily']}").fetchall()
    assert row == (date(2024, 1, 1), None, 5)


def test_a_snapshot_names_the_files_of_each_table(lake, sender):
    lake.load(sender.load(CAFE, order(sender, "a.csv", 1)))
    with lake.reading("shop") as snapshot:
        assert list(snapshot.files) == ["orders", "items", "products"]
        assert all(Path(file).is_file() for listed in snapshot.files.values() for file in listed)


# --- what stays --------------------------------------------------------------------------------------------------


def test_a_staged_file_is_taken_as_it_is(lake, curated, sender):
    load = sender.load([LOG], sender.part("a", 1, log=[(1, "x")]))
    lake.load(load)
    assert list(files(curated).values()) == [Path(load.tables[0].files[0]).stat().st_ino]


def test_a_replacement_writes_only_the_files_that_held_its_rows(lake, curated, sender):
    say(lake, sender, "a", 1, "x")
    kept = files(curated)
    say(lake, sender, "b", 1, "y")
    say(lake, sender, "b", 2, "z")
    assert kept.items() <= files(curated).items()
    assert read(curated / "log" / "current") == ["x", "z"]


def test_many_small_files_become_few(lake, curated, sender):
    for number in range(3 * FANOUT):
        say(lake, sender, f"{number:02d}", 1, f"{number:02d}")
    assert len(files(curated)) < 2 * FANOUT
    assert read(curated / "log" / "current") == [f"{number:02d}" for number in range(3 * FANOUT)]


def test_a_slot_is_found_in_a_file_of_many(lake, curated, sender):
    for number in range(FANOUT):
        say(lake, sender, f"{number:02d}", 1, f"{number:02d}", "other")
    say(lake, sender, "03", 2, "new")
    assert read(curated / "log" / "current").count("other") == FANOUT - 1
    assert "03" not in read(curated / "log" / "current")


def test_many_ranges_go_at_once(lake, curated, sender):
    for number in (1, 2):
        parts = [sender.part(f"{slot}", number, log=[(1, f"{slot} {number}")]) for slot in range(60)]
        lake.load(sender.load([LOG], *parts))
    assert read(curated / "log" / "current") == sorted(f"{slot} 2" for slot in range(60))


def test_an_unchanged_entity_keeps_its_file(lake, curated, sender):
    lake.load(sender.load(CAFE, order(sender, "a.csv", 1)))
    before = files(curated, "products")
    lake.load(sender.load(CAFE, order(sender, "b.csv", 1)))
    assert files(curated, "products") == before


# --- what goes ---------------------------------------------------------------------------------------------------


def test_a_reader_keeps_the_snapshot_that_it_resolved(lake, curated, sender):
    say(lake, sender, "a", 1, "old")
    resolved = (curated / "log" / "current").resolve()
    say(lake, sender, "a", 2, "new")
    assert (read(resolved), read(curated / "log" / "current")) == (["old"], ["new"])


def test_snapshots_go_after_their_grace(curated, sender):
    lake = Lake(curated, grace=AT_ONCE, keep=3)
    for number in range(1, 7):
        say(lake, sender, "a", number, str(number))
    assert snapshots(curated) == [4, 5, 6]
    lake.close()


def test_a_leased_snapshot_stays(curated, sender):
    lake, reader = Lake(curated, grace=AT_ONCE, keep=1), Lake(curated)
    say(lake, sender, "a", 1, "old")
    with reader.reading("shop") as snapshot:
        say(lake, sender, "a", 2, "new")
        assert duckdb.sql(f"SELECT text FROM {snapshot.relations['log']}").fetchall() == [("old",)]
    say(lake, sender, "a", 3, "newer")
    assert snapshots(curated) == [3]
    lake.close()


def test_data_files_go_with_their_last_snapshot(curated, sender):
    lake = Lake(curated, grace=AT_ONCE, keep=1)
    say(lake, sender, "a", 1, "secret")
    say(lake, sender, "a", 2, "new")
    assert {path.parent.parent.name for path in curated.rglob("*.parquet")} == {"2"}
    lake.close()


def test_closing_leaves_no_scratch(curated, sender):
    lake = Lake(curated)
    say(lake, sender, "a", 1, "x")
    lake.close()
    assert not (curated / ".scratch").exists()


def test_a_name_that_is_no_folder_is_refused(lake, sender):
    away = Declared(TableSpec("../away"), LOG.columns)
    with pytest.raises(SchemaConflict):
        lake.load(sender.load([away], sender.part("a", 1)))


# --- its records -------------------------------------------------------------------------------------------------


def test_a_manifest_survives_json():
    spec = TableSpec("daily", Mode.PARTITION, partition_by=("day",))
    file = DataFile("day=1/x.parquet", 3, 5, 9, ("1", None))
    table = Table(spec, (("day", "DATE"),), (file,), (), Holder("a", 2), {'["1"]': Holder("a", 2)})
    when = datetime(2024, 1, 1, tzinfo=UTC)
    manifest = Manifest("shop", 7, 5, "run-1", when, {"daily": table}, (Segment("s.jsonl", 3),))
    assert loaded(dumped(manifest)) == manifest


@given(st.lists(st.integers(1, 40), max_size=300))
def test_the_log_of_slots_stays_short(batches):
    log = []
    for size in batches:
        log.append(Segment("s", size))
        while run := due(log):
            log[-run:] = [Segment("s", sum(segment.records for segment in log[-run:]))]
    assert len(log) <= 4 * FANOUT
    assert sum(segment.records for segment in log) == sum(batches)


def test_slots_are_found_by_row():
    slots = Slots()
    for name, base in (("b", 200), ("a", 100)):
        slots.add(Record(name, 1, 1, base, 50))
    found = [slots.of(row) for row in (99, 100, 149, 150, 249, 250)]
    assert [record.slot if record else None for record in found] == [None, "a", "a", None, "b", None]


def test_a_slot_may_be_delivered_again_where_it_is(sender):
    slots = Slots()
    unit = sender.part("a", 1).unit
    slots.add(Record("a", 1, 1, unit.base, unit.span))
    slots.refuse_crossing("shop", [unit])
    slots.add(Record("z", 1, 1, unit.base + unit.span - 1, 5))
    with pytest.raises(KeyCollision):
        slots.refuse_crossing("shop", [unit])


# --- versions ----------------------------------------------------------------------------------------------------


@pytest.fixture
def three(lake, sender):
    """A lake in its third version."""
    for number, text in enumerate("xyz", 1):
        say(lake, sender, "a", number, text)
    return lake


def test_every_kept_version_can_be_read(three):
    found = []
    for version in three.versions("shop"):
        with three.reading("shop", version.number) as snapshot:
            found += read(Path(snapshot.files["log"][0]).parent)
    assert found == ["x", "y", "z"]


def test_an_older_version_can_be_brought_back(three, curated):
    assert three.show("shop", 1) == (3, 1)
    assert read(curated / "log" / "current") == ["x"]
    assert [(item.number, item.published, item.newest) for item in three.versions("shop")] == [
        (1, True, False),
        (2, False, False),
        (3, False, True),
    ]


def test_what_is_loaded_does_not_change_when_a_version_is_brought_back(three, sender):
    before = list(three.holdings("shop", ["log"]))
    three.show("shop", 1)
    assert list(three.holdings("shop", ["log"])) == before
    assert say(three, sender, "a", 3, "late").stale


def test_loads_go_on_unseen_until_the_newest_is_published_again(three, curated, sender):
    three.show("shop", 1)
    say(three, sender, "b", 1, "new")
    assert read(curated / "log" / "current") == ["x"]
    assert three.show("shop") == (1, 4)
    assert read(curated / "log" / "current") == ["new", "z"]
    say(three, sender, "b", 2, "newer")
    assert read(curated / "log" / "current") == ["newer", "z"]


def test_the_newest_by_its_number_is_the_newest(three, curated, sender):
    three.show("shop", 2)
    three.show("shop", 3)
    say(three, sender, "b", 1, "new")
    assert read(curated / "log" / "current") == ["new", "z"]


def test_a_version_that_was_brought_back_is_not_collected(curated, sender):
    lake = Lake(curated, grace=AT_ONCE, keep=2)
    say(lake, sender, "a", 1, "x")
    say(lake, sender, "a", 2, "y")
    lake.show("shop", 1)
    for number in range(3, 8):
        say(lake, sender, "a", number, str(number))
    assert snapshots(curated) == [1, 6, 7]
    lake.show("shop")
    say(lake, sender, "a", 8, "8")
    assert snapshots(curated) == [7, 8]
    lake.close()


def test_a_version_that_is_not_kept_cannot_be_brought_back(three):
    with pytest.raises(UnknownName, match="version 9"):
        three.show("shop", 9)


def test_a_pipeline_that_has_published_nothing_has_no_versions(lake):
    assert lake.versions("shop") == []
    with pytest.raises(UnknownName, match="nothing yet"):
        lake.show("shop")


@pytest.mark.parametrize("cut", ["before", "after"])
def test_bringing_back_can_be_cut_off_anywhere(three, curated, sender, cut):
    home = curated / ".snapshots" / "shop"
    (home / "newest").symlink_to("3")
    if cut == "after":
        three.show("shop", 1)
        (home / "current").unlink()
        (home / "current").symlink_to("3")
    say(three, sender, "b", 1, "new")
    say(three, sender, "c", 1, "newer")
    assert read(curated / "log" / "current") == ["new", "newer", "z"]
    assert len(list(three.holdings("shop", ["log"]))) == 3
