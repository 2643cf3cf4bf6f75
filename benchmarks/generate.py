"""Café orders as tills export them: seven columns, no header, the same bytes for the same shape.

Half a percent of the lines is bad, in equal shares: an impossible date, a negative total, no branch, a torn line.
Lines are produced as a stream, so the size of a file is bounded by the disk only. The census beside each file says
what a correct load of it holds; every contender's result is compared with it.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from functools import lru_cache
from itertools import accumulate, islice
from pathlib import Path
from typing import NamedTuple, TextIO

DRINKS = (
    "Latte", "Flat white", "Cappuccino", "Americano", "Mocha", "Espresso", "Cortado", "Filter coffee", "Hot chocolate",
    "Luxury hot chocolate", "Chai latte", "Iced latte", "Frappes - Coffee", "Frappes - Chocolate Cookie",
    "Flavoured latte - Vanilla", "Flavoured latte - Caramel", "Flavoured latte - Hazelnut",
    "Flavoured latte - Gingerbread", "Flavoured iced latte - Hazelnut", "Flavoured iced latte - Vanilla",
    "Flavoured iced latte - Caramel", "Speciality Tea - Earl Grey", "Speciality Tea - Peppermint",
    "Speciality Tea - Camomile", "Smoothies - Berry Beautiful", "Smoothies - Carrot Kick", "Smoothies - Glowing Greens",
    "Glass of milk", "Red Label tea", "Double espresso",
)  # fmt: skip
BRANCHES = (
    "Chesterfield", "Leeds", "London Camden", "London Soho", "Manchester Piccadilly", "Liverpool", "Bristol", "York",
    "Uppingham", "Longridge", "Bath", "Cardiff", "Edinburgh", "Glasgow", "Durham", "Oxford", "Cambridge",
    "King's Lynn", "Hove", "Truro",
)  # fmt: skip
FIRST_NAMES = (
    "Richard", "Scott", "Karen", "Michelle", "Stephanie", "Robert", "Maria", "Ángela", "Zoë", "Ahmed", "Wei", "Olga",
    "Seán", "John", "Mary", "Chukwu", "Dana", "Priya", "Tom", "Luis",
)  # fmt: skip
LAST_NAMES = (
    "Copeland", "Owens", "Fox", "Smith", "Jones", "Taylor", "O'Brien", "García", "Müller", "Khan", "Chen", "Ivanova",
    "Brown", "Evans", "Walker", "Hall", "Wood", "Hughes", "Patel", "Lewis",
)  # fmt: skip
IMPOSSIBLE_DATES = ("31/02/2021 10:00", "2021-13-45 09:10", "99/99/2021 08:00", "n/a")
FIRST_DAY, DAYS = date(2021, 1, 1), 365
OPENS, MINUTES_A_DAY = 8, 660
CARDS = 400_000


@dataclass(frozen=True)
class Shape:
    """Everything that decides a file's bytes."""

    orders: int
    seed: int = 7
    bad: float = 0.005
    torn_quotes: bool = False

    @property
    def name(self) -> str:
        quotes = "_torn_quotes" if self.torn_quotes else ""
        return f"orders_{self.orders}_{self.seed}{quotes}"


@dataclass(frozen=True)
class Census:
    """What a correct load of the lines holds; money in pence."""

    lines: int
    orders: int
    items: int
    takings: int
    bad: dict[str, int]


class Product(NamedTuple):
    text: str
    pence: int


class Order(NamedTuple):
    ordered_at: str
    branch: str
    customer: str
    basket: str
    total: str
    payment: str
    card: str
    items: int
    pence: int

    def line(self) -> str:
        return ",".join(self[:7])


class Line(NamedTuple):
    text: str
    fault: str
    order: Order


def menu() -> tuple[Product, ...]:
    """Sixty products: each drink regular, and large for forty pence more."""
    products = []
    for place, drink in enumerate(DRINKS):
        pence = 130 + 5 * (place * 7 % 43)
        for size, price in (("Regular", pence), ("Large", pence + 40)):
            products.append(Product(f"{size} {drink} - {price / 100:.2f}", price))
    return tuple(products)


MENU = menu()
POPULARITY = tuple(accumulate(10 + place * 13 % 17 for place in range(len(MENU))))


def lines(shape: Shape) -> Iterator[Line]:
    """The file's lines in order of time, each with its fault, "" for a good one."""
    chance = random.Random(shape.seed)  # noqa: S311 - the same numbers each time are the point
    cards = _cards(shape.seed)
    faults = FAULTS if shape.torn_quotes else FAULTS[:-1]
    for number in range(shape.orders):
        order = _order(chance, cards, number * DAYS * MINUTES_A_DAY // shape.orders)
        if chance.random() >= shape.bad:
            yield Line(order.line(), "", order)
        else:
            fault, damage = chance.choice(faults)
            yield Line(damage(chance, order), fault, order)


@lru_cache(maxsize=1)
def _cards(seed: int) -> tuple[str, ...]:
    chance = random.Random(seed + 1)  # noqa: S311 - the same
    return tuple(str(chance.randrange(10**15, 10**16)) for _ in range(CARDS))


def _order(chance: random.Random, cards: Sequence[str], minute: int) -> Order:
    bought = chance.choices(MENU, cum_weights=POPULARITY, k=1 + int(chance.random() * 5))
    basket = ", ".join([product.text for product in bought])
    pence = sum([product.pence for product in bought])
    payment, card = ("CARD", _pick(chance, cards)) if chance.random() < 0.6 else ("CASH", "")
    return Order(
        ordered_at=_clock(minute),
        branch=_pick(chance, BRANCHES),
        customer=f"{_pick(chance, FIRST_NAMES)} {_pick(chance, LAST_NAMES)}",
        basket=f'"{basket}"' if len(bought) > 1 else basket,
        total=_money(pence, short=chance.random() < 0.5),
        payment=payment,
        card=card,
        items=len(bought),
        pence=pence,
    )


def _pick(chance: random.Random, choices: Sequence[str]) -> str:
    return choices[int(chance.random() * len(choices))]


@lru_cache(maxsize=1)
def _clock(minute: int) -> str:
    day, minute = divmod(minute, MINUTES_A_DAY)
    return f"{FIRST_DAY + timedelta(day):%d/%m/%Y} {OPENS + minute // 60:02d}:{minute % 60:02d}"


def _money(pence: int, *, short: bool) -> str:
    """Tills write 5.2 as often as 5.20."""
    text = f"{pence / 100:.2f}"
    return text.rstrip("0").rstrip(".") if short else text


def _impossible_date(chance: random.Random, order: Order) -> str:
    return order._replace(ordered_at=_pick(chance, IMPOSSIBLE_DATES)).line()


def _negative_total(_: random.Random, order: Order) -> str:
    return order._replace(total=f"-{order.total}").line()


def _no_branch(_: random.Random, order: Order) -> str:
    return order._replace(branch="").line()


def _torn(chance: random.Random, order: Order) -> str:
    """The rest of the line is missing: from the middle of the names, or from the payment on."""
    if chance.random() < 0.5:
        return ",".join(order[:5])
    names = ",".join(order[:3])
    return names[: chance.randrange(8, len(names))]


def _torn_in_quotes(chance: random.Random, order: Order) -> str:
    """The line ends inside the basket, with its quote open: careless readers swallow the next line too."""
    if order.items == 1:
        return _torn(chance, order)
    whole = ",".join(order[:4])
    return whole[: -chance.randrange(3, len(order.basket) - 1)]


FAULTS: tuple[tuple[str, Callable[[random.Random, Order], str]], ...] = (
    ("date", _impossible_date),
    ("negative", _negative_total),
    ("branch", _no_branch),
    ("torn", _torn),
    ("torn_quote", _torn_in_quotes),
)


def census(counted: Counter[str]) -> Census:
    bad = {fault: counted[fault] for fault, _ in FAULTS if counted[fault]}
    return Census(counted["lines"], counted["orders"], counted["items"], counted["takings"], bad)


def _count(counted: Counter[str], line: Line) -> None:
    counted["lines"] += 1
    if line.fault:
        counted[line.fault] += 1
    else:
        counted["orders"] += 1
        counted["items"] += line.order.items
        counted["takings"] += line.order.pence


class Delivery(NamedTuple):
    """A generated file, its twin without torn lines (PostgreSQL's COPY takes nothing else), and its census."""

    path: Path
    whole: Path
    census: Census


def deliver(shape: Shape, folder: Path) -> Delivery:
    """The file of this shape, written unless it is already there."""
    path, whole, known = (folder / f"{shape.name}{ending}" for ending in (".csv", ".whole.csv", ".json"))
    if not known.exists():
        folder.mkdir(parents=True, exist_ok=True)
        known.write_text(json.dumps(asdict(_write(shape, path, whole))))
    return Delivery(path, whole, Census(**json.loads(known.read_text())))


def _write(shape: Shape, path: Path, whole: Path) -> Census:
    counted: Counter[str] = Counter()
    with ExitStack() as files:
        every, untorn = (files.enter_context(_opened(each)) for each in (path, whole))
        for line in lines(shape):
            _count(counted, line)
            every.write(line.text + "\n")
            if not line.fault.startswith("torn"):
                untorn.write(line.text + "\n")
    return census(counted)


def _opened(path: Path) -> TextIO:
    return path.open("w", encoding="utf-8", newline="", buffering=1 << 20)


class Deliveries(NamedTuple):
    """Many small files, and the census of all of them together."""

    folder: Path
    census: Census


def deliver_many(files: int, rows: int, folder: Path, *, seed: int = 7) -> Deliveries:
    """A folder of small files, each the next `rows` lines of one stream, written unless it is already there."""
    shape = Shape(files * rows, seed)
    target, known = folder / f"small_{files}_{rows}_{seed}", folder / f"small_{files}_{rows}_{seed}.json"
    if not known.exists():
        target.mkdir(parents=True, exist_ok=True)
        known.write_text(json.dumps(asdict(_write_many(shape, rows, target))))
    return Deliveries(target, Census(**json.loads(known.read_text())))


def _write_many(shape: Shape, rows: int, folder: Path) -> Census:
    counted: Counter[str] = Counter()
    stream = lines(shape)
    for number in range(shape.orders // rows):
        part = list(islice(stream, rows))
        for line in part:
            _count(counted, line)
        text = "".join([f"{line.text}\n" for line in part])
        (folder / f"till_{number:05d}.csv").write_text(text, encoding="utf-8", newline="")
    return census(counted)
