"""One chunk of rows on its way through a plan: read, judged, reshaped, told apart into good and rejected.

Relations of a chunk live in the schema `chunk` under their authors' names; `_good_<relation>` are the views that tables
are made from. `_rejected` collects (slot, row, reasons) whatever the level they were found at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.adapters.duckdb.functions import call_step
from penstock.adapters.duckdb.session import Session
from penstock.adapters.duckdb.tally import Tally
from penstock.compile.drift import misfit
from penstock.compile.masks import Masks, reason_list
from penstock.compile.once import each
from penstock.compile.outputs import GOOD
from penstock.compile.plan import Plan, StepPlan
from penstock.compile.reading import CAST, SHAPE
from penstock.compile.sql import quote_identifier, quote_literal
from penstock.errors import RowsUnaccounted, StepFailed
from penstock.model.rows import ROW, SLOT

REJECTED = (
    f"CREATE OR REPLACE TABLE chunk._rejected ({SLOT} INTEGER, {ROW} BIGINT, reasons VARCHAR[], shape VARCHAR, "
    "byte_start BIGINT, byte_end BIGINT, kept VARCHAR)"
)


def kept_values(plan: Plan, row: str = "") -> str:
    """SQL for the protected values of a row of `_source` as JSON; NULL for one whose values are not of their types."""
    return f"CASE WHEN {row}{CAST} = 0 THEN {values_of(plan, row)} END"


def values_of(plan: Plan, row: str = "") -> str:
    """The same for a row whose values are of their types."""
    values = ", ".join(f"{quote_literal(name)}, {row}{quote_identifier(name)}" for name in plan.reading.kept)
    return f"json_object({values})::VARCHAR"


class Relations:
    """Builds and judges the relations of a chunk."""

    def __init__(self, session: Session, plan: Plan) -> None:
        self.session, self.plan = session, plan
        self.masks = {relation: Masks(rules) for relation, rules in plan.rules.items()}
        self.masks.setdefault(plan.relation, Masks(()))
        self.root = f"chunk.{quote_identifier(plan.relation)}"
        session.run("CREATE SCHEMA IF NOT EXISTS chunk")
        session.run("CREATE SCHEMA IF NOT EXISTS slot")
        session.run(
            "CREATE TABLE IF NOT EXISTS main._slots "
            "(ordinal INTEGER, base BIGINT, sequence BIGINT, address VARCHAR, number INTEGER, parts VARCHAR)"
        )
        session.run(f"CREATE TABLE IF NOT EXISTS main._late ({SLOT} INTEGER, {ROW} BIGINT, reason VARCHAR)")
        session.run("SET search_path = 'chunk'")

    # --- source --------------------------------------------------------------------------------------------------

    def start(self) -> None:
        self.session.run(REJECTED)

    def reject(self, rows: Sequence[tuple[int, int, str, str | None, int | None, int | None]]) -> None:
        """Add rows that never became columns: (ordinal, row, reason, shape, start, end)."""
        if rows:
            columns = [list(column) for column in zip(*rows, strict=True)]
            self.session.run(
                "INSERT INTO chunk._rejected SELECT unnest($1::INTEGER[]), unnest($2::BIGINT[]), "
                "[unnest($3::VARCHAR[])], unnest($4::VARCHAR[]), unnest($5::BIGINT[]), unnest($6::BIGINT[]), NULL",
                columns,
            )

    def source(self, *, late: bool) -> None:
        """Define the source over `chunk._source`: rows that were read, are of their types and pass their checks."""
        tests = self.masks[self.plan.relation]
        failing = tests.failing()
        bits, kinds = self.plan.reading.bits, dict(self.plan.reading.typed)
        casts = [
            f"CASE WHEN ({mask} & {bit}) <> 0 THEN {quote_literal(misfit(name, kinds[name]))} END"
            for name, (mask, bit) in bits.items()
        ]
        self.session.run(
            f"INSERT INTO chunk._rejected SELECT {SLOT}, {ROW}, {reason_list([*casts, *tests.reasons(bits)])}, "
            f"{SHAPE}, NULL, NULL, {kept_values(self.plan)} FROM chunk._source WHERE {CAST} <> 0 OR {failing}"
        )
        if late:
            self.session.run(
                f"INSERT INTO chunk._rejected SELECT l.{SLOT}, l.{ROW}, [l.reason], NULL, NULL, NULL, NULL "
                f"FROM main._late l SEMI JOIN chunk._source s USING ({ROW}) WHERE l.reason <> ''"
            )
        kept = ", ".join(quote_identifier(name) for name in self.plan.reading.kept)
        outside = f" AND {ROW} NOT IN (SELECT {ROW} FROM main._late)" if late else ""
        rows = f"SELECT {ROW}, {SLOT}, {kept} FROM chunk._source WHERE {CAST} = 0 AND NOT ({failing}){outside}"
        self.session.run(f"CREATE OR REPLACE VIEW {self.root} AS {self._with_parts(rows)}")

    def _with_parts(self, rows: str) -> str:
        """Rows with the parts of their delivery's path that are columns."""
        parts = self.plan.reading.parts
        if not parts:
            return rows
        values = ", ".join(
            f"CAST(json_extract_string(o.parts, {quote_literal(f'$.{quote_identifier(name)}')}) AS {kind}) "
            f"AS {quote_identifier(name)}"
            for name, kind in parts
        )
        return f"SELECT s.*, {values} FROM ({rows}) s JOIN main._slots o ON s.{SLOT} = o.ordinal"

    # --- steps ---------------------------------------------------------------------------------------------------

    def steps(self) -> None:
        """Run the chunk-level steps; what their checks reject goes to `_rejected`."""
        for step in self.plan.steps:
            if step.chunked:
                self._step(step)
                self._judge(step.name)

    def _step(self, step: StepPlan) -> None:
        name = quote_identifier(step.name)
        if step.function is not None:
            call_step(self.session, step, step.function, f"chunk.{name}", hidden=False)
            return
        columns = (
            ", ".join((ROW, SLOT, *(quote_identifier(column) for column in step.columns))) if step.columns else "*"
        )
        if step.each:
            values = quote_identifier(each(step.name))
            self.session.run(f"CREATE OR REPLACE TABLE chunk.{values} AS {step.each}", where=f"step {step.name}")
        kind = "TABLE" if step.stored else "VIEW"
        self.session.run(
            f"CREATE OR REPLACE {kind} chunk.{name} AS SELECT {columns} FROM ({step.sql})", where=f"step {step.name}"
        )

    def _judge(self, relation: str) -> None:
        tests = self.masks.get(relation)
        if tests is None or not tests.rules:
            return
        self.session.run(
            f"INSERT INTO chunk._rejected SELECT {SLOT}, {ROW}, {reason_list(tests.reasons())}, NULL, NULL, NULL, NULL "
            f"FROM (SELECT {ROW}, {SLOT}, {tests.faults} FROM chunk.{quote_identifier(relation)}) "
            f"WHERE {tests.failing()}",
            where=f"checks on {relation}",
        )

    def count_losses(self) -> None:
        """Raise `RowsUnaccounted` where a step's output does not speak of a row that went in."""
        for step in self.plan.steps:
            if step.chunked and step.counted:
                lost = self._lost(quote_identifier(step.inputs[0]), quote_identifier(self._witness(step)))
                if lost:
                    raise RowsUnaccounted(
                        f"step {step.name!r} lost {lost} row{'s' if lost > 1 else ''}",
                        why="a row went in and nothing that came out speaks of it (an empty list unnests to nothing)",
                        fix="add filters=True if it leaves rows out on purpose",
                    )
            if step.chunked and step.function is not None:
                self._count_inventions(step)

    def _lost(self, source: str, witness: str) -> int:
        """How many rows of one relation another, which has none but these, does not speak of."""
        if (rows := self._in_order(source)) is not None and rows == self._in_order(witness):
            return 0
        return self.session.number(f"SELECT count(*) FROM chunk.{source} ANTI JOIN chunk.{witness} USING ({ROW})")

    def _in_order(self, relation: str) -> int | None:
        """How many source rows a relation speaks of, where they stand in order, as they mostly do: to count where the
        row changes costs a third of looking each one up. None where they do not."""
        [(changes, falls)] = self.session.rows(
            f"SELECT count(*) FILTER ({ROW} IS DISTINCT FROM before), count(*) FILTER ({ROW} < before) "
            f"FROM (SELECT {ROW}, lag({ROW}) OVER () AS before FROM chunk.{relation})"
        )
        return None if falls else int(changes)

    def _count_inventions(self, step: StepPlan) -> None:
        source, name = quote_identifier(step.inputs[0]), quote_identifier(step.name)
        invented = self.session.number(
            f"SELECT count(*) FROM chunk.{name} ANTI JOIN chunk.{source} USING ({ROW}, {SLOT})"
        )
        if invented:
            raise StepFailed(
                f"step {step.name!r} gave {invented} rows that no input row stands behind",
                fix="keep the columns _row and _slot as they came, or leave rowwise=True out",
            )

    def _witness(self, step: StepPlan) -> str:
        """A stored relation with the same source rows as a step's: cheaper to look into than a view."""
        if step.stored:
            return step.name
        for other in self.plan.steps:
            if other.inputs == (step.name,) and other.chunked and other.stored and not (other.counted or other.filters):
                return other.name
        return step.name

    def forget(self, ordinals: Sequence[int]) -> None:
        """What was rejected of these deliveries is of no interest: they are refused as a whole."""
        if ordinals:
            self.session.run(f"DELETE FROM chunk._rejected WHERE {SLOT} IN ({', '.join(map(str, ordinals))})")

    # --- good rows -----------------------------------------------------------------------------------------------

    def separate(self, out: Sequence[int] = ()) -> None:
        """Define the `_good_` views: without the rows that any step rejected, and without the slots in `out`."""
        self.session.run(f"CREATE OR REPLACE TABLE chunk._bad AS SELECT DISTINCT {ROW} FROM chunk._rejected")
        conditions = [f"{SLOT} NOT IN ({', '.join(map(str, out))})"] if out else []
        if self.session.number(f"SELECT count(*) FROM chunk._bad b SEMI JOIN {self.root} s USING ({ROW})"):
            conditions.append(f"{ROW} NOT IN (SELECT {ROW} FROM chunk._bad)")
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        for relation in (self.plan.relation, *(step.name for step in self.plan.steps if step.chunked)):
            name = quote_identifier(relation)
            self.session.run(
                f"CREATE OR REPLACE VIEW chunk.{quote_identifier(GOOD + relation)} AS SELECT * FROM chunk.{name}{where}"
            )

    def account(self, tallies: dict[int, Tally], *, late: bool) -> None:
        """Count the fates of this chunk's rows, each from the rows themselves."""
        for ordinal, count in self.session.rows(
            f"SELECT {SLOT}, count(DISTINCT {ROW}) FROM chunk._rejected GROUP BY 1"
        ):
            tallies[ordinal].quarantined += count
        for ordinal, reason, count, shape in self.session.rows(
            f"SELECT {SLOT}, reason, count(DISTINCT {ROW}), mode(shape) "
            f"FROM (SELECT {SLOT}, {ROW}, shape, unnest(reasons) AS reason FROM chunk._rejected) GROUP BY 1, 2"
        ):
            tallies[ordinal].reasons[reason] += count
            tallies[ordinal].shapes.setdefault(reason, shape or "")
        filtered = self._filtered()
        for ordinal, count in self.session.rows(
            f"SELECT {SLOT}, count(*) FROM {self.root} ANTI JOIN chunk._bad USING ({ROW}) GROUP BY 1"
        ):
            tallies[ordinal].filtered += filtered.get(ordinal, 0)
            tallies[ordinal].kept += count - filtered.get(ordinal, 0)
        if late:
            for ordinal, count in self.session.rows(
                f"SELECT l.{SLOT}, count(*) FROM main._late l SEMI JOIN chunk._source s USING ({ROW}) "
                "WHERE l.reason = '' GROUP BY 1"
            ):
                tallies[ordinal].deduplicated += count

    def _filtered(self) -> dict[int, int]:
        """Good rows that reach no table: every way out passes a step that filters."""
        if not any(step.filters for step in self.plan.steps if step.chunked):
            return {}
        ends = {table.relation for table in self.plan.tables if table.chunked} | set(self.plan.spilled)
        arrivals = " UNION ALL ".join(f"SELECT {ROW} FROM chunk.{quote_identifier(end)}" for end in sorted(ends))
        rows: list[tuple[Any, ...]] = self.session.rows(
            f"SELECT {SLOT}, count(*) FROM {self.root} ANTI JOIN chunk._bad USING ({ROW}) "
            f"ANTI JOIN ({arrivals}) AS arrived USING ({ROW}) GROUP BY 1"
        )
        return dict(rows)

    def warnings(self, tallies: dict[int, Tally]) -> None:
        """Count what `warn` rules about rows found."""
        for relation, tests in self.masks.items():
            counts = tests.counts("warn")
            if not counts or not self.plan.chunked(relation):
                continue
            sums = ", ".join(aggregate for _, aggregate in counts)
            name = quote_identifier(relation)
            for ordinal, *found in self.session.rows(
                f"SELECT {SLOT}, {sums} FROM (SELECT {SLOT}, {tests.faults} FROM chunk.{name}) GROUP BY 1"
            ):
                for (text, _), count in zip(counts, found, strict=True):
                    if count:
                        tallies[ordinal].warnings[text] += count
