"""Endpoints: a table's rows over HTTP, as a pipeline declares them."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from penstock.authoring.place import Place, declare
from penstock.authoring.tables import Target
from penstock.errors import DefinitionError
from penstock.model.lookups import Sort

TYPES: tuple[type, ...] = (str, int, float, Decimal, bool, date, datetime)
PERIODS = ("second", "minute", "hour", "day")
MOST_ROWS = 10_000
RESERVED = ("limit", "cursor")
_PATH = re.compile(r"(/[a-z0-9][a-z0-9_.-]*)+")
_TAKEN = re.compile(r"/(openapi\.json|health|streams|console)(/.*)?")
_RATE = re.compile(rf"([1-9]\d{{0,8}})/({'|'.join(PERIODS)})")


@dataclass(frozen=True, slots=True)
class Parameter:
    """A value that a request gives, and the column that must equal it."""

    name: str
    kind: type
    column: str
    required: bool = True


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests in each period of time."""

    count: int
    period: str

    def __str__(self) -> str:
        return f"{self.count}/{self.period}"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One path: which rows of which table, and who may ask how often. `columns` maps shown names to the table's."""

    path: str
    pipeline: str
    table: str
    target: Target | None
    parameters: tuple[Parameter, ...]
    columns: tuple[tuple[str, str], ...]
    sort: tuple[Sort, ...]
    limit: int
    public: bool
    rate: Rate
    summary: str
    place: Place

    @property
    def needed(self) -> tuple[str, ...]:
        """The table's columns that it reads."""
        named = (
            *(column for _, column in self.columns),
            *(item.column for item in self.parameters),
            *(item.column for item in self.sort),
        )
        return tuple(dict.fromkeys(named))


def checked_path(path: str) -> str:
    """The path. Raises `DefinitionError` for one that cannot be served."""
    if not _PATH.fullmatch(path):
        fix = "lower-case words behind slashes, such as /get or /sales/by-branch"
        raise DefinitionError(f"the path {path!r} is not usable", fix=fix)
    if _TAKEN.fullmatch(path):
        raise DefinitionError(
            f"the path {path!r} is taken", why="the server itself answers there", fix="choose another"
        )
    return path


def columns_of(columns: Sequence[str] | Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Shown names and columns, of a list of names or of a mapping."""
    if isinstance(columns, str) or not columns:
        raise DefinitionError("an endpoint names its columns", fix='columns=("user", "hours")')
    pairs = tuple(columns.items()) if isinstance(columns, Mapping) else tuple((name, name) for name in columns)
    repeated = next((shown for shown, _ in pairs if sum(1 for name, _ in pairs if name == shown) > 1), None)
    if repeated is not None:
        raise DefinitionError(f"the column {repeated!r} is named twice", fix="name it once")
    return pairs


def parameters_of(parameters: Mapping[str, Any], columns: tuple[tuple[str, str], ...]) -> tuple[Parameter, ...]:
    """`{"user": str, "project": str | None}`: with `| None` it may be left out. A shown name stands for its column."""
    shown = dict(columns)
    found = []
    for name, kind in parameters.items():
        if not name.isidentifier() or name in RESERVED:
            fix = f"a name such as user; {' and '.join(RESERVED)} are the page's own"
            raise DefinitionError(f"the parameter name {name!r} is not usable", fix=fix)
        base, required = _kind(name, kind)
        found.append(Parameter(name, base, shown.get(name, name), required))
    return tuple(found)


def sort_of(order: str | Sequence[str], columns: tuple[tuple[str, str], ...]) -> tuple[Sort, ...]:
    """`["-timestamp", "project"]`: a minus sign sorts downwards."""
    shown = dict(columns)
    names = (order,) if isinstance(order, str) else tuple(order)
    plain = ((name.removeprefix("-"), name.startswith("-")) for name in names if name)
    return tuple(Sort(shown.get(name, name), descending) for name, descending in plain)


def rate_of(text: str) -> Rate:
    """`60/minute`."""
    match = _RATE.fullmatch(text)
    if not match:
        raise DefinitionError(f"rate={text!r} is not a rate", fix=f'such as "60/minute"; periods: {", ".join(PERIODS)}')
    return Rate(int(match[1]), match[2])


def limit_of(limit: int) -> int:
    """How many rows a page holds when a request does not say."""
    if not 1 <= limit <= MOST_ROWS:
        raise DefinitionError(f"limit={limit} is not usable", fix=f"1 to {MOST_ROWS}")
    return limit


def distinct(endpoints: Iterable[Endpoint]) -> None:
    """Raise `DefinitionError` when two endpoints, of whichever pipelines, have one path."""
    known: dict[str, Endpoint] = {}
    for endpoint in endpoints:
        declare(known, endpoint.path, endpoint, f"the path {endpoint.path!r}", "path")


def _kind(name: str, kind: Any) -> tuple[type, bool]:
    optional = isinstance(kind, types.UnionType) and types.NoneType in typing.get_args(kind)
    kinds = [item for item in typing.get_args(kind) if item is not types.NoneType] if optional else [kind]
    if len(kinds) != 1 or kinds[0] not in TYPES:
        names = ", ".join(item.__name__ for item in TYPES)
        fix = f"one of {names}; with | None it may be left out"
        raise DefinitionError(f"the parameter {name!r} has a type that a request cannot give", fix=fix)
    return kinds[0], not optional
