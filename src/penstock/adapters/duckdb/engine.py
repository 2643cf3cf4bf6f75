"""`prepare` on DuckDB: every input once through the plan, into staged tables and rejected rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from penstock.adapters.duckdb.feeding import Batch, Feed
from penstock.adapters.duckdb.parts import Part, RejectedRow
from penstock.adapters.duckdb.quarantine import Quarantine
from penstock.adapters.duckdb.relations import Relations
from penstock.adapters.duckdb.session import Key, Resources, Session
from penstock.adapters.duckdb.staging import PACKED, PLAIN, Staging
from penstock.adapters.duckdb.tally import Tally
from penstock.adapters.duckdb.whole import (
    Spill,
    find_late,
    judge_slots,
    late_relations,
    rejects_late,
    slot_rules,
    wide_steps,
)
from penstock.adapters.files.dialect import Limits
from penstock.adapters.scratch import Scratch
from penstock.authoring.pipeline import SOURCE
from penstock.compile.masks import Masks
from penstock.compile.plan import GOOD, TablePlan
from penstock.compile.sql import quote_identifier, quote_literal
from penstock.errors import CheckStopped, DataError, StepFailed, Suspended
from penstock.model.faults import point
from penstock.model.rows import ROW, SEQUENCE, SLOT
from penstock.model.slots import Generation, Standing
from penstock.runtime.ports import Landing, Preparation, Prepared

LIMITS = Limits()


class DuckEngine:
    """The engine of one machine. Holds no state between runs."""

    def __init__(
        self, landing: Landing, zones: Path, resources: Resources, key: Key | None = None, limits: Limits = LIMITS
    ) -> None:
        self.landing, self.zones, self.resources, self.key, self.limits = landing, zones, resources, key, limits

    def prepare(self, work: Preparation) -> Prepared:
        """See `penstock.runtime.ports.Engine`."""
        with closing(Scratch(self.resources.scratch)) as scratch:
            resources = replace(self.resources, scratch=scratch.folder)
            with Session(resources, key=self.key, run_time=work.run_time) as session:
                if work.plan.reading.encrypts and self.key is not None:
                    session.enable_encryption(self.key)
                return _Preparing(self, session, work, scratch.folder).run()


class _Preparing:
    """One attempt's way through its inputs."""

    def __init__(self, engine: DuckEngine, session: Session, work: Preparation, scratch: Path) -> None:
        self.session, self.work, self.plan, self.scratch = session, work, work.plan, scratch
        place = Path(work.plan.pipeline) / work.run / str(work.attempt)
        self.feed = Feed(engine.landing, work.plan, engine.resources, engine.limits)
        self.relations = Relations(session, work.plan)
        published = any(target.kind == "lake" for target in work.plan.targets)
        self.staging = Staging(session, engine.zones / "staging" / place, PACKED if published else PLAIN)
        self.quarantine = Quarantine(session, work, engine.zones / "quarantine" / place)
        self.tallies = {
            item.ordinal: Tally(item.generation, item.ordinal, _hard(work, item.generation)) for item in work.inputs
        }

    def run(self) -> Prepared:
        self.staging.begin()
        self.quarantine.begin()
        self._name_slots()
        for batch in self.feed.batches(list(self.tallies.values())):
            self._batch(batch)
        point("prepare.before_durable")
        self.quarantine.finish()
        staged = self.staging.finish([table.spec.name for table in self.plan.tables])
        point("prepare.after_durable")
        return Prepared(tuple(tally.result() for tally in self.tallies.values()), staged)

    def _name_slots(self) -> None:
        rows = [
            (
                tally.ordinal,
                tally.base,
                tally.generation.sequence,
                tally.generation.slot.address,
                tally.generation.number,
            )
            for tally in self.tallies.values()
        ]
        columns = [list(column) for column in zip(*rows, strict=True)]
        self.session.run(
            "INSERT INTO main._slots SELECT unnest($1::INTEGER[]), unnest($2::BIGINT[]), unnest($3::BIGINT[]),"
            " unnest($4::VARCHAR[]), unnest($5::INTEGER[])",
            columns,
        )

    # --- one batch -----------------------------------------------------------------------------------------------

    def _batch(self, batch: Batch) -> None:
        """Whole deliveries: many small ones joined, or one in parts."""
        tallies = {tally.ordinal: tally for tally in batch.tallies}
        marks = (self.staging.mark(), self.quarantine.mark())
        try:
            parts = self.feed.parts(batch)
            first, second = next(parts, None), next(parts, None)
            if first is None:
                return
            if second is None:
                self._whole(first, tallies)
            else:
                self._long(batch, _chain(first, second, parts), tallies)
        except DataError as error:
            if error.exit_code == 1 or len(tallies) > 1:
                raise
            self.staging.rollback(marks[0])
            next(iter(tallies.values())).end(Standing.REFUSED, error)
        if all(tally.standing is Standing.REFUSED for tally in tallies.values()):
            self.quarantine.rollback(marks[1])

    def _whole(self, part: Part, tallies: dict[int, Tally]) -> None:
        """A batch that is one part: what sees whole deliveries runs between reading and staging."""
        rejected = self._read(part, tallies)
        self.relations.source(late=False)
        late = rejects_late(self.plan)
        if late:
            self._steps()
            find_late(self.session, self.plan, self._chunk_sources(""), tallies)
            self.relations.start()
            self.relations.reject(rejected)
            self.relations.source(late=True)
        self._steps()
        self._finish_part(tallies, late=late)
        self._stop_and_suspend(tallies, self._chunk_sources(GOOD))
        self._separate(tallies)
        self._stage(tallies, chunked=True)
        self._wide(tallies, self._chunk_sources(GOOD))
        self.session.run("DELETE FROM main._late")

    def _long(self, batch: Batch, parts: Iterator[Part], tallies: dict[int, Tally]) -> None:
        """A delivery in parts. Rows that only the whole can reject are found first, in a pass of their own."""
        late = rejects_late(self.plan)
        if late:
            seen = Spill(self.session, late_relations(self.plan), self.scratch / "seen")
            for part in parts:
                self._read(part, tallies, count=False)
                self.relations.source(late=False)
                self._steps()
                seen.add("")
            find_late(self.session, self.plan, seen.sources(), tallies)
            seen.clear()
            parts = self.feed.parts(batch)
        start = self.staging.mark()
        good = Spill(self.session, set(self.plan.spilled), self.scratch / "good")
        for part in parts:
            self._read(part, tallies)
            self.relations.source(late=late)
            self._steps()
            self._finish_part(tallies, late=late)
            good.add(GOOD)
            self._stage(tallies, chunked=True)
        self._combine(start, tallies)
        self._stop_and_suspend(tallies, good.sources())
        if not all(tally.good for tally in tallies.values()):
            self.staging.rollback(start)
            return
        self._wide(tallies, good.sources())
        good.clear()
        self.session.run("DELETE FROM main._late")

    # --- pieces --------------------------------------------------------------------------------------------------

    def _read(self, part: Part, tallies: dict[int, Tally], *, count: bool = True) -> list[RejectedRow]:
        """Read a part and count its records; returns those that never became rows."""
        self.relations.start()
        rejected = part.read_into(self.session, self.relations.masks["source"].expressions, self.scratch)
        self.relations.reject(rejected)
        for ordinal, (records, last_line) in part.records.items() if count else ():
            tallies[ordinal].read += records
            tallies[ordinal].lines = max(tallies[ordinal].lines, last_line)
        self.work.progress(sum(tally.read for tally in self.tallies.values()))
        return rejected

    def _steps(self) -> None:
        self.relations.steps()
        self.relations.count_losses()

    def _finish_part(self, tallies: dict[int, Tally], *, late: bool) -> None:
        self.relations.separate()
        self.relations.account(tallies, late=late)
        self.relations.warnings(tallies)
        self.quarantine.add()

    def _separate(self, tallies: dict[int, Tally]) -> None:
        out = [tally.ordinal for tally in tallies.values() if not tally.good]
        if out:
            self.relations.separate(out)

    def _stop_and_suspend(self, tallies: dict[int, Tally], sources: dict[str, str]) -> None:
        judge_slots(self.session, slot_rules(self.plan, chunked=True), sources, tallies)
        stops = {spec.rule.text for specs in self.plan.rules.values() for spec in specs if spec.severity == "stop"}
        for tally in tallies.values():
            failed = [reason for reason in tally.reasons if reason in stops]
            if failed:
                rows = tally.reasons[failed[0]]
                tally.end(Standing.STOPPED, CheckStopped(f"{rows} rows fail {failed[0]}", fix="nothing was loaded"))
            if tally.hard and tally.quarantined:
                tally.end(Standing.SUSPENDED, _suspended(tally))

    def _stage(self, tallies: dict[int, Tally], *, chunked: bool) -> None:
        """Write the tables of one level; count their rows for each delivery."""
        if not any(tally.good for tally in tallies.values()):
            return
        tables = [table for table in self.plan.tables if table.chunked is chunked]
        if chunked and tables:
            for name, sql in self.plan.keys:
                self.session.run(f"CREATE OR REPLACE TABLE chunk._key_{name} AS {sql}", where=f"table {name}")
        for table in tables:
            self._stage_table(table, tallies)

    def _stage_table(self, table: TablePlan, tallies: dict[int, Tally]) -> None:
        before = sum(tally.rows[table.spec.name] for tally in tallies.values())
        self._write_table(table, tallies)
        self._prove_table(table, sum(tally.rows[table.spec.name] for tally in tallies.values()) - before)

    def _prove_table(self, table: TablePlan, rows: int) -> None:
        """Re-joining the tables of a normal form must give back the rows that they were made from."""
        found = [(self.session.number(query), meaning) for query, meaning in table.doubts]
        if table.whole:
            relation = f"chunk.{quote_identifier(GOOD + table.relation)}"
            found.append((self.session.number(f"SELECT count(*) FROM {relation}") - rows, "rows were lost or doubled"))
        for count, meaning in found:
            if count:
                raise StepFailed(
                    f"table {table.spec.name!r} does not give back the rows of {table.relation!r}: {meaning} ({count})",
                    fix="declare the key that tells its rows apart, or move the column to the table that it belongs to",
                )

    def _write_table(self, table: TablePlan, tallies: dict[int, Tally]) -> None:
        if len(tallies) == 1:
            self._stage_one(table, next(iter(tallies.values())))
        else:
            self._stage_many(table, tallies)

    def _stage_one(self, table: TablePlan, tally: Tally) -> None:
        """One delivery's rows, straight into a file."""
        name = table.spec.name
        sequence = f", {tally.generation.sequence}::BIGINT AS {SEQUENCE}" if table.spec.shared else ""
        rows = self.staging.add(name, f"SELECT * EXCLUDE ({SLOT}){sequence} FROM ({table.sql})")
        tally.rows[name] += rows
        if rows and not table.spec.shared:
            path = quote_literal(self.staging.parts(name)[-1])
            row = quote_identifier(table.spec.row)
            tally.checksums[name] += self.session.number(f"SELECT sum({row}::HUGEINT) FROM read_parquet({path})")

    def _stage_many(self, table: TablePlan, tallies: dict[int, Tally]) -> None:
        """Rows of many deliveries into one file, counted for each."""
        name, spec = table.spec.name, table.spec
        self.session.run(f"CREATE OR REPLACE TABLE chunk._out AS {table.sql}", where=f"table {name}")
        row = quote_identifier(ROW if spec.shared else spec.row)
        for ordinal, count, checksum in self.session.rows(
            f"SELECT {SLOT}, count(*), sum({row}::HUGEINT) FROM chunk._out GROUP BY 1"
        ):
            tallies[ordinal].rows[name] += count
            if not spec.shared:
                tallies[ordinal].checksums[name] += int(checksum)
        sequence = f", s.sequence AS {SEQUENCE}" if spec.shared else ""
        joined = f" JOIN main._slots s ON o.{SLOT} = s.ordinal" if spec.shared else ""
        self.staging.add(name, f"SELECT o.* EXCLUDE ({SLOT}){sequence} FROM chunk._out o{joined}")

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

    def _wide(self, tallies: dict[int, Tally], sources: dict[str, str]) -> None:
        """Slot-level steps, checks and tables, delivery by delivery."""
        if all(step.chunked for step in self.plan.steps):
            return
        for tally in tallies.values():
            if not tally.good:
                continue
            wide_steps(self.session, self.plan, sources, tally)
            mine = {tally.ordinal: tally}
            self._judge_wide_rows(tally)
            rules = slot_rules(self.plan, chunked=False)
            judge_slots(
                self.session, rules, {s.relation: f"chunk.{quote_identifier(GOOD + s.relation)}" for s in rules}, mine
            )
            if tally.good:
                self._stage(mine, chunked=False)

    def _judge_wide_rows(self, tally: Tally) -> None:
        """Rules about the rows of wide steps: `warn` counts, `stop` keeps the delivery out."""
        for relation, tests in self.relations.masks.items():
            if self.plan.chunked(relation):
                continue
            for severity in ("warn", "stop"):
                for text, count in self._failures(tests, f"chunk.{quote_identifier(GOOD + relation)}", severity):
                    if severity == "warn":
                        tally.warnings[text] += count
                    else:
                        error = CheckStopped(f"{count} rows of step {relation!r} fail {text}", fix="nothing was loaded")
                        tally.end(Standing.STOPPED, error)

    def _failures(self, tests: Masks, relation: str, severity: str) -> list[tuple[str, int]]:
        """(text, rows) of the rules of one severity that rows of a relation fail."""
        counts = tests.counts(severity)
        if not counts:
            return []
        sums = ", ".join(aggregate for _, aggregate in counts)
        (found,) = self.session.rows(f"SELECT {sums} FROM (SELECT {tests.faults} FROM {relation})")
        return [(text, count) for (text, _), count in zip(counts, found, strict=True) if count]

    def _chunk_sources(self, prefix: str) -> dict[str, str]:
        names = (SOURCE, *(step.name for step in self.plan.steps if step.chunked))
        return {name: f"chunk.{quote_identifier(prefix + name)}" for name in names}


def _hard(work: Preparation, generation: Generation) -> bool:
    """The person's word for this run, else what pipeline and environment say."""
    return work.hard if generation.hard is None else generation.hard


def _suspended(tally: Tally) -> Suspended:
    reasons = ", ".join(list(tally.reasons)[:3])
    return Suspended(
        f"{tally.quarantined} of {tally.read} rows fail: {reasons}",
        why="the pipeline is hard: it loads a delivery whole or not at all",
        fix="correct the file, or release the run to load the rest (penstock redrive RUN)",
    )


def _chain(first: Part, second: Part, rest: Iterator[Part]) -> Iterator[Part]:
    yield first
    yield second
    yield from rest
