"""PostgreSQL as a destination: real tables, loaded by COPY in one transaction with their commit tokens."""

from penstock.adapters.postgres.destination import Postgres

__all__ = ["Postgres"]
