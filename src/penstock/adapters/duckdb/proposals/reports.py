"""A study of a file as a report: lines for a person, records for a program. No value of a personal column is in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from penstock.adapters.duckdb.proposals.study import Study, study

SECTIONS = ("file", "columns", "privacy", "tables")


@dataclass(frozen=True, slots=True)
class Report:
    """What was found out about a file, section by section."""

    name: str
    found: Study

    def lines(self, *sections: str) -> list[str]:
        """The report for a person; all sections, or those that are named."""
        return [line for section in sections or SECTIONS for line in _LINES[section](self)]

    def records(self, *sections: str) -> list[dict[str, Any]]:
        """The same as flat records, one for each finding, with `event` saying what it is."""
        return [record for section in sections or SECTIONS for record in _RECORDS[section](self)]


def report(path: Path | str, *, header: bool | None = None) -> Report:
    """Study a file. Raises `RefusedFile` for what cannot be read as a table."""
    return Report(Path(path).name, study(path, header=header))


def _file_lines(report: Report) -> Iterator[str]:
    layout = report.found.layout
    yield f"{report.name}: {layout.format}, {report.found.rows:,} rows, {len(report.found.columns)} columns"
    if layout.format == "csv":
        header = "a header" if layout.header else "no header"
        yield f"  delimiter {layout.delimiter!r}, quote {layout.quote!r}, {layout.encoding}, {header}"


def _column_lines(report: Report) -> Iterator[str]:
    width = max(len(column.name) for column in report.found.columns)
    for column in report.found.columns:
        note = f"  ({column.note})" if column.note else ""
        yield f"  {column.name:{width}}  {column.type}{note}"


def _mark_lines(report: Report) -> Iterator[str]:
    if not report.found.marks:
        yield "no column looks personal"
    for mark in report.found.marks:
        yield str(mark)


def _table_lines(report: Report) -> Iterator[str]:
    form = report.found.form
    for key in form.keys:
        yield f"key: {_named(key)}"
    if form.packed:
        yield f"list: {form.packed.column}: {form.packed.why}"
    for entity in form.entities:
        yield f"entity {entity.name}: {_named(entity.natural)} → {_named(entity.attributes) or 'nothing else'}"
        yield from (f"  {why}" for why in entity.why)
    for warning in form.warnings:
        yield f"! {warning}"


def _named(names: Sequence[str]) -> str:
    return ", ".join(names)


def _file_records(report: Report) -> Iterator[dict[str, Any]]:
    rows, columns = report.found.rows, len(report.found.columns)
    yield {
        "event": "file_studied",
        "file": report.name,
        "rows": rows,
        "columns": columns,
        **asdict(report.found.layout),
    }


def _column_records(report: Report) -> Iterator[dict[str, Any]]:
    return ({"event": "column_proposed", **asdict(column)} for column in report.found.columns)


def _mark_records(report: Report) -> Iterator[dict[str, Any]]:
    return ({"event": "mark_proposed", **mark.record()} for mark in report.found.marks)


def _table_records(report: Report) -> Iterator[dict[str, Any]]:
    yield {"event": "tables_proposed", **report.found.form.record()}


_LINES = dict(zip(SECTIONS, (_file_lines, _column_lines, _mark_lines, _table_lines), strict=True))
_RECORDS = dict(zip(SECTIONS, (_file_records, _column_records, _mark_records, _table_records), strict=True))
