"""Staged rows as CSV text for COPY.

Large loads pass part by part, so that memory stays the same however large they are; a small one is read at once,
because a query's planning would cost more than its rows.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from penstock.adapters.choice import Choice
from penstock.adapters.postgres.shared import Words
from penstock.adapters.staged import Reader, Survey, identity, parts, relation
from penstock.compile.marks import mark, named, telling
from penstock.compile.sql import quote_identifier, quote_literal
from penstock.errors import DataError, StorageUnavailable
from penstock.model.loads import Share, stray
from penstock.model.shapes import Columns, contributed, visible
from penstock.model.tables import TableLoad

PIECE = 256 * 1024

MARK = "penstock_mark"

MOST_WORDS = 10_000
MOST_BYTES = 4_000_000
"""So many things that are said of entities, and so long ones, may be sent beside the rows that say them."""

Job = tuple[str, str]
"""A table's name, and the query that gives some of its rows."""


class Texts(Protocol):
    """The rows of several tables as CSV, in the order in which the tables are asked for."""

    def of(self, table: str) -> Iterator[bytes]:
        """One table's rows, in pieces."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Small:
    """Rows that are in memory, as texts."""

    rows: Mapping[str, Sequence[tuple[str | None, ...]]]

    def of(self, table: str) -> Iterator[bytes]:
        yield "".join([_line(row) for row in self.rows[table]]).encode()

    def words(self, table: TableLoad) -> Words:
        """What is said of entities, each once."""
        names = [name for name, _ in visible(table.columns)]
        return _by_column(names, list(dict.fromkeys(row[: len(names)] for row in self.rows[table.spec.name])))

    def close(self) -> None:
        """Nothing is open."""


class Large:
    """Texts that are written part by part, the next part while one is sent."""

    def __init__(self, reader: Reader, choices: Iterable[tuple[Choice, Columns]], scratch: Path) -> None:
        self._reader, self._scratch = reader, scratch
        self._files = _ahead(self._written, [job for choice, columns in choices for job in _jobs(choice, columns)])
        self._first: tuple[str, BinaryIO] | None = None

    def of(self, table: str) -> Iterator[bytes]:
        while self._peek() == table and self._first:
            (_, file), self._first = self._first, None
            with file:
                while piece := file.read(PIECE):
                    yield piece

    def close(self) -> None:
        if self._first:
            self._first[1].close()
        self._files.close()

    def _peek(self) -> str:
        """The table whose part comes next."""
        self._first = self._first or next(self._files, None)
        return self._first[0] if self._first else ""

    def _written(self, job: Job) -> tuple[str, BinaryIO]:
        table, query = job
        return table, _written(self._reader, query, self._scratch)


def marked(reader: Reader, choice: Choice, columns: Columns, bases: Sequence[int], scratch: Path) -> Iterator[bytes]:
    """A table's rows, each with its mark (see `penstock.model.refusals`) in the last column. `bases` are the slots'."""
    own, spec = identity(choice.table), choice.table.spec
    told = telling(spec, (name for name, _ in columns))
    by_key = mark(named(spec)) if spec.shared else "''"
    whole = ", ".join(map(str, bases))
    extra = f"CASE WHEN {own} IN ({whole}) THEN {mark(told)} ELSE {by_key} END"
    files = _ahead(lambda job: (job[0], _written(reader, job[1], scratch)), list(_jobs(choice, columns, extra)))
    with closing(files):
        for _, file in files:
            with file:
                while piece := file.read(PIECE):
                    yield piece


def _jobs(choice: Choice, columns: Columns, *extra: str) -> Iterator[Job]:
    values = ", ".join([*(_value(name, kind) for name, kind in columns), *extra])
    for part in parts(choice.survey.files) if choice.rows else ():
        yield choice.table.spec.name, choice.query(part.relation(), values)


def at_once(reader: Reader, tables: Sequence[TableLoad], owner: Share) -> tuple[dict[str, Survey], Small]:
    """A small load of one slot: every table's rows as texts, and how many they are."""
    surveys, texts = {}, {}
    for table in tables:
        columns = contributed(table.columns) if table.spec.shared else table.columns
        read = f"SELECT {identity(table)}, {_texts(columns)} FROM {relation(table.files)}"
        rows = reader.quick.rows(read) if table.files else []
        strays = sum(not owner.range.low <= row[0] < owner.range.high for row in rows)
        if strays:
            raise stray(table.spec.name, strays)
        surveys[table.spec.name] = Survey(table, (), {owner.change: len(rows)} if rows else {})
        texts[table.spec.name] = [row[1:] for row in rows]
    return surveys, Small(texts)


def words(reader: Reader, choice: Choice) -> Words | None:
    """What the chosen rows say of entities, each once; None where that is too much to be sent beside them."""
    columns = visible(choice.table.columns)
    names = [name for name, _ in columns]
    chosen = choice.query(relation(choice.table.files), _texts(columns))
    size = " + ".join(f"coalesce(strlen({quote_identifier(name)}), 0)" for name in names)
    for some in (f"{chosen} LIMIT {2 * MOST_WORDS}", chosen):  # many are known for many by the first of them
        found = reader.rows(
            f"SELECT * FROM (SELECT DISTINCT * FROM ({some}) LIMIT {MOST_WORDS + 1})"
            f" QUALIFY count(*) OVER () <= {MOST_WORDS} AND sum({size}) OVER () <= {MOST_BYTES}"
        )
        if not found:
            return None
    return _by_column(names, found)


def _by_column(names: Sequence[str], rows: Sequence[tuple[str | None, ...]]) -> Words:
    return dict(zip(names, zip(*rows, strict=True) if rows else ((),) * len(names), strict=True))


def blamed(error: DataError, reader: Reader, choice: Choice) -> DataError:
    """The server's refusal of a character, with the columns that hold it: looked for only now."""
    texts = [name for name, kind in choice.table.columns if kind in {"VARCHAR", "JSON"}]
    holds = ", ".join(
        f"bool_or(contains({quote_identifier(name)}, chr(0)) OR contains({quote_identifier(name)}, '\\u0000'))"
        for name in texts
    )
    [found] = reader.rows(f"SELECT {holds} FROM {relation(choice.table.files)}") if texts else [()]
    columns = [name for name, guilty in zip(texts, found, strict=True) if guilty]
    at = f"table {choice.table.spec.name}, column {', '.join(columns)}" if columns else error.at
    return DataError(error.what, at=at, why=error.why, fix=error.fix)


def _line(values: tuple[str | None, ...]) -> str:
    """A line of CSV in which everything is quoted but NULL."""
    if None not in values:
        line = '","'.join(values)  # type: ignore[arg-type]
        if '"' not in line.replace('","', ""):
            return f'"{line}"\n'
    return ",".join(["" if value is None else '"' + value.replace('"', '""') + '"' for value in values]) + "\n"


def _texts(columns: Columns) -> str:
    """Columns as texts, by their names."""
    return ", ".join(f"CAST({_value(name, kind)} AS VARCHAR) AS {quote_identifier(name)}" for name, kind in columns)


def _value(name: str, kind: str) -> str:
    """A column as text that PostgreSQL reads back exactly."""
    column = quote_identifier(name)
    if kind == "BLOB":
        return f"'\\x' || lower(hex({column}))"
    if kind == "JSON":
        return column
    return f"CAST({column} AS {kind})"


def _written(reader: Reader, query: str, scratch: Path) -> BinaryIO:
    """A nameless file with a query's rows: in memory where the system can, so that no crash leaves it behind."""
    file = _nameless(scratch)
    try:
        path = quote_literal(f"/proc/self/fd/{file.fileno()}" if file.name == file.fileno() else str(file.name))
        reader.rows(f"COPY ({query}) TO {path} (FORMAT csv, HEADER false, USE_TMP_FILE false)")
        if file.name != file.fileno():
            Path(file.name).unlink()
        file.seek(0)
    except BaseException:
        _discard(file)
        raise
    return file


def _nameless(scratch: Path) -> BinaryIO:
    try:
        if hasattr(os, "memfd_create"):
            return os.fdopen(os.memfd_create("penstock"), "rb", buffering=0)
        scratch.mkdir(parents=True, exist_ok=True)
        descriptor, path = tempfile.mkstemp(dir=scratch, suffix=".csv")
        os.close(descriptor)
        return Path(path).open("rb", buffering=0)
    except OSError as error:
        raise StorageUnavailable("no room for a load's next part", why=error.strerror or "") from error


def _discard(file: BinaryIO) -> None:
    if file.name != file.fileno():
        with suppress(OSError):
            Path(file.name).unlink()
    file.close()


def _ahead(produce: Callable[[Job], tuple[str, BinaryIO]], jobs: list[Job]) -> Generator[tuple[str, BinaryIO]]:
    """Do one job while the outcome of the one before it is used."""
    if len(jobs) == 1:
        yield produce(jobs[0])
        return
    with ThreadPoolExecutor(1) as pool:
        waiting: list[Future[tuple[str, BinaryIO]]] = []
        try:
            for number, _ in enumerate(jobs):
                waiting += [pool.submit(produce, job) for job in jobs[number + len(waiting) : number + 2]]
                yield waiting.pop(0).result()
        finally:
            for future in waiting:
                with suppress(Exception):
                    future.result()[1].close()
