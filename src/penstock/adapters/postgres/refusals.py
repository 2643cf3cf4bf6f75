"""PostgreSQL's errors as ours. Its messages and details may quote rows, so only names and codes pass."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from penstock.adapters.postgres.schema import CONTRIBUTIONS
from penstock.errors import DataError, DestinationError, DestinationUnavailable, PenstockError

if TYPE_CHECKING:
    import psycopg

_UNAVAILABLE = ("08", "40", "53", "57", "58")
"""Classes: connection, serialisation, resources (disk, memory, connections), operator intervention, system errors."""

_LOCKED = ("55P03", "55006", "25P03", "25P04")
"""Lock not available, object in use, a transaction that idled or lasted too long."""

_TEXT = ("22021", "22P05")
"""A character that PostgreSQL cannot store: NUL, as a byte or as `\\u0000` in JSON."""

_CONTENT = ("22", "23", "P0001")
"""What is refused for what a row holds: a value, a constraint, a trigger's RAISE."""

UNIQUE, EMPTY, DANGLING = "23505", "23502", "23503"

_KINDS = {
    "23514": "CHECK", DANGLING: "foreign key", UNIQUE: "UNIQUE", "23P01": "EXCLUDE", EMPTY: "NOT NULL",
    "23001": "RESTRICT",
}  # fmt: skip

_FUNCTION = re.compile(r"function (?:\w+\.)?(\w+)\(")


class Refusal(DestinationError):
    """PostgreSQL refuses what a row holds; it may take the others."""

    state = ""
    """SQLSTATE."""
    table = ""
    constraint = ""
    column = ""
    words = ""
    """What refuses: `CHECK price_positive`."""

    def reason(self, table: str) -> str:
        """In words, of a row of this table; its trigger may write to another one."""
        elsewhere = f" on {self.table}" if self.table not in ("", table) else ""
        return f"{self.words}{elsewhere} of table {table}"


def translated(error: psycopg.Error, where: str) -> PenstockError:
    """What a psycopg error means for the load."""
    state = error.sqlstate or ""
    if _passes(error):
        return DestinationUnavailable("PostgreSQL does not answer, or cannot go on now", at=where, why=_named(error))
    if state in _TEXT:
        return DataError(
            "a text holds the character NUL, which PostgreSQL cannot store",
            at=where or _place(error),
            why=f"SQLSTATE {state}",
            fix="take it out in a step: replace(column, chr(0), '')",
        )
    at, fix = _place(error) or where, _FIXES.get(state, "")
    if state.startswith(_CONTENT):
        return _refusal(error, state, at, fix)
    return DestinationError("PostgreSQL refuses the load", at=at, why=_named(error), fix=fix)


def harmless(error: psycopg.Error) -> psycopg.Error | None:
    """The error itself where it may be chained: it speaks of the server, and quotes no row as detail or context."""
    quotes = any(word in str(error) for word in ("DETAIL", "CONTEXT"))
    return error if _passes(error) and not quotes else None


def _passes(error: psycopg.Error) -> bool:
    """Whether trying again may help."""
    import psycopg

    state = error.sqlstate or ""
    if not state:
        return isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError))
    return state.startswith(_UNAVAILABLE) or state in _LOCKED


def _refusal(error: psycopg.Error, state: str, at: str, fix: str) -> Refusal:
    found = Refusal("PostgreSQL refuses the load", at=at, why=_named(error), fix=fix)
    found.state, found.table = state, (error.diag.table_name or "").removesuffix(CONTRIBUTIONS)
    found.constraint, found.column = error.diag.constraint_name or "", error.diag.column_name or ""
    found.words = _worded(error, state)
    return found


def _worded(error: psycopg.Error, state: str) -> str:
    """`CHECK price_positive`, `NOT NULL price`, `trigger check_price`, `division by zero (SQLSTATE 22012)`."""
    diag = error.diag
    function = _FUNCTION.search(diag.context or "")
    if not diag.constraint_name and not diag.column_name and function is not None:
        return f"trigger {function[1]}"
    name = diag.constraint_name or diag.column_name
    if state in _KINDS and name:
        return f"{_KINDS[state]} {name}"
    words = re.sub(r"(?<!^)(?=[A-Z])", " ", type(error).__name__).lower()
    return f"{words} (SQLSTATE {state})"


def _named(error: psycopg.Error) -> str:
    """`UniqueViolation (SQLSTATE 23505), constraint orders_pkey`."""
    parts = [type(error).__name__ + (f" (SQLSTATE {error.sqlstate})" if error.sqlstate else "")]
    if error.diag.constraint_name:
        parts.append(f"constraint {error.diag.constraint_name}")
    if error.diag.column_name:
        parts.append(f"column {error.diag.column_name}")
    return ", ".join(parts)


def _place(error: psycopg.Error) -> str:
    return f"table {error.diag.table_name}" if error.diag.table_name else ""


_FIXES = {
    UNIQUE: "two rows have the same key: declare one that tells rows apart, or mode='merge' to keep one row each",
    EMPTY: "a key column is empty: test it with IsComplete, or choose a key that every row has",
    DANGLING: "a row refers to a row that is not there",
    "42501": "grant the user CREATE and USAGE on the schema, and ownership of its tables",
    "3F000": "create the schema, or grant the user CREATE on the database",
    "54000": "a key is too long for an index: key on a shorter column",
}
