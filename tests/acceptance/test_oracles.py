"""The oracles of check-ins, covid, taxis and banking by themselves: promises as small histories, and the real files."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from tests.acceptance.test_oracle import imported
from tests.oracles import banking, checkins, covid, taxis

from penstock.testing.histories import Deliver, Fire, Publish, Replay, Send, Settle, Withdraw
from penstock.testing.promises import Between, Told

DAY = "landing/table=dailycheckin/year=2024/month=03/day=01/a.csv"
HEADER = b"user,timestamp,hours,project\n"


def told(oracle, *steps) -> Told:
    for step in steps:
        oracle.add(step)
    return oracle.told()


# --- check-ins ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2019-09-27 00:00:00 UTC", datetime(2019, 9, 27, tzinfo=UTC)),
        ("2019-09-27 00:00:00.25 UTC", datetime(2019, 9, 27, microsecond=250_000, tzinfo=UTC)),
        ("09/27/2019 12:00 AM", datetime(2019, 9, 27, tzinfo=UTC)),
        ("26 сентября 2019 00:00", datetime(2019, 9, 26, tzinfo=UTC)),
    ],
)
def test_three_formats_are_instants(text, meant):
    assert checkins.instant(text) == meant


@pytest.mark.parametrize("text", ["26 брюмера 2024 00:00", "2024-02-30 09:00:00 UTC", "2024-03-01 09:00:00"])
def test_what_is_no_instant_is_none(text):
    with pytest.raises(ValueError, match=r".*"):
        checkins.instant(text)


def test_a_row_that_fails_a_test_waits_and_the_others_are_there():
    found = told(
        checkins.CheckIns(), Deliver(DAY, HEADER + b"ada,03/01/2024 08:00 AM,1.5,x\n,03/01/2024 08:00 AM,1,x\n")
    )
    assert (found.tables["daily_checkins"].total(), found.slots[DAY].waiting) == (1, {3})


def test_a_replay_with_an_edit_brings_a_row_back():
    bad = HEADER + b"ada,03/01/2024 08:00 AM,1.555,x\n"
    found = told(checkins.CheckIns(), Deliver(DAY, bad), Replay(DAY, {2: {"hours": "1.5"}}))
    assert (found.tables["daily_checkins"].total(), found.slots[DAY].healed) == (1, {2})


def test_the_real_check_ins(checkins_data):
    data = (checkins_data / "dailycheckins.csv").read_bytes()
    (account,) = told(checkins.CheckIns(), Deliver(DAY, data)).slots.values()
    assert (account.fates[0].read, account.fates[0].kept) == (20_500, 20_494)


# --- covid -------------------------------------------------------------------------------------------------------


def cases(*days):
    return Publish(covid.CASES, "\n".join(["date,cases,deaths", *(f"2020-05-{day},7,1" for day in days), ""]).encode())


def world(*days):
    head = ",".join(covid.SHEETS[covid.WORLD].columns)
    lines = [f"2020-05-{day},{place},,1,1,5,3,1" for day in days for place in ("US", "Albania")]
    return Publish(covid.WORLD, "\n".join([head, *lines, ""]).encode())


def days_of(found):
    return sorted(dict(row)["date"].day for row in found.tables["days"])


FIRE = Fire("covid")


def test_the_days_that_both_know():
    found = told(covid.Covid(), cases(20, 21, 22), world(20, 21), FIRE)
    assert (days_of(found), found.facts["covid key/all, waiting"]) == ([20, 21], ["cases 2020-05-22"])


def test_nothing_comes_of_what_nobody_has_fetched():
    assert days_of(told(covid.Covid(), cases(20), world(20), FIRE, cases(21))) == [20]


def test_the_next_delivery_heals_exactly_what_can_be_joined_now():
    found = told(covid.Covid(), cases(20, 21, 22), world(20), FIRE, world(20, 21), FIRE)
    assert (days_of(found), found.facts["covid key/all, waiting"]) == ([20, 21], ["cases 2020-05-22"])


def test_an_attempt_counts_when_the_other_source_has_changed():
    oracle = covid.Covid(attempts=2)
    told(oracle, cases(20, 22), world(20), FIRE, cases(20, 21, 22), FIRE, cases(21, 22), FIRE)
    assert told(oracle).facts["covid key/all, parked"] == []
    told(oracle, world(20, 21), FIRE, world(20, 21, 22), FIRE)
    assert days_of(told(oracle)) == [21]
    assert told(oracle).facts["covid key/all, parked"] == ["cases 2020-05-22"]


def test_a_source_with_other_columns_is_refused_and_the_table_stays():
    found = told(covid.Covid(), cases(20), world(20), FIRE, Publish(covid.CASES, b"day,cases,deaths\n"), FIRE)
    assert (days_of(found), found.facts["covid key/all"]) == ([20], "refused")


def test_the_real_days(covid_data):
    oracle, us = covid.Covid(), (covid_data / "us.csv").read_bytes()
    waits = []
    for day in ("20200523", "20200604"):
        later = (covid_data / f"time-series-19-covid-combined_{day}.csv").read_bytes()
        found = told(oracle, Publish(covid.CASES, us), Publish(covid.WORLD, later), FIRE)
        waits.append((found.tables["days"].total(), len(found.facts["covid key/all, waiting"])))
    assert waits == [(123, 97), (135, 85)]


# --- taxis -------------------------------------------------------------------------------------------------------


def record(minute, free):
    properties = {"timestamp": f"2024-03-16T08:{minute:02}:00+08:00", "taxi_count": free}
    return {"features": [{"geometry": {"coordinates": []}, "properties": properties}]}


def landed(*hours):
    """Files by hour, each with records."""
    files = {f"landing/streams/taxis/year=2024/month=03/day=16/hour={n:02}/f": hour for n, hour in enumerate(hours)}
    return {name: "".join(f"{json.dumps(each)}\n" for each in hour).encode() for name, hour in files.items()}


def judged(oracle, files, **tables):
    """What is wrong with files; what is said of tables and facts is left out."""
    found = Told({name: Counter() for name in taxis.TABLES} | tables, facts={"landed": files})
    return [line for line in oracle.judge(found) if "records" in line]


@pytest.mark.parametrize(("there", "word"), [([], "lost"), ([1, 1], "doubled"), ([1, 2], "never sent")])
def test_a_reading_is_in_one_file(there, word):
    oracle = taxis.Taxis()
    oracle.add(Send("taxis", {"a": record(1, 7)}))
    (line,) = judged(oracle, landed([record(minute, 7) for minute in there]))
    assert word in line


def test_an_event_that_is_sent_again_counts_once():
    oracle = taxis.Taxis()
    for _ in range(2):
        oracle.add(Send("taxis", {"a": record(1, 7)}))
    assert judged(oracle, landed([record(1, 7)])) == []


def test_a_reading_that_is_polled_again_counts_once():
    oracle = taxis.Taxis()
    for step in (Publish(taxis.FEED, json.dumps(record(1, 7)).encode()), Fire("taxis"), Fire("taxis")):
        oracle.add(step)
    assert judged(oracle, landed([record(1, 7)])) == []


def test_the_last_reading_of_a_moment_counts():
    found = taxis.Taxis().told(landed([record(1, 7), record(1, 8)]))
    assert [dict(row)["free"] for row in found.tables["availability"]] == [8]


def test_an_hour_that_does_not_pass_the_gate_stays_as_it_was():
    oracle = taxis.Taxis()
    good, wild = [record(1, 7)], [record(1, 7), record(2, 50_000)]
    judged(oracle, landed(good))
    oracle.add(Settle())
    found = oracle.told(landed(wild, [record(5, 3)]))
    assert sorted(dict(row)["free"] for row in found.tables["availability"]) == [3, 7]
    assert sorted(dict(row)["free"] for row in found.tables["taxis"]) == [3, 7, 50_000]
    assert found.facts["production 2024/month=03/day=16/hour=00"] == "stopped"


# --- banking -----------------------------------------------------------------------------------------------------

CLIENTS = b"record_id,first_name,last_name,client_reference,tax_free_allowance\n1,Ada,Gray,c1,10\n2,Bo,Gray,c2,0\n"
PORTFOLIOS = b"record_id,accout_number,portfolio_reference,client_reference,agent_code\n1,7,p1,c1,A\n2,8,p2,c2,A\n"
ACCOUNTS = b"record_id,accout_number,cash_balance,currency,taxes_paid\n1,7,5.00,EUR,12.00\n2,8,6.00,EUR,3.00\n"
MOVES = b"record_id,accout_number,transaction_reference,amount,keyword\n1,7,t1,3.00,DEPOSIT\n2,7,t2,-1.00,TAX\n"
FILES = {"clients": CLIENTS, "portfolios": PORTFOLIOS, "accounts": ACCOUNTS, "transactions": MOVES}


def delivered(name, data=b"", sender="A"):
    return Deliver(f"landing/{sender}/{name}_20220226.csv", data or FILES[name])


def rows(found, table):
    return sorted((dict(row) for row in found.tables[table]), key=repr)


def key(reader, sender="A"):
    return f"{reader} key/sender={sender}/day=2022-02-26"


def test_nothing_is_related_before_all_four_are_there():
    found = told(banking.Banking(), *(delivered(name) for name in FILES if name != "accounts"))
    assert (found.tables["stored_clients"].total(), found.tables["clients"].total(), found.facts) == (2, 0, {})


def test_one_record_for_each_client_and_each_portfolio():
    found = told(banking.Banking(), *map(delivered, FILES))
    assert [(each["paid"], each["above"]) for each in rows(found, "client_taxes")] == [(12, 2), (3, 3)]
    assert [(each["deposits"], each["transactions"]) for each in rows(found, "portfolio_deposits")] == [
        (Decimal(0), 0), (Decimal(3), 2),
    ]  # fmt: skip
    assert [each["balance"] for each in rows(found, "portfolio_balances")] == [5, 6]


def test_a_row_without_its_partner_waits_and_so_do_those_that_need_it():
    lost = PORTFOLIOS.replace(b"2,8,p2,c2,A\n", b"").replace(b",c1,", b",c9,")
    found = told(banking.Banking(), *map(delivered, FILES), delivered("portfolios", lost))
    waiting = ["accounts 7", "accounts 8", "portfolios p1", "transactions t1", "transactions t2"]
    assert found.facts[f"{key('relations')}, waiting"] == waiting


def test_senders_do_not_mix():
    other = [delivered(name, sender="B") for name in FILES if name != "transactions"]
    found = told(banking.Banking(), *map(delivered, FILES), *other)
    assert {each["sender"] for each in rows(found, "clients")} == {"A"}


def settled(*steps, generations):
    """The bounds of each reader's generations after one more step, once all four had come to rest."""
    oracle = banking.Banking()
    first = told(oracle, *map(delivered, FILES))
    oracle.judge(Told(first.tables, first.slots, dict.fromkeys(first.facts, generations)))
    oracle.add(Settle())
    facts = told(oracle, *steps).facts
    return {reader: facts[f"{key(reader)}, generations"] for reader in banking.READS}


def test_only_who_reads_what_has_changed_works_again():
    moved = delivered("transactions", MOVES.replace(b"3.00", b"4.00"))
    once = settled(moved, generations=1)
    assert [(once[reader].least, once[reader].most) for reader in banking.READS] == [(2, 2), (2, 2), (1, 1), (1, 1)]


def test_a_correction_of_what_is_never_read_goes_no_further():
    renamed = delivered("clients", CLIENTS.replace(b"Ada", b"Zoe"))
    assert set(map(str, settled(renamed, generations=1).values())) == {str(Between(1, 1))}


def test_what_is_taken_back_takes_what_was_made_of_it_along():
    found = told(banking.Banking(), *map(delivered, FILES), Settle(), Withdraw("landing/A/accounts_20220226.csv"))
    assert (found.tables["client_taxes"].total(), found.facts[key("taxes")]) == (0, "withdrawn")


def test_two_rows_of_one_key_wait_and_an_edit_of_one_heals_both():
    oracle, address = banking.Banking(), "landing/A/accounts_20220226.csv"
    found = told(oracle, delivered("accounts", ACCOUNTS.replace(b"2,8", b"2,7")))
    assert found.slots[address].waiting == {2, 3}
    assert told(oracle, Replay(address, {3: {"account_number": "8"}})).slots[address].healed == {2, 3}


@pytest.mark.parametrize("name", ["loans_20220226.csv", "accounts_2022.csv", "accounts_20220299.csv"])
def test_a_name_that_nobody_takes_changes_nothing(name):
    assert told(banking.Banking(), Deliver(f"landing/A/{name}", ACCOUNTS)).slots == {}


def test_the_real_day():
    from tests.conftest import real_data

    folder = real_data("banking") / "20200130"
    files = [Deliver(f"landing/EXT_CLIENT/{file.name}", file.read_bytes()) for file in sorted(folder.glob("*.csv"))]
    found = told(banking.Banking(), *files)
    paid = Decimal("789.56")
    assert sorted((each["paid"], each["above"]) for each in rows(found, "client_taxes")) == [(0, 0), (paid, paid)]
    assert rows(found, "clients")[0]["day"] == date(2020, 1, 30)


# --- independence ------------------------------------------------------------------------------------------------

SHARED = {"histories", "promises", "sheets"}


@pytest.mark.parametrize("name", ["banking", "checkins", "covid", "taxis"])
def test_the_oracles_import_nothing_that_they_judge(name):
    file = Path(__file__).parents[1] / "oracles" / f"{name}.py"
    found = set(imported(file, set()))
    assert found <= {"penstock.model.fates", "penstock.errors", *(f"penstock.testing.{each}" for each in SHARED)}
