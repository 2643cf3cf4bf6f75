"""Café projects for the fault tests: the example itself, loading to the lake, to PostgreSQL, or to both."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from penstock.adapters.secrets import privacy_keys
from penstock.testing.machine import Machine, Opened, Reader
from penstock.testing.oracle import Key
from penstock.testing.readers import lake_tables, postgres_tables
from penstock.wiring import settings as reading
from penstock.wiring.local import Project

EXAMPLE = Path(__file__).parents[2] / "examples" / "cafe"
BOTH = "cafe.load_all(to=[ps.lake(), *warehouse])"
WAREHOUSE = "PENSTOCK_WAREHOUSE_URL"
SETTINGS = {"PENSTOCK_THREADS": "1"}


@dataclass(frozen=True)
class Cafe:
    """A project's folder, and how a stranger reads its tables."""

    folder: Path
    readers: dict[str, Reader]
    key: Key

    def open(self) -> Project:
        return Project(reading.read(self.folder, None, flags=None))


def make_cafe(folder: Path, url: str = "", *, lake: bool = True) -> Cafe:
    """A fresh project. `url` is the warehouse's; the caller puts it into the environment as `WAREHOUSE`."""
    (folder / "pipelines").mkdir(parents=True)
    (folder / "landing").mkdir()
    shutil.copy(EXAMPLE / "pyproject.toml", folder)
    text = (EXAMPLE / "pipelines" / "cafe.py").read_text(encoding="utf-8")
    assert BOTH in text
    targets = BOTH if lake else BOTH.replace("ps.lake(), ", "")
    (folder / "pipelines" / "cafe.py").write_text(text.replace(BOTH, targets), encoding="utf-8")
    readers: dict[str, Reader] = {"lake": lambda: lake_tables(folder)} if lake else {}
    if url:
        readers["postgres"] = lambda: postgres_tables(url)
    keys = privacy_keys(reading.open_secrets(reading.read(folder, None, flags=None)), generate=True)
    return Cafe(folder, readers, Key(keys.current, keys.key))


@contextmanager
def machine_on(cafe: Cafe, rig: Callable[[Opened], None] = lambda _: None) -> Iterator[Machine]:
    """The project inside this process."""
    machine = Machine(cafe.open, cafe.readers, rig=rig)
    try:
        yield machine
    finally:
        machine.close()


def environment(url: str = "") -> dict[str, str]:
    """What a child process sees."""
    return {**os.environ, **SETTINGS, **({WAREHOUSE: url} if url else {})}
