"""Café sales: each branch's till export becomes tables in third normal form."""

import os

import penstock as ps

cafe = ps.Pipeline(
    "cafe",
    trigger=ps.upload("landing/{branch}_{day:%d-%m-%Y}_{time}.csv"),
    source=ps.csv(
        header=False,
        columns={
            "ordered_at": "TIMESTAMP '%d/%m/%Y %H:%M'",
            "branch": "VARCHAR",
            "customer": "VARCHAR",
            "basket": "VARCHAR",
            "total": "DECIMAL(8,2)",
            "payment": "VARCHAR",
            "card": "VARCHAR",
        },
    ),
    privacy={"customer": ps.drop(), "card": ps.tokenize(keep_last=4)},
)

cafe.checks(
    "source",
    'IsComplete "ordered_at"',
    'IsComplete "branch"',
    'IsComplete "basket"',
    'ColumnValues "total" >= 0',
    'ColumnValues "payment" in ["CASH", "CARD"]',
)


@cafe.step
def tills(source):
    """What the basket comes to, beside what the till says."""
    return source.sql(r"""
        SELECT *, list_sum(regexp_extract_all(basket, '- (\d+\.\d\d)(?:,|$)', 1)::DECIMAL(8,2)[]) AS due
        FROM source""")


cafe.checks("tills", 'Sql "due = total"')


@cafe.step
def lines(tills):
    """First normal form: one row for each item of a basket, numbered from 1."""
    return tills.sql("""
        SELECT ordered_at, branch, total, payment, card,
               unnest(string_split(basket, ', ')) AS item,
               unnest(range(1, len(string_split(basket, ', ')) + 1)) AS line_no
        FROM tills""")


@cafe.step(per_distinct="item")
def items(lines):
    """`Large Flavoured latte - Caramel - 2.85` is a size, a product (which may hold a dash) and a price."""
    return lines.sql(r"""
        SELECT ordered_at, branch, total, payment, card, line_no,
               regexp_extract(item, '^(\S+) (.+) - (\d+\.\d\d)$', ['size', 'product', 'price']) AS parts,
               parts['size'] AS size,
               parts['product'] AS product,
               TRY_CAST(parts['price'] AS DECIMAL(8,2)) AS price
        FROM lines""")


cafe.checks("items", 'IsComplete "price"')

cafe.normalize(
    "items",
    branches=ps.entity("branch"),
    products=ps.entity("product", "size"),
    orders=ps.owned("ordered_at", "total", "payment", "card", refs=["branches"]),
    order_items=ps.owned("line_no", "price", refs=["orders", "products"], key=["order_id", "line_no"]),
)

# The lake always; PostgreSQL as well, once it is known where it is.
warehouse = [ps.postgres("warehouse")] if "PENSTOCK_WAREHOUSE_URL" in os.environ else []
cafe.load_all(to=[ps.lake(), *warehouse])
