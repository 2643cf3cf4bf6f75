"""Staging and quarantine as folders: what a run leaves, and when it goes."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
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
        self.tidy(run)

    def tidy(self, run: Run) -> bool:
        """As `release`: of a run's rejected rows those of the attempt that counted stay. Whether anything had to go."""
        attempts = self._folder("quarantine", run).glob("*")
        going = [folder for folder in attempts if folder.name != str(run.staged_attempt)]
        staging = self._folder("staging", run)
        going += [staging] if staging.exists() else []
        for folder in going:
            shutil.rmtree(folder, ignore_errors=True)
        return bool(going)

    def _folder(self, zone: str, run: Run) -> Path:
        return self.root / zone / run.pipeline / run.id

    def rejects(self, run: Run) -> list[Path]:
        """The files of a run's rejected rows."""
        folder = self.root / "quarantine" / run.pipeline / run.id / str(run.staged_attempt)
        return sorted(folder.glob("*.parquet"))

    def left_over(self) -> Iterable[tuple[str, str]]:
        """(pipeline, run) of every folder in staging and quarantine."""
        folders = [*self.staged(), *self.root.glob("quarantine/*/*")]
        yield from sorted({(folder.parent.name, folder.name) for folder in folders})

    def staged(self) -> Iterator[Path]:
        """Runs' folders in staging: those of runs that are under way, and what a killed process has left."""
        return self.root.glob("staging/*/*")

    def drop(self, pipeline: str, run: str) -> None:
        """Remove a run's staged files."""
        shutil.rmtree(self.root / "staging" / pipeline / run, ignore_errors=True)
