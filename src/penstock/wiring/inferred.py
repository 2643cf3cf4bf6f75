"""What was inferred of the files in the landing zone, kept until a file changes, or how it is read."""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from penstock.authoring.sources import Source
from penstock.model.shapes import Columns


class Inferred:
    """The columns of each file of one raw table, by its address and version. It can be deleted: then all is inferred
    again."""

    def __init__(self, path: Path, declared: Source) -> None:
        self._path, self._form = path, form_of(declared)
        self._before = _read(path)
        self._now: dict[str, Any] = {}

    def columns(self, address: str, version: str) -> Columns | None:
        """What was inferred of a file in this version of it."""
        found = self._before.get(address)
        if found is None or found[0] != f"{version} {self._form}":
            return None
        self._now[address] = found
        return tuple((name, kind) for name, kind in found[1])

    def learn(self, address: str, version: str, columns: Columns) -> None:
        self._now[address] = [f"{version} {self._form}", [list(column) for column in columns]]

    def keep(self) -> None:
        """Write what was asked for or learnt, wholly or not at all; what nobody asked for is there no longer."""
        if self._now == self._before:
            return
        draft = self._path.with_suffix(".draft")
        draft.write_text(json.dumps(self._now), encoding="utf-8")
        draft.replace(self._path)


@contextmanager
def inferred(folder: Path, table: str, declared: Source) -> Iterator[Inferred]:
    """What is known of a table: one process at a time looks at its files, and what it has learnt is kept."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{table}.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = Inferred(folder / f"{table}.json", declared)
        yield known
        known.keep()


def form_of(source: Source) -> str:
    """What a declaration says of the way in which files are read, in a few letters; types do not matter."""
    names = () if source.header else source.names
    dialect = source.format, source.header, source.delimiter, source.quote, source.encoding, source.compression
    return hashlib.sha256(repr((dialect, names, sorted(source.aliases.items()))).encode()).hexdigest()[:8]


def _read(path: Path) -> dict[str, Any]:
    """What is no JSON is as good as gone."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
