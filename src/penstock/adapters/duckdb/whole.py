"""Work that sees a whole delivery: uniqueness, aggregates, deduplication, wide steps."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from penstock.adapters.duckdb.functions import call_step
from penstock.adapters.duckdb.session import Session
from penstock.adapters.duckdb.tally import Tally
from penstock.authoring.pipeline import SOURCE
from penstock.authoring.rules import CheckSpec
from penstock.compile.checks import failing_rows_query
from penstock.compile.measures import JUDGED, judge, measures_query
from penstock.compile.plan import GOOD, Plan
from penstock.compile.sql import quote_identifier, quote_literal
from penstock.errors import CheckStopped
from penstock.model.rows import ROW, SLOT
from penstock.model.slots import Standing


def slot_rules(plan: Plan, *, chunked: bool) -> list[CheckSpec]:
    """The rules that judge a delivery as a whole, over relations of one level."""
    return [
        spec
        for relation, specs in plan.rules.items()
        if plan.chunked(relation) is chunked
        for spec in specs
        if spec.rule.scope == "slot"
    ]


def rejects_late(plan: Plan) -> bool:
    """Whether rows can be left out only after all of a delivery has been read."""
    return bool(plan.deduplicate) or any(spec.severity == "quarantine" for spec in slot_rules(plan, chunked=True))


def late_relations(plan: Plan) -> set[str]:
    """The relations in which late rejects are looked for."""
    rules = {spec.relation for spec in slot_rules(plan, chunked=True) if spec.severity == "quarantine"}
    return rules | ({SOURCE} if plan.deduplicate else set())


class Spill:
    """Chunk-level relations of a long delivery, kept as Parquet until its last chunk has passed."""

    def __init__(self, session: Session, relations: set[str], folder: Path) -> None:
        self.session, self.relations, self.folder = session, sorted(relations), folder
        self.parts = 0

    def add(self, prefix: str) -> None:
        """Keep this chunk's rows, of the relations themselves or of their `_good_` views."""
        for relation in self.relations:
            folder = self.folder / relation
            folder.mkdir(parents=True, exist_ok=True)
            path = quote_literal(str(folder / f"{self.parts:05d}.parquet"))
            self.session.run(f"COPY (FROM chunk.{quote_identifier(prefix + relation)}) TO {path} (FORMAT parquet)")
        self.parts += 1

    def sources(self) -> dict[str, str]:
        """How to read each spilled relation as one."""
        return {name: f"read_parquet({quote_literal(f'{self.folder / name}/*.parquet')})" for name in self.relations}

    def clear(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def find_late(session: Session, plan: Plan, sources: Mapping[str, str]) -> None:
    """Fill `main._late`: duplicates (with an empty reason) and rows that fail a rule about the whole delivery."""
    if plan.deduplicate:
        columns = ", ".join(quote_identifier(column) for column in plan.deduplicate)
        session.run(
            f"INSERT INTO main._late SELECT {SLOT}, {ROW}, '' FROM {sources[SOURCE]} QUALIFY "
            f"row_number() OVER (PARTITION BY {SLOT}, {columns} ORDER BY {ROW}) > 1"
        )
    for spec in slot_rules(plan, chunked=True):
        if spec.severity == "quarantine":
            query = failing_rows_query(spec.rule, sources[spec.relation], ROW, SLOT)
            session.run(
                f"INSERT INTO main._late SELECT DISTINCT r.{SLOT}, r.{ROW}, {quote_literal(spec.rule.text)} "
                f"FROM ({query}) AS f JOIN {sources[spec.relation]} AS r USING ({ROW}) "
                f"WHERE NOT EXISTS (SELECT 1 FROM main._late l WHERE l.{ROW} = f.{ROW} AND l.reason = '')"
            )


def judge_slots(
    session: Session, rules: Sequence[CheckSpec], sources: Mapping[str, str], tallies: Mapping[int, Tally]
) -> None:
    """Measure each delivery and judge it by the rules that do not name rows."""
    for spec in rules:
        if spec.severity == "quarantine":
            continue
        measures = measures_query(spec.rule, sources[spec.relation], SLOT)
        for ordinal, *values in session.rows(
            f"SELECT o.ordinal, m.* EXCLUDE ({JUDGED}) FROM main._slots o LEFT JOIN ({measures}) m ON m.{JUDGED} = o.ordinal "
            f"WHERE o.ordinal IN ({', '.join(map(str, tallies))})",
            where=f"check {spec.rule.text}",
        ):
            verdict = judge(spec.rule, values)
            if verdict.passed:
                continue
            if spec.severity == "warn":
                tallies[ordinal].warnings[spec.rule.text] += 1
            else:
                tallies[ordinal].end(
                    Standing.STOPPED,
                    CheckStopped(
                        f"the delivery fails {spec.rule.text}",
                        why=f"observed: {verdict.observed}",
                        fix="nothing was loaded; a corrected file replaces it",
                    ),
                )


def wide_steps(session: Session, plan: Plan, sources: Mapping[str, str], tally: Tally) -> None:
    """Run the slot-level steps of one delivery in the schema `slot`, and define their `_good_` views."""
    session.run("SET search_path = 'slot'")
    try:
        for name, origin in sources.items():
            session.run(
                f"CREATE OR REPLACE VIEW slot.{quote_identifier(name)} AS SELECT * EXCLUDE ({ROW}, {SLOT}) "
                f"FROM {origin} WHERE {SLOT} = {tally.ordinal}"
            )
        for step in plan.steps:
            if step.chunked:
                continue
            name = quote_identifier(step.name)
            if step.function is not None:
                call_step(session, step, f"slot.{name}", hidden=True)
            else:
                session.run(f"CREATE OR REPLACE TABLE slot.{name} AS {step.sql}", where=f"step {step.name}")
            session.run(
                f"CREATE OR REPLACE VIEW chunk.{quote_identifier(GOOD + step.name)} AS SELECT {tally.base}::BIGINT AS {ROW}, "
                f"{tally.ordinal}::INTEGER AS {SLOT}, * FROM slot.{name}"
            )
    finally:
        session.run("SET search_path = 'chunk'")
