"""From objects to generations: which pipelines an object belongs to, and what the ledger says of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from penstock.authoring.pipeline import Pipeline
from penstock.authoring.triggers import Matching, Upload
from penstock.errors import PenstockError, StorageUnavailable, UnknownName
from penstock.ledger.port import Ledger
from penstock.model.faults import point
from penstock.model.slots import Acceptance, Delivery, Kind, Slot
from penstock.runtime.ports import Found, Landing

log = logging.getLogger("penstock")

BATCH = 500
"""How many deliveries share one transaction of the ledger."""


@dataclass(frozen=True, slots=True)
class Match:
    """A pipeline that an address belongs to, with the captured parts of its path."""

    pipeline: str
    parts: Mapping[str, str]


def matches(pipelines: Mapping[str, Pipeline], address: str, size: int = 0) -> list[Match]:
    """Every pipeline whose trigger an object at this address sets off."""
    found = []
    for name, pipeline in pipelines.items():
        trigger = pipeline.trigger
        if isinstance(trigger, Upload):
            parts = trigger.template.match(address)
            if parts is not None:
                found.append(Match(name, {key: str(value) for key, value in parts.items()}))
        elif isinstance(trigger, Matching) and trigger.pattern.matches(object_event(address, size)):
            found.append(Match(name, {}))
    return found


def object_event(address: str, size: int = 0) -> dict[str, object]:
    """An object's event in the shape of S3's EventBridge notification."""
    return {
        "source": "aws.s3",
        "detail-type": "Object Created",
        "detail": {"bucket": {"name": "local"}, "object": {"key": address, "size": size}},
    }


class Intake:
    """Offers objects to the ledger. Remembers versions, so that a rescan hashes only what changed."""

    def __init__(
        self, ledger: Ledger, landing: Landing, pipelines: Mapping[str, Pipeline], clock: Callable[[], datetime]
    ) -> None:
        self.ledger, self.landing, self.pipelines, self.clock = ledger, landing, pipelines, clock
        self._seen: dict[str, str] = {}
        self._skipped: dict[str, str] = {}

    def rescan(self, fingerprints: Mapping[str, str] | None = None) -> list[Acceptance]:
        """Offer every object whose version is new to this process and to the ledger."""
        return self.offer(self.landing.scan(), cause="rescan", fingerprints=fingerprints or {})

    def offer(
        self, objects: Iterable[Found], *, cause: str, fingerprints: Mapping[str, str] | None = None
    ) -> list[Acceptance]:
        """Offer objects; those that match no pipeline, or whose version is known already, are passed over.

        Durable when it returns. An object that cannot be read now is left for the next rescan.
        """
        accepted: list[Acceptance] = []
        waiting: list[Delivery] = []
        looked: dict[str, str] = {}
        for found in objects:
            if self._seen.get(found.address) == found.version:
                continue
            try:
                waiting += self._deliveries(found, cause, fingerprints or {})
            except UnknownName:
                continue
            except StorageUnavailable as error:
                self._skip(found, error)
                continue
            looked[found.address] = found.version
            if len(waiting) >= BATCH:
                accepted += self._accept(waiting, looked)
                waiting, looked = [], {}
        return accepted + self._accept(waiting, looked)

    def _skip(self, found: Found, error: StorageUnavailable) -> None:
        """Told once for each version of the object, and tried again for as long as it lies there."""
        if self._skipped.get(found.address) != found.version:
            self._skipped[found.address] = found.version
            fields = {"action": "object_unreadable", "code": error.code, "error": error.facts()}
            log.warning("Object unreadable: %s", found.address, extra=fields)

    def _accept(self, deliveries: list[Delivery], looked: Mapping[str, str]) -> list[Acceptance]:
        """Only what the ledger has taken is passed over from now on."""
        point("accept.before_record")
        accepted = self.ledger.accept(deliveries, self.clock()) if deliveries else []
        point("accept.after_record")
        self._seen.update(looked)
        return accepted

    def _deliveries(self, found: Found, cause: str, fingerprints: Mapping[str, str]) -> list[Delivery]:
        wanted = [
            match
            for match in matches(self.pipelines, found.address, found.size)
            if not self._known(match.pipeline, found)
        ]
        if not wanted:
            return []
        content = self.landing.content(found.address)
        return [
            Delivery(
                Slot(match.pipeline, found.address), Kind.DELIVERY, content, match.parts, cause,
                fingerprints.get(match.pipeline, ""),
            )
            for match in wanted
        ]  # fmt: skip

    def _known(self, pipeline: str, found: Found) -> bool:
        """Whether the ledger has this very version already: nothing was written since it was accepted."""
        current = self.ledger.current(Slot(pipeline, found.address))
        return current is not None and current.content is not None and current.content.version == found.version

    def forget(self, address: str) -> None:
        """Look at an object again at the next offer."""
        self._seen.pop(address, None)


def explain(pipelines: Mapping[str, Pipeline], address: str) -> PenstockError:
    """Why no pipeline takes an object of this address."""
    reasons = [
        f"{name}: {pipeline.trigger.template.explain(address)}"
        for name, pipeline in pipelines.items()
        if isinstance(pipeline.trigger, Upload)
    ]
    return UnknownName(
        f"no pipeline takes {address!r}",
        why="; ".join(reasons) or "no pipeline is set off by uploads",
        fix="rename the file to fit a trigger",
    )
