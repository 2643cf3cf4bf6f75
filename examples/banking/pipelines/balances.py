"""The balance of each portfolio: what lies on its accounts."""

import penstock as ps

balances = ps.Pipeline(
    "balances",
    trigger=ps.ready(by=["sender", "day"]),
    sources={name: ps.table(name) for name in ("portfolios", "accounts")},
)


@balances.step
def portfolio_balances(portfolios, accounts):
    """One record for each portfolio."""
    return portfolios.sql("""
        SELECT sender, day, portfolio_reference, coalesce(sum(cash_balance), 0)::DECIMAL(14,2) AS balance
        FROM portfolios LEFT JOIN (SELECT portfolio_reference, cash_balance FROM accounts) USING (portfolio_reference)
        GROUP BY ALL
    """)


balances.checks("portfolio_balances", 'IsPrimaryKey "portfolio_reference"', severity="stop")
balances.load("portfolio_balances", to=ps.lake())
