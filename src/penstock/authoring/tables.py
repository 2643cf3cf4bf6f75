"""Declared tables: third normal form, and where tables are loaded to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from penstock.errors import DefinitionError, nearest
from penstock.model.tables import Mode, Reference

CONFLICTS = ("latest", "reject", "version")


@dataclass(frozen=True, slots=True)
class Entity:
    """A shared table: one row for each natural key, with a surrogate key; many slots contribute to it."""

    natural: tuple[str, ...]
    attributes: tuple[str, ...] = ()
    id: str = ""
    order: str = ""
    conflict: str = "latest"


@dataclass(frozen=True, slots=True)
class Owned:
    """An owned table: rows that belong to one slot, at the grain of the source row or of a declared key."""

    columns: tuple[str, ...]
    refs: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    id: str = ""


def entity(
    *natural: str,
    attributes: list[str] | None = None,
    id: str = "",  # noqa: A002  the word for it
    order: str = "",
    conflict: str = "latest",
) -> Entity:
    """An entity with its natural key, e.g. `ps.entity("name", "size")`.

    `id` names the surrogate key (by default the table's singular and `_id`). Where deliveries disagree about an
    attribute: `latest` takes the row with the largest `order` column, then the later delivery; `reject` refuses;
    `version` keeps each combination as a row of its own.
    """
    if not natural:
        raise DefinitionError("an entity needs a natural key", fix='ps.entity("name", "size")')
    if conflict not in CONFLICTS:
        raise DefinitionError(f"conflict={conflict!r} is unknown", fix=f"use one of {', '.join(CONFLICTS)}")
    if order and order not in (attributes or ()):
        raise DefinitionError(f"order={order!r} is not an attribute of the entity", fix=f"attributes=[…, {order!r}]")
    return Entity(natural, tuple(attributes or ()), id, order, conflict)


def owned(
    *columns: str,
    refs: list[str] | None = None,
    key: list[str] | None = None,
    id: str = "",  # noqa: A002  the word for it  # noqa: A002
) -> Owned:
    """Rows of their own: one for each source row, or, with `key`, one for each row of the normalised step.

    `refs` names tables of the same normalisation; their keys become columns here.
    """
    return Owned(columns, tuple(refs or ()), tuple(key or ()), id)


@dataclass(frozen=True, slots=True)
class Target:
    """A destination by kind and name; the settings of the environment say where it is."""

    kind: str
    name: str
    schema: str = ""


def lake(name: str = "lake") -> Target:
    """The Parquet lake of the project (`curated/`)."""
    return Target("lake", name)


def postgres(name: str, *, schema: str = "public") -> Target:
    """A PostgreSQL database: `PENSTOCK_<NAME>_URL`, or `url` in the settings' `destinations.<name>`."""
    return Target("postgres", name, schema)


@dataclass(frozen=True, slots=True)
class Loading:
    """One table's way to its destinations."""

    relation: str
    table: str
    to: tuple[Target, ...]
    mode: Mode
    key: tuple[str, ...] = ()
    order: str = ""
    conflict: str = "latest"
    partition_by: tuple[str, ...] = ()
    references: tuple[Reference, ...] = ()


@dataclass(frozen=True, slots=True)
class Normalization:
    """A step's relation and the tables that it is split into, parents first."""

    relation: str
    tables: dict[str, Entity | Owned] = field(default_factory=dict)

    def entities(self) -> dict[str, Entity]:
        return {name: table for name, table in self.tables.items() if isinstance(table, Entity)}


def referring(
    references: str | Sequence[str] | Mapping[str, Sequence[str]], loadings: Sequence[Loading]
) -> Iterator[Reference]:
    """What a table says of others that are loaded before it. Raises `DefinitionError`."""
    named = references if isinstance(references, Mapping) else {}
    parents = {loading.table: loading for loading in loadings if loading.mode is Mode.MERGE}
    for name in (references,) if isinstance(references, str) else references:
        if name not in parents:
            raise DefinitionError(
                f"references names {name!r}",
                why="only a merged table that is loaded before this one has keys",
                fix=nearest(name, parents) or 'load it first, with mode="merge"',
            )
        key = parents[name].key
        columns = tuple(named.get(name, key))
        if len(columns) != len(key):
            raise DefinitionError(
                f"references names {name!r} by {', '.join(columns)}",
                why=f"its key has {len(key)} column{'' if len(key) == 1 else 's'}: {', '.join(key)}",
                fix="name the columns of its key, in their order",
            )
        yield Reference(columns, name, key)


def singular(name: str) -> str:
    """`branches` → `branch`, `categories` → `category`, `orders` → `order`."""
    for ending, mended in (("ies", "y"), ("sses", "ss"), ("ches", "ch"), ("shes", "sh"), ("xes", "x")):
        if name.endswith(ending):
            return name[: -len(ending)] + mended
    return name[:-1] if name.endswith("s") and not name.endswith("ss") else name


def identity_of(name: str, table: Entity | Owned) -> str:
    """The name of a normalised table's surrogate key."""
    return table.id or f"{singular(name)}_id"
