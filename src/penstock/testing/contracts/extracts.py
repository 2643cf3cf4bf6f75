"""What other pipelines read of a table: the rows of some slots, in order, with their types."""

# ruff: noqa: S101 - assert is the language of tests

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from penstock.errors import DestinationError
from penstock.model.slots import Kind
from penstock.model.tables import TableSpec
from penstock.testing.contracts.bench import Bench
from penstock.testing.deliveries import PIPELINE, Declared, Sender
from penstock.testing.shop import LOG, PRODUCTS, RANKED, TEA, World, load, product

TYPED = Declared(
    TableSpec("typed"),
    (
        ("text", "VARCHAR"), ("number", "INTEGER"), ("price", "DECIMAL(8,2)"), ("at", "TIMESTAMPTZ"), ("day", "DATE"),
        ("yes", "BOOLEAN"), ("share", "DOUBLE"), ("bytes", "BLOB"), ("local", "TIMESTAMP"), ("more", "JSON"),
    ),
)  # fmt: skip
VALUES = (
    'a,"b"\nc', 7, "1.50", "2020-01-01 10:00:00+00", "2020-01-02", True, 0.1, b"\x00\xff", "2020-01-01 10:00:00.5",
    '{"a": 1}',
)  # fmt: skip


class ExtractContract(Bench):
    """`extract`."""

    def extracted(self, world: World, path: Path, table: str, *slots: str) -> list[tuple[Any, ...]]:
        """The rows of an extract for one reader as text, in its order."""
        world.destination.extract(PIPELINE, table, [slots], path)
        return self.read("COLUMNS(* EXCLUDE (_slot))::VARCHAR", path)

    def read(self, columns: str, path: Path) -> list[tuple[Any, ...]]:
        """The rows of an extract, in its order."""
        import duckdb

        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            return connection.execute(f"SELECT {columns} FROM read_parquet($1)", [str(path)]).fetchall()  # noqa: S608

    def kinds(self, path: Path) -> list[str]:
        """The types of an extract's columns."""
        import duckdb

        with duckdb.connect() as connection:
            return [row[1] for row in connection.execute("DESCRIBE FROM read_parquet($1)", [str(path)]).fetchall()]

    def test_rows_of_the_slots_that_were_asked_for(self, world: World, sender: Sender, tmp_path: Path) -> None:
        parts = [sender.part(slot, 1, log=[(2, f"{slot}2"), (1, f"{slot}1")]) for slot in ("a", "b", "c")]
        load(world, sender, [LOG], *parts)
        found = self.extracted(world, tmp_path / "x.parquet", "log", "c", "a")
        ordered = sorted(("a", "c"), key=lambda slot: next(p.unit.base for p in parts if p.unit.slot.address == slot))
        assert found == [(f"{slot}{line}",) for slot in ordered for line in (1, 2)]

    @pytest.mark.parametrize("names", [("a", "b", "c"), tuple(f"s{number}" for number in range(60))])
    def test_many_readers_get_their_own_rows(
        self, world: World, sender: Sender, tmp_path: Path, names: tuple[str, ...]
    ) -> None:
        load(world, sender, [LOG], *(sender.part(name, 1, log=[(1, name), (2, name)]) for name in names))
        readers = [[names[1]], [], [names[2], names[0]], [names[1]], [*names, "x"]]
        world.destination.extract(PIPELINE, "log", readers, tmp_path / "x.parquet")
        found = self.read("*", tmp_path / "x.parquet")
        assert [reader for reader, _ in found] == [0] * 2 + [2] * 4 + [3] * 2 + [4] * 2 * len(names)
        for place, wanted in enumerate(readers):
            there = [name for name in wanted if name != "x"]
            assert sorted(name for reader, name in found if reader == place) == sorted([*there, *there])

    def test_each_reader_of_a_shared_table_has_a_winner_of_its_own(
        self, world: World, sender: Sender, tmp_path: Path
    ) -> None:
        prices = {"a": "1.00", "b": "2.00", "c": "3.00"}
        load(world, sender, [PRODUCTS], *(product(sender, n, 1, (TEA, "tea", price)) for n, price in prices.items()))
        world.destination.extract(PIPELINE, "products", [["b", "a"], ["a"], ["c", "b"]], tmp_path / "x.parquet")
        found = self.read("*", tmp_path / "x.parquet")
        assert [(row[0], str(row[-1])) for row in found] == [(0, "2.00"), (1, "1.00"), (2, "3.00")]

    def test_a_slot_that_never_came_has_no_rows(self, world: World, sender: Sender, tmp_path: Path) -> None:
        load(world, sender, [LOG], sender.part("a", 1, log=[(1, "x")]))
        assert self.extracted(world, tmp_path / "x.parquet", "log", "b") == []

    def test_a_withdrawn_slot_has_no_rows(self, world: World, sender: Sender, tmp_path: Path) -> None:
        load(world, sender, [LOG], sender.part("a", 1, log=[(1, "x")]))
        load(world, sender, [LOG], sender.part("a", 2, Kind.WITHDRAWAL))
        assert self.extracted(world, tmp_path / "x.parquet", "log", "a") == []

    def test_of_a_shared_table_what_the_slots_said(self, world: World, sender: Sender, tmp_path: Path) -> None:
        parts = [product(sender, slot, 1, (TEA, "tea", price)) for slot, price in (("a", "1.00"), ("b", "2.00"))]
        load(world, sender, [PRODUCTS], *parts)
        (row,) = self.extracted(world, tmp_path / "x.parquet", "products", "a")
        assert row[-1] == "1.00"

    @pytest.mark.parametrize("others", [0, 60])
    def test_of_a_shared_table_one_row_for_each_key(
        self, world: World, sender: Sender, tmp_path: Path, others: int
    ) -> None:
        """Whatever order the slots' identities have: the latest of those that were asked for."""
        names = [f"s{number}" for number in range(8 + others)]
        parts = [
            product(sender, name, 1, (TEA, "tea", "9.99"), (TEA, "tea", f"{n}.00")) for n, name in enumerate(names)
        ]
        load(world, sender, [PRODUCTS], *parts, product(sender, "other", 1, (TEA, "tea", "5.00")))
        found = [self.extracted(world, tmp_path / "x.parquet", "products", *names[:-last]) for last in (1, 2, 3)]
        assert [row[-1] for rows in found for row in rows] == [f"{len(names) - last - 1}.00" for last in (1, 2, 3)]

    def test_of_a_shared_table_the_first_by_its_declared_order(
        self, world: World, sender: Sender, tmp_path: Path
    ) -> None:
        days = {"a": "2024-01-02", "b": "2024-01-09", "c": "2024-01-05"}
        load(world, sender, [RANKED], *(product(sender, n, 1, (TEA, "tea", "1.00", day)) for n, day in days.items()))
        (row,) = self.extracted(world, tmp_path / "x.parquet", "products", "c", "a")
        assert row[-1] == "2024-01-05"

    def test_values_and_types_are_kept(self, world: World, sender: Sender, tmp_path: Path) -> None:
        nothing = (2, "", *(None for _ in VALUES[1:]))
        load(world, sender, [TYPED], sender.part("a", 1, typed=[(1, *VALUES), nothing]))
        first, second = self.extracted(world, tmp_path / "x.parquet", "typed", "a")
        assert first == (
            VALUES[0], "7", "1.50", "2020-01-01 10:00:00+00", "2020-01-02", "true", "0.1", r"\x00\xFF",
            "2020-01-01 10:00:00.5", '{"a": 1}',
        )  # fmt: skip
        assert self.kinds(tmp_path / "x.parquet")[:1] == ["INTEGER"]
        assert self.kinds(tmp_path / "x.parquet")[2:8] == [
            "INTEGER", "DECIMAL(8,2)", "TIMESTAMP WITH TIME ZONE", "DATE", "BOOLEAN", "DOUBLE",
        ]  # fmt: skip
        assert second == ("", *(None for _ in VALUES[1:]))

    def test_more_slots_than_an_index_is_asked_for(self, world: World, sender: Sender, tmp_path: Path) -> None:
        names = [f"s{number}" for number in range(60)]
        load(world, sender, [LOG], *(sender.part(name, 1, log=[(1, name)]) for name in names))
        found = self.extracted(world, tmp_path / "x.parquet", "log", *names[:55])
        assert sorted(row[0] for row in found) == sorted(names[:55])

    def test_a_table_that_was_never_loaded(self, world: World, tmp_path: Path) -> None:
        with pytest.raises(DestinationError, match="is not there"):
            world.destination.extract(PIPELINE, "log", [["a"]], tmp_path / "x.parquet")
