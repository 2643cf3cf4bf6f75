"""The oracle by itself: each promise as a small history, the real files, and that it depends on nothing it judges."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.model.fates import Fates
from penstock.testing.oracle import (
    Delivery,
    Key,
    Patch,
    Withdrawal,
    differences,
    expected,
    row,
    surrogate,
    token,
)

LEEDS, LONDON = "landing/leeds_04-03-2024_1.csv", "landing/london_04-03-2024_1.csv"
LATTE = b"04/03/2024 09:00,Leeds,Ada,Large Latte - 2.45,2.45,CASH,\n"
MOCHA = b"04/03/2024 09:01,Leeds,Bo,Large Mocha - 2.90,2.9,CARD,1234567890123456\n"
CHEAP = b"04/03/2024 09:02,Leeds,Bo,Large Mocha - 2.90,0.05,CASH,\n"
TORN = b'04/03/2024 09:03,Leeds,"Bo\n'


def products(told):
    return {dict(line)["product"] for line in told.tables["products"]}


def orders(told):
    return told.tables["orders"].total()


def account(told, address=LEEDS):
    return told.slots[address]


def test_an_order_becomes_one_row_in_each_table():
    told = expected([Delivery(1, LEEDS, MOCHA)], key=Key("k1", b"secret"))
    branch, product = surrogate("Leeds"), surrogate("Mocha", "Large")
    assert told.tables["products"] == {row(product_id=product, product="Mocha", size="Large"): 1}
    (order,) = map(dict, told.tables["orders"])
    assert (order["branch_id"], order["card"]) == (branch, token("1234567890123456", Key("k1", b"secret")))


def test_identical_lines_of_one_file_are_separate_orders():
    assert orders(expected([Delivery(1, LEEDS, LATTE + LATTE)])) == 2


def test_the_current_content_again_is_a_duplicate():
    told = expected([Delivery(1, LEEDS, LATTE), Delivery(2, LEEDS, LATTE)])
    assert (orders(told), account(told).generations) == (1, 1)


def test_an_earlier_content_is_the_next_generation():
    told = expected([Delivery(1, LEEDS, LATTE), Delivery(2, LEEDS, MOCHA), Delivery(3, LEEDS, LATTE)])
    assert (products(told), account(told).generations) == ({"Latte"}, 3)


def test_a_correction_that_drops_the_only_sale_of_a_product_removes_it():
    assert products(expected([Delivery(1, LEEDS, LATTE + MOCHA), Delivery(2, LEEDS, LATTE)])) == {"Latte"}


def test_a_product_stays_while_another_branch_sells_it():
    told = expected([Delivery(1, LEEDS, LATTE + MOCHA), Delivery(2, LONDON, MOCHA), Delivery(3, LEEDS, LATTE)])
    assert products(told) == {"Latte", "Mocha"}


def test_a_withdrawal_takes_the_rows_away_and_the_same_content_brings_them_back():
    history = [Delivery(1, LEEDS, LATTE)], [], [Withdrawal(2, LEEDS)]
    assert orders(expected(*history)) == 0
    assert orders(expected([*history[0], Delivery(3, LEEDS, LATTE)], [], history[2])) == 1


def test_a_refused_file_replaces_nothing():
    told = expected([Delivery(1, LEEDS, LATTE), Delivery(2, LEEDS, b"")])
    assert (orders(told), account(told).standing) == (1, "refused")


def test_a_reload_is_a_generation_of_its_own():
    told = expected([Delivery(1, LEEDS, LATTE), Delivery(2, LEEDS, LATTE, reload=True)])
    assert (orders(told), account(told).generations) == (1, 2)


def test_rejected_lines_wait_and_are_counted():
    told = expected([Delivery(1, LEEDS, LATTE + CHEAP + TORN + MOCHA)])
    assert account(told).waiting == {2, 3}
    assert account(told).fates == (Fates(read=4, kept=2, quarantined=2),)


def test_a_torn_line_swallows_no_other():
    assert products(expected([Delivery(1, LEEDS, TORN + LATTE + MOCHA)])) == {"Latte", "Mocha"}


def test_a_patch_heals_a_line_that_a_person_corrected():
    told = expected([Delivery(1, LEEDS, LATTE + CHEAP)], [Patch(2, LEEDS, {2: {"total": "2.90"}})])
    assert (orders(told), account(told).healed, account(told).waiting) == (2, {2}, frozenset())


def test_a_patch_without_a_correction_changes_no_row():
    told = expected([Delivery(1, LEEDS, LATTE + CHEAP)], [Patch(2, LEEDS)])
    assert (orders(told), account(told).waiting, account(told).generations) == (1, {2}, 2)


def test_a_newer_delivery_supersedes_what_waits():
    told = expected([Delivery(1, LEEDS, LATTE + CHEAP), Delivery(2, LEEDS, LATTE)])
    assert (account(told).waiting, account(told).superseded) == (frozenset(), {2})


def test_a_reload_undoes_a_patch():
    delivery = Delivery(1, LEEDS, LATTE + CHEAP)
    told = expected(
        [delivery, Delivery(3, LEEDS, delivery.data, reload=True)], [Patch(2, LEEDS, {2: {"total": "2.9"}})]
    )
    assert (orders(told), account(told).waiting) == (1, {2})


def test_what_does_not_wait_cannot_be_patched():
    with pytest.raises(ValueError, match="do not wait"):
        expected([Delivery(1, LEEDS, LATTE)], [Patch(2, LEEDS, lines=(1,))])


def test_the_order_of_two_slots_does_not_matter():
    one = expected([Delivery(1, LEEDS, LATTE), Delivery(2, LONDON, MOCHA)])
    assert not differences(one, expected([Delivery(1, LONDON, MOCHA), Delivery(2, LEEDS, LATTE)]))


def test_a_difference_names_table_and_row():
    told, found = expected([Delivery(1, LEEDS, LATTE + MOCHA)]), expected([Delivery(1, LEEDS, LATTE)])
    assert any(line.startswith("products: 1 rows missing") and "Mocha" in line for line in differences(told, found))


@pytest.mark.parametrize(
    ("name", "count", "items"), [("chesterfield_25-08-2021", 268, 779), ("leeds_01-01-2020", 382, 1044)]
)
def test_every_order_of_the_real_files_is_kept(cafe_data, name, count, items):
    (file,) = cafe_data.glob(f"{name}*.csv")
    told = expected([Delivery(1, f"landing/{file.name}", file.read_bytes())])
    assert (orders(told), told.tables["order_items"].total()) == (count, items)
    assert account(told, f"landing/{file.name}").fates == (Fates(count, count),)


def test_the_items_of_the_real_files_add_up_to_the_tills_totals(cafe_data):
    deliveries = [Delivery(1, f"landing/{file.name}", file.read_bytes()) for file in cafe_data.glob("*.csv")]
    told = expected(deliveries)
    total = sum(dict(line)["total"] * count for line, count in told.tables["orders"].items())
    assert total == sum(dict(line)["price"] * count for line, count in told.tables["order_items"].items())


def test_keys_follow_the_documented_rules():
    digest = hashlib.sha256(b"s5:Mochas5:Large").digest()
    assert surrogate("Mocha", "Large") == int.from_bytes(digest[:8], "big", signed=True)


# --- independence ------------------------------------------------------------------------------------------------


def imported(module: str | Path, seen: set[str]) -> Iterator[str]:
    """Every module of Penstock that one imports, directly or through others."""
    if isinstance(module, str):
        spec = importlib.util.find_spec(module)
        assert spec
        assert spec.origin
        module = Path(spec.origin)
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
        for name in names:
            if name.startswith("penstock") and name not in seen:
                seen.add(name)
                yield name
                yield from imported(name, seen)


def test_the_oracle_imports_nothing_that_it_judges():
    found = set(imported("penstock.testing.oracle", set()))
    own = {f"penstock.testing.{name}" for name in ("promises", "sheets", "tills")}
    assert found == {"penstock.model.fates", "penstock.errors", *own}
