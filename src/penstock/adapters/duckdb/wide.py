"""Wide steps: each sees one whole delivery. What they give for many deliveries is judged and staged together.

Planning a statement costs more than running it over a few rows, so that what does not depend on the delivery is
said once: the relations are views that ask a variable whose rows they show.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from penstock.adapters.duckdb.functions import call_step
from penstock.adapters.duckdb.lane import Lane
from penstock.adapters.duckdb.tally import Tally
from penstock.adapters.duckdb.whole import judge_slots, slot_rules
from penstock.compile.outputs import GOOD
from penstock.compile.plan import Plan, StepPlan
from penstock.compile.sql import quote_identifier
from penstock.errors import CheckStopped
from penstock.model.rows import ROW, SLOT
from penstock.model.slots import Standing

_HERE = "getvariable('penstock_slot')"
"""The ordinal of the delivery whose turn it is."""


def gathers(plan: Plan) -> bool:
    """Whether the rows of many deliveries may stand in one table before they are staged.

    Columns must be the same for each: a function or a pivot may give others. A normal form is proven for each alone.
    """
    steps = [step for step in plan.steps if not step.chunked]
    tables = [table for table in plan.tables if not table.chunked]
    same = all(step.function is None and "pivot" not in step.sql.lower() for step in steps)
    return same and not any(table.key or table.doubts or table.whole for table in tables)


class Wide:
    """The wide steps of a plan at work."""

    def __init__(self, lane: Lane) -> None:
        self.lane, self.session, self.plan = lane, lane.session, lane.plan
        self._steps = [step for step in self.plan.steps if not step.chunked]

    def run(self, tallies: Sequence[Tally], sources: Mapping[str, str]) -> None:
        """Run, judge and stage; `sources` says how to read what the steps may, by name. Deliveries that are out
        already are passed over."""
        if not self._steps:
            return
        for together in self._groups([tally for tally in tallies if tally.good]):
            if together:
                self._make(together, sources)
                self._judge({tally.ordinal: tally for tally in together})

    def _groups(self, good: list[Tally]) -> Iterator[list[Tally]]:
        """Those whose rows stand in one table; what a destination has refused of a delivery leaves it alone."""
        refused = self.lane.refusals
        alone = [tally for tally in good if not gathers(self.plan) or (refused and refused.of(tally))]
        yield [tally for tally in good if all(tally is not each for each in alone)]
        yield from ([tally] for tally in alone)

    def _make(self, tallies: Sequence[Tally], sources: Mapping[str, str]) -> None:
        self.session.run("SET search_path = 'slot'")
        try:
            self._turn(tallies[0])
            for name, origin in sources.items():
                self._show(name, origin)
            for place, tally in enumerate(tallies):
                if place:
                    self._turn(tally)
                for step in self._steps:
                    self._step(step, tally, first=place == 0)
        finally:
            self.session.run("SET search_path = 'chunk'")
        for step in self._steps:
            self._good(step)

    def _turn(self, tally: Tally) -> None:
        self.session.run(f"SET VARIABLE penstock_slot = {tally.ordinal}")

    def _show(self, name: str, origin: str) -> None:
        """A relation of the schema `slot`: a delivery's rows of it, without their identities."""
        self.session.run(
            f"CREATE OR REPLACE VIEW slot.{quote_identifier(name)} AS SELECT * EXCLUDE ({ROW}, {SLOT}) "
            f"FROM {origin} WHERE {SLOT} = {_HERE}"
        )

    def _step(self, step: StepPlan, tally: Tally, *, first: bool) -> None:
        """Keep what a step gives for a delivery, as rows of the delivery."""
        sql = step.sql
        if step.function is not None:
            made = f"slot.{quote_identifier(f'_made_{step.name}')}"
            call_step(self.session, step, step.function, made, hidden=True)
            sql = f"FROM {made}"
        kept, rows = _kept(step), f"SELECT {tally.base}::BIGINT AS {ROW}, {tally.ordinal}::INTEGER AS {SLOT}, * "
        where = f"step {step.name}"
        if first:
            self.session.run(f"CREATE OR REPLACE TABLE {kept} AS {rows} FROM ({sql})", where=where)
            self._show(step.name, kept)
        else:
            self.session.run(f"INSERT INTO {kept} BY NAME {rows} FROM ({sql})", where=where)

    def _good(self, step: StepPlan, out: Sequence[int] = ()) -> None:
        """Define what tables are made from: without the deliveries that are out."""
        where = f" WHERE {SLOT} NOT IN ({', '.join(map(str, out))})" if out else ""
        good = f"chunk.{quote_identifier(GOOD + step.name)}"
        self.session.run(f"CREATE OR REPLACE VIEW {good} AS SELECT * FROM {_kept(step)}{where}")

    def _judge(self, tallies: dict[int, Tally]) -> None:
        self._judge_rows(tallies)
        rules = slot_rules(self.plan, chunked=False)
        sources = {spec.relation: f"chunk.{quote_identifier(GOOD + spec.relation)}" for spec in rules}
        judge_slots(self.session, rules, sources, tallies)
        if out := [ordinal for ordinal, tally in tallies.items() if not tally.good]:
            for step in self._steps:
                self._good(step, out)
        self.lane.stage({ordinal: tally for ordinal, tally in tallies.items() if tally.good}, chunked=False)

    def _judge_rows(self, tallies: dict[int, Tally]) -> None:
        """Rules about the rows of wide steps: `warn` counts, `stop` keeps a delivery out."""
        for step in self._steps:
            for severity in ("warn", "stop"):
                for tally, text, count in self._failures(step.name, severity, tallies):
                    if severity == "warn":
                        tally.warnings[text] += count
                        continue
                    what = f"{count} rows of step {step.name!r} fail {text}"
                    tally.end(Standing.STOPPED, CheckStopped(what, fix="nothing was loaded"))

    def _failures(self, relation: str, severity: str, tallies: dict[int, Tally]) -> list[tuple[Tally, str, int]]:
        """(delivery, text, rows) of the rules of one severity that rows of a relation fail."""
        tests = self.lane.relations.masks.get(relation)
        counts = tests.counts(severity) if tests else []
        if tests is None or not counts:
            return []
        sums = ", ".join(aggregate for _, aggregate in counts)
        rows = f"SELECT {SLOT}, {tests.faults} FROM chunk.{quote_identifier(GOOD + relation)}"
        return [
            (tallies[ordinal], text, count)
            for ordinal, *found in self.session.rows(f"SELECT {SLOT}, {sums} FROM ({rows}) GROUP BY 1 ORDER BY 1")
            for (text, _), count in zip(counts, found, strict=True)
            if count
        ]


def _kept(step: StepPlan) -> str:
    """Where the rows of a wide step lie."""
    return f"chunk.{quote_identifier(f'_wide_{step.name}')}"
