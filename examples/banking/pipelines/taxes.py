"""Taxes of each client, against the allowance that is free of tax."""

import penstock as ps

taxes = ps.Pipeline(
    "taxes",
    trigger=ps.ready(by=["sender", "day"]),
    sources={name: ps.table(name) for name in ("clients", "portfolios", "accounts")},
)


@taxes.step
def client_taxes(clients, portfolios, accounts):
    """One record for each client."""
    return clients.sql("""
        SELECT sender, day, client_reference, any_value(tax_free_allowance) AS allowance,
               coalesce(sum(taxes_paid), 0)::DECIMAL(14,2) AS paid,
               greatest(coalesce(sum(taxes_paid), 0) - any_value(tax_free_allowance), 0)::DECIMAL(14,2) AS above
        FROM clients
        LEFT JOIN (SELECT client_reference, portfolio_reference FROM portfolios) USING (client_reference)
        LEFT JOIN (SELECT portfolio_reference, taxes_paid FROM accounts) USING (portfolio_reference)
        GROUP BY ALL
    """)


taxes.checks("client_taxes", 'IsPrimaryKey "client_reference"', severity="stop")
taxes.load("client_taxes", to=ps.lake())
