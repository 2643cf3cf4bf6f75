"""Small data sets of known structure, of the kinds that Penstock is for: what a proposal must find, and must not."""

# ruff: noqa: S311  these numbers must come again, and keep no secret

from __future__ import annotations

import csv
import random
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

Row = Sequence[object]
START = datetime(2024, 3, 1, 8, 0)  # noqa: DTZ001  local time of a till


def write(path: Path, header: Sequence[str], rows: Iterable[Row], delimiter: str = ",") -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerows(([header] if header else []) + [list(row) for row in rows])
    return path


def checkins(path: Path, seed: int = 1) -> Path:
    """Working hours by user, day and project: nothing determines anything."""
    rng = random.Random(seed)
    users = "ned robert jorah bronn davos arya sansa gilly theon samwell jaime varys".split()
    projects = [f"project-{number:02}" for number in range(30)]
    rows = []
    for day in range(120):
        for user in rng.sample(users, 8):
            moment = START + timedelta(days=day)
            rows.append((user, f"{moment:%Y-%m-%d} 00:00:00 UTC", rng.choice((4, 7.5, 8, 8.25)), rng.choice(projects)))
    return write(path, ["user", "timestamp", "hours", "project"], rows)


def banking(path: Path, seed: int = 1) -> Path:
    """Transactions that carry their account's and their client's columns."""
    rng = random.Random(seed)
    clients = {f"C{number:04}": (name, rng.choice(("DE", "FR", "AT"))) for number, name in enumerate(_people(60, rng))}
    accounts = {
        str(40_000_000 + rng.randrange(10**6)): (rng.choice(list(clients)), rng.choice(("EUR", "USD", "CHF")))
        for _ in range(90)
    }
    rows = []
    for number in range(1500):
        account = rng.choice(list(accounts))
        client, currency = accounts[account]
        booked = START + timedelta(minutes=37 * number)
        rows.append((
            f"T{rng.getrandbits(40):010x}", f"{booked:%d.%m.%Y}", account, client, *clients[client], currency,
            f"{rng.uniform(-900, 4000):.2f}", rng.choice(("DEPOSIT", "TAX", "FEE", "TRANSFER")),
        ))  # fmt: skip
    header = "transaction_ref booked_on account_number client_id client_name client_country currency amount keyword"
    return write(path, header.split(), rows, ";")


def taxis(path: Path, seed: int = 1) -> Path:
    """Readings by area and time; the forecast is the area's at that time."""
    rng = random.Random(seed)
    areas = [f"Area {letter}{number}" for letter in "ABCDE" for number in range(9)]
    skies = ("Cloudy", "Fair (Day)", "Showers", "Windy")
    rows = []
    for step in range(96):
        moment = START + timedelta(minutes=15 * step, seconds=rng.randrange(60))
        rows += [
            (area, rng.choice(skies), f"{moment:%Y-%m-%d}", f"{moment:%H:%M:%S}", rng.randrange(300)) for area in areas
        ]
    return write(path, ["AREA", "FORECAST", "DATE", "TIME", "Count"], rows)


def loans(path: Path, seed: int = 1) -> Path:
    """Library loans: a member, a book and its branch, all in one flat file."""
    rng = random.Random(seed)
    branches = {
        f"B{number}": f"{name} Library" for number, name in enumerate(("North", "Harbour", "Castle", "Park"), 1)
    }
    members = {
        f"M{number:05}": (name, rng.choice(("adult", "child", "student")))
        for number, name in enumerate(_people(80, rng))
    }
    books = {
        f"9780{number:09}": (f"{rng.choice(_ADJECTIVES)} {rng.choice(_NOUNS)} {number}", rng.choice(list(branches)))
        for number in range(120)
    }
    rows = []
    for number in range(1600):
        member, isbn = rng.choice(list(members)), rng.choice(list(books))
        title, branch = books[isbn]
        lent = START + timedelta(hours=5 * number)
        back = f"{lent + timedelta(days=rng.randint(1, 30)):%Y-%m-%d}" if rng.random() < 0.8 else ""
        rows.append(
            (
                100_000 + number,
                member,
                *members[member],
                isbn,
                title,
                branch,
                branches[branch],
                f"{lent:%Y-%m-%d}",
                back,
            )
        )
    header = "loan_id member_id member_name member_type isbn title branch_id branch_name lent_on returned_on"
    return write(path, header.split(), rows)


def covid(path: Path, seed: int = 1) -> Path:
    """Counts by day and place: some countries have provinces, most have none; a place has coordinates."""
    rng = random.Random(seed)
    names = [
        f"{first}{last}"
        for first in ("Nor", "Sou", "Ost", "Wes", "Cal", "Bel")
        for last in ("land", "ia", "stan", "mark", "onia")
    ]
    places = [(name, "", _point(rng)) for name in names[:24]]
    places += [
        (name, f"{name} {part}", _point(rng)) for name in names[24:] for part in ("Coast", "Hills", "Islands", "Plains")
    ]
    rows = []
    for day in range(60):
        date = START + timedelta(days=day)
        for country, province, (lat, long) in places:
            confirmed = day * rng.randrange(1, 50)
            rows.append((f"{date:%Y-%m-%d}", country, province, lat, long, confirmed, confirmed // 3, confirmed // 40))
    header = ["Date", "Country/Region", "Province/State", "Lat", "Long", "Confirmed", "Recovered", "Deaths"]
    return write(path, header, rows)


def order_lines(path: Path, seed: int = 1) -> Path:
    """A flat file of order lines: the order's columns repeat on each of its lines."""
    rng = random.Random(seed)
    products = {
        f"SKU-{number:03}": (
            f"{rng.choice(_ADJECTIVES)} {rng.choice(_NOUNS)}",
            rng.choice(("garden", "kitchen", "office")),
        )
        for number in range(70)
    }
    prices = {sku: f"{rng.uniform(1, 80):.2f}" for sku in products}
    people = _people(200, rng)
    rows = []
    for order in range(400):
        moment = START + timedelta(minutes=9 * order)
        head = (
            f"O-{order:06}",
            f"{moment:%d/%m/%Y %H:%M}",
            rng.choice(people),
            rng.choice(("Leeds", "York", "Hull")),
            rng.choice(("CASH", "CARD")),
        )
        for line, sku in enumerate(rng.sample(list(products), rng.randint(1, 6)), 1):
            rows.append((*head, line, sku, *products[sku], prices[sku], rng.randint(1, 4)))
    header = "order_id ordered_at customer branch payment line sku product category price quantity"
    return write(path, header.split(), rows)


def tills(path: Path, seed: int = 1, *, header: bool = False, start: datetime = START) -> Path:
    """A café's till export: the items of an order are a list in one field; a customer rarely comes twice."""
    rng = random.Random(seed)
    menu = {
        f"{size} {name}": f"{price + extra:.2f}"
        for name, price in _MENU.items()
        for size, extra in (("Regular", 0), ("Large", 0.35))
    }
    people = _people(900, rng)
    rows = []
    for number in range(400):
        basket = rng.choices(list(menu), k=rng.choice((1, 2, 2, 3, 4, 5)))
        total = sum(float(menu[item]) for item in basket)
        card = rng.random() < 0.6
        moment = start + timedelta(minutes=2 * number, days=number // 20)
        rows.append((
            f"{moment:%d/%m/%Y %H:%M}", rng.choice(("Leeds", "York", "Hull")), rng.choice(people),
            ", ".join(f"{item} - {menu[item]}" for item in basket), f"{total:.2f}", "CARD" if card else "CASH",
            str(rng.randrange(10**15, 10**16)) if card else "",
        ))  # fmt: skip
    return write(
        path, ["ordered_at", "branch", "customer", "basket", "total", "payment", "card"] if header else [], rows
    )


def noise(path: Path, seed: int = 1) -> Path:
    """Independent columns: nothing follows from anything."""
    rng = random.Random(seed)
    rows = [
        (rng.randrange(40), *(rng.choice("abcdefghijklmnop"[: 2 + 3 * width]) for width in range(5)))
        for _ in range(900)
    ]
    return write(path, ["thing_id", "colour", "shape", "texture", "taste", "smell"], rows)


_ADJECTIVES = "Quiet Green Broken Distant Early Hidden Paper Golden Winter Second".split()
_NOUNS = "River Garden Window Letter Station Forest Bridge Morning Island Clock".split()
_MENU = {
    "Latte": 2.15,
    "Mocha": 2.3,
    "Flat white": 2.15,
    "Cortado": 2.05,
    "Speciality Tea - Green": 1.3,
    "Iced latte": 2.35,
}
_FIRST = "Anna Paul Maria James Laura Peter Julia Simon Helen Victor Nina Oscar Clara Hugo Marta David".split()
_LAST = "Keller Moreau Novak Hughes Lindqvist Rossi Petrov Garcia Tanaka Okafor Byrne Silva".split()


def _people(count: int, rng: random.Random) -> list[str]:
    return [f"{rng.choice(_FIRST)} {rng.choice(_LAST)}" for _ in range(count)]


def _point(rng: random.Random) -> tuple[float, float]:
    return round(rng.uniform(-60, 70), 4), round(rng.uniform(-180, 180), 4)


ALL: dict[str, Callable[[Path], Path]] = {
    "checkins": checkins, "banking": banking, "taxis": taxis, "loans": loans, "covid": covid,
    "order_lines": order_lines, "tills": tills, "noise": noise,
}  # fmt: skip
