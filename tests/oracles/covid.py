"""What the covid table must hold: the days that both sources know, as they were shown when it was last fetched.

A day that the other source does not know waits. It is tried by every later delivery; an attempt counts when the other
source has changed, and after the last one the day is parked, whatever comes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from penstock.testing.histories import Change, Fire, Publish, Settle
from penstock.testing.promises import Told, differences, row
from penstock.testing.sheets import Sheet, Unreadable, iso, text, whole

TABLES = {"days": ("date", "cases", "deaths", "recovered")}
CASES, WORLD = "us.csv", "time-series-19-covid-combined.csv"
ATTEMPTS = 30


def _not_negative(values) -> bool:
    return all(values[name] is not None and values[name] >= 0 for name in ("cases", "deaths"))


SHEETS = {
    CASES: Sheet({"date": iso, "cases": whole, "deaths": whole}, _not_negative, key=("date",)),
    WORLD: Sheet(
        {
            "Date": iso, "Country/Region": text, "Province/State": text, "Lat": float, "Long": float,
            "Confirmed": whole, "Recovered": whole, "Deaths": whole,
        }
    ),
}  # fmt: skip


@dataclass
class Covid:
    """`attempts` is what the pipeline allows a day that waits."""

    attempts: int = ATTEMPTS
    shown: dict[str, bytes | None] = field(default_factory=dict)
    fetched: tuple[bytes, ...] = ()
    before: bytes = b""
    """The other source as it was when the table was last loaded."""
    generations: int = 0
    standing: str = ""
    days: dict[date, dict[str, Any]] = field(default_factory=dict)
    tries: dict[tuple[Any, ...], int] = field(default_factory=dict)
    """Of the days that wait, told by all of their values."""
    fates: dict[str, int] = field(default_factory=dict)

    def add(self, step: Change | Settle) -> None:
        match step:
            case Publish(name, data):
                self.shown[name] = data
            case Fire():
                self._fire([self.shown.get(name) for name in SHEETS])

    def _fire(self, found: list[bytes | None]) -> None:
        """Nothing comes of it while a source is away, or when both show what they showed before."""
        known = tuple(data for data in found if data is not None)
        if len(known) == len(found) and known != self.fetched:
            self.fetched = known
            self.generations += 1
            try:
                self._join(*known)
            except Unreadable:
                self.standing = "refused"

    def _join(self, cases: bytes, world: bytes) -> None:
        first, second = SHEETS[CASES].read(cases), SHEETS[WORLD].read(world)
        here, there = SHEETS[CASES].judged(first), SHEETS[WORLD].judged(second)
        recovered = {each["Date"]: each["Recovered"] for each in there.values() if each["Country/Region"] == "US"}
        tried = {key: count for key, count in self.tries.items() if self.standing}
        self.tries, self.days = {}, {}
        for values in here.values():
            key = tuple(values.values())
            count = tried.get(key, 0)
            if values["date"] in recovered and count < self.attempts:
                self.days[values["date"]] = {**values, "recovered": recovered[values["date"]]}
            else:
                more = values["date"] not in recovered and count < self.attempts
                self.tries[key] = count + (more and (world != self.before or not count))
        us = sum(each["Country/Region"] == "US" for each in there.values())
        self.fates = {
            "read": len(first) + len(second),
            "kept": len(self.days) + us,
            "filtered": len(there) - us,
            "quarantined": len(first) - len(self.days) + len(second) - len(there),
        }
        self.before, self.standing = world, "loaded"

    def told(self) -> Told:
        rows = Counter(row(**values) for values in self.days.values())
        if not self.generations:
            return Told({"days": rows})
        waiting = {key[0]: count >= self.attempts for key, count in self.tries.items()}
        facts = {
            "": self.standing,
            ", generations": self.generations,
            ", waiting": sorted(f"cases {day}" for day in waiting),
            ", parked": sorted(f"cases {day}" for day, parked in waiting.items() if parked),
            **({", fates": self.fates} if self.fates else {}),
        }
        return Told({"days": rows}, facts={f"covid key/all{name}": fact for name, fact in facts.items()})

    def judge(self, found: Told) -> list[str]:
        return differences(self.told(), found)
