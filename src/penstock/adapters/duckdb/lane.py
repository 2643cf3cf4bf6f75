"""One session's way through parts: each is read, judged, reshaped, and written to staging and quarantine.

Many lanes may work on the parts of one long delivery side by side: each has an engine of its own with a share of the
machine, so that statements which use one core only leave none idle.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from penstock.adapters.duckdb.parts import Part, RejectedRow
from penstock.adapters.duckdb.quarantine import Quarantine
from penstock.adapters.duckdb.refusals import Refusals
from penstock.adapters.duckdb.relations import Relations
from penstock.adapters.duckdb.session import Session
from penstock.adapters.duckdb.staging import Staging
from penstock.adapters.duckdb.tally import Tally
from penstock.adapters.duckdb.whole import Shelf
from penstock.compile.normal import words
from penstock.compile.outputs import GOOD, TablePlan
from penstock.compile.plan import Plan
from penstock.compile.sql import quote_identifier, quote_literal
from penstock.errors import StepFailed
from penstock.model.rows import RESERVED, ROW, SEQUENCE, SLOT
from penstock.model.slots import Standing

Item = TypeVar("Item")
_OWN = ", ".join(quote_literal(name) for name in RESERVED)
DIGEST = f"coalesce(sum(hash(*COLUMNS(lambda c: c NOT IN ({_OWN})))::HUGEINT), 0)"
"""Sums hashes of whole rows, but for what Penstock adds to them: equal rows have an equal sum, in whatever order and
parts they come."""


class Lane:
    """A session with the relations of a plan, and where its rows go."""

    def __init__(
        self, session: Session, plan: Plan, staging: Staging, quarantine: Quarantine, good: Shelf, scratch: Path
    ) -> None:
        self.session, self.plan, self.scratch = session, plan, scratch
        self.relations, self.staging, self.quarantine, self.good = Relations(session, plan), staging, quarantine, good
        self.refusals: Refusals | None = None
        """What is left out of the tables of wide steps."""

    def take(self, number: int, part: Part, tallies: dict[int, Tally], *, late: bool) -> None:
        """A part of a long delivery, all the way; `number` is its place among the parts."""
        self.staging.place = self.quarantine.place = number
        self.read(part, tallies)
        self.relations.source(late=late)
        self.steps()
        self.finish(tallies, late=late)
        self.good.add(GOOD, number)
        self.stage(tallies, chunked=True)

    def name_slots(self, tallies: Iterable[Tally]) -> None:
        """Let SQL know which ordinal is which delivery."""
        rows = [
            (
                tally.ordinal,
                tally.base,
                tally.generation.sequence,
                tally.generation.slot.address,
                tally.generation.number,
                json.dumps(dict(tally.generation.parts)) if self.plan.reading.parts else "",
            )
            for tally in tallies
        ]
        columns = [list(column) for column in zip(*rows, strict=True)]
        self.session.run(
            "INSERT INTO main._slots SELECT unnest($1::INTEGER[]), unnest($2::BIGINT[]), unnest($3::BIGINT[]),"
            " unnest($4::VARCHAR[]), unnest($5::INTEGER[]), unnest($6::VARCHAR[])",
            columns,
        )

    def read(self, part: Part, tallies: dict[int, Tally], *, count: bool = True) -> list[RejectedRow]:
        """Read a part and count its records; returns those that never became rows."""
        self.relations.start()
        rejected = part.read_into(self.session, self.relations.masks[self.plan.relation].expressions, self.scratch)
        self.relations.reject(rejected)
        for ordinal, (records, last_line) in part.records.items() if count else ():
            tallies[ordinal].read += records
            tallies[ordinal].lines = max(tallies[ordinal].lines, last_line)
        return rejected

    def steps(self) -> None:
        self.relations.steps()
        self.relations.count_losses()

    def finish(self, tallies: dict[int, Tally], *, late: bool, whole: bool = False) -> None:
        """Account for a part; of `whole` deliveries those are refused in which a column has changed."""
        self.relations.separate()
        self.relations.account(tallies, late=late)
        for tally in tallies.values() if whole else ():
            tally.judge_drift(self.plan.source.columns, self.plan.reading.privacy)
        self.relations.forget([tally.ordinal for tally in tallies.values() if tally.standing is Standing.REFUSED])
        self.relations.warnings(tallies)
        self.quarantine.add()

    def separate(self, tallies: dict[int, Tally]) -> None:
        out = [tally.ordinal for tally in tallies.values() if not tally.good]
        if out:
            self.relations.separate(out)

    def stage(self, tallies: dict[int, Tally], *, chunked: bool) -> None:
        """Write the tables of one level; count their rows for each delivery."""
        if not any(tally.good for tally in tallies.values()):
            return
        tables = [table for table in self.plan.tables if table.chunked is chunked]
        for table in tables:
            if table.key:
                self._speak(table)
        for table in tables:
            self._stage_table(table, tallies)

    def _speak(self, table: TablePlan) -> None:
        """Keep an entity's contributions and the keys in them: they are read more than once."""
        name = table.spec.name
        for kept, sql in ((words(name), table.sql), (f"_key_{name}", table.key)):
            self.session.run(f"CREATE OR REPLACE TABLE chunk.{quote_identifier(kept)} AS {sql}", where=f"table {name}")

    def _stage_table(self, table: TablePlan, tallies: dict[int, Tally]) -> None:
        before = sum(tally.rows[table.spec.name] for tally in tallies.values())
        self._write_table(table, tallies)
        self._prove_table(table, sum(tally.rows[table.spec.name] for tally in tallies.values()) - before)

    def _prove_table(self, table: TablePlan, rows: int) -> None:
        """Re-joining the tables of a normal form must give back the rows that they were made from."""
        found = [(self._doubt(queries), meaning) for queries, meaning in table.doubts]
        if table.whole:
            relation = f"chunk.{quote_identifier(GOOD + table.relation)}"
            found.append((self.session.number(f"SELECT count(*) FROM {relation}") - rows, "rows were lost or doubled"))
        for count, meaning in found:
            if count:
                raise StepFailed(
                    f"table {table.spec.name!r} does not give back the rows of {table.relation!r}: {meaning} ({count})",
                    fix="declare the key that tells its rows apart, or move the column to the table that it belongs to",
                )

    def _doubt(self, queries: Sequence[str]) -> int:
        """What the last query counts, unless one before it lays the doubt to rest."""
        count = 0
        for query in queries:
            count = self.session.number(query)
            if not count:
                break
        return count

    def _rows_of(self, table: TablePlan) -> str:
        return f"SELECT * FROM {quote_identifier(words(table.spec.name))}" if table.key else table.sql

    def _write_table(self, table: TablePlan, tallies: dict[int, Tally]) -> None:
        if len(tallies) == 1:
            self._stage_one(table, next(iter(tallies.values())))
        else:
            self._stage_many(table, tallies)

    def _stage_one(self, table: TablePlan, tally: Tally) -> None:
        """One delivery's rows, straight into a file."""
        name = table.spec.name
        sequence = f", {tally.generation.sequence}::BIGINT AS {SEQUENCE}" if table.spec.shared else ""
        since = self.staging.mark()
        rows = self.staging.add(name, f"SELECT * EXCLUDE ({SLOT}){sequence} FROM ({self._rows_of(table)})")
        if self.refusals and not table.chunked:
            rows -= self.refusals.leave_out(table, tally, self.staging, self.quarantine, since)
        tally.rows[name] += rows
        if rows and not table.spec.shared:
            path = quote_literal(self.staging.parts(name)[-1])
            row = quote_identifier(table.spec.row)
            tally.checksums[name] += self.session.number(f"SELECT sum({row}::HUGEINT) FROM read_parquet({path})")
        if name in self.plan.watched:
            path = quote_literal(self.staging.parts(name)[-1])
            tally.digests[name] += self.session.number(f"SELECT {DIGEST} FROM read_parquet({path})")

    def _stage_many(self, table: TablePlan, tallies: dict[int, Tally]) -> None:
        """Rows of many deliveries into one file, counted for each."""
        name, spec = table.spec.name, table.spec
        out = f"chunk.{quote_identifier(words(name))}" if table.key else "chunk._out"
        if not table.key:
            _, stored = self.staging.stored(table.sql)
            self.session.run(f"CREATE OR REPLACE TABLE {out} AS {stored}", where=f"table {name}")
        row = quote_identifier(ROW if spec.shared else spec.row)
        for tally in tallies.values():
            tally.rows[name] += 0
        for ordinal, count, checksum, low, high in self.session.rows(
            f"SELECT {SLOT}, count(*), sum({row}::HUGEINT), min({row}), max({row}) FROM {out} GROUP BY 1"
        ):
            tallies[ordinal].hold(low, high)
            tallies[ordinal].rows[name] += count
            if not spec.shared:
                tallies[ordinal].checksums[name] += int(checksum)
        if name in self.plan.watched:
            found = dict(self.session.rows(f"SELECT {SLOT}, {DIGEST} FROM {out} GROUP BY 1"))
            for ordinal, tally in tallies.items():
                tally.digests[name] += int(found.get(ordinal, 0))
        sequence = f", s.sequence AS {SEQUENCE}" if spec.shared else ""
        joined = f" JOIN main._slots s ON o.{SLOT} = s.ordinal" if spec.shared else ""
        self.staging.add(name, f"SELECT o.* EXCLUDE ({SLOT}){sequence} FROM {out} o{joined}")


def safe_side_by_side(plan: Plan) -> bool:
    """Whether parts may be worked on at the same time: an author's Python functions are called one at a time."""
    return not any(step.chunked and step.function is not None for step in plan.steps)


def side_by_side(
    makers: Sequence[Callable[[], Lane]], items: Iterator[Item], work: Callable[[Lane, int, Item], None]
) -> None:
    """Let each lane, made and closed by a thread of its own, take the next item until there are none. The first error
    ends them all and is raised."""
    numbered, turn, stop = enumerate(items), threading.Lock(), threading.Event()

    def follow(lane: Lane) -> None:
        while not stop.is_set():
            with turn:
                item = next(numbered, None)
            if item is None:
                return
            work(lane, *item)

    def drive(make: Callable[[], Lane]) -> None:
        try:
            lane = make()
            with closing(lane.session):
                follow(lane)
        except BaseException:
            stop.set()
            raise

    with ThreadPoolExecutor(len(makers), thread_name_prefix="lane") as pool:
        for future in [pool.submit(drive, make) for make in makers]:
            future.result()
