"""Banking: four files of each sender and day, which do not always belong together."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial

from tests.oracles.banking import READS, SHEETS, TABLES, Banking
from tests.systems.system import System, keyed, spoilt

from penstock.testing.tellers import DEATHS, FileTeller, Made
from penstock.testing.views import Opened

ORDER = {
    "clients": ("record_id", "first_name", "last_name", "client_reference", "tax_free_allowance"),
    "portfolios": ("record_id", "accout_number", "portfolio_reference", "client_reference", "agent_code"),
    "accounts": ("record_id", "accout_number", "cash_balance", "currency", "taxes_paid"),
    "transactions": ("record_id", "accout_number", "transaction_reference", "amount", "keyword"),
}
"""The columns as senders write them."""
WRONG = {
    "clients": {"client_reference": [""], "tax_free_allowance": ["much", "1.005"]},
    "portfolios": {"portfolio_reference": [""], "record_id": ["first"]},
    "accounts": {"account_number": [""], "cash_balance": ["x"], "taxes_paid": ["1.005"]},
    "transactions": {"transaction_reference": [""], "amount": ["?"]},
}
PARTNERS = 4
"""So many clients, each with a portfolio and an account, and all senders use the same numbers for them."""


def file(rng: random.Random, name: str) -> Made:
    """Some of what there could be: other files of the day may know more, or less."""
    rows = [_row(rng, name, number) for number in range(PARTNERS + 2 * (name == "transactions")) if rng.random() < 0.8]
    lines, edits = [",".join(ORDER[name])], {}
    for fields in rows:
        named = {("account_number" if key == "accout_number" else key): value for key, value in fields.items()}
        line, edit = spoilt(rng, named, WRONG[name]) if rng.random() < 0.12 else (",".join(named.values()), None)
        for _ in range(1 + (rng.random() < 0.06)):
            lines.append(line)
            if edit:
                edits[len(lines)] = edit
    return Made("\n".join(lines).encode(), edits)


def _row(rng: random.Random, name: str, number: int) -> dict[str, str]:
    money = f"{rng.randrange(-10, 50)}.{rng.choice(('00', '25'))}"
    values = {
        "record_id": str(number), "first_name": rng.choice(("Ada", "Bo")), "last_name": "Gray",
        "client_reference": f"c{number}", "tax_free_allowance": rng.choice(("0", "10", "")),
        "accout_number": str(1000 + number % PARTNERS), "portfolio_reference": f"p{number}", "agent_code": "AG1",
        "cash_balance": money, "currency": "EUR", "taxes_paid": rng.choice(("0", "12.50")),
        "transaction_reference": f"t{number}", "amount": money, "keyword": rng.choice(("DEPOSIT", "WITHDRAWAL")),
    }  # fmt: skip
    return {column: values[column] for column in ORDER[name]}


def useless(rng: random.Random) -> bytes:
    return rng.choice((b"", b"reference,first_name\nx,y\n", b"PK\x03\x04\x14\0\0\0\x08\0" + rng.randbytes(100)))


class BankingTeller(FileTeller):
    """What is taken back rests before, so that it is known whether it had an effect."""

    def waits(self, kind) -> bool:
        return kind == self._withdraw or super().waits(kind)

    def at_rest(self, what: str, *, busy: bool) -> bool:
        return super().at_rest(next(iter(self.moving), what), busy=busy)


def teller(
    seed: int, deaths: Sequence[str] = DEATHS, senders: Sequence[str] = ("EXT_CLIENT", "NORTH_BANK")
) -> FileTeller:
    makers = {
        f"landing/{sender}/{name}_20220226.csv": partial(file, name=name) for sender in senders for name in SHEETS
    }
    found = BankingTeller(seed, Banking(), makers, useless, deaths)
    found.deliver_all()
    return found


def facts(project: Opened) -> dict[str, object]:
    named = dict.fromkeys(READS, lambda reject: reject.row[SHEETS[reject.member].key[0]])
    return keyed(project, named)


BANKING = System(
    "banking",
    TABLES,
    lambda _: Banking(),
    teller,
    tuple(SHEETS),
    facts,
    edits={f'on="{column}")': f'on="{column}", attempts=1000)' for column in ("client_reference", "account_number")},
    deaths=(*DEATHS, "destination.extract"),
    story=partial(teller, senders=["EXT_CLIENT"]),
)
