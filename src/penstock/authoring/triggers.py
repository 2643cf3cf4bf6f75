"""What sets a pipeline off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from penstock.authoring.patterns import EventPattern
from penstock.authoring.templates import PathTemplate


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that appears in the landing zone under a path of this form."""

    template: PathTemplate


@dataclass(frozen=True, slots=True)
class Matching:
    """An event that a pattern matches; its `detail.object.key` is the file, as in S3's events."""

    pattern: EventPattern


@dataclass(frozen=True, slots=True)
class Manual:
    """Only a person: `penstock run`."""


Trigger = Upload | Matching | Manual


def upload(template: str) -> Upload:
    """`ps.upload("landing/{branch}_{day:%d-%m-%Y}_{time}.csv")`: parts in braces are captured."""
    return Upload(PathTemplate.parse(template))


def event(pattern: Mapping[str, Any]) -> Matching:
    """An EventBridge pattern over the object's event."""
    return Matching(EventPattern.parse(pattern))


def manual() -> Manual:
    """Started by a person only."""
    return Manual()
