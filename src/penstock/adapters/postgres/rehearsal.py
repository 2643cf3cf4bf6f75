"""Which rows of a load a table refuses: the load once more, in a transaction that is always rolled back.

Each table's rows go in by halves, parents first. A half that is refused is halved again, until single rows are left;
what is not refused stays in, so that a row is judged beside all the others. With k refused rows of n, about
n · (2 + log2 k) rows are inserted. See docs/explanation/refusals.md.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

from penstock.adapters.postgres import catalog, schema
from penstock.adapters.postgres.loading import Loading, Stream
from penstock.adapters.postgres.refusals import DANGLING, EMPTY, UNIQUE, Refusal
from penstock.adapters.postgres.session import Session
from penstock.adapters.postgres.stream import MARK, marked
from penstock.adapters.staged import Survey, row_column
from penstock.compile.sql import quote_identifier
from penstock.model.loads import Range, Verdict, judge, whole
from penstock.model.refusals import Refused
from penstock.model.rows import ROW, SEQUENCE
from penstock.model.tables import Load, TableSpec

PLACE = "penstock_place"
PASSES = 5
"""How often it is begun anew because a constraint that waits for the commit is refused then."""
PROBES = 60
"""For each row that may be refused, so many times something is tried: some halves for each, and rows once more."""


class TooManyError(Exception):
    """So many rows are refused that it is not for what they hold."""


class _Over(Exception):
    """The rehearsal is over; its transaction is rolled back."""


def of_definition(refusal: Refusal, load: Load) -> bool:
    """Whether the declared key is at fault: it does not tell rows apart, or is empty."""
    specs = {table.spec.name: table.spec for table in load.tables}
    if refusal.state == UNIQUE:
        return refusal.constraint in {schema.short(f"{name}_pkey") for name in specs}
    spec = specs.get(refusal.table)
    return refusal.state == EMPTY and spec is not None and refusal.column in (*spec.key, ROW, SEQUENCE)


def rehearse(session: Session, loading: Rehearsal) -> list[Refused]:
    """The refused rows, in the order of tables and rows; none where the load is refused for another reason."""
    at_once: list[str] = []
    for _ in range(PASSES):
        late = ""
        with suppress(_Over), session.locked():
            late = loading.play(at_once)
            _roll_back()
        if not late:
            return loading.refused
        at_once.append(late)
    return []


def _roll_back() -> NoReturn:
    raise _Over


class Rehearsal(Loading):
    """One load's rows, tried within a locked transaction."""

    @property
    def most(self) -> int:
        """How many rows may be refused."""
        return self.options.refused_rows

    def play(self, at_once: Sequence[str]) -> str:
        """Try everything; `at_once` are constraints that are not to wait for the commit. Returns another one that is
        refused only then."""
        self.refused: list[Refused] = []
        self._entities = {}
        self._probes = 0
        self.state = catalog.read(self.session, self.place, self.load, foreign_keys=self.options.foreign_keys)
        verdict = judge(self.load, self.state.records)
        streams = self._streams(verdict)
        self._set(verdict, streams)
        for name in at_once:
            self.session.run(f"SET CONSTRAINTS {name} IMMEDIATE")
        for stream in streams:
            if stream.choice.rows:
                self._try(stream)
        try:
            with self.session.attempt():
                self.session.run("SET CONSTRAINTS ALL IMMEDIATE")
        except Refusal as refusal:
            self._excuse(refusal)
            return self._written(refusal)
        return ""

    def _set(self, verdict: Verdict, streams: Sequence[Stream]) -> None:
        """Tables, keys and references are there, and what the slots held is not, before the first row comes."""
        self._evolve(streams, None)
        for stream in streams:
            for statement in self._completing(stream, stream.relation) if stream.fresh else ():
                self.session.run(statement)
        self._erase(verdict, streams)
        for stream in streams:
            if stream.spec.shared:
                self._shared(stream.spec, streams).index()
                if stream.spec.name not in self.state.there:
                    self._shared(stream.spec, streams).settle_all()
        self._refer(streams, loosened=False)

    def _survey(self, verdict: Verdict) -> tuple[dict[str, Survey], None]:
        return self.reader.survey(self.load.tables, verdict), None

    def _written(self, refusal: Refusal) -> str:
        return self.place.table(refusal.constraint) if refusal.constraint else "ALL"

    def _excuse(self, refusal: Refusal) -> None:
        """Raise what is not for what a row holds."""
        if of_definition(refusal, self.load):
            raise refusal

    # --- one table -----------------------------------------------------------------------------------------------

    def _try(self, stream: Stream) -> None:
        """A table's rows, in the order of their identities; rows that found nothing to refer to once more, as long as
        that helps: what they refer to may have come after them."""
        self._lay_out(stream)
        refused = self._halve(stream, 0, stream.choice.rows)
        tried = -1
        while len(refused) != tried and any(refusal.state == DANGLING for _, refusal in refused):
            tried = len(refused)
            refused = [item for place, _ in refused for item in self._halve(stream, place, place + 1)]
        self._note(stream, refused)
        self.session.run("DROP TABLE pg_temp.penstock_rows")

    def _lay_out(self, stream: Stream) -> None:
        """All rows in a temporary table, each with its place and its mark."""
        spec, columns = stream.spec, schema.listed(name for name, _ in stream.columns)
        shape = [*stream.columns, (MARK, "VARCHAR")]
        self.session.run(schema.create("pg_temp.penstock_copied", shape))
        bases = [unit.base for unit in self.load.units]
        with_marks = f"{columns}, {quote_identifier(MARK)}"
        texts = marked(self.reader, stream.choice, stream.columns, bases, self.options.scratch)
        self.session.copy("pg_temp.penstock_copied", with_marks, texts, where=f"table {spec.name}")
        order = f"{quote_identifier(row_column(spec))}, {quote_identifier(MARK)}"
        self.session.run(
            f"CREATE TEMP TABLE penstock_rows AS SELECT row_number() OVER (ORDER BY {order}) - 1 AS {PLACE}, *"
            f" FROM pg_temp.penstock_copied; DROP TABLE pg_temp.penstock_copied;"
            f" ALTER TABLE pg_temp.penstock_rows ADD PRIMARY KEY ({PLACE})"
        )

    def _halve(self, stream: Stream, low: int, high: int) -> list[tuple[int, Refusal]]:
        """The places that are refused of those from `low` up to `high`; all others are in."""
        self._probes += 1
        if self._probes > PROBES * self.most:
            raise TooManyError
        try:
            with self.session.attempt():
                self._put(stream, low, high)
        except Refusal as refusal:
            self._excuse(refusal)
            if high - low > 1:
                middle = (low + high) // 2
                return self._halve(stream, low, middle) + self._halve(stream, middle, high)
            return [(low, refusal)]
        return []

    def _put(self, stream: Stream, low: int, high: int) -> None:
        spec, columns = stream.spec, schema.listed(name for name, _ in stream.columns)
        within, where = f"WHERE {PLACE} >= $1 AND {PLACE} < $2", f"table {spec.name}"
        rows = f"SELECT {columns} FROM pg_temp.penstock_rows {within} ORDER BY {PLACE}"
        self.session.run(
            f"INSERT INTO {self.place.table(stream.relation)} ({columns}) {rows}", [low, high], where=where
        )
        if spec.shared:
            bounds = f"SELECT min({ROW}), max({ROW}) FROM pg_temp.penstock_rows {within}"
            [(first, last)] = self.session.rows(bounds, [low, high])
            self._shared(spec, [stream]).settle(None, [Range(first, last + 1)])

    # --- what was found ------------------------------------------------------------------------------------------

    def _note(self, stream: Stream, refused: Sequence[tuple[int, Refusal]]) -> None:
        """Raises `TooManyError` where so many rows are refused that it cannot be for what they hold."""
        if len(self.refused) + len(refused) > self.most:
            raise TooManyError
        reasons = {place: refusal.reason(stream.spec.name) for place, refusal in refused}
        columns = f"{PLACE}, {quote_identifier(row_column(stream.spec))}, {quote_identifier(MARK)}"
        found = f"SELECT {columns} FROM pg_temp.penstock_rows WHERE {PLACE} = ANY($1::bigint[]) ORDER BY 1"
        for place, row, mark in self.session.rows(found, [list(reasons)]) if reasons else ():
            address = self._slot_of(row, stream.spec)
            self.refused.append(Refused(address, row, stream.spec.name, reasons[place], mark or ""))

    def _slot_of(self, row: int, spec: TableSpec) -> str:
        units = sorted(self.load.units, key=whole)
        unit = units[bisect_right(units, row, key=lambda unit: unit.base) - 1]
        assert row < whole(unit).high, spec.name  # noqa: S101 - the survey has refused strays
        return unit.slot.address
