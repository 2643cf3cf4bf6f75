"""The ledger's file: its schema and settings, its transactions, what it says when something is wrong with it."""

from __future__ import annotations

import sqlite3
import threading
from datetime import timedelta

import pytest

from penstock.adapters.sqlite import SqliteLedger, pages, record, schema
from penstock.adapters.sqlite.store import SqliteStore
from penstock.errors import LedgerBusy, LedgerDamaged, SetupError, StorageUnavailable, UsageError
from penstock.ledger.book import Book
from penstock.model.slots import Slot
from penstock.testing.clerk import Clerk, slot


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "ledger.db"


@pytest.fixture
def clerk(path):
    with SqliteLedger(path) as ledger:
        yield Clerk(ledger)


def ask(path, statement):
    connection = sqlite3.connect(path)
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()


# --- settings and schema -----------------------------------------------------------------------------------------


def test_every_connection_is_durable_and_keeps_references(path):
    connection = schema.connect(path, 1)
    schema.prepare(connection, path, schema.migrations())
    settings = [
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous", "foreign_keys")
    ]
    connection.close()
    assert settings == ["wal", 2, 1]


def test_every_table_is_strict(clerk, path):
    tables = {name: strict for _, name, kind, _, _, strict in ask(path, "PRAGMA table_list") if kind == "table"}
    assert [name for name, strict in tables.items() if not strict and not name.startswith("sqlite_")] == []
    assert "generations" in tables


def test_what_was_recorded_is_there_after_opening_again(clerk, path):
    clerk.deliver("leeds")
    run = clerk.complete(clerk.start())
    events = clerk.ledger.events()
    clerk.ledger.close()
    with SqliteLedger(path) as again:
        assert again.run(run.id) == run
        assert again.events() == events
        assert Clerk(again).deliver("york").generation.sequence == 2


def test_an_older_schema_is_brought_forward_with_its_records(path):
    first = schema.migrations()
    store = SqliteStore(path, migrations=first)
    Clerk(Book(store)).deliver("leeds")
    store.close()
    later = [*first, "ALTER TABLE slots ADD COLUMN note TEXT; CREATE INDEX slots_note ON slots (note);"]
    store = SqliteStore(path, migrations=later)
    assert Book(store).current(slot("leeds")) is not None
    store.close()
    assert ask(path, "SELECT note FROM slots") == [(None,)]
    assert ask(path, "PRAGMA user_version") == [(len(later),)]


def test_a_migration_that_fails_changes_nothing(path):
    first = schema.migrations()
    SqliteStore(path, migrations=first).close()
    with pytest.raises(StorageUnavailable):
        SqliteStore(
            path, migrations=[*first, "ALTER TABLE slots ADD COLUMN note TEXT; CREATE TABLE slots (id INTEGER);"]
        )
    SqliteStore(path, migrations=first).close()


def test_a_newer_schema_is_left_alone(path):
    SqliteStore(path, migrations=[*schema.migrations(), "CREATE TABLE later (id INTEGER);"]).close()
    with pytest.raises(SetupError) as caught:
        SqliteLedger(path)
    assert "pip install --upgrade penstock" in caught.value.fix


def test_somebody_elses_database_is_left_alone(path):
    path.parent.mkdir()
    ask(path, "CREATE TABLE people (name TEXT)")
    with pytest.raises(SetupError):
        SqliteLedger(path)
    assert ask(path, "PRAGMA journal_mode") == [("delete",)]


# --- what can be wrong -------------------------------------------------------------------------------------------


def test_a_file_that_is_no_database_is_damaged(path):
    path.parent.mkdir()
    path.write_bytes(b"not a database at all, but long enough to be read as one" * 50)
    with pytest.raises(LedgerDamaged):
        SqliteLedger(path)


def test_a_record_that_contradicts_others_is_refused(clerk, path):
    clerk.deliver("leeds")
    with pytest.raises(LedgerDamaged), clerk.ledger.store.writing() as written:
        written._execute("INSERT INTO slots (pipeline, address) VALUES ('cafe', 'landing/leeds.csv')")
    assert ask(path, "SELECT count(*) FROM slots") == [(1,)]


def test_another_process_that_holds_the_file_is_waited_for_and_named(path):
    with SqliteLedger(path, patience=0.05) as ledger:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerBusy) as caught:
            Clerk(ledger).deliver("leeds")
        other.execute("ROLLBACK")
        other.close()
        assert caught.value.retry
        assert Clerk(ledger).deliver("leeds").fresh


def test_a_place_that_cannot_be_written_is_unavailable(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageUnavailable):
        SqliteLedger(tmp_path / "file" / "ledger.db")


# --- transactions ------------------------------------------------------------------------------------------------


def test_a_call_that_fails_in_a_group_is_undone_alone(clerk):
    with clerk.ledger.store.writing():
        clerk.deliver("leeds")
        with pytest.raises(UsageError):
            clerk.patch("leeds", 3)
        clerk.deliver("york")
    assert clerk.told() == [("generation.accepted", "landing/leeds.csv"), ("generation.accepted", "landing/york.csv")]


def test_a_group_that_is_undone_leaves_nothing(clerk):
    def interrupted():
        with clerk.ledger.store.writing():
            clerk.deliver("leeds")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert clerk.ledger.events() == []
    assert clerk.deliver("leeds").generation.sequence == 1


def test_a_transaction_that_sqlite_itself_undid_is_not_carried_on(clerk):
    def undone():
        with clerk.ledger.store.writing() as written:
            clerk.deliver("leeds")
            written._execute("ROLLBACK")
            clerk.deliver("york")

    with pytest.raises(LedgerBusy):
        undone()
    assert clerk.ledger.events() == []


def test_what_another_connection_wrote_is_noticed(clerk, path):
    clerk.deliver("leeds")
    run = clerk.start()
    with SqliteLedger(path) as other:
        there = Clerk(other)
        there.deliver("york")
        there.complete(run)
    assert clerk.deliver("hull").generation.sequence == 3
    assert clerk.publish(run).state.final


def test_a_reader_is_never_blocked_by_a_writer(clerk):
    clerk.deliver("leeds")
    with clerk.ledger.store.writing():
        clerk.deliver("york")
        seen = []
        reader = threading.Thread(target=lambda: seen.append(clerk.ledger.slots("cafe")))
        reader.start()
        reader.join(5)
        assert seen == [[slot("leeds")]]
    assert clerk.ledger.slots("cafe") == [slot("leeds"), slot("york")]


def test_threads_may_share_a_ledger(clerk):
    def deliver(worker):
        for number in range(10):
            Clerk(clerk.ledger).deliver(f"{worker}-{number}")

    threads = [threading.Thread(target=deliver, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [event.sequence for event in clerk.ledger.events()] == list(range(1, 41))
    assert len(clerk.start().generations) == 40


# --- size --------------------------------------------------------------------------------------------------------

BOUNDED = {
    "tail": (record.HISTORY, (1,)),
    "slot": (record.SLOT, ("cafe", "landing/1")),
    "queues": (pages.QUEUES, ()),
    "oldest": (pages.OLDEST, ("cafe",)),
    "queue": (pages.QUEUE, ("cafe",)),
    "any blocked": (pages.ANY_BLOCKED, ()),
    "blocked": (pages.BLOCKED, (1,)),
    "due": (pages.DUE, (1,)),
    "places": (pages.PLACES, ()),
    "begun": (pages.BEGUN, ()),
    "halves": (pages.HALVES, ("cafe-1",)),
    "held by": (pages.HELD_BY, ("worker-1",)),
    "members": (record.MEMBERS, ("[[1,1]]",)),
    "run": (record.RUN_BY_ID, ("cafe-1",)),
    "runs": (record.NEWEST_RUNS_OF_PIPELINE, ("cafe", 50)),
    "events": (record.EVENTS, (7,)),
    "next due": (record.NEXT_DUE, ()),
}


@pytest.mark.parametrize("name", BOUNDED)
def test_no_statement_of_the_daily_work_scans_a_table(clerk, name):
    statement, values = BOUNDED[name]
    plan = [row[3] for row in clerk.ledger.store._writer.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
    scans = [step for step in plan if step.startswith("SCAN") and "USING" not in step]
    assert [
        step for step in scans if step.split()[1] in {"generations", "g", "runs", "r", "slots", "s", "events"}
    ] == []


def steps_of(clerk, work):
    """How much SQLite computes, in its own instructions: nothing else on the machine changes that."""
    steps = 0

    def step():
        nonlocal steps
        steps += 1

    clerk.ledger.store._writer.set_progress_handler(step, 1)
    work()
    clerk.ledger.store._writer.set_progress_handler(None, 0)
    return steps


def test_a_claim_costs_the_same_whatever_is_recorded_and_whatever_is_blocked(clerk):
    clerk.deliver("first")
    alone = steps_of(clerk, clerk.start)
    busy = [f"busy-{number}" for number in range(200)]
    clerk.deliver_all(busy, "A")
    clerk.start()
    clerk.deliver_all(busy, "B")
    clerk.deliver("last")
    assert steps_of(clerk, clerk.start) <= 2 * alone


def test_a_busy_slot_frees_only_what_waits_behind_it(clerk):
    clerk.deliver_all("abc", "A")
    runs = [clerk.start(most=1) for _ in "abc"]
    clerk.deliver_all("abc", "B")
    clerk.turn(timedelta(seconds=1))
    clerk.complete(runs[1])
    assert [item.slot for item in clerk.start().generations] == [Slot("cafe", "landing/b.csv")]
