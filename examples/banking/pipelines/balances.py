"""The balance of each portfolio: what lies on its accounts. One record for each."""

import penstock as ps

balances = ps.Pipeline("balances", trigger=ps.ready(by=["sender", "day"]), sources=ps.tables("portfolios", "accounts"))
balances.sql(
    "portfolio_balances",
    """
    SELECT sender, day, portfolio_reference, coalesce(sum(cash_balance), 0)::DECIMAL(14,2) AS balance
    FROM portfolios LEFT JOIN accounts USING (sender, day, portfolio_reference) GROUP BY ALL
    """,
)
balances.checks("portfolio_balances", 'IsPrimaryKey "portfolio_reference"', severity="stop")
balances.load("portfolio_balances", to=ps.lake())
