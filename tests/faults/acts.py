"""What children do with a project."""

from __future__ import annotations

import logging
import os
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path

from tests.systems.all import SYSTEMS
from tests.systems.system import WAREHOUSE, Home

from penstock.adapters.postgres import Postgres
from penstock.errors import PenstockError
from penstock.testing import machine
from penstock.testing.machine import carry_out
from penstock.testing.views import left_behind
from penstock.wiring.local import open_project

SECONDS = 60
BULK = "TEST_BULK"
"""Load to PostgreSQL as if every load were a large one."""


@contextmanager
def opened(folder):
    """The project as any command opens it."""
    with open_project(Path(folder)) as project:
        if not os.environ.get(BULK):
            yield project
            return
        with closing(Postgres(os.environ[WAREHOUSE], workdir=project.store / "scratch", bulk_rows=2)) as bulky:
            project.destinations["postgres:warehouse"] = bulky
            yield project


def work(folder):
    """Take in what lies in the landing zone and work until nothing is left to claim."""
    with opened(folder) as project:
        project.work_until_idle()


def take_in(folder):
    """Take in what lies in the landing zone."""
    with opened(folder) as project:
        project.intake.rescan(project.fingerprints)


def change(folder, step):
    """A person's or a sender's deed."""
    with opened(folder) as project:
        carry_out(project, step)


def accepted(folder, step):
    """How often something was accepted that the step is about."""
    with opened(folder) as project:
        return machine.accepted(project, step)


def recover(folder):
    """Work and wait until everything rests, then sweep."""
    with opened(folder) as project:
        deadline = time.monotonic() + SECONDS
        project.work_until_idle()
        while project.ledger.pending():
            if time.monotonic() > deadline:
                raise TimeoutError([run for run in project.ledger.runs() if not run.state.final])
            time.sleep(0.01)
            project.work_until_idle()
        project.sweep()


def report(folder, system):
    """What the project holds and says: `Told`, and what is wrong with it."""
    with opened(folder) as project:
        url = os.environ[WAREHOUSE] if "postgres:warehouse" in project.destinations else ""
        view = Home(SYSTEMS[system], Path(folder), url, "lake:lake" in project.destinations).view
        told, wrong = view.told(project), view.disagreements(project)
    return told, [*wrong, *left_behind(project)]


def recover_and_report(folder, system):
    """Both."""
    recover(folder)
    return report(folder, system)


def receive(folder, file):
    """A person names a file that lies elsewhere: the code of what went wrong, if anything did."""
    with opened(folder) as project:
        try:
            project.receive("cafe", Path(file))
        except PenstockError as error:
            return error.code
    return ""


def look(folder):
    """Every run's state and the code of its error, newest first; and how much is left to do."""
    with opened(folder) as project:
        runs = [(run.state.value, (run.error or {}).get("code", "")) for run in project.ledger.runs()]
        return runs, project.ledger.pending()


def loads(folder):
    """Which worker loaded each generation. Raises where one was loaded twice."""
    with opened(folder) as project:
        events = project.ledger.events(limit=100_000)
    claimed = {event.subject: event.data["worker"] for event in events if event.type in ("run.started", "run.resumed")}
    found = {}
    for event in events:
        if event.type == "generation.loaded":
            name = (event.subject, event.data["number"])
            assert name not in found, f"{name} was loaded twice"
            found[name] = claimed[event.data["run"]]
    return found


def serve(folder, until, journal):
    """A supervisor with its worker in one process, until a file appears. Its log's actions and codes go to another."""
    handler = logging.FileHandler(journal)
    handler.setFormatter(logging.Formatter("%(action)s %(code)s", defaults={"action": "", "code": ""}))
    logging.getLogger("penstock").addHandler(handler)
    with opened(folder) as project:
        supervisor = project.supervisor(workers=0)
        worker = threading.Thread(target=supervisor.run)
        worker.start()
        while not Path(until).exists():
            time.sleep(0.02)
        supervisor.stop()
        worker.join()


def serve_and_pause(paused, go, **options):
    """The same; in the middle of its first COPY it says so, and waits until it may go on."""
    from psycopg import Copy

    write = Copy.write

    def pausing(self, buffer):
        write(self, buffer)
        if not Path(paused).exists():
            Path(paused).touch()
            while not Path(go).exists():
                time.sleep(0.01)

    Copy.write = pausing
    serve(**options)


ACTS = {
    act.__name__: act
    for act in (work, take_in, change, accepted, recover_and_report, receive, look, loads, serve, serve_and_pause)
}
