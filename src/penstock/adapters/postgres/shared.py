"""Statements over shared tables: contributions come and go, the visible rows follow.

One invariant carries everything: between two statements of this module, a visible row is the winning contribution of
its key. So a new contribution need only be compared with the visible row, not with the thousands of other slots that
said the same; and where it says the same, it does not matter which of them wins.

To find one slot's contributions, or one key's, takes indexes, and to keep them costs three times as much as to store
the rows. So they are made when they are needed for the first time: a slot's rows give way, somebody says something
else of a key, or the table has become large.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from penstock.adapters.postgres.owned import RANGES, bounds, within
from penstock.adapters.postgres.schema import Place, listed, ranking, shared_indexes, type_name
from penstock.adapters.postgres.session import Session
from penstock.compile.sql import quote_identifier
from penstock.model.loads import Range, refuse
from penstock.model.rows import ROW
from penstock.model.shapes import Columns
from penstock.model.tables import TableSpec

LARGE = 64 * 1024 * 1024
"""Bytes of contributions. Indexes for fewer are made in half a second; more have theirs before they are needed."""

LEAST = 64
"""Bytes that a contribution takes at least."""

Words = Mapping[str, Sequence[str | None]]
"""What contributions say, each once: the texts of each visible column."""


class Shared:
    """One shared table within one transaction. `columns` are the visible ones."""

    def __init__(self, session: Session, place: Place, spec: TableSpec, columns: Columns, *, indexed: bool) -> None:
        self.session, self.place, self.spec, self.columns, self.indexed = session, place, spec, columns, indexed
        self.visible, self.contributions = place.table(spec.name), place.contributions(spec.name)
        self._names = [name for name, _ in columns]
        self._key = listed(spec.key)

    def index(self) -> None:
        """Let a slot's contributions, and a key's, be found at once from now on."""
        for statement in () if self.indexed else shared_indexes(self.place, self.spec, self.columns):
            self._run(statement)
        self.indexed = True

    def erase(self, ranges: Sequence[Range]) -> None:
        """Delete the contributions of some ranges; what they alone spoke of goes, for the rest another one wins."""
        self.index()
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

    def settle(self, words: Words | None, ranges: Sequence[Range]) -> None:
        """Let new contributions take effect: by what they say, or else by the ranges in which they are."""
        if words is None:
            self.index()
            new: str = f"{self.contributions} AS c JOIN {RANGES} ON {within(f'c.{ROW}')}"
            parameters: list[Any] = bounds(ranges)
        else:
            new, parameters = self._spoken(words)
        if self._show(new, parameters):
            self._decide(new, parameters)

    def settle_all(self) -> None:
        """The same for a table whose visible rows are not there yet."""
        self._run(f"DELETE FROM {self.visible}")
        with self.session.scanning():
            disputed = self._show(f"{self.contributions} AS c")
        if disputed:
            self._decide(f"{self.contributions} AS c")

    def _spoken(self, words: Words) -> tuple[str, list[Any]]:
        """What is said as a relation `c`, and its parameters. A column that nobody speaks of is empty."""
        arrays = ", ".join(f"${number}::text[]" for number, _ in enumerate(words, 1))
        places = {name: f"u.w{number}" for number, name in enumerate(words, 1)}
        casts = ", ".join(
            f"CAST({places.get(name, 'NULL')} AS {type_name(kind)}) AS {quote_identifier(name)}"
            for name, kind in self.columns
        )
        names = ", ".join(f"w{number}" for number, _ in enumerate(words, 1))
        return f"(SELECT {casts} FROM unnest({arrays}) AS u ({names})) AS c", [list(texts) for texts in words.values()]

    def _show(self, new: str, parameters: Sequence[Any] = ()) -> bool:
        """Show what is said of keys that nobody has spoken of; whether something else is said of others."""
        natural = [name for name in self.spec.natural if name not in self.spec.key]
        kinds = f"count(DISTINCT ROW({listed(natural)}))" if natural else "1"
        found = self.session.rows(
            f"{self._said(new)}, alone AS (SELECT {self._key} FROM new GROUP BY {self._key} HAVING count(*) = 1),"
            f" shown AS (INSERT INTO {self.visible} ({listed(self._names)})"
            f" SELECT {self._listed('n')} FROM new AS n JOIN alone AS a ON {self._match('n', 'a')}"
            f" ON CONFLICT ({self._key}) DO NOTHING)"
            " SELECT count(*) FILTER (WHERE kinds > 1), count(*) FILTER (WHERE several)"
            f" FROM (SELECT {kinds} AS kinds, count(*) > 1 AS several FROM said GROUP BY {self._key}) AS x",
            parameters,
            where=f"table {self.spec.name}",
        )
        [(collided, disputed)] = found
        refuse(self.spec.name, collided, disputed if self.spec.conflict == "reject" else 0)
        return bool(disputed)

    def _decide(self, new: str, parameters: Sequence[Any] = ()) -> None:
        """Show the winners of keys of which several things are said."""
        self.index()
        keys = f"SELECT {self._key} FROM said GROUP BY {self._key} HAVING count(*) > 1"
        self._run(f"{self._said(new)}, disputed AS MATERIALIZED ({keys}) {self._crowning('disputed')}", parameters)

    def _said(self, new: str) -> str:
        """What new contributions say, each once: thousands of slots say the same; and beside it what is shown."""
        shown = f"SELECT {self._listed('v')} FROM {self.visible} AS v JOIN touched AS t ON {self._match('v', 't')}"
        return (
            f"WITH new AS MATERIALIZED (SELECT DISTINCT {self._listed('c')} FROM {new}),"
            f" touched AS MATERIALIZED (SELECT DISTINCT {self._key} FROM new),"
            f" said AS (SELECT {listed(self._names)} FROM new UNION {shown})"
        )

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

    def _listed(self, alias: str) -> str:
        return listed(self._names, f"{alias}.")

    def _match(self, one: str, other: str) -> str:
        return f"({listed(self.spec.key, one + '.')}) = ({listed(self.spec.key, other + '.')})"

    def _run(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        self.session.run(sql, parameters, where=f"table {self.spec.name}")
