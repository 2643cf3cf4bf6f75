"""Sales: one CSV a day becomes one table."""

import penstock as ps

sales = ps.Pipeline(
    "sales",
    trigger=ps.upload("landing/sales_{day:%Y-%m-%d}.csv"),
    source=ps.csv(columns={"id": "BIGINT", "sold_on": "DATE", "customer": "VARCHAR", "amount": "DECIMAL(10,2)"}),
    privacy={"customer": ps.tokenize()},
)

sales.checks("source", 'IsComplete "id"', 'ColumnValues "amount" >= 0')
sales.load("source", to=ps.lake(), table="sales")
