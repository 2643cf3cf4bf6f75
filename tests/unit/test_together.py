"""Deliveries with several inputs that are worked on together come to the same as each would alone."""

import random
from dataclasses import asdict

import pytest
from tests.support.prepared import NOW, Bench

import penstock as ps
from penstock.adapters.duckdb import several
from penstock.adapters.duckdb.several import groups
from penstock.model.slots import Content, Generation, Kind, Member, Slot, Standing, vector


def shop(**options) -> ps.Pipeline:
    pipeline = ps.Pipeline(
        "shop",
        trigger=ps.upload(orders="landing/{day}/orders.csv", items="landing/{day}/items.csv"),
        sources={
            "orders": ps.csv(columns={"id": "INTEGER", "customer": "VARCHAR"}),
            "items": ps.csv(columns={"order_id": "INTEGER", "item": "VARCHAR", "price": "DECIMAL(6,2)"}),
        },
        parts={"day": "VARCHAR"},
        privacy={"orders": {"customer": ps.tokenize()}},
        deduplicate={"items": ["order_id", "item"]},
        **options,
    )
    pipeline.checks("items", 'ColumnValues "price" >= 0')
    pipeline.checks("orders", 'IsPrimaryKey "id"')
    pipeline.matched("items", in_="orders", on={"order_id": "id"}, attempts=3)
    pipeline.sql("priced", "SELECT order_id, item, price FROM items", inputs=["items"])
    pipeline.sql(
        "totals",
        "SELECT o.day, id, sum(price) AS total FROM orders o JOIN priced ON order_id = id GROUP BY ALL",
        inputs=["orders", "priced"],
    )
    pipeline.checks("totals", 'ColumnValues "total" < 40', severity="stop")
    pipeline.load("totals", to=ps.lake())
    pipeline.load("orders", to=ps.lake(), mode="merge", key=["day", "id"])
    pipeline.load("items", to=ps.lake())
    return pipeline


class Days:
    """Generations of a day each, whose files lie in a bench's landing zone."""

    def __init__(self, bench):
        self.bench = bench
        self.generations: list[Generation] = []

    def add(self, **files):
        number = len(self.generations) + 1
        members = []
        for name, content in files.items():
            address = f"landing/{number:03d}/{name}.csv"
            self.bench.landing.store(content.encode(), address)
            members.append(Member(name, address, self.bench.landing.content(address)))
        slot, parts = Slot("shop", f"key/day={number:03d}"), {"day": f"{number:03d}"}
        self.generations.append(
            Generation(slot, 1, Kind.DELIVERY, number, NOW, vector(members), parts, members=tuple(members))
        )


def invent(rng: random.Random) -> dict[str, str]:
    """The files of a day, with whatever may be wrong with them."""
    ids = [rng.randrange(6) for _ in range(rng.randrange(5))]
    orders = "".join(f"{number},{rng.choice(('Ann', 'Bob', ''))}\n" for number in ids)
    prices = ("1", "2.50", "-1", "x", "30", '"1\n"')
    items = "".join(
        f"{rng.choice((*ids, 7))},{rng.choice('ab')},{rng.choice(prices[: rng.randrange(2, 7)])}\n"
        for _ in range(rng.randrange(4))
    )
    heads = {"orders": "id,customer\n", "items": rng.choice(["order_id,item,price\n"] * 9 + ["order,item,price\n"])}
    return {"orders": heads["orders"] + orders, "items": heads["items"] + items + rng.choice(["", "", "1,torn\n"])}


def told(result):
    """A result without its place, where a test fails to be read."""
    found = asdict(result)
    found.pop("error")
    return {**found, "code": (result.error or {}).get("code"), "at": (result.error or {}).get("at")}


@pytest.mark.parametrize("hard", [False, True], ids=["soft", "hard"])
@pytest.mark.parametrize("seed", range(4))
def test_together_and_alone_are_the_same(tmp_path, monkeypatch, seed, hard):
    rng = random.Random(seed)  # noqa: S311 - a test's dice
    days = [invent(rng) for _ in range(10)]

    def prepared(folder):
        bench = Bench(tmp_path / folder, shop(), hard=hard)
        bench.plan = bench.plan.watching(frozenset({"totals", "orders"}))
        found = Days(bench)
        for day in days:
            found.add(**day)
        return bench, [told(result) for result in bench.run(found.generations)]

    together, results = prepared("together")
    monkeypatch.setattr(several, "TOGETHER", 1)
    alone, singles = prepared("alone")
    for one, other in zip(results, singles, strict=True):
        assert one == other
    for table in ("totals", "orders", "items"):
        assert together.rows(table) == alone.rows(table)

    def rejects(bench):
        return sorted(map(repr, bench.rejects()))

    assert rejects(together) == rejects(alone)


def test_one_that_is_wrong_leaves_the_others_together(tmp_path):
    bench = Bench(tmp_path, shop())
    days = Days(bench)
    for number in range(9):
        days.add(
            orders="id,customer\n1,Ann\n", items="order_id,item\n" if number == 4 else "order_id,item,price\n1,a,2\n"
        )
    results = bench.run(days.generations)
    assert [result.standing is Standing.REFUSED for result in results] == [number == 4 for number in range(9)]
    assert len(bench.rows("totals")) == 8
    assert results[4].error["at"] == "landing/005/items.csv"


def test_partners_are_those_of_the_own_day(tmp_path):
    bench = Bench(tmp_path, shop())
    days = Days(bench)
    days.add(orders="id,customer\n1,Ann\n", items="order_id,item,price\n2,a,2\n")
    days.add(orders="id,customer\n2,Bob\n", items="order_id,item,price\n2,a,2\n")
    first, second = bench.run(days.generations)
    assert (first.reasons, second.reasons) == ({'Matched "order_id" in "orders" as "id"': 1}, {})
    assert (first.retries, second.retries) == ({"waiting": 1}, {})


def sized(*sizes: int) -> list:
    """Accounts of deliveries whose files are so long."""
    from penstock.adapters.duckdb.tally import Tally

    members = [(Member("items", "landing/x", Content("", size)),) for size in sizes]
    made = (Generation(Slot("s", f"{n}"), 1, Kind.DELIVERY, 1, NOW, members=found) for n, found in enumerate(members))
    return [Tally(generation, number, hard=False) for number, generation in enumerate(made)]


def test_groups_are_small_ones_in_order_and_long_ones_alone(tmp_path):
    plan = Bench(tmp_path, shop()).plan
    found = [
        [tally.ordinal for tally in group] for group in groups(sized(10, 10, 2 << 20, 10, 1 << 20, *[10] * 99), plan)
    ]
    assert found == [[0, 1], [2], [3, *range(4, 103)], [103]]


def test_what_is_read_in_parts_is_alone(tmp_path):
    pipeline = ps.Pipeline(
        "shop", trigger=ps.upload(items="landing/{day}/items.parquet", x="landing/{day}/x.csv"),
        sources={"items": ps.parquet(columns={"id": "INTEGER"}), "x": ps.csv(columns={"id": "INTEGER"})},
    )  # fmt: skip
    pipeline.load("items", to=ps.lake())
    plan = Bench(tmp_path, pipeline).plan
    assert [len(group) for group in groups(sized(10, 10), plan)] == [1, 1]
