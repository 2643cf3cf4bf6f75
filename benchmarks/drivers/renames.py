"""How long after its rename can a watched file's rows be queried? `renames.py PROJECT URL FILES COUNT`."""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path

from served import Served, arrive, copied, served


def waited(file: Path, project: Served) -> float:
    there = project.orders()
    started = time.perf_counter()
    arrive(file)
    project.reaches(there + 1, every=0.001)
    return time.perf_counter() - started


def main(folder: Path, url: str, source: Path, count: int) -> None:
    warm_up, *files = copied(sorted(source.iterdir())[: count + 1], folder / "landing" / "cafe")
    with served(folder, url) as project:
        waited(warm_up, project)  # when this file has arrived, the server is up
        seconds = [waited(file, project) for file in files]
    print(json.dumps({"median": statistics.median(seconds), "longest": max(seconds)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
