"""The catalog: every table of a project, raw and curated, with the schema that its batches have come to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from penstock.compile.catalog import Column, Drift, united
from penstock.model.runs import Run, Stage
from penstock.model.shapes import Columns
from penstock.model.surveys import Surveyed
from penstock.runtime.worker import Equipment
from penstock.wiring.inferred import inferred
from penstock.wiring.raw import Landed, Raw

if TYPE_CHECKING:
    from penstock.adapters.duckdb.infer import Inference
    from penstock.adapters.lake import Shape

RAW, CURATED = "raw", "curated"
FOLDER = "catalog"


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
    """What a project knows of its tables. What was inferred of a file is kept until the file
    changes, or how it is read."""

    def catalog(self) -> list[Entry]:
        """Every table, brought up to date; drifts that are new are told to the ledger."""
        entries = [self._raw(landed) for landed in self.landed()]
        entries += [_curated(shape) for name, lake in self.lakes.items() for shape in lake.shapes(name)]
        entries += self._served()
        for entry in entries:
            if entry.drifts:
                self.ledger.drifted(entry.pipeline, entry.name, _told(entry.drifts), self.clock())
        return entries

    def survey(self, run: Run) -> list[Surveyed]:
        """What lies in the landing zone for a run's pipeline, as far as it can be known: a worker may have died of one
        of the files, and so the next attempt looks, of those that are not known yet, at its own only."""
        again = run.tries.get(Stage.CATALOG, 1) > 1
        own = _addresses(run) if again else None
        return [_surveyed(self._raw(landed, own)) for landed in self.landed(run.pipeline)]

    @cached_property
    def equipment(self) -> Equipment:
        """What a worker works with: runs of pipelines that ask for it begin with the catalog."""
        wanted = [name for name, pipeline in self.pipelines.items() if pipeline.catalog]
        return replace(super().equipment, surveys=dict.fromkeys(wanted, self.survey))

    @cached_property
    def _inference(self) -> Inference:
        from penstock.adapters.duckdb.infer import Inference

        return self._stack.enter_context(closing(Inference(self.scratch)))

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

    def _raw(self, landed: Landed, wanted: Container[str] | None = None) -> Entry:
        """A raw table. With `wanted`, files that are not known yet count only where they are among these."""
        batches: dict[str, Columns] = {}
        with inferred(self.store / FOLDER, landed.name, landed.declared) as known:
            for found in landed.files:
                columns = known.columns(found.address, found.version)
                if columns is None:
                    if wanted is not None and found.address not in wanted:
                        continue
                    columns = self._inference.columns(self.landing.zones / found.address, landed.declared)
                    known.learn(found.address, found.version, columns)
                batches[found.address] = columns
        return _entry(landed, batches)


def _entry(landed: Landed, batches: Mapping[str, Columns]) -> Entry:
    """A raw table, of its files' columns."""
    folders = dict(Counter(address.rpartition("/")[0] for address in batches))
    columns, drifts = united((address, columns) for address, columns in batches.items() if columns)
    return Entry(
        landed.name,
        RAW,
        landed.pipeline,
        columns,
        {name: kind.name for name, kind in landed.declared.columns},
        _captured(folders),
        folders,
        len(batches),
        sum(not columns for columns in batches.values()),
        bytes=sum(found.size for found in landed.files),
        drifts=drifts,
    )


def _addresses(run: Run) -> set[str]:
    """The objects that a run reads."""
    return {
        address
        for item in run.generations
        for address in (item.slot.address, *(member.address for member in item.members))
    }


def _surveyed(entry: Entry) -> Surveyed:
    drifts = tuple(_told(entry.drifts))
    return Surveyed(entry.name, entry.files or 0, len(entry.columns), entry.unreadable, drifts)


def _told(drifts: Sequence[Drift]) -> list[dict[str, str]]:
    return [{"kind": drift.kind, **asdict(drift)} for drift in drifts]


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
