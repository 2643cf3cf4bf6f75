"""Dates and times from text: the SQL of a column's formats.

A column of one format is one call of the engine's parser. Several are tried in their order; those that stand side by
side and are meant alike (local times, or UTC, or with an offset of their own) share one call.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from penstock.authoring.months import months
from penstock.authoring.sources import ColumnType, Meant, meant_by
from penstock.compile.sql import quote_literal

_OFFSET = r":[0-9]{2}([.][0-9]+)? ?([zZ]|UTC|[+-][0-9]{2}(:?[0-9]{2})?)\s*$"


@dataclass(frozen=True, slots=True)
class Clock:
    """How a source's local times are meant, and in which languages its months may be named."""

    tz: str = ""
    fold: int = 0
    locales: tuple[str, ...] = ()

    def parsed(self, text: str, kind: ColumnType) -> str:
        """The expression of a column's type over its text; NULL where no format fits."""
        found = [
            self._typed(parsed, kind.name, meant)
            for meant, formats in groupby(kind.formats, meant_by)
            for parsed in self._parses(text, tuple(formats))
        ]
        return found[0] if len(found) == 1 else f"coalesce({', '.join(found)})"

    def _parses(self, text: str, formats: Sequence[str]) -> Iterator[str]:
        yield _strptime(text, formats)
        for directive in ("%B", "%b") if self.locales else ():
            named = [form for form in formats if directive in form]
            if named:
                names = months(self.locales, short=directive == "%b")
                yield _strptime(_in_english(text, names), named)

    def _typed(self, parsed: str, kind: str, meant: Meant) -> str:
        """`%Y` takes two digits as a year of the first century: such a year is not a match."""
        if kind == "TIME":
            return f"TRY_CAST({parsed} AS TIME)"
        guarded = f"CASE WHEN {parsed} >= TIMESTAMP '1000-01-01' THEN {parsed} END"
        if kind != "TIMESTAMPTZ":
            return f"CAST({guarded} AS {kind})"
        if meant is Meant.OFFSET:
            return guarded
        return self.instant(guarded) if meant is Meant.LOCAL else f"timezone('UTC', {guarded})"

    def standard(self, text: str, kind: str) -> str:
        """A value as ISO 8601 writes it; an instant without an offset is meant in the declared zone."""
        if kind != "TIMESTAMPTZ" or self.tz in ("", "UTC"):
            return f"TRY_CAST({text} AS {kind})"
        local = self.instant(f"TRY_CAST({text} AS TIMESTAMP)")
        return f"CASE WHEN regexp_matches({text}, '{_OFFSET}') THEN TRY_CAST({text} AS TIMESTAMPTZ) ELSE {local} END"

    def instant(self, local: str) -> str:
        """A local time in the declared zone as an instant; NULL where no clock showed it.

        Of a time that the clock showed twice the engine knows the second instant; `fold=0` means the first, which is
        the one by the offset of the day before.
        """
        if self.tz in ("", "UTC"):
            return f"timezone('UTC', {local})"
        zone = quote_literal(self.tz)
        instant = f"timezone({zone}, {local})"
        shown = f"CASE WHEN timezone({zone}, {instant}) = {local} THEN {instant} END"
        if self.fold:
            return shown
        before = f"({instant} - INTERVAL 24 HOUR)"
        first = f"timezone('UTC', {local} - (timezone({zone}, {before}) - timezone('UTC', {before})))"
        # Most days have 24 hours; where this one has, there is no first instant to look for.
        return (
            f"CASE WHEN timezone({zone}, {before}) = {local} - INTERVAL 24 HOUR THEN {shown} "
            f"WHEN timezone({zone}, {first}) = {local} THEN {first} ELSE {shown} END"
        )


def _strptime(text: str, formats: Sequence[str]) -> str:
    listed = ", ".join(quote_literal(form) for form in formats)
    return f"try_strptime({text}, {listed if len(formats) == 1 else f'[{listed}]'})"


def _in_english(text: str, names: dict[str, str]) -> str:
    """The text with the first month's name in English; NULL without one. A point behind a short name goes."""
    longest_first = "|".join(re.escape(name) for name in sorted(names, key=lambda name: (-len(name), name)))
    pattern = quote_literal(rf"(?i)(?:^|[^\p{{L}}])((?:{longest_first})\.?)(?:[^\p{{L}}]|$)")
    word = f"regexp_extract({text}, {pattern}, 1)"
    pairs = ", ".join(f"{quote_literal(name)}: {quote_literal(english)}" for name, english in names.items())
    return f"replace({text}, {word}, MAP {{{pairs}}}[rtrim(lower({word}), '.')])"
