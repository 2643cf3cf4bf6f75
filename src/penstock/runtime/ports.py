"""What the runtime needs of the world: a landing zone, an engine, destinations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol

from penstock.authoring.origins import Origin
from penstock.compile.plan import Plan
from penstock.model.lookups import Lookup, Page
from penstock.model.refusals import Refused
from penstock.model.runs import Result, Run, Staged
from penstock.model.slots import Content, Generation, Slot
from penstock.model.summaries import Answer, Summary
from penstock.model.surveys import Surveyed
from penstock.model.tables import Load, Loaded


@dataclass(frozen=True, slots=True)
class Found:
    """An object in the landing zone. `version` changes whenever it is written (a hint: identity is the hash)."""

    address: str
    size: int
    version: str


class Landing(Protocol):
    """The landing zone: raw objects, as received, never changed by a run."""

    def scan(self, prefix: str = "landing/") -> Iterator[Found]:
        """Every final object: temporary and hidden names are not yet there."""
        ...

    def content(self, address: str) -> Content:
        """Hash the object as it is now. Raises `StorageUnavailable`, or `UnknownName` when it is not there."""
        ...

    def open(self, address: str) -> BinaryIO:
        """Pin and read the object as it is now."""
        ...

    def receive(self, source: Path, address: str) -> str:
        """Store a file under an address: wholly, durably, or not at all."""
        ...


Survey = Callable[[Run], Sequence[Surveyed]]
"""Brings the catalog up to date with what lies in the landing zone for a run's pipeline."""


class Puller(Protocol):
    """Fetches what lies elsewhere."""

    def pull(self, origin: Origin, known: Mapping[str, str], into: Path) -> Mapping[str, str] | None:
        """Fetch an object into a file, and return what the other side calls this state of it.

        None when it says that this is the state that is `known`; then nothing is written. Raises `SourceUnavailable`
        for what may pass, `SourceRefused` for what will not.
        """
        ...


@dataclass(frozen=True, slots=True)
class Input:
    """One generation's source rows. A patch reads only `generation.lines`, with the edits of `generation.fixes`."""

    generation: Generation
    ordinal: int
    """Its place in the run; staged rows of a batch tell their generation by it."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """What the generation before has set aside of a slot, and which of its inputs have changed since."""

    number: int
    files: tuple[Path, ...]
    changed: frozenset[str]
    refused: bool = False
    """Whether a destination had refused some of it."""


@dataclass(frozen=True, slots=True)
class Preparation:
    """The work of `prepare`."""

    plan: Plan
    run: str
    attempt: int
    inputs: tuple[Input, ...]
    run_time: datetime
    hard: bool
    """The setting of pipeline and environment; a generation's own `hard` overrides it."""
    progress: Callable[[int], None] = lambda _: None
    """Told now and then how many records have been read so far."""
    kept: Staged | None = None
    """Where a step's boundary is behind it: what lies there. The inputs are not read again."""
    earlier: Mapping[str, Earlier] = field(default_factory=dict)
    """By address, for slots with rows that wait and are known again by their values."""
    refused: tuple[Refused, ...] = ()
    """What a destination would not take: it is left out and set aside, with whatever follows from it."""
    attempts: Mapping[str, int] = field(default_factory=dict)
    """By address, how often rows of a patch have been tried by now; of anything else this is the first attempt."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What `prepare` leaves: results for each generation, and the staged tables of those that passed."""

    results: tuple[Result, ...]
    staged: tuple[Staged, ...] = field(default=())


class Tables(Protocol):
    """Tables that pipelines have loaded, as other pipelines read them."""

    def extract(self, table: str, readers: Sequence[Sequence[Slot]], path: Path) -> None:
        """Write a table's rows of the slots that each reader wants, all of one pipeline, to a Parquet file: the
        reader's place as `_slot`, then the table's columns; reader by reader, in the order of identities."""
        ...


@dataclass(frozen=True, slots=True)
class Half:
    """What lies behind a step's boundary, and results for those generations that did not come so far."""

    results: tuple[Result, ...]
    kept: Staged


class Engine(Protocol):
    """Runs a plan's transformation. The only place that sees rows before they are clean."""

    def prepare(self, work: Preparation) -> Prepared:
        """Read, protect, test, reshape and stage. What a generation alone did wrong is in its result (`refused`,
        `stopped`, `suspended`); an error that is raised concerns the whole attempt."""
        ...

    def transform(self, work: Preparation) -> Half:
        """Read, protect and reshape as far as the plan's boundary."""
        ...


class Zones(Protocol):
    """The files that a run leaves between its stages."""

    def complete(self, staged: Sequence[Staged]) -> bool:
        """Whether every staged file is still there."""
        ...

    def rejects(self, run: Run) -> Sequence[Path]:
        """The files of a run's rejected rows."""
        ...

    def release(self, run: Run) -> None:
        """The run is final: its staged files, and what older attempts left, may go. Quarantined rows stay."""
        ...


@dataclass(frozen=True, slots=True)
class Capabilities:
    """How destinations differ, as a record."""

    transactions: bool = True
    """All tables of a load change together."""
    foreign_keys: bool = False
    partitions: bool = False
    judges: bool = False
    """It may refuse single rows for what they hold: then it is loaded before those that take all."""


@dataclass(frozen=True, slots=True)
class Holding:
    """What a destination holds of one slot: for `verify`. `checksum` is the sum of the row identities."""

    slot: Slot
    number: int
    rows: Mapping[str, int]
    checksums: Mapping[str, int]


class Destination(Protocol):
    """Where tables live. A load is one transaction; the destination is the truth about what was loaded."""

    name: str
    capabilities: Capabilities

    def load(self, load: Load) -> Loaded:
        """Apply every unit whose generation is higher than the one there; a lower or equal one is stale and changes
        nothing. Wholly or not at all. Safe to call again after an unknown outcome."""
        ...

    def extract(self, pipeline: str, table: str, readers: Sequence[Sequence[str]], path: Path) -> None:
        """Write the table's rows of the slots that each reader wants to a Parquet file, reader by reader in the order
        of their identities: the reader's place as `_slot`, then the columns. Of a shared table each gets the rows that
        it would have if nobody but these slots had contributed. Raises `DestinationError` for a table that is not
        there."""
        ...

    def holdings(self, pipeline: str, tables: Sequence[str]) -> Iterable[Holding]:
        """What is there now, slot by slot, counted from the rows themselves."""
        ...

    def slot_of(self, pipeline: str, row: int) -> tuple[str, int] | None:
        """The slot address and base of a row identity, or None."""
        ...

    def speakers(
        self, pipeline: str, table: str, columns: Sequence[str], values: Sequence[str], limit: int
    ) -> list[int]:
        """The identities of contributions to a shared table, in their order: one of each slot that speaks of what has
        these values, written as texts, in these columns."""
        ...

    def page(self, lookup: Lookup) -> Page:
        """A page of a published table, wholly of one published state; empty where nothing has been loaded.

        Raises `UsageError` for a value that is none of its column's type, `DestinationError` for an unknown column.
        """
        ...

    def summarize(self, summary: Summary) -> Answer:
        """The numbers of a chart, wholly of one published state; empty where nothing has been loaded.

        Raises as `page` does, and `UsageError` or `DestinationError` where a column holds no times that it needs.
        """
        ...
