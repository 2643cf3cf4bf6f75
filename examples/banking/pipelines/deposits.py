"""Deposits and number of transactions of each portfolio. One record for each."""

import penstock as ps

deposits = ps.Pipeline(
    "deposits",
    trigger=ps.ready(by=["sender", "day"]),
    sources=ps.tables("portfolios", "accounts", "transactions"),
)
deposits.sql(
    "portfolio_deposits",
    """
    SELECT sender, day, portfolio_reference,
           coalesce(sum(amount) FILTER (keyword = 'DEPOSIT'), 0)::DECIMAL(14,2) AS deposits,
           count(amount) AS transactions
    FROM portfolios
    LEFT JOIN accounts USING (sender, day, portfolio_reference)
    LEFT JOIN transactions ON transactions.account_number = accounts.account_number
    GROUP BY ALL
    """,
)
deposits.checks("portfolio_deposits", 'IsPrimaryKey "portfolio_reference"', severity="stop")
deposits.load("portfolio_deposits", to=ps.lake())
