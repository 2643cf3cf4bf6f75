"""What a folder of Parquet tables holds: orders, items and takings, as a JSON list of texts."""

from __future__ import annotations

import json
import sys

import duckdb

lake, pattern = sys.argv[1:]
orders = duckdb.execute("select count(*) from read_parquet(?)", [f"{lake}/orders/{pattern}"]).fetchall()[0]
items = duckdb.execute(
    "select count(*), coalesce(sum(price), 0)::decimal(18, 2) from read_parquet(?)", [f"{lake}/order_items/{pattern}"]
).fetchall()[0]
print(json.dumps([str(value) for value in (*orders, *items)]))
