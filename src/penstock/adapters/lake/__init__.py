"""The lake as a destination: plain Parquet files, published together as immutable snapshots."""

from penstock.adapters.lake.destination import Lake, Shape, Version

__all__ = ["Lake", "Shape", "Version"]
