"""A kept connection to PostgreSQL: one transaction at a time under the schema's lock, errors without data."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.adapters.postgres.refusals import Refusal, harmless, translated
from penstock.errors import DestinationUnavailable, MissingExtra, StorageUnavailable, UsageError

if TYPE_CHECKING:
    import psycopg

CONNECT_SECONDS = 10
STREAM_ROWS = 1000

_SETTINGS = (
    "SET timezone = 'UTC'; SET datestyle = 'ISO'; SET client_min_messages = 'warning'; "
    # Our statements are few and their plans never depend on the parameters; planning would cost more than they do.
    "SET plan_cache_mode = 'force_generic_plan'"
)

_BY_INDEX = "SET LOCAL enable_seqscan = off"
"""A load finds its slots' rows by index. Plans are kept: one made while a table was small would scan it for ever."""

_NOTICES_DEAD_CLIENTS = 140000
"""Since PostgreSQL 14 a server can notice, in the middle of a statement, that its client is gone."""


class OutcomeUnknown(Exception):
    """The connection was lost during COMMIT: only the destination knows whether it happened."""


class Session:
    """A connection in autocommit; a transaction is what `locked` spans."""

    def __init__(self, dsn: str, schema: str, application_name: str, lock_timeout: float) -> None:
        self.schema = schema
        self._dsn, self._application_name, self._lock_timeout = dsn, application_name, lock_timeout
        self._connection: psycopg.Connection[Any] | None = None

    @property
    def _lock_timeout_ms(self) -> int:
        return int(self._lock_timeout * 1000)

    @property
    def connection(self) -> psycopg.Connection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = self._connect()
        return self._connection

    def twin(self) -> Session:
        """Another connection to the same place."""
        return Session(self._dsn, self.schema, self._application_name, self._lock_timeout)

    def run(self, sql: str, parameters: Sequence[Any] = (), *, where: str = "") -> psycopg.Cursor[Any]:
        """Execute one statement whose parameters are written `$1`, `$2`; without parameters, also several."""
        import psycopg

        try:
            if parameters:
                return self.connection.execute(sql, parameters)
            return self.connection.execute(sql, prepare=False)
        except psycopg.Error as error:
            raise translated(error, where) from harmless(error)

    def rows(self, sql: str, parameters: Sequence[Any] = (), *, where: str = "") -> list[tuple[Any, ...]]:
        return self.run(sql, parameters, where=where).fetchall()

    def stream(self, sql: str) -> Iterator[dict[str, Any]]:
        """A person's query, row by row. Their own SQL's mistakes are told in PostgreSQL's words."""
        import psycopg

        cursor = self.connection.cursor()
        try:
            for row in cursor.stream(sql, size=STREAM_ROWS):
                yield {column.name: value for column, value in zip(cursor.description or (), row, strict=True)}
        except psycopg.Error as error:
            if (error.sqlstate or "").startswith(("42", "25")):
                raise UsageError("the query cannot run", why=error.diag.message_primary or "") from None
            raise translated(error, "") from harmless(error)

    def copy(self, table: str, columns: str, pieces: Iterable[bytes], *, frozen: bool = False, where: str = "") -> int:
        """COPY text in CSV form into a table; returns the rows.

        Rows that come `frozen` need no look at their transaction ever again, which a key that is built over them saves
        a quarter of its time by. PostgreSQL takes them only into a table that this transaction has made: nobody has
        seen it before.
        """
        import psycopg

        cursor = self.connection.cursor()
        form = "FORMAT csv, FREEZE" if frozen else "FORMAT csv"
        try:
            with cursor.copy(f"COPY {table} ({columns}) FROM STDIN ({form})") as copy:
                for piece in pieces:
                    copy.write(piece)
        except psycopg.Error as error:
            raise translated(error, where) from harmless(error)
        return cursor.rowcount

    def copy_out(self, query: str, path: Path) -> None:
        """A query's rows as text in CSV form, in a file."""
        import psycopg

        try:
            with (
                path.open("wb") as file,
                self.connection.cursor().copy(f"COPY ({query}) TO STDOUT (FORMAT csv)") as copy,
            ):
                for piece in copy:
                    file.write(piece)
        except psycopg.Error as error:
            raise translated(error, "") from harmless(error)
        except OSError as error:
            raise StorageUnavailable("rows could not be written", at=path.name, why=error.strerror or "") from error

    @contextmanager
    def scanning(self) -> Iterator[None]:
        """Within a transaction: let what concerns whole tables read them in order."""
        self.run("SET LOCAL enable_seqscan = on")
        yield
        self.run(_BY_INDEX)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A transaction without the lock, for what nobody knows by name yet."""
        self.run("BEGIN")
        try:
            yield
        except BaseException:
            self._abandon()
            raise
        self.run("COMMIT")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """A transaction that holds the schema's lock; `OutcomeUnknown` when the connection is lost in its COMMIT.

        Whoever waits for the lock waits for as long as a load takes. Nothing else waits longer than the lock timeout.
        """
        self._begin()
        try:
            yield
        except BaseException:
            self._abandon()
            raise
        self._commit()

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Within a transaction: something that may be refused, and has not happened then."""
        self.run("SAVEPOINT attempt")
        try:
            yield
        except Refusal:
            self.run("ROLLBACK TO SAVEPOINT attempt; RELEASE SAVEPOINT attempt")
            raise
        self.run("RELEASE SAVEPOINT attempt")

    def cancel(self) -> None:
        """End the statement that another thread is running, if any."""
        with suppress(Exception):
            if self._connection is not None:
                self._connection.cancel_safe(timeout=CONNECT_SECONDS)

    def close(self) -> None:
        if self._connection is not None:
            with suppress(Exception):
                self._connection.close()
            self._connection = None

    def _begin(self) -> None:
        statements = (
            f"BEGIN; SET LOCAL lock_timeout = 0; SELECT pg_advisory_xact_lock({lock_key(self.schema)});"
            f" SET LOCAL lock_timeout = {self._lock_timeout_ms}; {_BY_INDEX}"
        )
        kept = self._connection is not None
        try:
            self.run(statements)
        except DestinationUnavailable:
            self.close()
            if not kept:
                raise
            # A kept connection that went away while nobody used it says so only now, and nothing has happened yet.
            self._begin()

    def _commit(self) -> None:
        import psycopg

        try:
            self.connection.execute("COMMIT", prepare=False)
        except psycopg.Error as error:
            known = error.sqlstate is not None and not self.connection.closed
            self._abandon()
            if known:
                raise translated(error, "") from harmless(error)
            raise OutcomeUnknown from harmless(error)

    def _abandon(self) -> None:
        """Back to a usable connection, whatever state this one is in."""
        import psycopg

        if self._connection is None:
            return
        try:
            if self._connection.closed or self._connection.pgconn.transaction_status == _ACTIVE:
                self.close()
            else:
                self._connection.execute("ROLLBACK", prepare=False)
        except psycopg.Error:
            self.close()

    def _connect(self) -> psycopg.Connection[Any]:
        try:
            import psycopg
        except ImportError as error:
            why = "the package psycopg is not installed"
            raise MissingExtra(
                "PostgreSQL cannot be reached", why=why, fix="pip install 'penstock[postgres]'"
            ) from error
        try:
            connection: psycopg.Connection[Any] = psycopg.connect(
                self._dsn,
                autocommit=True,
                application_name=self._application_name,
                client_encoding="UTF8",
                connect_timeout=CONNECT_SECONDS,
                cursor_factory=psycopg.RawCursor,
            )
            connection.execute(_SETTINGS + f"; SET lock_timeout = {self._lock_timeout_ms}", prepare=False)
            if connection.info.server_version >= _NOTICES_DEAD_CLIENTS:
                connection.execute("SET client_connection_check_interval = '10s'")
        except psycopg.Error as error:
            told = str(error).strip().splitlines()
            raise DestinationUnavailable("PostgreSQL cannot be reached", why=told[0] if told else "") from error
        return connection


_ACTIVE = 1
"""`PQTRANS_ACTIVE`: a command (a COPY, say) is in progress, and only closing ends it."""


def lock_key(schema: str) -> int:
    """The advisory lock of a schema: 64 bits of SHA-256, as PostgreSQL's signed bigint."""
    return int.from_bytes(hashlib.sha256(f"penstock:{schema}".encode()).digest()[:8], "big", signed=True)
