"""The catalog: every table of a project, raw and curated, with the schema that its batches have come to."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from penstock.compile.catalog import Column, Drift, united
from penstock.model.shapes import Columns
from penstock.wiring.raw import Landed, Raw

if TYPE_CHECKING:
    from penstock.adapters.duckdb.infer import Inference
    from penstock.adapters.lake import Shape

RAW, CURATED = "raw", "curated"
FILE = "catalog.json"


@dataclass(frozen=True, slots=True)
class Entry:
    """One table of the catalog."""

    name: str
    layer: str
    """`raw` or `curated`."""
    pipeline: str
    columns: tuple[Column, ...]
    """Of a raw table what its files have; `declared` may be less."""
    declared: Mapping[str, str] = field(default_factory=dict)
    """Of a raw table: the declared columns, which a query sees, with their types."""
    partition_by: tuple[str, ...] = ()
    partitions: Mapping[str, int] = field(default_factory=dict)
    """Rows by partition; of a raw table files by folder."""
    files: int | None = 0
    """None of a table in a database."""
    unreadable: int = 0
    """How many files of a raw table have no columns that could be inferred."""
    rows: int | None = None
    """None of a raw table, and of one in a database: nobody has counted them."""
    bytes: int | None = 0
    version: int = 0
    published_at: datetime | None = None
    drifts: tuple[Drift, ...] = ()


class Catalog(Raw):
    """What a project knows of its tables. What was inferred of a file is kept until the file changes."""

    def catalog(self) -> list[Entry]:
        """Every table, brought up to date; drifts that are new are told to the ledger."""
        known = _Known(self.store / FILE)
        entries = [self._raw(landed, known) for landed in self.landed()]
        entries += [_curated(shape) for name, lake in self.lakes.items() for shape in lake.shapes(name)]
        entries += self._served()
        for entry in entries:
            fresh = known.fresh(entry)
            if fresh:
                self.ledger.drifted(entry.pipeline, entry.name, [_told(drift) for drift in fresh], self.clock())
        known.keep(entries)
        return entries

    @cached_property
    def _inference(self) -> Inference:
        from penstock.adapters.duckdb.infer import Inference

        return self._stack.enter_context(closing(Inference()))

    def _served(self) -> list[Entry]:
        """The tables of databases, called after their destinations: `warehouse.orders`."""
        found = []
        for name, plan in self.plans.items():
            for target in (target for target in plan.targets if target.kind == "postgres"):
                shapes: Mapping[str, Columns] = self.destinations[f"{target.kind}:{target.name}"].shapes(name)  # type: ignore[attr-defined]
                for table, columns in shapes.items():
                    typed = tuple(Column(column, kind, "") for column, kind in columns)
                    found.append(Entry(f"{target.name}.{table}", CURATED, name, typed, files=None, bytes=None))
        return found

    def _raw(self, landed: Landed, known: _Known) -> Entry:
        batches: dict[str, Columns] = {}
        folders: dict[str, int] = {}
        for found in landed.files:
            columns = known.columns(landed.name, found.address, found.version)
            if columns is None:
                columns = self._inference.columns(self.landing.zones / found.address, landed.declared)
                known.learn(landed.name, found.address, found.version, columns)
            batches[found.address] = columns
            folder = found.address.rpartition("/")[0]
            folders[folder] = folders.get(folder, 0) + 1
        columns_now, drifts = united((address, columns) for address, columns in batches.items() if columns)
        return Entry(
            landed.name,
            RAW,
            landed.pipeline,
            columns_now,
            {name: kind.name for name, kind in landed.declared.columns},
            _captured(folders),
            folders,
            len(batches),
            sum(not columns for columns in batches.values()),
            bytes=sum(found.size for found in landed.files),
            drifts=drifts,
        )


class _Known:
    """What an earlier refresh has found out, in a file. It can be deleted: then all is inferred, and told, again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._before = _read(path)
        self._batches: dict[str, dict[str, Any]] = {}

    def columns(self, table: str, address: str, version: str) -> Columns | None:
        """What was inferred of a file in this version of it."""
        found = self._before.get("batches", {}).get(table, {}).get(address)
        if found is None or found[0] != version:
            return None
        self._batches.setdefault(table, {})[address] = found
        return tuple((name, kind) for name, kind in found[1])

    def learn(self, table: str, address: str, version: str, columns: Columns) -> None:
        self._batches.setdefault(table, {})[address] = [version, columns]

    def fresh(self, entry: Entry) -> list[Drift]:
        """The drifts that no earlier refresh has told."""
        told = {tuple(drift) for drift in self._before.get("told", {}).get(entry.name, ())}
        return [drift for drift in entry.drifts if _key(drift) not in told]

    def keep(self, entries: Sequence[Entry]) -> None:
        """Write what is known now, wholly or not at all."""
        told = {entry.name: [_key(drift) for drift in entry.drifts] for entry in entries if entry.drifts}
        facts = {"batches": self._batches, "told": told}
        if json.loads(json.dumps(facts)) == self._before:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_name(f".{FILE}.{uuid4().hex[:8]}")
        draft.write_text(json.dumps(facts), encoding="utf-8")
        draft.replace(self._path)


def _read(path: Path) -> dict[str, Any]:
    """What is no JSON is as good as gone."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _key(drift: Drift) -> tuple[str, ...]:
    return drift.column, drift.before, drift.after, drift.since


def _told(drift: Drift) -> dict[str, str]:
    return {"kind": drift.kind, **asdict(drift)}


def _curated(shape: Shape) -> Entry:
    born = {drift.column: drift.since for drift in reversed(shape.evolution) if not drift.before}
    return Entry(
        shape.table,
        CURATED,
        shape.pipeline,
        tuple(Column(name, kind, born.get(name, "")) for name, kind in shape.columns),
        partition_by=shape.partition_by,
        partitions=shape.partitions,
        files=shape.files,
        rows=shape.rows,
        bytes=shape.bytes,
        version=shape.version,
        published_at=shape.published_at,
        drifts=shape.evolution,
    )


def _captured(folders: Mapping[str, int]) -> tuple[str, ...]:
    """The names of Hive folders that all of a source's files lie in: `year=2024/month=03` → year, month."""
    told = [[part.partition("=")[0] for part in folder.split("/") if "=" in part] for folder in folders]
    return tuple(told[0]) if told and all(names == told[0] for names in told) else ()
