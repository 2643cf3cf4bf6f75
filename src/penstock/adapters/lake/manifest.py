"""A snapshot of the lake as a record: exactly which files every table of a pipeline consists of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from penstock.model.loads import Holder, declared, described
from penstock.model.shapes import Columns
from penstock.model.tables import TableSpec

VERSION = 1
CONTRIBUTIONS = "__contributions"


@dataclass(frozen=True, slots=True)
class DataFile:
    """One Parquet file, by its path below its relation's folder. It never changes; a snapshot names it or does not.

    `low` and `high` are the smallest and largest row identity (-1 where rows have none), `partition` the texts of the
    partition that its folder stands for.
    """

    path: str
    rows: int
    low: int = -1
    high: int = -1
    partition: tuple[str | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """One table: how it is declared, its columns, and its files. Contributions have files of their own."""

    spec: TableSpec
    columns: Columns = ()
    """As readers see them; contributions have `_row` and `_sequence` besides."""
    files: tuple[DataFile, ...] = ()
    contributions: tuple[DataFile, ...] = ()
    holder: Holder | None = None
    partitions: Mapping[str, Holder] = field(default_factory=dict)
    evolution: tuple[tuple[int, str, str, str], ...] = ()
    """Columns that became others: with which snapshot, which one, its type before (empty for a new one) and after."""

    @property
    def relations(self) -> dict[str, tuple[DataFile, ...]]:
        """The folders that the table needs, and the files in each."""
        shown = {self.spec.name: self.files}
        return {**shown, self.spec.name + CONTRIBUTIONS: self.contributions} if self.spec.shared else shown


@dataclass(frozen=True, slots=True)
class Segment:
    """A file of slot records, one JSON document a line; a later segment overrides an earlier one."""

    path: str
    records: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything that one snapshot of a pipeline's tables is. Number 0 is the one before the first."""

    pipeline: str
    number: int = 0
    oldest: int = 1
    """No snapshot below this number is kept any more."""
    token: str = ""
    published_at: datetime | None = None
    tables: Mapping[str, Table] = field(default_factory=dict)
    segments: tuple[Segment, ...] = ()

    def succeeded(self, **changes: Any) -> Manifest:
        """The next snapshot, with changes."""
        return replace(self, number=self.number + 1, **changes)


def dumped(manifest: Manifest) -> str:
    """The manifest as JSON."""
    facts = {
        "version": VERSION,
        "pipeline": manifest.pipeline,
        "number": manifest.number,
        "oldest": manifest.oldest,
        "token": manifest.token,
        "published_at": manifest.published_at.isoformat() if manifest.published_at else None,
        "tables": {name: _told(table) for name, table in manifest.tables.items()},
        "segments": [[segment.path, segment.records] for segment in manifest.segments],
    }
    return json.dumps(facts)


def loaded(text: str) -> Manifest:
    """The inverse of `dumped`."""
    facts = json.loads(text)
    facts.pop("version")
    published = facts.pop("published_at")
    tables = {name: _table(table) for name, table in facts.pop("tables").items()}
    segments = tuple(Segment(*segment) for segment in facts.pop("segments"))
    return Manifest(
        **facts,
        tables=tables,
        segments=segments,
        published_at=datetime.fromisoformat(published) if published else None,
    )


def _told(table: Table) -> dict[str, Any]:
    return {
        "spec": described(table.spec),
        "columns": table.columns,
        "files": [_facts(file) for file in table.files],
        "contributions": [_facts(file) for file in table.contributions],
        "holder": table.holder,
        "partitions": dict(table.partitions),
        "evolution": table.evolution,
    }


def _facts(file: DataFile) -> list[Any]:
    return [file.path, file.rows, file.low, file.high, file.partition]


def _table(facts: Mapping[str, Any]) -> Table:
    return Table(
        declared(facts["spec"]),
        tuple((name, kind) for name, kind in facts["columns"]),
        _files(facts["files"]),
        _files(facts["contributions"]),
        Holder(*facts["holder"]) if facts["holder"] else None,
        {key: Holder(*holder) for key, holder in facts["partitions"].items()},
        tuple((number, column, before, after) for number, column, before, after in facts.get("evolution", ())),
    )


def _files(facts: list[list[Any]]) -> tuple[DataFile, ...]:
    return tuple(DataFile(path, rows, low, high, tuple(partition)) for path, rows, low, high, partition in facts)
