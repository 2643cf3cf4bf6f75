"""Parts of deliveries, and how each is read into the table `chunk._source`.

Every reading ends with the same sum: rows that the engine gives + records that were set aside = records that the
framer counted. Where it does not come out, the part is framed again the careful way; where it still does not, the run
fails (promise 4).
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, Protocol

from penstock.adapters.duckdb.session import Session, readable
from penstock.adapters.duckdb.tally import Tally
from penstock.adapters.files.chunk import Chunk, Rejected
from penstock.adapters.files.records import recheck, reject_at
from penstock.compile.plan import Plan
from penstock.compile.reading import CAST
from penstock.compile.sql import quote_identifier, quote_literal
from penstock.errors import RowsUnaccounted, StepFailed
from penstock.model.rows import ROW, SLOT

RejectedRow = tuple[int, int, str, str | None, int | None, int | None]
"""ordinal, row identity, reason, shape, first and last byte."""
Fixes = Mapping[int, Mapping[str, str]]
"""A person's edits: texts by line and column."""

SOURCE_IS_READ = "CREATE OR REPLACE VIEW chunk._source AS FROM chunk._read"
_LINE = 2 * 1024 * 1024
"""The longest row that is expected. The engine reads in buffers of twice that, one thread each: larger ones leave
the second thread idle."""


class Part(Protocol):
    """Some or all of the rows of one or more deliveries."""

    @property
    def records(self) -> dict[int, tuple[int, int]]:
        """By ordinal: an independent count of the records, and the last physical line."""
        ...

    def read_into(self, session: Session, masks: Sequence[str], scratch: Path) -> list[RejectedRow]:
        """Fill `chunk._read` and define `chunk._source` over it; returns the records that never became rows."""
        ...


class ChunkPart:
    """One chunk of one delivery."""

    def __init__(self, tally: Tally, chunk: Chunk, plan: Plan) -> None:
        self.tally, self.chunk, self.plan = tally, chunk, plan
        self.records = {tally.ordinal: (chunk.records, _last_line(chunk))}

    def read_into(self, session: Session, masks: Sequence[str], scratch: Path) -> list[RejectedRow]:
        if self.chunk.numbered:
            return self._numbered(session, masks, scratch, self.chunk)
        try:
            ordinals = self._plain(session, masks, scratch)
        except StepFailed:
            ordinals = None  # the engine met bytes that it cannot read: framing tells which records they are in
        if ordinals is None:
            return self._careful(session, masks, scratch)
        rejected = reject_at(self.chunk, ordinals) if ordinals else ()
        if len(rejected) != len(ordinals):
            return self._careful(session, masks, scratch)
        return [*self._rows(rejected), *self._rows(self.chunk.rejected)]

    def _careful(self, session: Session, masks: Sequence[str], scratch: Path) -> list[RejectedRow]:
        again = recheck(self.chunk, base=self.tally.base)
        _agree(again.records, 0, self.chunk.records, self.tally.address)
        return self._numbered(session, masks, scratch, again)

    def _rows(self, rejected: Sequence[Rejected]) -> list[RejectedRow]:
        return _rejected_rows(self.tally, rejected)

    def _numbered(self, session: Session, masks: Sequence[str], scratch: Path, chunk: Chunk) -> list[RejectedRow]:
        select = self.plan.reading.select("{origin}", masks, identity=(ROW,))
        create = (
            f"CREATE OR REPLACE TABLE chunk._read AS SELECT {self.tally.ordinal}::INTEGER AS {SLOT}, * FROM ({select})"
        )
        rows = _read(session, create, chunk, self.plan, scratch)
        session.run(SOURCE_IS_READ)
        _agree(rows, len(chunk.rejected), chunk.records, self.tally.address)
        return self._rows(chunk.rejected)

    def _plain(self, session: Session, masks: Sequence[str], scratch: Path) -> list[int] | None:
        """Read the file's own bytes; None when the counts differ. Returns the ordinals that the engine rejected."""
        select = self.plan.reading.select("{origin}", masks)
        rows = _read(session, f"CREATE OR REPLACE TABLE chunk._read AS {select}", self.chunk, self.plan, scratch)
        ordinals = [row[0] - 1 for row in session.rows("SELECT DISTINCT line FROM reject_errors ORDER BY 1")]
        if rows + len(ordinals) + len(self.chunk.rejected) != self.chunk.records:
            return None
        first = self.tally.base + self.chunk.first_line
        if ordinals:
            _number_around(session, self.tally, first, self.chunk.records, ordinals)
        else:
            session.run(
                f"CREATE OR REPLACE VIEW chunk._source AS SELECT {self.tally.ordinal}::INTEGER AS {SLOT}, "
                f"{first} + r.rowid AS {ROW}, r.* FROM chunk._read r"
            )
        return ordinals


Joint = Sequence[tuple[Tally, Chunk]]
"""Small deliveries whose chunks can be read as one: of the same form, one after the other."""


class JoinedPart:
    """Many small deliveries, each of which is there as a whole."""

    def __init__(self, joints: Sequence[Joint], plan: Plan) -> None:
        self.joints, self.plan = joints, plan
        self.records = {tally.ordinal: (chunk.records, _last_line(chunk)) for joint in joints for tally, chunk in joint}

    def read_into(self, session: Session, masks: Sequence[str], scratch: Path) -> list[RejectedRow]:
        rejected = []
        for place, joint in enumerate(self.joints):
            rejected += _Reading(session, self.plan, masks, scratch, "_more" if place else "_read").read(joint)
            if place:
                session.run("INSERT INTO chunk._read FROM chunk._more")
        session.run(SOURCE_IS_READ)
        return rejected


class _Reading:
    """Reads joints into a table of the schema `chunk`."""

    def __init__(self, session: Session, plan: Plan, masks: Sequence[str], scratch: Path, table: str) -> None:
        self.session, self.plan, self.masks, self.scratch, self.table = session, plan, masks, scratch, f"chunk.{table}"

    def read(self, joint: Joint) -> list[RejectedRow]:
        if joint[0][1].numbered:
            return self._numbered(joint)
        with suppress(StepFailed):  # as in a chunk of one delivery
            if self._plain(joint):
                return []
        again = [(tally, recheck(chunk, base=tally.base)) for tally, chunk in joint]
        _agree(_records(again), 0, _records(joint), f"{len(again)} small files")
        return self._numbered(again)

    def _numbered(self, joint: Joint) -> list[RejectedRow]:
        rejected = [row for tally, chunk in joint for row in _rejected_rows(tally, chunk.rejected)]
        _list_lines(self.session, [(tally, 0, chunk.records - len(chunk.rejected)) for tally, chunk in joint])
        select = self.plan.reading.select("{origin}", self.masks, identity=(ROW,))
        rows = self._laid_beside(f"SELECT l.{SLOT}, r.* FROM ({select}) r", joint)
        _agree(rows, len(rejected), _records(joint), f"{len(joint)} small files")
        return rejected

    def _plain(self, joint: Joint) -> bool:
        """Read the files' own bytes; false when the engine does not find the records that are there."""
        _list_lines(self.session, [(tally, tally.base + chunk.first_line, chunk.records) for tally, chunk in joint])
        select = self.plan.reading.select("{origin}", self.masks)
        return self._laid_beside(f"SELECT l.{SLOT}, l.{ROW}, r.* FROM ({select}) r", joint) == _records(joint)

    def _laid_beside(self, select: str, joint: Joint) -> int:
        """Fill the table with the rows, each beside its line; returns how many rows have one."""
        create = f"CREATE OR REPLACE TABLE {self.table} AS {select} POSITIONAL JOIN chunk._lines l"
        _read(self.session, create, _joined(joint), self.plan, self.scratch)
        # The shorter side was filled up with NULL.
        return self.session.number(f"SELECT count(*) FROM {self.table} WHERE {SLOT} IS NOT NULL AND {CAST} IS NOT NULL")


def _list_lines(session: Session, given: Sequence[tuple[Tally, int, int]]) -> None:
    """Fill `chunk._lines`: for each delivery its rows' identities, from the first one, so many."""
    session.run(
        f"CREATE OR REPLACE TABLE chunk._lines AS SELECT {SLOT}, unnest(range(first, first + rows)) AS {ROW} FROM ("
        f"SELECT unnest($1::INTEGER[]) AS {SLOT}, unnest($2::BIGINT[]) AS first, unnest($3::BIGINT[]) AS rows)",
        [[tally.ordinal for tally, _, _ in given], [first for _, first, _ in given], [rows for *_, rows in given]],
    )


def _joined(joint: Joint) -> Chunk:
    first = joint[0][1]
    return Chunk(
        b"".join(chunk.data for _, chunk in joint),
        first.columns,
        numbered=first.numbered,
        first_line=1,
        lines=0,
        records=_records(joint),
        start=0,
        delimiter=first.delimiter,
        quote=first.quote,
        newline=first.newline,
        widest=max(chunk.widest for _, chunk in joint),
    )


def _records(joint: Joint) -> int:
    return sum(chunk.records for _, chunk in joint)


class ParquetPart:
    """A range of rows of a Parquet file; a row's line is its ordinal, from 1.

    Each part has a descriptor of its own: the next part is asked for, and the file closed, before this one is read.
    """

    def __init__(
        self, tally: Tally, stream: BinaryIO, start: int, end: int, plan: Plan, fixes: Fixes = MappingProxyType({})
    ) -> None:
        self.tally, self.start, self.end, self.plan = tally, start, end, plan
        self.fixes = {line: edit for line, edit in fixes.items() if start < line <= end}
        self.descriptor = os.dup(stream.fileno())
        self._closing = weakref.finalize(self, os.close, self.descriptor)
        self.records = {tally.ordinal: (end - start, end)}

    @staticmethod
    def count(stream: BinaryIO) -> int:
        """The number of rows that the file's own footer tells."""
        import duckdb

        from penstock.errors import RefusedFile

        try:
            with _footers().cursor() as connection:
                found = connection.execute(
                    "SELECT num_rows FROM parquet_file_metadata($1)", [f"/proc/self/fd/{stream.fileno()}"]
                ).fetchone()
        except duckdb.Error:
            raise RefusedFile(
                "the file is not Parquet", fix="deliver it again, or declare the source otherwise"
            ) from None
        return int(found[0]) if found else 0

    def read_into(self, session: Session, masks: Sequence[str], _scratch: Path) -> list[RejectedRow]:
        names = self.plan.reading.names
        texts = ", ".join(f"{self._text(name)} AS _c{place}" for place, name in enumerate(names))
        origin = (
            f"(SELECT {self.tally.base + 1} + file_row_number AS {ROW}, {texts} FROM read_parquet("
            f"'/proc/self/fd/{self.descriptor}', file_row_number = true){self._fixed(session)} "
            f"WHERE file_row_number >= {self.start} AND file_row_number < {self.end})"
        )
        select = self.plan.reading.select(origin, masks, identity=(ROW,))
        rows = session.number(
            f"CREATE OR REPLACE TABLE chunk._read AS SELECT {self.tally.ordinal}::INTEGER AS {SLOT}, * FROM ({select})"
        )
        session.run(SOURCE_IS_READ)
        _agree(rows, 0, self.records[self.tally.ordinal][0], self.tally.address)
        return []

    def _text(self, name: str) -> str:
        """A value as a text file would have it; an edit of it comes first, and an empty one is no value."""
        value = f"CAST({quote_identifier(name)} AS VARCHAR)"
        if not any(name in edit for edit in self.fixes.values()):
            return value
        edit = f"edit[{quote_literal(name)}]"
        return f"CASE WHEN map_contains(edit, {quote_literal(name)}) THEN nullif({edit}, '') ELSE {value} END"

    def _fixed(self, session: Session) -> str:
        """What joins each row with its edit."""
        if not self.fixes:
            return ""
        session.run("CREATE OR REPLACE TABLE chunk._fixes (line BIGINT, edit MAP(VARCHAR, VARCHAR))")
        for line, edit in self.fixes.items():
            session.run(
                "INSERT INTO chunk._fixes VALUES ($1, map($2::VARCHAR[], $3::VARCHAR[]))",
                [line, [*edit], [*edit.values()]],
            )
        return " LEFT JOIN chunk._fixes ON line = file_row_number + 1"


class KeyedPart:
    """Rows of a table that belong to many deliveries; a row's line is its place among those of its delivery, from 1."""

    def __init__(self, session: Session, tallies: Sequence[Tally], path: Path, plan: Plan) -> None:
        """`path` leads to the rows; whose they are, their `_slot` tells, a place among the deliveries."""
        self.session, self.path, self.plan = session, path, plan
        self.table = f"chunk.{quote_identifier(f'_given_{plan.relation}')}"
        self._fill(tallies)
        counted = dict(session.rows(f"SELECT {SLOT}, count(*) FROM {self.table} GROUP BY 1"))
        self.records = {tally.ordinal: (counted.get(tally.ordinal, 0),) * 2 for tally in tallies}
        total = session.number(f"SELECT count(*) FROM read_parquet({quote_literal(str(path))})")
        _agree(sum(rows for rows, _ in self.records.values()), 0, total, f"source {plan.relation}")

    def _fill(self, tallies: Sequence[Tally]) -> None:
        """Number the rows of each delivery, as text: so are those of files read."""
        texts = "".join(
            f", CAST({quote_identifier(name)} AS VARCHAR) AS _c{place}"
            for place, name in enumerate(self.plan.reading.names)
        )
        line = f"row_number() OVER (PARTITION BY {SLOT} ORDER BY file_row_number)"
        self.session.run(
            f"CREATE OR REPLACE TABLE {self.table} AS SELECT list_extract($1::INTEGER[], {SLOT} + 1) AS {SLOT}, "
            f"list_extract($2::BIGINT[], {SLOT} + 1) + {line} AS {ROW}{texts} "
            f"FROM read_parquet({quote_literal(str(self.path))}, file_row_number = true)",
            [[tally.ordinal for tally in tallies], [tally.base for tally in tallies]],
        )

    def read_into(self, session: Session, masks: Sequence[str], _scratch: Path) -> list[RejectedRow]:
        select = self.plan.reading.select(self.table, masks, identity=(SLOT, ROW))
        rows = session.number(f"CREATE OR REPLACE TABLE chunk._read AS {select}")
        session.run(SOURCE_IS_READ)
        _agree(rows, 0, sum(count for count, _ in self.records.values()), f"source {self.plan.relation}")
        return []

    def clear(self) -> None:
        """Let the rows go."""
        self.session.run(f"DROP TABLE IF EXISTS {self.table}")


class EmptyPart:
    """Deliveries without a single record: their relations are there, and empty."""

    def __init__(self, tallies: Sequence[Tally], plan: Plan) -> None:
        self.plan = plan
        self.records = {tally.ordinal: (0, 0) for tally in tallies}

    def read_into(self, session: Session, masks: Sequence[str], _scratch: Path) -> list[RejectedRow]:
        texts = "".join(f", NULL::VARCHAR AS _c{place}" for place in range(len(self.plan.reading.names)))
        origin = f"(SELECT NULL::BIGINT AS {ROW}{texts} WHERE false)"
        select = self.plan.reading.select(origin, masks, identity=(ROW,))
        session.run(f"CREATE OR REPLACE TABLE chunk._read AS SELECT NULL::INTEGER AS {SLOT}, * FROM ({select})")
        session.run(SOURCE_IS_READ)
        return []


def _read(session: Session, create: str, chunk: Chunk, plan: Plan, scratch: Path) -> int:
    """Run a CREATE TABLE over the chunk's text; returns the number of rows."""
    names = plan.reading.names
    columns = {f"_c{names.index(name)}": "VARCHAR" for name in chunk.columns}
    if chunk.numbered:
        columns = {ROW: "BIGINT", **columns}
    listed = ", ".join(f"{quote_literal(name)}: '{kind}'" for name, kind in columns.items())
    line = max(_LINE, chunk.widest + 1)
    # Unless it is told, the engine takes a line end inside the first quotes for that of all lines, and gives up.
    newline = "\\r\\n" if chunk.newline == "\r\n" else "\\n"
    session.run("DROP TABLE IF EXISTS reject_errors")
    session.run("DROP TABLE IF EXISTS reject_scans")
    with readable(chunk.data, scratch) as path:
        origin = (
            f"read_csv({quote_literal(path)}, header = false, auto_detect = false, "
            f"delim = {quote_literal(chunk.delimiter)}, quote = {quote_literal(chunk.quote)}, "
            f"escape = {quote_literal(chunk.quote)}, new_line = '{newline}', "
            f"columns = {{{listed}}}, strict_mode = true, ignore_errors = true, store_rejects = true, "
            f"rejects_limit = 0, max_line_size = {line}, buffer_size = {2 * line})"
        )
        return session.number(create.replace("{origin}", origin), where="reading")


def _last_line(chunk: Chunk) -> int:
    """Above the first chunk stands what is no record: a header, say. Alone it counts for nothing."""
    return chunk.first_line + chunk.lines - 1 if chunk.records else 0


def _number_around(session: Session, tally: Tally, first: int, records: int, ordinals: Sequence[int]) -> None:
    """Rows behind a rejected record stand further down than their place among the rows tells: list the lines that
    are left, and lay them beside the rows."""
    session.run(
        f"CREATE OR REPLACE TABLE chunk._lines AS SELECT {first} + line AS {ROW} FROM range({records}) AS lines(line) "
        "WHERE line NOT IN (SELECT unnest($1::BIGINT[]))",
        [list(ordinals)],
    )
    session.run(
        f"CREATE OR REPLACE VIEW chunk._source AS SELECT {tally.ordinal}::INTEGER AS {SLOT}, l.{ROW}, r.* "
        "FROM chunk._read r POSITIONAL JOIN chunk._lines l"
    )


def _rejected_rows(tally: Tally, rejected: Sequence[Rejected]) -> list[RejectedRow]:
    return [(tally.ordinal, tally.base + item.line, item.reason, item.shape, item.start, item.end) for item in rejected]


def _agree(rows: int, aside: int, records: int, where: str) -> None:
    if rows + aside != records:
        raise RowsUnaccounted(
            f"the reader gave {rows} rows of {records - aside} records", at=where, why="a reader lost or invented rows"
        )


@cache
def _footers() -> Any:
    """An engine that only looks at footers: starting one costs more than looking."""
    import duckdb

    return duckdb.connect(config={"threads": 1})
