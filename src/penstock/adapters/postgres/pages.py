"""Pages of PostgreSQL's tables, for those who ask for a few rows at a time."""

from __future__ import annotations

import queue
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from penstock.adapters.postgres import catalog
from penstock.adapters.postgres.refusals import translated
from penstock.adapters.postgres.schema import Place, canonical_name, type_name
from penstock.adapters.postgres.session import Session
from penstock.compile.lookups import Dialect, page, statement
from penstock.errors import DestinationUnavailable, UsageError
from penstock.model.loads import declared
from penstock.model.lookups import Lookup, Page
from penstock.model.tables import TableSpec

DIALECT = Dialect(type_name, "text", collation=' COLLATE "C"')
KEPT = 4
SECONDS = 10

_BEGIN = f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = '{SECONDS}s'"
_MALFORMED = "22"
"""SQLSTATE's class for values that cannot be what they are meant to be."""


class Pages:
    """A few kept connections of their own: a question never waits for a load's connection."""

    def __init__(self, session: Session, place: Place) -> None:
        self._like, self._place = session, place
        self._idle: queue.LifoQueue[Session] = queue.LifoQueue(KEPT)

    def page(self, lookup: Lookup) -> Page:
        """A page of a table that the pipeline has loaded; what it is made of is read in the same transaction."""
        kept = not self._idle.empty()
        try:
            return self._page(lookup)
        except DestinationUnavailable:
            if not kept:
                raise
            self.close()  # a kept connection that went away while nobody used it says so only now
            return self._page(lookup)

    def close(self) -> None:
        while True:
            try:
                self._idle.get_nowait().close()
            except queue.Empty:
                return

    def _page(self, lookup: Lookup) -> Page:
        with self._session() as session:
            spec = self._spec(session, lookup)
            there = catalog.columns(session, self._place, [lookup.table]).get(lookup.table) if spec else None
            if spec is None or there is None:
                return Page()
            kinds = {column: canonical_name(kind) for column, kind in there.items()}
            asked = statement(lookup, kinds, self._place.table(lookup.table), spec.key or (spec.row,), DIALECT)
            return page(_rows(session, asked.sql, asked.values), lookup, asked)

    def _spec(self, session: Session, lookup: Lookup) -> TableSpec | None:
        """How the table is declared; None where this pipeline has never loaded it."""
        tables = self._place.table("penstock_tables")
        if not session.rows("SELECT to_regclass($1) IS NOT NULL", [tables])[0][0]:
            return None
        sql = f"SELECT spec FROM {tables} WHERE name = $1 AND pipeline = $2"
        found = session.rows(sql, [lookup.table, lookup.pipeline])
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
        raise translated(error, "") from None
