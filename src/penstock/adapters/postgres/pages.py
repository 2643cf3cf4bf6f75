"""Pages of PostgreSQL's tables, for those who ask for a few rows at a time."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar

from penstock.adapters.postgres import catalog
from penstock.adapters.postgres.refusals import translated
from penstock.adapters.postgres.schema import Place, canonical_name, type_name
from penstock.adapters.postgres.session import Session
from penstock.compile.lookups import Dialect, page, statement
from penstock.compile.summaries import POSTGRES, question
from penstock.errors import DestinationError, DestinationUnavailable, UsageError
from penstock.model.loads import declared
from penstock.model.lookups import Lookup, Page
from penstock.model.summaries import Answer, Summary
from penstock.model.tables import TableSpec

SUMMARIES = replace(POSTGRES, type_name=type_name)
DIALECT = Dialect(type_name, "text", collation=' COLLATE "C"')
KEPT = 4
SECONDS = 10

_BEGIN = f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = '{SECONDS}s'"
_MALFORMED = "22"
"""SQLSTATE's class for values that cannot be what they are meant to be."""
_UNFIT = "42883"
"""No such function: a sum of texts, say."""

_Found = TypeVar("_Found")


class Pages:
    """A few kept connections of their own: a question never waits for a load's connection."""

    def __init__(self, session: Session, place: Place) -> None:
        self._like, self._place = session, place
        self._idle: queue.LifoQueue[Session] = queue.LifoQueue(KEPT)

    def page(self, lookup: Lookup) -> Page:
        """A page of a table that the pipeline has loaded; what it is made of is read in the same transaction."""
        return self._tried(lambda: self._page(lookup))

    def summarize(self, summary: Summary) -> Answer:
        """The numbers of a chart."""
        return self._tried(lambda: self._answer(summary))

    def _tried(self, ask: Callable[[], _Found]) -> _Found:
        kept = not self._idle.empty()
        try:
            return ask()
        except DestinationUnavailable:
            if not kept:
                raise
            self.close()  # a kept connection that went away while nobody used it says so only now
            return ask()

    def close(self) -> None:
        while True:
            try:
                self._idle.get_nowait().close()
            except queue.Empty:
                return

    def _page(self, lookup: Lookup) -> Page:
        with self._session() as session:
            spec, kinds = self._table(session, lookup.pipeline, lookup.table)
            if spec is None:
                return Page()
            asked = statement(lookup, kinds, self._place.table(lookup.table), spec.key or (spec.row,), DIALECT)
            return page(_rows(session, asked.sql, asked.values), lookup, asked)

    def _answer(self, summary: Summary) -> Answer:
        with self._session() as session:
            spec, kinds = self._table(session, summary.pipeline, summary.table)
            if spec is None:
                return Answer()
            asked = question(summary, kinds, self._place.table(summary.table), SUMMARIES)
            return Answer(_rows(session, asked.sql, asked.values))

    def _table(self, session: Session, pipeline: str, name: str) -> tuple[TableSpec | None, dict[str, str]]:
        """How a table is declared, and its columns; None where this pipeline has never loaded it."""
        spec = self._spec(session, pipeline, name)
        there = catalog.columns(session, self._place, [name]).get(name) if spec else None
        if there is None:
            return None, {}
        return spec, {column: canonical_name(kind) for column, kind in there.items()}

    def _spec(self, session: Session, pipeline: str, name: str) -> TableSpec | None:
        tables = self._place.table("penstock_tables")
        if not session.rows("SELECT to_regclass($1) IS NOT NULL", [tables])[0][0]:
            return None
        sql = f"SELECT spec FROM {tables} WHERE name = $1 AND pipeline = $2"
        found = session.rows(sql, [name, pipeline])
        return declared(found[0][0]) if found else None

    @contextmanager
    def _session(self) -> Iterator[Session]:
        """A connection within a transaction of one state; kept for the next question when it ends well."""
        try:
            session = self._idle.get_nowait()
        except queue.Empty:
            session = self._like.twin()
        try:
            session.run(_BEGIN)
            yield session
            session.run("COMMIT")
            self._idle.put_nowait(session)
        except queue.Full:
            session.close()
        except BaseException:
            session.close()
            raise


def _rows(session: Session, sql: str, values: Sequence[str]) -> list[tuple[Any, ...]]:
    """Not prepared: a first load swaps tables, and a kept plan of the old one would be refused."""
    import psycopg

    try:
        return session.connection.execute(sql, values, prepare=False).fetchall()
    except psycopg.Error as error:
        if (error.sqlstate or "").startswith(_MALFORMED):
            raise UsageError("a value is none of its column's type", why=f"SQLSTATE {error.sqlstate}") from None
        if (error.sqlstate or "").startswith(_UNFIT):
            why = "a column has a type that this cannot be asked of"
            raise DestinationError("the question does not fit the table", why=why, fix="sums need numbers") from None
        raise translated(error, "") from None
