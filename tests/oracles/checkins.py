"""What check-ins must come to: times of three formats as instants, and rows that fail a test wait."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime

from penstock.testing.histories import Files
from penstock.testing.promises import Told, base, row
from penstock.testing.sheets import Sheet, amount, moment, text

PIPELINE = "checkins"
TABLES = {"daily_checkins": ("_row", "user_name", "checked_in_at", "hours_worked", "project_name")}
MONTHS = "января февраля марта апреля мая июня июля августа сентября октября ноября декабря".split()
ADDRESS = re.compile(r"landing/table=\w+/year=\d{4}/month=\d\d/day=\d\d/[^/]+\.csv")


def instant(value: str) -> datetime:
    """`2019-09-27 00:00:00.5 UTC`, `09/27/2019 12:00 AM` or `26 сентября 2019 00:00`, all of them in UTC."""
    if value.endswith(" UTC"):
        form = "%Y-%m-%d %H:%M:%S.%f UTC" if "." in value else "%Y-%m-%d %H:%M:%S UTC"
        return moment(form)(value).replace(tzinfo=UTC)
    if "/" in value:
        return moment("%m/%d/%Y %I:%M %p")(value).replace(tzinfo=UTC)
    day, month, rest = value.split(" ", 2)
    return moment("%d %m %Y %H:%M")(f"{day} {MONTHS.index(month) + 1} {rest}").replace(tzinfo=UTC)


def passes(values) -> bool:
    complete = all(values[name] is not None for name in ("user", "timestamp", "hours", "project"))
    return complete and values["hours"] >= 0


SHEET = Sheet({"user": text, "timestamp": instant, "hours": amount(5, 2), "project": text}, passes)


class CheckIns(Files):
    """Every row of every file is there once, also the one that says the same as another."""

    def __init__(self) -> None:
        super().__init__(lambda address: SHEET if ADDRESS.fullmatch(address) else None)

    def told(self) -> Told:
        rows = Counter(
            row(
                _row=base(PIPELINE, address) + line,
                user_name=values["user"],
                checked_in_at=values["timestamp"],
                hours_worked=values["hours"],
                project_name=values["project"],
            )
            for address, slot in self.slots.items()
            for line, values in slot.good.items()
        )
        return Told({"daily_checkins": rows}, self.accounts)
