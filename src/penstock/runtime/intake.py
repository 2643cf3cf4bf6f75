"""From objects to generations: which pipelines an object belongs to, and what the ledger says of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import SequenceMatcher

from penstock.authoring.arrivals import Ready, Uploads
from penstock.authoring.origins import parts_of
from penstock.authoring.pipeline import Pipeline
from penstock.authoring.schedules import Schedule
from penstock.authoring.templates import PathTemplate
from penstock.authoring.triggers import Matching, Upload
from penstock.errors import PenstockError, StorageUnavailable, UnknownName
from penstock.ledger.port import Ledger
from penstock.model.faults import point
from penstock.model.readiness import Mark, Readiness
from penstock.model.slots import Acceptance, Content, Delivery, Kind, Member, Slot, key_address
from penstock.model.strays import Stray
from penstock.runtime.ports import Found, Landing

log = logging.getLogger("penstock")

BATCH = 500
"""How many deliveries share one transaction of the ledger."""

EXPLAINED = 50
"""For so many strays at a time it is found out which pipeline they resemble."""


@dataclass(frozen=True, slots=True)
class Match:
    """A pipeline that an address belongs to, with the captured parts of its path."""

    pipeline: str
    parts: Mapping[str, str]
    member: str = ""
    """The source that it is, of a pipeline with several."""


def matches(pipelines: Mapping[str, Pipeline], address: str, size: int = 0) -> list[Match]:
    """Every pipeline whose trigger an object at this address sets off."""
    found = []
    for name, pipeline in pipelines.items():
        trigger = pipeline.trigger
        if isinstance(trigger, Upload):
            parts = trigger.template.match(address)
            if parts is not None:
                found.append(Match(name, {key: str(value) for key, value in parts.items()}))
        elif isinstance(trigger, Uploads):
            found += _members(name, trigger, address)
        elif isinstance(trigger, Matching) and trigger.pattern.matches(object_event(address, size)):
            found.append(Match(name, {}))
    return found


def _members(pipeline: str, trigger: Uploads, address: str) -> list[Match]:
    matched = ((member, template.match(address)) for member, template in trigger.templates.items())
    return [
        Match(pipeline, {key: str(value) for key, value in parts.items()}, member)
        for member, parts in matched
        if parts is not None
    ]


def folder_of(pipeline: str, member: str) -> str:
    """Where objects lie that somebody brings as a pipeline's source, and whose path says nothing else."""
    return f"landing/{pipeline}/{member}/"


def placed(pipeline: Pipeline, address: str) -> Match | None:
    """The source that an object was brought as (see `folder_of`)."""
    if not pipeline.several or isinstance(pipeline.trigger, Ready):
        return None
    found = (member for member in pipeline.sources if address.startswith(folder_of(pipeline.name, member)))
    return next((Match(pipeline.name, {}, member) for member in found), None)


def takers(pipelines: Mapping[str, Pipeline], address: str, size: int = 0) -> list[Match]:
    """Every pipeline that an object at this address belongs to: it sets it off, or lies where a firing looks for it."""
    found = matches(pipelines, address, size)
    for name, pipeline in pipelines.items():
        found += _awaited(name, pipeline, address)
    return found


def _awaited(name: str, pipeline: Pipeline, address: str) -> Iterator[Match]:
    trigger = pipeline.trigger
    for member, source in pipeline.sources.items():
        parts = parts_of(name, member, source, address)
        if parts is not None:
            yield Match(name, parts, member if pipeline.several else "")
    if isinstance(trigger, Schedule) and trigger.submit is not None:
        captured = trigger.submit.match(address)
        if captured is not None:
            yield Match(name, {key: str(value) for key, value in captured.items()})


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
        self,
        ledger: Ledger,
        landing: Landing,
        pipelines: Mapping[str, Pipeline],
        clock: Callable[[], datetime],
        conditions: Mapping[str, Readiness] | None = None,
    ) -> None:
        """`conditions` are those of the pipelines with several sources."""
        self.ledger, self.landing, self.pipelines, self.clock = ledger, landing, pipelines, clock
        self.conditions = conditions or {}
        self._rescanned = False
        self._seen: dict[str, str] = {}
        self._skipped: dict[str, str] = {}
        self.strays: dict[str, Stray] = {}
        """What this process has seen that fits no pipeline, by address."""

    def rescan(self, fingerprints: Mapping[str, str] | None = None) -> list[Acceptance]:
        """Offer every object whose version is new to this process and to the ledger, then tell of keys that are late.

        What came while nobody looked may complete them: where there is such, the first rescan leaves them to the next.
        """
        accepted = self.offer(self.landing.scan(), cause="rescan", fingerprints=fingerprints or {})
        if self._rescanned or not accepted:
            self.remind()
        self._rescanned = True
        return accepted

    def remind(self) -> None:
        """Tell of keys that are late, each once."""
        awaited = [condition for condition in self.conditions.values() if condition.deadline]
        for late in self.ledger.remind(awaited, self.clock()) if awaited else ():
            fields = {"action": "key_overdue", "pipeline": late.pipeline, "missing": list(late.missing)}
            log.warning("Key overdue: %s lacks %s", late.address, ", ".join(late.missing), extra=fields)

    def offer(
        self, objects: Iterable[Found], *, cause: str, fingerprints: Mapping[str, str] | None = None
    ) -> list[Acceptance]:
        """Offer objects; those that match no pipeline, or whose version is known already, are passed over.

        Durable when it returns. An object that cannot be read now is left for the next rescan.
        """
        accepted: list[Acceptance] = []
        waiting: list[Delivery | Mark] = []
        strays: list[Stray] = []
        looked: dict[str, str] = {}
        for found in objects:
            if self._seen.get(found.address) == found.version:
                continue
            matched = matches(self.pipelines, found.address, found.size)
            if not matched and not takers(self.pipelines, found.address, found.size):
                strays.append(self._stray(found, explained=len(strays) < EXPLAINED))
                continue
            try:
                waiting += self._deliveries(found, matched, cause, fingerprints or {})
            except UnknownName:
                continue
            except StorageUnavailable as error:
                self._skip(found, error)
                continue
            looked[found.address] = found.version
            if len(waiting) >= BATCH:
                accepted += self._accept(waiting, looked)
                waiting, looked = [], {}
        self._leave(strays)
        return accepted + self._accept(waiting, looked)

    def _stray(self, found: Found, *, explained: bool) -> Stray:
        near, why = resembled(self.pipelines, found.address) if explained else ("", "")
        return Stray(found.address, found.version, found.size, near, why)

    def _leave(self, strays: Sequence[Stray]) -> None:
        """Tell of what is left where it is, once for each version of it."""
        if strays:
            self.ledger.strayed(strays, self.clock())
        for stray in strays:
            self.strays[stray.address] = stray
            self._seen[stray.address] = stray.version

    def _skip(self, found: Found, error: StorageUnavailable) -> None:
        """Told once for each version of the object, and tried again for as long as it lies there."""
        if self._skipped.get(found.address) != found.version:
            self._skipped[found.address] = found.version
            fields = {"action": "object_unreadable", "code": error.code, "error": error.facts()}
            log.warning("Object unreadable: %s", found.address, extra=fields)

    def _accept(self, waiting: list[Delivery | Mark], looked: Mapping[str, str]) -> list[Acceptance]:
        """Only what the ledger has taken is passed over from now on."""
        point("accept.before_record")
        deliveries = [item for item in waiting if isinstance(item, Delivery)]
        marks = [item for item in waiting if isinstance(item, Mark)]
        accepted = self.ledger.accept(deliveries, self.clock()) if deliveries else []
        accepted += self.ledger.mark(marks, self.clock()) if marks else []
        point("accept.after_record")
        self._seen.update(looked)
        return accepted

    def _deliveries(
        self, found: Found, matched: Sequence[Match], cause: str, fingerprints: Mapping[str, str]
    ) -> list[Delivery | Mark]:
        wanted = [match for match in matched if not self._known(match, found)]
        if not wanted:
            return []
        content = self.landing.content(found.address)
        return [self._offered(match, found.address, content, cause, fingerprints) for match in wanted]

    def _offered(
        self, match: Match, address: str, content: Content, cause: str, fingerprints: Mapping[str, str]
    ) -> Delivery | Mark:
        if match.member:
            return Mark(self.conditions[match.pipeline], match.parts, Member(match.member, address, content))
        slot, fingerprint = Slot(match.pipeline, address), fingerprints.get(match.pipeline, "")
        return Delivery(slot, Kind.DELIVERY, content, match.parts, cause, fingerprint)

    def _known(self, match: Match, found: Found) -> bool:
        """Whether the ledger has this very version already: nothing was written since it was accepted."""
        if match.member:
            return self._marked(match, found)
        current = self.ledger.current(Slot(match.pipeline, found.address))
        return current is not None and current.content is not None and current.content.version == found.version

    def _marked(self, match: Match, found: Found) -> bool:
        key = key_address(self.conditions[match.pipeline].key(match.parts) or {})
        state = self.ledger.key(Slot(match.pipeline, key))
        return state is not None and any(
            member.address == found.address and member.content.version == found.version for member in state.members
        )

    def forget(self, address: str) -> None:
        """Look at an object again at the next offer."""
        self._seen.pop(address, None)


def template_of(pipeline: Pipeline) -> PathTemplate | None:
    """The form of the paths of files that are delivered to a pipeline, where it has one."""
    if isinstance(pipeline.trigger, Upload):
        return pipeline.trigger.template
    return pipeline.trigger.submit if isinstance(pipeline.trigger, Schedule) else None


def resembled(pipelines: Mapping[str, Pipeline], address: str) -> tuple[str, str]:
    """The pipeline whose paths an address resembles most, and why it is none of them; nothing where none has paths."""
    found = [(name, template) for name, pipeline in pipelines.items() for template in _templates(pipeline)]
    if not found:
        return "", ""
    name, template = max(found, key=lambda item: SequenceMatcher(None, item[1].text, address).ratio())
    return name, template.explain(address)


def _templates(pipeline: Pipeline) -> list[PathTemplate]:
    if isinstance(pipeline.trigger, Uploads):
        return list(pipeline.trigger.templates.values())
    template = template_of(pipeline)
    return [template] if template else []


def explain(pipelines: Mapping[str, Pipeline], address: str) -> PenstockError:
    """Why no pipeline takes an object of this address."""
    templates = {name: template_of(pipeline) for name, pipeline in pipelines.items()}
    reasons = [f"{name}: {template.explain(address)}" for name, template in templates.items() if template]
    reasons += [
        f"{name}, source {member}: {template.explain(address)}"
        for name, pipeline in pipelines.items()
        if isinstance(pipeline.trigger, Uploads)
        for member, template in pipeline.trigger.templates.items()
    ]
    return UnknownName(
        f"no pipeline takes {address!r}",
        why="; ".join(reasons) or "no pipeline is set off by uploads",
        fix="rename the file to fit a trigger",
    )
