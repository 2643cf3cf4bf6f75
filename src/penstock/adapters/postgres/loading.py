"""One load as one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from uuid import uuid4

from penstock.adapters.choice import Choice, choose
from penstock.adapters.postgres import catalog, owned, schema
from penstock.adapters.postgres.catalog import SHADOW, Heap, State, held_in
from penstock.adapters.postgres.schema import Place
from penstock.adapters.postgres.session import Session
from penstock.adapters.postgres.shared import LARGE, LEAST, Shared, Words
from penstock.adapters.postgres.stream import Large, Small, Texts, at_once, blamed, words
from penstock.adapters.staged import Reader, Survey, row_column
from penstock.compile.sql import quote_identifier
from penstock.errors import DataError, DestinationError, PenstockError
from penstock.model.faults import point
from penstock.model.loads import Change, Verdict, counted, judge, shares
from penstock.model.shapes import Columns, contributed, visible
from penstock.model.tables import Load, Loaded, Mode, TableSpec

BULK_ROWS = 200_000
"""From here on the largest new table is worth a connection of its own."""

SMALL_ROWS = 2_000
"""Up to here the rows of one slot are read at once: planning the usual queries would cost more than they do."""

CHECKED_ROWS = 20_000
"""Up to here PostgreSQL's foreign keys check row by row; more rows are checked together, after the load."""


REFUSED_ROWS = 1_000
"""Up to so many rows of a load may be refused for what they hold; when more are, the table is at fault."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a destination is set to."""

    scratch: Path
    foreign_keys: bool = False
    bulk_rows: int = BULK_ROWS
    refused_rows: int = REFUSED_ROWS


@dataclass(frozen=True, slots=True)
class Stream:
    """Rows on their way into one relation: an owned table, or a shared table's contributions."""

    choice: Choice
    columns: Columns
    fresh: bool

    @property
    def spec(self) -> TableSpec:
        return self.choice.table.spec

    @property
    def relation(self) -> str:
        return held_in(self.spec)


class Loading:
    """One load's work inside a locked transaction. `run` is the list of its steps."""

    def __init__(self, session: Session, place: Place, reader: Reader, options: Options, load: Load) -> None:
        self.session, self.place, self.reader, self.options, self.load = session, place, reader, options, load
        self._entities: dict[str, Shared] = {}

    done: Loaded
    """What the load has done, once the surrounding transaction is committed."""

    def run(self) -> None:
        """The steps, in order; any of them may raise, and the transaction is rolled back."""
        self.state = catalog.read(self.session, self.place, self.load, foreign_keys=self.options.foreign_keys)
        verdict = judge(self.load, self.state.records)
        if not verdict.changes:
            self.done = loaded(verdict, (), self.state)
            return
        self._sweep()
        streams = self._streams(verdict)
        aside = self._apart(streams)
        self._evolve(streams, aside)
        self._loosen(streams)
        here = [stream for stream in streams if stream is not aside]
        with (
            closing(self.texts(self.reader, here)) as texts,
            _Shadow(self, aside) if aside else nullcontext() as shadow,
        ):
            self._erase(verdict, streams)
            for stream in here:
                self.fill(self.session, texts, stream, stream.relation)
                point("postgres.copied")
            if shadow:
                shadow.swap()
        self._settle(verdict, streams)
        self._refer(streams)
        changes = counted(verdict, {(n, s.spec.name): rows for s in streams for n, rows in s.choice.counts.items()})
        self._remember(changes, streams)
        self.done = loaded(verdict, changes, self.state)

    def _sweep(self) -> None:
        """Remove what a load that died left under other names: at once, since the second connection must not wait."""
        if self.state.shadows:
            with closing(self.session.twin()) as twin:
                for shadow in self.state.shadows:
                    twin.run(f"DROP TABLE IF EXISTS {self.place.table(shadow)}")

    def _streams(self, verdict: Verdict) -> list[Stream]:
        surveys, self._small = self._survey(verdict)
        streams = []
        for table in self.load.tables:
            spec = table.spec
            schema.checked(spec)
            held = catalog.held(self.session, self.place, self.state, spec)
            choice = choose(self.reader, surveys[spec.name], verdict, held)
            columns = contributed(table.columns) if spec.shared else table.columns
            streams.append(Stream(choice, tuple(columns), held_in(spec) not in self.state.there))
        return [stream for stream in streams if stream.columns]

    def _survey(self, verdict: Verdict) -> tuple[dict[str, Survey], Small | None]:
        """Count the staged rows; those of one small slot are read with it."""
        owners = shares(verdict)
        small = len(owners) == 1 and sum(table.rows for table in self.load.tables) <= SMALL_ROWS
        if small and not any(table.spec.mode is Mode.PARTITION for table in self.load.tables):
            return at_once(self.reader, self.load.tables, owners[0])
        return self.reader.survey(self.load.tables, verdict), None

    def texts(self, reader: Reader, streams: Sequence[Stream]) -> Texts:
        """The rows of some streams: in memory already, or to be written as they are sent."""
        choices = [(stream.choice, stream.columns) for stream in streams]
        return self._small or Large(reader, choices, self.options.scratch)

    def _evolve(self, streams: Sequence[Stream], aside: Stream | None) -> None:
        """Bring every table into the shape that the load needs; nothing is changed when one of them cannot be."""
        statements: list[str] = []
        for stream in streams:
            statements += self._shape(stream.relation, stream.columns) if stream is not aside else []
            if stream.spec.shared:
                statements += self._shape(stream.spec.name, visible(stream.columns))
                if stream.spec.name not in self.state.there:
                    statements.append(schema.primary_key(self.place, stream.spec))
        for statement in statements:
            self.session.run(statement)

    def _shape(self, relation: str, columns: Columns) -> list[str]:
        there = self.state.there.get(relation)
        table = self.place.table(relation)
        return [schema.create(table, columns)] if there is None else schema.evolve(relation, table, there, columns)

    def _apart(self, streams: Sequence[Stream]) -> Stream | None:
        """The largest new table of a large load: it is filled over a second connection meanwhile."""
        fresh = [stream for stream in streams if stream.fresh and stream.choice.rows]
        if len(fresh) < 2 or sum(stream.choice.rows for stream in fresh) < self.options.bulk_rows:
            return None
        return max(fresh, key=lambda stream: stream.choice.rows)

    def fill(self, session: Session, texts: Texts, stream: Stream, relation: str) -> None:
        """Copy the rows in, then index what is new: an index that exists costs more than one that is built."""
        place = f"table {stream.spec.name}"
        if stream.choice.rows:
            table, columns = self.place.table(relation), schema.listed(name for name, _ in stream.columns)
            try:
                arrived = session.copy(table, columns, texts.of(stream.spec.name), frozen=stream.fresh, where=place)
            except DataError as error:
                raise blamed(error, self.reader.cursor(), stream.choice) from None
            if arrived != stream.choice.rows:
                why = f"{stream.choice.rows} rows were counted, {arrived} were copied"
                raise DestinationError("the staged files are not what they were", at=place, why=why)
        for statement in self._completing(stream, relation) if stream.fresh else ():
            session.run(statement, where=place)

    def _completing(self, stream: Stream, relation: str) -> list[str]:
        if stream.spec.shared:
            return [schema.required(self.place, relation, stream.spec)]
        return schema.owned_indexes(self.place, relation, stream.spec)

    def _erase(self, verdict: Verdict, streams: Sequence[Stream]) -> None:
        """Remove what the slots held, in every table of the pipeline, children first."""
        if verdict.removes:
            for spec in reversed(self._living(streams)):
                if spec.shared and spec.name in self.state.there:
                    self._shared(spec, streams).erase(verdict.removes)
                else:
                    row = row_column(spec)
                    owned.erase(self.session, self.place.table(held_in(spec)), row, verdict.removes)
            point("postgres.erased")
        for stream in streams:
            if not stream.fresh:
                self._give_way(stream)

    def _give_way(self, stream: Stream) -> None:
        """Remove rows of other slots that the mode `replace` or `partition` ends."""
        if stream.choice.clears:
            self.session.run(f"DELETE FROM {self.place.table(stream.relation)}")
        if stream.choice.cleared:
            there, columns = self.state.there[stream.relation], stream.spec.partition_by
            owned.erase_partitions(self.session, self.place, stream.relation, columns, there, stream.choice.cleared)

    def _living(self, streams: Sequence[Stream]) -> list[TableSpec]:
        """The pipeline's tables that exist, in order of declaration; those that it no longer declares come first."""
        specs = {spec.name: spec for spec in self.state.living}
        declared = [stream.spec for stream in streams if specs.pop(stream.spec.name, None)]
        return [*specs.values(), *declared]

    def _shared(self, spec: TableSpec, streams: Sequence[Stream]) -> Shared:
        """A shared table with every column that both its visible rows and its contributions have by now."""
        if spec.name not in self._entities:
            self._entities[spec.name] = self._entity(spec, streams)
        return self._entities[spec.name]

    def _entity(self, spec: TableSpec, streams: Sequence[Stream]) -> Shared:
        shown, contributions = (self.state.there.get(name, {}) for name in (spec.name, held_in(spec)))
        columns = {name: schema.canonical_name(kind) for name, kind in shown.items() if name in contributions}
        for stream in streams:
            if stream.spec.name == spec.name:
                columns |= dict(visible(stream.columns))
        return Shared(self.session, self.place, spec, tuple(columns.items()), indexed=self._heap(spec).indexed)

    def _heap(self, spec: TableSpec) -> Heap:
        return self.state.heaps.get(spec.name, Heap())

    def _settle(self, verdict: Verdict, streams: Sequence[Stream]) -> None:
        """Shared tables show their winners."""
        brought = [range_ for change in verdict.changes for range_ in change.brings]
        for stream in streams:
            if not stream.spec.shared:
                continue
            entity, rows = self._shared(stream.spec, streams), stream.choice.rows
            if self._heap(stream.spec).bytes + rows * LEAST >= LARGE:
                entity.index()
            if stream.fresh or stream.spec.name not in self.state.there:
                entity.settle_all()
            elif rows:
                entity.settle(self._words(stream), brought)

    def _words(self, stream: Stream) -> Words | None:
        """What the staged rows say of entities, unless it is much."""
        return self._small.words(stream.choice.table) if self._small else words(self.reader, stream.choice)

    def _loosen(self, streams: Sequence[Stream]) -> None:
        """Take foreign keys off while many rows come: checking each alone costs twelve times the load."""
        for stream in streams:
            known = self.state.foreign_keys.get(stream.spec.name, ()) if stream.choice.rows > CHECKED_ROWS else ()
            for reference in stream.spec.references:
                name = schema.foreign_key_name(stream.spec, reference)
                if name in known:
                    table = self.place.table(stream.spec.name)
                    self.session.run(f"ALTER TABLE {table} DROP CONSTRAINT {quote_identifier(name)}")

    def _refer(self, streams: Sequence[Stream], *, loosened: bool = True) -> None:
        """Foreign keys, where they are wanted and not there."""
        relations = {stream.spec.name for stream in streams} | set(self.state.there)
        for stream in streams if self.options.foreign_keys else ():
            gone = loosened and stream.choice.rows > CHECKED_ROWS
            known = () if gone else self.state.foreign_keys.get(stream.spec.name, ())
            for reference in stream.spec.references:
                missing = schema.foreign_key_name(stream.spec, reference) not in known
                if missing and reference.table in relations:
                    with self.session.scanning():
                        self.session.run(schema.foreign_key(self.place, stream.spec, reference))

    def _remember(self, changes: Sequence[Change], streams: Sequence[Stream]) -> None:
        for stream in streams:
            spec, choice = stream.spec, stream.choice
            if self.state.specs.get(spec.name) != spec or choice.holder != self.state.holders.get(spec.name):
                catalog.declare(self.session, self.place, self.load.pipeline, spec, choice.holder)
            if choice.partitions:
                catalog.hold(self.session, self.place, spec.name, choice.partitions)
        catalog.record(self.session, self.place, self.load.pipeline, changes)


class _Shadow:
    """A new table that is filled under another name over a second connection, and then given its own."""

    def __init__(self, loading: Loading, stream: Stream) -> None:
        self._loading, self._stream = loading, stream
        self._name = SHADOW + uuid4().hex[:12]
        self._table = loading.place.table(self._name)
        self._session, self._reader = loading.session.twin(), loading.reader.cursor()
        self._pool = ThreadPoolExecutor(1)

    def __enter__(self) -> Self:
        self._filling = self._pool.submit(self._fill)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            self._session.cancel()
        self._pool.shutdown()
        if kind is not None:
            with suppress(PenstockError):
                self._session.run(f"DROP TABLE IF EXISTS {self._table}")
        self._session.close()
        self._reader.close()

    def swap(self) -> None:
        """In the load's own transaction: nobody sees the new name before the commit."""
        self._filling.result()
        point("postgres.shadow_filled")
        name = quote_identifier(self._stream.relation)
        self._loading.session.run(f"ALTER TABLE {self._table} RENAME TO {name}")

    def _fill(self) -> None:
        with (
            closing(self._loading.texts(self._reader, [self._stream])) as texts,
            self._session.transaction(),
        ):
            self._session.run(schema.create(self._table, self._stream.columns))
            point("postgres.shadow_created")
            self._loading.fill(self._session, texts, self._stream, self._name)


def loaded(verdict: Verdict, changes: Sequence[Change], state: State) -> Loaded:
    """What the load did. A stale unit's rows are those that the same generation brought before."""
    rows = {(change.slot, table): count for change in changes for table, count in change.record.rows.items()}
    for unit in verdict.stale:
        record = state.records[unit.slot.address]
        if record.generation == unit.number:
            rows |= {(record.slot, table): count for table, count in record.rows.items()}
    return Loaded(verdict.applied, verdict.stale, rows, verdict.overtaken)
