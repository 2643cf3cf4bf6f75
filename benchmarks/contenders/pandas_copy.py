"""pandas and COPY on Work J: what a careful author of a hand-made job writes today."""

from __future__ import annotations

import argparse
import hmac
import io
from pathlib import Path

import pandas as pd
import psycopg

KEY = b"a benchmark's key, of 32 letters"
COLUMNS = ["ordered_at", "branch", "customer", "basket", "total", "payment", "card"]
ITEM = r"^(\S+) (.+) - (\d+(?:\.\d{1,2})?)$"


def read(path: Path) -> pd.DataFrame:
    orders = pd.read_csv(path, header=None, names=COLUMNS, dtype=str, keep_default_na=False, na_values=[""])
    orders = orders.drop(columns="customer")
    orders["when"] = pd.to_datetime(orders.ordered_at, format="%d/%m/%Y %H:%M", errors="coerce")
    orders["amount"] = pd.to_numeric(orders.total, errors="coerce")
    orders["order_id"] = orders.index.astype("int64")
    return orders


def split(orders: pd.DataFrame) -> pd.DataFrame:
    items = orders[["order_id", "basket"]].dropna()
    items = items.assign(text=items.basket.str.split(", ")).drop(columns="basket").explode("text")
    items["line_no"] = items.groupby("order_id").cumcount() + 1
    parts = items.text.str.extract(ITEM)
    items[["size", "name"]] = parts[[0, 1]]
    items["price"] = pd.to_numeric(parts[2])
    return items


def judge(orders: pd.DataFrame, items: pd.DataFrame) -> pd.Series:
    """Each order's reasons to be set aside, "" for none."""
    due = orders.order_id.map(items.groupby("order_id").price.sum().round(2))
    by_card, by_cash = orders.payment == "CARD", orders.payment == "CASH"
    rules = {
        "bad date": orders.when.isna(),
        "date out of range": (orders.when > pd.Timestamp.now()) | (orders.when < pd.Timestamp("2000-01-01")),
        "no branch": orders.branch.isna(),
        "bad total": orders.amount.isna(),
        "negative total": orders.amount < 0,
        "bad payment": ~orders.payment.isin(["CARD", "CASH"]),
        "bad card": (by_card & ~orders.card.fillna("").str.fullmatch(r"\d{12,19}")) | (by_cash & orders.card.notna()),
        "basket differs": due.isna() | ((orders.amount >= 0) & ((due - orders.amount).abs() > 0.005)),
    }
    reasons = pd.Series("", index=orders.index)
    for reason, failed in rules.items():
        reasons = reasons.where(~failed, reasons + reason + ";")
    return reasons


def normalize(orders: pd.DataFrame, items: pd.DataFrame) -> dict[str, pd.DataFrame]:
    items = items[items.order_id.isin(orders.order_id)]
    branches = pd.DataFrame({"name": sorted(orders.branch.unique())})
    branches.insert(0, "branch_id", branches.index + 1)
    products = items[["size", "name"]].drop_duplicates().reset_index(drop=True)
    products.insert(0, "product_id", products.index + 1)
    sold = items.merge(products, on=["size", "name"])[["order_id", "line_no", "product_id", "price"]]
    orders = orders.merge(branches, left_on="branch", right_on="name")
    orders["card"] = orders.card.map(token, na_action="ignore")
    orders = orders[["order_id", "when", "branch_id", "amount", "payment", "card"]]
    orders.columns = ["order_id", "ordered_at", "branch_id", "total", "payment", "card"]
    return {"branches": branches, "products": products, "orders": orders, "order_items": sold}


def token(card: str) -> str:
    return hmac.digest(KEY, card.encode(), "sha256").hex()


def load(tables: dict[str, pd.DataFrame], dsn: str, schema: str) -> None:
    with psycopg.connect(dsn) as connection:
        cursor = connection.cursor()
        for name, rows in tables.items():
            text = io.StringIO()
            rows.to_csv(text, index=False, header=False)
            with cursor.copy(f"copy {schema}.{name} from stdin (format csv)") as copy:
                copy.write(text.getvalue())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--dsn", required=True)
    parser.add_argument("--schema", default="pandas_copy")
    parser.add_argument("--aside", type=Path, required=True)
    given = parser.parse_args()
    given.aside.mkdir(parents=True, exist_ok=True)
    orders = read(given.file)
    items = split(orders)
    reasons = judge(orders, items)
    bad = reasons != ""
    orders[bad].drop(columns="card").assign(reason=reasons[bad]).to_csv(given.aside / "aside.csv", index=False)
    load(normalize(orders[~bad], items), given.dsn, given.schema)


if __name__ == "__main__":
    main()
