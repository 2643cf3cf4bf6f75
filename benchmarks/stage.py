"""What every suite stands on: the size of the run, the server, the interpreters, the folder to work in."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.generate import Census, Deliveries, Delivery, Shape, deliver, deliver_many
from benchmarks.harness import Bench, Measurement, Task
from benchmarks.server import Server

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Scale:
    """How much of everything. `starts` and `renames` are cheap and noisy, so they are repeated more often; of fewer
    than some thousand `records` the start of a sender would be measured."""

    orders: int
    large: int
    increment: int
    files: int
    rounds: int
    large_rounds: int
    starts: int
    renames: int
    records: int
    keys: int
    rows: int = 50


FULL = Scale(
    1_000_000, 5_000_000, 100_000, 10_000, rounds=5, large_rounds=1, starts=15, renames=20, records=10_000, keys=1000
)
QUICK = Scale(50_000, 50_000, 5_000, 200, rounds=1, large_rounds=1, starts=3, renames=3, records=2000, keys=100)


@dataclass(frozen=True)
class Stage:
    scale: Scale
    server: Server
    bench: Bench
    folder: Path
    python: Path
    contenders: dict[str, Path]
    wanted: str = ""

    def closely(self) -> Stage:
        """The same with memory sampled every five milliseconds, as a kernel's limit would see its peaks."""
        return replace(self, bench=replace(self.bench, sampling=0.005))

    def run(self, tasks: Iterable[Task], rounds: int) -> list[Measurement]:
        """The tasks that were asked for."""
        return self.bench.run([task for task in tasks if re.search(self.wanted, task.name)], rounds)

    def orders(self, count: int, seed: int = 7) -> Delivery:
        return deliver(Shape(count, seed), self.folder / "data")

    def small_files(self) -> Deliveries:
        return deliver_many(self.scale.files, self.scale.rows, self.folder / "data")

    def contender(self, name: str) -> Path:
        return HERE / "contenders" / f"{name}.py"

    def driver(self, name: str) -> Path:
        return HERE / "drivers" / f"{name}.py"

    def cleared(self, name: str) -> Path:
        """An empty folder of this name."""
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder


def differs(found: Iterable[str], census: Census) -> str:
    """What is wrong with a result's orders, items and takings, "" when they are those of the file."""
    expected = [str(census.orders), str(census.items), f"{census.takings / 100:.2f}"]
    wrong = [f"{got} instead of {want}" for got, want in zip(found, expected, strict=True) if got != want]
    return ", ".join(wrong)


def in_postgres(server: Server, schema: str, census: Census) -> str:
    """Whether a schema holds all good orders: their number, and what was paid, told by the items."""
    counts = f"(select count(*) from {schema}.orders), count(*), round(coalesce(sum(price), 0), 2)"
    try:
        found = server.value(f"select concat_ws('|', {counts}) from {schema}.order_items")
    except subprocess.CalledProcessError as error:
        return str(error.stderr).partition("\n")[0]
    return differs(found.split("|"), census)
