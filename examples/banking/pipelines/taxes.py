"""Taxes of each client, against the allowance that is free of tax. One record for each."""

import penstock as ps

taxes = ps.Pipeline(
    "taxes",
    trigger=ps.ready(by=["sender", "day"]),
    sources=ps.tables("clients", "portfolios", "accounts"),
)
taxes.sql(
    "client_taxes",
    """
    SELECT sender, day, client_reference, tax_free_allowance AS allowance,
           coalesce(sum(taxes_paid), 0)::DECIMAL(14,2) AS paid,
           greatest(paid - any_value(tax_free_allowance), 0)::DECIMAL(14,2) AS above
    FROM clients
    LEFT JOIN portfolios USING (sender, day, client_reference)
    LEFT JOIN accounts USING (sender, day, portfolio_reference)
    GROUP BY ALL
    """,
)
taxes.checks("client_taxes", 'IsPrimaryKey "client_reference"', severity="stop")
taxes.load("client_taxes", to=ps.lake())
