"""Work J three times: to PostgreSQL, to the lake, and to the lake without its checks (to see what the checks cost)."""

from __future__ import annotations

import penstock as ps

COLUMNS = {
    "ordered_at": "TIMESTAMP '%d/%m/%Y %H:%M'",
    "branch": "VARCHAR",
    "customer": "VARCHAR",
    "basket": "VARCHAR",
    "total": "DECIMAL(10,2)",
    "payment": "VARCHAR",
    "card": "VARCHAR",
}

# What does not parse as a time or an amount is rejected while reading: two of the eight. These are the other six.
CHECKS = (
    'IsComplete "branch"',
    'ColumnValues "ordered_at" between "2000-01-01" and "2100-01-01"',
    'ColumnValues "total" >= 0',
    'ColumnValues "payment" in ["CARD", "CASH"]',
    "Sql \"(payment = 'CARD') = (card is not null)\"",
    """Sql "total = list_sum(list_transform(
        string_split(basket, ', '), lambda item: TRY_CAST(split_part(item, ' - ', -1) AS DECIMAL(8, 2))))" """,
)

SOLD = """
    SELECT ordered_at, branch, total, payment, card, unnest(items) AS item, unnest(range(1, len(items) + 1)) AS line_no
    FROM (SELECT *, string_split(basket, ', ') AS items FROM source)
"""

ITEMS = r"""
    SELECT ordered_at, branch, total, payment, card, line_no,
        regexp_extract(item, '^(\S+) (.+) - (\d+(?:\.\d{1,2})?)$', 1) AS size,
        regexp_extract(item, '^(\S+) (.+) - (\d+(?:\.\d{1,2})?)$', 2) AS name,
        TRY_CAST(split_part(item, ' - ', -1) AS DECIMAL(8, 2)) AS price
    FROM sold
"""


def declare(name: str, to: ps.Target, *, checked: bool = True) -> ps.Pipeline:
    pipeline = ps.Pipeline(
        name,
        trigger=ps.upload(f"landing/{name}/{{till}}.csv"),
        source=ps.csv(header=False, columns=COLUMNS),
        privacy={"customer": ps.drop(), "card": ps.tokenize(keep_last=4)},
    )
    pipeline.sql("sold", SOLD)
    pipeline.sql("items", ITEMS, inputs=["sold"], per_distinct="item")
    if checked:
        pipeline.checks("source", *CHECKS)
    pipeline.normalize(
        "items",
        branches=ps.entity("branch"),
        products=ps.entity("name", "size"),
        orders=ps.owned("ordered_at", "total", "payment", "card", refs=["branches"]),
        order_items=ps.owned("line_no", "price", refs=["orders", "products"], key=["order_id", "line_no"]),
    )
    pipeline.load_all(to=to)
    return pipeline


to_postgres = declare("cafe", ps.postgres("warehouse", schema="cafe"))
to_lake = declare("cafe_lake", ps.lake())
unchecked = declare("cafe_unchecked", ps.lake(), checked=False)
