"""A proposal of tables in third normal form: entities, what stays on the row, and the evidence for each."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from penstock.adapters.duckdb.proposals.columns import Column
from penstock.adapters.duckdb.proposals.dependencies import Dependency, Found, Grain, discover
from penstock.adapters.duckdb.proposals.packing import LINE, Packed
from penstock.adapters.duckdb.proposals.sniffing import Table
from penstock.adapters.duckdb.proposals.synthesis import Rule, tables
from penstock.adapters.duckdb.proposals.vocabulary import fold
from penstock.authoring.tables import singular
from penstock.compile.sql import quote_identifier

_BATCHES = 3
_THINGS = {
    "isbn": "book",
    "sku": "product",
    "ean": "product",
    "gtin": "product",
    "barcode": "product",
    "iban": "account",
}
_MARKS_OF_KEYS = ("id", "no", "nr", "code", "key", "number", "num", "ref", "reference", "name", "sku", "nummer", "isbn")


@dataclass(frozen=True, slots=True)
class EntityProposal:
    """A shared table: rows of `natural` with their `attributes`; `on_line` follows from it, too, but is a price."""

    name: str
    natural: tuple[str, ...]
    attributes: tuple[str, ...]
    id: str
    rows: int
    why: tuple[str, ...]
    on_line: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OwnedProposal:
    """A table of rows of their own: one for each source row or, with a `key`, for each element of a packed list."""

    name: str
    columns: tuple[str, ...]
    refs: tuple[str, ...]
    id: str
    key: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NormalFormProposal:
    """What was found in the data, and the tables that follow from it. For a person to edit."""

    keys: tuple[tuple[str, ...], ...]
    entities: tuple[EntityProposal, ...]
    owned: tuple[OwnedProposal, ...]
    dependencies: tuple[Dependency, ...]
    packed: Packed | None
    lossless: bool
    """The proposed tables, joined again, gave exactly the rows that were read."""
    warnings: tuple[str, ...]

    @property
    def splits(self) -> bool:
        """Whether there is anything to normalise."""
        return bool(self.entities or self.packed)

    def record(self) -> dict[str, Any]:
        """The proposal as plain values, for `--json`."""
        found = asdict(self)
        found["dependencies"] = [str(dependency) for dependency in self.dependencies]
        found["packed"] = {"column": self.packed.column, "why": self.packed.why} if self.packed else None
        return found


def normal_form(
    table: Table, columns: Sequence[Column], packed: Packed | None, dropped: Collection[str], name: str
) -> NormalFormProposal:
    """The proposal for an open table."""
    grain = _grain(table, columns, packed, dropped)
    found = discover(grain)
    form = _assembled(grain, found, packed, name)
    if not _lossless(grain, form.entities):
        form = replace(_assembled(grain, replace(found, dependencies=()), packed, name), lossless=False)
    return replace(form, dependencies=found.dependencies, warnings=(*found.warnings, *_cautions(table, found, form)))


def _cautions(table: Table, found: Found, form: NormalFormProposal) -> Iterable[str]:
    if form.entities and table.batches < _BATCHES:
        seen = "one delivery" if table.batches == 1 else f"{table.batches} deliveries"
        yield f"dependencies were seen in {seen} only: confirm them with at least {_BATCHES}"
    for entity in form.entities:
        if entity.on_line:
            rule = f"{', '.join(entity.on_line)} follows from {', '.join(entity.natural)} here"
            yield f"{rule}, but prices change: it stays on the line"
    if not form.lossless:
        yield "the tables that follow from the dependencies do not join back to the rows: they are not proposed"
    if not form.keys and not found.dependencies:
        yield "no key and no dependency is sure enough to be proposed"


# --- the relation that is searched ----------------------------------------------------------------------------------


def _grain(table: Table, columns: Sequence[Column], packed: Packed | None, dropped: Collection[str]) -> Grain:
    """Hashes in place of values: a search compares, it never shows."""
    kept = [
        column for column in columns if column.name not in dropped and not (packed and column.name == packed.column)
    ]
    if packed is None:
        listed = _hashed(column.name for column in kept)
        table.session.run(f"CREATE TABLE grain AS SELECT {_ROW}, _batch{listed} FROM source")
        return Grain(table.ask, "grain", tuple(kept))
    names = [column.name for column in kept]
    opened = packed.unpacking(["_batch", "_row", *names], "source")
    if packed.parts:
        opened = packed.cutting(["_batch", "_row", *names], f"({opened})")
    parts = [part for part in packed.columns if part != LINE]
    listed = _hashed((*names, *parts))
    table.session.run(
        f"CREATE TABLE grain AS SELECT {_ROW}, _batch, row_number() OVER () AS _element, {LINE}{listed} FROM ({opened})"
    )
    return Grain(
        table.ask, "grain", (*kept, *(_part_column(packed, part, table.count) for part in parts)), frozenset(parts)
    )


def _part_column(packed: Packed, part: str, rows: int) -> Column:
    role = "money" if part in packed.money else "measure" if part == "quantity" else "category"
    return Column(part, part, "VARCHAR", role, rows, rows, packed.distinct)


_q = quote_identifier
_ROW = "_batch * 1000000000 + _row AS _row"


def _hashed(names: Iterable[str]) -> str:
    return "".join(f", CASE WHEN {_q(name)} IS NOT NULL THEN hash({_q(name)}) END AS {_q(name)}" for name in names)


# --- tables ---------------------------------------------------------------------------------------------------------


def _assembled(grain: Grain, found: Found, packed: Packed | None, name: str) -> NormalFormProposal:
    """Entities by synthesis; everything else stays on the row that it came with."""
    roles = {column.name: column for column in grain.columns}
    events = {dep.determinant for dep in found.dependencies if roles[dep.dependent].role == "moment"}
    lines = [
        dep for dep in found.dependencies if roles[dep.dependent].role == "money" and dep.determinant not in events
    ]
    rules: list[Rule] = [(frozenset(dep.determinant), dep.dependent) for dep in found.dependencies if dep not in lines]
    groups = tables(rules, _preferred(grain))
    keys = {frozenset(key) for key, _ in groups}
    groups += [(dep.determinant, ()) for dep in _once(lines) if frozenset(dep.determinant) not in keys]
    owner = _owner(grain, packed, name)
    taken = {owner, f"{owner}_lines"}
    entities = tuple(_entity(grain, found, lines, key, rest, taken) for key, rest in groups)
    owned = _owned(grain, entities, packed, owner)
    return NormalFormProposal(found.keys, entities, owned, found.dependencies, packed, lossless=True, warnings=())


def _once(lines: Sequence[Dependency]) -> list[Dependency]:
    return list({frozenset(dep.determinant): dep for dep in lines}.values())


def _preferred(grain: Grain) -> list[str]:
    """Identifiers make better keys than names do."""
    return [column.name for column in sorted(grain.columns, key=lambda column: column.role != "identifier")]


def _entity(
    grain: Grain,
    found: Found,
    lines: Sequence[Dependency],
    key: tuple[str, ...],
    rest: tuple[str, ...],
    taken: set[str],
) -> EntityProposal:
    on_line = tuple(dep.dependent for dep in lines if frozenset(dep.determinant) == frozenset(key))
    why = tuple(_evidence(found, key))
    places = any(grain.column(column).role == "place" for column in rest)
    listed = ", ".join(map(_q, key))
    rows = int(grain.ask(f"SELECT count(*) FROM (SELECT DISTINCT {listed} FROM {grain.relation})")[0][0])
    name = _free("places" if places and len(key) > 1 else plural(_noun(_leading(grain, key))), taken)
    columns = {column.name for column in grain.columns}
    return EntityProposal(name, key, rest, identity(name, columns), rows, why, on_line)


def _evidence(found: Found, key: tuple[str, ...]) -> Iterable[str]:
    """What follows from a key, dependents with the same evidence together."""
    same: dict[str, list[str]] = {}
    for dependency in found.dependencies:
        if set(dependency.determinant) == set(key):
            same.setdefault(dependency.evidence, []).append(dependency.dependent)
    return (f"{', '.join(key)} → {', '.join(names)} ({evidence})" for evidence, names in same.items())


def _leading(grain: Grain, key: tuple[str, ...]) -> str:
    counts = grain.ask(f"SELECT {', '.join(f'count(DISTINCT {_q(name)})' for name in key)} FROM {grain.relation}")[0]
    return max(zip(key, counts, strict=True), key=lambda pair: pair[1])[0]


def _noun(column: str) -> str:
    """`member_no` is about members, `product_sku` about products."""
    if column in _THINGS:
        return _THINGS[column]
    words = column.split("_")
    while len(words) > 1 and words[-1] in _MARKS_OF_KEYS:
        words.pop()
    return "_".join(words)


def plural(noun: str) -> str:
    """A table's name that `singular` turns back into the noun."""
    name = re.sub(r"[^a-z0-9_]", "", fold(noun)).strip("_0123456789")[:40] or "entity"
    if singular(name) != name:
        return name
    if name.endswith("y") and name[-2:-1] not in "aeiou":
        return f"{name[:-1]}ies"
    return f"{name}es" if name.endswith(("s", "x", "ch", "sh")) else f"{name}s"


def identity(table: str, columns: Collection[str]) -> str:
    """The surrogate key's name, where the usual one is a column of the data already; else empty."""
    usual = f"{singular(table)}_id"
    if usual not in columns:
        return ""
    return next(name for name in (f"{singular(table)}_key", f"{singular(table)}_surrogate") if name not in columns)


def _free(name: str, taken: set[str]) -> str:
    free = name
    place = 2
    while free in taken:
        free, place = f"{name}_{place}", place + 1
    taken.add(free)
    return free


def _owner(grain: Grain, packed: Packed | None, name: str) -> str:
    """A list of things with prices, beside a sum, is an order; else the rows have the pipeline's name."""
    roles = {column.role for column in grain.columns if column.name not in grain.elements}
    return "orders" if packed and packed.money and "money" in roles else name


def _owned(
    grain: Grain, entities: Sequence[EntityProposal], packed: Packed | None, owner: str
) -> tuple[OwnedProposal, ...]:
    moved = {name for entity in entities for name in entity.attributes}
    direct = [entity for entity in entities if not set(entity.natural) & moved]
    keyed = {name for entity in direct for name in entity.natural}
    names = [column.name for column in grain.columns]
    own = [name for name in names if name not in moved | keyed and name not in grain.elements]
    deep = [entity.name for entity in direct if set(entity.natural) & grain.elements]
    flat = [entity.name for entity in direct if entity.name not in deep]
    taken = set(names)
    row = OwnedProposal(owner, tuple(own), tuple(flat), identity(owner, taken))
    if packed is None:
        return (row,)
    parts = [name for name in names if name in grain.elements and name not in moved | keyed]
    line = f"{singular(owner)}_{plural(packed.element.removesuffix('_text'))}"
    parent = row.id or f"{singular(owner)}_id"
    key = (parent, LINE)
    return (row, OwnedProposal(line, (LINE, *parts), (owner, *deep), "", key))


# --- proof ----------------------------------------------------------------------------------------------------------


def _lossless(grain: Grain, entities: Sequence[EntityProposal]) -> bool:
    """Split the rows into the proposed tables, join them again, and compare: nothing lost, nothing doubled."""
    moved = {name for entity in entities for name in entity.attributes}
    unit = "_element" if grain.elements else "_row"
    names = [column.name for column in grain.columns]
    here = {name: f"f.{_q(name)}" for name in names if name not in moved}
    joins: list[str] = []
    waiting = list(entities)
    while waiting:
        entity = next((entity for entity in waiting if set(entity.natural) <= set(here)), None)
        if entity is None:
            return False
        waiting.remove(entity)
        alias = f"e{len(joins)}"
        listed = ", ".join(map(_q, (*entity.natural, *entity.attributes)))
        on = " AND ".join(f"{here[name]} IS NOT DISTINCT FROM {alias}.{_q(name)}" for name in entity.natural)
        joins.append(f"JOIN (SELECT DISTINCT {listed} FROM {grain.relation}) AS {alias} ON {on}")
        here |= {name: f"{alias}.{_q(name)}" for name in entity.attributes if name not in here}
    whole = ", ".join((unit, *map(_q, names)))
    again = ", ".join((f"f.{unit}", *(here[name] for name in names)))
    joined = f"SELECT {again} FROM {grain.relation} AS f {' '.join(joins)}"
    lost = f"SELECT count(*) FROM (SELECT {whole} FROM {grain.relation} EXCEPT ALL ({joined}))"
    doubled = f"SELECT count(*) FROM ({joined} EXCEPT ALL (SELECT {whole} FROM {grain.relation}))"
    return not joins or grain.ask(f"SELECT ({lost}), ({doubled})")[0] == (0, 0)
