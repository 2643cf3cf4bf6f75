"""Staging and quarantine as folders: what a run leaves, and when it goes."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from penstock.model.runs import Run, Staged


class FolderZones:
    """`staging/` and `quarantine/`, each `<pipeline>/<run>/<attempt>/`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def complete(self, staged: Sequence[Staged]) -> bool:
        """See `penstock.runtime.ports.Zones`."""
        return all(Path(file).exists() for item in staged for file in item.files)

    def release(self, run: Run) -> None:
        """See `penstock.runtime.ports.Zones`."""
        shutil.rmtree(self.root / "staging" / run.pipeline / run.id, ignore_errors=True)
        self._keep_attempt(run)

    def _keep_attempt(self, run: Run) -> None:
        """Of a run's rejected rows those of the attempt that counted stay."""
        folder = self.root / "quarantine" / run.pipeline / run.id
        for attempt in folder.iterdir() if folder.exists() else ():
            if attempt.name != str(run.staged_attempt):
                shutil.rmtree(attempt, ignore_errors=True)

    def rejects(self, run: Run) -> list[Path]:
        """The files of a run's rejected rows."""
        folder = self.root / "quarantine" / run.pipeline / run.id / str(run.staged_attempt)
        return sorted(folder.glob("*.parquet"))

    def left_over(self) -> Iterable[tuple[str, str]]:
        """(pipeline, run) of every staging folder."""
        staging = self.root / "staging"
        for pipeline in sorted(staging.iterdir()) if staging.exists() else ():
            for run in sorted(pipeline.iterdir()):
                yield pipeline.name, run.name

    def drop(self, pipeline: str, run: str) -> None:
        """Remove a run's staged files."""
        shutil.rmtree(self.root / "staging" / pipeline / run, ignore_errors=True)
