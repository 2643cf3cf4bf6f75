"""Marks of rows whose identity does not tell everything (see `penstock.model.refusals`), as SQL for DuckDB."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from penstock.compile.sql import quote_identifier, quote_literal
from penstock.model.rows import ROW, SEQUENCE
from penstock.model.tables import TableSpec


def mark(columns: Mapping[str, str]) -> str:
    """A digest of some values of a row, each as SQL by the name of its column, in whatever order they are named."""
    return f"md5({values_of(columns)})"


def telling(spec: TableSpec, columns: Iterable[str]) -> dict[str, str]:
    """What of a staged table says something of a row of a wide step: all columns but those that Penstock adds."""
    return {name: quote_identifier(name) for name in columns if name not in (ROW, SEQUENCE, spec.row)}


def named(spec: TableSpec) -> dict[str, str]:
    """What names a row of a shared table among those that are staged."""
    return {name: quote_identifier(name) for name in spec.key}


def values_of(columns: Mapping[str, str]) -> str:
    """Values of a row as the text of a JSON object."""
    pairs = ", ".join(f"{quote_literal(name)}, {columns[name]}" for name in sorted(columns))
    return f"json_object({pairs})::VARCHAR"
