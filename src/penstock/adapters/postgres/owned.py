"""Statements over tables whose rows belong to slots."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from penstock.adapters.postgres.schema import Place, canonical_name, type_name
from penstock.adapters.postgres.session import Session
from penstock.adapters.staged import partition_values
from penstock.compile.sql import quote_identifier
from penstock.model.loads import Range


def within(column: str, ranges: str = "r") -> str:
    """The condition that an identity lies in one of the ranges `r (low, high)`."""
    return f"{column} >= {ranges}.low AND {column} < {ranges}.high"


RANGES = "unnest($1::bigint[], $2::bigint[]) AS r (low, high)"


def bounds(ranges: Iterable[Range]) -> list[list[int]]:
    """The parameters of `RANGES`."""
    listed = list(ranges)
    return [[range_.low for range_ in listed], [range_.high for range_ in listed]]


def erase(session: Session, table: str, row: str, ranges: Sequence[Range]) -> None:
    """Delete the rows of some ranges of identities."""
    identity = f"t.{quote_identifier(row)}"
    session.run(f"DELETE FROM {table} AS t USING {RANGES} WHERE {within(identity)}", bounds(ranges), where=table)


def erase_partitions(
    session: Session, place: Place, name: str, columns: Sequence[str], there: Mapping[str, str], keys: Iterable[str]
) -> None:
    """Delete whole partitions: one statement for each pattern of NULLs, so that an index can serve it."""
    patterns: dict[tuple[bool, ...], list[list[str | None]]] = {}
    for key in keys:
        values = partition_values(key)
        patterns.setdefault(tuple(value is None for value in values), []).append(values)
    for pattern, rows in patterns.items():
        conditions, parameters = [], []
        for number, (column, empty) in enumerate(zip(columns, pattern, strict=True)):
            quoted = f"t.{quote_identifier(column)}"
            if empty:
                conditions.append(f"{quoted} IS NULL")
                continue
            parameters.append([values[number] for values in rows])
            kind = type_name(canonical_name(there[column]))
            conditions.append(f"{quoted} = CAST(p.v{len(parameters)} AS {kind})")
        _delete_matching(session, place.table(name), conditions, parameters)


def _delete_matching(
    session: Session, table: str, conditions: Sequence[str], parameters: Sequence[Sequence[str | None]]
) -> None:
    values = ", ".join(f"${number}::text[]" for number, _ in enumerate(parameters, 1))
    names = ", ".join(f"v{number}" for number, _ in enumerate(parameters, 1))
    using = f" USING unnest({values}) AS p ({names})" if parameters else ""
    session.run(f"DELETE FROM {table} AS t{using} WHERE {' AND '.join(conditions)}", parameters, where=table)
