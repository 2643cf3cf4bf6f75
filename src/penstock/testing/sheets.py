r"""Files of rows, read by hand: what each line of a CSV file says, or that it has to be set aside.

Written from the promises with nothing but Python's `csv`, `re`, `datetime` and `decimal`, so that it can contradict the
product. A `Sheet` says of one kind of file what its columns mean and what a row must meet:

    >>> sheet = Sheet({"id": whole, "total": amount(8, 2)}, lambda row: row["total"] >= 0)
    >>> sheet.judged(sheet.read(b"id,total\n1,2.45\n2,-1\n3,x\n"))
    {2: {'id': 1, 'total': Decimal('2.45')}}
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

NEARLY_ALL, MANY = 0.9, 10
"""A delivery of several rows is refused as a whole when so many of them, or of fewer than `MANY` all, do not fit the
type of one column."""

Values = Mapping[str, Any]
Parser = Callable[[str], Any]
"""Makes a value of a text that is not empty. Raises `ValueError` where it is none of the column's type."""

_LINE_END = re.compile(r"\r\n|\n|\r")
_NO_TEXT = re.compile(r"[\0\ud800-\udfff]")


class Unreadable(ValueError):
    """The file as a whole is not what was declared: nothing of it may be loaded."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record on its first physical line; `fields` is None where it cannot be split into columns. `width` tells
    how many fields there are, 0 where it is no CSV at all."""

    line: int
    fields: tuple[str, ...] | None
    width: int


# --- values ------------------------------------------------------------------------------------------------------


def text(value: str) -> str:
    """Any text."""
    return value


def whole(value: str) -> int:
    """A whole number."""
    return int(value)


def amount(digits: int, scale: int) -> Parser:
    """A decimal; what does not fit exactly is none."""
    form = re.compile(rf"\s*[+-]?(\d+(\.\d{{0,{scale}}}0*)?|\.\d{{1,{scale}}}0*)\s*", re.ASCII)

    def parse(value: str) -> Decimal:
        if not form.fullmatch(value) or abs(Decimal(value.strip())) >= 10 ** (digits - scale):
            raise ValueError(value)
        return Decimal(value.strip())

    return parse


def day(form: str) -> Parser:
    """A date in one format."""
    return lambda value: _exact(value, form).date()


def moment(form: str) -> Parser:
    """A local time in one format."""
    return lambda value: _exact(value, form)


def _exact(value: str, form: str) -> datetime:
    """Fields may lack leading zeros; years have four digits."""
    found = datetime.strptime(value, form)  # noqa: DTZ007  local time
    if found.year < 1000:
        raise ValueError(value)
    return found


# --- files -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sheet:
    """How the files of one kind are read. `passes` is asked of rows whose values have their columns' types; among those
    that pass, all that share a `key` are set aside, and so is one without."""

    columns: Mapping[str, Parser]
    passes: Callable[[Values], bool] = lambda _: True
    key: tuple[str, ...] = ()
    header: bool = True
    aliases: Mapping[str, str] = field(default_factory=dict)

    @property
    def indivisible(self) -> bool:
        """See `penstock.testing.promises.Form`."""
        return bool(self.key)

    def read(self, data: bytes) -> dict[int, Record]:
        """The records by line. Raises `Unreadable`."""
        if data[1:64:2].count(0) > len(data[:64]) // 4:
            raise Unreadable("not UTF-8")
        found = list(records(data.decode("utf-8-sig", "surrogateescape"), len(self.columns)))
        if not found:
            raise Unreadable("empty")
        rows = self._behind_header(found) if self.header else found
        if not self.header:
            _check_widths(rows, len(self.columns))
        if self._drifted(rows):
            raise Unreadable("the type of a column has changed")
        return {record.line: record for record in rows}

    def _behind_header(self, found: Sequence[Record]) -> list[Record]:
        """The records in the declared order of columns."""
        names = [self.aliases.get(name.strip(), name.strip()) for name in found[0].fields or ()]
        if sorted(names) != sorted(self.columns):
            raise Unreadable("other columns")
        places = [names.index(name) for name in self.columns]
        return [
            Record(item.line, item.fields and tuple(item.fields[at] for at in places), item.width) for item in found[1:]
        ]

    def _drifted(self, rows: Sequence[Record]) -> bool:
        unfit = Counter(
            name for row in rows for name, value in self._parsed(row).items() if isinstance(value, ValueError)
        )
        most = max(unfit.values(), default=0)
        return len(rows) >= 2 and most >= (NEARLY_ALL * len(rows) if len(rows) >= MANY else len(rows))

    def mended(self, record: Record, edit: Mapping[str, str]) -> Record:
        """The record with a person's corrections. What never had columns needs all of them."""
        if record.fields is None and set(edit) != set(self.columns):
            return record
        values = {**dict(zip(self.columns, record.fields or (), strict=False)), **edit}
        return Record(record.line, tuple(values[name] for name in self.columns), len(self.columns))

    def judged(self, rows: Mapping[int, Record]) -> dict[int, Values]:
        """The values of the rows of a delivery that nothing is wrong with."""
        found = {line: values for line, row in rows.items() if (values := self._values(row)) is not None}
        keys = Counter(self._key(values) for values in found.values())
        return {line: values for line, values in found.items() if not self.key or keys[self._key(values)] == 1}

    def _key(self, values: Values) -> tuple[Any, ...]:
        return tuple(values[name] for name in self.key)

    def _values(self, row: Record) -> Values | None:
        values = self._parsed(row)
        if row.fields is None or any(isinstance(value, ValueError) for value in values.values()):
            return None
        return values if self.passes(values) and None not in self._key(values) else None

    def _parsed(self, row: Record) -> dict[str, Any]:
        """Values, None for an empty text, or what is wrong with them."""
        pairs = zip(self.columns.items(), row.fields or (), strict=False)
        return {name: _tried(parse, value) for (name, parse), value in pairs}


def _tried(parse: Parser, value: str) -> Any:
    try:
        return parse(value) if value else None
    except ValueError as error:
        return error


def _check_widths(rows: Sequence[Record], width: int) -> None:
    """The first records tell whether a file without a header is such a file at all."""
    widths = [row.width for row in rows[:20] if row.width]
    if sum(found != width for found in widths) * 2 > len(widths):
        raise Unreadable("other columns")


# --- lines -------------------------------------------------------------------------------------------------------


def records(content: str, columns: int) -> Iterator[Record]:
    """The records of a CSV file with so many columns; blank lines are none."""
    lines = _LINE_END.split(content)
    at = 0
    while at < len(lines):
        if not lines[at]:
            at += 1
            continue
        taken, fields = _fields(lines, at, columns)
        width = len(fields) if any(fields[columns:]) else min(len(fields), columns)
        sound = width == columns and not _NO_TEXT.search("".join(lines[at : at + taken]))
        yield Record(at + 1, tuple(fields[:columns]) if sound else None, width)
        at += taken


def _fields(lines: list[str], at: int, columns: int) -> tuple[int, list[str]]:
    """How many lines the record takes, and its fields. A quote that is left open tears its own line and no other."""
    found = _split(lines[at])
    if not isinstance(found, csv.Error):
        return 1, found
    taken = 1
    while isinstance(found, csv.Error) and "unexpected end" in str(found) and at + taken < len(lines):
        taken += 1
        found = _split("\n".join(lines[at : at + taken]))
    return (1, []) if isinstance(found, csv.Error) or len(found) != columns else (taken, found)


def _split(content: str) -> list[str] | csv.Error:
    try:
        return next(csv.reader(io.StringIO(content, newline=""), strict=True))
    except csv.Error as error:
        return error


def iso(value: str) -> date:
    """A date as standards write it."""
    found: date = day("%Y-%m-%d")(value)
    return found
