"""Deposits and number of transactions of each portfolio."""

import penstock as ps

deposits = ps.Pipeline(
    "deposits",
    trigger=ps.ready(by=["sender", "day"]),
    sources={name: ps.table(name) for name in ("portfolios", "accounts", "transactions")},
)


@deposits.step
def portfolio_deposits(portfolios, accounts, transactions):
    """One record for each portfolio."""
    return portfolios.sql("""
        SELECT sender, day, portfolio_reference,
               coalesce(sum(amount) FILTER (keyword = 'DEPOSIT'), 0)::DECIMAL(14,2) AS deposits,
               count(amount) AS transactions
        FROM (SELECT sender, day, portfolio_reference FROM portfolios)
        LEFT JOIN (SELECT portfolio_reference, account_number FROM accounts) USING (portfolio_reference)
        LEFT JOIN (SELECT account_number, amount, keyword FROM transactions) USING (account_number)
        GROUP BY ALL
    """)


deposits.checks("portfolio_deposits", 'IsPrimaryKey "portfolio_reference"', severity="stop")
deposits.load("portfolio_deposits", to=ps.lake())
