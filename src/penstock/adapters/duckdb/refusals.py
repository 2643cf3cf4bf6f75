"""Rows that a destination refused, left out of what is prepared again.

A row of an owned table leads to its source row, one of a shared table to every source row that speaks of its key; these
go the way of all rows that only a whole delivery can reject. A row of a wide step is left out of its table.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from penstock.adapters.duckdb import waits
from penstock.adapters.duckdb.quarantine import Quarantine
from penstock.adapters.duckdb.session import Session
from penstock.adapters.duckdb.staging import Staging
from penstock.adapters.duckdb.tally import Tally
from penstock.adapters.duckdb.waits import HEALED, PARKED, WAITING, unharmed, with_values
from penstock.compile.marks import mark, telling, values_of
from penstock.compile.outputs import TablePlan
from penstock.compile.plan import Plan
from penstock.compile.sql import quote_literal
from penstock.model.refusals import ATTEMPTS, BY, RETRY, Aside, Refused
from penstock.model.rows import ROW, SLOT
from penstock.model.slots import Kind
from penstock.runtime.ports import Preparation

_ALL = 2**62
_OURS = f"starts_with({{}}reason, {quote_literal(BY)})"
_NOT_DROPPED = f"NOT EXISTS (SELECT 1 FROM main._late l WHERE l.{ROW} = r.{ROW} AND l.reason = '')"
"""A duplicate has its fate already."""


@dataclass(slots=True)
class _Found:
    """What waits of one generation: its line, and how often it was tried; with whether it is parked."""

    rows: list[tuple[int, int, bool]] = field(default_factory=list)

    def aside(self, *, whole: bool) -> Aside:
        lines, parked = ([line for line, _, over in sorted(self.rows) if over is wanted] for wanted in (False, True))
        tries = min((tries for _, tries, over in self.rows if not over), default=ATTEMPTS)
        return Aside(tuple(lines), tuple(parked), whole, tries if lines else ATTEMPTS)


class Refusals:
    """Of one attempt."""

    def __init__(self, session: Session, work: Preparation) -> None:
        self.session, self.work = session, work
        self.whole = bool(work.plan.members) or work.plan.indivisible or work.plan.source.format == "parquet"
        self._refused: dict[str, list[Refused]] = defaultdict(list)
        for item in work.refused:
            self._refused[item.slot].append(item)
        self._found: dict[str, _Found] = defaultdict(_Found)
        self._recalled = ""
        if self:
            waits.prepare(session)

    def __bool__(self) -> bool:
        """Whether there may be anything to leave out."""
        return bool(self._refused) or any(found.refused for found in self.work.earlier.values())

    def of(self, tally: Tally) -> bool:
        """The same of one generation."""
        address = tally.generation.slot.address
        earlier = self.work.earlier.get(address)
        return address in self._refused or (earlier is not None and earlier.refused)

    def _recall(self, tally: Tally) -> None:
        """What waited before is what waited of this generation's slot. Of several inputs it is that already."""
        address = tally.generation.slot.address
        if self.work.plan.members or address == self._recalled:
            return
        self._recalled, earlier = address, self.work.earlier.get(address)
        waits.remember(self.session, {tally.ordinal: (address, earlier)} if earlier else {})

    def relations(self, plan: Plan) -> set[str]:
        """The relations in which rows are looked for."""
        keyed = {item.table for items in self._refused.values() for item in items if item.mark}
        found = {table.relation for table in plan.tables if table.spec.name in keyed and table.chunked}
        return found | ({plan.relation} if any(found.refused for found in self.work.earlier.values()) else set())

    # --- rows that lead to source rows -----------------------------------------------------------------------------

    def find(
        self, tally: Tally, plan: Plan, sources: Mapping[str, str], *, key: int | None = None, last: int = _ALL
    ) -> None:
        """Put the rows of one input among the late ones. `sources` says what was kept of it; of several inputs `key` is
        the ordinal of the generation, and `last` this one's last line."""
        slot, found = tally.generation.slot, self._found[tally.generation.slot.address]
        self._recall(tally)
        mine = [item for item in self._refused.get(slot.address, ()) if item.row != slot.base]
        for table in plan.tables:
            refused = [item for item in mine if item.table == table.spec.name]
            if refused and table.chunked:
                self._reject(table, refused, tally, sources, last)
        if slot.address in self.work.earlier:
            self._count(tally, plan, sources, tally.ordinal if key is None else key)
        else:
            tries = self.work.attempts.get(slot.address, 1)
            self.session.run(
                f"INSERT INTO main._tries SELECT DISTINCT {ROW}, {tries}, {tries >= ATTEMPTS} FROM main._late "
                f"WHERE {SLOT} = {tally.ordinal} AND {_OURS.format('')}"
            )
        found.rows += self.session.rows(
            f"SELECT DISTINCT t.{ROW} - {slot.base}, t.tries, t.parked FROM main._tries t JOIN main._late l USING "
            f"({ROW}) WHERE l.{SLOT} = {tally.ordinal} AND {_OURS.format('l.')}"
        )

    def _reject(
        self, table: TablePlan, refused: list[Refused], tally: Tally, sources: Mapping[str, str], last: int
    ) -> None:
        if not table.spec.shared:
            rows = [(item.row, item.reason) for item in refused if 0 < item.row - tally.base <= last]
            self.session.run(
                f"INSERT INTO main._late SELECT {tally.ordinal}, unnest($1::BIGINT[]), unnest($2::VARCHAR[])",
                [[row for row, _ in rows], [reason for _, reason in rows]],
            )
            return
        marks = "(SELECT unnest($1::VARCHAR[]) AS _mark, unnest($2::VARCHAR[]) AS _reason)"
        self.session.run(
            f"INSERT INTO main._late SELECT DISTINCT r.{SLOT}, r.{ROW}, m._reason FROM (SELECT {SLOT}, {ROW}, "
            f"{table.mark} AS _mark FROM {sources[table.relation]} WHERE {SLOT} = {tally.ordinal}) r "
            f"JOIN {marks} m USING (_mark) WHERE {_NOT_DROPPED}",
            [[item.mark for item in refused], [item.reason for item in refused]],
        )

    def _count(self, tally: Tally, plan: Plan, sources: Mapping[str, str], key: int) -> None:
        """Rows that were tried as often as they may be are not tried once more; for the others it is one more time."""
        known = (
            f"{with_values(plan, sources)} s JOIN main._earlier e ON s._values = e.row AND {_OURS.format('e.')} "
            f"AND e.member = {quote_literal(waits.named(plan))} AND e.key = {key} AND s.{SLOT} = {tally.ordinal}"
        )
        self.session.run(
            f"CREATE OR REPLACE TEMP TABLE _parking AS SELECT DISTINCT {tally.ordinal}, s.{ROW}, e.reason, e.tries "
            f"FROM {known} WHERE e.tries >= {ATTEMPTS} AND {unharmed('s')}"
        )
        self.session.run("INSERT INTO main._late SELECT * EXCLUDE (tries) FROM _parking")
        self.session.run(f"INSERT INTO main._tries SELECT {ROW}, tries, true FROM _parking")
        self.session.run(
            f"INSERT INTO main._tries SELECT l.{ROW}, coalesce(max(k.tries) + 1, 1) AS n, n >= {ATTEMPTS} "
            f"FROM main._late l LEFT JOIN (SELECT s.{ROW}, e.tries FROM {known}) k USING ({ROW}) "
            f"WHERE l.{SLOT} = {tally.ordinal} AND {_OURS.format('l.')} "
            f"AND l.{ROW} NOT IN (SELECT {ROW} FROM main._tries) GROUP BY l.{ROW}"
        )
        if not self.work.plan.members:  # of several inputs they are counted with those that look for a partner
            tally.retries[HEALED] += self.session.number(
                f"SELECT count(DISTINCT s.{ROW}) FROM {known} WHERE {unharmed('s')}"
            )

    # --- rows of wide steps ----------------------------------------------------------------------------------------

    def leave_out(self, table: TablePlan, tally: Tally, staging: Staging, quarantine: Quarantine, since: int) -> int:
        """Take the refused rows out of what a table has staged after a mark; returns how many."""
        if not self.of(tally) or not staging.parts(table.spec.name, since=since):
            return 0
        name, address = table.spec.name, tally.generation.slot.address
        self._recall(tally)
        (path,) = staging.parts(name, since=since)
        columns = telling(table.spec, staging.columns(name))
        self._look(
            table, tally, f"(SELECT *, {values_of(columns)} AS _values FROM read_parquet({quote_literal(path)}))"
        )
        found = self.session.rows("SELECT tries, parked, reason, count(*) FROM _wide GROUP BY ALL")
        tally.retries[HEALED] += self._healed(table, columns, path)
        for tries, parked, reason, count in found:
            tally.reasons[reason] += count
            tally.retries[PARKED if parked else WAITING] += count
            self._found[address].rows += [(0, tries, parked)] * count
        if found:
            quarantine.add_wide(tally, "SELECT row, reason, tries, parked FROM _wide")
            good = f"{mark(columns)} NOT IN (SELECT mark FROM _wide)"
            staging.replace(name, f"SELECT * FROM read_parquet({quote_literal(path)}) WHERE {good}", since=since)
        return sum(count for *_, count in found)

    def _look(self, table: TablePlan, tally: Tally, rows: str) -> None:
        """Fill `_wide`: the rows that are refused now, and those that were as often as they may be."""
        slot = tally.generation.slot
        mine = [item for item in self._refused.get(slot.address, ()) if item.table == table.spec.name]
        mine = [item for item in mine if item.row == slot.base]
        self.session.run(
            "CREATE OR REPLACE TEMP TABLE _wide AS WITH now AS (SELECT unnest($1::VARCHAR[]) AS mark, "
            "unnest($2::VARCHAR[]) AS reason), known AS (SELECT md5(row) AS mark, any_value(reason) AS reason, "
            f"max(tries) AS tries FROM main._earlier WHERE {self._told_of(table)} GROUP BY 1) "
            "SELECT r._values AS row, md5(r._values) AS mark, coalesce(n.reason, k.reason) AS reason, "
            "CASE WHEN n.mark IS NULL THEN k.tries ELSE coalesce(k.tries, 0) + 1 END AS tries, "
            f"n.mark IS NULL OR coalesce(k.tries, 0) + 1 >= {ATTEMPTS} AS parked "
            f"FROM {rows} r LEFT JOIN now n ON md5(r._values) = n.mark "
            "LEFT JOIN known k ON md5(r._values) = k.mark "
            f"WHERE n.mark IS NOT NULL OR k.tries >= {ATTEMPTS}",
            [[item.mark for item in mine], [item.reason for item in mine]],
        )

    def _healed(self, table: TablePlan, columns: Mapping[str, str], path: str) -> int:
        return self.session.number(
            f"SELECT count(*) FROM read_parquet({quote_literal(path)}) WHERE {mark(columns)} IN (SELECT md5(row) FROM "
            f"main._earlier WHERE {self._told_of(table)}) AND {mark(columns)} NOT IN (SELECT mark FROM _wide)"
        )

    @staticmethod
    def _told_of(table: TablePlan) -> str:
        """Of what waited before: the rows of a wide step's table."""
        return f"member = '' AND {_OURS.format('')} AND ends_with(reason, {quote_literal(f' {table.spec.name}')})"

    # --- the account -----------------------------------------------------------------------------------------------

    def close(self, tally: Tally) -> None:
        """Tell what waits of a generation. Of several inputs those who look for partners have told it already."""
        generation = tally.generation
        found = self._found.pop(generation.slot.address, None)
        if found is not None and found.rows:
            tally.aside = found.aside(whole=self.whole)
        for line, _, parked in found.rows if found is not None and not self.work.plan.members else ():
            tally.retries[PARKED if parked else WAITING] += line > 0
        if generation.kind is Kind.PATCH and generation.cause == RETRY:
            tally.retries[HEALED] += tally.kept
