"""The destinations keep their contract, PostgreSQL on a real server."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from penstock.adapters.postgres import Postgres
from penstock.testing.contracts.destination import DestinationContract

_schemas = itertools.count(1)


class PostgresWorld:
    """A schema of its own, looked at with plain SQL."""

    def __init__(self, url, workdir):
        self.url, self.workdir, self.schema = url, workdir, f"Shop {next(_schemas)}"
        self.destination = self.another()
        self._others = []

    def another(self):
        destination = Postgres(self.url, self.schema, workdir=self.workdir)
        self.__dict__.setdefault("_all", []).append(destination)
        return destination

    def rows(self, table) -> list[dict[str, Any]]:
        return self.together(table)[0]

    def together(self, *tables):
        import psycopg
        from psycopg.rows import dict_row

        with psycopg.connect(self.url, row_factory=dict_row) as connection:
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            connection.execute("SET timezone = 'UTC'")
            return [self._rows(connection, table) for table in tables]

    def _rows(self, connection, table):
        from psycopg import sql

        name = sql.Identifier(self.schema, table)
        if connection.execute("SELECT to_regclass(%s)", [name.as_string()]).fetchone()["to_regclass"] is None:
            return []
        return connection.execute(sql.SQL("SELECT * FROM {}").format(name)).fetchall()

    def close(self):
        for destination in self._all:
            destination.close()


class TestPostgres(DestinationContract):
    @pytest.fixture
    def world(self, postgres_url, tmp_path):
        world = PostgresWorld(postgres_url, tmp_path / "work")
        yield world
        world.close()
