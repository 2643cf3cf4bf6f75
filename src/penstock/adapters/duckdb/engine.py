"""`prepare` on DuckDB: every input once through the plan, into staged tables and rejected rows."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from penstock.adapters.duckdb.feeding import Batch, Feed
from penstock.adapters.duckdb.halfway import Keeper, KeptFeed
from penstock.adapters.duckdb.lane import Lane, safe_side_by_side, side_by_side
from penstock.adapters.duckdb.parts import Part
from penstock.adapters.duckdb.quarantine import Quarantine
from penstock.adapters.duckdb.refusals import Refusals
from penstock.adapters.duckdb.session import Key, Resources, Session
from penstock.adapters.duckdb.staging import PACKED, PLAIN, Staging
from penstock.adapters.duckdb.tally import Tally
from penstock.adapters.duckdb.whole import (
    Shelf,
    Spill,
    find_late,
    judge_slots,
    late_relations,
    rejects_late,
    slot_rules,
)
from penstock.adapters.duckdb.wide import Wide
from penstock.adapters.files.dialect import Limits
from penstock.adapters.scratch import Scratch
from penstock.compile.boundaries import before, behind
from penstock.compile.outputs import GOOD
from penstock.compile.sql import quote_identifier, quote_literal
from penstock.errors import CheckStopped, DataError, Suspended
from penstock.model.faults import point
from penstock.model.reasons import worded
from penstock.model.rows import ROW, SLOT
from penstock.model.slots import Generation, Standing
from penstock.runtime.ports import Half, Landing, Preparation, Prepared, Tables

LIMITS = Limits()
Item = TypeVar("Item")


class DuckEngine:
    """The engine of one machine. Holds no state between runs."""

    def __init__(
        self,
        landing: Landing,
        zones: Path,
        resources: Resources,
        key: Key | None = None,
        limits: Limits = LIMITS,
        tables: Tables | None = None,
    ) -> None:
        """`tables` gives the rows of other pipelines' tables to those that read them."""
        self.landing, self.zones, self.resources, self.key, self.limits = landing, zones, resources, key, limits
        self.tables = tables

    def prepare(self, work: Preparation) -> Prepared:
        """See `penstock.runtime.ports.Engine`."""
        with closing(Scratch(self.resources.scratch)) as scratch:
            resources = replace(self.resources, scratch=scratch.folder)
            if work.plan.members:
                from penstock.adapters.duckdb.several import Several

                with closing(Several(self, resources, work)) as several:
                    return several.run()
            if work.kept is not None:
                work = replace(work, plan=behind(work.plan))
            with closing(Preparing(self, resources, work)) as preparing:
                return preparing.run()

    def transform(self, work: Preparation) -> Half:
        """See `penstock.runtime.ports.Engine`."""
        with closing(Scratch(self.resources.scratch)) as scratch:
            resources = replace(self.resources, scratch=scratch.folder)
            with closing(Preparing(self, resources, replace(work, plan=before(work.plan)))) as preparing:
                return preparing.run_half()


class Preparing:
    """One attempt's way through its inputs."""

    def __init__(
        self,
        engine: DuckEngine,
        resources: Resources,
        work: Preparation,
        session: Session | None = None,
        files: Iterator[int] | None = None,
    ) -> None:
        """`session` and `files` (numbers of files) are those of others who write to the same attempt's folders."""
        self.work, self.plan, self.key, self.resources = work, work.plan, engine.key, resources
        self.place = engine.zones, Path(work.plan.pipeline) / work.run / str(work.attempt)
        again = bool(work.refused or work.earlier)
        self.late = rejects_late(work.plan) or again
        self.abreast = 1 if again or not safe_side_by_side(work.plan) else resources.lanes
        self.lanes = 1 if self.late else self.abreast
        self.feed = Feed(engine.landing, work.plan, resources, (self.lanes, self.abreast), engine.limits)
        if work.kept is not None:
            self.feed = KeptFeed.of(self.feed, work.kept)
        self.tallies = {
            item.ordinal: Tally(item.generation, item.ordinal, _hard(work, item.generation)) for item in work.inputs
        }
        self.files = itertools.count() if files is None else files
        self.lane = self._lane(resources, session)
        self.session, self.relations, self.staging = self.lane.session, self.lane.relations, self.lane.staging
        self.refusals = self.lane.refusals = Refusals(self.session, work)

    def _lane(self, resources: Resources, session: Session | None = None) -> Lane:
        """A session, by default of its own, whose files are numbered with those of the others."""
        session = session or self._session(resources)
        zones, place = self.place
        published = any(target.kind == "lake" for target in self.plan.targets)
        staging = Staging(session, zones / "staging" / place, PACKED if published else PLAIN, self.files)
        quarantine = Quarantine(session, self.work, zones / "quarantine" / place, self.files)
        good = Spill(session, set(self.plan.spilled), self.resources.scratch / "good")
        return Lane(session, self.plan, staging, quarantine, good, resources.scratch)

    def _session(self, resources: Resources) -> Session:
        session = Session(resources, key=self.key, run_time=self.work.run_time)
        if self.key is not None and any(plan.reading.encrypts for plan in self.plan.inputs):
            session.enable_encryption(self.key)
        return session

    def close(self) -> None:
        self.session.close()

    def run(self) -> Prepared:
        self.staging.begin()
        self.lane.quarantine.begin()
        batches = self.feed.batches(list(self.tallies.values()))
        for joined, some in itertools.groupby(batches, lambda batch: batch.part is not None):
            if joined:
                self._joined(some)
            else:
                for batch in some:
                    self._batch(self.lane, batch)
        for tally in self.tallies.values():
            self.refusals.close(tally)
        point("prepare.before_durable")
        self.lane.quarantine.finish()
        staged = self.staging.finish([table.spec.name for table in self.plan.tables])
        point("prepare.after_durable")
        return Prepared(tuple(tally.result() for tally in self.tallies.values()), staged)

    def run_half(self) -> Half:
        """As far as the boundary."""
        zones, place = self.place
        keeper = Keeper(self.lane, self.plan, zones / "staging" / place.with_name(f"{place.name}.kept"))
        keeper.begin()
        tallies = list(self.tallies.values())
        self.lane.name_slots(tallies)
        for batch in self.feed.batches(tallies):
            keeper.take(batch, self.feed)
            self._told()
        kept = keeper.finish(tallies)
        return Half(tuple(tally.result() for tally in tallies if not tally.good), kept)

    def _told(self, read: int = 0) -> None:
        """Say how far the reading has come."""
        self.work.progress(read + sum(tally.read for tally in self.tallies.values()))

    # --- batches -------------------------------------------------------------------------------------------------

    def _joined(self, batches: Iterator[Batch]) -> None:
        """Batches of small deliveries: where there are several, every core works on one of its own."""
        head = list(itertools.islice(batches, 2))
        batches = itertools.chain(head, batches)
        if self.abreast > 1 and len(head) > 1:
            self._abreast(self.abreast, batches, self._one_of_many)
        else:
            for batch in batches:
                self._batch(self.lane, batch)

    def _one_of_many(self, lane: Lane, number: int, batch: Batch) -> None:
        lane.staging.place = lane.quarantine.place = number
        self._batch(lane, batch)

    def _batch(self, lane: Lane, batch: Batch) -> None:
        """Whole deliveries: many small ones joined, or one in parts."""
        tallies = {tally.ordinal: tally for tally in batch.tallies}
        lane.name_slots(batch.tallies)
        marks = (lane.staging.mark(), lane.quarantine.mark())
        try:
            parts = self.feed.parts(batch)
            first, second = next(parts, None), next(parts, None)
            if first is None:
                return
            if second is None:
                self._whole(lane, first, tallies)
            else:
                self._long(batch, _chain(first, second, parts), tallies)
        except DataError as error:
            if error.exit_code == 1 or len(tallies) > 1:
                raise
            lane.staging.rollback(marks[0])
            next(iter(tallies.values())).end(Standing.REFUSED, error)
        if all(tally.standing is Standing.REFUSED for tally in tallies.values()):
            lane.quarantine.rollback(marks[1])

    def _whole(self, lane: Lane, part: Part, tallies: dict[int, Tally]) -> None:
        """A batch that is one part: what sees whole deliveries runs between reading and staging."""
        rejected = lane.read(part, tallies)
        self._told()
        lane.relations.source(late=False)
        if self.late:
            lane.steps()
            self._find(lane.session, self._chunk_sources(""), tallies)
            lane.relations.start()
            lane.relations.reject(rejected)
            lane.relations.source(late=True)
        lane.steps()
        lane.finish(tallies, late=self.late, whole=True)
        self._stop_and_suspend(lane.session, tallies, self._chunk_sources(GOOD))
        lane.separate(tallies)
        lane.stage(tallies, chunked=True)
        Wide(lane).run(list(tallies.values()), self._chunk_sources(GOOD))
        lane.session.run("DELETE FROM main._late")

    def _long(self, batch: Batch, parts: Iterator[Part], tallies: dict[int, Tally]) -> None:
        """A delivery in parts. Rows that only the whole can reject are found first, in a pass of their own."""
        if self.late:
            relations = late_relations(self.plan) | self.refusals.relations(self.plan)
            seen = Spill(self.session, relations, self.resources.scratch / "seen")
            self.look(parts, tallies, seen)
            self._find(self.session, seen.sources(), tallies)
            seen.clear()
            parts = self.feed.parts(batch)
        start = self.staging.mark()
        good = self.carry(parts, tallies)
        if not all(tally.good for tally in tallies.values()):
            self.staging.rollback(start)
            return
        Wide(self.lane).run(list(tallies.values()), good.sources())
        good.clear()
        self.session.run("DELETE FROM main._late")

    def _find(self, session: Session, sources: dict[str, str], tallies: dict[int, Tally]) -> None:
        """Fill `main._late`. What was refused is looked for in one lane only."""
        find_late(session, self.plan, sources, tallies)
        for tally in tallies.values():
            if self.refusals.of(tally):
                self.refusals.find(tally, self.plan, sources)

    def look(self, parts: Iterator[Part], tallies: dict[int, Tally], seen: Shelf, *, rejected: bool = False) -> None:
        """A first pass over deliveries, which keeps relations as they are before anything late is rejected, and with
        `rejected` also which rows anything else has."""
        for number, part in enumerate(parts):
            self.lane.read(part, tallies, count=False)
            self.relations.source(late=False)
            self.lane.steps()
            seen.add("", number)
            if rejected:
                self.session.run(f"INSERT INTO main._out SELECT DISTINCT {ROW} FROM chunk._rejected")

    def carry(self, parts: Iterator[Part], tallies: dict[int, Tally]) -> Shelf:
        """The pass that counts: each part is judged, accounted for and staged; what wide steps read is kept."""
        start, good = self.staging.mark(), self.lane.good
        head = list(itertools.islice(parts, 2))
        parts = itertools.chain(head, parts)
        if self.lanes > 1 and len(head) > 1:
            self._side_by_side(parts, tallies)
        else:
            for number, part in enumerate(parts):
                self.lane.take(number, part, tallies, late=self.late)
                self._told()
        self._combine(start, tallies)
        self._stop_and_suspend(self.session, tallies, good.sources())
        return good

    def _side_by_side(self, parts: Iterator[Part], tallies: dict[int, Tally]) -> None:
        """Every core works on a part of its own. What the lanes counted is added up."""
        counted: dict[Lane, dict[int, Tally]] = {}

        def take(lane: Lane, number: int, part: Part) -> None:
            if lane not in counted:
                counted[lane] = {ordinal: tally.blank() for ordinal, tally in tallies.items()}
                lane.name_slots(tallies.values())
            lane.take(number, part, counted[lane], late=False)
            self._told(sum(tally.read for each in list(counted.values()) for tally in each.values()))

        try:
            self._abreast(self.lanes, parts, take)
        finally:
            for each in counted.values():
                for ordinal, tally in each.items():
                    tallies[ordinal].add(tally)

    def _abreast(self, count: int, items: Iterator[Item], work: Callable[[Lane, int, Item], None]) -> None:
        """Let lanes work on items side by side, and put what they write together in the order of the items."""
        lanes: list[Lane] = []

        def make(number: int) -> Lane:
            lanes.append(self._lane(self.resources.divided(count, f"lane{number}")))
            return lanes[-1]

        try:
            side_by_side([partial(make, number) for number in range(count)], items, work)
        finally:
            self.staging.absorb([lane.staging for lane in lanes])
            self.lane.quarantine.absorb([lane.quarantine for lane in lanes])

    # --- pieces --------------------------------------------------------------------------------------------------

    def _stop_and_suspend(self, session: Session, tallies: dict[int, Tally], sources: dict[str, str]) -> None:
        for tally in tallies.values():
            tally.judge_drift(self.plan.source.columns, self.plan.reading.privacy)
        judge_slots(session, slot_rules(self.plan, chunked=True), sources, tallies)
        stops = {spec.rule.text for specs in self.plan.rules.values() for spec in specs if spec.severity == "stop"}
        for tally in tallies.values():
            failed = [reason for reason in tally.reasons if reason in stops]
            if failed:
                rows = tally.reasons[failed[0]]
                tally.end(Standing.STOPPED, CheckStopped(f"{rows} rows fail {failed[0]}", fix="nothing was loaded"))
            if tally.hard and tally.quarantined:
                tally.end(Standing.SUSPENDED, _suspended(tally))

    def _combine(self, start: int, tallies: dict[int, Tally]) -> None:
        """Merge the parts of a long delivery's contributions into one row for each key."""
        tally = next(iter(tallies.values()))
        for table in self.plan.tables:
            parts = self.staging.parts(table.spec.name, since=start)
            if not table.combine or not table.chunked or len(parts) < 2:
                continue
            listed = ", ".join(quote_literal(path) for path in parts)
            self.session.run(
                "CREATE OR REPLACE VIEW chunk._parts AS "
                f"SELECT *, {tally.ordinal} AS {SLOT} FROM read_parquet([{listed}])"
            )
            combined = f"SELECT * EXCLUDE ({SLOT}) FROM ({table.combine})"
            tally.rows[table.spec.name] = self.staging.replace(table.spec.name, combined, since=start)

    def _chunk_sources(self, prefix: str) -> dict[str, str]:
        names = (self.plan.relation, *(step.name for step in self.plan.steps if step.chunked))
        return {name: f"chunk.{quote_identifier(prefix + name)}" for name in names}


def _hard(work: Preparation, generation: Generation) -> bool:
    """The person's word for this run, else what pipeline and environment say."""
    return work.hard if generation.hard is None else generation.hard


def _suspended(tally: Tally) -> Suspended:
    reasons = ", ".join(map(worded, list(tally.reasons)[:3]))
    return Suspended(
        f"{tally.quarantined} of {tally.read} rows fail: {reasons}",
        why="the pipeline is hard: it loads a delivery whole or not at all",
        fix="correct the file, or release the run to load the rest (penstock redrive RUN)",
    )


def _chain(first: Part, second: Part, rest: Iterator[Part]) -> Iterator[Part]:
    yield first
    yield second
    yield from rest
