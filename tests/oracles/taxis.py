"""What must become of the taxis' readings: acknowledged, they are in one file each, in the table, and, when their hour
passes the gate, in production.

Which hour's file a reading is in depends on when it came: that is taken from the files themselves, once they are known
to hold each reading exactly once.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from penstock.testing.histories import Change, Fire, Publish, Send, Settle
from penstock.testing.promises import Told, differences, row

TABLES = {"taxis": ("taken_at", "free", "places"), "availability": ("day", "taken_at", "free")}
FEED = "taxi-availability"
SINGAPORE = ZoneInfo("Asia/Singapore")

Reading = dict[str, Any]


def reading(record: Mapping[str, Any]) -> Reading | None:
    """What a record of the feed says; None where it is no reading."""
    try:
        (feature,) = record["features"]
        taken_at, free = datetime.fromisoformat(feature["properties"]["timestamp"]), feature["properties"]["taxi_count"]
    except (KeyError, ValueError):
        return None
    places = len(feature["geometry"]["coordinates"])
    return {"taken_at": taken_at, "free": free, "places": places} if -1 < free < 100_000 else None


def latest(readings: list[Reading]) -> dict[datetime, Reading]:
    """Of the readings of one moment the one that came last."""
    return {each["taken_at"]: each for each in readings}


def passes(hour: dict[datetime, Reading]) -> bool:
    """The gate."""
    return bool(hour) and all(0 < each["free"] < 30_000 for each in hour.values())


class Taxis:
    """What was acknowledged, and the hours that have passed the gate."""

    def __init__(self) -> None:
        self.acknowledged: dict[str, Mapping[str, Any]] = {}
        """By the names of their events: the same event counts once."""
        self.shown: bytes | None = None
        self.passed: dict[str, dict[datetime, Reading]] = {}
        self._now = self.passed

    def add(self, step: Change | Settle) -> None:
        match step:
            case Publish(_, data):
                self.shown = data
            case Fire() if self.shown:
                self.acknowledged.setdefault(hashlib.sha256(self.shown).hexdigest(), json.loads(self.shown))
            case Send(_, records):
                for name, record in records.items():
                    self.acknowledged.setdefault(name, record)
            case Settle():
                self.passed = self._now

    def judge(self, found: Told) -> list[str]:
        facts = dict(found.facts)
        landed: Mapping[str, bytes] = facts.pop("landed")
        records = [json.loads(line) for data in landed.values() for line in data.splitlines()]
        wrong = list(self._lost_or_doubled(records))
        return wrong + differences(self.told(landed), Told(found.tables, found.slots, facts))

    def _lost_or_doubled(self, records: list[Mapping[str, Any]]) -> Iterator[str]:
        must, there = (
            Counter(json.dumps(each, sort_keys=True) for each in some) for some in (self.acknowledged.values(), records)
        )
        for word, some in (("lost", must - there), ("doubled, or never sent", there - must)):
            if some:
                yield f"{some.total()} records {word}: {next(iter(some))[:100]}"

    def told(self, landed: Mapping[str, bytes]) -> Told:
        """What the files that have landed must come to."""
        readings: list[Reading] = []
        hours: dict[str, dict[datetime, Reading]] = {}
        for address, data in sorted(landed.items()):
            found = [each for line in data.splitlines() if (each := reading(json.loads(line))) is not None]
            readings += found
            hours.setdefault(address.rpartition("/")[0].partition("year=")[2], {}).update(latest(found))
        self._now = self.passed | {hour: rows for hour, rows in hours.items() if passes(rows)}
        production = {at: each for _, hour in sorted(self._now.items()) for at, each in hour.items()}
        return Told(
            {
                "taxis": Counter(row(**each) for each in latest(readings).values()),
                "availability": Counter(
                    row(day=at.astimezone(SINGAPORE).date(), taken_at=at, free=each["free"])
                    for at, each in production.items()
                ),
            },
            facts={
                **{f"production {hour}": "loaded" if passes(rows) else "stopped" for hour, rows in hours.items()},
                "read": sum(len(data.splitlines()) for data in landed.values()),
                "kept": len(readings),
                "published": bool(self._now),
            },
        )
