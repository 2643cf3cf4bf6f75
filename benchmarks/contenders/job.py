"""Work J as hand-written DuckDB SQL: the transform that the DuckDB and dlt contenders share.

Read a part of the file without its customers, split the baskets, price them, judge each order by eight rules, set the
bad ones aside with their reasons, and offer four tables in third normal form. Products and branches are remembered
from part to part, so a file may be worked through in parts of any size.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

KEY = b"a benchmark's key, of 32 letters"
COLUMNS = ("ordered_at", "branch", "customer", "basket", "total", "payment", "card")
ITEM = r"^(\S+) (.+) - (\d+(?:\.\d{1,2})?)$"

MEMORY = """
    create table product (product_id integer, size varchar, name varchar);
    create table branch (branch_id integer, name varchar);
    create table priced (text varchar, product_id integer, price decimal(8, 2));
"""

READ = """
    create or replace table raw as
    select ordered_at, branch, basket, total, payment, card
    from read_csv({path}, header = false, delim = ',', quote = '"', escape = '"', auto_detect = false,
        columns = {columns}, strict_mode = true, ignore_errors = true, store_rejects = true, rejects_limit = 0)
"""

SPLIT = """
    create or replace table item as
    select rowid as line, unnest(texts) as text, unnest(range(1, len(texts) + 1))::smallint as line_no
    from (select rowid, string_split(basket, ', ') as texts from raw)
"""

MEET_PRODUCTS = """
    create or replace table news as
    select text, parts.size, parts.name as name, try_cast(parts.price as decimal(8, 2)) as price
    from (
        select text, regexp_extract(text, {item}, ['size', 'name', 'price']) as parts
        from (select distinct text from item)
        where text not in (select text from priced)
    );
    insert into product
    select (select count(*) from product) + row_number() over (order by size, name), size, name
    from (select distinct size, name from news where price is not null)
    where (size, name) not in (select (size, name) from product);
    insert into priced
    select text, product_id, price from news left join product using (size, name);
"""

MEET_BRANCHES = """
    insert into branch
    select (select count(*) from branch) + row_number() over (order by name), name
    from (select distinct trim(branch) as name from raw)
    where name <> '' and name not in (select name from branch)
"""

PRICE = """
    create or replace table sold as
    select line, line_no, product_id, price from item join priced using (text);
    drop table item
"""

JUDGE = r"""
    create or replace table judged as
    with paid as (
        select line, sum(price) as due, count(*) - count(price) as unpriced from sold group by line
    ),
    typed as (
        select raw.rowid as line, try_strptime(ordered_at, '%d/%m/%Y %H:%M') as ordered_at, branch_id,
            try_cast(total as decimal(10, 2)) as total, payment, card, due, unpriced
        from raw
        left join branch on branch.name = trim(raw.branch)
        left join paid on paid.line = raw.rowid
    )
    select line, ordered_at, branch_id, total, payment, card, nullif(concat_ws(';',
        case when ordered_at is null then 'bad date' end,
        case when ordered_at > now()::timestamp or ordered_at < timestamp '2000-01-01' then 'date out of range' end,
        case when branch_id is null then 'no branch' end,
        case when total is null then 'bad total' end,
        case when total < 0 then 'negative total' end,
        case when payment is null or payment not in ('CARD', 'CASH') then 'bad payment' end,
        case when (payment = 'CARD' and (card is null or not regexp_full_match(card, '\d{12,19}')))
            or (payment = 'CASH' and card <> '') then 'bad card' end,
        case when due is null or unpriced > 0 or (total >= 0 and due <> total) then 'basket differs' end
    ), '') as reason
    from typed
"""

SET_ASIDE = """
    copy (
        select {start} + raw.rowid as line, raw.ordered_at, raw.branch, raw.basket, raw.total, raw.payment, reason
        from judged join raw on raw.rowid = judged.line where reason is not null
        union all by name
        select {start} + line - 1 as line, 'torn: ' || string_agg(distinct error_type::varchar, '+') as reason
        from reject_errors group by line
    ) to {path} (header);
    drop table reject_errors;
    drop table reject_scans
"""

ORDERS = """
    select {start} + line as order_id, ordered_at, branch_id, total, payment,
        case when card <> '' then sha256({outer} || unhex(sha256({inner} || encode(card)))) end as card
    from judged where reason is null
"""

ORDER_ITEMS = """
    select {start} + line as order_id, line_no, product_id, price
    from sold join judged using (line) where reason is null
"""

PRODUCTS = "select product_id, size, name from product"
BRANCHES = "select branch_id, name from branch"

KEYS = {"orders": "order_id", "order_items": "order_id, line_no"}


def connect(threads: int = 2) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(config={"threads": threads})
    connection.execute("set timezone = 'UTC'")
    connection.execute(MEMORY)
    return connection


def transform(connection: duckdb.DuckDBPyConnection, path: Path, aside: Path, start: int = 0) -> None:
    """Leave the part's good rows in the connection and its bad ones in the file `aside`; `start` is its first line."""
    columns = dict.fromkeys(COLUMNS, "varchar")
    connection.execute(READ.format(path=literal(path), columns=columns))
    connection.execute(SPLIT)
    connection.execute(MEET_PRODUCTS.format(item=literal(ITEM)))
    connection.execute(MEET_BRANCHES)
    connection.execute(PRICE)
    connection.execute(JUDGE)
    connection.execute(SET_ASIDE.format(start=start, path=literal(aside)))


def facts(start: int = 0) -> dict[str, str]:
    """The queries for this part's rows of the two large tables."""
    orders = ORDERS.format(start=f"{start}::bigint", inner=_pad(0x36), outer=_pad(0x5C))
    return {"orders": orders, "order_items": ORDER_ITEMS.format(start=f"{start}::bigint")}


def entities() -> dict[str, str]:
    """The queries for the two small tables, complete when every part has been transformed."""
    return {"branches": BRANCHES, "products": PRODUCTS}


def literal(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"


def _pad(byte: int) -> str:
    """The inner or outer pad of HMAC-SHA256 (RFC 2104) as a blob literal."""
    return "'" + "".join(f"\\x{letter ^ byte:02x}" for letter in KEY.ljust(64, b"\0")) + "'::blob"
