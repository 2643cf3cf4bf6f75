"""The ledger over its socket: shared commits, errors, lost answers, and what keeps strangers out."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import threading
import time
from dataclasses import fields
from multiprocessing.connection import Client, Listener

import pytest

from penstock.adapters.sqlite import SqliteLedger, open_ledger, wire
from penstock.adapters.sqlite.client import Line, LineLost, RemoteLedger
from penstock.adapters.sqlite.election import Holder, Lock, address_of, key_of
from penstock.adapters.sqlite.wire import Answer, Call
from penstock.errors import LedgerBusy, PenstockError, SetupError, StorageUnavailable, UnknownName, UsageError
from penstock.ledger.port import ClaimLimits, RetryPolicy
from penstock.model.events import Event
from penstock.model.fates import Fates
from penstock.model.runs import Result, Run, Staged
from penstock.model.slots import Acceptance, Content, Delivery, Generation, Kind, Slot, Standing
from penstock.testing.clerk import BROKEN, NOW, Clerk, content, slot


@pytest.fixture
def holder(tmp_path):
    holder = Holder(tmp_path, Lock.take(tmp_path / "ledger.lock"), 5)
    yield holder
    holder.close()


@pytest.fixture
def line(holder, tmp_path):
    line = Line(address_of(tmp_path), lambda: key_of(tmp_path), patience=5)
    yield line
    line.close()


def deliver(name, identity="1"):
    return Call(identity, "accept", ((Delivery(slot(name), content=content("A")),), NOW))


def reload(identity):
    return Call(identity, "accept", ((Delivery(slot("leeds"), kind=Kind.RELOAD, content=content("A")),), NOW))


def wait_until(true):
    deadline = time.monotonic() + 5
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def all_at_once(holder, line, calls):
    """Ask while the ledger is busy with something else, so that the calls wait for each other."""
    answers = {}
    threads = [threading.Thread(target=lambda call=call: answers.update({call.id: line.ask(call)})) for call in calls]
    with holder.ledger.store.writing():
        for thread in threads:
            thread.start()
        wait_until(lambda: holder.server.calls == len(calls))
    for thread in threads:
        thread.join(5)
    return answers


# --- shared commits ----------------------------------------------------------------------------------------------


def test_writes_that_wait_for_each_other_share_a_commit(holder, line):
    all_at_once(holder, line, [deliver(f"file-{number}", str(number)) for number in range(20)])
    assert holder.server.commits <= 2
    assert len(holder.ledger.slots("cafe")) == 20


def test_a_call_that_fails_does_not_undo_the_others(holder, line):
    wrong = Call("wrong", "accept", ((Delivery(slot("york"), content=content("A")), Delivery(slot("hull"))), NOW))
    calls = [deliver("leeds", "1"), wrong, deliver("bath", "2"), Call("lost", "renew", ("cafe-9", 1, NOW, NOW - NOW))]
    answers = all_at_once(holder, line, calls)
    assert [type(answers[name].error) for name in ("1", "wrong", "2", "lost")] == [
        type(None),
        UsageError,
        type(None),
        UnknownName,
    ]
    assert holder.ledger.slots("cafe") == [slot("bath"), slot("leeds")]


def test_a_commit_that_fails_is_told_to_all_who_shared_it(holder, line):
    def refuse(action, word, *_):
        return sqlite3.SQLITE_DENY if (action, word) == (sqlite3.SQLITE_TRANSACTION, "COMMIT") else sqlite3.SQLITE_OK

    holder.ledger.store._writer.set_authorizer(refuse)
    answers = holder.desk.answer_together([deliver(f"file-{number}", str(number)) for number in range(5)])
    holder.ledger.store._writer.set_authorizer(None)
    assert [type(answer.error) for answer in answers] == [StorageUnavailable] * 5
    assert holder.ledger.events() == []
    assert line.ask(deliver("leeds")).value[0].generation.sequence == 1


def test_the_disk_that_is_full_fails_what_found_no_room(holder, line):
    pages = holder.ledger.store._writer.execute("PRAGMA page_count").fetchone()[0]
    holder.ledger.store._writer.execute(f"PRAGMA max_page_count = {pages + 10}")
    answers = all_at_once(holder, line, [deliver(f"{number}" + "x" * 2000, str(number)) for number in range(20)])
    accepted = [answer for answer in answers.values() if answer.error is None]
    assert len(accepted) < 20
    assert all(answer.error is None or answer.error.retry for answer in answers.values())
    assert len(holder.ledger.events()) == len(holder.ledger.slots("cafe")) == len(accepted)
    holder.ledger.store._writer.execute("PRAGMA max_page_count = 100000")
    assert line.ask(deliver("leeds", "again")).value[0].generation.sequence == len(accepted) + 1


# --- errors ------------------------------------------------------------------------------------------------------


def test_errors_come_back_as_they_were_raised(tmp_path):
    with open_ledger(tmp_path) as ledger, open_ledger(tmp_path) as remote:
        raised = []
        for asked in (ledger, remote):
            with pytest.raises(UsageError) as caught:
                asked.accept([Delivery(slot("leeds"))], NOW)
            raised.append(caught.value.facts())
        assert raised[0] == raised[1]


def test_what_nobody_expected_is_an_error_without_its_text(line):
    answer = line.ask(Call("1", "accept", ("not deliveries", "secret")))
    assert isinstance(answer.error, PenstockError)
    assert "secret" not in str(answer.error.facts())
    assert line.ask(deliver("leeds")).error is None


def test_only_the_ledgers_methods_can_be_called(line):
    assert isinstance(line.ask(Call("1", "close")).error, UsageError)


# --- lost answers ------------------------------------------------------------------------------------------------


def lose_the_answer(holder, line, call):
    """Ask, and go away before the answer comes, but after it was committed."""
    connection = line._connect()
    before = len(holder.ledger.events())
    connection.send_bytes(wire.pack(call))
    wait_until(lambda: len(holder.ledger.events()) > before)
    connection.close()


def test_a_delivery_whose_answer_was_lost_is_the_same_generation(holder, line):
    lose_the_answer(holder, line, deliver("leeds"))
    (again,) = line.ask(deliver("leeds")).value
    assert (again.generation.number, again.fresh) == (1, False)
    assert [event.type for event in holder.ledger.events()] == ["generation.accepted", "generation.duplicate"]


def test_a_reload_whose_answer_was_lost_is_made_once(holder, line):
    lose_the_answer(holder, line, reload("1"))
    (again,) = line.ask(reload("1")).value
    assert (again.generation, again.fresh) == (holder.ledger.current(slot("leeds")), True)
    assert line.ask(reload("2")).value[0].generation.number == 2


def test_a_reload_whose_answer_was_lost_with_its_holder_is_made_once(holder, line, tmp_path):
    lose_the_answer(holder, line, reload("1"))
    holder.close()
    next_one = Holder(tmp_path, Lock.take(tmp_path / "ledger.lock"), 5)
    again = next_one.desk.answer(reload("1")).value[0].generation
    assert next_one.ledger.history(slot("leeds")) == [again]
    next_one.close()


@pytest.mark.parametrize("word", ["release", "drop", "redrive"])
def test_a_persons_word_whose_answer_was_lost_is_carried_out_once(holder, line, word):
    clerk = Clerk(holder.ledger)
    clerk.deliver("leeds")
    run = clerk.start()
    run = clerk.prepare(run, leeds=Standing.SUSPENDED) if word == "release" else clerk.fail(run)[0]
    call = Call("1", word, (run.id, NOW), {"by": "ann"})
    lose_the_answer(holder, line, call)
    assert line.ask(call).value == holder.ledger.run(run.id)
    assert line.ask(Call("2", word, (run.id, NOW), {"by": "ann"})).error is not None


def test_only_so_many_answers_are_kept(holder, line, monkeypatch):
    monkeypatch.setattr("penstock.adapters.sqlite.pages.MOST_ANSWERS", 3)
    for number in range(10):
        line.ask(reload(str(number)))
    assert holder.ledger.store._writer.execute("SELECT count(*) FROM answers").fetchone() == (3,)


# --- holders that go, stop, or are none --------------------------------------------------------------------------


def test_the_next_call_takes_the_place_of_a_holder_that_went(tmp_path):
    with open_ledger(tmp_path) as ledger:
        remote = open_ledger(tmp_path)
        asked = remote.__enter__()
        asked.accept([Delivery(slot("leeds"), content=content("A"))], NOW)
        assert isinstance(ledger, SqliteLedger)
    assert isinstance(asked, RemoteLedger)
    assert asked.slots("cafe") == [slot("leeds")]
    assert Lock.take(tmp_path / "ledger.lock") is None
    with open_ledger(tmp_path) as third:
        assert third.slots("cafe") == [slot("leeds")]
    remote.__exit__(None, None, None)
    with open_ledger(tmp_path) as fourth:
        assert isinstance(fourth, SqliteLedger)


def test_a_holder_that_does_not_answer_is_busy(tmp_path):
    address = address_of(tmp_path)
    with Listener(str(address), family="AF_UNIX"), pytest.raises(LedgerBusy):
        Line(address, lambda: b"key", patience=0.05).ask(deliver("leeds"))


def test_a_holder_that_does_not_listen_is_busy(tmp_path):
    with Lock.take(tmp_path / "ledger.lock"), open_ledger(tmp_path, patience=0.05) as ledger, pytest.raises(LedgerBusy):
        ledger.slots("cafe")


def test_a_ledger_that_cannot_be_opened_lets_go_of_its_lock(tmp_path):
    (tmp_path / "ledger.db").mkdir()
    with pytest.raises(PenstockError), open_ledger(tmp_path):
        pass
    (tmp_path / "ledger.db").rmdir()
    with open_ledger(tmp_path) as ledger:
        assert isinstance(ledger, SqliteLedger)


def test_closing_answers_what_was_asked(holder, line):
    closing = threading.Thread(target=holder.server.close)
    with holder.ledger.store.writing():
        asking = [threading.Thread(target=line.ask, args=(deliver(f"file-{number}"),)) for number in range(3)]
        for thread in asking:
            thread.start()
        wait_until(lambda: holder.server.calls == 3)
        closing.start()
    for thread in (*asking, closing):
        thread.join(5)
    assert len(holder.ledger.slots("cafe")) == 3


# --- strangers ---------------------------------------------------------------------------------------------------


def test_who_does_not_know_the_key_is_not_heard(holder, line, tmp_path):
    with pytest.raises(LineLost):
        Line(address_of(tmp_path), lambda: b"guess").ask(deliver("leeds"))
    assert holder.ledger.events() == []
    assert line.ask(deliver("leeds")).error is None


def test_who_says_nothing_keeps_nobody_waiting(holder, line, tmp_path):
    silent = [Client(str(address_of(tmp_path)), family="AF_UNIX") for _ in range(3)]
    assert line.ask(deliver("leeds")).error is None
    for connection in silent:
        connection.close()


def test_key_and_socket_are_this_users_alone(holder, tmp_path):
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("ledger.key", "ledger.sock")]
    assert modes == [0o600, 0o600]
    assert len(key_of(tmp_path)) == 32


def test_a_folder_with_a_long_path_has_its_socket_elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = tmp_path / ("long" * 30) / "state"
    with open_ledger(folder), open_ledger(folder) as remote:
        assert isinstance(remote, RemoteLedger)
        assert Clerk(remote).deliver("leeds").fresh
    assert len(os.fsencode(address_of(folder))) <= 107


def test_a_folder_for_sockets_that_others_can_write_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / f"penstock-{os.getuid()}").mkdir(mode=0o777)
    (tmp_path / f"penstock-{os.getuid()}").chmod(0o777)
    with pytest.raises(SetupError):
        address_of(tmp_path / ("long" * 30))


def test_a_forked_child_does_not_keep_the_lock(tmp_path):
    lock = Lock.take(tmp_path / "ledger.lock")
    ready, done = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.write(ready[1], b".")
        os.read(done[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    lock.__exit__()
    again = Lock.take(tmp_path / "ledger.lock")
    os.write(done[1], b".")
    os.waitpid(child, 0)
    assert again is not None
    again.__exit__()


# --- the wire ----------------------------------------------------------------------------------------------------

PLACE = Slot("cafe", "landing/a.csv")
GENERATION = Generation(
    PLACE, 2, Kind.PATCH, 9, NOW, Content("a1", 3, "v1"), {"branch": "leeds"}, "replay", "f1", True, (3,), "fixes/1", 1,
    Standing.LOADED, "cafe-7",
)  # fmt: skip
RESULT = Result(
    PLACE, 2, Standing.LOADED, Fates(9, 5, 2, 1, 1), 10, {"a": 1}, {"b": 2}, {"orders": 5}, {"orders": 2**70}, BROKEN
)
RUN = Run(
    "cafe-7", "cafe", (GENERATION,), NOW, staged=(Staged("orders", ("a",), (("at", "DATE"),), 5),), results=(RESULT,)
)
MESSAGES = [
    RUN,
    RESULT,
    GENERATION,
    Acceptance(GENERATION, fresh=True),
    Event("run.started", "cafe", "cafe-7", NOW, {"a": 1}, 3),
    ClaimLimits(),
    RetryPolicy(),
    Delivery(PLACE, Kind.RELOAD, GENERATION.content, {"branch": "leeds"}, "c", "f", hard=False),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_record_travels_with_all_its_fields(message):
    there = wire.unpack(wire.pack(Answer(message))).value
    assert [getattr(there, item.name) for item in fields(there)] == [
        getattr(message, item.name) for item in fields(message)
    ]


def test_every_method_of_the_ledger_can_be_called_from_afar():
    methods = {name for name in dir(RemoteLedger) if not name.startswith("_")}
    assert methods == wire.READS | wire.WRITES


@pytest.mark.timeout(30)
def test_a_ledger_is_closed_though_its_folder_is_gone(tmp_path):
    with open_ledger(tmp_path / "store"):
        shutil.rmtree(tmp_path / "store")
