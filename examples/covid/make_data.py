"""What two health authorities publish, invented, the same for the same seed.

    python make_data.py FOLDER [--until 2020-05-23] [--days 220] [--seed 1] [--faults]

`us.csv` holds cumulative cases and deaths of 220 days; `time-series-19-covid-combined.csv` confirmed, recovered and
deaths by country and province, up to the day `--until`: it is always behind. With `--faults` some rows are wrong.
"""

from __future__ import annotations

import argparse
import csv
import random
from datetime import date, timedelta
from pathlib import Path

FIRST = date(2020, 1, 21)
PLACES = (
    ("Albania", "", 41.15, 20.17),
    ("Australia", "Queensland", -27.47, 153.03),
    ("Australia", "Victoria", -37.81, 144.96),
    ("Brazil", "", -14.24, -51.93),
    ("Singapore", "", 1.28, 103.83),
    ("US", "", 40.0, -100.0),
)


def growing(rng: random.Random, days: int, most: int) -> list[int]:
    """A total that never falls: few at first, then more each day."""
    total, found = 0, []
    for day in range(days):
        total += rng.randint(0, 1 + most * day // days)
        found.append(total)
    return found


def cases(rng: random.Random, days: int) -> list[list[object]]:
    """The national file: a row for each day."""
    sick, dead = growing(rng, days, 60_000), growing(rng, days, 2_000)
    return [[FIRST + timedelta(day), sick[day] + 1, dead[day]] for day in range(days)]


def world(rng: random.Random, until: date) -> list[list[object]]:
    """The world's file: a row for each place and day. It begins a day later."""
    days = (until - FIRST).days
    rows = []
    for country, province, latitude, longitude in PLACES:
        sick, well, dead = (growing(rng, days, most) for most in (30_000, 9_000, 1_000))
        for day in range(days):
            known = (sick[day], well[day], dead[day])
            rows.append([FIRST + timedelta(day + 1), country, province, latitude, longitude, *known])
    return rows


def spoil(national: list[list[object]], places: list[list[object]]) -> None:
    """What goes wrong where people type: a total below zero, a day twice, another form of date, a word as a number."""
    national[3][2] = -1
    national.insert(6, list(national[5]))
    national[8][0] = f"{national[8][0]:%d/%m/%Y}"
    places[-2][6] = "unknown"


def write(path: Path, header: list[str], rows: list[list[object]]) -> None:
    """A CSV file as a whole: whoever fetches it meanwhile sees the old one or the new one."""
    draft = path.with_name(f".{path.name}.part")
    with draft.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
    draft.replace(path)


def make(folder: Path, until: date, days: int = 220, seed: int = 1, *, faults: bool = False) -> None:
    """Write both files."""
    folder.mkdir(parents=True, exist_ok=True)
    names = ["Date", "Country/Region", "Province/State", "Lat", "Long", "Confirmed", "Recovered", "Deaths"]
    national, places = cases(random.Random(seed), days), world(random.Random(seed + 1), until)
    if faults:
        spoil(national, places)
    write(folder / "us.csv", ["date", "cases", "deaths"], national)
    write(folder / "time-series-19-covid-combined.csv", names, places)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--until", type=date.fromisoformat, default=date(2020, 5, 23))
    parser.add_argument("--days", type=int, default=220)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults", action="store_true")
    options = parser.parse_args()
    make(options.folder, options.until, options.days, options.seed, faults=options.faults)


if __name__ == "__main__":
    main()
