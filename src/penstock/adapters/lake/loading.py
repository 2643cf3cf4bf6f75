"""One load as one snapshot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from penstock.adapters.choice import Choice, Held, choose
from penstock.adapters.lake.entities import Entities
from penstock.adapters.lake.manifest import CONTRIBUTIONS, Manifest, Segment, Table
from penstock.adapters.lake.scribe import Scribe, Shelf
from penstock.adapters.lake.slots import due, read, written
from penstock.adapters.lake.snapshots import SLOTS, Draft, Ground
from penstock.adapters.staged import Reader, partition_values
from penstock.model.faults import point
from penstock.model.loads import Change, Record, Verdict, counted
from penstock.model.rows import ROW
from penstock.model.shapes import Columns, contributed, evolved, redeclared, visible
from penstock.model.tables import Load, TableLoad


@dataclass(frozen=True, slots=True)
class Published:
    """The new snapshot, and what each change has brought."""

    manifest: Manifest
    changes: tuple[Change, ...]


def publish(ground: Ground, reader: Reader, before: Manifest, load: Load, verdict: Verdict) -> Published:
    """Build the next snapshot and make it the current one. Whatever goes wrong, the one before stays."""
    draft = Draft(ground, before)
    try:
        building = Building(reader, draft, before, load, verdict)
        tables, changes = building.tables(), building.changes()
        segments = building.segments(changes)
        manifest = before.succeeded(
            oldest=ground.oldest(before),
            token=load.token,
            published_at=datetime.now(UTC),
            tables=tables,
            segments=segments,
        )
        for name in tables:
            ground.claim(name, load.pipeline)
        point("lake.before_seal")
        draft.seal(manifest)
    except BaseException:
        draft.discard()
        raise
    point("lake.sealed")
    ground.publish(manifest)
    return Published(manifest, changes)


class Building:
    """The work on one draft, table by table."""

    def __init__(self, reader: Reader, draft: Draft, before: Manifest, load: Load, verdict: Verdict) -> None:
        self.reader, self.draft, self.before, self.load, self.verdict = reader, draft, before, load, verdict
        self.scribe = Scribe(reader, draft, [file for table in load.tables for file in table.files])
        self._choices: list[Choice] = []

    def tables(self) -> dict[str, Table]:
        """Every table of the pipeline as it is from now on, its files in place."""
        surveys = self.reader.survey(self.load.tables, self.verdict)
        tables = {name: _filled(table) for name, table in self.before.tables.items()}
        for table in self.load.tables:
            known = tables.get(table.spec.name)
            if known is not None:
                redeclared(known.spec, table.spec)
            held = Held(known.holder, known.partitions) if known else Held()
            choice = choose(self.reader, surveys[table.spec.name], self.verdict, held)
            shaped = self._shaped(known or Table(table.spec), table)
            if shaped.columns:
                self._choices.append(choice)
                tables[table.spec.name] = self._changed(shaped, choice)
        for name in tables.keys() - {choice.table.spec.name for choice in self._choices}:
            tables[name] = self._changed(tables[name], None)
        for done in tables.values():
            for relation, files in done.relations.items():
                self.draft.keep(relation, (file.path for file in files))
            point("lake.table_kept")
        return tables

    def changes(self) -> tuple[Change, ...]:
        """The changes with the rows that they brought."""
        rows = {(n, choice.table.spec.name): rows for choice in self._choices for n, rows in choice.counts.items()}
        return counted(self.verdict, rows)

    def segments(self, changes: tuple[Change, ...]) -> tuple[Segment, ...]:
        """The log of slot records, with the new ones at its end."""
        log = [*self.before.segments, self._segment([change.record for change in changes])]
        while run := due(log):
            newest = {record.slot: record for segment in log[-run:] for record in self._records(segment)}
            log[-run:] = [self._segment(list(newest.values()))]
        self.draft.keep(SLOTS, [segment.path for segment in log])
        return tuple(log)

    def _segment(self, records: list[Record]) -> Segment:
        name = f"{uuid4().hex}.jsonl"
        self.draft.write(SLOTS, name, written(records))
        return Segment(name, len(records))

    def _records(self, segment: Segment) -> list[Record]:
        return read(Path(self.draft.path(SLOTS, segment.path)))

    def _shaped(self, known: Table, table: TableLoad) -> Table:
        """The table with the columns that the load needs; files of another shape are written again."""
        columns = tuple(
            evolved(table.spec.name, known.columns, visible(table.columns) if table.spec.shared else table.columns)
        )
        shaped = replace(known, spec=table.spec, columns=columns)
        if columns == known.columns or not known.columns:
            return shaped
        files = self.scribe.reshape(shown(known), shown(shaped), known.files)
        contributions = self.scribe.reshape(told(known), told(shaped), known.contributions)
        evolution = (*known.evolution, *_evolution(self.before.number + 1, known.columns, columns))
        return replace(shaped, files=files, contributions=contributions, evolution=evolution)

    def _changed(self, table: Table, choice: Choice | None) -> Table:
        """The table without what the slots held, with what they bring."""
        changed = self._shared(table, choice) if table.spec.shared else self._owned(table, choice)
        files = self.scribe.compact(shown(changed), changed.files)
        contributions = self.scribe.compact(told(changed), changed.contributions)
        return replace(changed, files=files or self.scribe.empty(shown(changed)), contributions=contributions)

    def _owned(self, table: Table, choice: Choice | None) -> Table:
        shelf = shown(table)
        files = self.scribe.erase(shelf, table.files, self.verdict.removes)
        if choice is None:
            return replace(table, files=files)
        if choice.clears:
            files = ()
        cleared = {tuple(partition_values(key)) for key in choice.cleared}
        files = tuple(file for file in files if file.partition not in cleared)
        partitions = {**table.partitions, **choice.partitions}
        new = self.scribe.adopt(shelf, choice)
        return replace(table, files=(*files, *new), holder=choice.holder, partitions=partitions)

    def _shared(self, table: Table, choice: Choice | None) -> Table:
        entities = Entities(self.scribe, table.spec, shown(table), told(table))
        new = self.scribe.adopt(told(table), choice) if choice else ()
        files, contributions = entities.settle(table.files, table.contributions, new, self.verdict.removes)
        return replace(table, files=files, contributions=contributions)


def _evolution(number: int, before: Columns, after: Columns) -> Iterator[tuple[int, str, str, str]]:
    """What has become of columns with a snapshot."""
    known = dict(before)
    for name, kind in after:
        if known.get(name) != kind:
            yield number, name, known.get(name, ""), kind


def _filled(table: Table) -> Table:
    """The table without the file that stands for no rows."""
    return replace(table, files=tuple(file for file in table.files if file.rows))


def shown(table: Table) -> Shelf:
    """The folder that readers see."""
    spec = table.spec
    row = "" if spec.shared else spec.row
    return Shelf(spec.name, table.columns, row, spec.partition_by, spec.key if spec.shared else (spec.row,))


def told(table: Table) -> Shelf:
    """The folder of a shared table's contributions."""
    return Shelf(table.spec.name + CONTRIBUTIONS, contributed(table.columns), ROW, (), (ROW,))
