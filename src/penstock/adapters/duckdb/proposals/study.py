"""Everything that is found out about a file, once: the other proposals are different ways to write it down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.adapters.duckdb.proposals import vocabulary
from penstock.adapters.duckdb.proposals.columns import Column, few_values, profile
from penstock.adapters.duckdb.proposals.headers import declared
from penstock.adapters.duckdb.proposals.normalforms import NormalFormProposal, normal_form
from penstock.adapters.duckdb.proposals.packing import Packed, find_packed
from penstock.adapters.duckdb.proposals.personal import SAMPLE, MarkProposal, marks_of
from penstock.adapters.duckdb.proposals.sniffing import Layout, Table, opened
from penstock.compile.sql import quote_identifier

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, slots=True)
class Study:
    """A file as it was understood. No value is in here but those of `sets`, which are not personal."""

    layout: Layout
    rows: int
    batches: int
    columns: tuple[Column, ...]
    marks: tuple[MarkProposal, ...]
    sets: dict[str, tuple[str, ...]]
    """The values of columns that hold a few values over and over."""
    form: NormalFormProposal
    total: str = ""
    """The column that the prices of a packed list add up to."""
    sums: int = 0
    """In how many rows they do."""

    @property
    def dropped(self) -> frozenset[str]:
        return frozenset(mark.column for mark in self.marks if mark.mark == "drop()")


def study(
    data: Path | str | Sequence[Path | str] | duckdb.DuckDBPyRelation,
    *,
    name: str = "records",
    header: bool | None = None,
) -> Study:
    """Read a file, several files of one form, or a relation, and find out everything that is proposed from it."""
    if isinstance(data, (str, Path)):
        data = [data]
    origin = [Path(path) for path in data] if isinstance(data, Sequence) else data
    with opened(origin, header=header) as found:
        sample = found.sample(SAMPLE)
        marks = marks_of(found.names, found.headers, sample)
        columns = profile(found, sample, {mark.column: mark.kind_of_data for mark in marks})
        packed = find_packed(columns, sample)
        table, columns, marks, packed = _named(found, columns, marks, packed)
        dropped = {mark.column for mark in marks if mark.mark == "drop()"}
        form = normal_form(table, columns, packed, dropped, name)
        sets = few_values(table, columns)
        total, sums = _total(table, columns, packed)
        return Study(table.layout, table.count, table.batches, columns, tuple(marks), sets, form, total, sums)


def propose_normal_form(
    data: Path | str | Sequence[Path | str] | duckdb.DuckDBPyRelation,
    *,
    name: str = "records",
    header: bool | None = None,
) -> NormalFormProposal:
    """Find keys, entities and dependencies in a file, in several files of one form (each a delivery), or a relation.

    Columns that the privacy proposal drops are left out. Raises `RefusedFile` for what cannot be read as a table and
    `ContractBroken` for files that differ in their columns.
    """
    return study(data, name=name, header=header).form


def _total(table: Table, columns: Sequence[Column], packed: Packed | None) -> tuple[str, int]:
    """The money column that is the sum of a list's prices in nearly every row."""
    if packed is None or not packed.price:
        return "", 0
    counts = {column.name: _agreeing(table, packed, column) for column in columns if column.role == "money"}
    best = max(counts, key=lambda name: counts[name], default="")
    return (best, counts[best]) if best and counts[best] >= 0.95 * table.count else ("", 0)


def _agreeing(table: Table, packed: Packed, column: Column) -> int:
    name = quote_identifier(column.name)
    cast = f"(SELECT * REPLACE (TRY_CAST({name} AS {column.base}) AS {name}) FROM source)"
    return int(table.ask(f"SELECT count(*) FROM {cast} WHERE {packed.summed(column.name)}")[0][0])


_BY_KIND = {
    vocabulary.NAME: "person_name", vocabulary.EMAIL: "email", vocabulary.CARD: "card", vocabulary.PHONE: "phone",
    vocabulary.IBAN: "iban", vocabulary.BIRTH: "birth_date", vocabulary.POSTCODE: "postcode",
    vocabulary.ADDRESS: "address", vocabulary.NATIONAL: "national_id", vocabulary.IP: "ip_address",
}  # fmt: skip


def _named(
    table: Table, columns: Sequence[Column], marks: Sequence[MarkProposal], packed: Packed | None
) -> tuple[Table, tuple[Column, ...], list[MarkProposal], Packed | None]:
    """Without a header, columns are named after what they hold, where that is clear."""
    if any(table.headers):
        return table, tuple(columns), list(marks), packed
    guesses = [_guess(column, packed) or column.name for column in columns]
    names = dict(zip(table.names, declared(guesses), strict=True))
    renamed = tuple(replace(column, name=names[column.name]) for column in columns)
    marked = [replace(mark, column=names[mark.column]) for mark in marks]
    basket = replace(packed, column=names[packed.column]) if packed else None
    return table.renamed([names[name] for name in table.names]), renamed, marked, basket


def _guess(column: Column, packed: Packed | None) -> str:
    if packed and column.name == packed.column:
        return "items"
    by_role = {"money": "amount"} | ({"moment": "day" if column.base == "DATE" else "occurred_at"})
    return _BY_KIND.get(column.kind, by_role.get(column.role, ""))
