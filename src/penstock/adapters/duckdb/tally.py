"""Counts of one generation while its rows pass: they become its `Result`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field

from penstock.authoring.sources import ColumnType
from penstock.compile.drift import drift
from penstock.errors import PenstockError, RowsUnaccounted
from penstock.model.fates import Fates
from penstock.model.refusals import NOTHING, Aside
from penstock.model.runs import Result
from penstock.model.slots import Content, Generation, Kind, Member, Standing


@dataclass(slots=True)
class Tally:
    """The running account of one generation. `read` is told by the framer, the rest by the engine."""

    generation: Generation
    ordinal: int
    hard: bool
    read: int = 0
    lines: int = 0
    kept: int = 0
    filtered: int = 0
    deduplicated: int = 0
    quarantined: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    shapes: dict[str, str] = field(default_factory=dict)
    """What a row that was rejected for a reason looks like, letters and digits masked."""
    warnings: Counter[str] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)
    checksums: Counter[str] = field(default_factory=Counter)
    digests: Counter[str] = field(default_factory=Counter)
    retries: Counter[str] = field(default_factory=Counter)
    aside: Aside = NOTHING
    standing: Standing = Standing.PREPARED
    error: PenstockError | None = None
    member: Member | None = None
    """The input that it counts, of a generation with several."""
    offset: int = 0
    """Where that input's rows begin in the slot's range."""

    @property
    def base(self) -> int:
        return self.generation.slot.base + self.offset

    @property
    def address(self) -> str:
        """The object that is read."""
        return self.member.address if self.member else self.generation.slot.address

    @property
    def content(self) -> Content | None:
        """What was accepted of it."""
        return self.member.content if self.member else self.generation.content

    @property
    def good(self) -> bool:
        """Whether its rows are to be loaded."""
        return self.standing is Standing.PREPARED

    def end(self, standing: Standing, error: PenstockError) -> None:
        """It will not be loaded by this run, and here is why. The first reason stays."""
        if self.good:
            self.standing, self.error = standing, error
            self.error.at = self.error.at or self.address

    def judge_drift(self, columns: Sequence[tuple[str, ColumnType]], private: Container[str]) -> None:
        """Refuse a whole delivery in which nearly no row is of a column's type. A patch is no whole delivery."""
        error = drift(columns, private, self.read, self.reasons, self.shapes)
        if error is not None and self.generation.kind is not Kind.PATCH:
            self.end(Standing.REFUSED, error)
            self.kept = self.filtered = self.deduplicated = self.quarantined = 0
            self.reasons.clear()

    def blank(self) -> Tally:
        """An empty account of the same generation, to be added later."""
        return Tally(self.generation, self.ordinal, self.hard, member=self.member, offset=self.offset)

    def add(self, other: Tally) -> None:
        """Take in what another account of the same generation has counted."""
        self.read, self.lines = self.read + other.read, max(self.lines, other.lines)
        self.kept, self.filtered = self.kept + other.kept, self.filtered + other.filtered
        self.deduplicated += other.deduplicated
        self.quarantined += other.quarantined
        self.shapes = {**other.shapes, **self.shapes}
        for mine, theirs in zip(self._counters, other._counters, strict=True):
            mine.update(theirs)

    @property
    def _counters(self) -> tuple[Counter[str], ...]:
        return self.reasons, self.warnings, self.rows, self.checksums, self.digests

    def hold(self, low: int, high: int) -> None:
        """Raise `RowsUnaccounted` unless these row identities lie in the slot's range."""
        base = self.base
        if not base <= low <= high <= base + self.lines:
            raise RowsUnaccounted(
                "rows of a table lie outside of the range of their slot",
                at=self.address,
                why=f"lines {low - base} to {high - base} of {self.lines}",
            )

    def result(self) -> Result:
        """The account closed. Raises `RowsUnaccounted` where it does not balance."""
        fates = self.fates()
        return Result(
            self.generation.slot,
            self.generation.number,
            self.standing,
            fates,
            self.lines + 1,
            _sorted(self.reasons),
            _sorted(self.warnings),
            dict(self.rows) if self.good else {},
            dict(self.checksums) if self.good else {},
            self.error.facts() if self.error else None,
            digests={name: f"{digest:x}" for name, digest in self.digests.items()} if self.good else {},
            retries={word: rows for word, rows in self.retries.items() if rows},
            aside=self.aside if self.good else NOTHING,
        )

    def fates(self) -> Fates:
        """The counts. Raises `RowsUnaccounted` where they do not balance."""
        fates = Fates(self.read, self.kept, self.filtered, self.deduplicated, self.quarantined)
        if self.standing in (Standing.PREPARED, Standing.SUSPENDED):
            fates.balance(self.address)
        return fates


def _sorted(counts: Mapping[str, int]) -> dict[str, int]:
    if len(counts) < 2:
        return dict(counts)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
