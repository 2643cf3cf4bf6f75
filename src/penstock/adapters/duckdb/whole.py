"""Work that sees a whole delivery: uniqueness, aggregates, deduplication."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from penstock.adapters.duckdb.session import Session
from penstock.adapters.duckdb.tally import Tally
from penstock.authoring.rules import CheckSpec
from penstock.compile.checks import failing_rows_query
from penstock.compile.measures import Verdict, judge, measures_query
from penstock.compile.plan import Plan
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
    return rules | ({plan.relation} if plan.deduplicate else set())


class Shelf(Protocol):
    """Where chunk-level relations are kept until the last chunk has passed."""

    def add(self, prefix: str, number: int) -> None:
        """Keep a chunk's rows, of the relations themselves or of their `_good_` views; `number` is its place."""
        ...

    def sources(self) -> dict[str, str]:
        """How to read each relation as one."""
        ...

    def clear(self) -> None:
        """Let all of it go."""
        ...


class Held:
    """A shelf of tables, for what is small."""

    def __init__(self, session: Session, relations: set[str], name: str) -> None:
        self.session = session
        self._tables = {
            relation: f"chunk.{quote_identifier(f'_{name}_of_{relation}')}" for relation in sorted(relations)
        }

    def add(self, prefix: str, number: int) -> None:
        for relation, table in self._tables.items():
            verb = f"INSERT INTO {table}" if number else f"CREATE OR REPLACE TABLE {table} AS"
            self.session.run(f"{verb} FROM chunk.{quote_identifier(prefix + relation)}")

    def sources(self) -> dict[str, str]:
        return self._tables

    def clear(self) -> None:
        for table in self._tables.values():
            self.session.run(f"DROP TABLE IF EXISTS {table}")


class Spill:
    """A shelf of Parquet files, for what is long."""

    def __init__(self, session: Session, relations: set[str], folder: Path) -> None:
        self.session, self.relations, self.folder = session, sorted(relations), folder

    def add(self, prefix: str, number: int) -> None:
        for relation in self.relations:
            folder = self.folder / relation
            folder.mkdir(parents=True, exist_ok=True)
            path = quote_literal(str(folder / f"{number:05d}.parquet"))
            self.session.run(f"COPY (FROM chunk.{quote_identifier(prefix + relation)}) TO {path} (FORMAT parquet)")

    def sources(self) -> dict[str, str]:
        return {name: f"read_parquet({quote_literal(f'{self.folder / name}/*.parquet')})" for name in self.relations}

    def clear(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def find_late(session: Session, plan: Plan, sources: Mapping[str, str], tallies: Mapping[int, Tally]) -> None:
    """Fill `main._late`: duplicates (with an empty reason) and rows that fail a rule about the whole delivery."""
    if plan.deduplicate:
        columns = ", ".join(quote_identifier(column) for column in plan.deduplicate)
        session.run(
            f"INSERT INTO main._late SELECT {SLOT}, {ROW}, '' FROM {sources[plan.relation]} QUALIFY "
            f"row_number() OVER (PARTITION BY {SLOT}, {columns} ORDER BY {ROW}) > 1"
        )
    for spec in slot_rules(plan, chunked=True):
        if spec.severity == "quarantine":
            _reject_late(
                session, spec, sources[spec.relation], _failing(session, spec, sources[spec.relation], tallies)
            )


def _reject_late(session: Session, spec: CheckSpec, relation: str, failing: Mapping[int, Verdict]) -> None:
    """The rows that fail, of those deliveries that fail; a duplicate has its fate already."""
    if not failing:
        return
    query = failing_rows_query(spec.rule, relation, ROW, SLOT)
    session.run(
        f"INSERT INTO main._late SELECT DISTINCT r.{SLOT}, r.{ROW}, {quote_literal(spec.rule.text)} "
        f"FROM ({query}) AS f JOIN {relation} AS r USING ({ROW}) WHERE r.{SLOT} IN ({', '.join(map(str, failing))}) "
        f"AND NOT EXISTS (SELECT 1 FROM main._late l WHERE l.{ROW} = f.{ROW} AND l.reason = '')",
        where=f"check {spec.rule.text}",
    )


def judge_slots(
    session: Session, rules: Sequence[CheckSpec], sources: Mapping[str, str], tallies: Mapping[int, Tally]
) -> None:
    """Measure each delivery and judge it by the rules that put no rows aside."""
    for spec in rules:
        if spec.severity == "quarantine":
            continue
        for ordinal, verdict in _failing(session, spec, sources[spec.relation], tallies).items():
            if spec.severity == "warn":
                tallies[ordinal].warnings[spec.rule.text] += 1
                continue
            error = CheckStopped(
                f"the delivery fails {spec.rule.text}",
                why=verdict.text,
                fix="nothing was loaded; a corrected file replaces it",
            )
            tallies[ordinal].end(Standing.STOPPED, error)


def _failing(session: Session, spec: CheckSpec, relation: str, tallies: Mapping[int, Tally]) -> dict[int, Verdict]:
    """The deliveries that fail a rule, with what was measured."""
    cursor = session.run(measures_query(spec.rule, relation, SLOT), where=f"check {spec.rule.text}")
    nothing = (None,) * (len(cursor.description or ()) - 1)
    found = {row[0]: row[1:] for row in cursor.fetchall()}
    verdicts = {ordinal: judge(spec.rule, found.get(ordinal, nothing)) for ordinal in tallies}
    return {ordinal: verdict for ordinal, verdict in verdicts.items() if not verdict.passed}
