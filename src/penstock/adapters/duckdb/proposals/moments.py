"""Dates and times in text: which formats a column is written in, and which of two readings the data proves.

`03/04/2024` is a day in March or in April. Only a value above 12 in one of the two places tells, so a column without
one is left as text, with both formats named: a wrong guess would be silent.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product

from penstock.adapters.duckdb.proposals.sniffing import Table
from penstock.compile.sql import quote_identifier, quote_literal

_DATES = (
    "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%d.%m.%Y",
    "%m.%d.%Y", "%d/%m/%y", "%m/%d/%y", "%d-%m-%y", "%m-%d-%y", "%d.%m.%y", "%m.%d.%y", "%d %b %Y", "%d %B %Y",
    "%d-%b-%Y", "%d-%b-%y", "%d. %B %Y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%B %d %Y",
)  # fmt: skip
_TIMES = ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%I:%M %p", "%I:%M:%S %p", "%I:%M%p", "%H.%M")
_ZONES = ("", " UTC", " GMT")
_LEAST_SHARE = 0.005
_MOST_OUTLINES = 5
_LONGEST = 64


@dataclass(frozen=True, slots=True)
class Moment:
    """How a column of dates or times would be declared; `VARCHAR` where its formats cannot be told."""

    type: str
    misfits: int
    note: str


@cache
def _formats() -> dict[str, tuple[str, ...]]:
    """Known formats by the outline of what they write: `9/9/9 9:9` is day first or month first."""
    times = ["", *(f"{join}{time}{zone}" for join, time, zone in product((" ", "T", ", "), _TIMES, _ZONES))]
    found: dict[str, list[str]] = {}
    for date, time in product(_DATES, times):
        found.setdefault(_outline(date + time), []).append(date + time)
    return {outline: tuple(formats) for outline, formats in found.items()}


def _outline(form: str) -> str:
    return _blurred(re.sub("%[bBpAa]", "a", re.sub("%[YmdHMSfyIj]", "9", form)))


def _blurred(text: str) -> str:
    """A text's outline: `9` for a run of digits, `a` for a run of letters."""
    return re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "9", text))


def read_moments(table: Table, name: str, texts: Sequence[str], filled: int) -> Moment | None:
    """The type of a column if it holds dates or times, else nothing. `texts` is a sample of it."""
    outlines = Counter(_blurred(text[:_LONGEST]) for text in texts)
    usual = [outline for outline, _ in outlines.most_common(_MOST_OUTLINES)]
    known = [outline for outline in usual if outline in _formats() or _zoned(outline)]
    if set(outlines) <= {"9:9", "9:9:9", "9:9:9.9"} and _clock(table, name, filled):
        return Moment("TIME", 0, f"all {filled:,} values")
    if not texts or sum(outlines[outline] for outline in known) < 0.3 * len(texts):
        return None
    if set(known) == {"9"} and not _whole_days(texts):
        return None
    found = _instants(table, name, filled) or _standard(table, name, outlines, filled)
    return found or _chosen(table, name, {outline: outlines[outline] for outline in known}, filled, len(texts))


def _zoned(outline: str) -> bool:
    return outline.startswith("9-9-9") and outline.endswith(("a", "+9:9", "+9", "-9:9")) and outline.count(":") >= 1


def _whole_days(texts: Sequence[str]) -> bool:
    return all(len(text) == 8 and "1900" <= text[:4] <= "2100" for text in texts)


def _count(table: Table, condition: str) -> int:
    return int(table.ask(f"SELECT count(*) FROM source WHERE {condition}")[0][0])


def _clock(table: Table, name: str, filled: int) -> bool:
    c = quote_identifier(name)
    form = r"\d\d?:\d\d(:\d\d(\.\d+)?)?"
    return _count(table, f"regexp_full_match({c}, '{form}') AND TRY_CAST({c} AS TIME) IS NOT NULL") == filled


def _instants(table: Table, name: str, filled: int) -> Moment | None:
    """ISO times that say their offset: nothing about them has to be declared."""
    c = quote_identifier(name)
    form = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)? ?(Z|[+-]\d\d(:?\d\d)?)"
    fitting = _count(table, f"regexp_full_match({c}, '{form}') AND TRY_CAST({c} AS TIMESTAMPTZ) IS NOT NULL")
    return Moment("TIMESTAMPTZ", 0, f"all {filled:,} values say their offset") if fitting == filled else None


def _standard(table: Table, name: str, outlines: Counter[str], filled: int) -> Moment | None:
    """ISO dates and local times, which need no format."""
    if not set(outlines) <= {
        "9-9-9",
        "9-9-9 9:9",
        "9-9-9 9:9:9",
        "9-9-9 9:9:9.9",
        "9-9-9a9:9:9",
        "9-9-9a9:9",
        "9-9-9a9:9:9.9",
    }:
        return None
    kind = "DATE" if set(outlines) == {"9-9-9"} else "TIMESTAMP"
    c = quote_identifier(name)
    query = (
        f"SELECT count(*) FROM source WHERE {c} SIMILAR TO '[12]\\d{{3}}-.*' AND TRY_CAST({c} AS {kind}) IS NOT NULL"
    )
    fitting = int(table.ask(query)[0][0])
    return Moment(kind, 0, f"all {filled:,} values") if fitting == filled else None


def _chosen(table: Table, name: str, outlines: Mapping[str, int], filled: int, sampled: int) -> Moment:
    """One format for each outline, and what it does not cover."""
    proofs: list[_Proof] = []
    for outline, count in outlines.items():
        if count < _LEAST_SHARE * sampled and proofs:
            continue
        proof = _proven(table, name, _formats().get(outline, ()))
        if not proof.clear:
            return Moment("VARCHAR", 0, proof.note)
        proofs += [proof] if proof.format else []
    formats = list(dict.fromkeys(proof.format for proof in proofs))
    return _declared(table, name, formats, [proof.note for proof in proofs], filled)


@dataclass(frozen=True, slots=True)
class _Proof:
    """The one of several formats that the data proves, what shows it, and whether it is clear."""

    format: str = ""
    note: str = ""
    clear: bool = True


def _proven(table: Table, name: str, candidates: Sequence[str]) -> _Proof:
    counts = _counts(table, name, candidates) if candidates else {}
    best = max(counts, key=lambda form: counts[form], default="")
    if not best or not counts[best]:
        return _Proof()
    rival = _swapped(best)
    if rival == best or rival not in counts:
        return _Proof(best)
    return _against(table, name, best, rival, counts[best])


def _against(table: Table, name: str, best: str, rival: str, count: int) -> _Proof:
    """Whether values above 12 tell a format from the one in which day and month change places."""
    only_best, only_rival = _apart(table, name, best, rival)
    if not only_best:
        note = f"every value fits '{best}' and '{rival}': no day above 12 proves which; declare the right one"
        return _Proof(best, note, clear=False)
    if only_rival:
        return _Proof(best, f"'{best}' and '{rival}' are mixed: a step has to tell them apart", clear=False)
    return _Proof(best, f"{only_best:,} of {count:,} values have a day above 12")


def _swapped(form: str) -> str:
    """The format that reads the day where this one reads the month."""
    return form.replace("%d", "\0").replace("%m", "%d").replace("\0", "%m")


def _counts(table: Table, name: str, formats: Sequence[str]) -> dict[str, int]:
    parts = ", ".join(f"count({_parsed(name, form)})" for form in formats)
    return dict(zip(formats, table.ask(f"SELECT {parts} FROM source")[0], strict=True))


def _parsed(name: str, form: str) -> str:
    """A value as a time in years that are plausible; `%Y` would read two digits as a year of the first century."""
    value = f"try_strptime({quote_identifier(name)}, {quote_literal(form)})"
    return f"CASE WHEN year({value}) BETWEEN 1800 AND 2200 THEN {value} END"


def _apart(table: Table, name: str, first: str, second: str) -> tuple[int, int]:
    one, two = _parsed(name, first), _parsed(name, second)
    query = f"SELECT count({one}) FILTER ({two} IS NULL), count({two}) FILTER ({one} IS NULL) FROM source"
    row = table.ask(query)[0]
    return int(row[0]), int(row[1])


def _declared(table: Table, name: str, formats: Sequence[str], notes: Sequence[str], filled: int) -> Moment:
    if not formats:
        return Moment("VARCHAR", 0, "looks like dates, in a form that no format reads")
    covered = " OR ".join(f"{_parsed(name, form)} IS NOT NULL" for form in formats)
    missing = filled - _count(table, covered)
    listed = ", ".join(f"'{form}'" for form in formats)
    if missing > 0.05 * filled:
        return Moment(
            "VARCHAR", 0, f"{listed} read {filled - missing:,} of {filled:,} values: a step has to read the rest"
        )
    rest = f"{missing:,} of {filled:,} values are of no such form: they would be set aside" if missing else ""
    return Moment(
        f"{_kind(formats)} {listed}", missing, "; ".join(filter(None, (*notes, rest))) or f"all {filled:,} values"
    )


def _kind(formats: Sequence[str]) -> str:
    if not any("%H" in form or "%I" in form for form in formats):
        return "DATE"
    return "TIMESTAMPTZ" if all("UTC" in form for form in formats) else "TIMESTAMP"
