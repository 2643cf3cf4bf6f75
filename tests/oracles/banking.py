"""What the banking tables must hold: four files of a sender's day, their relationships, and what three transformers
make of them.

A day has relationships while all four of its files are loaded. A row whose partner is missing waits. A transformer
works again when the rows that it reads have changed, and only then.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from penstock.testing.histories import Change, Files, Settle
from penstock.testing.promises import Between, Slot, Told, base, row
from penstock.testing.sheets import Sheet, amount, text, whole

MONEY = amount(14, 2)
ALIASES = {"accout_number": "account_number"}
SHEETS = {
    "clients": Sheet(
        {
            "record_id": whole, "client_reference": text, "first_name": text, "last_name": text,
            "tax_free_allowance": MONEY,
        },
        key=("client_reference",),
        aliases=ALIASES,
    ),
    "portfolios": Sheet(
        {
            "record_id": whole, "portfolio_reference": text, "account_number": text, "client_reference": text,
            "agent_code": text,
        },
        key=("portfolio_reference",),
        aliases=ALIASES,
    ),
    "accounts": Sheet(
        {"record_id": whole, "account_number": text, "cash_balance": MONEY, "currency": text, "taxes_paid": MONEY},
        key=("account_number",),
        aliases=ALIASES,
    ),
    "transactions": Sheet(
        {"record_id": whole, "transaction_reference": text, "account_number": text, "amount": MONEY, "keyword": text},
        key=("transaction_reference",),
        aliases=ALIASES,
    ),
}  # fmt: skip
DROPPED = {"first_name", "last_name"}
TABLES = {
    **{
        f"stored_{name}": ("_row", "sender", "day", *(column for column in sheet.columns if column not in DROPPED))
        for name, sheet in SHEETS.items()
    },
    "clients": ("sender", "day", "client_reference", "tax_free_allowance"),
    "portfolios": ("sender", "day", "portfolio_reference", "account_number", "client_reference", "agent_code"),
    "accounts": ("sender", "day", "account_number", "portfolio_reference", "cash_balance", "currency", "taxes_paid"),
    "transactions": ("sender", "day", "transaction_reference", "account_number", "amount", "keyword"),
    "portfolio_deposits": ("sender", "day", "portfolio_reference", "deposits", "transactions"),
    "portfolio_balances": ("sender", "day", "portfolio_reference", "balance"),
    "client_taxes": ("sender", "day", "client_reference", "allowance", "paid", "above"),
}
READS = {
    "relations": tuple(SHEETS),
    "deposits": ("portfolios", "accounts", "transactions"),
    "balances": ("portfolios", "accounts"),
    "taxes": ("clients", "portfolios", "accounts"),
}
"""Whoever waits for a day, and what of it he reads."""
ADDRESS = re.compile(rf"landing/([^/]+)/({'|'.join(SHEETS)})_(\d{{8}})\.csv")

Rows = list[dict[str, Any]]
Day = dict[str, Rows]
"""Rows by what they are of."""


def place(address: str) -> tuple[str, date, str] | None:
    """Sender, day, and which of the four files it is; None for a name that nobody takes."""
    found = ADDRESS.fullmatch(address)
    try:
        return (found[1], datetime.strptime(found[3], "%Y%m%d").date(), found[2]) if found else None  # noqa: DTZ007
    except ValueError:
        return None


def related(stored: Day) -> tuple[Day, list[str]]:
    """The rows whose partners are there, and the others: account without portfolio, portfolio without client, …"""
    clients = stored["clients"]
    portfolios = _partnered(stored["portfolios"], "client_reference", clients)
    accounts = _partnered(stored["accounts"], "account_number", portfolios)
    transactions = _partnered(stored["transactions"], "account_number", accounts)
    owner = {each["account_number"]: each["portfolio_reference"] for each in portfolios}
    held = [{**each, "portfolio_reference": owner[each["account_number"]]} for each in accounts]
    whole_day = {"clients": clients, "portfolios": portfolios, "accounts": held, "transactions": transactions}
    alone = [
        f"{name} {each[SHEETS[name].key[0]]}"
        for name, kept in (("portfolios", portfolios), ("accounts", accounts), ("transactions", transactions))
        for each in stored[name]
        if each not in kept
    ]
    return whole_day, sorted(alone)


def _partnered(rows: Rows, column: str, others: Rows) -> Rows:
    there = {other[column] for other in others} - {None}
    return [each for each in rows if each[column] in there]


def transformed(day: Day) -> Iterator[tuple[str, dict[str, Any]]]:
    """Exactly one record for each portfolio and each client."""
    for portfolio in day["portfolios"]:
        mine = [each for each in day["accounts"] if each["portfolio_reference"] == portfolio["portfolio_reference"]]
        numbers = {each["account_number"] for each in mine}
        moved = [each for each in day["transactions"] if each["account_number"] in numbers]
        moved = [each for each in moved if each["amount"] is not None]
        deposits = _sum(each["amount"] for each in moved if each["keyword"] == "DEPOSIT")
        name = {"portfolio_reference": portfolio["portfolio_reference"]}
        yield "portfolio_deposits", {**name, "deposits": deposits, "transactions": len(moved)}
        yield "portfolio_balances", {**name, "balance": _sum(each["cash_balance"] for each in mine)}
    for client in day["clients"]:
        reference, allowance = client["client_reference"], client["tax_free_allowance"]
        own = {each["portfolio_reference"] for each in day["portfolios"] if each["client_reference"] == reference}
        paid = _sum(each["taxes_paid"] for each in day["accounts"] if each["portfolio_reference"] in own)
        above = Decimal(0) if allowance is None else max(paid - allowance, Decimal(0))
        yield "client_taxes", {"client_reference": reference, "allowance": allowance, "paid": paid, "above": above}


def _sum(values: Iterable[Decimal | None]) -> Decimal:
    return sum((value for value in values if value is not None), Decimal(0))


class Watch:
    """How often one reader of one day must have worked: once more whenever what he reads has become another.

    What has changed between two rests may have come in any order, and only the last of it counts for sure.
    """

    def __init__(self) -> None:
        self.before = self.changes = 0
        self.seen: Any = None
        self.present = False

    def generations(self, now: Any) -> Between:
        """`now` is what he reads, None while it is not complete."""
        changed = int(now != self.seen)
        most = self.changes if self.changes > 1 else changed
        return Between(self.before + changed, self.before + max(changed, most))

    def rested(self, now: Any, generations: int) -> None:
        """So often he had worked by then."""
        self.seen, self.changes, self.before = now, 0, generations
        self.present = self.present or now is not None


class Banking(Files):
    """All of it."""

    def __init__(self) -> None:
        super().__init__(lambda address: SHEETS[found[2]] if (found := place(address)) else None)
        self.watches: dict[tuple[str, str, date], Watch] = {}
        self.found = Told({})

    def add(self, step: Change | Settle) -> None:
        before = self._generations(step)
        super().add(step)
        if isinstance(step, Settle):
            for (reader, *day), watch in self.watches.items():
                generations = self.found.facts.get(f"{_key(reader, *day)}, generations", 0)
                watch.rested(self._reading(reader, *day), generations)
        elif self._generations(step) != before:
            sender, day, _ = place(step.address)
            for reader in READS:
                self.watches.setdefault((reader, sender, day), Watch()).changes += 1

    def _generations(self, step: Change | Settle) -> int:
        address = getattr(step, "address", "")
        return self.slots[address].account.generations if address in self.slots else 0

    def _stored(self, sender: str, day: date) -> Day | None:
        """The rows of a day's files; None while one of them is not loaded."""
        found = {name: self.slots.get(_address(sender, day, name), Slot()) for name in SHEETS}
        if not all(slot.loaded for slot in found.values()):
            return None
        return {name: list(slot.good.values()) for name, slot in found.items()}

    def _reading(self, reader: str, sender: str, day: date) -> Any:
        """What a reader reads, in a form that is another when that has changed."""
        stored = self._stored(sender, day)
        if stored is None:
            return None
        rows = stored if reader == "relations" else related(stored)[0]
        names = READS[reader]
        return {
            name: Counter(tuple(v for k, v in each.items() if k not in DROPPED) for each in rows[name])
            for name in names
        }

    def told(self) -> Told:
        tables = {name: Counter() for name in TABLES}
        for address, slot in self.slots.items():
            sender, day, name = place(address)
            for line, values in slot.good.items():
                _put(tables, f"stored_{name}", sender, day, {**values, "_row": base(name, address) + line})
        for sender, day in {place(address)[:2] for address in self.slots}:
            stored = self._stored(sender, day)
            whole_day = related(stored)[0] if stored else {}
            for name, rows in whole_day.items():
                for each in rows:
                    _put(tables, name, sender, day, each)
            for name, each in transformed(whole_day) if stored else ():
                _put(tables, name, sender, day, each)
        return Told(tables, self.accounts, dict(self._facts()))

    def _facts(self) -> Iterator[tuple[str, Any]]:
        for (reader, sender, day), watch in self.watches.items():
            now, stored = self._reading(reader, sender, day), self._stored(sender, day)
            if now is None and not watch.present:
                continue
            name = _key(reader, sender, day)
            yield name, "loaded" if now is not None else "withdrawn"
            yield f"{name}, generations", watch.generations(now)
            yield f"{name}, waiting", related(stored)[1] if stored and reader == "relations" else []
            yield f"{name}, parked", []

    def judge(self, found: Told) -> list[str]:
        self.found = found
        return super().judge(found)


def _key(reader: str, sender: str, day: date) -> str:
    return f"{reader} key/sender={sender}/day={day}"


def _address(sender: str, day: date, name: str) -> str:
    return f"landing/{sender}/{name}_{day:%Y%m%d}.csv"


def _put(tables: dict[str, Counter], table: str, sender: str, day: date, values: dict[str, Any]) -> None:
    named = {**values, "sender": sender, "day": day}
    tables[table][row(**{name: named[name] for name in TABLES[table]})] += 1
