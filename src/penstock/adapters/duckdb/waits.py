"""Rows that wait: what earlier generations set aside, and what does now with its number of attempts.

What waited before is known by the input and the protected values of the row: lines may have moved.
"""

from __future__ import annotations

from collections.abc import Mapping

from penstock.adapters.duckdb.relations import values_of
from penstock.adapters.duckdb.session import Session
from penstock.authoring.pipeline import SOURCE
from penstock.compile.plan import Plan
from penstock.compile.sql import quote_literal
from penstock.model.rows import ROW
from penstock.runtime.ports import Earlier

HEALED, WAITING, PARKED = "healed", "waiting", "parked"

TABLES = (
    # Rows that other checks have rejected.
    f"CREATE TABLE IF NOT EXISTS main._out ({ROW} BIGINT)",
    # What waited before, by ordinal of the generation.
    "CREATE TABLE IF NOT EXISTS main._earlier (key INTEGER, member VARCHAR, row VARCHAR, reason VARCHAR, tries INT)",
    # What waits now, with the number of attempts so far.
    f"CREATE TABLE IF NOT EXISTS main._tries ({ROW} BIGINT, tries INTEGER, parked BOOLEAN)",
)


def prepare(session: Session) -> None:
    """The tables are there."""
    for statement in TABLES:
        session.run(statement)


def begin(session: Session) -> None:
    """The tables, empty."""
    prepare(session)
    for name in ("_out", "_earlier", "_tries"):
        session.run(f"DELETE FROM main.{name}")


def remember(session: Session, earlier: Mapping[int, tuple[str, Earlier]]) -> None:
    """What waited before generations, by ordinal with the slot's address, instead of what is remembered."""
    session.run("DELETE FROM main._earlier")
    for key, (address, found) in earlier.items():
        if not found.files:
            continue
        files = ", ".join(quote_literal(str(path)) for path in found.files)
        session.run(
            f"INSERT INTO main._earlier SELECT {key}, member, row, reasons[1], max(tries) "
            f"FROM read_parquet([{files}]) WHERE retriable AND slot = {quote_literal(address)} "
            f"AND generation = {found.number} GROUP BY ALL"
        )


def named(plan: Plan) -> str:
    """The input that a plan reads, as quarantine names it: the only one has no name."""
    return "" if plan.relation == SOURCE else plan.relation


def with_values(plan: Plan, sources: Mapping[str, str]) -> str:
    """An input's rows as they were kept, with their values as text."""
    return f"(SELECT *, {values_of(plan)} AS _values FROM {sources[plan.relation]})"


def unharmed(alias: str) -> str:
    """The row was not rejected before."""
    row = f"{alias}.{ROW}"
    return f"{row} NOT IN (SELECT {ROW} FROM main._late) AND {row} NOT IN (SELECT {ROW} FROM main._out)"
