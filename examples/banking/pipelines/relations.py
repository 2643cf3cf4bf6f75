"""When all four files of one sender and day are there, their relationships are built, once.

A row whose partner is missing (an account without a portfolio, say) waits in quarantine until a corrected file brings
it; everything else is loaded.
"""

import penstock as ps

KEYS = {
    "clients": "client_reference",
    "portfolios": "portfolio_reference",
    "accounts": "account_number",
    "transactions": "transaction_reference",
}

relations = ps.Pipeline(
    "relations",
    trigger=ps.ready(by=["sender", "day"], deadline="6h"),
    sources={name: ps.table(f"stored_{name}") for name in KEYS},
)
relations.matched("portfolios", in_="clients", on="client_reference")
relations.matched("accounts", in_="portfolios", on="account_number")
relations.matched("transactions", in_="accounts", on="account_number")


@relations.step
def held(accounts, portfolios):
    """Each account with the portfolio that it belongs to."""
    return accounts.sql("""
        SELECT accounts.* EXCLUDE (record_id), portfolio_reference
        FROM accounts JOIN portfolios USING (sender, day, account_number)
    """)


for name, relation, parent in (
    ("clients", "clients", None),
    ("portfolios", "portfolios", "clients"),
    ("accounts", "held", "portfolios"),
    ("transactions", "transactions", "accounts"),
):
    relations.load(
        relation,
        to=ps.lake(),
        table=name,
        mode="merge",
        key=["sender", "day", KEYS[name]],
        references={parent: ["sender", "day", KEYS[parent]]} if parent else None,
    )
