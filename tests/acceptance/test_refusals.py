"""Rows that PostgreSQL refuses: set aside with the reason, in every destination alike, and healed by a later run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import psycopg
import pytest

from penstock.entrypoints.cli.init import create
from penstock.entrypoints.cli.main import main
from penstock.runtime.worker import Worker
from penstock.wiring.local import open_project

SALES = """
import penstock as ps

sales = ps.Pipeline(
    "sales",
    trigger=ps.upload("landing/{day}.csv"),
    source=ps.csv(columns={"item": "VARCHAR", "price": "DECIMAL(8,2)"}),
)
sales.load("source", to=[DESTINATIONS], table="sales")
"""
LAKE, WAREHOUSE = "ps.lake()", 'ps.postgres("warehouse")'
POSITIVE = "ALTER TABLE sales ADD CONSTRAINT positive CHECK (price > 0)"
LIFTED = "ALTER TABLE sales DROP CONSTRAINT positive"
REASON = "Refused by warehouse: CHECK positive of table sales"


class Shop:
    """A project, its database, and what a person types."""

    def __init__(self, folder: Path, url: str, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.url, self._capsys = folder, url, capsys

    def pipeline(self, text: str, name: str = "sales") -> None:
        (self.folder / f"pipelines/{name}.py").write_text(text)

    def deliver(self, name: str, *rows: str, head: str = "item,price") -> None:
        path = self.folder / "landing" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join([head, *rows, ""]))

    def __call__(self, *words: str) -> tuple[int, str]:
        self._capsys.readouterr()
        code = main([*words, "--project", str(self.folder)])
        printed = self._capsys.readouterr()
        self.said = printed.err
        return code, printed.out

    def json(self, *words: str) -> list[dict]:
        return [json.loads(line) for line in self(*words, "--json")[1].splitlines()]

    def run(self, *words: str) -> dict:
        """The last line of `run --json`."""
        return self.json("run", *words)[-1]

    def database(self, statement: str) -> list[tuple]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def both(self, column: str, table: str = "sales") -> list[str]:
        """A column of a table, which the lake and the database have in common."""
        found = [str(row[0]) for row in self.database(f"SELECT {column} FROM {table} ORDER BY 1")]
        lake = [str(row[column]) for row in self.json("query", f"SELECT {column} FROM {table} ORDER BY 1")]
        assert lake == found
        return found

    def rejects(self, *words: str) -> list[tuple[str, int, str, int]]:
        """Address, line, status and attempt of rejected rows."""
        found = self.json("quarantine", *words)
        return sorted(
            (row["slot"].removeprefix("landing/"), row["line"], row["status"], row["attempt"]) for row in found
        )

    def agrees(self) -> bool:
        return self("verify")[0] == 0


@pytest.fixture
def shop(tmp_path, postgres, monkeypatch, capsys) -> Shop:
    monkeypatch.setenv("PENSTOCK_WAREHOUSE_URL", postgres)
    create(tmp_path / "shop", "minimal")
    shutil.rmtree(tmp_path / "shop/pipelines")
    (tmp_path / "shop/pipelines").mkdir()
    return Shop(tmp_path / "shop", postgres, capsys)


@pytest.fixture(params=[f"{LAKE}, {WAREHOUSE}", f"{WAREHOUSE}, {LAKE}"], ids=["lake first", "warehouse first"])
def guarded(request, shop) -> Shop:
    """One sale has been loaded; then somebody put a CHECK on the table."""
    shop.pipeline(SALES.replace("DESTINATIONS", request.param))
    shop.deliver("mon.csv", "tea,1.50")
    shop.run()
    shop.database(POSITIVE)
    return shop


@pytest.fixture
def refused(guarded) -> Shop:
    """Of three rows of the next day two are refused."""
    guarded.deliver("tue.csv", "bun,2.50", "pie,-1", "cake,-3")
    guarded.told = guarded.run()
    return guarded


def test_the_others_are_loaded_and_both_destinations_agree(refused):
    assert (refused.told["state"], refused.told["loaded"]) == ("succeeded", {"sales": 1})
    assert refused.both("item") == ["bun", "tea"]
    assert refused.agrees()


def test_the_account_names_them_with_their_reason(refused):
    assert refused.told["rows"] == {"read": 3, "kept": 1, "filtered": 0, "deduplicated": 0, "quarantined": 2}
    assert (refused.told["reasons"], refused.told["retries"]) == ({REASON: 2}, {"waiting": 2})


def test_they_wait_in_quarantine_as_retriable(refused):
    assert refused.rejects() == [("tue.csv", 3, "open", 1), ("tue.csv", 4, "open", 1)]
    found = refused.json("quarantine")[0]
    assert (found["reasons"], found["retriable"], found["row"]) == ([REASON], True, {"item": "pie", "price": -1.0})


def test_the_status_and_the_closing_message_tell_of_them(refused):
    assert "refused by a destination: 2 waiting" in refused("status")[1]
    assert refused.json("status")[0]["refused"] == {"waiting": 2, "parked": 0}
    assert refused.json("status")[0]["retriable"] == {"waiting": 2}
    refused.deliver("wed.csv", "ham,1")
    printed = refused("run")[1]
    assert "retriable rows: 2 waiting" in printed
    assert REASON in printed


def test_the_ledger_tells_the_failed_attempt(refused):
    (event,) = [event for event in refused.json("logs") if event["event"] == "run_refused"]
    assert (event["rows"], event["reasons"]) == (2, {REASON: 2})


def test_lifted_the_next_run_heals_them(refused):
    refused.database(LIFTED)
    refused.deliver("wed.csv", "ham,1")
    told = refused.run()
    assert (told["state"], told["loaded"], told["retries"]) == ("succeeded", {"sales": 3}, {"healed": 2})
    assert refused.both("item") == ["bun", "cake", "ham", "pie", "tea"]
    assert refused.rejects() == []
    assert refused.rejects("--all") == [("tue.csv", 3, "healed", 1), ("tue.csv", 4, "healed", 1)]
    assert refused.json("status")[0]["refused"] == {"waiting": 0, "parked": 0}
    assert refused.agrees()


@pytest.mark.parametrize("words", [(), ("sales",), ("sales", "landing/mon.csv")])
def test_a_person_s_run_heals_them_although_nothing_is_new(refused, monkeypatch, words):
    monkeypatch.chdir(refused.folder)
    refused.database(LIFTED)
    refused.run(*words)
    assert refused.both("item") == ["bun", "cake", "pie", "tea"]


def test_a_file_that_is_run_by_name_tells_what_was_healed(refused, monkeypatch):
    monkeypatch.chdir(refused.folder)
    refused.database(LIFTED)
    refused.deliver("wed.csv", "ham,1")
    printed = refused("run", "sales", "landing/wed.csv")[1]
    assert "retriable rows: 2 healed" in printed
    assert "tue.csv" in printed


def test_only_those_heal_that_are_taken_now(refused):
    refused.database(f"{LIFTED}; ALTER TABLE sales ADD CONSTRAINT positive CHECK (price > -2)")
    told = refused.run()
    assert told["retries"] == {"healed": 1, "waiting": 1}
    assert refused.both("item") == ["bun", "pie", "tea"]
    assert refused.rejects() == [("tue.csv", 4, "open", 2)]
    assert refused.rejects("--all")[-2:] == [("tue.csv", 4, "open", 2), ("tue.csv", 4, "replayed", 1)]


def test_after_five_attempts_they_are_parked_and_a_person_replays_them(refused):
    for attempt in (2, 3, 4):
        refused.run()
        assert refused.rejects()[0] == ("tue.csv", 3, "open", attempt)
    told = refused.run()
    assert told["retries"] == {"parked": 2}
    assert refused.rejects() == [("tue.csv", 3, "parked", 5), ("tue.csv", 4, "parked", 5)]
    assert refused.json("status")[0]["refused"] == {"waiting": 0, "parked": 2}
    refused.database(LIFTED)
    assert refused.run()["runs"] == []
    assert refused("replay")[0] == 0
    assert refused.both("item") == ["bun", "cake", "pie", "tea"]
    assert (refused.rejects(), refused.json("status")[0]["refused"]) == ([], {"waiting": 0, "parked": 0})


def test_they_rest_between_attempts_while_others_are_loaded(refused):
    """The first time they come along with the very next run; then they are left alone for a minute."""
    sizes = []
    with open_project(refused.folder) as project:
        worker = Worker("somebody", project.equipment)
        for number in range(3):
            refused.deliver(f"wed{number}.csv", "ham,1")
            project.intake.rescan(project.fingerprints)
            sizes.append(len(worker.work().generations))
    assert sizes == [2, 1, 1]


def test_an_edited_row_keeps_its_edit_while_it_waits(refused):
    export = refused.folder / "fixes.csv"
    refused("quarantine", "export", "--to", str(export))
    export.write_text(export.read_text().replace("pie,-1.0", "plum pie,-9.00"))
    refused("replay", "--fixes", str(export))
    refused.database(LIFTED)
    refused.run()
    assert refused.both("item") == ["bun", "cake", "plum pie", "tea"]


def test_a_newer_delivery_supersedes_them(refused):
    refused.deliver("tue.csv", "bun,2.50", "pie,1")
    refused.run()
    assert refused.both("item") == ["bun", "pie", "tea"]
    assert refused.rejects() == []
    assert refused.json("status")[0]["refused"] == {"waiting": 0, "parked": 0}


def test_a_withdrawn_delivery_takes_them_along(refused):
    refused("withdraw", "sales", "landing/tue.csv")
    refused.database(LIFTED)
    assert refused.run()["runs"] == []
    assert refused.both("item") == ["tea"]


def test_a_file_that_is_gone_is_not_asked_for_again_and_again(refused):
    (refused.folder / "landing/tue.csv").unlink()
    assert refused.run()["state"] == "failed"
    assert refused.run()["runs"] == []
    refused.deliver("wed.csv", "ham,1")
    assert refused.run()["state"] == "succeeded"


def test_one_delivery_of_many_that_is_refused_in_part(guarded):
    for number in range(30):
        guarded.deliver(f"day{number:02d}.csv", f"bun{number:02d},{-1 if number == 17 else 1}", f"ham{number:02d},1")
    told = guarded.run()
    assert (told["state"], told["loaded"], told["retries"]) == ("succeeded", {"sales": 59}, {"waiting": 1})
    assert guarded.rejects() == [("day17.csv", 2, "open", 1)]
    assert guarded.agrees()


def test_a_hard_pipeline_is_suspended_until_a_person_lets_the_others_go(guarded):
    guarded.deliver("tue.csv", "bun,2.50", "pie,-1")
    code, printed = guarded("run", "--hard", "sales")
    assert (code, "suspended" in printed, REASON in guarded.said) == (3, True, True)
    assert guarded.both("item") == ["tea"]
    run = guarded.json("status")[0]["run"]
    assert guarded("redrive", run)[0] == 0
    assert guarded.both("item") == ["bun", "tea"]
    assert guarded.rejects() == [("tue.csv", 3, "open", 1)]


def test_very_many_are_the_table_s_fault(guarded, monkeypatch):
    monkeypatch.setenv("PENSTOCK_LIMITS_REFUSED_ROWS", "3")
    guarded.deliver("tue.csv", *[f"bun{number},-1" for number in range(4)])
    told = guarded.run()
    assert told["state"] == "dead"
    assert (told["errors"][0]["code"], "more than 3 rows" in told["errors"][0]["why"]) == ("E400", True)
    guarded.database(LIFTED)
    assert guarded("redrive")[0] == 0
    assert len(guarded.both("item")) == 5
    assert guarded.agrees()


def test_personal_data_is_in_no_reason_and_no_record(shop):
    text = SALES.replace("DESTINATIONS", WAREHOUSE).replace(
        "    source=", '    privacy={"item": ps.hash()},\n    source='
    )
    shop.pipeline(text)
    shop.deliver("mon.csv", "tea,1.50")
    shop.run()
    shop.database("ALTER TABLE sales ADD CHECK (price > 0)")
    shop.deliver("tue.csv", "Zacharias Quill,-1")
    printed = shop("run", "--verbose")[1] + shop("quarantine", "show")[1] + shop("logs")[1]
    kept = [path.read_bytes() for path in shop.folder.rglob("*") if path.is_file() and "landing" not in path.parts]
    assert b"Zacharias" not in b"".join([printed.encode(), *kept])


# --- entities, joins, whole deliveries ---------------------------------------------------------------------------


def test_an_entity_that_is_refused_takes_along_all_that_speaks_of_it(shop):
    create(shop.folder.parent / "cafe", "cafe")
    import runpy

    runpy.run_path(str(shop.folder.parent / "cafe/make_data.py"))["make"](
        shop.folder.parent / "cafe/landing", days=2, orders=20
    )
    cafe = Shop(shop.folder.parent / "cafe", shop.url, shop._capsys)
    files = sorted((cafe.folder / "landing").glob("*.csv"))
    later = [path.rename(path.with_suffix(".later")) for path in files[2:]]
    assert cafe.run()["state"] == "succeeded"
    name = cafe.database("SELECT product FROM products ORDER BY 1 LIMIT 1")[0][0]
    cafe.database(f"ALTER TABLE products ADD CONSTRAINT known CHECK (product <> '{name}') NOT VALID")
    for path in later:
        path.rename(path.with_suffix(".csv"))
    told = cafe.run()
    assert (told["state"], set(told["reasons"])) == (
        "succeeded",
        {"Refused by warehouse: CHECK known of table products"},
    )
    counts = "SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM order_items), (SELECT count(*) FROM products)"
    dangling = "SELECT count(*) FROM order_items LEFT JOIN orders USING (order_id) WHERE orders.order_id IS NULL"
    assert cafe.database(dangling) == [(0,)]
    lake = cafe.json("query", counts)[0]
    assert tuple(lake.values()) == cafe.database(counts)[0]
    assert cafe.agrees()
    cafe.database("ALTER TABLE products DROP CONSTRAINT known")
    assert cafe.run()["retries"] == {"healed": told["retries"]["waiting"]}
    assert cafe.database("SELECT count(*) FROM orders") == [(80,)]
    assert cafe.agrees()


COVID = """
import penstock as ps

covid = ps.Pipeline(
    "covid",
    trigger=ps.manual(),
    sources={
        "cases": ps.csv(columns={"date": "DATE", "cases": "INTEGER"}),
        "recoveries": ps.csv(columns={"date": "DATE", "recovered": "INTEGER"}),
    },
)
covid.matched("cases", in_="recoveries", on="date")
covid.sql("days", "SELECT * FROM cases JOIN recoveries USING (date)", inputs=["cases", "recoveries"])
covid.load("days", to=[ps.lake(), ps.postgres("warehouse")], mode="merge", key=["date"])
"""
CASES = "date,cases\n2020-01-01,1\n2020-01-02,2\n2020-01-03,3\n2020-01-04,4\n"


def recoveries(*recovered: int) -> str:
    return "date,recovered\n" + "".join(f"2020-01-{day:02d},{number}\n" for day, number in enumerate(recovered, 1))


@pytest.fixture
def health(shop) -> Shop:
    """The first day was loaded; then a CHECK came upon the table, and two more days of which one is refused."""
    shop.pipeline(COVID, "covid")

    def bring(**texts: str) -> dict:
        files = []
        for source, text in texts.items():
            path = shop.folder / f"{source}-{len(list(shop.folder.glob('*.csv')))}.csv"
            path.write_text(text)
            files.append(f"{source}={path}")
        return shop.run("covid", *files)

    shop.bring = bring
    shop.bring(cases=CASES, recoveries=recoveries(0))
    shop.database("ALTER TABLE days ADD CONSTRAINT sane CHECK (recovered >= 0)")
    shop.told = shop.bring(recoveries=recoveries(0, -5, 7))
    return shop


def test_a_row_of_a_join_is_set_aside_by_itself(health):
    assert health.both("cases", "days") == ["1", "3"]
    assert health.told["reasons"] == {
        'Matched "date" in "recoveries"': 1, "Refused by warehouse: CHECK sane of table days": 1
    }  # fmt: skip
    assert health.told["retries"] == {"healed": 2, "waiting": 2}
    assert health.told["rows"]["quarantined"] == 1
    assert health.rejects() == [("key/all", 0, "open", 1), ("key/all", 5, "open", 2)]


def test_it_is_shown_with_its_values_and_without_a_line(health):
    printed = health("quarantine", "show")[1]
    assert "key/all:–" in printed
    assert "recovered=-5" in printed


def test_the_next_morning_heals_it(health):
    health.database("ALTER TABLE days DROP CONSTRAINT sane")
    told = health.bring(recoveries=recoveries(0, -5, 7, 9))
    assert told["retries"] == {"healed": 2}
    assert health.both("cases", "days") == ["1", "2", "3", "4"]
    assert health.rejects() == []


def test_a_morning_without_news_heals_it_as_well(health):
    health.database("ALTER TABLE days DROP CONSTRAINT sane")
    told = health.run("covid")
    assert told["retries"] == {"healed": 1, "waiting": 1}
    assert health.both("cases", "days") == ["1", "2", "3"]
    assert health.rejects() == [("key/all", 5, "open", 2)]


def test_a_row_of_a_join_is_parked_and_then_not_tried_before_a_person_says_so(health):
    for number in range(4):
        told = health.bring(recoveries=recoveries(number, -5, 7))
    assert told["retries"] == {"waiting": 1, "parked": 1} or told["retries"]["parked"] >= 1
    assert ("key/all", 0, "parked", 5) in health.rejects()
    told = health.bring(recoveries=recoveries(10, -5, 7))
    refusals = [event for event in health.json("logs", "-n", "0") if event["event"] == "run_refused"]
    assert len(refusals) == 5
    health.database("ALTER TABLE days DROP CONSTRAINT sane")
    health.bring(recoveries=recoveries(11, -5, 7))
    assert health.both("cases", "days") == ["1", "3"]
    assert health("replay", "covid")[0] == 0
    assert health.both("cases", "days") == ["1", "2", "3"]


def test_what_a_later_content_no_longer_holds_waits_no_more(health):
    health.bring(recoveries=recoveries(0, 5, 7))
    assert health.both("cases", "days") == ["1", "2", "3"]
    assert health.rejects() == [("key/all", 5, "open", 3)]


GROUPED = """
import penstock as ps

sums = ps.Pipeline(
    "sums", trigger=ps.upload("landing/{day}.csv"), source=ps.csv(columns={"item": "VARCHAR", "price": "DECIMAL(8,2)"})
)


@sums.step
def totals(source):
    return source.sql("SELECT item, sum(price)::DECIMAL(9,2) AS price FROM source GROUP BY item")


sums.load("totals", to=[ps.lake(), ps.postgres("warehouse")], table="sales", mode="replace")
"""


def test_a_group_is_set_aside_and_comes_back_with_its_delivery_as_a_whole(shop):
    shop.pipeline(GROUPED)
    shop.deliver("mon.csv", "tea,1.50")
    shop.run()
    shop.database(POSITIVE)
    shop.deliver("tue.csv", "bun,2.50", "pie,2", "pie,-3", "pie,-1")
    told = shop.run()
    assert (told["rows"]["kept"], told["retries"], shop.both("item")) == (4, {"waiting": 1}, ["bun"])
    shop.deliver("wed.csv", "ham,1")
    shop.run()
    assert shop.both("item") == ["ham"]
    shop.database(LIFTED)
    assert shop.run()["retries"] == {}
    assert shop.both("item") == ["ham"]
    assert shop.agrees()


STORED = """
import penstock as ps

bank = ps.Pipeline(
    "bank",
    trigger=ps.upload(clients="landing/{day}/clients.csv", accounts="landing/{day}/accounts.csv"),
    sources={
        "clients": ps.csv(columns={"client": "VARCHAR", "age": "INTEGER"}),
        "accounts": ps.csv(columns={"account": "VARCHAR", "client": "VARCHAR"}),
    },
)
bank.matched("accounts", in_="clients", on="client")
for name in ("clients", "accounts"):
    bank.load(name, to=[ps.lake(), ps.postgres("warehouse")])
"""


def test_what_needs_a_refused_row_waits_for_it(shop):
    shop.pipeline(STORED, "bank")
    shop.deliver("1/clients.csv", "ann,30", head="client,age")
    shop.deliver("1/accounts.csv", "a1,ann", head="account,client")
    shop.run()
    shop.database("ALTER TABLE clients ADD CONSTRAINT adult CHECK (age >= 18)")
    shop.deliver("2/clients.csv", "bob,40", "kid,9", head="client,age")
    shop.deliver("2/accounts.csv", "b1,bob", "k1,kid", "k2,kid", head="account,client")
    told = shop.run()
    assert told["reasons"] == {
        'Matched "client" in "clients"': 2, "Refused by warehouse: CHECK adult of table clients": 1
    }  # fmt: skip
    assert (shop.both("client", "clients"), shop.both("account", "accounts")) == (["ann", "bob"], ["a1", "b1"])
    shop.database("ALTER TABLE clients DROP CONSTRAINT adult")
    shop.run()
    assert (shop.both("client", "clients"), shop.both("account", "accounts")) == (
        ["ann", "bob", "kid"], ["a1", "b1", "k1", "k2"]
    )  # fmt: skip
    assert (shop.rejects(), shop.agrees()) == ([], True)


KEYS = STORED.replace("landing/{day}/", "landing/{day}_")


def test_of_many_keys_in_one_run_one_is_refused_in_part(shop):
    shop.pipeline(KEYS, "bank")
    shop.deliver("0_clients.csv", "c0,30", head="client,age")
    shop.deliver("0_accounts.csv", "a0,c0", head="account,client")
    shop.run()
    shop.database("ALTER TABLE clients ADD CONSTRAINT adult CHECK (age >= 18)")
    for day in range(1, 13):
        shop.deliver(f"{day}_clients.csv", f"c{day},{9 if day == 7 else 30}", f"d{day},40", head="client,age")
        shop.deliver(f"{day}_accounts.csv", f"a{day},c{day}", f"b{day},d{day}", head="account,client")
    told = shop.run()
    assert (len(told["runs"]), told["loaded"]) == (1, {"clients": 23, "accounts": 23})
    assert [row["slot"] for row in shop.json("quarantine")] == ["key/day=7", "key/day=7"]
    shop.database("ALTER TABLE clients DROP CONSTRAINT adult")
    assert shop.run()["retries"] == {"healed": 2}
    assert (len(shop.both("client", "clients")), len(shop.both("account", "accounts"))) == (25, 25)
    assert shop.agrees()


STEPS = """
import penstock as ps

sales = ps.Pipeline(
    "sales",
    trigger=ps.upload("landing/{day}.csv"),
    source=ps.csv(columns={"item": "VARCHAR", "price": "DECIMAL(8,2)"}),
    deduplicate=["item", "price"],
)


@sales.step(boundary=True)
def clean(source):
    return source.sql("SELECT item, price * 2 AS price FROM source")


sales.load("clean", to=[ps.lake(), ps.postgres("warehouse")], table="sales")
"""


def test_a_boundary_and_duplicates(shop):
    shop.pipeline(STEPS)
    shop.deliver("mon.csv", "tea,1.50")
    shop.run()
    shop.database(POSITIVE)
    shop.deliver("tue.csv", "pie,-1", "pie,-1", "bun,1", "bun,1")
    told = shop.run()
    assert told["rows"] == {"read": 4, "kept": 1, "filtered": 0, "deduplicated": 2, "quarantined": 1}
    assert shop.both("item") == ["bun", "tea"]
    (run,) = [event for event in shop.json("logs", "-n", "0") if event["event"] == "run_refused"]
    halves = [event for event in shop.json("logs", run["subject"]) if event["event"] == "run_halfway"]
    assert len(halves) == 1


# --- several databases, references -------------------------------------------------------------------------------


def test_what_the_second_database_refuses_leaves_the_first_one_as_well(shop, postgres_server, monkeypatch):
    shop.pipeline(SALES.replace("DESTINATIONS", f'{WAREHOUSE}, {LAKE}, ps.postgres("second")'))
    with postgres_server.database() as second:
        monkeypatch.setenv("PENSTOCK_SECOND_URL", second)
        shop.deliver("mon.csv", "tea,1.50")
        shop.run()
        with psycopg.connect(second, autocommit=True) as connection:
            connection.execute(POSITIVE)
        shop.database("ALTER TABLE sales ADD CONSTRAINT short CHECK (length(item) < 5)")
        shop.deliver("tue.csv", "bun,1", "pie,-1", "long pie,1")
        told = shop.run()
        assert sorted(told["reasons"]) == [
            "Refused by second: CHECK positive of table sales", "Refused by warehouse: CHECK short of table sales"
        ]  # fmt: skip
        assert shop.both("item") == ["bun", "tea"]
        with psycopg.connect(second) as connection:
            assert connection.execute("SELECT item FROM sales ORDER BY 1").fetchall() == [("bun",), ("tea",)]
        assert shop.agrees()


def test_a_lake_that_was_ahead_follows_a_database_that_refuses(guarded, monkeypatch):
    """While the database did not answer, the lake took all rows."""
    monkeypatch.setenv("PENSTOCK_WAREHOUSE_URL", "postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.setenv("PENSTOCK_RETRY_ATTEMPTS", "1")
    guarded.deliver("tue.csv", "bun,2.50", "pie,-1")
    assert guarded.run()["loaded"] == {"sales": 2}
    monkeypatch.setenv("PENSTOCK_WAREHOUSE_URL", guarded.url)
    assert guarded.json("redrive")[-1]["loaded"] == {"sales": 1}
    assert guarded.both("item") == ["bun", "tea"]
    assert guarded.agrees()


def test_a_row_that_refers_to_one_that_is_not_there_yet(shop):
    shop.pipeline(SALES.replace("DESTINATIONS", f"{LAKE}, {WAREHOUSE}"))
    shop.deliver("mon.csv", "tea,1.50")
    shop.run()
    shop.database("CREATE TABLE items (name text PRIMARY KEY); INSERT INTO items VALUES ('tea')")
    shop.database("ALTER TABLE sales ADD CONSTRAINT known FOREIGN KEY (item) REFERENCES items")
    shop.deliver("tue.csv", "tea,2", "pie,1")
    assert shop.run()["reasons"] == {"Refused by warehouse: foreign key known of table sales": 1}
    shop.database("INSERT INTO items VALUES ('pie')")
    shop.deliver("wed.csv", "tea,3")
    assert shop.run()["retries"] == {"healed": 1}
    assert shop.both("item") == ["pie", "tea", "tea", "tea"]
