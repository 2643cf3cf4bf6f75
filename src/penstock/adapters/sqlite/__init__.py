"""The ledger on one machine: a SQLite file, one process that writes, a socket for the others."""

from penstock.adapters.sqlite.election import open_ledger
from penstock.adapters.sqlite.store import SqliteLedger

__all__ = ["SqliteLedger", "open_ledger"]
