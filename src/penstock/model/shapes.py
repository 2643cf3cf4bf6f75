"""How a destination's table may change its shape. Pure: a shape in, a shape or a refusal out."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.errors import SchemaConflict
from penstock.model.rows import ROW, SEQUENCE
from penstock.model.schemas import widens
from penstock.model.tables import TableSpec

Columns = Sequence[tuple[str, str]]
"""Names and canonical types, in order."""

_FIXED = ("shared", "key", "row", "natural", "order", "partition_by")


def evolved(table: str, there: Columns, wanted: Columns) -> Columns:
    """The columns that are there, widened where the load needs it, then the new ones.

    A column that the load lacks stays. Raises `SchemaConflict` for a type that narrows or becomes another.
    """
    new = dict(wanted)
    shape = dict(there)
    for column, kind in new.items():
        old = shape.get(column, kind)
        if not widens(old, kind):
            raise SchemaConflict(
                f"column {column!r} cannot change from {old} to {kind}",
                at=f"table {table}",
                why=f"not every value of {old} is a value of {kind}",
                fix=f"cast it to {old} in a step, give the new column another name, or drop the table and reload",
            )
        shape[column] = kind
    return tuple(shape.items())


def redeclared(known: TableSpec, spec: TableSpec) -> None:
    """Raise `SchemaConflict` where a declaration has changed by which the table's rows are kept."""
    for what in _FIXED:
        if getattr(known, what) != getattr(spec, what):
            raise SchemaConflict(
                f"table {spec.name!r} is declared with another {what} than it was made with",
                at=f"table {spec.name}",
                why="the rows that are there are kept by the old one",
                fix="give the table another name, or drop it and reload its deliveries",
            )


def taken(table: str, pipeline: str) -> SchemaConflict:
    """Another pipeline has a table of that name at the same place."""
    return SchemaConflict(
        f"table {table!r} belongs to the pipeline {pipeline!r}",
        fix="give one of the two tables another name, or load them to different places",
    )


def visible(columns: Columns) -> Columns:
    """A shared table's columns without those that only its contributions have."""
    return tuple((name, kind) for name, kind in columns if name not in (ROW, SEQUENCE))


def contributed(columns: Columns) -> Columns:
    """The columns of a shared table's contributions."""
    return (*visible(columns), (ROW, "BIGINT"), (SEQUENCE, "BIGINT"))
