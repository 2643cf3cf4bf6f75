"""The destination PostgreSQL: `load`, and what `verify`, `trace` and `query` ask of it."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from penstock.adapters.extracts import Stock, absent, from_text, owned, selection, speaking, write
from penstock.adapters.postgres import catalog, schema
from penstock.adapters.postgres.catalog import held_in
from penstock.adapters.postgres.loading import BULK_ROWS, REFUSED_ROWS, Loading, Options
from penstock.adapters.postgres.pages import Pages
from penstock.adapters.postgres.refusals import Refusal
from penstock.adapters.postgres.rehearsal import Rehearsal, TooManyError, of_definition, rehearse
from penstock.adapters.postgres.schema import Place
from penstock.adapters.postgres.session import OutcomeUnknown, Session
from penstock.adapters.postgres.shared import Shared
from penstock.adapters.staged import Reader, row_column
from penstock.compile.sql import quote_identifier
from penstock.errors import DestinationError, DestinationUnavailable, PenstockError, RowsRefused
from penstock.model.faults import point
from penstock.model.loads import Range, declared
from penstock.model.lookups import Lookup, Page
from penstock.model.shapes import Columns, visible
from penstock.model.slots import Slot
from penstock.model.summaries import Answer, Summary
from penstock.model.tables import Load, Loaded, TableSpec
from penstock.runtime.ports import Capabilities, Holding

MEMORY = 160_000_000
"""What DuckDB may use while it writes staged rows as text; it peaks at up to 1.8 times its limit."""


class Postgres:
    """Tables in one schema of a PostgreSQL database. Connects when first used; one object serves one load at a time.

    `foreign_keys=True` declares the tables' references as deferred constraints. Loads of more than 20,000 rows into a
    table take its constraints off and put them back before the commit, and readers of the table wait meanwhile.
    Up to `refused_rows` rows of a load may be refused for what they hold: `load` says which. 0 looks for none.
    """

    name = "postgres"
    capabilities = Capabilities(transactions=True, foreign_keys=True, partitions=True, judges=True)

    def __init__(  # noqa: PLR0913 - each is a setting, all but the first have defaults
        self,
        dsn: str,
        schema: str = "public",
        *,
        workdir: Path,
        application_name: str = "penstock",
        foreign_keys: bool = False,
        lock_timeout: float = 10,
        memory: int = MEMORY,
        bulk_rows: int = BULK_ROWS,
        refused_rows: int = REFUSED_ROWS,
    ) -> None:
        self._place = Place(schema)
        self._options = Options(workdir, foreign_keys, bulk_rows, refused_rows)
        self._session = Session(dsn, schema, application_name, lock_timeout)
        self._pages = Pages(self._session, self._place)
        self._reader = Reader(workdir, memory)
        self._turn = threading.Lock()
        self._prepared = False

    def load(self, load: Load) -> Loaded:
        """Apply the load in one transaction; see `penstock.runtime.ports.Destination`.

        Raises `DestinationUnavailable` (try again), `RowsRefused`, `SchemaConflict`, `KeyCollision`, `EntityConflict`,
        `DataError` (a text that PostgreSQL cannot store) or `DestinationError`; in each case nothing has changed.
        """
        with self._turn:
            try:
                return self._settled(load)
            except Refusal as refusal:
                raise self._sifted(load, refusal) from None
            except PenstockError:
                self._prepared = False
                raise

    def extract(self, pipeline: str, table: str, readers: Sequence[Sequence[str]], path: Path) -> None:
        """See `penstock.runtime.ports.Destination`."""
        with self._turn:
            spec = self._specs(pipeline).get(table) if self._known() else None
            if spec is None:
                raise absent(table)
            self._index([spec])
            relation = held_in(spec)
            there = catalog.columns(self._session, self._place, [relation])[relation]
            columns = [(name, schema.canonical_name(kind)) for name, kind in there.items()]
            key, order = (spec.key, schema.ranking(spec, columns)) if spec.shared else ((), "")
            stock = Stock(self._place.table(relation), columns, row_column(spec), key, order)
            ranges = self._ranges(pipeline, [slot for slots in readers for slot in slots])
            wanted = owned([ranges[slot] for slot in slots if slot in ranges] for slots in readers)
            listed = ", ".join(f"({low}, {high}, {reader})" for low, high, reader in wanted) or "(0, 0, 0)"
            span = f"(SELECT column1 AS low, column2 AS high, column3 AS reader FROM (VALUES {listed}) AS v)"
            text = path.with_suffix(".csv")
            text.parent.mkdir(parents=True, exist_ok=True)
            self._session.copy_out(selection(stock, wanted, span), text)
            write(self._reader, from_text(columns, text), path)
            text.unlink()

    def _ranges(self, pipeline: str, slots: Sequence[str]) -> dict[str, Range]:
        found = self._session.rows(self._sql(_RANGES), [pipeline, list(slots)])
        return {slot: Range(base, base + span) for slot, base, span in found}

    def holdings(self, pipeline: str, tables: Sequence[str]) -> Iterable[Holding]:
        """Every slot's rows, counted in the tables themselves; rows of no slot come under the empty address.

        A shared table's rows are the contributions of a slot whose key is visible.
        """
        with self._turn:
            return list(self._holdings(pipeline, tables)) if self._known() else []

    def slot_of(self, pipeline: str, row: int) -> tuple[str, int] | None:
        """The slot address and base of a row identity, or None."""
        with self._turn:
            found = self._session.rows(self._sql(_SLOT_OF), [pipeline, row]) if self._known() else []
        return (found[0][0], found[0][1]) if found else None

    def speakers(
        self, pipeline: str, table: str, columns: Sequence[str], values: Sequence[str], limit: int
    ) -> list[int]:
        """See `penstock.runtime.ports.Destination`."""
        with self._turn:
            spec = self._specs(pipeline).get(table) if self._known() else None
            if spec is None or not spec.shared:
                return []
            stock = Stock(self._place.table(held_in(spec)), (), row_column(spec))
            return [row for (row,) in self._session.rows(speaking(stock, columns, limit), values)]

    def rows(self, sql: str) -> Iterator[dict[str, Any]]:
        """The rows of a query, read in a transaction that can change nothing, with the schema first in the path."""
        with closing(self._session.twin()) as session:
            session.run(f"BEGIN READ ONLY; SET LOCAL search_path = {self._place.name}, public")
            yield from session.stream(sql)

    def page(self, lookup: Lookup) -> Page:
        """A page of a table, read in one transaction; see `penstock.runtime.ports.Destination`."""
        return self._pages.page(lookup)

    def summarize(self, summary: Summary) -> Answer:
        """The numbers of a chart, read in one transaction; see `penstock.runtime.ports.Destination`."""
        return self._pages.summarize(summary)

    def shapes(self, pipeline: str) -> dict[str, Columns]:
        """The pipeline's tables with their columns and the server's types."""
        with self._turn:
            specs = self._specs(pipeline) if self._known() else {}
            shapes = catalog.columns(self._session, self._place, list(specs))
        return {name: tuple(shapes[name].items()) for name in specs if name in shapes}

    def close(self) -> None:
        self._session.close()
        self._pages.close()
        self._reader.close()

    def _settled(self, load: Load) -> Loaded:
        try:
            return self._loaded(load)
        except OutcomeUnknown as lost:
            return self._decided(load, lost)

    def _sifted(self, load: Load, refusal: Refusal) -> PenstockError:
        """What a refused load is about: some of its rows, or all of it."""
        self._prepared = False
        whole = DestinationError(refusal.what, at=refusal.at, why=refusal.why, fix=refusal.fix)
        most = self._options.refused_rows
        if not most or of_definition(refusal, load):
            return whole
        try:
            rows = rehearse(self._session, Rehearsal(self._session, self._place, self._reader, self._options, load))
        except TooManyError:
            whole.why = f"{refusal.why}; more than {most:,} rows are refused: the table is wrong, and not the rows"
            whole.fix = "correct the table, or the step that makes its rows"
            return whole
        except PenstockError as error:
            return error if error.retry else whole
        point("postgres.rehearsed")
        if not rows:
            return whole
        said = f"{len(rows):,} row{' is' if len(rows) == 1 else 's are'} refused"
        return RowsRefused(said, at=refusal.at, why=refusal.why, fix=refusal.fix, rows=rows)

    def _loaded(self, load: Load) -> Loaded:
        if not self._prepared:
            catalog.prepare(self._session, self._place)
            self._prepared = True
        loading = Loading(self._session, self._place, self._reader, self._options, load)
        with self._session.locked():
            loading.run()
            point("postgres.before_commit")
        point("postgres.after_commit")
        return loading.done

    def _decided(self, load: Load, lost: OutcomeUnknown) -> Loaded:
        """After a lost COMMIT: take the lock, which waits for the old transaction's end, and read what happened."""
        point("postgres.outcome_unknown")
        self._session.close()
        try:
            again = self._loaded(load)
        except OutcomeUnknown:
            raise DestinationUnavailable("the connection was lost in two commits one after the other") from lost
        ours = {unit: unit for unit in again.stale if self._token(load, unit.slot.address) == load.token}
        return Loaded(
            tuple(unit for unit in load.units if unit in again.applied or unit in ours),
            tuple(unit for unit in again.stale if unit not in ours),
            again.rows,
            again.overtaken,
        )

    def _token(self, load: Load, slot: str) -> str:
        found = self._session.rows(
            self._sql("SELECT token FROM {slots} WHERE pipeline = $1 AND slot = $2"), [load.pipeline, slot]
        )
        return str(found[0][0]) if found else ""

    def _known(self) -> bool:
        """Whether Penstock has ever loaded anything here."""
        return bool(
            self._session.rows("SELECT to_regclass($1) IS NOT NULL", [self._place.table("penstock_slots")])[0][0]
        )

    def _specs(self, pipeline: str) -> dict[str, TableSpec]:
        found = self._session.rows(self._sql("SELECT name, spec FROM {tables} WHERE pipeline = $1"), [pipeline])
        return {name: declared(facts) for name, facts in found}

    def _index(self, specs: Iterable[TableSpec]) -> None:
        """Let the rows of slots be found in shared tables that have had no need for it yet."""
        by_name = {spec.name: spec for spec in specs}
        heaps = catalog.heaps(self._session, self._place, by_name.values())
        for spec in [by_name[name] for name, heap in heaps.items() if not heap.indexed]:
            with self._session.locked():
                there = catalog.columns(self._session, self._place, [held_in(spec)])[held_in(spec)]
                columns = visible([(name, schema.canonical_name(kind)) for name, kind in there.items()])
                Shared(self._session, self._place, spec, columns, indexed=False).index()

    def _holdings(self, pipeline: str, tables: Sequence[str]) -> Iterator[Holding]:
        specs = self._specs(pipeline)
        self._index(specs.values())
        there = catalog.columns(self._session, self._place, [held_in(spec) for spec in specs.values()])
        rows: dict[str, dict[str, int]] = {}
        sums: dict[str, dict[str, int]] = {}
        numbers: dict[str, int] = {}
        for slot, number in self._session.rows(
            self._sql("SELECT slot, generation FROM {slots} WHERE pipeline = $1"), [pipeline]
        ):
            numbers[slot], rows[slot], sums[slot] = number, {}, {}
        for name in tables:
            if name not in specs or held_in(specs[name]) not in there:
                continue
            counted = self._session.rows(self._counts(specs[name]), [pipeline])
            for slot, count, checksum in counted + self._unexplained(specs[name]):
                own, checks = rows.setdefault(slot, {}), sums.setdefault(slot, {})
                own[name], checks[name] = own.get(name, 0) + count, checks.get(name, 0) + int(checksum)
        for slot, counts in rows.items():
            yield Holding(Slot(pipeline, slot), numbers.get(slot, 0), counts, sums[slot])

    def _counts(self, spec: TableSpec) -> str:
        """Slot, rows and sum of identities, from one pass over the index of each slot's range."""
        row = f"t.{quote_identifier(row_column(spec))}"
        seen = ""
        if spec.shared:
            match = f"({schema.listed(spec.key, 'v.')}) = ({schema.listed(spec.key, 't.')})"
            seen = f" JOIN {self._place.table(spec.name)} AS v ON {match}"
        return self._sql(_COUNTS, rows=f"{self._place.table(held_in(spec))} AS t{seen}", row=row)

    def _unexplained(self, spec: TableSpec) -> list[tuple[str, int, int]]:
        """Visible rows of a shared table that no slot has contributed."""
        if not spec.shared:
            return []
        match = f"({schema.listed(spec.key, 'v.')}) = ({schema.listed(spec.key, 't.')})"
        visible, contributions = self._place.table(spec.name), self._place.table(held_in(spec))
        counting = (
            f"SELECT count(*) FROM {visible} AS v WHERE NOT EXISTS (SELECT FROM {contributions} AS t WHERE {match})"
        )
        rows = self._session.rows(counting)[0][0]
        return [("", rows, 0)] if rows else []

    def _sql(self, text: str, **parts: str) -> str:
        return text.format(
            slots=self._place.table("penstock_slots"), tables=self._place.table("penstock_tables"), **parts
        )


_SLOT_OF = """
SELECT slot, base FROM {slots} WHERE pipeline = $1 AND base <= $2 AND base + span > $2
"""

_RANGES = "SELECT slot, base, span FROM {slots} WHERE pipeline = $1 AND slot = ANY($2)"

_COUNTS = """
WITH own AS (
    SELECT s.slot, c.rows, c.checksum FROM {slots} AS s
    CROSS JOIN LATERAL (
        SELECT count(*) AS rows, coalesce(sum({row}), 0) AS checksum FROM {rows}
        WHERE {row} >= s.base AND {row} < s.base + s.span
    ) AS c WHERE s.pipeline = $1 AND c.rows > 0
)
SELECT slot, rows, checksum FROM own
UNION ALL
SELECT '', a.rows - coalesce(o.rows, 0), a.checksum - coalesce(o.checksum, 0)
FROM (SELECT count(*) AS rows, coalesce(sum({row}), 0) AS checksum FROM {rows}) AS a
CROSS JOIN (SELECT sum(rows) AS rows, sum(checksum) AS checksum FROM own) AS o
WHERE a.rows <> coalesce(o.rows, 0)
"""
