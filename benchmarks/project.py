"""The Penstock project under test, as a user would have it, with a landing zone that files are put into."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.generate import Census
from benchmarks.stage import HERE, Stage, differs

SECRETS = {"PENSTOCK_SECRET_PRIVACY_KEY": "k1:" + "5e" * 32}


@dataclass(frozen=True)
class Project:
    """A project folder. Its pipelines differ in destination and checks only: cafe, cafe_lake, cafe_unchecked."""

    stage: Stage
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return {**SECRETS, "PENSTOCK_WAREHOUSE_URL": self.stage.server.url}

    def command(self, *arguments: str | Path) -> tuple[str | Path, ...]:
        return (self.stage.python, "-m", "penstock", *arguments)

    def run(self, pipeline: str, *files: Path) -> tuple[str | Path, ...]:
        """The command line that runs a pipeline over files of its landing zone."""
        return self.command(*self._run(pipeline, *files))

    def driven(self, driver: str, pipeline: str, *files: Path) -> tuple[str | Path, ...]:
        """The same inside a program that measures from within."""
        return (self.stage.python, self.stage.driver(driver), *self._run(pipeline, *files))

    def _run(self, pipeline: str, *files: Path) -> tuple[str | Path, ...]:
        return ("run", pipeline, *(self.landed(pipeline, file.name) for file in files), "--json")

    def landed(self, pipeline: str, name: str) -> Path:
        return self.folder / "landing" / pipeline / name

    def renew(self) -> None:
        """A fresh project, and nothing of it in the database."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(HERE / "project", self.folder)
        self.stage.server.execute("drop schema if exists cafe cascade", "create schema cafe", "checkpoint")

    def land(self, pipeline: str, files: Iterable[Path]) -> None:
        """Files appear in the landing zone, each wholly, as a rename makes them appear."""
        landing = self.folder / "landing" / pipeline
        landing.mkdir(parents=True, exist_ok=True)
        for file in files:
            os.link(file, landing / file.name)

    def renew_with(self, pipeline: str, *files: Path) -> None:
        self.renew()
        self.land(pipeline, files)

    def in_lake(self, census: Census) -> str:
        """Whether the published files hold all good orders, read as any other program would."""
        return in_parquet(self.stage, self.folder / "curated", "current/**/*.parquet", census)


def in_parquet(stage: Stage, lake: Path, pattern: str, census: Census) -> str:
    command = [str(stage.python), str(stage.driver("totals")), str(lake), pattern]
    found = subprocess.run(command, check=False, capture_output=True, text=True)
    if found.returncode:
        return found.stderr[-300:].strip()
    return differs(json.loads(found.stdout), census)
