"""Rejected rows: which are still open, and how a person sends them again.

A replay is a patch, which brings some lines; or, where rows depend on each other, a reload of the whole with all edits
so far. A reject belongs to the generation whose run found it. It is *superseded* once its slot has a newer delivery,
reload or withdrawal; *healed* once a replay that brought its line has loaded without rejecting it again; *replayed*
when one brought it and it was rejected again (the replay's own reject is the open one then); *replaying* while a replay
that brings it is on its way, so that asking twice sends it once; *parked* when it was rejected as often as the limit
allows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from penstock.errors import UsageError
from penstock.ledger.port import Record
from penstock.model.refusals import BY
from penstock.model.runs import Run
from penstock.model.slots import Delivery, Generation, Kind, Slot, Standing

OPEN, HEALED, SUPERSEDED, REPLAYED, PARKED = "open", "healed", "superseded", "replayed", "parked"
REPLAYING = "replaying"
ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Reject:
    """One rejected source row. `row` holds its protected values where columns existed."""

    pipeline: str
    run: str
    slot: str
    generation: int
    line: int
    reasons: tuple[str, ...]
    row: Mapping[str, Any] | None = None
    shape: str | None = None
    byte_start: int | None = None
    byte_end: int | None = None
    member: str = ""
    """The input that it comes from, of a delivery with several."""
    retriable: bool = False
    """It waits for a partner in another input, or for a destination to take it, and comes back by itself."""
    attempt: int = 1
    """How often this line has been tried: 1 for a delivery's own reject."""
    status: str = OPEN

    def as_dict(self) -> dict[str, Any]:
        found = {name: getattr(self, name) for name in self.__slots__}
        found["reasons"] = list(self.reasons)
        return {name: value for name, value in found.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rejects are meant; empty parts mean any."""

    pipeline: str = ""
    run: str = ""
    slot: str = ""
    rule: str = ""
    since: datetime | None = None
    until: datetime | None = None
    lines: tuple[int, ...] = ()
    status: tuple[str, ...] = field(default=(OPEN,))

    def takes_run(self, run: Run) -> bool:
        """Whether a run can hold such rejects."""
        return (
            (not self.pipeline or run.pipeline == self.pipeline)
            and (not self.run or run.id == self.run)
            and (self.since is None or run.created_at >= self.since)
            and (self.until is None or run.created_at < self.until)
        )

    def takes(self, reject: Reject) -> bool:
        """Whether a reject of such a run is meant."""
        return (
            (not self.slot or reject.slot == self.slot)
            and (not self.rule or self.rule in reject.reasons)
            and (not self.lines or reject.line in self.lines)
            and (not self.status or reject.status in self.status)
        )


def judged(rejects: Sequence[Reject], histories: Mapping[Slot, Sequence[Generation]]) -> Iterator[Reject]:
    """The rejects of a pipeline with their status, given every slot's generations.

    `rejects` must hold those of every generation that is judged, patches included.
    """
    again: dict[tuple[Slot, int], set[int]] = defaultdict(set)
    for reject in rejects:
        again[Slot(reject.pipeline, reject.slot), reject.generation].add(reject.line)
    waiting = _waiting(rejects)
    for reject in rejects:
        slot = Slot(reject.pipeline, reject.slot)
        history = histories.get(slot, ())
        if reject.retriable and not _by_line(reject):
            yield _retried(reject, history, waiting)
            continue
        yield _judged(reject, history, {number: lines for (s, number), lines in again.items() if s == slot})


Waiting = Mapping[tuple[str, int], set[str]]


def _waiting(rejects: Iterable[Reject]) -> Waiting:
    """By slot and generation: the rows that wait, told by their input and values, for lines may move."""
    found: dict[tuple[str, int], set[str]] = defaultdict(set)
    for reject in rejects:
        if reject.retriable:
            found[reject.slot, reject.generation].add(_values(reject))
    return found


def _by_line(reject: Reject) -> bool:
    """Whether it is the same line that is tried again: a destination has refused a row of the only input."""
    return not reject.member and reject.line > 0 and any(reason.startswith(BY) for reason in reject.reasons)


def _values(reject: Reject) -> str:
    return f"{reject.member} {reject.row}"


def _retried(reject: Reject, history: Sequence[Generation], waiting: Waiting) -> Reject:
    """Every later generation of the slot has tried it again."""
    later = [item for item in history if item.number > reject.generation and item.standing is Standing.LOADED]
    if not later:
        return reject
    newest, own = later[-1], not any(item.members for item in history)
    if own and not all(_replays(item) for item in later):
        return replace(reject, status=SUPERSEDED)
    again = _values(reject) in waiting.get((reject.slot, newest.number), ())
    return replace(reject, status=SUPERSEDED if again or newest.kind is Kind.WITHDRAWAL else HEALED)


def _judged(reject: Reject, history: Sequence[Generation], again: Mapping[int, set[int]]) -> Reject:
    own = next((generation for generation in history if generation.number == reject.generation), None)
    if own is None:
        return reject
    later = [generation for generation in history if generation.number > reject.generation]
    root = own.heals or own.number
    attempt = reject.attempt if reject.retriable else _attempt(own, history)
    if any(not _replays(g) for g in later) or own.standing is Standing.SUPERSEDED or (_replays(own) and _failed(own)):
        return replace(reject, status=SUPERSEDED, attempt=attempt)
    for item in later:
        if not item.replays_whole and (item.heals != root or reject.line not in item.lines):
            continue
        if not item.standing.final:
            return replace(reject, status=REPLAYING, attempt=attempt)
        if item.standing is Standing.LOADED:
            status = REPLAYED if reject.line in again.get(item.number, ()) else HEALED
            return replace(reject, status=status, attempt=attempt)
    parked = attempt > ATTEMPTS if not reject.retriable else reject.status == PARKED
    return replace(reject, status=PARKED if parked else OPEN, attempt=attempt)


def _replays(generation: Generation) -> bool:
    return generation.kind is Kind.PATCH or generation.replays_whole


def _failed(generation: Generation) -> bool:
    """Whether it ended without an effect: what was open before it still is."""
    return generation.standing in (Standing.REFUSED, Standing.STOPPED, Standing.DEAD, Standing.DROPPED)


def _attempt(own: Generation, history: Sequence[Generation]) -> int:
    """How often a line that this generation rejected had been tried by then."""
    if own.kind is Kind.PATCH:
        patches = (g for g in history if g.kind is Kind.PATCH and g.heals == own.heals)
        return 1 + sum(g.number <= own.number for g in patches)
    return len(list(_replayed(own, history))) + 1 if own.replays_whole else 1


def _replayed(newest: Generation, history: Sequence[Generation]) -> Iterator[Generation]:
    """The replays of a delivery that were loaded, the newest first, from this one on."""
    for item in reversed([item for item in history if item.number <= newest.number]):
        if not _replays(item):
            return
        if item.standing is Standing.LOADED:
            yield item


def edits_so_far(history: Sequence[Generation]) -> list[str]:
    """The addresses of the edits that make up a slot's rows, beside the delivery, in the order in which they came."""
    loaded = [item for item in history if item.standing is Standing.LOADED]
    replays = list(_replayed(loaded[-1], loaded)) if loaded else []
    return [item.fixes for item in reversed(replays) if item.fixes]


def patches(
    rejects: Iterable[Reject], record: Record, *, fixes: Mapping[str, str], fingerprint: str, cause: str = "replay"
) -> list[Delivery]:
    """One patch for each generation that the rejects belong to. `fixes` maps a slot to its edits' address."""
    lines: dict[tuple[Slot, int], set[int]] = defaultdict(set)
    for reject in rejects:
        slot = Slot(reject.pipeline, reject.slot)
        lines[slot, _root(record.history(slot), reject.generation)].add(reject.line)
    return [
        Delivery(
            slot, Kind.PATCH, _content(record.history(slot), root), cause=cause, fingerprint=fingerprint,
            lines=tuple(sorted(found)), fixes=fixes.get(slot.address, ""),
        )
        for (slot, root), found in sorted(lines.items())
    ]  # fmt: skip


def reloads(rejects: Iterable[Reject], record: Record, *, fixes: Mapping[str, str], fingerprint: str) -> list[Delivery]:
    """The same where rows depend on each other: each delivery as a whole. `fixes` holds all edits so far."""
    return [
        replace(patch, kind=Kind.RELOAD, fixes=fixes.get(patch.slot.address, ""))
        for patch in patches(rejects, record, fixes={}, fingerprint=fingerprint)
    ]


def _root(history: Sequence[Generation], number: int) -> int:
    own = next(generation for generation in history if generation.number == number)
    return own.heals or own.number


def _content(history: Sequence[Generation], number: int) -> Any:
    return next(generation.content for generation in history if generation.number == number)


def check_edits(edits: Iterable[Mapping[str, Any]], columns: Sequence[str], known: Iterable[Reject]) -> None:
    """Raise `UsageError` for an edit of a line that is not among the rejects, or of a column that does not exist."""
    lines = {(reject.slot, reject.line) for reject in known}
    for edit in edits:
        place = (str(edit.get("slot", "")), int(edit.get("line", 0)))
        if place not in lines:
            raise UsageError(
                f"line {place[1]} of {place[0]!r} is not an open reject",
                why="an edit is for a rejected row of this selection",
                fix="penstock quarantine list shows slot and line of each",
            )
        if not place[1]:
            raise UsageError(
                f"a row of {place[0]!r} that has no line cannot be edited",
                why="a wide step has made it of the whole delivery",
                fix="edit the rows that it was made of in the file, and deliver it again; or replay without --fixes",
            )
        strange = [name for name in edit.get("set", {}) if name not in columns]
        if strange:
            raise UsageError(f"the edit sets unknown columns: {', '.join(strange)}", fix=f"known: {', '.join(columns)}")
