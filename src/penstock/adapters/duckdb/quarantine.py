"""Rejected rows on their way to the quarantine zone: reasons and places, and protected values where columns existed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from penstock.adapters.duckdb.relations import kept_values
from penstock.adapters.duckdb.session import Session
from penstock.adapters.duckdb.staging import persist
from penstock.adapters.duckdb.tally import Tally
from penstock.adapters.duckdb.waits import named
from penstock.compile.sql import quote_literal
from penstock.errors import StorageUnavailable
from penstock.model.faults import point
from penstock.model.rows import ROW, SLOT
from penstock.runtime.ports import Preparation


class Quarantine:
    """The quarantine files of one attempt: `slot, generation, line, reasons, shape, byte_start, byte_end, row`."""

    place = 0
    """Of the part whose rows are written now, among the parts of its delivery."""

    def __init__(self, session: Session, work: Preparation, folder: Path, numbers: Iterator[int]) -> None:
        """`numbers` tells files apart; those who write to one folder share it."""
        self.session, self.work, self.folder = session, work, folder
        self._numbers = numbers
        self.files: list[tuple[int, Path]] = []

    def begin(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def add(self) -> None:
        """Write what `chunk._rejected` holds, one line for each source row."""
        if self.session.number("SELECT count(*) FROM chunk._rejected"):
            self._write(self._rows())

    def _write(self, rows: str) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageUnavailable("the quarantine zone cannot be written", why=error.strerror or "") from error
        path = self.folder / f"part-{next(self._numbers):05d}.parquet"
        self.files.append((self.place, path))
        self.session.run(f"COPY ({rows}) TO {quote_literal(str(path))} (FORMAT parquet)")
        point("prepare.set_aside")

    def add_wide(self, tally: Tally, rows: str) -> None:
        """Write rows of a wide step: a query of `row` (its values as JSON), `reason`, `tries` and `parked`. They have
        no line."""
        generation = tally.generation
        place = f"{quote_literal(generation.slot.address)} AS slot, {generation.number}::INTEGER AS generation"
        self._write(
            f"SELECT {self._head()}, {place}, '' AS member, 0::BIGINT AS line, [reason] AS reasons, "
            "NULL::VARCHAR AS shape, NULL::BIGINT AS byte_start, NULL::BIGINT AS byte_end, row, true AS retriable, "
            f"tries::INTEGER AS tries, parked FROM ({rows})"
        )

    def mark(self) -> int:
        return len(self.files)

    def rollback(self, mark: int) -> None:
        for _, path in self.files[mark:]:
            path.unlink(missing_ok=True)
        del self.files[mark:]

    def absorb(self, others: Sequence[Quarantine]) -> None:
        """Take over what others have written to the same folder, in the order of the parts that it came from."""
        self.files += sorted(file for other in others for file in other.files)

    def finish(self) -> None:
        for _, path in self.files:
            persist(path)
        if self.files:
            for folder in (self.folder, *list(self.folder.parents)[:3]):
                persist(folder)

    def _head(self) -> str:
        work = self.work
        return (
            f"{quote_literal(work.plan.pipeline)} AS pipeline, {quote_literal(work.run)} AS run, "
            f"{work.attempt} AS attempt"
        )

    def _rows(self) -> str:
        later = self.session.number(
            "SELECT count(*) FROM chunk._rejected WHERE kept IS NULL AND shape IS NULL AND byte_start IS NULL"
        )
        joined, row = "", "r.kept"
        if later:  # found behind the source: their values are still there, and reading all of it costs more
            joined = f"LEFT JOIN (FROM chunk._source SEMI JOIN chunk._rejected USING ({ROW})) s ON s.{ROW} = r.{ROW}"
            row = f"coalesce(r.kept, {kept_values(self.work.plan, 's.')})"
        waits, tries = "false AS retriable, 1 AS tries, false AS parked", ""
        if self.work.plan.matches or self.work.refused or self.work.earlier:
            waits = (
                "w.tries IS NOT NULL AS retriable, coalesce(w.tries, 1) AS tries, coalesce(w.parked, false) AS parked"
            )
            tries = f" LEFT JOIN main._tries w ON r.{ROW} = w.{ROW}"
        return f"""
            SELECT {self._head()}, o.address AS slot, o.number AS generation,
                   {quote_literal(named(self.work.plan))} AS member, r.{ROW} - o.base AS line, r.reasons, r.shape,
                   r.byte_start, r.byte_end, {row} AS row, {waits}
            FROM (SELECT {SLOT}, {ROW}, list_sort(list_distinct(flatten(list(reasons)))) AS reasons,
                         any_value(shape) AS shape, any_value(byte_start) AS byte_start,
                         any_value(byte_end) AS byte_end, any_value(kept) AS kept
                  FROM chunk._rejected GROUP BY 1, 2) r
            JOIN main._slots o ON r.{SLOT} = o.ordinal
            {joined}{tries}
            ORDER BY r.{ROW}"""
