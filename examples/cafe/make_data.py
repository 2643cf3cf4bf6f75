"""Till exports of an invented café chain, the same for the same seed.

    python make_data.py FOLDER [--days 2] [--orders 300] [--seed 1] [--mistakes]

Each file is one branch's day: no header, one order a line, the basket as the till prints it. With `--mistakes` a few
lines are wrong in the ways that tills are wrong: an impossible date, a negative total, a torn line, no branch, a basket
that does not add up to the total.
"""

from __future__ import annotations

import argparse
import csv
import io
import random
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

BRANCHES = ("Leeds", "Chesterfield", "Uppingham", "London Camden", "Longridge")
FIRST_NAMES = ("Ada", "Bilal", "Chioma", "Dylan", "Esther", "Farah", "Gwen", "Hugo", "Ines", "Jonas", "Kamila", "Liam")
LAST_NAMES = ("Abbott", "Baker", "Chaudhry", "Doyle", "Eriksen", "Fletcher", "Gray", "Hussain", "Idowu", "Jansen")
FLAVOURS = ("Caramel", "Hazelnut", "Vanilla", "Gingerbread")
TEAS = ("Earl Grey", "English breakfast", "Peppermint", "Green", "Camomile")
SIZES = (("Regular", Decimal("0.00")), ("Large", Decimal("0.30")))
DRINKS = {
    "Latte": "2.15",
    "Cappuccino": "2.15",
    "Flat white": "2.15",
    "Cortado": "2.05",
    "Americano": "1.95",
    "Filter coffee": "1.50",
    "Iced americano": "2.15",
    "Iced latte": "2.35",
    "Chai latte": "2.30",
    "Hot Chocolate": "1.40",
    "Mocha": "2.30",
    "Espresso": "1.50",
    **{f"Flavoured latte - {flavour}": "2.55" for flavour in FLAVOURS},
    **{f"Flavoured iced latte - {flavour}": "2.75" for flavour in FLAVOURS},
    **{f"Speciality Tea - {tea}": "1.30" for tea in TEAS},
}
MENU = tuple((f"{size} {drink}", Decimal(price) + extra) for drink, price in DRINKS.items() for size, extra in SIZES)


def order(rng: random.Random, branch: str, moment: datetime) -> list[str]:
    """One line of a till export, as seven fields."""
    items = rng.choices(MENU, k=rng.choices((1, 2, 3, 4, 5, 6), weights=(30, 28, 18, 12, 8, 4))[0])
    total = sum((price for _, price in items), Decimal(0))
    payment = rng.choice(("CASH", "CARD"))
    card = "".join(rng.choices("0123456789", k=16)) if payment == "CARD" else ""
    customer = f"{rng.choice(FIRST_NAMES)} {rng.choice(LAST_NAMES)}"
    basket = ", ".join(f"{name} - {price}" for name, price in items)
    return [f"{moment:%d/%m/%Y %H:%M}", branch, customer, basket, str(float(total)), payment, card]


def day(branch: str, opening: datetime, orders: int, rng: random.Random) -> list[list[str]]:
    """A branch's orders of one day, a minute or two apart."""
    moment, lines = opening, []
    for _ in range(orders):
        lines.append(order(rng, branch, moment))
        moment += timedelta(minutes=rng.choice((0, 1, 1, 2)))
    return lines


def spoil(lines: list[list[str]]) -> str:
    """The text of a file in which five lines are wrong, spread over it."""
    at = [len(lines) * part // 6 for part in range(1, 6)]
    lines[at[0]][0] = "31/02/" + lines[at[0]][0][6:]
    lines[at[1]][4] = "-" + lines[at[1]][4]
    lines[at[3]][1] = ""
    lines[at[4]][4] = "0.05"
    text = render(lines).split("\n")
    text[at[2]] = ",".join(text[at[2]].split(",")[:3])
    return "\n".join(text)


def render(lines: list[list[str]]) -> str:
    """The lines as CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()


def make(folder: Path, *, days: int = 1, orders: int = 300, seed: int = 1, mistakes: bool = False) -> list[Path]:
    """Write the files; each appears under its name only when it is whole."""
    rng, files = random.Random(seed), []
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(days):
        opening = datetime(2024, 3, 4, 9) + timedelta(days=number)  # noqa: DTZ001  tills print local time
        for branch in BRANCHES[:2]:
            lines = day(branch, opening, orders, rng)
            file = folder / f"{branch.lower()}_{opening:%d-%m-%Y_%H-%M-%S}.csv"
            draft = file.with_name(f".{file.name}.part")
            draft.write_text(spoil(lines) if mistakes else render(lines), encoding="utf-8")
            files.append(draft.replace(file))
    return files


def main() -> None:
    """Read the arguments and write the files."""
    parser = argparse.ArgumentParser(description="Invented till exports.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--days", type=int, default=2)
    parser.add_argument("--orders", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mistakes", action="store_true")
    options = parser.parse_args()
    for file in make(
        options.folder, days=options.days, orders=options.orders, seed=options.seed, mistakes=options.mistakes
    ):
        print(file)  # noqa: T201  it says what it wrote


if __name__ == "__main__":
    main()
