"""Makes keys ready, each of which sets a pipeline off, and tells how many a second are through; or does so by hand."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROWS = 50
QUERY = "SELECT shop, item, sum(price) AS takings, count(*) AS sales FROM {source} GROUP BY ALL"
STORED = """
import penstock as ps

sales = ps.Pipeline(
    "sales",
    trigger=ps.upload("landing/{shop}.csv"),
    source=ps.csv(columns={"item": "VARCHAR", "price": "DECIMAL(8,2)"}),
    parts={"shop": "VARCHAR"},
)
sales.load("source", to=ps.lake(), table="sales")
"""
DERIVED = f"""
import penstock as ps

takings = ps.Pipeline("takings", trigger=ps.ready(by=["shop"]), source=ps.table("sales"))
takings.sql("takings", "{QUERY.format(source="source")}")
takings.load("takings", to=ps.lake())
"""


def by_hand(folder: Path, keys: int) -> float:
    """The floor: of each key a query over its rows, its result as a durable Parquet file, and a durable commit."""
    import duckdb

    ledger = sqlite3.connect(folder / "ledger.db", isolation_level=None)
    ledger.execute("pragma journal_mode = wal")
    ledger.execute("pragma synchronous = full")
    ledger.execute("create table done (key text primary key, rows integer)")
    engine = duckdb.connect()
    rows = "'s' || k AS shop, 'item ' || (r % 7) AS item, (r / 4)::DECIMAL(8,2) AS price"
    listed = f"SELECT {rows} FROM range({keys}) AS keys(k), range({ROWS}) AS rows(r)"
    engine.execute(f"COPY ({listed}) TO '{folder}/sales.parquet' (FORMAT parquet)")
    began = time.perf_counter()
    for key in range(keys):
        path = folder / f"{key}.parquet"
        source = f"(FROM '{folder}/sales.parquet' WHERE shop = 's{key}')"
        (count,) = engine.execute(f"COPY ({QUERY.format(source=source)}) TO '{path}' (FORMAT parquet)").fetchone()
        with path.open("rb") as file:
            os.fsync(file.fileno())
        ledger.execute("insert into done values (?, ?)", [f"s{key}", count])
    return time.perf_counter() - began


def penstock(folder: Path, keys: int, together: int) -> float:
    """The tables are loaded before; what is timed begins with the marks, so many at a time, and ends with the loads."""
    from penstock.wiring.local import open_project

    (folder / "landing").mkdir()
    (folder / "pipelines").mkdir()
    (folder / "pyproject.toml").write_text("[tool.penstock]\n")
    (folder / "pipelines/sales.py").write_text(STORED)
    rows = "".join(f"item {row % 7},{row / 4:.2f}\n" for row in range(ROWS))
    for key in range(keys):
        (folder / f"landing/s{key}.csv").write_text(f"item,price\n{rows}")
    with open_project(folder) as project:
        project.work_until_idle()
    (folder / "pipelines/takings.py").write_text(DERIVED)
    with open_project(folder) as project:
        missed = list(project.missed("takings").items())
        began = time.perf_counter()
        for first in range(0, keys, together):
            project.settle(project.backfill(dict(missed[first : first + together])))
        seconds = time.perf_counter() - began
        (found,) = project.query("SELECT count(DISTINCT shop) FROM takings")[1]
    if found[0] != keys:
        raise SystemExit(f"{found[0]} keys instead of {keys}")
    return seconds


if __name__ == "__main__":
    place, kind, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    place.mkdir(parents=True, exist_ok=True)
    kinds: dict[str, Callable[[], float]] = {
        "by_hand": lambda: by_hand(place, count),
        "together": lambda: penstock(place, count, count),
        "singly": lambda: penstock(place, count, 1),
    }
    print(json.dumps({"rate": count / kinds[kind]()}))
