"""What tests of faults need to know of a system: how its project is made, what it is compared with, what befalls it."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.web import site

from penstock.adapters.secrets import privacy_keys
from penstock.testing.histories import Oracle, Publish, Scenario
from penstock.testing.machine import Machine, nowhere
from penstock.testing.oracle import Key
from penstock.testing.readers import Tables, lake_tables, postgres_tables
from penstock.testing.tellers import DEATHS, Teller
from penstock.testing.views import Opened, View
from penstock.wiring import settings as reading
from penstock.wiring.local import Project

EXAMPLES = Path(__file__).parents[2] / "examples"
WAREHOUSE = "PENSTOCK_WAREHOUSE_URL"


class Sources:
    """Somebody else's web server: what was published is there under its name, in the version that it is."""

    def __init__(self, web) -> None:
        self.url, self.shown = web.url, dict[str, bytes]()
        web.say = self._say

    def publish(self, step: Publish) -> None:
        self.shown[step.name] = step.data

    def _say(self, path: str, headers: Mapping[str, str]):
        data = self.shown.get(path.strip("/"))
        if data is None:
            return 404, {}, b""
        etag = f'"{hash(data)}"'
        return (304, {"ETag": etag}, b"") if headers.get("if-none-match") == etag else (200, {"ETag": etag}, data)


@contextmanager
def sources() -> Iterator[Sources]:
    """At a port of their own, gone with the test."""
    with site() as web:
        yield Sources(web)


def _nothing(_: Opened) -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True)
class System:
    """One system. `edits` change its definition on the way, text by text; `lakeless` do where the lake is left out;
    `{feed}` stands for the address of its sources."""

    name: str
    tables: Tables
    oracle: Callable[[Home], Oracle]
    teller: Callable[[int, Sequence[str]], Teller]
    pipelines: tuple[str, ...] = ()
    """Those of whose files accounts are taken."""
    facts: Callable[[Opened], Mapping[str, Any]] = _nothing
    edits: Mapping[str, str] = field(default_factory=dict)
    lakeless: Mapping[str, str] = field(default_factory=dict)
    deaths: tuple[str, ...] = DEATHS
    story: Callable[[int], Teller] | None = None
    """What befalls it where every step is a process: less than `teller` tells."""

    def make(self, folder: Path, url: str = "", *, lake: bool = True, feed: str = "") -> Home:
        """A fresh project. `url` is the warehouse's; the caller puts it into the environment as `WAREHOUSE`."""
        (folder / "landing").mkdir(parents=True)
        (folder / "pipelines").mkdir()
        shutil.copy(EXAMPLES / self.name / "pyproject.toml", folder)
        edits = {**self.edits, **({} if lake else self.lakeless)}
        for file in (EXAMPLES / self.name / "pipelines").glob("*.py"):
            text = file.read_text(encoding="utf-8")
            for old, new in edits.items():
                text = text.replace(old, new.replace("{feed}", feed))
            (folder / "pipelines" / file.name).write_text(text, encoding="utf-8")
        self._check(edits)
        home = Home(self, folder, url, lake)
        privacy_keys(reading.open_secrets(reading.read(folder, None, flags=None)), generate=True)
        return home

    def _check(self, edits: Mapping[str, str]) -> None:
        """The example has what is edited."""
        texts = [file.read_text(encoding="utf-8") for file in (EXAMPLES / self.name / "pipelines").glob("*.py")]
        assert all(any(old in text for text in texts) for old in edits), edits

    def scenario(self, seed: int, *, length: int = 30) -> Scenario:
        """A history, the same for the same seed."""
        return self.teller(seed, self.deaths).scenario(length)

    def short(self, seed: int, *, length: int = 12) -> Scenario:
        """One without deaths, for those who see to them."""
        return (self.story or self.teller)(seed, ()).scenario(length)


@dataclass(frozen=True)
class Home:
    """A system's project in a folder, and where it loads to."""

    system: System
    folder: Path
    url: str = ""
    lake: bool = True

    def open(self) -> Project:
        """As any command does."""
        return Project(reading.read(self.folder, None, flags=None))

    @property
    def key(self) -> Key:
        """That of its privacy marks."""
        keys = privacy_keys(reading.open_secrets(reading.read(self.folder, None, flags=None)), generate=False)
        return Key(keys.current, keys.key)

    @property
    def view(self) -> View:
        tables, readers = self.system.tables, {}
        if self.lake:
            readers["lake"] = lambda: lake_tables(self.folder, tables)
        if self.url:
            readers["postgres"] = lambda: postgres_tables(self.url, tables)
        return View(readers, self.system.pipelines, self.system.facts)

    def oracle(self) -> Oracle:
        """One that has seen nothing yet."""
        return self.system.oracle(self)


@contextmanager
def machine_on(
    home: Home, rig: Callable[[Opened], None] = lambda _: None, sources: Sources | None = None
) -> Iterator[Machine]:
    """The project inside this process."""
    machine = Machine(home.open, home.view, rig=rig, sources=sources.publish if sources else nowhere)
    try:
        yield machine
    finally:
        machine.close()


def keyed(project: Opened, pipelines: Mapping[str, Callable[[Any], str]]) -> dict[str, Any]:
    """What is there of the keys of pipelines with several sources. A rejected row is told by its input, and by what
    these functions make of its values."""
    found: dict[str, Any] = {}
    for name, told in pipelines.items():
        rejects = list(project.rejects())
        for slot in project.ledger.slots(name):
            history = project.ledger.history(slot)
            own = [each for each in rejects if each.pipeline == name and each.slot == slot.address and each.retriable]
            withdrawn = history[-1].kind.value == "withdrawal" and history[-1].standing.value == "loaded"
            key = f"{name} {slot.address}"
            found[key] = "withdrawn" if withdrawn else history[-1].standing.value
            found[f"{key}, generations"] = len(history)
            for word in ("waiting", "parked"):
                statuses = ("open", "parked") if word == "waiting" else ("parked",)
                found[f"{key}, {word}"] = sorted(f"{r.member} {told(r)}" for r in own if r.status in statuses)
    return found


def spoilt(
    rng: random.Random, fields: dict[str, str], wrong: Mapping[str, Sequence[str]]
) -> tuple[str, dict[str, str]]:
    """A line in which something is wrong, and the correction that brings it back."""
    if rng.random() < 0.2:
        return ",".join(list(fields.values())[:2]), dict(fields)
    name = rng.choice(list(wrong))
    return ",".join({**fields, name: rng.choice(wrong[name])}.values()), {name: fields[name]}
