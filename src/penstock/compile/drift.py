"""A column whose format has changed: when nearly no row is of its type, the sender has changed, and not the rows.

Such a delivery is refused as a whole. Set aside row by row it would take the place of what was loaded before.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

from penstock.authoring.sources import ColumnType
from penstock.errors import ContractBroken

NEARLY_ALL = 0.9
MANY = 10
"""So many rows are enough to judge by nearly all; of fewer, but more than one, all of them must say so."""

_STANDARD = {"DATE": "2020-01-31", "TIMESTAMP": "2020-01-31 09:30:00", "TIME": "09:30:00"}


def misfit(column: str, kind: str) -> str:
    """Why a row is rejected whose value is not of its column's type."""
    return f"{column} is not {kind}"


def drift(
    columns: Sequence[tuple[str, ColumnType]],
    private: Container[str],
    read: int,
    reasons: Mapping[str, int],
    shapes: Mapping[str, str],
) -> ContractBroken | None:
    """The change that these counts show, or None. `shapes` has a row's shape for a reason: letters and digits masked,
    without the `private` columns."""
    if read < 2 or not reasons:
        return None
    shown = [name for name, _ in columns if name not in private]
    for name, kind in columns:
        reason = misfit(name, kind.name)
        failing = reasons.get(reason, 0)
        if _is_most(failing, read):
            return _broken(name, kind, failing, read, _part(shapes.get(reason, ""), name, shown))
    return None


def _is_most(failing: int, read: int) -> bool:
    return failing >= (NEARLY_ALL * read if read >= MANY else max(read, 2))


def _part(shape: str, name: str, shown: Sequence[str]) -> str:
    """The column's part of a row's shape; the whole shape where it cannot be told apart."""
    parts = shape.split(",")
    if name not in shown:
        return ""
    return parts[shown.index(name)] if len(parts) == len(shown) else shape


def _broken(name: str, kind: ColumnType, failing: int, read: int, shape: str) -> ContractBroken:
    forms = " or ".join(repr(form) for form in kind.formats)
    expected = forms or (f"values such as {_STANDARD[kind.name]}" if kind.name in _STANDARD else kind.name)
    came = f", came as {shape!r} (letters and digits masked)" if shape else ""
    timed = kind.formats or kind.name in _STANDARD or kind.name == "TIMESTAMPTZ"
    return ContractBroken(
        f"the column {name!r} has changed: {failing:,} of {read:,} rows are not {kind.name}",
        why=f"declared are {expected}{came}",
        fix=f"declare the new format beside the old one: \"{kind.name} '%Y-%m-%d', '%m/%d/%Y'\""
        if timed
        else "ask the sender what has changed, or declare the column with another type",
    )
