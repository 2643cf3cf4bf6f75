"""The destination lake: `load`, and what `verify`, `trace` and `query` ask of it."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from penstock.adapters.extracts import Stock, absent, owned, selection, speaking, write
from penstock.adapters.lake.entities import ranking
from penstock.adapters.lake.loading import publish, shown, told
from penstock.adapters.lake.manifest import DataFile, Manifest, Segment, Table
from penstock.adapters.lake.pages import Pages
from penstock.adapters.lake.scribe import Shelf, scan
from penstock.adapters.lake.slots import Slots, read
from penstock.adapters.lake.snapshots import CURRENT, NEWEST, SLOTS, Ground, Retention
from penstock.adapters.staged import Reader
from penstock.compile.catalog import Drift
from penstock.compile.sql import quote_identifier
from penstock.errors import UnknownName
from penstock.model.loads import Verdict, judge
from penstock.model.lookups import Lookup, Page
from penstock.model.shapes import Columns
from penstock.model.slots import Slot
from penstock.model.summaries import Answer, Summary
from penstock.model.tables import Load, Loaded
from penstock.runtime.ports import Capabilities, Holding

GRACE = timedelta(hours=1)
KEEP = 3
MEMORY = 256_000_000


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One published state of a pipeline's tables."""

    number: int
    files: Mapping[str, tuple[str, ...]]
    """The Parquet files of each table."""
    relations: Mapping[str, str]
    """Each table as a relation for DuckDB's SQL, partition columns with their types included."""


@dataclass(frozen=True, slots=True)
class Version:
    """One kept version of a pipeline's tables."""

    pipeline: str
    number: int
    published_at: datetime | None
    token: str
    """The run and attempt that made it."""
    published: bool
    """Whether readers see it."""
    newest: bool
    """Whether loads build on it."""
    rows: Mapping[str, int]
    """By table."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One table of the lake as it is published."""

    pipeline: str
    table: str
    version: int
    published_at: datetime | None
    mode: str
    columns: Columns
    partition_by: tuple[str, ...]
    partitions: Mapping[str, int]
    """Rows by partition, as its folder is called."""
    files: int
    rows: int
    bytes: int
    evolution: tuple[Drift, ...]


class Lake:
    """Parquet under one folder (`curated/`). One object serves one load at a time; processes take turns by a lock.

    A snapshot that has been replaced is kept for `grace`, the newest `keep` ones always, and any that `reading` holds.
    `scratch` is where DuckDB puts what does not fit its `memory`.
    """

    name = "lake"
    capabilities = Capabilities(transactions=True, foreign_keys=False, partitions=True)

    def __init__(
        self,
        folder: Path,
        *,
        scratch: Path | None = None,
        grace: timedelta = GRACE,
        keep: int = KEEP,
        memory: int = MEMORY,
    ) -> None:
        self._ground = Ground(folder)
        self._retention = Retention(grace, keep)
        self._reader = Reader(scratch or folder / ".scratch", memory)
        self._pages = Pages(memory)
        self._turn = threading.Lock()
        self._known: dict[str, tuple[tuple[Segment, ...], Slots]] = {}

    def load(self, load: Load) -> Loaded:
        """Apply the load as one new snapshot; see `penstock.runtime.ports.Destination`.

        Raises `StorageUnavailable` (try again), `SchemaConflict`, `KeyCollision`, `EntityConflict` or
        `DestinationError`; in each case the published snapshot stays the one it was.
        """
        with self._turn, self._ground.locked(load.pipeline):
            before = self._ground.current(load.pipeline, NEWEST)
            slots = self._slots(before)
            slots.refuse_crossing(load.pipeline, load.units)
            verdict = judge(load, slots.records)
            if not verdict.changes:
                return _loaded(verdict, slots, {})
            published = publish(self._ground, self._reader, before, load, verdict)
            done = _loaded(
                verdict, slots, {(c.slot, t): n for c in published.changes for t, n in c.record.rows.items()}
            )
            for change in published.changes:
                slots.add(change.record)
            self._known[load.pipeline] = (published.manifest.segments, slots)
            self._ground.collect(published.manifest, datetime.now(UTC), self._retention)
        return done

    def extract(self, pipeline: str, table: str, readers: Sequence[Sequence[str]], path: Path) -> None:
        """See `penstock.runtime.ports.Destination`."""
        with self._turn, self._ground.leased(pipeline, NEWEST) as manifest:
            found, records = manifest.tables.get(table), self._slots(manifest).records
            if found is None:
                raise absent(table)
            wanted = owned([records[slot].range for slot in slots if slot in records] for slots in readers)
            lows, highs, numbers = ([item[place] for item in wanted] for place in range(3))
            span = (
                f"(SELECT unnest({lows}::BIGINT[]) AS low, unnest({highs}::BIGINT[]) AS high, "
                f"unnest({numbers}::INTEGER[]) AS reader)"
            )
            write(self._reader, selection(self._stock(manifest, found), wanted, span), path)

    def _stock(self, manifest: Manifest, table: Table) -> Stock:
        if not table.spec.shared:
            shelf = shown(table)
            return Stock(self._scan(manifest, shelf, table.files), shelf.columns, shelf.row)
        shelf = told(table)
        relation = self._scan(manifest, shelf, table.contributions)
        return Stock(relation, shelf.columns, shelf.row, table.spec.key, ranking(table.spec))

    def holdings(self, pipeline: str, tables: Sequence[str]) -> Iterable[Holding]:
        """Every slot's rows, counted in the files themselves; rows of no slot come under the empty address.

        A shared table's rows are the contributions of a slot whose key is visible.
        """
        with self._turn, self._ground.leased(pipeline, NEWEST) as manifest:
            return list(self._holdings(manifest, tables))

    def slot_of(self, pipeline: str, row: int) -> tuple[str, int] | None:
        """The slot address and base of a row identity, or None."""
        with self._turn, self._ground.leased(pipeline, NEWEST) as manifest:
            record = self._slots(manifest).of(row)
        return (record.slot, record.base) if record else None

    def speakers(
        self, pipeline: str, table: str, columns: Sequence[str], values: Sequence[str], limit: int
    ) -> list[int]:
        """See `penstock.runtime.ports.Destination`."""
        with self._turn, self._ground.leased(pipeline, NEWEST) as manifest:
            found = manifest.tables.get(table)
            if found is None or not found.spec.shared:
                return []
            rows = self._reader.rows(speaking(self._stock(manifest, found), columns, limit), values)
        return [row for (row,) in rows]

    def page(self, lookup: Lookup) -> Page:
        """A page of a table of the published snapshot; see `penstock.runtime.ports.Destination`."""
        with self._ground.leased(lookup.pipeline) as manifest:
            table = manifest.tables.get(lookup.table)
            if table is None:
                return Page()
            relation = self._scan(manifest, shown(table), table.files)
            return self._pages.page(lookup, table.columns, table.spec, relation)

    def summarize(self, summary: Summary) -> Answer:
        """The numbers of a chart, from the published snapshot; see `penstock.runtime.ports.Destination`."""
        with self._ground.leased(summary.pipeline) as manifest:
            table = manifest.tables.get(summary.table)
            if table is None:
                return Answer()
            relation = self._scan(manifest, shown(table), table.files)
            return self._pages.summarize(summary, table.columns, relation)

    @contextmanager
    def reading(self, pipeline: str, version: int = 0) -> Iterator[Snapshot]:
        """The published snapshot, or an older version; its files stay for as long as the block lasts.

        Raises `UnknownName` for a version that is not kept.
        """
        with self._ground.leased(pipeline, str(version) if version else CURRENT) as manifest:
            if manifest.number != version > 0:
                raise self._gone(pipeline, version)
            files = {name: tuple(self._paths(manifest, name, t.files)) for name, t in manifest.tables.items()}
            relations = {name: self._scan(manifest, shown(t), t.files) for name, t in manifest.tables.items()}
            yield Snapshot(manifest.number, files, relations)

    def shapes(self, pipeline: str) -> list[Shape]:
        """Its published tables: columns, partitions, files, and how the columns have come to be."""
        with self._ground.leased(pipeline) as manifest:
            return [self._shape(manifest, table) for table in manifest.tables.values()]

    def _shape(self, manifest: Manifest, table: Table) -> Shape:
        spec, files = table.spec, [file for file in table.files if file.rows]
        partitions: dict[str, int] = {}
        for file in files if spec.partition_by else ():
            folder = str(Path(file.path).parent)
            partitions[folder] = partitions.get(folder, 0) + file.rows
        return Shape(
            manifest.pipeline,
            spec.name,
            manifest.number,
            manifest.published_at,
            spec.mode.value,
            table.columns,
            spec.partition_by,
            dict(sorted(partitions.items())),
            len(files),
            sum(file.rows for file in files),
            sum(Path(path).stat().st_size for path in self._paths(manifest, spec.name, files)),
            tuple(Drift(column, before, after, str(number)) for number, column, before, after in table.evolution),
        )

    def versions(self, pipeline: str) -> list[Version]:
        """The snapshots that are kept, oldest first."""
        newest = self._ground.current(pipeline, NEWEST).number
        published = self._ground.brought_back(pipeline) or newest
        found = (self._ground.current(pipeline, str(number)) for number in self._ground.numbers(pipeline))
        # Number 0: collected between two looks.
        return [_version(manifest, published, newest) for manifest in found if manifest.number]

    def brought_back(self, pipeline: str) -> int:
        """The older version that is published in place of the newest, or 0."""
        return self._ground.brought_back(pipeline)

    def show(self, pipeline: str, version: int = 0) -> tuple[int, int]:
        """Publish an older version in place of the newest, or (0) the newest again; what is loaded stays as it is.

        Returns the versions that were published before and are now. Raises `UnknownName` for one that is not kept.
        """
        with self._turn, self._ground.locked(pipeline):
            newest = self._ground.current(pipeline, NEWEST).number
            before = self._ground.brought_back(pipeline) or newest
            if not newest or (version and version not in self._ground.numbers(pipeline)):
                raise self._gone(pipeline, version)
            self._ground.show(pipeline, version or newest)
            return before, version or newest

    def _gone(self, pipeline: str, version: int) -> UnknownName:
        kept = ", ".join(map(str, self._ground.numbers(pipeline)))
        what = f"version {version} of the pipeline {pipeline!r} is not kept" if version else ""
        return UnknownName(
            what or f"the pipeline {pipeline!r} has published nothing yet",
            fix=f"kept are {kept}" if kept else f"penstock run {pipeline}",
        )

    def collect(self, pipeline: str, *, grace: timedelta | None = None, keep: int = 1) -> None:
        """Remove replaced snapshots now, by default those whose grace period is over."""
        with self._turn, self._ground.locked(pipeline):
            manifest = self._ground.current(pipeline, NEWEST)
            retention = Retention(self._retention.grace if grace is None else grace, keep, manifest.number)
            self._ground.collect(manifest, datetime.now(UTC), retention)

    def close(self) -> None:
        self._reader.close()
        self._pages.close()

    def _slots(self, manifest: Manifest) -> Slots:
        """The slots' records: what is new in the log since the last time, or all of it."""
        seen, slots = self._known.get(manifest.pipeline, ((), Slots()))
        if manifest.segments[: len(seen)] != seen:
            seen, slots = (), Slots()
        folder = self._ground.snapshot(manifest) / SLOTS
        for segment in manifest.segments[len(seen) :]:
            for record in read(folder / segment.path):
                slots.add(record)
        self._known[manifest.pipeline] = (manifest.segments, slots)
        return slots

    def _holdings(self, manifest: Manifest, tables: Sequence[str]) -> Iterator[Holding]:
        records = sorted(self._slots(manifest).records.values(), key=lambda record: record.base)
        ranges = [record.range for record in records]
        self._reader.rows(_OWNERS, [[low for low, _ in ranges], [high for _, high in ranges]])
        held: dict[str, Holding] = {
            record.slot: Holding(Slot(manifest.pipeline, record.slot), record.generation, {}, {}) for record in records
        }
        for name in tables:
            table = manifest.tables.get(name)
            for owner, rows, checksum in self._counts(manifest, table) if table else ():
                slot = records[owner].slot if owner >= 0 else ""
                holding = held.get(slot) or Holding(Slot(manifest.pipeline, slot), 0, {}, {})
                counted, summed = {**holding.rows, name: rows}, {**holding.checksums, name: checksum}
                held[slot] = replace(holding, rows=counted, checksums=summed)
        yield from held.values()

    def _counts(self, manifest: Manifest, table: Table) -> list[tuple[int, int, int]]:
        """Owner (by place among the slots; -1 for nobody), rows and sum of identities."""
        if not table.spec.shared:
            shelf = shown(table)
            rows = f"SELECT {quote_identifier(shelf.row)} AS row FROM {self._scan(manifest, shelf, table.files)}"
        else:
            key = ", ".join(quote_identifier(name) for name in table.spec.key)
            visible = self._scan(manifest, shown(table), table.files)
            contributions = self._scan(manifest, told(table), table.contributions)
            rows = (
                f"SELECT c._row AS row FROM {contributions} AS c JOIN {visible} USING ({key})"
                f" UNION ALL SELECT NULL FROM {visible} ANTI JOIN {contributions} USING ({key})"
            )
        found = self._reader.rows(_COUNTS.format(rows=rows))
        return [(-1 if owner is None else owner, count, int(checksum)) for owner, count, checksum in found]

    def _paths(self, manifest: Manifest, relation: str, files: Iterable[DataFile]) -> Iterator[str]:
        folder = self._ground.snapshot(manifest) / relation
        return (f"{folder}/{file.path}" for file in files)

    def _scan(self, manifest: Manifest, shelf: Shelf, files: Iterable[DataFile]) -> str:
        filled = [file for file in files if file.rows]
        return scan(self._paths(manifest, shelf.relation, filled), shelf)


def _version(manifest: Manifest, published: int, newest: int) -> Version:
    number = manifest.number
    rows = {name: sum(file.rows for file in table.files) for name, table in manifest.tables.items()}
    shown, last = number == published, number == newest
    return Version(manifest.pipeline, number, manifest.published_at, manifest.token, shown, last, rows)


def _loaded(verdict: Verdict, slots: Slots, brought: Mapping[tuple[str, str], int]) -> Loaded:
    """What the load did. A stale unit's rows are those that the same generation brought before."""
    rows = dict(brought)
    for unit in verdict.stale:
        record = slots.records[unit.slot.address]
        if record.generation == unit.number:
            rows |= {(record.slot, table): count for table, count in record.rows.items()}
    return Loaded(verdict.applied, verdict.stale, rows, verdict.overtaken)


_OWNERS = """
CREATE OR REPLACE TABLE owners AS
SELECT low, high, (row_number() OVER () - 1)::INTEGER AS place
FROM (SELECT unnest($1::BIGINT[]) AS low, unnest($2::BIGINT[]) AS high)
"""

_COUNTS = """
SELECT CASE WHEN r.row < o.high THEN o.place END AS owner, count(*), coalesce(sum(r.row), 0)
FROM ({rows}) AS r ASOF LEFT JOIN owners AS o ON r.row >= o.low
GROUP BY ALL
"""
