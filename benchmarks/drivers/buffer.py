"""Sends records one by one or in batches, each acknowledged when it is durable, and tells how many a second."""

from __future__ import annotations

import http.client
import json
import multiprocessing
import sqlite3
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

RECORD = '{"taken_at": "2026-11-20T08:00:00Z", "zone": "Bedok", "free": 41, "longitude": 103.93, "latitude": 1.32}'
PIPELINE = """
import penstock as ps

stream = ps.stream("pings", public=True, rate="900000000/day", rows=1_000_000)
pings = ps.Pipeline("pings", trigger=stream, source=ps.json_lines(columns={"zone": "VARCHAR", "free": "BIGINT"}))
pings.load("source", to=ps.lake(), table="pings")
"""
PROCESSES = 2


def by_hand(folder: Path, count: int, group: int) -> float:
    """The floor: one thread that has all records in hand."""
    database = sqlite3.connect(folder / "floor.db", isolation_level=None)
    database.execute("pragma journal_mode = wal")
    database.execute("pragma synchronous = full")
    database.execute("create table records (seq integer primary key, body blob)")
    began = time.perf_counter()
    for _ in range(count // group):
        database.execute("begin immediate")
        database.executemany("insert into records (body) values (?)", [(RECORD.encode(),)] * group)
        database.execute("commit")
    return time.perf_counter() - began


def in_process(folder: Path, count: int, senders: int, batch: int) -> float:
    from penstock.adapters.sqlite.buffer import SqliteBuffer
    from penstock.model.streams import Record

    buffer = SqliteBuffer(folder / "pings.sqlite", 10**9)
    records = [Record(RECORD.encode())] * batch

    def send(_: int) -> None:
        for _ in range(count // batch // senders):
            buffer.submit(records).result()

    began = time.perf_counter()
    with ThreadPoolExecutor(senders) as pool:
        list(pool.map(send, range(senders)))
    seconds = time.perf_counter() - began
    buffer.close()
    return seconds


def by_http(folder: Path, count: int, senders: int, batch: int) -> float:
    """Senders are processes of their own, with kept connections."""
    from penstock.entrypoints.api.project import web
    from penstock.wiring.local import open_project

    (folder / "pipelines").mkdir(parents=True)
    (folder / "pyproject.toml").write_text("[tool.penstock]\n")
    (folder / "pipelines/pings.py").write_text(PIPELINE)
    with open_project(folder) as project, web(project, 0) as url:
        context = multiprocessing.get_context("spawn")
        with context.Pool(PROCESSES) as pool:
            pool.map(warm, range(PROCESSES))
            began = time.perf_counter()
            pool.starmap(send_many, [(url, count // PROCESSES, senders // PROCESSES, batch)] * PROCESSES, 1)
            return time.perf_counter() - began


def warm(_: int) -> None:
    """A process that has answered has started."""


def send_many(url: str, count: int, senders: int, batch: int) -> None:
    place, body = urlsplit(url), "[" + ",".join([RECORD] * batch) + "]"

    def send(_: int) -> None:
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
        for _ in range(max(1, count // batch // senders)):
            connection.request("POST", "/streams/pings", body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            if response.status != 202:
                raise SystemExit(f"{response.status} {response.read()!r}")
            response.read()

    with ThreadPoolExecutor(senders) as pool:
        list(pool.map(send, range(senders)))


if __name__ == "__main__":
    place, kind = Path(sys.argv[1]), sys.argv[2]
    count, senders, batch = map(int, sys.argv[3:6])
    place.mkdir(parents=True, exist_ok=True)
    taken = {
        "grouped": lambda: by_hand(place, count, senders),
        "singly": lambda: by_hand(place, count, 1),
        "threads": lambda: in_process(place, count, senders, 1),
        "batches": lambda: in_process(place, count * 10, 1, batch) / 10,
        "http": lambda: by_http(place, count, senders, 1),
        "http_batches": lambda: by_http(place, count * 10, senders, batch) / 10,
    }[kind]()
    print(json.dumps({"rate": count / taken}))
