"""Daily check-ins of an invented company, the same for the same seed.

    python make_data.py FOLDER [--days 2] [--rows 200] [--seed 1] [--mistakes]

Each day is a file `table=dailycheckin/year=…/month=…/day=…/checkins.csv`. Nine timestamps in ten are ISO with `UTC`,
with or without a fraction; the others are American, or Russian. With `--mistakes` a few lines are wrong: nobody's, a
month that does not exist, hours below zero, a line that breaks off.
"""

from __future__ import annotations

import argparse
import csv
import io
import random
from datetime import date, datetime, timedelta
from pathlib import Path

USERS = ("ada", "bilal", "chioma", "dylan", "esther", "farah", "gwen", "hugo", "ines", "jonas")
PROJECTS = ("bizdev", "learning", "transit", "culture", "project-40", "project-47")
MONTHS = (
    "января", "февраля", "марта", "апреля", "мая", "июня", "июля", "августа", "сентября", "октября", "ноября",
    "декабря",
)  # fmt: skip


def written(moment: datetime, rng: random.Random) -> str:
    """A timestamp in one of the formats."""
    form = rng.choices(("second", "fraction", "american", "russian"), weights=(40, 50, 5, 5))[0]
    if form == "american":
        return f"{moment:%m/%d/%Y %I:%M %p}"
    if form == "russian":
        return f"{moment.day} {MONTHS[moment.month - 1]} {moment:%Y %H:%M}"
    fraction = f".{rng.randrange(1000000):06d}".rstrip("0") if form == "fraction" else ""
    return f"{moment:%Y-%m-%d %H:%M:%S}{fraction if fraction != '.' else ''} UTC"


def rows(day: date, count: int, rng: random.Random) -> list[list[str]]:
    """One day's check-ins."""
    opening = datetime(day.year, day.month, day.day, 8)  # noqa: DTZ001  files have local times
    moments = sorted(opening + timedelta(minutes=rng.randrange(600)) for _ in range(count))
    return [
        [rng.choice(USERS), written(moment, rng), f"{rng.randrange(1, 33) / 4}", rng.choice(PROJECTS)]
        for moment in moments
    ]


def spoil(lines: list[list[str]]) -> None:
    """Make four lines wrong, spread over the file."""
    at = [len(lines) * part // 5 for part in range(1, 5)]
    lines[at[0]][0] = ""
    lines[at[1]][1] = "26 брюмера 2024 00:00"
    lines[at[2]][2] = "-4.0"
    lines[at[3]] = lines[at[3]][:2]


def make(folder: Path, *, days: int = 2, count: int = 200, seed: int = 1, mistakes: bool = False) -> list[Path]:
    """Write the files; each appears under its name only when it is whole."""
    rng, files = random.Random(seed), []
    for number in range(days):
        day = date(2024, 3, 1) + timedelta(days=number)
        lines = rows(day, count, rng)
        if mistakes:
            spoil(lines)
        file = folder / f"table=dailycheckin/year={day:%Y}/month={day:%m}/day={day:%d}/checkins.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([["user", "timestamp", "hours", "project"], *lines])
        draft = file.with_name(f".{file.name}.part")
        draft.write_text(text.getvalue(), encoding="utf-8")
        files.append(draft.replace(file))
    return files


def main() -> None:
    """Read the arguments and write the files."""
    parser = argparse.ArgumentParser(description="Invented check-ins.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--days", type=int, default=2)
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mistakes", action="store_true")
    options = parser.parse_args()
    for file in make(
        options.folder, days=options.days, count=options.rows, seed=options.seed, mistakes=options.mistakes
    ):
        print(file)  # noqa: T201  it says what it wrote


if __name__ == "__main__":
    main()
