"""Check-ins: files of days, in three formats of time, with the mistakes that people make."""

from __future__ import annotations

import random
import runpy
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

from tests.oracles.checkins import PIPELINE, TABLES, CheckIns
from tests.systems.system import EXAMPLES, System, spoilt

from penstock.testing.tellers import DEATHS, FileTeller, Made

WRITTEN: Callable[[datetime, random.Random], str] = runpy.run_path(str(EXAMPLES / "checkins/make_data.py"))["written"]
FIELDS = ("user", "timestamp", "hours", "project")
WRONG = {
    "user": [""],
    "timestamp": ["26 брюмера 2024 00:00", "2024-02-30 09:00:00 UTC", "13/13/2024 09:00 AM", ""],
    "hours": ["-4.0", "1.255", "1000", "many", ""],
    "project": [""],
}


def file(rng: random.Random, day: int) -> Made:
    """A day's file."""
    lines, edits = [",".join(FIELDS)], {}
    for _ in range(rng.randrange(1, 12)):
        moment = datetime(2024, 3, day, 8) + timedelta(minutes=rng.randrange(600))  # noqa: DTZ001  files have local times
        values = (rng.choice(("ada", "bilal")), WRITTEN(moment, rng), f"{rng.randrange(1, 33) / 4}", "transit")
        fields = dict(zip(FIELDS, values, strict=True))
        line, edit = spoilt(rng, fields, WRONG) if rng.random() < 0.15 else (",".join(fields.values()), None)
        for _ in range(1 + (rng.random() < 0.1)):
            lines.append(line)
            if edit:
                edits[len(lines)] = edit
    ends = rng.choice(("\n", "\r\n")), rng.random() < 0.5
    return Made((ends[0].join(lines) + (ends[0] if ends[1] else "")).encode(), edits)


def useless(rng: random.Random) -> bytes:
    return rng.choice((b"", b"who,when\nada,now\n", b"user,timestamp,hours\nada,2024-03-01 08:00:00 UTC,1\n"))


def teller(seed: int, deaths: Sequence[str] = DEATHS) -> FileTeller:
    folder = "landing/table=dailycheckin/year=2024/month=03/day={:02}/{}.csv"
    makers = {folder.format(day, name): partial(file, day=day) for day in (1, 2) for name in "ab"}
    return FileTeller(seed, CheckIns(), makers, useless, deaths)


CHECKINS = System(
    "checkins",
    TABLES,
    lambda _: CheckIns(),
    teller,
    (PIPELINE,),
    deaths=(*DEATHS, "engine.transform", "ledger.halfway"),
)
