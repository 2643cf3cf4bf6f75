"""Shared tables in the lake: contributions come and go, the visible files follow.

Between loads a visible row is the winning contribution of its key. So a new contribution that says what is visible
already changes nothing that a reader sees, and only keys about which something has changed are decided again.
"""

from __future__ import annotations

from collections.abc import Sequence

from penstock.adapters.lake.manifest import DataFile
from penstock.adapters.lake.scribe import Scribe, Shelf
from penstock.compile.sql import quote_identifier
from penstock.errors import DestinationError
from penstock.model.loads import Range, refuse
from penstock.model.rows import ROW, SEQUENCE
from penstock.model.tables import TableSpec

Files = tuple[DataFile, ...]


class Entities:
    """One shared table in one draft."""

    def __init__(self, scribe: Scribe, spec: TableSpec, shown: Shelf, told: Shelf) -> None:
        self.scribe, self.reader, self.spec, self.shown, self.told = scribe, scribe.reader, spec, shown, told
        self._key = ", ".join(quote_identifier(name) for name in spec.key)
        self._same_key = f"USING ({self._key})"

    def settle(self, shown: Files, contributions: Files, new: Files, removes: Sequence[Range]) -> tuple[Files, Files]:
        """The visible files and the contributions, after some ranges went and new contributions came."""
        hits = self.scribe.hits(self.told, contributions, removes)
        rest = contributions
        if hits:
            self._touch(self.scribe.inside(self.told, tuple(hits), removes))
            rest = self.scribe.erase(self.told, contributions, removes)
        every = (*rest, *new)
        news = self._judged(shown, rest if hits else None, new) if new else 0
        if news and not hits:
            self._touch(self.scribe.scan(self.told, ()))
        if news:
            self.reader.rows(f"INSERT INTO touched SELECT DISTINCT {self._key} FROM {self._news(shown, new)}")
        if news or hits:
            self._crown(every)
            shown = self._show(shown)
        return shown, every

    def _touch(self, rows: str) -> None:
        """The keys that are to be decided again: the table `touched`."""
        self.reader.rows(f"CREATE OR REPLACE TABLE touched AS SELECT DISTINCT {self._key} FROM {rows}")

    def _judged(self, shown: Files, losing: Files | None, new: Files) -> int:
        """How many new contributions say something that is not visible.

        Raises where a key is empty, where one key has two natural keys or, with `conflict="reject"`, two contents. What
        is visible speaks for all contributions that stay. Only for keys that lose some do those that stay speak
        themselves: then `losing` names their files.
        """
        names = self.shown.names
        new_rows = f"SELECT {names} FROM {self.scribe.scan(self.told, new)}"
        others = f"SELECT {names} FROM {self.scribe.scan(self.shown, shown)}"
        if losing is not None:
            staying = f"SELECT {names} FROM {self.scribe.scan(self.told, losing)} SEMI JOIN touched {self._same_key}"
            others = f"{others} ANTI JOIN touched {self._same_key} UNION ALL {staying}"
        natural = [quote_identifier(name) for name in self.spec.natural if name not in self.spec.key]
        query = _JUDGED.format(
            new=new_rows,
            others=f"SELECT * FROM ({others}) SEMI JOIN n {self._same_key}",
            kinds=f"count(DISTINCT row({', '.join(natural)}))" if natural else "1",
            wholes=f"count(DISTINCT row({names}))" if self.spec.conflict == "reject" else "1",
            empty=" OR ".join(f"{quote_identifier(name)} IS NULL" for name in self.spec.key),
            key=self._key,
            news=self._news(shown, new),
        )
        [(emptied, collided, conflicting, news)] = self.reader.rows(query)
        if emptied:
            raise DestinationError("a key is empty", at=f"table {self.spec.name}", fix=_EMPTY_KEY)
        refuse(self.spec.name, collided, conflicting)
        return int(news)

    def _news(self, shown: Files, new: Files) -> str:
        """Rows of new contributions that are not what is visible of their key."""
        visible = f"{self.scribe.scan(self.shown, shown)} AS w"
        return f"(SELECT v.* FROM {self.scribe.scan(self.told, new)} AS v ANTI JOIN {visible} ON {self._equal()})"

    def _crown(self, contributions: Files) -> None:
        """The winning contributions of the touched keys: the table `winners`."""
        ranked = f"row_number() OVER (PARTITION BY {self._key} ORDER BY {ranking(self.spec)}) = 1"
        rows = f"{self.scribe.scan(self.told, contributions)} SEMI JOIN touched {self._same_key}"
        self.reader.rows(f"CREATE OR REPLACE TABLE winners AS SELECT {self.shown.names} FROM {rows} QUALIFY {ranked}")

    def _show(self, shown: Files) -> Files:
        """Write what has changed: files without the rows that lost, one more with the rows that won."""
        kept: list[DataFile] = []
        for file in shown:
            rows = self.scribe.scan(self.shown, [file])
            [(lost,)] = self.reader.rows(f"SELECT count(*) FROM {self._losing(rows)}")
            if lost:
                kept.extend(self.scribe.write(self.shown, self._without(rows)))
            else:
                kept.append(file)
        now = self.scribe.scan(self.shown, kept)
        added = f"SELECT {self.shown.names} FROM winners ANTI JOIN {now} {self._same_key}"
        return (*kept, *self.scribe.write(self.shown, f"{added} ORDER BY {self._key}"))

    def _losing(self, rows: str) -> str:
        """Visible rows of touched keys that the winner does not repeat exactly."""
        return f"{rows} AS v SEMI JOIN touched {self._same_key} ANTI JOIN winners AS w ON {self._equal()}"

    def _without(self, rows: str) -> str:
        return (
            f"SELECT * FROM {rows} ANTI JOIN touched {self._same_key} UNION ALL"
            f" SELECT v.* FROM {rows} AS v SEMI JOIN winners AS w ON {self._equal()} ORDER BY {self._key}"
        )

    def _equal(self) -> str:
        names = [quote_identifier(name) for name, _ in self.shown.columns]
        return " AND ".join(f"v.{name} IS NOT DISTINCT FROM w.{name}" for name in names)


def ranking(spec: TableSpec) -> str:
    """The order of the contributions to a key, the winner first."""
    order = f"{quote_identifier(spec.order)} DESC NULLS LAST, " if spec.order else ""
    return f"{order}{SEQUENCE} DESC, {ROW} DESC"


_JUDGED = """
WITH n AS MATERIALIZED ({new}),
grouped AS (
    SELECT {kinds} AS kinds, {wholes} AS wholes, {empty} AS empty FROM (FROM n UNION ALL {others}) GROUP BY {key}
)
SELECT count(*) FILTER (WHERE empty), count(*) FILTER (WHERE kinds > 1), count(*) FILTER (WHERE wholes > 1),
       (SELECT count(*) FROM {news})
FROM grouped
"""

_EMPTY_KEY = "test the key's columns with IsComplete, or choose a key that every row has"
