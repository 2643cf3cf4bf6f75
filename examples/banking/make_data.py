"""Files of invented senders, as banks deliver them: four a day, the same for the same seed.

    python make_data.py FOLDER [--senders 2] [--days 2] [--clients 20] [--seed 1] [--orphans]

The account column is misspelt in three of the four files, and the last line has no newline: so they come. With
`--orphans` the last account of each day belongs to no portfolio.
"""

from __future__ import annotations

import argparse
import csv
import random
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

SENDERS = ("EXT_CLIENT", "NORTH_BANK", "HARBOUR_TRUST")
FIRST_NAMES = ("Ada", "Bilal", "Chioma", "Frida", "Fritz", "Ines", "Jonas", "Kamila")
LAST_NAMES = ("Abbott", "Baker", "Doyle", "Eriksen", "Gray", "Jansen", "Maier", "Müller")
FIRST_DAY = date(2022, 2, 26)
HEADS = {
    "clients": ("record_id", "first_name", "last_name", "client_reference", "tax_free_allowance"),
    "portfolios": ("record_id", "accout_number", "portfolio_reference", "client_reference", "agent_code"),
    "accounts": ("record_id", "accout_number", "cash_balance", "currency", "taxes_paid"),
    "transactions": ("record_id", "accout_number", "transaction_reference", "amount", "keyword"),
}
Rows = list[tuple[object, ...]]


def day(rng: random.Random, clients: int, *, orphans: bool) -> dict[str, Rows]:
    """The rows of one sender's day: every client has a portfolio with one account."""
    found: dict[str, Rows] = {name: [] for name in HEADS}
    for record in range(1, clients + 1):
        client, portfolio = f"{rng.getrandbits(64):016x}", f"{rng.getrandbits(64):016x}"
        account = str(10_000_000 + rng.randrange(90_000_000))
        allowance, taxes = rng.choice((0, 801, 1602)), Decimal(rng.randrange(0, 200_000)) / 100
        name = rng.choice(FIRST_NAMES), rng.choice(LAST_NAMES)
        found["clients"].append((record, *name, client, allowance))
        if not (orphans and record == clients):
            found["portfolios"].append((record, account, portfolio, client, f"AG{rng.randrange(10):04d}"))
        found["accounts"].append((record, account, Decimal(rng.randrange(-10_000, 2_000_000)) / 100, "EUR", taxes))
        for _ in range(rng.randrange(3)):
            found["transactions"].append(_transaction(rng, len(found["transactions"]) + 1, account))
    return found


def _transaction(rng: random.Random, record: int, account: str) -> tuple[object, ...]:
    amount, keyword = rng.choice(((1, "DEPOSIT"), (1, "DEPOSIT"), (-1, "WITHDRAWAL"), (-1, "TAX")))
    return record, account, f"{rng.getrandbits(48):012x}", amount * Decimal(rng.randrange(100, 500_000)) / 100, keyword


def write(path: Path, head: tuple[str, ...], rows: Rows) -> None:
    """A file that is there wholly or not at all; without a newline behind its last line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.part")
    with draft.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([head, *rows])
    draft.write_text(draft.read_text(encoding="utf-8").removesuffix("\n"), encoding="utf-8")
    draft.replace(path)


def make(
    folder: Path, *, senders: int = 2, days: int = 2, clients: int = 20, seed: int = 1, orphans: bool = False
) -> list[Path]:
    """Write the files; returns them, senders interleaved."""
    rng = random.Random(seed)
    paths = []
    for number in range(days):
        stamp = f"{FIRST_DAY + timedelta(days=number):%Y%m%d}"
        for sender in SENDERS[:senders]:
            for name, rows in day(rng, clients, orphans=orphans).items():
                paths.append(folder / sender / f"{name}_{stamp}.csv")
                write(paths[-1], HEADS[name], rows)
    return paths


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--senders", type=int, default=2, choices=range(1, len(SENDERS) + 1))
    for name, default in (("days", 2), ("clients", 20), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--orphans", action="store_true")
    made = make(**vars(parser.parse_args()))
    print(f"{len(made)} files")  # noqa: T201  a command


if __name__ == "__main__":
    main()
