"""What a pipeline reads: CSV, JSON, JSON Lines, Parquet, with declared columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from penstock.authoring.months import checked
from penstock.errors import DefinitionError, nearest
from penstock.model.rows import RESERVED
from penstock.model.schemas import PLAIN, canonical

if TYPE_CHECKING:
    from penstock.authoring.origins import Origin

_TYPE = re.compile(r"\s*([A-Za-z_]+(?:\s*\(\s*\d+\s*(?:,\s*\d+\s*)?\))?)\s*((?:'(?:[^']|'')*'\s*,?\s*)*)")
_FORMAT = re.compile(r"'((?:[^']|'')*)'")
_DIGITS = re.compile(r"DECIMAL\((\d+),(\d+)\)")
_TIMED = ("DATE", "TIMESTAMP", "TIMESTAMPTZ", "TIME")
_UTC = re.compile(r"UTC|GMT|(?<!%)Z$")


class Meant(Enum):
    """How the times of a format are meant."""

    LOCAL = "in the source's time zone"
    UTC = "in UTC, as the format's own words say"
    OFFSET = "with the offset that each carries"


def meant_by(form: str) -> Meant:
    """`%d/%m/%Y` is local, `%Y-%m-%d %H:%M:%S UTC` says so itself, `%z` and `%Z` read it from each value."""
    if "%z" in form or "%Z" in form:
        return Meant.OFFSET
    return Meant.UTC if _UTC.search(form) else Meant.LOCAL


@dataclass(frozen=True, slots=True)
class ColumnType:
    """A column's canonical type, and for times the formats that are tried in order."""

    name: str
    formats: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str, column: str = "") -> ColumnType:
        """`DECIMAL(8,2)`, `TIMESTAMP '%d/%m/%Y %H:%M'`, `DATE '%d/%m/%Y', '%Y-%m-%d'`."""
        match = _TYPE.fullmatch(text)
        name = canonical(match[1].replace(" ", "")) if match else ""
        if not match or (name == "JSON" and match[1].upper() != "JSON"):
            raise DefinitionError(
                f"column {column!r} has the unknown type {text!r}",
                fix=_near(text),
            )
        digits = _DIGITS.fullmatch(name)
        if digits and not int(digits[2]) <= int(digits[1]) in range(1, 39):
            raise DefinitionError(
                f"column {column!r}: there is no {name}",
                why="the first number counts all digits, the second those behind the point",
                fix="DECIMAL(p,s) with p from 1 to 38, and s from 0 to p",
            )
        formats = tuple(item.replace("''", "'") for item in _FORMAT.findall(match[2]))
        if formats and name not in _TIMED:
            raise DefinitionError(f"column {column!r}: {name} takes no format", fix=f'write "{name}" alone')
        return cls(name, formats)


def _near(text: str) -> str:
    """The type that was meant, or all of them."""
    known = f"use one of {', '.join(PLAIN)}, DECIMAL(p,s), JSON"
    near = nearest(text.partition("(")[0].strip().upper(), (*PLAIN, "DECIMAL(p,s)", "JSON"))
    return f"{near}   ({known})" if near.startswith("did you mean") else known


@dataclass(frozen=True, slots=True)
class Source:
    """A source's form and columns. Build one with `csv`, `json`, `json_lines` or `parquet`."""

    format: str
    columns: tuple[tuple[str, ColumnType], ...]
    header: bool = True
    delimiter: str = ","
    quote: str = '"'
    encoding: str = "utf-8"
    compression: str = "auto"
    aliases: Mapping[str, str] = field(default_factory=dict)
    tz: str = ""
    fold: int = 0
    locales: tuple[str, ...] = ()
    of: str = ""
    """The table's name, of a source that is another pipeline's table."""
    at: str = ""
    """The keys that lead to a JSON document's array, joined by dots."""
    origin: Origin | None = field(default=None, repr=False)
    """From where it is pulled; None for what is delivered. No part of what the rows mean."""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.columns)

    @property
    def reads_table(self) -> bool:
        """Whether it is another pipeline's table."""
        return self.format == TABLE


TABLE = "table"


def table(name: str) -> Source:
    """Another pipeline's table: `ps.table("accounts")`. Its columns are what it has when it is read; of a key those
    rows are read that the key's deliveries have loaded."""
    if not name:
        raise DefinitionError("table() needs the name of a table", fix='ps.table("accounts")')
    return Source(TABLE, (), of=name)


def tables(*names: str, **named: str) -> dict[str, Source]:
    """Several tables as the sources of a pipeline: `ps.tables("portfolios", "accounts")` under their own names,
    `ps.tables(clients="stored_clients")` under another."""
    wanted = {**{name: name for name in names}, **named}
    if len(wanted) < len(names) + len(named) or not wanted:
        raise DefinitionError("tables() names each source once", fix='ps.tables("portfolios", "accounts")')
    return {source: table(name) for source, name in wanted.items()}


def _columns(declared: Mapping[str, str]) -> tuple[tuple[str, ColumnType], ...]:
    if not declared:
        raise DefinitionError(
            "the source declares no columns", fix='columns={"name": "VARCHAR", …} in the file\'s order'
        )
    for name in declared:
        if name.lower() in RESERVED or name.startswith("_penstock"):
            raise DefinitionError(f"column name {name!r} is reserved", fix="declare it under another name (aliases=…)")
    folded = {name.lower() for name in declared}
    if len(folded) < len(declared):
        raise DefinitionError("two columns differ only in case", fix="rename one of them (aliases=…)")
    return tuple((name, ColumnType.parse(text, name)) for name, text in declared.items())


def _time(columns: tuple[tuple[str, ColumnType], ...], tz: str, fold: int) -> None:
    if fold not in (0, 1):
        raise DefinitionError(f"fold={fold}", fix="fold=0 takes the first of two equal local times, fold=1 the second")
    for name, kind in columns:
        local = kind.name == "TIMESTAMPTZ" and any(meant_by(form) is Meant.LOCAL for form in kind.formats)
        if local and not tz:
            raise DefinitionError(
                f"column {name!r} has local times, but no time zone is declared",
                why="a local time is an instant only in a time zone",
                fix='add tz="Europe/London" to the source, or declare TIMESTAMP to keep the local time as it is',
            )


def csv(
    *,
    columns: Mapping[str, str],
    header: bool = True,
    delimiter: str = ",",
    quote: str = '"',
    encoding: str = "utf-8",
    compression: str = "auto",
    aliases: Mapping[str, str] | None = None,
    tz: str = "",
    fold: int = 0,
    locale: str | Iterable[str] = "",
) -> Source:
    """Delimited text. `columns` maps names to types, in the file's order when `header=False`.

    An empty field is NULL. A field that is not of its type rejects its row. `aliases` maps a header as it is misspelt
    in files to the declared name. Compression (`gz`, `zst`) is seen from the name and the first bytes. `locale` lets
    `%B` and `%b` read the months of other languages besides English: `locale="ru"`, `locale=["de", "fr"]`.
    """
    if len(delimiter) != 1 or len(quote) > 1 or delimiter == quote:
        raise DefinitionError(f"delimiter {delimiter!r} and quote {quote!r} must be two different single characters")
    parsed = _columns(columns)
    _time(parsed, tz, fold)
    misspelt = dict(aliases or {})
    return Source(
        "csv", parsed, header, delimiter, quote, encoding, compression, misspelt, tz, fold, checked(locale)
    )  # fmt: skip


def json_lines(
    *,
    columns: Mapping[str, str],
    encoding: str = "utf-8",
    tz: str = "",
    fold: int = 0,
    locale: str | Iterable[str] = "",
) -> Source:
    """One JSON object a line. A missing key is NULL; nested values become JSON text."""
    parsed = _columns(columns)
    _time(parsed, tz, fold)
    return Source("json_lines", parsed, encoding=encoding, tz=tz, fold=fold, locales=checked(locale))


def json(
    *,
    columns: Mapping[str, str],
    at: str = "",
    encoding: str = "utf-8",
    tz: str = "",
    fold: int = 0,
    locale: str | Iterable[str] = "",
) -> Source:
    """One JSON array of objects. A row's line is its ordinal in the array.

    `at="features"` finds the array in an object: keys, joined by dots.
    """
    parsed = _columns(columns)
    _time(parsed, tz, fold)
    if at and not all(at.split(".")):
        raise DefinitionError(f"at={at!r} names no place in a JSON document", fix='keys joined by dots: at="data.rows"')
    return Source("json", parsed, encoding=encoding, tz=tz, fold=fold, locales=checked(locale), at=at)


def parquet(*, columns: Mapping[str, str]) -> Source:
    """A Parquet file. A row's line is its ordinal in the file; values are cast to the declared types."""
    return Source("parquet", _columns(columns))
