"""When all four files of one sender and day are there, their relationships are built, once.

A row whose partner is missing (an account without a portfolio, say) waits in quarantine until a corrected file brings
it; everything else is loaded.
"""

import penstock as ps

DAY = ["sender", "day"]

relations = ps.Pipeline(
    "relations",
    trigger=ps.ready(by=DAY, deadline="6h"),
    sources={name: ps.table(f"stored_{name}") for name in ("clients", "portfolios", "accounts", "transactions")},
)
relations.matched("portfolios", in_="clients", on="client_reference")
relations.matched("accounts", in_="portfolios", on="account_number")
relations.matched("transactions", in_="accounts", on="account_number")
relations.sql(
    "held",
    "SELECT accounts.* EXCLUDE (record_id), portfolio_reference FROM accounts JOIN portfolios USING (account_number)",
    inputs=["accounts", "portfolios"],
)
relations.load("clients", to=ps.lake(), mode="merge", key=[*DAY, "client_reference"])
relations.load("portfolios", to=ps.lake(), mode="merge", key=[*DAY, "portfolio_reference"], references="clients")
relations.load(
    "held", to=ps.lake(), table="accounts", mode="merge", key=[*DAY, "account_number"], references="portfolios"
)
relations.load("transactions", to=ps.lake(), mode="merge", key=[*DAY, "transaction_reference"], references="accounts")
