"""One input of deliveries that have several: its part of the plan at work, its accounts, and what is kept of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from penstock.adapters.duckdb.engine import DuckEngine, Preparing
from penstock.adapters.duckdb.feeding import Batch
from penstock.adapters.duckdb.parts import EmptyPart, KeyedPart, Part
from penstock.adapters.duckdb.session import Session
from penstock.adapters.duckdb.tally import Tally
from penstock.adapters.duckdb.whole import Held, Shelf, Spill
from penstock.adapters.files.landing import FolderLanding
from penstock.authoring.sources import ColumnType
from penstock.compile.plan import Plan
from penstock.errors import DataError, SetupError
from penstock.model.rows import SLOT
from penstock.model.schemas import canonical
from penstock.model.slots import Content, Member, Slot


class Apart(Exception):
    """Some deliveries cannot be worked on together."""


@dataclass(slots=True)
class Share:
    """`first` is the ordinal from which those of its accounts are counted, in the order of the deliveries."""

    preparing: Preparing
    first: int
    tallies: dict[int, Tally]
    extract: Extract | None = None
    """Where the input is a table: its rows."""
    small: bool = False
    """What is kept of it may be kept in memory."""
    seen: Shelf | None = None
    good: Shelf | None = None
    batch: Batch | None = None
    lines: dict[int, int] = field(default_factory=dict)
    """The last line of each, as far as parts have passed by."""

    def of(self, whole: Tally) -> Tally:
        """A delivery's account of this input."""
        return self.tallies[self.first + whole.ordinal]

    def place(self, offsets: Mapping[int, int]) -> None:
        """Say where the input's rows begin in the range of each delivery; only then they can be read."""
        for ordinal, tally in self.tallies.items():
            tally.offset = offsets.get(ordinal - self.first, 0)
        self.preparing.lane.name_slots(self.tallies.values())
        self.batch = self._batch(list(self.tallies.values()))

    def _batch(self, tallies: list[Tally]) -> Batch:
        """A delivery alone is read in parts; many are one part. Raises `Apart` where they are not."""
        preparing = self.preparing
        if len(tallies) == 1:
            return Batch((tallies[0],))
        if self.extract is not None:
            part: Part = KeyedPart(preparing.session, tallies, self.extract.path, preparing.plan)
            return Batch(tuple(tallies), part)
        batches = list(preparing.feed.batches(tallies))
        if len(batches) > 1 or any(batch.part is None for batch in batches) or not all(t.good for t in tallies):
            raise Apart
        return batches[0] if batches else Batch(tuple(tallies), EmptyPart(tallies, preparing.plan))

    def shelf(self, name: str, relations: set[str]) -> Shelf:
        """Where relations of the input are kept."""
        session = self.preparing.session
        if self.small:
            return Held(session, relations, name)
        return Spill(session, relations, self.preparing.resources.scratch / name)

    def parts(self) -> Iterator[Part]:
        """The parts of the input; at least one, so that what is joined with it finds it there."""
        assert self.batch is not None  # noqa: S101 - `place` comes first
        parts = self.preparing.feed.parts(self.batch)
        yield next(parts, None) or EmptyPart(list(self.tallies.values()), self.preparing.plan)
        yield from parts

    def counted(self) -> Iterator[Part]:
        """The same, whose lines are noted."""
        for part in self.parts():
            for ordinal, (_, line) in part.records.items():
                self.lines[ordinal] = max(self.lines.get(ordinal, 0), line)
            yield part

    def clear(self) -> None:
        for shelf in (self.seen, self.good):
            if shelf is not None:
                shelf.clear()
        if self.batch is not None and isinstance(self.batch.part, KeyedPart):
            self.batch.part.clear()

    @contextmanager
    def concerning(self) -> Iterator[None]:
        """What is wrong with an input says with which."""
        try:
            yield
        except DataError as error:
            error.at = error.at or next(iter(self.tallies.values())).address
            raise


class Extract(FolderLanding):
    """Rows of a table as a landing zone of one object, which nobody else can change."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.address = "landing/table.parquet"
        self.path = folder / self.address
        self.path.parent.mkdir(parents=True, exist_ok=True)

    def content(self, address: str) -> Content:
        return Content("", (self.zones / address).stat().st_size)

    def member(self, name: str) -> Member:
        """The file as an input."""
        return Member(name, self.address, self.content(self.address))


def extracted(
    engine: DuckEngine, plan: Plan, readers: Sequence[Sequence[Member]], session: Session, folder: Path
) -> tuple[DuckEngine, Plan, Extract]:
    """A table's rows of what each delivery reads, as a file; an engine that reads it, and the plan with its columns."""
    if engine.tables is None:
        raise SetupError("tables of other pipelines cannot be read here", at=f"source {plan.relation}")
    extract = Extract(folder)
    slots = [[Slot(member.pipeline, member.address) for member in members] for members in readers]
    engine.tables.extract(plan.source.of, slots, extract.path)
    columns = tuple((name, ColumnType(kind)) for name, kind in _columns(session, extract.path))
    source = replace(plan.source, format="parquet", columns=columns)
    names, types = tuple(name for name, _ in columns), tuple(kind for _, kind in columns)
    reading = replace(plan.reading, names=names, types=types)
    read = DuckEngine(extract, engine.zones, engine.resources, engine.key, engine.limits)
    return read, replace(plan, source=source, reading=reading), extract


def _columns(session: Session, path: Path) -> list[tuple[str, str]]:
    described = session.rows(f"DESCRIBE FROM read_parquet('{path}')")
    return [(row[0], canonical(row[1])) for row in described if row[0] != SLOT]
