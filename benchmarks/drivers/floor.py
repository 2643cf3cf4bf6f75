"""The floor under one file at a time: one durable SQLite commit for each, in a kept connection."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

path, files = Path(sys.argv[1]), int(sys.argv[2])
ledger = sqlite3.connect(path, isolation_level=None)
ledger.execute("pragma journal_mode = wal")
ledger.execute("pragma synchronous = full")
ledger.execute("create table generations (address text primary key, state text) without rowid")
for number in range(files):
    ledger.execute("begin immediate")
    ledger.execute("insert into generations values (?, 'loaded')", [f"landing/till_{number:05d}.csv"])
    ledger.execute("commit")
ledger.close()
