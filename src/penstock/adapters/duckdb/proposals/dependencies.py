"""Functional dependencies that are likely to be meant, not merely true of one file.

On any real file dozens of dependencies hold by accident (`customer → payment`, because few customers come twice).
What is proposed here passed these guards:

1. support is counted in distinct rows of the *grain* at which the dependent lives: a join repeats rows and fakes it;
2. rows without a determinant do not count, but the dependency must not break on them either;
3. a determinant has one or two columns, and the shorter one wins;
4. at least half of the rows lie in groups of two and more, and there are at least ten such groups;
5. measures, free text, times and people's names and cards never determine anything;
6. a column that is constant within each delivery is confounded with it: nothing is said about it;
7. what is unique is a key, not a dependency;
8. chance: if the dependent were shuffled, the dependency would survive in less than one case in a million;
9. an element of a packed list says nothing about the row that holds the list.

What holds but for one row in a hundred is a warning.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from penstock.adapters.duckdb.proposals import vocabulary
from penstock.adapters.duckdb.proposals.columns import Column
from penstock.adapters.duckdb.proposals.values import percent
from penstock.adapters.duckdb.proposals.vocabulary import words
from penstock.compile.sql import quote_identifier

SUPPORT, GROUPS, CHANCE, ALMOST = 0.5, 10, 1e-6, 0.01
WIDEST = 120
_SCREEN = 20_000
_PAIRED = 10
_KEYED = 8
_LINKABLE = (vocabulary.ACCOUNT, vocabulary.IBAN, vocabulary.NATIONAL, vocabulary.EMAIL, vocabulary.LOGIN)
"""Personal data that stands for one person or account even behind a token."""

Ask = Callable[[str], list[tuple[Any, ...]]]


@dataclass(frozen=True, slots=True)
class Dependency:
    """`determinant → dependent`: in all `witnesses` rows, `support` of them in `groups` groups that repeat."""

    determinant: tuple[str, ...]
    dependent: str
    support: float
    groups: int
    witnesses: int

    def __str__(self) -> str:
        return f"{', '.join(self.determinant)} → {self.dependent} ({self.evidence})"

    @property
    def evidence(self) -> str:
        """How many groups of rows agree in the determinant, and how many of the rows are in them."""
        return f"{self.groups:,} repeated groups, {percent(self.support)} of {self.witnesses:,} rows"


@dataclass(frozen=True, slots=True)
class Grain:
    """The relation that is searched: `columns` of `relation`, each of which lives on a row or on a list's element."""

    ask: Ask
    relation: str
    columns: tuple[Column, ...]
    elements: frozenset[str] = frozenset()
    """Columns that come out of a packed list."""

    def column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)


@dataclass(frozen=True, slots=True)
class Found:
    """What a search gave."""

    dependencies: tuple[Dependency, ...]
    keys: tuple[tuple[str, ...], ...]
    warnings: tuple[str, ...]


@dataclass(slots=True)
class _Search:
    """The state of one search: what is known so far."""

    grain: Grain
    rows: int
    distinct: Mapping[str, int]
    fixed: frozenset[str]
    homes: dict[str, str]
    accepted: list[Dependency] = field(default_factory=list)
    partial: dict[tuple[str, str], Dependency] = field(default_factory=dict)
    """What holds only where its determinant is filled, by determinant and dependent."""
    warnings: list[str] = field(default_factory=list)
    sizes: dict[tuple[tuple[str, ...], str], dict[int, int]] = field(default_factory=dict)
    """How many groups have how many rows, by determinant and home; counted once."""


def discover(grain: Grain) -> Found:
    """Search a relation. It has `_row`, `_batch` and, if elements were unpacked, one row for each element."""
    if len(grain.columns) > WIDEST:
        return Found((), (), (f"{len(grain.columns)} columns are too many to search for keys and dependencies",))
    search = _begin(grain)
    keys = _keys(search)
    unique = {key[0] for key in keys if len(key) == 1}
    leaders = [name for name in _leaders(search) if name not in unique]
    for name in leaders:
        _examine(search, (name,))
    for pair in combinations(leaders[:_PAIRED], 2):
        if not any(_determined((first,), second, search.accepted) for first, second in (pair, pair[::-1])):
            _examine(search, pair)
    resolved = {dependency.dependent for dependency in search.accepted}
    for found in search.partial.values():
        if found.dependent not in resolved:
            search.warnings.append(
                f"{found} holds only where {' and '.join(found.determinant)} is filled: it is not proposed"
            )
    return Found(tuple(search.accepted), tuple(_simplest(keys, search.accepted)), tuple(search.warnings))


def _begin(grain: Grain) -> _Search:
    names = [column.name for column in grain.columns]
    counts = ", ".join(f"count(DISTINCT {quote_identifier(name)})" for name in names)
    rows, *distinct = grain.ask(f"SELECT count(*), {counts} FROM {grain.relation}")[0]
    per_batch = ", ".join(f"max({_q(name)})" for name in names)
    inner = ", ".join(f"count(DISTINCT {_q(name)}) AS {_q(name)}" for name in names)
    widest = grain.ask(f"SELECT {per_batch} FROM (SELECT {inner} FROM {grain.relation} GROUP BY _batch)")[0]
    fixed = frozenset(name for name, most in zip(names, widest, strict=True) if (most or 0) <= 1)
    homes = {name: _ELEMENT if name in grain.elements else "_row" for name in names}
    return _Search(grain, int(rows), dict(zip(names, map(int, distinct), strict=True)), fixed, homes)


_ELEMENT = "_element"
_q = quote_identifier


def may_determine(column: Column) -> bool:
    """Whether a column may stand for an entity: an identifier or a category, of people only what stands for one."""
    if column.kind:
        return column.kind in _LINKABLE
    return column.role in ("identifier", "category")


def _leaders(search: _Search) -> list[str]:
    """Possible determinants, those with the most distinct values first: their dependents' grain is the finest."""
    names = [
        column.name for column in search.grain.columns if may_determine(column) and column.name not in search.fixed
    ]
    return sorted(names, key=lambda name: (-search.distinct[name], search.grain.column(name).role != "identifier"))


def _examine(search: _Search, determinant: tuple[str, ...]) -> None:
    """Which columns a determinant determines, guards applied."""
    rest = [
        column.name for column in search.grain.columns
        if column.name not in determinant and column.name not in search.fixed
        and not _determined(determinant, column.name, search.accepted)
        and not (set(determinant) & search.grain.elements and column.name not in search.grain.elements)
    ]  # fmt: skip
    groups = _repeated(_sizes(search, determinant, _ELEMENT))
    rest = [name for name in rest if groups >= _least(search, determinant, name, GROUPS)]
    spared = ALMOST * search.rows if len(determinant) == 1 else 0
    for screen in (True, False) if search.rows > _SCREEN else (False,):
        broken = _broken(search, determinant, rest, screen=screen) if rest else {}
        rest = [name for name in rest if broken[name] <= spared]
    for name in rest:
        if broken[name]:
            _almost(search, determinant, name)
        else:
            _accept(search, determinant, name)


def _determined(determinant: Iterable[str], name: str, dependencies: Iterable[Dependency]) -> bool:
    have = set(determinant)
    return any(set(known.determinant) <= have and known.dependent == name for known in dependencies)


def _broken(search: _Search, determinant: tuple[str, ...], names: Sequence[str], *, screen: bool) -> dict[str, int]:
    """For each column, in how many groups it differs: at least as many rows are wrong. NULL is a dependent's value.

    `screen` looks at the first rows only, which is enough to refute most of what cannot hold.
    """
    by = ", ".join(map(_q, determinant))
    filled = " AND ".join(f"{_q(name)} IS NOT NULL" for name in determinant)
    tests = ", ".join(
        f"min({_q(name)}) IS DISTINCT FROM max({_q(name)}) OR count({_q(name)}) NOT IN (0, count(*)) AS {_q(name)}"
        for name in names
    )
    counted = ", ".join(f"count(*) FILTER ({_q(name)})" for name in names)
    where = f"{filled} AND _row <= {_SCREEN}" if screen else filled
    counts = search.grain.ask(
        f"SELECT {counted} FROM (SELECT {tests} FROM {search.grain.relation} WHERE {where} GROUP BY {by})"
    )[0]
    return dict(zip(names, map(int, counts), strict=True))


def _accept(search: _Search, determinant: tuple[str, ...], name: str) -> None:
    sizes = _sizes(search, determinant, search.homes[name])
    witnesses = sum(size * count for size, count in sizes.items())
    groups = _repeated(sizes)
    repeated = sum(size * count for size, count in sizes.items() if size > 1)
    found = Dependency(determinant, name, repeated / max(1, witnesses), groups, witnesses)
    if found.support < SUPPORT or groups < _least(search, determinant, name, repeated / max(1, groups)):
        return
    if _chance(search, determinant, name) > math.log(CHANCE):
        return
    if not _whole(search, determinant, name):
        search.partial[determinant[0], name] = found
        return
    search.accepted.append(found)
    if len(determinant) == 1:
        # The determinant's own table is its home: that its dependents tell its rows apart is no evidence there.
        for column in (name, determinant[0]):
            if search.homes[column] in ("_row", _ELEMENT):
                search.homes[column] = determinant[0]


def _least(search: _Search, determinant: tuple[str, ...], name: str, size: float) -> int:
    """Ten groups; three large ones are enough where names belong together, as `branch_id` and `branch_name` do."""
    leader = search.grain.column(determinant[0])
    related = set(words(leader.name)[:-1]) & set(words(name)) if len(determinant) == 1 else set()
    return 3 if related and leader.role == "identifier" and size >= GROUPS else GROUPS


def _repeated(sizes: Mapping[int, int]) -> int:
    return sum(count for size, count in sizes.items() if size > 1)


def _sizes(search: _Search, determinant: tuple[str, ...], home: str) -> dict[int, int]:
    """How many groups have how many distinct rows of a grain; `_ELEMENT` stands for the relation's own rows."""
    home = "_row" if home in determinant else home
    if (determinant, home) not in search.sizes:
        by = ", ".join(map(_q, determinant))
        filled = " AND ".join(f"{_q(part)} IS NOT NULL" for part in determinant)
        counted = "count(*)" if home == _ELEMENT else f"count(DISTINCT {_q(home)})"
        groups = f"SELECT {counted} AS size FROM {search.grain.relation} WHERE {filled} GROUP BY {by}"
        rows = search.grain.ask(f"SELECT size, count(*) FROM ({groups}) GROUP BY size")
        search.sizes[determinant, home] = {int(size): int(count) for size, count in rows}
    return search.sizes[determinant, home]


def _chance(search: _Search, determinant: tuple[str, ...], name: str) -> float:
    """The logarithm of the chance that the dependency holds although the dependent is independent of each column.

    For a pair, the dependent is shuffled within the groups of one column: what the other one adds must not be luck.
    """
    if len(determinant) == 1:
        return _shuffled(search, (), determinant, name)
    givens = [given for given in determinant if (given, name) not in search.partial]
    return max(_shuffled(search, (given,), determinant, name) for given in givens or determinant)


def _shuffled(search: _Search, given: tuple[str, ...], determinant: tuple[str, ...], name: str) -> float:
    """Sum over groups of log Σ p(value)ⁿ, with the values' shares within the given column."""
    home = search.homes[name]
    home = "_row" if home in determinant or home == _ELEMENT else home
    element = ", _element" if search.homes[name] == _ELEMENT else ""
    group = _q(given[0]) if given else "0"
    by = ", ".join(map(_q, determinant))
    filled = " AND ".join(f"{_q(part)} IS NOT NULL" for part in determinant)
    rows = search.grain.ask(f"""
        WITH base AS (
            SELECT DISTINCT {group} AS _g, {by}, {_q(name)} AS _a, {_q(home)} AS _h{element}
            FROM {search.grain.relation} WHERE {filled}),
        sizes AS (
            SELECT _g, _n, count(*) AS _c
            FROM (SELECT _g, count(*) AS _n FROM base GROUP BY _g, {by}) WHERE _n > 1 GROUP BY _g, _n),
        counts AS (SELECT _g, _a, count(*) AS _k FROM base GROUP BY _g, _a),
        totals AS (SELECT _g, sum(_k) AS _t FROM counts GROUP BY _g),
        sums AS (
            SELECT any_value(_c) AS _c, sum(pow(_k / _t, _n)) AS _s
            FROM sizes JOIN counts USING (_g) JOIN totals USING (_g) GROUP BY _g, _n)
        SELECT sum(_c * ln(greatest(_s, 1e-300))) FROM sums""")
    return float(rows[0][0] or 0.0)


def _whole(search: _Search, determinant: tuple[str, ...], name: str) -> bool:
    """Whether it holds with NULL as a value of the determinant, too: else a join would lose or double rows."""
    by = ", ".join(map(_q, determinant))
    query = (
        f"SELECT count(*) FROM (SELECT 1 FROM {search.grain.relation} GROUP BY {by} "
        f"HAVING min({_q(name)}) IS DISTINCT FROM max({_q(name)}) OR count({_q(name)}) NOT IN (0, count(*)))"
    )
    return int(search.grain.ask(query)[0][0]) == 0


def _almost(search: _Search, determinant: tuple[str, ...], name: str) -> None:
    """Warn of what fails on at most one row in a hundred (the measure g₃)."""
    by = _q(determinant[0])
    wrong, total, groups = search.grain.ask(f"""
        SELECT sum(n - m), sum(n), count(*) FILTER (n > 1) FROM (
            SELECT sum(k) AS n, max(k) AS m FROM (
                SELECT {by} AS s, {_q(name)}, count(*) AS k
                FROM {search.grain.relation} WHERE {by} IS NOT NULL GROUP BY ALL)
            GROUP BY s)""")[0]
    if wrong > ALMOST * total or groups < GROUPS or _chance(search, determinant, name) > math.log(CHANCE):
        return
    counts = f"{int(wrong):,} of {int(total):,} rows differ"
    search.warnings.append(f"{determinant[0]} → {name} almost holds: {counts}; mistakes, or no rule?")


# --- keys -----------------------------------------------------------------------------------------------------------


def _keys(search: _Search) -> list[tuple[str, ...]]:
    """Columns, or two or three together, that are unique among the source rows and would not be by chance."""
    eligible = [
        column for column in search.grain.columns
        if column.name not in search.grain.elements and column.name not in search.fixed
        and (may_determine(column) or column.role in ("moment", "ordinal"))
    ]  # fmt: skip
    eligible = sorted(eligible, key=lambda column: -search.distinct[column.name])[:_KEYED]
    rows = int(search.grain.ask(f"SELECT count(DISTINCT _row) FROM {search.grain.relation}")[0][0])
    found: list[tuple[str, ...]] = []
    for width in (1, 2, 3):
        for columns in combinations(eligible, width):
            names = tuple(column.name for column in columns)
            if not any(set(key) <= set(names) for key in found) and _is_key(search, columns, rows):
                found.append(tuple(column.name for column in search.grain.columns if column.name in names))
    return found


def _simplest(keys: Sequence[tuple[str, ...]], dependencies: Sequence[Dependency]) -> list[tuple[str, ...]]:
    """Without keys in which a column stands for the identifier that determines it: (time, sku) beside (order, sku)."""
    sets = {frozenset(key) for key in keys}
    indirect = {
        key for key in keys for dependency in dependencies
        if dependency.dependent in key and frozenset(key) - {dependency.dependent} | set(dependency.determinant) in sets
    }  # fmt: skip
    return [key for key in keys if key not in indirect]


def _is_key(search: _Search, columns: Sequence[Column], rows: int) -> bool:
    clock = columns[0].role == "moment" and columns[0].base != "DATE"
    if rows < 10 or (len(columns) == 1 and (clock or not columns[0].complete)):
        return False
    if math.prod(search.distinct[column.name] + 1 for column in columns) < rows:
        return False
    listed = ", ".join(_q(column.name) for column in columns)
    for where in (f"WHERE _row <= {_SCREEN}", "") if rows > _SCREEN else ("",):
        relation = f"(SELECT DISTINCT _batch, _row, {listed} FROM {search.grain.relation} {where})"
        once = f"(SELECT DISTINCT {listed} FROM {relation})"
        total, distinct = search.grain.ask(f"SELECT (SELECT count(*) FROM {relation}), (SELECT count(*) FROM {once})")[
            0
        ]
        if total != distinct:
            return False
    return len(columns) == 1 or all(_meant(search, column, columns) for column in columns)


def _meant(search: _Search, column: Column, columns: Sequence[Column]) -> bool:
    """Whether a column could not have told apart by luck all the rows that agree in the others."""
    others = ", ".join(_q(other.name) for other in columns if other is not column)
    rows = f"(SELECT DISTINCT _row, {others}, {_q(column.name)} FROM {search.grain.relation})"
    agreeing = f"SELECT coalesce(sum(n * (n - 1) / 2), 0) FROM (SELECT count(*) AS n FROM {rows} GROUP BY {others})"
    alike = f"SELECT sum(n * n) / pow(sum(n), 2) FROM (SELECT count(*) AS n FROM {rows} GROUP BY {_q(column.name)})"
    pairs, share = search.grain.ask(f"SELECT ({agreeing}), ({alike})")[0]
    return float(pairs) * math.log1p(-min(float(share), 0.999999)) < math.log(CHANCE)
