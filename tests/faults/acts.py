"""What children do with a café project."""

from __future__ import annotations

import os
import socket
import time
from contextlib import contextmanager
from pathlib import Path

from tests.faults.projects import WAREHOUSE

from penstock.adapters.postgres import Postgres
from penstock.testing.machine import accounts, carry_out, disagreements, left_behind
from penstock.testing.oracle import Told
from penstock.testing.readers import lake_tables, postgres_tables
from penstock.wiring.local import open_project

SECONDS = 60
BULK = "TEST_BULK"
"""Load to PostgreSQL as if every load were a large one."""


@contextmanager
def opened(folder, dead=()):
    """The project; as by a supervisor, workers that have died are buried first."""
    with open_project(Path(folder)) as project:
        url = os.environ.get(WAREHOUSE)
        if url and os.environ.get(BULK):
            bulky = Postgres(url, workdir=project.store / "scratch", bulk_rows=2)
            project.destinations["postgres:warehouse"] = bulky
        for child in dead:
            project.ledger.bury(f"{socket.gethostname()}-{child}", project.clock())
        yield project


def work(folder, dead=()):
    """Take in what lies in the landing zone and work until nothing is left to claim."""
    with opened(folder, dead) as project:
        project.work_until_idle()


def change(folder, step, dead=()):
    """A person's or a sender's deed."""
    with opened(folder, dead) as project:
        carry_out(project, step)


def recover(folder, dead=()):
    """Work and wait until everything rests, then sweep."""
    with opened(folder, dead) as project:
        deadline = time.monotonic() + SECONDS
        project.work_until_idle()
        while project.ledger.pending():
            if time.monotonic() > deadline:
                raise TimeoutError([run for run in project.ledger.runs() if not run.state.final])
            time.sleep(0.01)
            project.work_until_idle()
        project.sweep()


def report(folder, dead=()):
    """What the project holds and says: `Told`, and what is wrong with it."""
    with opened(folder, dead) as project:
        readers = {}
        if "lake:lake" in project.destinations:
            readers["lake"] = lambda: lake_tables(Path(folder))
        if "postgres:warehouse" in project.destinations:
            readers["postgres"] = lambda: postgres_tables(os.environ[WAREHOUSE])
        told = Told(next(iter(readers.values()))(), accounts(project))
        wrong = disagreements(project, readers)
    return told, [*wrong, *left_behind(project)]


def recover_and_report(folder, dead=()):
    """Both."""
    recover(folder, dead)
    return report(folder)


ACTS = {act.__name__: act for act in (work, change, recover_and_report)}
