"""Covid: two authorities publish, one of them ahead of the other; somebody fetches."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from tests.oracles.covid import CASES, SHEETS, TABLES, WORLD, Covid
from tests.systems.system import System, keyed

from penstock.model.slots import Slot
from penstock.testing.histories import Change, Fire, Publish
from penstock.testing.tellers import DEATHS, Teller
from penstock.testing.views import Opened

PIPELINE = "covid"
FIRST = date(2020, 5, 20)
HEADERS = {CASES: "date,cases,deaths", WORLD: ",".join(SHEETS[WORLD].columns)}
USELESS = {
    CASES: (b"", b"date,confirmed,deaths\n2020-05-20,1,1\n", b"date,cases,deaths\n5/20/2020,1,1\n5/21/2020,1,1\n"),
    WORLD: (b"", b"Date,Country\n2020-05-20,US\n"),
}


class CovidTeller(Teller):
    """The files grow, are corrected, are published again, and sometimes are no such files."""

    def __init__(self, seed: int, deaths: Sequence[str] = DEATHS) -> None:
        super().__init__(seed, Covid(), deaths)
        self.steps += [self._made(CASES), self._made(WORLD)]
        for step in self.steps:
            self.oracle.add(step)

    def change(self, *, busy: bool) -> Change | None:
        """See `Teller`."""
        if self.rng.random() < 0.5:
            self.moving.add(PIPELINE)
            return Fire(PIPELINE)
        name = self.rng.choice((CASES, WORLD))
        if self.rng.random() < 0.15:
            return Publish(name, self.rng.choice(USELESS[name])) if self.at_rest(PIPELINE, busy=busy) else None
        return self._made(name)

    def _made(self, name: str) -> Publish:
        days = self.rng.randrange(1, 10)
        lines = [line for day in range(days) for line in self._lines(name, FIRST + timedelta(days=day))]
        return Publish(name, "\n".join([HEADERS[name], *lines, ""]).encode())

    def _lines(self, name: str, day: date) -> list[str]:
        chance, number = self.rng.random(), self.rng.randrange(3)
        if name == WORLD:
            places = ("US", "Albania") if chance > 0.1 else ("Albania",)
            return [f"{day},{place},,1.0,2.0,5,{number},1" for place in places]
        line = f"{day},{number if chance > 0.1 else -1},1"
        return [line] * (2 if chance > 0.95 else 1)


def facts(project: Opened) -> dict[str, Any]:
    found = keyed(project, {PIPELINE: lambda reject: reject.row["date"]})
    for generation, result in project.ledger.live(PIPELINE):
        if generation.slot == Slot(PIPELINE, "key/all"):
            fates = result.fates.as_dict()
            found[f"{PIPELINE} key/all, fates"] = {name: fates[name] for name in fates if name != "deduplicated"}
    return found


class PatientTeller(CovidTeller):
    """Rests behind every change, so that each counts as an attempt."""

    def tell(self) -> None:
        for change in (self._made(self.rng.choice((CASES, WORLD))), Fire(PIPELINE)):
            self.oracle.add(change)
            self.steps.append(change)
        self.settle()


def covid(attempts: int, teller: type[CovidTeller]) -> System:
    """The example with a number of attempts of its own."""
    feed = 'os.environ.get("COVID_FEED", "http://127.0.0.1:8765")'
    return System(
        "covid",
        TABLES,
        lambda _: Covid(attempts),
        teller,
        facts=facts,
        edits={"attempts=30": f"attempts={attempts}", feed: '"{feed}"'},
        deaths=(*DEATHS, "ledger.claim_firing", "ledger.fired"),
    )


COVID = covid(1000, CovidTeller)
PARKING = covid(2, PatientTeller)
"""Days are given up soon."""
