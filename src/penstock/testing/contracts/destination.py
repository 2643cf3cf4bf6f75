"""What every destination must do. Inherit from `DestinationContract` and give it a `world` (see `testing.shop`).

class TestMine(DestinationContract):
    @pytest.fixture
    def world(self, tmp_path):
        yield MyWorld(tmp_path)
"""

# ruff: noqa: S101 - assert is the language of tests

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from penstock.model.slots import Kind, Slot
from penstock.model.tables import Loaded
from penstock.runtime.ports import Holding
from penstock.testing.contracts.columns import ColumnContract
from penstock.testing.contracts.entities import EntityContract
from penstock.testing.contracts.extracts import ExtractContract
from penstock.testing.contracts.pages import PageContract
from penstock.testing.contracts.revisions import RevisionContract
from penstock.testing.contracts.slots import SlotContract
from penstock.testing.contracts.summaries import SummaryContract
from penstock.testing.deliveries import PIPELINE, Sender
from penstock.testing.shop import (
    CAFE,
    LOG,
    PRODUCTS,
    TEA,
    World,
    holdings,
    load,
    order,
    product,
    totals,
)


class DestinationContract(
    SlotContract, RevisionContract, EntityContract, ColumnContract, ExtractContract, PageContract, SummaryContract
):
    """Every fact that the runtime relies on."""

    def test_holdings_count_each_slot(self, world: World, sender: Sender) -> None:
        parts = [sender.part("a", 1, log=[(1, "x"), (2, "y")]), sender.part("b", 3, log=[(4, "z")])]
        load(world, sender, [LOG], *parts)
        bases = [part.unit.base for part in parts]
        assert holdings(world, "log") == [
            Holding(parts[0].unit.slot, 1, {"log": 2}, {"log": 2 * bases[0] + 3}),
            Holding(parts[1].unit.slot, 3, {"log": 1}, {"log": bases[1] + 4}),
        ]

    def test_holdings_count_contributions(self, world: World, sender: Sender) -> None:
        parts = [product(sender, slot, 1, (TEA, "tea", "1.00")) for slot in ("a", "b")]
        load(world, sender, [PRODUCTS], *parts)
        assert [(held.rows, held.checksums) for held in holdings(world, "products")] == [
            ({"products": 1}, {"products": part.unit.base + 1}) for part in parts
        ]

    def test_holdings_tell_of_a_withdrawn_slot(self, world: World, sender: Sender) -> None:
        load(world, sender, [LOG], sender.part("a", 1, log=[(1, "x")]))
        load(world, sender, [LOG], sender.part("a", 2, Kind.WITHDRAWAL))
        assert holdings(world, "log") == [Holding(Slot(PIPELINE, "a"), 2, {}, {})]

    def test_holdings_of_nothing(self, world: World) -> None:
        assert holdings(world, "log") == []

    def test_two_loaders_of_one_unit_load_it_once(self, world: World, sender: Sender) -> None:
        once = sender.load(CAFE, order(sender, "a.csv", 1))
        done = self._at_once(world, [once, once])
        assert sorted(len(each.applied) for each in done) == [0, 1]
        assert len(totals(world)) == 1

    def test_two_loaders_of_two_units_load_both(self, world: World, sender: Sender) -> None:
        loads = [sender.load(CAFE, order(sender, slot, 1)) for slot in ("a.csv", "b.csv")]
        self._at_once(world, loads)
        assert (len(totals(world)), len(world.rows("products"))) == (2, 1)

    def _at_once(self, world: World, loads: Sequence[Any]) -> list[Loaded]:
        others = [world.another() for _ in loads]
        with ThreadPoolExecutor(len(loads)) as pool:
            return list(pool.map(lambda destination, load: destination.load(load), others, loads))

    def test_a_reader_never_sees_half_a_load(self, world: World, sender: Sender) -> None:
        load(world, sender, CAFE, order(sender, "a.csv", 1, total="0.00", position=0))
        loads = [sender.load(CAFE, order(sender, "a.csv", n, total=f"{n}.00", position=n)) for n in range(2, 10)]
        seen: list[bool] = []
        finished = threading.Event()

        def look() -> None:
            while not finished.is_set():
                orders, items = world.together("orders", "items")
                matching = [int(row["total"]) for row in orders] == [row["position"] for row in items]
                seen.append(matching and len(orders) == 1)

        with ThreadPoolExecutor(1) as pool:
            looking = pool.submit(look)
            for each in loads:
                world.destination.load(each)
            finished.set()
            looking.result()
        assert seen
        assert all(seen)
