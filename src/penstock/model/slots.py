"""Slots, deliveries and generations: what arrived, where it belongs, and which content of it is current."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from penstock.model.rows import digest, slot_base


@dataclass(frozen=True, slots=True, order=True)
class Slot:
    """Where a delivery belongs: a pipeline and an object's address (`landing/…`) or a readiness key."""

    pipeline: str
    address: str

    @property
    def base(self) -> int:
        """The first row identity of this slot (see `penstock.model.rows`)."""
        return slot_base(self.pipeline, self.address)

    def __str__(self) -> str:
        return f"{self.pipeline}:{self.address}"


@dataclass(frozen=True, slots=True)
class Content:
    """What was accepted: identity is the SHA-256 of the stored bytes; `version` pins the object that was read."""

    sha256: str
    size: int
    version: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    """One input of a generation that has several.

    An object: its address and its content. Rows of another pipeline's table: `pipeline` and the address of the slot
    that they belong to there; `content` holds a digest of these rows, how many they are, and the slot's generation.
    """

    name: str
    address: str
    content: Content
    pipeline: str = ""

    @property
    def identity(self) -> tuple[str, ...]:
        """What makes it the same member: of an object the content alone, wherever it lies."""
        place = (self.pipeline, self.address) if self.pipeline else ()
        return (self.name, self.content.sha256, *place)


def vector(members: Sequence[Member]) -> Content:
    """Several inputs as one content: the digest of the vector, and the sum of the sizes."""
    each = sorted(members, key=lambda member: (member.name, member.pipeline, member.address))
    identity = digest(*(f"{len(member.identity)}" for member in each), *(t for m in each for t in m.identity))
    pinned = digest(*(text for member in each for text in (member.address, member.content.version)))
    return Content(identity.hex(), sum(member.content.size for member in each), pinned.hex()[:16])


KEYED = "key/"
"""How addresses of slots begin that belong to a readiness key."""


def key_address(parts: Mapping[str, str]) -> str:
    """The address of a key's slot: `key/sender=EXT/day=2022-02-26`, or `key/all` where there is only one."""
    named = (f"{name}={_plain(value)}" for name, value in parts.items())
    return KEYED + ("/".join(named) or "all")


def _plain(value: str) -> str:
    return value.replace("%", "%25").replace("/", "%2F")


class Kind(StrEnum):
    """Why a generation exists."""

    DELIVERY = "delivery"
    RELOAD = "reload"
    PATCH = "patch"
    WITHDRAWAL = "withdrawal"


class Standing(StrEnum):
    """How far a generation has come.

    `accepted → prepared → loaded` is the way of every one that succeeds. `refused`, `stopped`, `dead` and `dropped` end
    without a load; `suspended` waits for a person; `superseded` gave way to a newer generation before it was loaded.
    """

    ACCEPTED = "accepted"
    PREPARED = "prepared"
    LOADED = "loaded"
    SUSPENDED = "suspended"
    REFUSED = "refused"
    STOPPED = "stopped"
    DEAD = "dead"
    DROPPED = "dropped"
    SUPERSEDED = "superseded"

    @property
    def final(self) -> bool:
        """Whether nothing more will happen to it by itself."""
        return self not in OPEN


OPEN = (Standing.ACCEPTED, Standing.PREPARED)
"""The standings of a generation that has a way to go."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """An object that arrived, or a person's wish about one, before the ledger has judged it."""

    slot: Slot
    kind: Kind = Kind.DELIVERY
    content: Content | None = None
    parts: Mapping[str, str] = field(default_factory=dict)
    cause: str = ""
    fingerprint: str = ""
    hard: bool | None = None
    """Overrides the pipeline's `hard` for this run only."""
    lines: tuple[int, ...] = ()
    """A replay's lines: those that a patch brings, or for whose sake the whole is reloaded; else empty."""
    fixes: str = ""
    """A replay's edits: the address of the object in the landing zone that holds them."""
    members: tuple[Member, ...] = ()
    """The inputs of a slot that has several; `content` is their vector then."""
    run_time: datetime | None = None
    """What `run_time()` is in its runs; None is the moment at which a run begins."""


@dataclass(frozen=True, slots=True)
class Generation:
    """The n-th accepted content of a slot."""

    slot: Slot
    number: int
    kind: Kind
    sequence: int
    """Its place in the ledger's order of acceptance. A replay carries the sequence of what it heals."""
    accepted_at: datetime
    content: Content | None = None
    parts: Mapping[str, str] = field(default_factory=dict)
    cause: str = ""
    fingerprint: str = ""
    hard: bool | None = None
    lines: tuple[int, ...] = ()
    fixes: str = ""
    heals: int = 0
    """The number of the generation that a patch heals; 0 for everything else."""
    standing: Standing = Standing.ACCEPTED
    run: str = ""
    """The run that holds it, or that finished it; empty while it waits."""
    members: tuple[Member, ...] = ()
    run_time: datetime | None = None

    @property
    def name(self) -> str:
        return f"{self.slot}#{self.number}"

    @property
    def replays_whole(self) -> bool:
        """Whether it is a replay that prepares all of its delivery again."""
        return self.kind is Kind.RELOAD and bool(self.lines)

    @property
    def identity(self) -> str:
        """What tells it from a generation of the same number in another ledger, or in an older copy of this one."""
        content = self.content.sha256 if self.content else ""
        if self.kind in (Kind.DELIVERY, Kind.RELOAD):
            return content
        return digest(self.kind, content, self.fixes, *map(str, self.lines)).hex()


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The ledger's answer to a delivery: the generation, and whether it is a new one or a recorded duplicate."""

    generation: Generation
    fresh: bool
