"""Events: something that happened, in a CloudEvents 1.0 envelope (https://cloudevents.io, spec 1.0.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """`sequence` is the event's place in the ledger: the order in which changes were committed."""

    type: str
    """Reverse-DNS-free and dotted: `generation.accepted`, `run.started`, `run.finished`, …"""
    source: str
    """The pipeline that it concerns."""
    subject: str
    """The slot, run or table that it concerns."""
    time: datetime
    data: Mapping[str, Any] = field(default_factory=dict)
    sequence: int = 0

    def envelope(self) -> dict[str, Any]:
        """The event as CloudEvents JSON."""
        return {
            "specversion": "1.0",
            "id": str(self.sequence),
            "type": f"penstock.{self.type}",
            "source": f"/pipelines/{self.source}",
            "subject": self.subject,
            "time": self.time.isoformat(),
            "datacontenttype": "application/json",
            "data": dict(self.data),
        }
