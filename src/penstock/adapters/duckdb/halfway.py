"""The boundary behind a step: what was read and what the step made of it go to staging, and come back for the tests.

Both passes are the engine's usual one over other plans (`penstock.compile.boundaries`). The first reads, runs what
leads to the step, and writes. The second finds its parts in these files instead of in the landing zone, and the step's
rows beside them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.adapters.duckdb.feeding import Batch, Feed
from penstock.adapters.duckdb.lane import Lane
from penstock.adapters.duckdb.parts import SOURCE_IS_READ, Part, RejectedRow
from penstock.adapters.duckdb.session import Session
from penstock.adapters.duckdb.staging import make_empty, persist
from penstock.adapters.duckdb.tally import Tally
from penstock.compile.boundaries import RELATION
from penstock.compile.plan import Plan
from penstock.compile.sql import quote_identifier, quote_literal
from penstock.errors import DataError, RowsUnaccounted
from penstock.model.faults import point
from penstock.model.rows import ROW, SLOT
from penstock.model.runs import KEPT, Staged
from penstock.model.slots import Standing

INDEX = "index.json"


class Keeper:
    """Writes the first pass's files."""

    def __init__(self, lane: Lane, plan: Plan, folder: Path) -> None:
        self.lane, self.plan, self.folder = lane, plan, folder
        self._batches: list[dict[str, Any]] = []
        self._written = 0

    def begin(self) -> None:
        make_empty(self.folder)

    def take(self, batch: Batch, feed: Feed) -> None:
        """A batch's parts, each read and brought to the step."""
        tallies = {tally.ordinal: tally for tally in batch.tallies}
        try:
            parts = [self._part(part, tallies) for part in feed.parts(batch)]
        except DataError as error:
            if error.exit_code == 1 or len(tallies) > 1:
                raise
            batch.tallies[0].end(Standing.REFUSED, error)
            return
        self._batches.append({"ordinals": list(tallies), "parts": parts})

    def _part(self, part: Part, tallies: dict[int, Tally]) -> dict[str, Any]:
        rejected = self.lane.read(part, tallies)
        self.lane.relations.source(late=False)
        self.lane.steps()
        files = [self._write("_source"), self._write(self.plan.boundary)]
        point("prepare.kept")
        self._written += 1
        return {"files": files, "records": part.records, "rejected": rejected}

    def _write(self, relation: str) -> str:
        path = self.folder / f"{self._written:05d}-{relation}.parquet"
        self.lane.session.run(f"COPY chunk.{quote_identifier(relation)} TO {quote_literal(str(path))} (FORMAT parquet)")
        persist(path)
        return str(path)

    def finish(self, tallies: Sequence[Tally]) -> Staged:
        """Name the files, durably."""
        slots = [[tally.ordinal, tally.generation.slot.address, tally.generation.number] for tally in tallies]
        index = self.folder / INDEX
        index.write_text(json.dumps({"slots": slots, "batches": self._batches}), encoding="utf-8")
        for path in (index, self.folder, *list(self.folder.parents)[:3]):
            persist(path)
        files = [file for batch in self._batches for part in batch["parts"] for file in part["files"]]
        return Staged(KEPT, (str(index), *files), (), sum(tally.read for tally in tallies))


@dataclass(frozen=True, slots=True)
class KeptBatch(Batch):
    """A batch as it was kept."""

    kept: tuple[Part, ...] = ()


class KeptFeed(Feed):
    """Finds the parts of the second pass. Deliveries that are not asked for are left out."""

    kept: Staged

    @classmethod
    def of(cls, feed: Feed, kept: Staged) -> KeptFeed:
        """In the place of a feed that reads the landing zone."""
        found = cls(feed.landing, feed.plan, feed.resources, (1, 1), feed.limits)
        found.kept = kept
        return found

    def batches(self, tallies: list[Tally]) -> Iterator[Batch]:
        """The batches as they were, each with those of its deliveries that are here."""
        index = json.loads(Path(self.kept.files[0]).read_text(encoding="utf-8"))
        here = {(tally.generation.slot.address, tally.generation.number): tally for tally in tallies}
        by_ordinal = {ordinal: here.get((address, number)) for ordinal, address, number in index["slots"]}
        for batch in index["batches"]:
            known = {ordinal: tally for ordinal in batch["ordinals"] if (tally := by_ordinal[ordinal])}
            if known:
                parts = tuple(KeptPart(part, known) for part in batch["parts"])
                yield KeptBatch(tuple(known.values()), kept=parts)

    def parts(self, batch: Batch) -> Iterator[Part]:
        """The parts of a batch, as often as they are asked for."""
        return iter(batch.kept if isinstance(batch, KeptBatch) else ())


class KeptPart:
    """A part that was read already. Its deliveries may have other ordinals by now."""

    def __init__(self, entry: Mapping[str, Any], tallies: Mapping[int, Tally]) -> None:
        self._entry, self._ordinals = entry, {kept: tally.ordinal for kept, tally in tallies.items()}
        found = {int(kept): tuple(counts) for kept, counts in entry["records"].items()}
        self.records = {now: (found[kept][0], found[kept][1]) for kept, now in self._ordinals.items() if kept in found}

    def read_into(self, session: Session, _masks: Sequence[str], _scratch: Path) -> list[RejectedRow]:
        """See `penstock.adapters.duckdb.parts.Part`."""
        source, made = (self._rows(file) for file in self._entry["files"])
        rows = session.number(f"CREATE OR REPLACE TABLE chunk._read AS {source}", where="reading")
        session.run(SOURCE_IS_READ)
        session.run(f"CREATE OR REPLACE VIEW chunk.{RELATION} AS {made}")
        now = self._ordinals
        rejected: list[RejectedRow] = [(now[row[0]], *row[1:]) for row in self._entry["rejected"] if row[0] in now]
        records = sum(count for count, _ in self.records.values())
        if rows + len(rejected) != records:
            raise RowsUnaccounted(f"{rows} rows of {records - len(rejected)} came back from staging")
        return rejected

    def _rows(self, file: str) -> str:
        pairs = ", ".join(f"({kept}, {now})" for kept, now in self._ordinals.items())
        return (
            f"SELECT o.now::INTEGER AS {SLOT}, r.{ROW}, r.* EXCLUDE ({SLOT}, {ROW}) "
            f"FROM read_parquet({quote_literal(file)}) AS r JOIN (VALUES {pairs}) AS o(kept, now) ON r.{SLOT} = o.kept"
        )
