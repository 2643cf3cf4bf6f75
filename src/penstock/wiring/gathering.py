"""Pipelines with several sources: files that somebody brings for them, keys, and what a new trigger has missed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from penstock.authoring.arrivals import Uploads
from penstock.errors import UnknownName, UsageError, nearest
from penstock.ledger import marking
from penstock.model.readiness import KeyState, Mark, Readiness
from penstock.model.slots import KEYED, Acceptance, Delivery, Kind, Member, Slot, Standing, vector
from penstock.runtime.intake import Match, explain, folder_of, matches, placed
from penstock.wiring.notices import Telling

WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a pipeline with several sources, what is there of it, and what became of it."""

    state: KeyState
    missing: tuple[str, ...]
    standing: str = ""
    """How its newest generation stands, or `withdrawn`; empty for a key that never fired."""
    run: str = ""

    @property
    def ready(self) -> bool:
        return not self.missing


class Gathering(Telling):
    """Members of keys."""

    def bring(self, pipeline: str, member: str, path: Path) -> str:
        """Take a file into the landing zone as one source of a pipeline; `member` may be empty where its path tells."""
        declared = self.pipeline(pipeline)
        (address,) = self.landing.addresses_of([path])
        if address is None:
            address = self._address_for(pipeline, member, path.name)
            return self.landing.receive(path, address)
        self.matched(pipeline, address)
        if declared.several and member and self.matched(pipeline, address).member != member:
            raise UsageError(f"{address!r} is no {member!r}", fix="copy it there as that source, or leave the name out")
        return address

    def _address_for(self, pipeline: str, member: str, name: str) -> str:
        declared = self.pipeline(pipeline)
        if member and member not in declared.sources:
            raise UnknownName.among("source", member, declared.sources, at=f"pipeline {pipeline}")
        trigger = declared.trigger
        if isinstance(trigger, Uploads):
            templates = [trigger.templates[member]] if member else list(trigger.templates.values())
            addresses = [template.prefix + name for template in templates]
            taken = next((address for address in addresses if matches({pipeline: declared}, address)), None)
            if taken is None:
                raise explain({pipeline: declared}, addresses[0])
            return taken
        if not member and len(declared.sources) > 1:
            example = " ".join(f"{source}=FILE" for source in declared.sources)
            raise UsageError(
                f"which source is {name!r}?", at=f"pipeline {pipeline}", fix=f"penstock run {pipeline} {example}"
            )
        return folder_of(pipeline, member or next(iter(declared.sources))) + name

    def matched(self, pipeline: str, address: str) -> Match:
        """What an object of the landing zone is to a pipeline with several sources. Raises `UnknownName`."""
        chosen = {pipeline: self.pipeline(pipeline)}
        match = next(iter(matches(chosen, address)), None) or placed(chosen[pipeline], address)
        if match is None:
            raise explain(chosen, address)
        return match

    def gather(
        self, pipeline: str, addresses: Sequence[str], *, reload: bool = False, hard: bool | None = None
    ) -> list[Acceptance]:
        """Offer objects as members of their keys; returns the keys that they complete. Addresses of keys' slots
        (`key/…`) are for `reload` only."""
        condition = self.conditions[pipeline]
        marks = [self._mark(condition, address, hard) for address in addresses if not address.startswith(KEYED)]
        accepted = self.ledger.mark(marks, self.clock()) if marks else []
        again = [Slot(pipeline, address) for address in addresses if address.startswith(KEYED)]
        if reload:
            again += [item.generation.slot for item in accepted if not item.fresh]
            accepted = [item for item in accepted if item.fresh]
        return accepted + self.reload_keys(again, hard=hard)

    def _mark(self, condition: Readiness, address: str, hard: bool | None) -> Mark:  # noqa: FBT001 - a record's field
        match = self.matched(condition.pipeline, address)
        key = condition.key(match.parts) or {}
        return Mark(condition, key, Member(match.member, address, self.landing.content(address)), hard=hard)

    def reload_keys(
        self, slots: Sequence[Slot], *, hard: bool | None = None, fixes: Mapping[Slot, str] | None = None
    ) -> list[Acceptance]:
        """Prepare complete keys again, as they are now."""
        deliveries = []
        for slot in slots:
            state = self.ledger.key(slot)
            if state is None:
                known = [known.address for known in self.ledger.keys(slot.pipeline)]
                raise UnknownName(f"there is no key {slot.address!r}", fix=nearest(slot.address, known))
            fired = marking.fired(self.conditions[slot.pipeline], state, hard)
            if fired is None:
                missing = ", ".join(self.conditions[slot.pipeline].missing(state.names))
                raise UsageError(f"{slot.address} is not complete", at=slot.pipeline, why=f"it lacks {missing}")
            deliveries.append(
                Delivery(
                    slot, Kind.RELOAD, vector(state.members), fired.parts, "reload", fired.fingerprint, hard,
                    fixes=(fixes or {}).get(slot, ""), members=state.members,
                )
            )  # fmt: skip
        return self.ledger.accept(deliveries, self.clock()) if deliveries else []

    def keys(self, pipeline: str) -> list[Key]:
        """The keys of a pipeline with several sources, of which any member was ever there."""
        condition = self.conditions[self.pipeline(pipeline).name]
        return [self._key(condition, state) for state in self.ledger.keys(pipeline)]

    def late_keys(self, pipeline: str) -> list[Key]:
        """The keys whose deadline has passed, and that still lack something."""
        condition = self.conditions.get(pipeline)
        if condition is None or condition.deadline is None:
            return []
        states = [state for state in self.ledger.keys(pipeline) if state.overdue and condition.missing(state.names)]
        return [key for key in (self._key(condition, state) for state in states) if key.standing != WITHDRAWN]

    def _key(self, condition: Readiness, state: KeyState) -> Key:
        current = self.ledger.current(Slot(state.pipeline, state.address))
        missing = tuple(condition.missing(state.names))
        if current is None:
            return Key(state, missing)
        gone = current.kind is Kind.WITHDRAWAL and current.standing is Standing.LOADED
        return Key(state, missing, WITHDRAWN if gone else current.standing.value, current.run)

    # --- backfill ------------------------------------------------------------------------------------------------

    def missed(self, pipeline: str, within: tuple[str, str] = ("", "")) -> dict[str, list[Mark]]:
        """By the address of its key: what is loaded of tables that a pipeline waits for. Keys whose last part lies
        outside of the range (texts, both ends included; empty is open) are left out."""
        condition = self.conditions[self.pipeline(pipeline).name]
        found: dict[str, list[Mark]] = {}
        for upstream in dict.fromkeys(need.pipeline for need in condition.needs if need.pipeline):
            for mark in marking.of_live(self.ledger.live(upstream), condition):
                if _within(mark, within):
                    found.setdefault(mark.address, []).append(mark)
        return dict(sorted(found.items()))

    def backfill(self, marks: Mapping[str, Sequence[Mark]]) -> list[Acceptance]:
        """Mark what was missed, key by key; returns the keys that are complete."""
        return self.ledger.mark([mark for each in marks.values() for mark in each], self.clock())


def _within(mark: Mark, within: tuple[str, str]) -> bool:
    first, last = within
    value = list(mark.key.values())[-1] if mark.key else ""
    return (not first or value >= first) and (not last or value <= last)
