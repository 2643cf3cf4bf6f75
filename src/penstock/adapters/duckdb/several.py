"""Generations with several inputs: each input passes its part of the plan alone, then wide steps see them together.

One generation after the other. Of each, the inputs are read in their declared order, so that only one is in memory;
what wide steps read of them is kept on disk. Where an input's rows begin in the slot's range is known when the inputs
before it have been read.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from penstock.adapters.duckdb.engine import DuckEngine, Preparing
from penstock.adapters.duckdb.feeding import Batch
from penstock.adapters.duckdb.partners import Partners
from penstock.adapters.duckdb.parts import EmptyPart, Part
from penstock.adapters.duckdb.session import Resources
from penstock.adapters.duckdb.tally import Tally
from penstock.adapters.duckdb.whole import Spill, find_late, late_relations, rejects_late
from penstock.adapters.duckdb.wide import Wide
from penstock.adapters.files.landing import FolderLanding
from penstock.authoring.sources import ColumnType
from penstock.compile.plan import Plan
from penstock.errors import DataError, RefusedFile, SetupError
from penstock.model.faults import point
from penstock.model.rows import SLOT
from penstock.model.runs import Portion, Result
from penstock.model.slots import Content, Member, Slot, Standing
from penstock.runtime.ports import Preparation, Prepared


@dataclass(slots=True)
class _Share:
    """One input on its way: its plan at work, its account, and what was kept of it."""

    preparing: Preparing
    tally: Tally
    batch: Batch
    seen: Spill | None = None
    good: Spill | None = None

    @property
    def tallies(self) -> dict[int, Tally]:
        return {self.tally.ordinal: self.tally}

    def parts(self) -> Iterator[Part]:
        """The parts of the input; at least one, so that what is joined with it finds it there."""
        parts = self.preparing.feed.parts(self.batch)
        first = next(parts, None)
        yield first or EmptyPart(self.tally, self.preparing.plan)
        yield from parts

    @property
    def spills(self) -> list[Spill]:
        return [spill for spill in (self.seen, self.good) if spill]


class Several:
    """One attempt's way through generations with several inputs."""

    def __init__(self, engine: DuckEngine, resources: Resources, work: Preparation) -> None:
        self.engine, self.resources, self.work = engine, resources, work
        self.files = itertools.count()
        self.whole = Preparing(engine, resources, work, files=self.files)
        self.session, self.tallies = self.whole.session, self.whole.tallies
        self._ordinals = itertools.count(len(work.inputs))
        self._quarantines = [self.whole.lane.quarantine]
        self._read = 0

    def close(self) -> None:
        self.whole.close()

    def run(self) -> Prepared:
        """See `penstock.runtime.ports.Engine`."""
        self.whole.staging.begin()
        self.whole.lane.quarantine.begin()
        results = [self._slot(tally) for tally in self.tallies.values()]
        point("prepare.before_durable")
        for quarantine in self._quarantines:
            quarantine.finish()
        staged = self.whole.staging.finish([table.spec.name for table in self.work.plan.tables])
        point("prepare.after_durable")
        return Prepared(tuple(results), staged)

    # --- one generation ------------------------------------------------------------------------------------------

    def _slot(self, tally: Tally) -> Result:
        """Its inputs, then what needs them all. What is wrong with an input is wrong with the generation."""
        staging, shares = self.whole.staging.mark(), list[_Share]()
        if self.work.plan.matches:
            Partners.begin(self.session)
        try:
            for plan in self.work.plan.members:
                shares.append(self._share(tally, plan))
            self._through(tally, shares)
        except DataError as error:
            if error.exit_code == 1:
                raise
            tally.end(Standing.REFUSED, error)
        if not tally.good:
            self.whole.staging.rollback(staging)
        if tally.standing is Standing.REFUSED:
            for share in shares:
                share.preparing.lane.quarantine.rollback(0)
        for spill in (spill for share in shares for spill in share.spills):
            spill.clear()
        self.session.run("DELETE FROM main._late")
        return _result(tally, [share.tally for share in shares])

    def _through(self, tally: Tally, shares: list[_Share]) -> None:
        late = bool(self.work.plan.matches) or any(rejects_late(share.preparing.plan) for share in shares)
        if late:
            self._look(shares)
            self._match(tally, shares)
            for share in shares:
                share.preparing.late, share.preparing.lanes = True, 1
        offset = 0
        for share in shares:
            if not late:
                self._place(share, offset)
            self._carry(share)
            offset += share.tally.lines + 1
            if not share.tally.good:
                tally.standing, tally.error = share.tally.standing, share.tally.error
                return
        Wide(self.whole.lane).run([tally], self._together(tally, shares))

    def _look(self, shares: list[_Share]) -> None:
        """Find the rows that only whole inputs can reject, in a pass of their own."""
        offset = 0
        for share in shares:
            self._place(share, offset)
            preparing, lines = share.preparing, _Lines()
            parts = lines.counted(share.parts())
            with _concerning(share.tally):
                relations = late_relations(preparing.plan) | preparing.plan.sought
                if self.work.plan.matches:
                    relations |= {preparing.plan.relation}
                matching = bool(self.work.plan.matches)
                share.seen = preparing.look(parts, share.tallies, relations, rejected=matching)
                if rejects_late(preparing.plan):
                    find_late(self.session, preparing.plan, share.seen.sources(), share.tallies)
            offset += lines.last + 1

    def _match(self, tally: Tally, shares: list[_Share]) -> None:
        """Find the rows that have no partner in another input."""
        plan = self.work.plan
        if not plan.matches:
            return
        sources = {name: origin for share in shares if share.seen for name, origin in share.seen.sources().items()}
        address = tally.generation.slot.address
        partners = Partners(self.session, plan, sources, {s.preparing.plan.relation: s.preparing.plan for s in shares})
        partners.judge(self.work.earlier.get(address), address)
        for share in shares:
            tally.retries.update(partners.retries(share.preparing.plan.relation))

    def _place(self, share: _Share, offset: int) -> None:
        share.tally.offset = offset
        share.preparing.lane.name_slots([share.tally])

    def _carry(self, share: _Share) -> None:
        with _concerning(share.tally):
            share.good = share.preparing.carry(share.parts(), share.tallies)
        self._read += share.tally.read

    def _together(self, tally: Tally, shares: list[_Share]) -> dict[str, str]:
        """What was kept of all inputs, as rows of the generation."""
        kept = [share.good.sources() for share in shares if share.good]
        return {
            name: f"(SELECT * REPLACE ({tally.ordinal} AS {SLOT}) FROM {origin})"
            for sources in kept
            for name, origin in sources.items()
        }

    # --- inputs --------------------------------------------------------------------------------------------------

    def _share(self, whole: Tally, plan: Plan) -> _Share:
        members = [member for member in whole.generation.members if member.name == plan.relation]
        if not members:
            raise RefusedFile(
                f"the delivery has no {plan.relation!r}",
                why="it was accepted when the pipeline had other sources",
                fix="deliver its files again, or fill it in with penstock backfill",
            )
        ordinal = next(self._ordinals)
        resources = replace(self.resources, scratch=self.resources.scratch / f"input-{ordinal}")
        tally = Tally(whole.generation, ordinal, whole.hard, member=members[0])
        engine = self.engine
        if plan.source.reads_table:
            engine, plan, tally.member = self._extracted(plan, members, resources.scratch)
        work = replace(self.work, plan=plan, inputs=(), progress=self._progress)
        preparing = Preparing(engine, resources, work, self.session, self.files)
        preparing.tallies[ordinal] = tally
        preparing.staging = preparing.lane.staging = self.whole.staging
        self._quarantines.append(preparing.lane.quarantine)
        return _Share(preparing, tally, Batch((tally,)))

    def _progress(self, read: int) -> None:
        self.work.progress(self._read + read)

    def _extracted(self, plan: Plan, members: list[Member], scratch: Path) -> tuple[DuckEngine, Plan, Member]:
        """A table's rows as a file, the plan with the columns that they have, and the file as the member."""
        if self.engine.tables is None:
            raise SetupError("tables of other pipelines cannot be read here", at=f"source {plan.relation}")
        landing = _Table(scratch / "landing")
        slots = [Slot(member.pipeline, member.address) for member in members]
        self.engine.tables.extract(plan.source.of, [slots], landing.path)
        columns = tuple((name, ColumnType(kind)) for name, kind in self._columns(landing.path))
        source = replace(plan.source, format="parquet", columns=columns)
        names, types = tuple(name for name, _ in columns), tuple(kind for _, kind in columns)
        reading = replace(plan.reading, names=names, types=types)
        engine = self.engine
        read = DuckEngine(landing, engine.zones, engine.resources, engine.key, engine.limits)
        member = Member(plan.relation, landing.address, landing.content(landing.address))
        return read, replace(plan, source=source, reading=reading), member

    def _columns(self, path: Path) -> list[tuple[str, str]]:
        from penstock.model.schemas import canonical

        described = self.session.rows(f"DESCRIBE FROM read_parquet('{path}')")
        return [(row[0], canonical(row[1])) for row in described if row[0] != SLOT]


class _Table(FolderLanding):
    """An extracted table as a landing zone of one object, which nobody else can change."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.address = "landing/table.parquet"
        self.path = folder / self.address
        self.path.parent.mkdir(parents=True, exist_ok=True)

    def content(self, address: str) -> Content:
        return Content("", (self.zones / address).stat().st_size)


@contextmanager
def _concerning(tally: Tally) -> Iterator[None]:
    """What is wrong with an input says with which."""
    try:
        yield
    except DataError as error:
        error.at = error.at or tally.address
        raise


class _Lines:
    """The last line of parts that pass by."""

    def __init__(self) -> None:
        self.last = 0

    def counted(self, parts: Iterator[Part]) -> Iterator[Part]:
        for part in parts:
            self.last = max(self.last, *(line for _, line in part.records.values()))
            yield part


def _result(whole: Tally, parts: list[Tally]) -> Result:
    """The generation's account: the sum of its inputs', each of which balances unless reading ended early."""
    for tally in parts:
        tally.standing = whole.standing
    portions = tuple(
        Portion(tally.member.name if tally.member else "", tally.fates(), tally.offset, tally.lines + 1)
        for tally in parts
    )
    for tally in parts:
        whole.read, whole.kept = whole.read + tally.read, whole.kept + tally.kept
        whole.filtered, whole.deduplicated = whole.filtered + tally.filtered, whole.deduplicated + tally.deduplicated
        whole.quarantined += tally.quarantined
        for mine, its in (
            (whole.reasons, tally.reasons),
            (whole.warnings, tally.warnings),
            (whole.rows, tally.rows),
            (whole.checksums, tally.checksums),
            (whole.digests, tally.digests),
        ):
            mine.update(its)
    whole.lines = sum(portion.span for portion in portions) - 1
    return replace(whole.result(), portions=portions)
