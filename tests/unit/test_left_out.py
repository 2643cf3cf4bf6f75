"""Rows that a destination refused are left out of what is prepared again, with all that follows from them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest
from tests.support.prepared import Bench

import penstock as ps
from penstock.model.refusals import RETRY, Aside, Refused
from penstock.model.slots import Kind

TEXT = "item,price\n" + "".join(f"item {n % 10},{n}\n" for n in range(1, 61))
COLUMNS = {"item": "VARCHAR", "price": "INTEGER"}
REASON = "Refused by warehouse: CHECK sane of table sales"


class Refusing(Bench):
    """A bench whose deliveries are refused in part."""

    def again(self, *refused: Refused, **more):
        """Prepare the same once more, without these rows."""
        self.more = {"refused": refused, **more}
        (result,) = self.run(self.generations)
        return result


def bench(folder, *loads, size=1 << 20, **options):
    pipeline = ps.Pipeline("sales", trigger=ps.upload("landing/{day}.csv"), source=ps.csv(columns=COLUMNS), **options)
    for load in loads:
        load(pipeline)
    found = Refusing(folder, pipeline, chunk_bytes=size)
    found.prepare(day__csv=TEXT)
    return found


def row(found, line, table="sales", mark=""):
    slot = found.generations[0].slot
    return Refused(slot.address, slot.base + line, table, REASON.replace("sales", table), mark)


def mark(**values):
    return hashlib.md5(json.dumps(values, separators=(",", ":")).encode(), usedforsecurity=False).hexdigest()


def plain(pipeline):
    pipeline.load("source", to=ps.lake(), table="sales")


@pytest.fixture(params=[1 << 20, 100], ids=["one part", "many parts"])
def sales(request, tmp_path):
    return bench(tmp_path, plain, size=request.param)


def test_a_row_is_left_out_and_set_aside(sales):
    result = sales.again(row(sales, 2), row(sales, 40))
    assert result.fates.as_dict() == {"read": 60, "kept": 58, "filtered": 0, "deduplicated": 0, "quarantined": 2}
    assert (result.rows, result.reasons) == ({"sales": 58}, {REASON: 2})
    assert [price for (price,) in sales.rows("sales", "price") if price in (1, 39)] == []


def test_it_is_kept_with_its_values_as_retriable(sales):
    sales.again(row(sales, 2))
    (found,) = sales.rejects()
    assert (found["line"], found["row"], found["reasons"]) == (2, {"item": "item 1", "price": 1}, [REASON])
    assert (found["retriable"], found["tries"], found["parked"]) == (True, 1, False)


def test_the_result_says_what_waits(sales):
    result = sales.again(row(sales, 2), row(sales, 40))
    assert (result.aside, result.retries) == (Aside((2, 40)), {"waiting": 2})


@pytest.mark.parametrize(("attempts", "aside"), [(4, Aside((2,), tries=4)), (5, Aside((), (2,), tries=5))])
def test_after_the_fifth_attempt_it_is_parked(sales, attempts, aside):
    address = sales.generations[0].slot.address
    result = sales.again(row(sales, 2), attempts={address: attempts})
    assert result.aside == aside
    assert result.retries == ({"parked": 1} if aside.parked else {"waiting": 1})


def test_nothing_of_another_delivery_is_left_out(sales):
    other = replace(row(sales, 2), slot="landing/other.csv")
    assert sales.again(other).rows == {"sales": 60}


def test_an_entity_is_refused_with_every_row_that_speaks_of_it(tmp_path):
    def normalized(pipeline):
        pipeline.normalize("source", products=ps.entity("item"), sales=ps.owned("price", refs=["products"]))
        pipeline.load_all(to=ps.lake(), mode="merge")

    found = bench(tmp_path, normalized)
    keys = dict(found.rows("products", "item, product_id"))
    result = found.again(row(found, 58, "products", mark(product_id=keys["item 7"])))
    assert (result.rows, result.fates.quarantined) == ({"products": 9, "sales": 54}, 6)
    assert result.aside.lines == (8, 18, 28, 38, 48, 58)


def test_a_merged_row_is_refused_with_every_row_of_its_key(tmp_path):
    found = bench(tmp_path, lambda it: it.load("source", to=ps.lake(), table="sales", mode="merge", key=["item"]))
    result = found.again(row(found, 58, "sales", mark(item="item 7")))
    assert (result.rows, result.fates.quarantined) == ({"sales": 9}, 6)


def test_one_item_of_a_row_rejects_its_row_and_not_the_other_items(tmp_path):
    """They are told apart by their keys, although one row speaks of both."""

    def baskets(pipeline):
        pipeline.sql("parts", "SELECT unnest(string_split(item, ' ')) AS part, price FROM source", inputs=["source"])
        pipeline.load("parts", to=ps.lake(), table="words", mode="merge", key=["part"])

    found = bench(tmp_path, baskets)
    result = found.again(row(found, 58, "words", mark(part="7")))
    assert (result.rows["words"], result.fates.quarantined) == (10, 6)


def test_a_duplicate_keeps_its_fate(tmp_path):
    found = bench(
        tmp_path, lambda it: it.load("source", to=ps.lake(), table="sales", mode="merge", key=["item"]),
        deduplicate=["item"],
    )  # fmt: skip
    result = found.again(row(found, 2, "sales", mark(item="item 1")))
    assert (result.fates.kept, result.fates.deduplicated, result.fates.quarantined) == (9, 50, 1)


def test_a_hard_delivery_is_suspended(sales):
    sales.hard = True
    result = sales.again(row(sales, 2))
    assert (result.standing, result.aside) == ("suspended", Aside())


def wide(pipeline):
    pipeline.sql("sums", "SELECT item, sum(price)::BIGINT AS price FROM source GROUP BY item", inputs=["source"])
    pipeline.load("sums", to=ps.lake(), table="sales")


def test_a_row_of_a_wide_step_is_left_out_by_its_values(tmp_path):
    found = bench(tmp_path, wide)
    result = found.again(row(found, 0, mark=mark(item="item 1", price=156)))
    assert (result.rows, result.fates.kept, result.reasons) == ({"sales": 9}, 60, {REASON: 1})
    assert (result.aside, result.retries) == (Aside((0,), whole=True), {"waiting": 1})
    (kept,) = found.rejects()
    assert (kept["line"], kept["row"], kept["retriable"]) == (0, {"item": "item 1", "price": 156}, True)


def test_its_checksum_is_of_what_is_left(tmp_path):
    found = bench(tmp_path, wide)
    result = found.again(row(found, 0, mark=mark(item="item 1", price=156)))
    assert result.checksums == {"sales": 9 * found.generations[0].slot.base}


def test_a_retry_of_lines_tells_what_has_healed(sales):
    retried = replace(sales.generations[0], number=2, kind=Kind.PATCH, cause=RETRY, lines=(2, 40), heals=1)
    sales.generations = [retried]
    result = sales.again(row(sales, 40), attempts={retried.slot.address: 2})
    assert (result.retries, result.aside) == ({"waiting": 1, "healed": 1}, Aside((40,), tries=2))
