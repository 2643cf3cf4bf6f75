"""Statements over shared tables: contributions come and go, the visible rows follow.

One invariant carries everything: between two statements of this module, a visible row is the winning contribution of
its key. So a new contribution need only be compared with the visible row, not with the thousands of other slots that
said the same.
"""

from __future__ import annotations

from collections.abc import Sequence

from penstock.adapters.postgres.owned import RANGES, bounds, within
from penstock.adapters.postgres.schema import Place, listed, ranking
from penstock.adapters.postgres.session import Session
from penstock.model.loads import Range, refuse
from penstock.model.rows import ROW
from penstock.model.shapes import Columns
from penstock.model.tables import TableSpec


class Shared:
    """One shared table within one transaction. `columns` are the visible ones."""

    def __init__(self, session: Session, place: Place, spec: TableSpec, columns: Columns) -> None:
        self.session, self.spec, self.columns = session, spec, columns
        self.visible, self.contributions = place.table(spec.name), place.contributions(spec.name)
        self._names = [name for name, _ in columns]
        self._key = listed(spec.key)

    def erase(self, ranges: Sequence[Range]) -> None:
        """Delete the contributions of some ranges; what they alone spoke of goes, for the rest another one wins."""
        touched = "penstock_touched"
        self._run(f"CREATE TEMP TABLE {touched} ON COMMIT DROP AS SELECT {self._key} FROM {self.contributions} LIMIT 0")
        self._run(
            f"WITH gone AS (DELETE FROM {self.contributions} AS c USING {RANGES} WHERE {within(f'c.{ROW}')}"
            f" RETURNING {listed(self.spec.key, 'c.')})"
            f" INSERT INTO {touched} SELECT DISTINCT {self._key} FROM gone",
            bounds(ranges),
        )
        self._run(self._crowning(touched))
        self._run(
            f"DELETE FROM {self.visible} AS v USING {touched} AS t WHERE {self._match('v', 't')}"
            f" AND NOT EXISTS (SELECT FROM {self.contributions} AS c WHERE {self._match('c', 't')})"
        )
        self._run(f"DROP TABLE {touched}")

    def settle(self, ranges: Sequence[Range]) -> None:
        """Let new contributions take effect: compare them with what others say, and show the winners."""
        new = f"SELECT {self._listed('c')} FROM {self.contributions} AS c JOIN {RANGES} ON {within(f'c.{ROW}')}"
        others = f"SELECT {self._listed('v')} FROM {self.visible} AS v JOIN touched AS t ON {self._match('v', 't')}"
        self._refuse(
            f"WITH new AS MATERIALIZED ({new}), touched AS MATERIALIZED (SELECT DISTINCT {self._key} FROM new),"
            f" crowned AS ({self._crowning('touched')}) {self._told(f'SELECT * FROM new UNION ALL {others}')}",
            bounds(ranges),
        )

    def settle_all(self) -> None:
        """The same for a table whose visible rows are not there yet."""
        order = f"{self._key}, {ranking(self.spec, self.columns)}"
        best = f"SELECT DISTINCT ON ({self._key}) {listed(self._names)} FROM {self.contributions} ORDER BY {order}"
        with self.session.scanning():
            self._refuse(self._told(f"SELECT {self._listed('c')} FROM {self.contributions} AS c"))
            self._run(f"DELETE FROM {self.visible}")
            self._run(f"INSERT INTO {self.visible} ({listed(self._names)}) {best}")

    def _crowning(self, touched: str) -> str:
        """Show the winning contribution of each touched key, where it differs from what is shown."""
        best = (
            f"SELECT {self._listed('w')} FROM {touched} AS t CROSS JOIN LATERAL ("
            f"SELECT {self._listed('b')} FROM {self.contributions} AS b WHERE {self._match('b', 't')}"
            f" ORDER BY {ranking(self.spec, self.columns)} LIMIT 1) AS w"
        )
        rest = [name for name in self._names if name not in self.spec.key]
        shown = "NOTHING"
        if rest:
            new = listed(rest, "excluded.")
            shown = (
                f"UPDATE SET ({listed(rest)}) = ROW({new}) WHERE ROW({listed(rest, 'v.')}) IS DISTINCT FROM ROW({new})"
            )
        return f"INSERT INTO {self.visible} AS v ({listed(self._names)}) {best} ON CONFLICT ({self._key}) DO {shown}"

    def _told(self, rows: str) -> str:
        """Count the keys with two natural keys and, with `conflict="reject"`, those with two sets of attributes."""
        natural = [name for name in self.spec.natural if name not in self.spec.key]
        rejects = self.spec.conflict == "reject"
        kinds = f"count(DISTINCT ROW({listed(natural)}))" if natural else "1"
        wholes = "count(*)" if rejects else "1"
        # Thousands of slots say the same: what they say is hashed once, where a distinct count would sort it all.
        said = f"SELECT DISTINCT {listed(self._names if rejects else [*self.spec.key, *natural])} FROM ({rows}) AS r"
        grouped = f"SELECT {kinds} AS kinds, {wholes} AS wholes FROM ({said}) AS x GROUP BY {self._key}"
        return f"SELECT count(*) FILTER (WHERE kinds > 1), count(*) FILTER (WHERE wholes > 1) FROM ({grouped}) AS y"

    def _refuse(self, counting: str, parameters: Sequence[list[int]] = ()) -> None:
        [(collided, conflicting)] = self.session.rows(counting, parameters, where=f"table {self.spec.name}")
        refuse(self.spec.name, collided, conflicting)

    def _listed(self, alias: str) -> str:
        return listed(self._names, f"{alias}.")

    def _match(self, one: str, other: str) -> str:
        return f"({listed(self.spec.key, one + '.')}) = ({listed(self.spec.key, other + '.')})"

    def _run(self, sql: str, parameters: Sequence[list[int]] = ()) -> None:
        self.session.run(sql, parameters, where=f"table {self.spec.name}")
