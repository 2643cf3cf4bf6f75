"""Taxis: readings that are sent and polled, some of them wild."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from tests.oracles.taxis import FEED, SINGAPORE, TABLES, Taxis
from tests.systems.system import System

from penstock.testing.histories import Change, Fire, Publish, Send
from penstock.testing.tellers import DEATHS, Teller
from penstock.testing.views import Opened

STREAM = "taxis"
EIGHT = datetime(2024, 3, 16, 8, tzinfo=SINGAPORE)
WILD = 50_000


def geojson(minute: int, free: int) -> dict[str, Any]:
    """A reading as the feed shows it."""
    taken_at = (EIGHT + timedelta(minutes=minute)).isoformat()
    feature = {
        "geometry": {"type": "MultiPoint", "coordinates": [[103.8, 1.3]] * (free % 3)},
        "properties": {"timestamp": taken_at, "taxi_count": free},
    }
    return {"type": "FeatureCollection", "features": [feature]}


class TaxisTeller(Teller):
    """Moments come again with other counts; a count that the gate refuses waits until all before it has passed."""

    def __init__(self, seed: int, deaths: Sequence[str] = DEATHS) -> None:
        super().__init__(seed, Taxis(), deaths)
        self.sent: dict[str, dict[str, Any]] = {}

    def change(self, *, busy: bool) -> Change | None:
        """See `Teller`."""
        chance = self.rng.random()
        if chance < 0.25:
            return Publish(FEED, json.dumps(geojson(self.rng.randrange(40), self.rng.randrange(1, 3000))).encode())
        if chance < 0.5:
            self.moving.add(STREAM)
            return Fire(STREAM)
        if chance < 0.6 and self.sent:
            name = self.rng.choice(list(self.sent))
            return Send(STREAM, {name: self.sent[name]})
        wild = chance > 0.92
        if wild and not self.at_rest(STREAM, busy=busy):
            return None
        self.moving.add(STREAM)
        records = [self._record(wild=wild) for _ in range(self.rng.randrange(1, 4))]
        found = {f"event-{len(self.sent) + place}": record for place, record in enumerate(records)}
        self.sent |= found
        return Send(STREAM, found)

    def _record(self, *, wild: bool) -> dict[str, Any]:
        if self.rng.random() < 0.1:
            return self.rng.choice(({"features": []}, geojson(1, -5)))
        return geojson(self.rng.randrange(40), WILD if wild else self.rng.randrange(1, 3000))


def facts(project: Opened) -> dict[str, Any]:
    files = sorted((project.zones_folder / "landing").rglob("*.jsonl"))
    results = [result.fates for _, result in project.ledger.live(STREAM)]
    versions = project.versions("production") if project.ledger.slots("production") else []
    hours = {
        slot.address.removeprefix("key/year="): project.ledger.history(slot)[-1].standing.value
        for slot in project.ledger.slots("production")
    }
    return {
        "landed": {str(file.relative_to(project.zones_folder)): file.read_bytes() for file in files},
        **{f"production {hour}": standing for hour, standing in hours.items()},
        "read": sum(fates.read for fates in results),
        "kept": sum(fates.kept for fates in results),
        "published": [version.number for version in versions if version.published and version.newest] != [],
    }


TAXIS = System(
    "taxis",
    TABLES,
    lambda _: Taxis(),
    TaxisTeller,
    facts=facts,
    edits={"https://api.data.gov.sg/v1/transport/taxi-availability": f"{{feed}}/{FEED}"},
    deaths=(*DEATHS, "ledger.fired", "buffer.submit", "buffer.seal", "buffer.read", "buffer.release"),
)
