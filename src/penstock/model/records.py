"""Frozen records, changed by copy."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar

T = TypeVar("T")


def changed(record: T, /, **changes: Any) -> T:
    """As `dataclasses.replace`, of a record with several slots: half the price, for what is done for every file."""
    kind: Any = type(record)
    writers, read = _parts_of(kind)
    new: T = object.__new__(kind)
    for write, value in zip(writers.values(), read(record), strict=True):
        write(new, value)
    for name, value in changes.items():
        writers[name](new, value)
    return new


@cache
def _parts_of(kind: type) -> tuple[dict[str, Callable[[Any, Any], None]], Callable[[Any], tuple[Any, ...]]]:
    """How each field of a kind of record is written, and how all of them are read."""
    names: tuple[str, ...] = kind.__slots__  # type: ignore[attr-defined]  # of a dataclass with slots
    return {name: getattr(kind, name).__set__ for name in names}, attrgetter(*names)
