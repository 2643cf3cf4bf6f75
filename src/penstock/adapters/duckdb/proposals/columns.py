"""What each column is: its type and formats, shown by counts over all rows that were read, and its role.

The role says what a column may do in a normal form: only identifiers and categories determine anything.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from penstock.adapters.duckdb.proposals.moments import Moment, read_moments
from penstock.adapters.duckdb.proposals.names import known
from penstock.adapters.duckdb.proposals.sniffing import Table
from penstock.adapters.duckdb.proposals.vocabulary import fold, words
from penstock.compile.sql import quote_identifier

FEW = 8
_ENOUGH = 0.95
_DECIMAL = r"[+-]?(\d+(\.\d*)?|\.\d+)"

_IDS = frozenset(
    """id ids no nr num number nummer numero key code kode codigo codice ref reference referenz sku isbn ean gtin iban
    uuid guid barcode article artikelnummer kundennummer account konto номер код""".split()
)
_MONEY = frozenset(
    """price amount total sum cost fee fare rate tax taxes value balance salary revenue discount paid preis betrag summe
    kosten gebuehr prix montant precio importe prezzo importo gross net tip allowance payment premium charge turnover
    umsatz wert tolls surcharge cash""".split()
)
_ORDINALS = frozenset(
    "line lineno lines line_no linenumber position pos posnr seq sequence zeile ligne linea ordinal row".split()
)
_PLACES = frozenset("lat lon lng long latitude longitude x y easting northing breite laenge elevation altitude".split())


@dataclass(frozen=True, slots=True)
class Column:
    """One column as it would be declared."""

    name: str
    header: str
    type: str
    """As in a pipeline file: `DECIMAL(10,2)`, `TIMESTAMP '%d/%m/%Y %H:%M'`."""
    role: str
    """`moment`, `identifier`, `ordinal` (a line's number), `measure`, `money`, `place`, `category`, `text`, `empty`."""
    rows: int
    filled: int
    distinct: int
    misfits: int = 0
    """Values that are not of the type: they would be set aside."""
    note: str = ""
    """What shows the type, in counts; no values."""
    negative: bool = False
    kind: str = ""
    """The kind of personal data, if it looks personal."""

    @property
    def complete(self) -> bool:
        return 0 < self.rows == self.filled

    @property
    def base(self) -> str:
        """The type without its formats."""
        return self.type.split(" '")[0]

    @property
    def numeric(self) -> bool:
        return self.base.startswith("DECIMAL") or self.base in ("SMALLINT", "INTEGER", "BIGINT", "DOUBLE")


@dataclass(frozen=True, slots=True)
class _Tally:
    """Counts over the values of one column."""

    filled: int
    distinct: int
    whole: int
    padded: int
    decimal: int
    scale: int
    width: int
    double: int
    boolean: int
    comma: int
    negative: int
    longest: int
    shortest: int
    mean: float
    wordy: float


_TOGETHER = 25
"""Columns that are counted in one pass over the table."""


def _tallies(table: Table) -> list[_Tally]:
    found = []
    for place in range(0, len(table.names), _TOGETHER):
        names = table.names[place : place + _TOGETHER]
        row = table.ask(f"SELECT {', '.join(_counts(name) for name in names)} FROM source")[0]
        width = len(row) // len(names)
        found += [_Tally(*row[at * width : (at + 1) * width]) for at in range(len(names))]
    return found


def _counts(name: str) -> str:
    """The aggregates of one column, in the order of `_Tally`."""
    c = quote_identifier(name)
    number = f"regexp_full_match({c}, '{_DECIMAL}')"
    return f"""
        count({c}), count(DISTINCT {c}),
        count(*) FILTER (regexp_full_match({c}, '[+-]?\\d{{1,18}}')),
        count(*) FILTER (regexp_full_match({c}, '0\\d+')),
        count(*) FILTER ({number}),
        coalesce(max(length(regexp_extract({c}, '\\.(\\d*)$', 1))) FILTER ({number}), 0),
        coalesce(max(length(regexp_extract({c}, '^[+-]?0*(\\d*)', 1))) FILTER ({number}), 0),
        count(*) FILTER (isfinite(TRY_CAST({c} AS DOUBLE))),
        count(*) FILTER (lower({c}) IN ('true', 'false')),
        count(*) FILTER (regexp_full_match({c}, '[+-]?\\d{{1,3}}(\\.?\\d{{3}})*,\\d{{1,4}}')),
        count(*) FILTER ({number} AND {c} LIKE '-%'),
        coalesce(max(length({c})), 0), coalesce(min(length({c})), 0), coalesce(avg(length({c})), 0),
        coalesce(avg(len(string_split({c}, ' '))), 0)"""


def profile(table: Table, sample: Sequence[Sequence[str | None]], kinds: dict[str, str]) -> tuple[Column, ...]:
    """Every column of a table. `kinds` gives the kind of personal data by column, where there is one."""
    found = []
    tallies = _tallies(table)
    for place, (name, header) in enumerate(zip(table.names, table.headers, strict=True)):
        texts = [text for row in sample if (text := row[place]) is not None]
        kind = kinds.get(name, "")
        plain = Column(
            name, header, "VARCHAR", "category", table.count, tallies[place].filled, tallies[place].distinct, kind=kind
        )
        found.append(_column(table, plain, tallies[place], texts, table.types[place]))
    return tuple(found)


def _column(table: Table, plain: Column, tally: _Tally, texts: Sequence[str], known: str) -> Column:
    if not tally.filled:
        return replace(plain, role="empty", note="no value in any row")
    if plain.kind and not known:
        return replace(plain, role="text")
    if known:
        return _known(plain, tally, known)
    moment = read_moments(table, plain.name, texts, tally.filled)
    if moment is not None:
        return _timed(plain, moment)
    return _numbered(plain, tally) or _worded(plain, tally)


def _known(plain: Column, tally: _Tally, known: str) -> Column:
    column = replace(plain, type=known, negative=tally.negative > 0, note="the file says so")
    if known in ("DATE", "TIMESTAMP", "TIMESTAMPTZ", "TIME"):
        return replace(column, role="moment")
    return replace(column, role=_measure(column)) if column.numeric else replace(_worded(column, tally), type=known)


def _timed(plain: Column, moment: Moment) -> Column:
    return replace(plain, type=moment.type, role="moment", misfits=moment.misfits, note=moment.note)


def _numbered(plain: Column, tally: _Tally) -> Column | None:
    if tally.padded and tally.padded + tally.whole >= _ENOUGH * tally.filled and tally.whole == tally.decimal:
        note = f"{tally.padded:,} of {tally.filled:,} begin with 0: text, or the zeros would be lost"
        return replace(plain, role="identifier", note=note)
    for type_name, fitting in (
        ("BIGINT" if tally.width > 8 else "INTEGER", tally.whole),
        (_decimal(tally), tally.decimal if tally.scale <= 6 and tally.width <= 28 else 0),
        ("DOUBLE", tally.double),
        ("BOOLEAN", tally.boolean),
    ):
        if fitting >= _ENOUGH * tally.filled:
            column = replace(plain, type=type_name, misfits=tally.filled - fitting, negative=tally.negative > 0)
            return replace(column, note=_fits(column), role=_measure(column) if column.numeric else "category")
    if tally.comma >= _ENOUGH * tally.filled:
        return replace(
            plain,
            role="measure",
            note=f"{tally.comma:,} of {tally.filled:,} have a decimal comma: a step has to replace it",
        )
    return None


def _fits(column: Column) -> str:
    if not column.misfits:
        return f"all {column.filled:,} values"
    return f"{column.misfits:,} of {column.filled:,} values are not {column.base}: they would be set aside"


def _decimal(tally: _Tally) -> str:
    """Room for two more digits; money has two places even where a sample shows one."""
    scale = 2 if tally.scale <= 2 else 6
    return f"DECIMAL({10 if tally.width + scale <= 8 else 18 if tally.width + scale <= 16 else 38},{scale})"


def _measure(column: Column) -> str:
    said = set(words(column.header))
    if said & _PLACES and column.base != "BIGINT":
        return "place"
    whole = not column.base.startswith("DECIMAL") and column.base != "DOUBLE"
    if whole and said & _ORDINALS:
        return "ordinal"
    if whole and _identifies(column.header):
        return "identifier"
    return "money" if said & _MONEY or column.base.endswith(",2)") else "measure"


def _identifies(header: str) -> bool:
    said = words(header)
    joined = "".join(said)
    return bool(
        set(said[-1:]) & _IDS
        or set(said[:1]) & {"id", "nr", "no"}
        or joined.endswith(("nummer", "number", "numero", "kennung"))
    )


def _worded(plain: Column, tally: _Tally) -> Column:
    if _identifies(plain.header):
        return replace(plain, role="identifier", note=_distinct(tally))
    if tally.mean > 60 or tally.wordy > 6:
        return replace(plain, role="text", note="free text")
    codes = tally.longest == tally.shortest and tally.longest >= 8 and tally.wordy == 1 and tally.distinct > FEW
    return replace(plain, role="identifier" if codes else "category", note=_distinct(tally))


def _distinct(tally: _Tally) -> str:
    return f"{tally.distinct:,} distinct values" if tally.distinct > 1 else "the same value in every row"


def few_values(table: Table, columns: Collection[Column], *, most: int = FEW) -> dict[str, tuple[str, ...]]:
    """The values of complete columns that hold a few values over and over; nothing that could be people's names."""
    eligible = [
        column for column in columns
        if column.complete and column.role == "category" and not column.kind
        and column.distinct <= most and column.rows >= 5 * column.distinct and column.base in ("VARCHAR", "BOOLEAN")
    ]  # fmt: skip
    found = {column.name: _values(table, column.name) for column in eligible if column.base == "VARCHAR"}
    return {name: values for name, values in found.items() if not _people(values)}


def _people(values: Sequence[str]) -> bool:
    return 4 * sum(known(fold(value).split()) for value in values) >= len(values)


def _values(table: Table, name: str) -> tuple[str, ...]:
    c = quote_identifier(name)
    found = table.ask(f"SELECT {c}, count(*) AS n FROM source GROUP BY ALL ORDER BY n DESC, 1")
    return tuple(str(value) for value, _ in found)
