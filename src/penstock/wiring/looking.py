"""Looking into a project without changing it: differences, the way of a row, SQL."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.authoring.endpoints import Endpoint
from penstock.errors import UnknownName, nearest
from penstock.model.lookups import Lookup, Page
from penstock.model.slots import Kind, Slot, Standing
from penstock.runtime.intake import takers
from penstock.runtime.reconcile import (
    Difference,
    compare_destination,
    compare_landing,
    compare_members,
    unfinished,
)
from penstock.wiring.catalog import Catalog

if TYPE_CHECKING:
    from penstock.adapters.duckdb.inspect import Inspection, Reading


MOST_SPEAKERS = 20
"""Of so many deliveries that speak of one row it is said where."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a loaded row comes from. Line 0 is the whole file: the row came out of a wide step."""

    pipeline: str
    slot: str
    line: int
    generation: int
    source: str = ""
    """The name of the source, of a delivery with several; `slot` is its file then."""


class Looking(Catalog):
    """What a project can be asked."""

    def verify(self, pipeline: str = "") -> list[Difference]:
        """Every difference between landing zone, ledger and destinations."""
        found: list[Difference] = []
        for name in [self.pipeline(pipeline).name] if pipeline else list(self.pipelines):
            objects = [
                (item, self.landing.content(item.address).sha256, match)
                for item in self.landing.scan()
                for match in takers({name: self.pipelines[name]}, item.address)
            ]
            if name in self.conditions:
                found += compare_members(self.conditions[name], self.ledger, objects)
            else:
                found += compare_landing(name, self.ledger, ((item, sha256) for item, sha256, _ in objects))
            found += unfinished(self.ledger, name)
            for key, destination in self.destinations.items():
                found += compare_destination(self.plans[name], self.ledger, destination, key)
        return found

    def defined_otherwise(self) -> dict[str, tuple[int, int]]:
        """By pipeline how many of its loaded deliveries were prepared under another definition, where any were, and how
        many there are."""
        found: dict[str, tuple[int, int]] = {}
        for name, plan in self.plans.items():
            runs = [item.run for item, _ in self.ledger.live(name) if item.kind is not Kind.PATCH]
            older = {run for run in set(runs) if self._fingerprint_of(run) not in ("", plan.fingerprint)}
            if older:
                found[name] = sum(run in older for run in runs), len(runs)
        return found

    def _fingerprint_of(self, run: str) -> str:
        known = self.ledger.run(run)
        return known.fingerprint if known else ""

    def trace(self, row: int, pipeline: str = "") -> Origin:
        """The file and line behind a row identity. Raises `UnknownName`."""
        for name in [pipeline] if pipeline else list(self.pipelines):
            for destination in self.destinations.values():
                found = destination.slot_of(name, row)
                if found is not None:
                    address, base = found
                    return self._origin(Slot(name, address), row - base)
        raise UnknownName(
            f"no loaded row has the identity {row}", fix="take it from the table's key or its _row column"
        )

    def speakers(self, pipeline: str, table: str, columns: Sequence[str], values: Sequence[str]) -> list[int]:
        """The identities of rows that speak of a shared table's row: of each delivery that does the one that counts."""
        for destination in self.destinations.values():
            found = destination.speakers(pipeline, table, columns, values, MOST_SPEAKERS)
            if found:
                return found
        return []

    def _origin(self, slot: Slot, line: int) -> Origin:
        number = self._generation_of(slot, line)
        generation = next((item for item in self.ledger.history(slot) if item.number == number), None)
        run = self.ledger.run(generation.run) if generation and generation.members else None
        result = run.result(slot) if run else None
        portions = [portion for portion in (result.portions if result else ()) if portion.offset < line]
        if generation is None or not portions:
            return Origin(slot.pipeline, slot.address, line, number)
        portion = portions[-1]
        member = next(item for item in generation.members if item.name == portion.name)
        place = f"{member.pipeline}:{member.address}" if member.pipeline else member.address
        return Origin(slot.pipeline, place, line - portion.offset, number, portion.name)

    def _generation_of(self, slot: Slot, line: int) -> int:
        """The generation that brought a line: the newest loaded patch of it, else the newest loaded delivery."""
        loaded = [item for item in self.ledger.history(slot) if item.standing is Standing.LOADED]
        bringing = [item for item in loaded if item.kind is not Kind.PATCH or line in item.lines]
        return bringing[-1].number if bringing else 0

    def query(
        self, sql: str, destination: str = "", *, version: tuple[str, int] | None = None
    ) -> tuple[list[str], Iterator[tuple[Any, ...]]]:
        """SQL over a destination's tables: the lake by default, with what lies in the landing zone as `raw.PIPELINE`.

        `version` names a pipeline and the version in which its tables are read.
        """
        name = destination or next((key for key in self.destinations if key.startswith("lake:")), "")
        name = name or next(iter(self.destinations), "")
        if name not in self.destinations:
            raise UnknownName(f"there is no destination {name!r}", fix=nearest(name, self.destinations))
        chosen = self.destinations[name]
        if not name.startswith("lake:") and version is None:
            return _columns_and_rows(chosen.rows(sql))  # type: ignore[attr-defined]
        return self._inspection(sql, version).query(sql)

    def explain(self, sql: str, *, version: tuple[str, int] | None = None) -> Reading:
        """Run SQL over the lake's tables for what it reads: see `penstock.adapters.duckdb.inspect.Reading`."""
        return self._inspection(sql, version).explain(sql)

    def _inspection(self, sql: str, version: tuple[str, int] | None) -> Inspection:
        from penstock.adapters.duckdb.inspect import Inspection

        relations, files = self._published(version)
        raw, landed = self.raw_relations(sql)
        declared = {table.spec.name for plan in self.plans.values() for table in plan.tables}
        inspection = Inspection(relations | raw, files | landed, declared)
        self._stack.callback(inspection.close)
        return inspection

    def decryptor(self) -> Callable[[object], str]:
        """What opens values of columns marked `encrypt()`, for whoever holds the keys. Raises `MissingSecret`."""
        from penstock.adapters.duckdb.encryption import decryptor
        from penstock.adapters.secrets import privacy_keys

        return decryptor(privacy_keys(self.secrets).keys)

    def _published(self, version: tuple[str, int] | None) -> tuple[dict[str, str], dict[str, Sequence[str]]]:
        """Every table of the lake as a relation of SQL, and the files behind each, which stay until all is closed."""
        relations: dict[str, str] = {}
        files: dict[str, Sequence[str]] = {}
        if version is not None:
            self.lake_of(version[0])
        for pipeline, lake in self.lakes.items():
            number = version[1] if version is not None and version[0] == pipeline else 0
            snapshot = self._stack.enter_context(lake.reading(pipeline, number))
            relations |= snapshot.relations
            files |= snapshot.files
        return relations, files

    @property
    def endpoints(self) -> list[Endpoint]:
        """Every declared endpoint."""
        return [endpoint for pipeline in self.pipelines.values() for endpoint in pipeline.endpoints]

    def page(
        self, endpoint: Endpoint, where: Sequence[tuple[str, str]], limit: int, after: tuple[str | None, ...] = ()
    ) -> Page:
        """Rows of an endpoint: those whose columns equal the texts in `where`, from its destination as it is now."""
        plan = self.plans[endpoint.pipeline]
        targets = next(table.targets for table in plan.tables if table.spec.name == endpoint.table)
        target = endpoint.target or targets[0]
        columns = tuple(column for _, column in endpoint.columns)
        lookup = Lookup(
            endpoint.pipeline, endpoint.table, columns, tuple(where), endpoint.sort, limit=limit, after=after
        )
        return self.destinations[f"{target.kind}:{target.name}"].page(lookup)

    def states(self) -> Mapping[str, Standing]:
        """The standing of every slot's newest generation, by slot."""
        found = {}
        for name in self.pipelines:
            for slot in self.ledger.slots(name):
                current = self.ledger.current(slot)
                if current:
                    found[str(slot)] = current.standing
        return found


def _columns_and_rows(found: Iterator[dict[str, Any]]) -> tuple[list[str], Iterator[tuple[Any, ...]]]:
    """Rows as dictionaries, told apart into names and values."""
    first = next(found, None)
    rows = found if first is None else itertools.chain((first,), found)
    return list(first or ()), (tuple(row.values()) for row in rows)
