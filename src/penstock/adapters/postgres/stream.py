"""Staged rows as CSV text for COPY.

Large loads pass part by part, so that memory stays the same however large they are; a small one is read at once,
because a query's planning would cost more than its rows.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from penstock.adapters.choice import Choice
from penstock.adapters.staged import Part, Reader, Survey, identity, parts, relation
from penstock.compile.sql import quote_identifier, quote_literal
from penstock.errors import DataError, StorageUnavailable
from penstock.model.loads import Share, stray
from penstock.model.tables import TableLoad

PIECE = 256 * 1024


def text(reader: Reader, choice: Choice, columns: Iterable[tuple[str, str]], scratch: Path) -> Iterator[bytes]:
    """The chosen rows as CSV in pieces. While one part is sent, the next one is written."""
    values = ", ".join(_value(name, kind) for name, kind in columns)

    def written(part: Part) -> BinaryIO:
        return _written(reader, choice.query(part.relation(), values), scratch)

    for file in _ahead(written, list(parts(choice.survey.files))):
        while piece := file.read(PIECE):
            yield piece


def at_once(reader: Reader, tables: Sequence[TableLoad], owner: Share) -> tuple[dict[str, Survey], dict[str, bytes]]:
    """A small load of one slot: every table's rows as text, and how many they are."""
    surveys, texts = {}, {}
    for table in tables:
        values = ", ".join(f"CAST({_value(name, kind)} AS VARCHAR)" for name, kind in table.columns)
        read = f"SELECT {identity(table)}, {values} FROM {relation(table.files)}"
        rows = reader.quick.rows(read) if table.files else []
        strays = sum(not owner.range.low <= row[0] < owner.range.high for row in rows)
        if strays:
            raise stray(table.spec.name, strays)
        surveys[table.spec.name] = Survey(table, (), {owner.change: len(rows)} if rows else {})
        texts[table.spec.name] = "".join([_line(row[1:]) for row in rows]).encode()
    return surveys, texts


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


def _ahead(produce: Callable[[Part], BinaryIO], items: list[Part]) -> Iterator[BinaryIO]:
    """Produce one item while the one before it is used; each is closed after its use."""
    if len(items) == 1:
        with produce(items[0]) as file:
            yield file
        return
    with ThreadPoolExecutor(1) as pool:
        waiting: list[Future[BinaryIO]] = []
        try:
            for number, _ in enumerate(items):
                waiting += [pool.submit(produce, item) for item in items[number + len(waiting) : number + 2]]
                with waiting.pop(0).result() as file:
                    yield file
        finally:
            for future in waiting:
                with suppress(Exception):
                    future.result().close()
