"""What became of the source rows: promise 4 as arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.errors import RowsUnaccounted


@dataclass(frozen=True, slots=True)
class Fates:
    """Counts of source rows by fate. `read` is the independent record count of the input, never a sum of the rest."""

    read: int = 0
    kept: int = 0
    filtered: int = 0
    deduplicated: int = 0
    quarantined: int = 0

    def __add__(self, other: Fates) -> Fates:
        return Fates(
            self.read + other.read,
            self.kept + other.kept,
            self.filtered + other.filtered,
            self.deduplicated + other.deduplicated,
            self.quarantined + other.quarantined,
        )

    @property
    def told(self) -> int:
        """The rows that have a fate."""
        return self.kept + self.filtered + self.deduplicated + self.quarantined

    def balance(self, where: str) -> None:
        """Raise `RowsUnaccounted` unless every row that was read has exactly one fate."""
        if self.told != self.read:
            raise RowsUnaccounted(
                f"{abs(self.read - self.told)} of {self.read} rows "
                f"{'have no fate' if self.told < self.read else 'have two fates'}",
                at=where,
                why=f"kept {self.kept} + filtered {self.filtered} + deduplicated {self.deduplicated}"
                f" + quarantined {self.quarantined} = {self.told}, but the input holds {self.read} records",
                fix="a step that leaves rows out on purpose says so with filters=True",
            )

    def as_dict(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in self.__slots__}
