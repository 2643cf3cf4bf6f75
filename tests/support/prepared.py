"""Running `prepare` alone: files in, staged rows and rejects out."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

import penstock as ps
from penstock.adapters.duckdb.engine import DuckEngine
from penstock.adapters.duckdb.rejects import read_rejects
from penstock.adapters.duckdb.session import Key, Resources
from penstock.adapters.files.landing import FolderLanding
from penstock.compile.plan import compile_pipeline
from penstock.model.runs import Result
from penstock.model.slots import Generation, Kind, Member, Slot, vector
from penstock.runtime.ports import Input, Preparation, Prepared

KEY = Key("k1", b"p" * 32)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Bench:
    """A landing zone, an engine and a pipeline."""

    def __init__(
        self, folder: Path, pipeline: ps.Pipeline, *, chunk_bytes: int = 1 << 20, hard: bool = False, threads: int = 2
    ) -> None:
        pipeline.validate()
        self.folder, self.pipeline, self.hard = folder, pipeline, hard
        self.plan = compile_pipeline(pipeline)
        self.landing = FolderLanding(folder)
        self.chunk_bytes, self.threads = chunk_bytes, threads
        self.prepared: Prepared | None = None
        self.generations: list[Generation] = []
        self.more: dict[str, Any] = {}
        """What else `Preparation` takes."""

    def prepare(self, **files: str | bytes) -> list[Result]:
        """Run files (name → content; `_` for `.`) as one run; returns their results."""
        generations = []
        for number, (name, content) in enumerate(files.items()):
            address = f"landing/{name.replace('__', '.')}"
            self.landing.store(content.encode() if isinstance(content, str) else content, address)
            generations.append(
                Generation(
                    Slot(self.pipeline.name, address), 1, Kind.DELIVERY, number + 1, NOW, self.landing.content(address)
                )
            )
        return self.run(generations)

    def join(self, number: int = 1, **files: str | bytes) -> Result:
        """Run files as the inputs of one generation (source → content)."""
        members = []
        for name, content in files.items():
            address = f"landing/{name}-{number}.csv"
            self.landing.store(content.encode() if isinstance(content, str) else content, address)
            members.append(Member(name, address, self.landing.content(address)))
        slot = Slot(self.pipeline.name, "key/all")
        generation = Generation(slot, number, Kind.DELIVERY, number, NOW, vector(members), members=tuple(members))
        (result,) = self.run([generation])
        return result

    def run(self, generations: list[Generation]) -> list[Result]:
        self.generations = generations
        resources = Resources(self.folder / "scratch", threads=self.threads, chunk_bytes=self.chunk_bytes)
        engine = DuckEngine(self.landing, self.folder, resources, KEY)
        inputs = tuple(Input(generation, ordinal) for ordinal, generation in enumerate(generations))
        self.prepared = engine.prepare(Preparation(self.plan, "r1", 1, inputs, NOW, self.hard, **self.more))
        return list(self.prepared.results)

    def rows(self, table: str, columns: str = "*") -> list[tuple[Any, ...]]:
        """The staged rows of a table, sorted."""
        assert self.prepared is not None
        files = [file for staged in self.prepared.staged if staged.table == table for file in staged.files]
        if not files:
            return []
        with duckdb.connect() as connection:
            return connection.execute(f"SELECT {columns} FROM read_parquet($1) ORDER BY ALL", [files]).fetchall()

    def rejects(self) -> list[dict[str, Any]]:
        return list(read_rejects(sorted((self.folder / "quarantine").rglob("*.parquet"))))
