"""Versions of a pipeline's tables in the lake: which there are, which one readers see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.errors import UnknownName, UsageError
from penstock.wiring.parts import Parts

if TYPE_CHECKING:
    from penstock.adapters.lake import Lake, Version


class Versions(Parts):
    """A project's published tables through time."""

    @property
    def lakes(self) -> dict[str, Lake]:
        """The lake of each pipeline that loads to one."""
        found = {}
        for name, plan in self.plans.items():
            keys = [f"{target.kind}:{target.name}" for target in plan.targets if target.kind == "lake"]
            if keys:
                found[name] = self.destinations[keys[0]]
        return found  # type: ignore[return-value]  # a target of that kind is one

    def lake_of(self, pipeline: str) -> Lake:
        """Raises `UsageError` for a pipeline whose tables have no versions."""
        lake = self.lakes.get(self.pipeline(pipeline).name)
        if lake is None:
            raise UsageError(
                f"the tables of {pipeline!r} have no versions",
                why="it is not loaded to the lake, and nothing else keeps old ones",
                fix="deliver the earlier file again, or load to=ps.lake() as well",
            )
        return lake

    def versions(self, pipeline: str = "") -> list[Version]:
        """The versions that are kept, oldest first, of one pipeline or of all."""
        if pipeline:
            return self.lake_of(pipeline).versions(pipeline)
        return [version for name, lake in self.lakes.items() for version in lake.versions(name)]

    def brought_back(self) -> dict[str, int]:
        """By pipeline, the older versions that are published in place of the newest ones."""
        found = {name: lake.brought_back(name) for name, lake in self.lakes.items()}
        return {name: number for name, number in found.items() if number}

    def shown(self, pipeline: str) -> tuple[int, int]:
        """The numbers of the version that readers see and of the newest; 0 where the lake has none. Opens nothing."""
        from penstock.adapters.lake.snapshots import Ground

        return Ground(self.curated).ends(pipeline)

    def show(self, pipeline: str, version: int = 0, *, by: str) -> int:
        """Publish an older version of a pipeline's tables in place of the newest, or (0) the newest again.

        Returns the version that readers see now. What is loaded does not change, and neither does what comes next: new
        deliveries are loaded, and wait to be seen until the newest version is published again.
        """
        before, now = self.lake_of(pipeline).show(pipeline, version)
        newest = self.lake_of(pipeline).versions(pipeline)[-1].number
        self.ledger.shown(pipeline, now, self.clock(), before=before, newest=newest, by=by)
        return now

    def version_named(self, name: str) -> tuple[str, int]:
        """`taxis@17`, or `17` where only one pipeline has versions, as pipeline and number."""
        pipeline, _, number = name.rpartition("@")
        if not number.isdigit():
            raise UsageError(f"{name!r} names no version", fix="PIPELINE@NUMBER, as penstock publish lists them")
        candidates = [pipeline] if pipeline else list(self.lakes)
        if len(candidates) != 1:
            raise UnknownName(
                f"version {number} may be of several pipelines", fix=f"one of {', '.join(candidates)}: NAME@{number}"
            )
        return candidates[0], int(number)
