"""Canonical types: the ones that every target stores exactly, and how one may widen into another."""

from __future__ import annotations

import re

INTEGERS = ("SMALLINT", "INTEGER", "BIGINT")
_DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)")
_ALIASES = {
    "TINYINT": "SMALLINT", "UTINYINT": "SMALLINT", "USMALLINT": "INTEGER", "UINTEGER": "BIGINT",
    "UBIGINT": "DECIMAL(20,0)", "HUGEINT": "DECIMAL(38,0)", "FLOAT": "DOUBLE", "TEXT": "VARCHAR", "STRING": "VARCHAR",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ", "TIMESTAMP_NS": "TIMESTAMP", "TIMESTAMP_MS": "TIMESTAMP",
    "TIMESTAMP_S": "TIMESTAMP", "BOOL": "BOOLEAN", "INT": "INTEGER", "LONG": "BIGINT",
}  # fmt: skip
PLAIN = (*INTEGERS, "DOUBLE", "VARCHAR", "BOOLEAN", "DATE", "TIMESTAMP", "TIMESTAMPTZ", "TIME", "BLOB", "UUID")


def canonical(type_name: str) -> str:
    """The canonical name of an engine's type; lists, structs and everything unknown are stored as JSON text."""
    name = type_name.strip().upper()
    name = _ALIASES.get(name, name)
    match = _DECIMAL.fullmatch(name)
    if match:
        return f"DECIMAL({int(match[1])},{int(match[2])})"
    return name if name in PLAIN else "JSON"


def widens(old: str, new: str) -> bool:
    """Whether every value of `old` is a value of `new`, so that a column may change from one to the other."""
    if old == new:
        return True
    if old in INTEGERS and new in INTEGERS:
        return INTEGERS.index(old) < INTEGERS.index(new)
    before, after = _DECIMAL.fullmatch(old), _DECIMAL.fullmatch(new)
    if before and after:
        whole = [int(match[1]) - int(match[2]) for match in (before, after)]
        return whole[0] <= whole[1] and int(before[2]) <= int(after[2])
    return False


def union(first: str, second: str) -> str | None:
    """The narrowest canonical type that holds every value of both, or None where there is none."""
    if widens(first, second):
        return second
    if widens(second, first):
        return first
    one, other = _digits(first), _digits(second)
    if one is None or other is None:
        return None
    whole, scale = max(one[0], other[0]), max(one[1], other[1])
    return f"DECIMAL({whole + scale},{scale})" if whole + scale <= 38 else None


def _digits(name: str) -> tuple[int, int] | None:
    """Digits before and after the point."""
    match = _DECIMAL.fullmatch(name)
    if match:
        return int(match[1]) - int(match[2]), int(match[2])
    return {"SMALLINT": (5, 0), "INTEGER": (10, 0), "BIGINT": (19, 0)}.get(name)
