"""Rows that need a partner in another input: who has none, who has waited how often, who waits no more.

Works on what the first pass over the inputs has kept.
"""

from __future__ import annotations

from collections.abc import Mapping

from penstock.adapters.duckdb.session import Session
from penstock.adapters.duckdb.waits import HEALED, PARKED, WAITING, unharmed, with_values
from penstock.authoring.matching import Matched
from penstock.compile.plan import Plan
from penstock.compile.sql import quote_identifier, quote_literal
from penstock.model.rows import ROW, SLOT
from penstock.runtime.ports import Earlier


class Partners:
    """Judges the matches of some generations; a row's partner is one of its own generation."""

    def __init__(
        self, session: Session, plan: Plan, sources: Mapping[str, str], plans: Mapping[str, Plan], keys: int = 1
    ) -> None:
        """`sources` says how to read the relations of all inputs as they were kept, `plans` as what they were read.
        The ordinals of one generation's inputs differ by multiples of `keys`."""
        self.session, self.plan, self.sources, self._plans, self._keys = session, plan, sources, plans, keys

    def judge(self, earlier: Mapping[int, tuple[str, Earlier]]) -> None:
        """Put the rows without a partner among the late ones. `earlier` is, by ordinal of the generation, its slot's
        address and what it has set aside before (see `waits.remember`)."""
        for match in self.plan.matches if any(found.files for _, found in earlier.values()) else ():
            self._park(match)
        for match in self.plan.matches:
            self._reject(match)
            self._count(match, earlier)

    def retries(self, member: str, *, refused: bool) -> dict[int, dict[str, int]]:
        """What became of the waiting of an input's rows, by ordinal of the generation; `refused`: rows may wait for
        something else than a partner."""
        own = [match for match in self.plan.matches if self.plan.origins[match.relation] == member]
        found: dict[int, dict[str, int]] = {}
        if not own and not refused:
            return found
        for key, parked, count in self.session.rows(
            f"SELECT {self._key('s')}, t.parked, count(*) FROM main._tries t "
            f"JOIN {self.sources[member]} s USING ({ROW}) GROUP BY 1, 2"
        ):
            found.setdefault(key, {})[PARKED if parked else WAITING] = count
        for key, count in self.session.rows(
            f"SELECT {self._key('s')}, count(*) FROM {self._with_values(member)} s SEMI JOIN main._earlier e "
            f"ON {self._before('s')} AND e.member = {quote_literal(member)} WHERE {unharmed('s')} GROUP BY 1"
        ):
            found.setdefault(key, {})[HEALED] = count
        return found

    def _park(self, match: Matched) -> None:
        """Rows that were tried as often as they may be, whether or not they would have a partner now."""
        source = self.plan.origins[match.relation]
        found = (
            f"SELECT DISTINCT s.{SLOT}, s.{ROW}, {quote_literal(match.text)}, e.tries "
            f"FROM {self._with_values(source)} s JOIN main._earlier e ON {self._before('s')} "
            f"AND e.member = {quote_literal(source)} AND e.reason = {quote_literal(match.text)} "
            f"WHERE e.tries >= {match.attempts} AND {unharmed('s')}"
        )
        self.session.run(f"CREATE OR REPLACE TEMP TABLE _parking AS {found}")
        self.session.run("INSERT INTO main._late SELECT * EXCLUDE (tries) FROM _parking")
        self.session.run(f"INSERT INTO main._tries SELECT {ROW}, tries, true FROM _parking")

    def _reject(self, match: Matched) -> None:
        same = " AND ".join(f"r.{quote_identifier(own)} = h.{quote_identifier(other)}" for own, other in match.columns)
        there = f"(SELECT * FROM {self.sources[match.other]} x WHERE {unharmed('x')})"
        self.session.run(
            f"INSERT INTO main._late SELECT DISTINCT r.{SLOT}, r.{ROW}, {quote_literal(match.text)} "
            f"FROM {self.sources[match.relation]} r ANTI JOIN {there} h ON {self._key('r')} = {self._key('h')} "
            f"AND {same} WHERE {unharmed('r')}",
            where=match.text,
        )

    def _count(self, match: Matched, earlier: Mapping[int, tuple[str, Earlier]]) -> None:
        """An attempt counts only when the input that could heal the row has changed."""
        source, healer = self.plan.origins[match.relation], self.plan.origins[match.other]
        same = [str(key) for key, (_, found) in earlier.items() if healer not in found.changed]
        more = f"CASE WHEN {self._key('s')} IN ({', '.join(same)}) THEN 0 ELSE 1 END" if same else "1"
        self.session.run(
            f"INSERT INTO main._tries SELECT l.{ROW}, coalesce(max(e.tries + {more}), 1) AS n, n >= {match.attempts} "
            f"FROM main._late l JOIN {self._with_values(source)} s USING ({ROW}) "
            f"LEFT JOIN main._earlier e ON {self._before('s')} AND e.member = {quote_literal(source)} "
            f"AND e.reason = l.reason WHERE l.reason = {quote_literal(match.text)} "
            f"AND l.{ROW} NOT IN (SELECT {ROW} FROM main._tries) GROUP BY l.{ROW}"
        )

    def _key(self, alias: str) -> str:
        """The ordinal of the generation that a row belongs to."""
        return f"{alias}.{SLOT} % {self._keys}"

    def _before(self, alias: str) -> str:
        """The row is one that its generation's slot has set aside before."""
        return f"{alias}._values = e.row AND {self._key(alias)} = e.key"

    def _with_values(self, source: str) -> str:
        return with_values(self._plans[source], self.sources)
