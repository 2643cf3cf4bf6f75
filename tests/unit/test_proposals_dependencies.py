"""Each guard against dependencies that hold by accident, one by one."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.acceptance.datasets import write

from penstock.adapters.duckdb.proposals.normalforms import NormalFormProposal
from penstock.adapters.duckdb.proposals.study import propose_normal_form

RANDOM = random.Random(8)  # noqa: S311  these numbers must come again


def form(tmp_path: Path, header: str, rows: Sequence[Sequence[object]]) -> NormalFormProposal:
    return propose_normal_form(write(tmp_path / "a.csv", header.split(), rows), header=True)


def rules(proposal: NormalFormProposal) -> set[str]:
    return {f"{','.join(rule.determinant)}→{rule.dependent}" for rule in proposal.dependencies}


def shops(count: int, rows: int) -> list[tuple[object, ...]]:
    """Sales with a shop that has a town."""
    towns = {f"S{number:02}": RANDOM.choice(("Leeds", "York", "Hull", "Bath")) for number in range(count)}
    return [(n, shop, towns[shop], RANDOM.randrange(99)) for n in range(rows) for shop in [RANDOM.choice(list(towns))]]


def test_a_dependency_with_evidence_is_found_and_counted(tmp_path):
    proposal = form(tmp_path, "sale_id shop_id town amount", shops(20, 600))
    (rule,) = proposal.dependencies
    assert (rule.determinant, rule.dependent, rule.groups, rule.witnesses) == (("shop_id",), "town", 20, 600)
    assert rule.support == 1.0
    assert [(entity.name, entity.natural, entity.attributes) for entity in proposal.entities] == [
        ("shops", ("shop_id",), ("town",))
    ]


def test_fewer_than_ten_groups_are_no_evidence(tmp_path):
    assert not rules(form(tmp_path, "sale_id shop_id town amount", shops(8, 600)))


def test_groups_that_hardly_repeat_are_no_evidence(tmp_path):
    """`customer → payment` of the till: nearly every customer comes once."""
    rows = [(f"C{number:04}", RANDOM.choice(("CASH", "CARD"))) for number in range(400)]
    assert not rules(form(tmp_path, "customer_code payment", [*rows, *rows[:30]]))


def test_support_is_counted_in_the_rows_of_the_dependents_own_table(tmp_path):
    """Each order has five lines; a customer orders once: the join repeats (customer, payment), reality does not."""
    orders = [(f"O{n:03}", f"C{n:03}", RANDOM.choice(("CASH", "CARD", "VOUCHER"))) for n in range(150)]
    lines = [(*order, line, f"P{RANDOM.randrange(40):02}") for order in orders for line in range(1, 6)]
    found = rules(form(tmp_path, "order_id customer_code payment line product_code", lines))
    assert found == {"order_id→customer_code", "order_id→payment"}


def test_measures_determine_nothing(tmp_path):
    rows = [(f"{price}.50", ("small", "large")[price % 2], n) for n, price in enumerate([*range(20)] * 20)]
    assert not rules(form(tmp_path, "price size n", rows))


def test_times_determine_nothing(tmp_path):
    days = {f"2024-03-{day:02}": RANDOM.choice("abcdefgh") for day in range(1, 29)}
    rows = [(RANDOM.randrange(50), day, word) for day, word in days.items() for _ in range(20)]
    assert not rules(form(tmp_path, "amount day special", rows))


def test_people_and_cards_determine_nothing_but_accounts_do(tmp_path):
    cards = {str(10**15 + RANDOM.randrange(9 * 10**15)): RANDOM.choice("abcdefgh") for _ in range(30)}
    rows = [(card, plan) for card, plan in cards.items() for _ in range(10)]
    assert not rules(form(tmp_path, "card_number plan", rows))
    assert rules(form(tmp_path, "account_number plan", rows)) == {"account_number→plan"}


def test_a_pair_counts_only_if_each_column_adds_something(tmp_path):
    """The tariff depends on zone and class together; a shop's town needs no second column."""
    tariff = {(zone, level): RANDOM.choice(range(100, 999)) for zone in range(12) for level in "ABCD"}
    rows = [
        (f"Z{zone:02}", level, f"T{tariff[zone, level]}") for zone in range(12) for level in "ABCD" for _ in range(8)
    ]
    assert rules(form(tmp_path, "zone_code class tariff", rows)) == {"zone_code,class→tariff"}


def test_what_is_unique_is_a_key_and_no_dependency(tmp_path):
    proposal = form(tmp_path, "sale_id shop_id town amount", shops(20, 600))
    assert proposal.keys == (("sale_id",),)
    assert not any("sale_id" in rule.determinant for rule in proposal.dependencies)


def test_a_pair_of_columns_that_is_unique_by_luck_is_no_key(tmp_path):
    rows = [(f"2024-03-01 {n // 60:02}:{n % 60:02}:00", RANDOM.choice("abc"), 1) for n in range(300)]
    rows[7] = (rows[8][0], "a" if rows[8][1] != "a" else "b", 1)
    assert form(tmp_path, "moment branch n", rows).keys == ()


def test_a_dependency_that_breaks_where_its_determinant_is_empty_is_a_warning(tmp_path):
    towns = {f"S{number:02}": RANDOM.choice("abcdef") for number in range(20)}
    rows = [(shop, town, n) for shop, town in towns.items() for n in range(20)]
    rows += [("", RANDOM.choice("abcdef"), n) for n in range(40)]
    proposal = form(tmp_path, "shop_id town n", rows)
    assert not rules(proposal)
    assert any("holds only where shop_id is filled" in warning for warning in proposal.warnings)


def test_what_nearly_holds_is_a_warning(tmp_path):
    rows = [list(row) for row in shops(20, 600)]
    rows[5][2] = "Elsewhere"
    proposal = form(tmp_path, "sale_id shop_id town amount", rows)
    assert not rules(proposal)
    assert "shop_id → town almost holds: 1 of 600 rows differ; mistakes, or no rule?" in proposal.warnings


def test_three_large_groups_are_enough_for_names_that_belong_together(tmp_path):
    names = {"B1": "North", "B2": "South", "B3": "East"}
    rows = [(n, code, names[code], RANDOM.choice("ab")) for n in range(300) for code in [RANDOM.choice(list(names))]]
    assert rules(form(tmp_path, "sale_id branch_id branch_name kind", rows)) == {"branch_id→branch_name"}


def test_a_chain_is_split_into_a_table_for_each_link(tmp_path):
    regions = {f"T{number:02}": RANDOM.choice("abcdef") for number in range(14)}
    towns = {f"S{number:03}": RANDOM.choice(list(regions)) for number in range(60)}
    rows = [(n, shop, towns[shop], regions[towns[shop]]) for n in range(1200) for shop in [RANDOM.choice(list(towns))]]
    proposal = form(tmp_path, "sale_id shop_id town_id region", rows)
    assert {entity.name: entity.attributes for entity in proposal.entities} == {
        "shops": ("town_id",),
        "towns": ("region",),
    }
    assert proposal.owned[0].refs == ("shops",)


def test_surrogate_keys_do_not_take_the_names_of_columns(tmp_path):
    proposal = form(tmp_path, "sale_id shop_id town amount", shops(20, 600))
    assert proposal.entities[0].id == "shop_key"


def test_many_rows_are_screened_and_then_searched_whole(tmp_path):
    """The rule breaks only behind the first 20,000 rows."""
    towns = {f"S{number:02}": RANDOM.choice("abcd") for number in range(40)}
    rows = [[n, f"S{n % 40:02}", towns[f"S{n % 40:02}"]] for n in range(22_000)]
    for place in range(21_000, 22_000):
        rows[place][2] = RANDOM.choice("abcd")
    assert not rules(form(tmp_path, "sale_id shop_id town", rows))


@pytest.mark.parametrize("rows", [[], [(1, "a")], [("", "")] * 3])
def test_a_table_of_nearly_nothing_proposes_nothing(tmp_path, rows):
    path = write(tmp_path / "a.csv", ["id", "x"], rows)
    proposal = propose_normal_form(path, header=True)
    assert not proposal.dependencies
    assert not proposal.keys


def test_the_record_of_a_proposal_is_plain_values(tmp_path):
    record = form(tmp_path, "sale_id shop_id town amount", shops(20, 600)).record()
    assert record["dependencies"] == ["shop_id → town (20 repeated groups, 100 % of 600 rows)"]
    assert record["lossless"] is True
