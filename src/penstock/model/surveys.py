"""What a look at the landing zone has found out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Surveyed:
    """One raw table, when a run had brought the catalog up to date."""

    table: str
    files: int
    columns: int
    unreadable: int = 0
    """How many of the files have no columns that could be inferred."""
    drifts: tuple[Mapping[str, str], ...] = ()
    """Every column that became another, since the first file: `kind`, `column`, `before`, `after`, `since`."""

    @property
    def facts(self) -> dict[str, int]:
        """Its counts, as an event tells them."""
        return {"files": self.files, "columns": self.columns, "unreadable": self.unreadable}
