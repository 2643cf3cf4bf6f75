"""Tables as destinations see them: columns, keys, who owns a row, how a load changes what is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from penstock.model.rows import ROW
from penstock.model.slots import Kind, Slot


class Mode(StrEnum):
    """The write disposition. Re-delivery of a slot replaces its rows under every mode.

    `append`: every slot's rows side by side. `replace`: the table holds the newest delivery's rows only. `merge`: one
    row for each key. `partition`: a delivery's rows replace the partitions that they touch.
    """

    APPEND = "append"
    REPLACE = "replace"
    MERGE = "merge"
    PARTITION = "partition"


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key of one table to another table of the same pipeline."""

    columns: tuple[str, ...]
    table: str
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TableSpec:
    """A table as its pipeline declares it.

    Owned (`shared=False`): each staged row carries its row identity in the column `row`; the slot's rows are those
    whose identity lies in the slot's range. Shared: each staged row is one slot's *contribution* to the entity `key`
    and carries `_row` and `_sequence` beside the entity's columns; the table holds, for each key, the winning one.
    """

    name: str
    mode: Mode = Mode.APPEND
    key: tuple[str, ...] = ()
    row: str = ROW
    shared: bool = False
    natural: tuple[str, ...] = ()
    """A shared table's natural key: two contributions with one `key` and different `natural` stop the load."""
    order: str = ""
    """A shared table's declared order: the column whose largest value wins, before the sequence."""
    conflict: str = "latest"
    partition_by: tuple[str, ...] = ()
    references: tuple[Reference, ...] = ()


@dataclass(frozen=True, slots=True)
class Unit:
    """A load unit: one generation's rows at one destination."""

    slot: Slot
    number: int
    kind: Kind
    sequence: int
    base: int
    span: int
    lines: tuple[int, ...] = ()
    """The lines that a patch brings; every other kind replaces the whole slot."""
    rows: Mapping[str, int] = field(default_factory=dict, compare=False)
    """What was staged of it, by table, where that was counted."""
    identity: str = ""
    """What the rows were made of: the generation's identity. Empty where nobody knows."""
    revision: int = 0
    """How often other rows of the same generation have taken the place of what was prepared before."""


@dataclass(frozen=True, slots=True)
class TableLoad:
    """One table's part of a load: staged Parquet files, in the order of the pipeline's tables (parents first)."""

    spec: TableSpec
    columns: tuple[tuple[str, str], ...]
    files: tuple[str, ...]
    rows: int


@dataclass(frozen=True, slots=True)
class Load:
    """Everything that one transaction changes at a destination."""

    pipeline: str
    token: str
    """Run and attempt: names what an unknown commit was about."""
    units: tuple[Unit, ...]
    tables: tuple[TableLoad, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load did: units that were applied, units that were stale (a higher generation is there already), and
    rows inserted by (slot address, table)."""

    applied: tuple[Unit, ...]
    stale: tuple[Unit, ...] = ()
    rows: dict[tuple[str, str], int] = field(default_factory=dict)
    overtaken: tuple[Unit, ...] = ()
    """The stale units whose slot holds a newer generation already, or another of the same number."""
