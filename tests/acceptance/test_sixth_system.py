"""A system that nobody thought of: a city's libraries, built from public parts only, used through the command line.

Loans come as JSON Lines, returns as packed CSV with semicolons; what is overdue is known when both of a branch's day
are there. A return of a book that nobody lent waits for the loan.
"""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

LIBRARY = '''
"""Loans and returns of each branch and day; what is overdue."""

import penstock as ps

DAY = {"branch": "VARCHAR", "day": "DATE"}

loans = ps.Pipeline(
    "loans",
    trigger=ps.upload("landing/{branch}/loans_{day:%Y%m%d}.jsonl"),
    source=ps.json_lines(columns={"loan": "BIGINT", "reader": "VARCHAR", "title": "VARCHAR", "due": "DATE"}),
    parts=DAY,
    privacy={"reader": ps.hash()},
)
loans.checks("source", 'IsComplete "due"', 'IsPrimaryKey "loan"')
loans.load("source", to=ps.lake(), table="loans")

returns = ps.Pipeline(
    "returns",
    trigger=ps.upload("landing/{branch}/returns_{day:%Y%m%d}.csv.gz"),
    source=ps.csv(delimiter=";", columns={"loan": "BIGINT", "returned": "DATE '%d.%m.%Y'"}),
    parts=DAY,
)
returns.load("source", to=ps.lake(), table="returns")

overdue = ps.Pipeline(
    "overdue",
    trigger=ps.ready(by=["branch", "day"]),
    sources={"lent": ps.table("loans"), "back": ps.table("returns")},
)
overdue.matched("back", in_="lent", on="loan")


@overdue.step
def late(lent, back):
    """Loans that came back too late, or not at all."""
    return lent.sql("""
        SELECT branch, day, loan, title, coalesce(returned, day) - due AS days
        FROM lent LEFT JOIN (SELECT loan, returned FROM back) USING (loan)
        WHERE coalesce(returned, day) > due
    """)


overdue.load("late", to=ps.lake(), table="overdue")
'''

EMMA = {"loan": 1, "reader": "ada@example.org", "title": "Emma", "due": "2026-02-20"}
DRACULA = {"loan": 2, "reader": "bob@example.org", "title": "Dracula", "due": "2026-03-20"}
WALDEN = {"loan": 3, "reader": "eve@example.org", "title": "Walden", "due": "2026-02-27"}
BACK = "loan;returned\n1;25.02.2026\n2;28.02.2026\n3;28.02.2026\n"


class Library:
    """The project's folder, and its command line."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "pipelines").mkdir(parents=True)
        (folder / "pyproject.toml").write_text('[tool.penstock]\nproject = "library"\n')
        (folder / "pipelines" / "library.py").write_text(LIBRARY)

    def deliver(self, pipeline: str, name: str, content: bytes) -> dict:
        file = self.folder / "landing" / "north" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return self.penstock("run", pipeline, str(file))[-1]

    def loans(self, *items: dict) -> dict:
        return self.deliver(
            "loans", "loans_20260301.jsonl", "".join(f"{json.dumps(item)}\n" for item in items).encode()
        )

    def returns(self, text: str) -> dict:
        return self.deliver("returns", "returns_20260301.csv.gz", gzip.compress(text.encode(), mtime=0))

    def penstock(self, *arguments: str) -> list[dict]:
        command = [sys.executable, "-m", "penstock", *arguments, "--json"]
        found = subprocess.run(command, cwd=self.folder, check=True, capture_output=True, text=True)
        return [json.loads(line) for line in found.stdout.splitlines()]

    def overdue(self) -> list[tuple[str, int]]:
        rows = self.penstock("query", "SELECT title, days FROM overdue ORDER BY title")
        return [(row["title"], row["days"]) for row in rows]


@pytest.fixture
def library(tmp_path):
    return Library(tmp_path / "library")


def test_nothing_is_overdue_before_both_files_are_there(library):
    library.loans(EMMA, DRACULA, WALDEN)
    (item,) = library.penstock("status", "--ready")
    assert (item["lent_persisted"], item["back_persisted"], item["missing"]) == (True, False, ["back"])


def test_both_files_of_a_day_make_its_report(library):
    library.loans(EMMA, DRACULA, WALDEN)
    assert library.returns(BACK)["loaded"] == {"returns": 3}
    assert library.overdue() == [("Emma", 5), ("Walden", 1)]


def test_a_correction_makes_the_report_again(library):
    library.loans(EMMA, DRACULA, WALDEN)
    library.returns(BACK)
    library.returns(BACK.replace("1;25.02.2026", "1;19.02.2026"))
    assert library.overdue() == [("Walden", 1)]


def test_the_same_file_again_changes_nothing(library):
    library.loans(EMMA)
    library.returns(BACK)
    assert library.returns(BACK)["duplicates"] == 1


def test_a_return_of_a_book_that_nobody_lent_waits_for_the_loan(library):
    library.loans(EMMA, DRACULA)
    library.returns(BACK)
    waiting = [row["line"] for row in library.penstock("quarantine", "list") if row["pipeline"] == "overdue"]
    library.loans(EMMA, DRACULA, WALDEN)
    assert (len(waiting), library.overdue()) == (1, [("Emma", 5), ("Walden", 1)])
    assert not [row for row in library.penstock("quarantine", "list") if row["pipeline"] == "overdue"]


def test_readers_are_nowhere_but_in_the_landing_zone(library):
    library.loans(EMMA, DRACULA, WALDEN)
    library.returns(BACK)
    files = [file for file in library.folder.rglob("*") if file.is_file() and "landing" not in file.parts]
    assert not [file for file in files if b"ada@example" in file.read_bytes()]


def test_the_core_has_never_heard_of_libraries():
    source = Path(__file__).parents[2] / "src"
    told = re.compile(r"\b(loans?|overdue books?|lent)\b")
    assert not [file for file in source.rglob("*.py") if told.search(file.read_text(encoding="utf-8"))]
