"""Readiness: which members a key needs, what is there of them, and what has just become of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from penstock.model.slots import Member, key_address


@dataclass(frozen=True, slots=True)
class Need:
    """A member that every key of a trigger needs: an object, or rows of another pipeline's table."""

    name: str
    pipeline: str = ""
    table: str = ""


@dataclass(frozen=True, slots=True)
class Readiness:
    """The condition of a pipeline that has several inputs: all needs, for each combination of the parts in `by`."""

    pipeline: str
    by: tuple[str, ...]
    needs: tuple[Need, ...]
    fingerprint: str = ""
    deadline: timedelta | None = None
    """How long after its first member a key should be complete."""

    def key(self, parts: Mapping[str, str]) -> dict[str, str] | None:
        """The key that these parts belong to; None where one is missing."""
        if any(name not in parts for name in self.by):
            return None
        return {name: parts[name] for name in self.by}

    def missing(self, names: set[str]) -> list[str]:
        """The needs that are not among these."""
        return [need.name for need in self.needs if need.name not in names]


@dataclass(frozen=True, slots=True)
class Mark:
    """What a member of a key is now; `gone`: it is there no longer."""

    readiness: Readiness
    key: Mapping[str, str]
    member: Member
    gone: bool = False
    adds: bool = False
    """It adds to what was there (a patch)."""
    hard: bool | None = None

    @property
    def address(self) -> str:
        """The key's slot."""
        return key_address(self.key)


@dataclass(frozen=True, slots=True)
class KeyState:
    """A key of a trigger, and what is marked of it."""

    pipeline: str
    address: str
    parts: Mapping[str, str]
    since: datetime
    """When its first member was marked."""
    members: tuple[Member, ...] = ()
    overdue: bool = False
    """Whether it was reported as late."""

    @property
    def names(self) -> set[str]:
        return {member.name for member in self.members}


@dataclass(frozen=True, slots=True)
class Late:
    """A key that was not complete at its deadline."""

    pipeline: str
    address: str
    missing: tuple[str, ...]
    parts: Mapping[str, str] = field(default_factory=dict)
