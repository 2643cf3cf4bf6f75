"""Conditions of rules: an operator and the values it compares with, as DQDL writes them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

COMPARISONS = ("=", "!=", "<", "<=", ">", ">=")
_ORDERED = ("<", "<=", ">", ">=", "between", "not between")
_SETS = ("in", "not in")
_RANGES = ("between", "not between")
_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?)?")


class Keyword(StrEnum):
    """What DQDL writes without quotes in place of a text."""

    NULL = "NULL"
    EMPTY = "EMPTY"
    WHITESPACES_ONLY = "WHITESPACES_ONLY"


@dataclass(frozen=True, slots=True)
class Duration:
    """`24 hours`; the unit is `days`, `hours` or `minutes`."""

    amount: int
    unit: str

    @property
    def text(self) -> str:
        return f"{self.amount} {self.unit}"


@dataclass(frozen=True, slots=True)
class RunTime:
    """`now()`, `(now() - 3 days)`: the recorded time of the run, never the clock."""

    sign: str = ""
    offset: Duration | None = None

    @property
    def text(self) -> str:
        return f"(now() {self.sign} {self.offset.text})" if self.offset else "now()"


Value = int | Decimal | str | Keyword | Duration | RunTime


@dataclass(frozen=True, slots=True)
class Condition:
    """An operator and its values: one for a comparison or a regex, two for a range, one or more for a set.

    The ends of a range are outside it, as in DQDL: `between 1 and 3` is 1 < x < 3.
    """

    operator: str
    values: tuple[Value, ...]

    @property
    def domain(self) -> str:
        """What it compares: `number`, `date`, `text`, `duration`, `regex`; `null` when it speaks of NULL alone, and
        `mixed` when its values have nothing in common."""
        if self.operator.endswith("matches"):
            return "regex"
        kinds = {_kind(value) for value in self.values} - {"null"}
        if kinds == {"text", "date"} and not any(isinstance(value, RunTime) for value in self.values):
            return "text"
        return kinds.pop() if len(kinds) == 1 else ("mixed" if kinds else "null")

    @property
    def mentions_null(self) -> bool:
        return Keyword.NULL in self.values

    @property
    def text(self) -> str:
        """The condition as DQDL."""
        if self.operator.endswith("matches"):
            return f"{self.operator} {raw_text(str(self.values[0]))}"
        texts = [value_text(value) for value in self.values]
        if self.operator in _SETS:
            return f"{self.operator} [{', '.join(texts)}]"
        return f"{self.operator} {' and '.join(texts)}"

    def mistake(self) -> str:
        """Why no value could be compared in this way; empty when all is well."""
        if self.domain == "mixed":
            return "its values are of different kinds"
        if self.operator in _ORDERED and (self.mentions_null or self.domain not in ("number", "date", "duration")):
            return "only numbers, dates and durations have an order"
        if self.operator in _RANGES and _upside_down(*self.values):
            return "the range is empty: its lower end comes first, and both ends are outside it"
        return ""


def moment(text: str) -> datetime | None:
    """The local time of an ISO text (`2024-01-31`, `2024-01-31 09:00`), or None."""
    if not _ISO.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def value_text(value: Value) -> str:
    """A value as DQDL."""
    if isinstance(value, Keyword):
        return value.value
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, Duration | RunTime):
        return value.text
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def quoted(text: str) -> str:
    r"""A text in DQDL's quotes, with `\"` and `\\`."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def raw_text(text: str) -> str:
    r"""A regex or SQL in DQDL's quotes: its backslashes are its own, only `\"` stands for a quote."""
    escaped = text.replace('"', '\\"')
    return f'"{escaped}"'


def _kind(value: Value) -> str:
    if isinstance(value, Keyword):
        return "null" if value is Keyword.NULL else "text"
    if isinstance(value, str):
        return "date" if moment(value) else "text"
    if isinstance(value, Duration):
        return "duration"
    return "date" if isinstance(value, RunTime) else "number"


_MINUTES = {"minutes": 1, "hours": 60, "days": 1440}


def _upside_down(low: Value, high: Value) -> bool:
    if isinstance(low, Duration) and isinstance(high, Duration):
        return minutes(low) >= minutes(high)
    if isinstance(low, int | Decimal) and isinstance(high, int | Decimal):
        return low >= high
    if isinstance(low, str) and isinstance(high, str):
        first, last = moment(low), moment(high)
        return first is not None and last is not None and first >= last
    return False


def minutes(duration: Duration) -> int:
    """How long it is."""
    return duration.amount * _MINUTES[duration.unit]
