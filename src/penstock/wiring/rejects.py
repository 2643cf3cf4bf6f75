"""A project's rejected rows: who waits in quarantine, and how they come back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from penstock.adapters.files.landing import LANDING
from penstock.errors import UnknownName, UsageError
from penstock.model.slots import Delivery, Slot
from penstock.runtime.healing import (
    OPEN,
    PARKED,
    Reject,
    Selection,
    check_edits,
    edits_so_far,
    judged,
    patches,
    reloads,
)
from penstock.runtime.worker import Listener, ignore
from penstock.wiring.deliveries import Deliveries
from penstock.wiring.outcomes import Outcome

Place = tuple[str, str]
"""An object's address, and the hash of the content that was accepted."""

ALL = 1_000_000
EVERYTHING = Selection(status=())


class Rejects(Deliveries):
    """Rejected rows with their status, and replays of them."""

    def rejects(self, selection: Selection = EVERYTHING) -> Iterator[Reject]:
        """Rejected rows with their status."""
        from penstock.adapters.duckdb.rejects import read_rejects

        for name in [selection.pipeline] if selection.pipeline else list(self.pipelines):
            runs = {run.id: run for run in self.ledger.runs(pipeline=name, limit=ALL)}
            files = [file for run in runs.values() for file in self.zones.rejects(run)]
            found = [_reject(values) for values in read_rejects(files)]
            histories = {slot: self.ledger.history(slot) for slot in {Slot(name, reject.slot) for reject in found}}
            for reject in judged(found, histories):
                if selection.takes_run(runs[reject.run]) and selection.takes(reject):
                    yield reject

    def texts(self, rejects: Iterable[Reject]) -> Iterator[tuple[Reject, str | None]]:
        """Rejected rows; those that could not be split into columns with their text, as it stands in the landing zone:
        with None where that is no longer what was accepted."""
        from penstock.adapters.files.dialect import dialect_of
        from penstock.adapters.files.locate import locate

        unchanged: dict[Place, bool] = {}
        for reject in rejects:
            place = self._place(reject) if reject.byte_start is not None else None
            if place is not None and place not in unchanged:
                unchanged[place] = self._lies_there(place)
            if place is None or reject.byte_start is None or reject.byte_end is None or not unchanged[place]:
                yield reject, None
                continue
            sources = self.pipeline(reject.pipeline).sources
            dialect = dialect_of(sources[reject.member] if reject.member else next(iter(sources.values())))
            with self.landing.open(place[0]) as stream:
                yield reject, locate(stream, dialect, reject.byte_start, reject.byte_end)

    def _place(self, reject: Reject) -> Place | None:
        """The object that a reject was read from."""
        history = self.ledger.history(Slot(reject.pipeline, reject.slot))
        generation = next((item for item in history if item.number == reject.generation), None)
        if generation is None or (generation.content is None and not generation.members):
            return None
        member = next((item for item in generation.members if item.name == reject.member), None)
        if member is not None:
            return member.address, member.content.sha256
        return (reject.slot, generation.content.sha256) if generation.content else None

    def _lies_there(self, place: Place) -> bool:
        address, sha256 = place
        try:
            return self.landing.content(address).sha256 == sha256
        except UnknownName:
            return False

    def outdated(self, rejects: Iterable[Reject]) -> dict[str, int]:
        """By pipeline, how many of these rows were judged by another definition than the present one."""
        rows = Counter((reject.pipeline, reject.run) for reject in rejects)
        found: Counter[str] = Counter()
        for (pipeline, name), count in rows.items():
            run = self.ledger.run(name)
            if run is not None and run.fingerprint not in ("", self.plans[pipeline].fingerprint):
                found[pipeline] += count
        return dict(found)

    def replay(
        self, selection: Selection, edits: Sequence[Mapping[str, Any]] = (), listener: Listener = ignore
    ) -> list[Outcome]:
        """Send open rejects again: as patches of their slots, or, where rows depend on each other, with all of their
        deliveries. An edit is `{"slot", "line", "set": {column: text}}`."""
        chosen = list(self.rejects(selection))
        if not chosen:
            raise UsageError("no open reject is selected", fix="penstock quarantine list")
        outcomes = []
        for name in sorted({reject.pipeline for reject in chosen}):
            mine = [reject for reject in chosen if reject.pipeline == name]
            if self.pipeline(name).several:
                outcomes += self._replay_keys(name, mine, edits, listener)
                continue
            check_edits(edits, self._columns(name), mine)
            deliveries = (
                self._wholes(name, mine, edits) if self._indivisible(name) else self._patches(name, mine, edits)
            )
            outcomes += self.settle(self.ledger.accept(deliveries, self.clock()), listener)
        return outcomes

    def _indivisible(self, pipeline: str) -> bool:
        """Whether rejected rows cannot be run alone: they depend on the others, or cannot be read apart from them."""
        plan = self.plans[pipeline]
        return plan.indivisible or plan.source.format == "parquet"

    def _patches(self, pipeline: str, rejects: Sequence[Reject], edits: Sequence[Mapping[str, Any]]) -> list[Delivery]:
        lines = {(reject.slot, reject.line) for reject in rejects}
        known = [edit for edit in self._edits(pipeline, rejects) if (edit["slot"], edit["line"]) in lines]
        addresses = self._store_edits(pipeline, [*known, *edits])
        return patches(rejects, self.ledger, fixes=addresses, fingerprint=self.plans[pipeline].fingerprint)

    def _wholes(self, pipeline: str, rejects: Sequence[Reject], edits: Sequence[Mapping[str, Any]]) -> list[Delivery]:
        """Whole deliveries, with the edits that their rows were made with so far, and the new ones."""
        addresses = self._store_edits(pipeline, [*self._edits(pipeline, rejects), *edits])
        return reloads(rejects, self.ledger, fixes=addresses, fingerprint=self.plans[pipeline].fingerprint)

    def _edits(self, pipeline: str, rejects: Sequence[Reject]) -> Iterator[dict[str, Any]]:
        """The edits with which the deliveries of these rows were made so far, in the order in which they came."""
        from penstock.adapters.duckdb.feeding import read_fixes

        for address in sorted({reject.slot for reject in rejects}):
            for fixes in edits_so_far(self.ledger.history(Slot(pipeline, address))):
                for line, edit in read_fixes(self.landing, fixes).items():
                    yield {"slot": address, "line": line, "set": edit}

    def _replay_keys(
        self, pipeline: str, rejects: Sequence[Reject], edits: Sequence[Mapping[str, Any]], listener: Listener
    ) -> list[Outcome]:
        """A row of a joined delivery means nothing without the others: its key is prepared again as a whole."""
        if edits:
            raise UsageError(
                f"rows of {pipeline!r} cannot be edited one by one",
                why="they are joined with the rows of other sources",
                fix="correct the file and deliver it again",
            )
        slots = sorted({Slot(pipeline, reject.slot) for reject in rejects})
        return self.settle(self.reload_keys(slots), listener)

    def _columns(self, pipeline: str) -> list[str]:
        """The columns of all sources."""
        sources = self.pipeline(pipeline).sources.values()
        return list(dict.fromkeys(name for source in sources for name in source.names))

    def _store_edits(self, pipeline: str, edits: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """Edits are as received: they lie in the landing zone, under a name that no scan takes up."""
        import json
        import uuid

        addresses = {}
        for slot in sorted({edit["slot"] for edit in edits}):
            lines: dict[int, dict[str, str]] = {}
            for edit in edits:
                if edit["slot"] == slot:
                    lines[edit["line"]] = {**lines.get(edit["line"], {}), **edit["set"]}
            text = "".join(f"{json.dumps({'line': line, 'set': edit})}\n" for line, edit in lines.items())
            address = f"{LANDING}/_fixes/{pipeline}/{uuid.uuid4().hex}.jsonl"
            addresses[slot] = self.landing.store(text.encode(), address)
        return addresses


def _reject(values: Mapping[str, Any]) -> Reject:
    found = {name: value for name, value in values.items() if name not in ("tries", "parked")}
    status = PARKED if values["parked"] else OPEN
    return Reject(**{**found, "reasons": tuple(values["reasons"])}, attempt=values["tries"], status=status)
