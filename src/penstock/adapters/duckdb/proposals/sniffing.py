"""Files of unknown form, opened as one table of text: encoding, delimiter, quote and header are found out.

Only the beginning of a file is read (64 MB, 200,000 rows at most): a proposal needs a good sample, not the whole.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.adapters.duckdb.proposals.headers import declared, is_header
from penstock.adapters.files.codec import marked, resolve
from penstock.adapters.files.dialect import Limits
from penstock.adapters.files.sniff import inspect
from penstock.adapters.files.unpack import Meter, peek, unpack
from penstock.compile.sql import quote_identifier, quote_literal
from penstock.errors import ContractBroken, PenstockError, RefusedFile, StorageUnavailable
from penstock.model.rows import RESERVED
from penstock.model.schemas import canonical

if TYPE_CHECKING:
    import duckdb

    from penstock.adapters.duckdb.session import Session

ROWS = 200_000
BYTES = 64 << 20
_JUDGED = 200
_DELIMITERS = ",;\t|"
_SUFFIXES = {".parquet": "parquet", ".pq": "parquet", ".jsonl": "json_lines", ".ndjson": "json_lines", ".json": "json"}


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file is written, as far as a pipeline file has to say it."""

    format: str = "csv"
    delimiter: str = ","
    quote: str = '"'
    header: bool = True
    encoding: str = "utf-8"
    skipped: int = 0
    """Lines before the table begins."""


@dataclass(frozen=True, slots=True)
class Table:
    """One or more files of one form as the relation `source`: text columns, `_row` (from 1) and `_batch` (from 0)."""

    session: Session
    layout: Layout
    headers: tuple[str, ...]
    """As they stand in the file; empty texts where it has none."""
    names: tuple[str, ...]
    types: tuple[str, ...]
    """Canonical types, where the file itself says them (Parquet, JSON), else empty."""
    count: int
    batches: int = 1

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        return self.session.rows(sql)

    def sample(self, rows: int) -> list[tuple[str | None, ...]]:
        """At most `rows` rows, spread evenly over the table."""
        step = max(1, -(-self.count // max(1, rows)))
        listed = ", ".join(map(quote_identifier, self.names))
        return self.ask(f"SELECT {listed} FROM source WHERE _row % {step} = 0 OR {step} = 1 ORDER BY _batch, _row")

    def renamed(self, names: Sequence[str]) -> Table:
        """The same table under other column names."""
        pairs = zip(self.names, names, strict=True)
        listed = ", ".join(f"{quote_identifier(old)} AS {quote_identifier(new)}" for old, new in pairs)
        self.session.run(f"ALTER {'VIEW' if self.batches > 1 else 'TABLE'} source RENAME TO source_as_found")
        self.session.run(f"CREATE VIEW source AS SELECT _row, _batch, {listed} FROM source_as_found")
        return replace(self, names=tuple(names))


@contextmanager
def opened(
    data: Sequence[Path] | duckdb.DuckDBPyRelation, *, header: bool | None = None, rows: int = ROWS
) -> Iterator[Table]:
    """Open files of one form (each a batch), or a relation, for as long as the block lasts."""
    from penstock.adapters.duckdb.session import Resources, Session

    with tempfile.TemporaryDirectory(prefix="penstock-") as folder:
        scratch = Path(folder)
        paths = list(data) if isinstance(data, Sequence) else [_exported(data, scratch)]
        with Session(Resources(scratch, threads=2)) as session:
            desk = _Desk(session, scratch, header, rows)
            tables = [_opened(desk, path, place) for place, path in enumerate(paths)]
            yield _together(session, tables)


def _exported(relation: duckdb.DuckDBPyRelation, scratch: Path) -> Path:
    path = scratch / "relation.parquet"
    relation.write_parquet(str(path))
    return path


def _together(session: Session, tables: Sequence[Table]) -> Table:
    first = tables[0]
    if any(table.names != first.names for table in tables):
        raise ContractBroken("the files do not have the same columns", fix="propose from files of one kind")
    if len(tables) == 1:
        session.run("ALTER TABLE source_0 RENAME TO source")
        return first
    parts = " UNION ALL ".join(f"SELECT * FROM source_{place}" for place in range(len(tables)))
    session.run(f"CREATE VIEW source AS {parts}")
    return replace(first, count=sum(table.count for table in tables), batches=len(tables))


@dataclass(frozen=True, slots=True)
class _Desk:
    """Where files are opened, and the caller's wishes."""

    session: Session
    scratch: Path
    header: bool | None
    rows: int


def _opened(desk: _Desk, path: Path, place: int) -> Table:
    session = desk.session
    kind = _SUFFIXES.get(path.suffix.lower(), "csv")
    if kind == "csv":
        return _opened_text(desk, path, place)
    reader = "read_parquet" if kind == "parquet" else "read_json_auto"
    origin = f"{reader}({quote_literal(str(_reachable(path)))})"
    try:
        found = session.rows(f"DESCRIBE SELECT * FROM {origin}")
    except StorageUnavailable:
        raise
    except PenstockError as error:
        raise RefusedFile(f"{path.name} cannot be read as {kind}", why=error.why) from None
    headers = tuple(str(row[0]) for row in found)
    listed = ", ".join(f"{quote_identifier(name)}::VARCHAR AS c{at}" for at, name in enumerate(headers))
    session.run(
        f"CREATE TABLE raw_{place} AS SELECT row_number() OVER () AS _row, {listed} FROM {origin} LIMIT {desk.rows}"
    )
    types = tuple(canonical(str(row[1])) for row in found)
    return _table(session, place, Layout(kind), headers, types)


def _opened_text(desk: _Desk, path: Path, place: int) -> Table:
    text, encoding = _readable(path, desk.scratch / f"text_{place}.csv")
    layout, width = _sniff(desk.session, text, encoding)
    columns = ", ".join(f"'c{at}': 'VARCHAR'" for at in range(width))
    desk.session.run(
        f"CREATE TABLE raw_{place} AS SELECT row_number() OVER () AS _row, * FROM read_csv({quote_literal(str(text))}, "
        f"auto_detect = false, header = false, columns = {{{columns}}}, delim = {quote_literal(layout.delimiter)}, "
        f"quote = {quote_literal(layout.quote)}, escape = {quote_literal(layout.quote)}, skip = {layout.skipped}, "
        f"null_padding = true, ignore_errors = true, strict_mode = false, parallel = false) LIMIT {desk.rows + 1}"
    )
    return _headed(desk, place, layout, path)


def _headed(desk: _Desk, place: int, layout: Layout, path: Path) -> Table:
    """Decide about the first record, and take it off if it names the columns."""
    session = desk.session
    top = session.rows(f"SELECT * EXCLUDE (_row) FROM raw_{place} ORDER BY _row LIMIT {_JUDGED}")
    if not top:
        raise RefusedFile(f"{path.name} holds no rows", fix="propose from a file with data")
    headed = is_header(top[0], top[1:]) if desk.header is None else desk.header
    headers = tuple((cell or "").strip() for cell in top[0]) if headed else ("",) * len(top[0])
    if headed:
        session.run(f"DELETE FROM raw_{place} WHERE _row = 1")
        session.run(f"UPDATE raw_{place} SET _row = _row - 1")
    return _table(session, place, replace(layout, header=headed), headers, ("",) * len(headers))


def _table(session: Session, place: int, layout: Layout, headers: tuple[str, ...], types: tuple[str, ...]) -> Table:
    names = _names(layout, headers)
    listed = ", ".join(f"nullif(trim(c{at}), '') AS {quote_identifier(name)}" for at, name in enumerate(names))
    session.run(f"CREATE TABLE source_{place} AS SELECT _row, {place} AS _batch, {listed} FROM raw_{place}")
    session.run(f"DROP TABLE raw_{place}")
    return Table(session, layout, headers, names, types, session.number(f"SELECT count(*) FROM source_{place}"))


def _names(layout: Layout, headers: tuple[str, ...]) -> tuple[str, ...]:
    """Only delimited text can be declared under other names than it has."""
    own = (
        len({name.casefold() for name in headers}) == len(headers) and not set(headers) & set(RESERVED) and all(headers)
    )
    return headers if layout.format != "csv" and own else declared(headers)


# --- text of unknown form -------------------------------------------------------------------------------------------


def _reachable(path: Path) -> Path:
    if not path.is_file():
        raise RefusedFile(f"{path.name} is not a file", at=str(path), fix="check the path")
    return path


def _readable(path: Path, target: Path) -> tuple[Path, str]:
    """The beginning of a file, unpacked and as UTF-8; and the encoding that it had."""
    try:
        with _reachable(path).open("rb") as stream:
            head, _ = peek(unpack(Meter(stream, Limits()), "auto"), BYTES)
    except OSError as error:
        raise StorageUnavailable(f"{path.name} cannot be read", at=str(path), why=error.strerror or "") from error
    if not head.strip():
        raise RefusedFile(f"{path.name} is empty", at=str(path), fix="propose from a file with data")
    encoding = _encoding(head)
    inspect(head[:4096], encoding)
    data = b"".join(resolve(encoding, head[:4096]).stream([head]))
    whole = data if len(head) < BYTES else data[: data.rfind(b"\n") + 1]
    target.write_bytes(whole.decode("utf-8", "replace").encode())
    return target, encoding


def _encoding(head: bytes) -> str:
    mark, announced = marked(head)
    if mark:
        return announced
    if head[:4096].count(0) * 10 >= len(head[:4096]):
        return "utf-16"
    for encoding in ("utf-8", "cp1252"):
        try:
            head[:-4].decode(encoding) if len(head) == BYTES else head.decode(encoding)
        except UnicodeDecodeError:
            continue
        return encoding
    return "latin-1"


def _sniff(session: Session, path: Path, encoding: str) -> tuple[Layout, int]:
    """Ask DuckDB for delimiter, quote and width; count delimiters ourselves where it gives up."""
    query = (
        "SELECT Delimiter, Quote, SkipRows, len(Columns) "
        f"FROM sniff_csv({quote_literal(str(path))}, header = false, all_varchar = true, ignore_errors = true)"
    )
    try:
        delimiter, quote, skipped, width = session.rows(query)[0]
    except PenstockError:
        delimiter, quote, skipped, width = "", "", 0, 0
    if len(delimiter) != 1 or not width:
        delimiter, width = _counted(path)
        skipped = 0
    quote = quote if len(quote) == 1 and quote != delimiter else '"'
    return Layout("csv", delimiter, quote, header=True, encoding=encoding, skipped=int(skipped)), int(width)


def _counted(path: Path) -> tuple[str, int]:
    with path.open(encoding="utf-8", errors="replace") as stream:
        lines = [line for _, line in zip(range(50), stream, strict=False) if line.strip()]
    counts = {sign: sorted(line.count(sign) for line in lines)[len(lines) // 2] for sign in _DELIMITERS}
    delimiter = max(counts, key=lambda sign: counts[sign])
    return delimiter, counts[delimiter] + 1
