"""The lake as a destination: plain Parquet files, published together as immutable snapshots.

Whoever only asks which version is published (`penstock.adapters.lake.snapshots`) loads no engine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.adapters.lake.destination import Lake, Shape, Version

__all__ = ["Lake", "Shape", "Version"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)
    from penstock.adapters.lake import destination

    return getattr(destination, name)
