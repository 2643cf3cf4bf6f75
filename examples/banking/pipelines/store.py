"""The four files of a sender's day: each is stored as it comes, and is ready when it is loaded."""

import penstock as ps

MONEY = "DECIMAL(14,2)"
FILES = {
    "clients": ["client_reference", "first_name", "last_name", "tax_free_allowance"],
    "portfolios": ["portfolio_reference", "account_number", "client_reference", "agent_code"],
    "accounts": ["account_number", "cash_balance", "currency", "taxes_paid"],
    "transactions": ["transaction_reference", "account_number", "amount", "keyword"],
}
AMOUNTS = ("tax_free_allowance", "cash_balance", "taxes_paid", "amount")


def store(name: str, columns: list[str]) -> ps.Pipeline:
    """A pipeline for one kind of file."""
    kinds = {column: MONEY if column in AMOUNTS else "VARCHAR" for column in columns}
    pipeline = ps.Pipeline(
        name,
        trigger=ps.upload(f"landing/{{sender}}/{name}_{{day:%Y%m%d}}.csv"),
        source=ps.csv(columns={"record_id": "INTEGER", **kinds}, aliases={"accout_number": "account_number"}),
        parts={"sender": "VARCHAR", "day": "DATE"},
        privacy={"first_name": ps.drop(), "last_name": ps.drop()} if name == "clients" else None,
    )
    pipeline.checks("source", f'IsPrimaryKey "{columns[0]}"')
    pipeline.load("source", to=ps.lake(), table=f"stored_{name}")
    return pipeline


clients, portfolios, accounts, transactions = (store(name, columns) for name, columns in FILES.items())
