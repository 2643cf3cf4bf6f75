"""The destinations keep their contract, PostgreSQL on a real server."""

from __future__ import annotations

import itertools
from datetime import UTC
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row

from penstock.adapters.lake import Lake
from penstock.adapters.postgres import Postgres
from penstock.testing.contracts.destination import DestinationContract
from penstock.testing.contracts.entities import EntityContract
from penstock.testing.contracts.slots import SlotContract

_schemas = itertools.count(1)


class PostgresWorld:
    """A schema of its own, looked at with plain SQL."""

    def __init__(self, url, workdir, **options):
        self._url, self._workdir, self._options = url, workdir, options
        self.schema, self._made = f"Shop {next(_schemas)}", []
        self._reader = psycopg.connect(url, row_factory=dict_row, options="-c timezone=UTC")
        self._reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        self.destination = self.another()

    def another(self):
        self._made.append(Postgres(self._url, self.schema, workdir=self._workdir, **self._options))
        return self._made[-1]

    def rows(self, table) -> list[dict[str, Any]]:
        return self.together(table)[0]

    def together(self, *tables):
        with self._reader.transaction():
            return [self._rows(table) for table in tables]

    def _rows(self, table):
        name = sql.Identifier(self.schema, table)
        there = self._reader.execute("SELECT to_regclass(%s) AS name", [name.as_string()]).fetchone()["name"]
        return self._reader.execute(sql.SQL("SELECT * FROM {}").format(name)).fetchall() if there else []

    def close(self):
        for destination in self._made:
            destination.close()
        self._reader.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(self.schema)))
        self._reader.commit()
        self._reader.close()


class LakeWorld:
    """A folder of its own, looked at as plain Parquet."""

    def __init__(self, folder):
        self.folder, self._all = folder, []
        self.destination = self.another()

    def another(self):
        self._all.append(Lake(self.folder))
        return self._all[-1]

    def rows(self, table):
        files = self.folder / table / "current"
        return _parquet(files) if files.exists() else []

    def together(self, *tables):
        with self.destination.reading("shop") as snapshot:
            return [_parquet(*snapshot.files[table]) for table in tables]

    def close(self):
        for destination in self._all:
            destination.close()


_duckdb = duckdb.connect()
_duckdb.execute("SET TimeZone = 'UTC'")


def _parquet(*paths):
    """Rows of plain files. Instants pass as naïve ones: DuckDB would need another package for them."""
    files = [str(path / "**" / "*.parquet") if path.is_dir() else str(path) for path in map(Path, paths)]
    connection = _duckdb.cursor()
    shape = connection.execute("DESCRIBE FROM read_parquet($1)", [files]).fetchall()
    instants = [name for name, kind, *_ in shape if kind == "TIMESTAMP WITH TIME ZONE"]
    values = ", ".join(f'"{name}" AT TIME ZONE \'UTC\' AS "{name}"' for name in instants)
    replaced = f"REPLACE ({values})" if values else ""
    found = connection.execute(f"SELECT * {replaced} FROM read_parquet($1)", [files])
    names = [column[0] for column in found.description]
    rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    return [{n: v.replace(tzinfo=UTC) if v and n in instants else v for n, v in row.items()} for row in rows]


class TestLake(DestinationContract):
    @pytest.fixture
    def world(self, tmp_path):
        world = LakeWorld(tmp_path / "curated")
        yield world
        world.close()


class TestPostgres(DestinationContract):
    @pytest.fixture
    def world(self, postgres_url, tmp_path):
        world = PostgresWorld(postgres_url, tmp_path / "work")
        yield world
        world.close()


class TestPostgresOverTwoConnections(SlotContract):
    """Every first load as if it were a large one."""

    @pytest.fixture
    def world(self, postgres_url, tmp_path):
        world = PostgresWorld(postgres_url, tmp_path / "work", bulk_rows=1)
        yield world
        world.close()


class TestPostgresWithoutHaste(EntityContract):
    """Every load as if it were too large to be read at once."""

    @pytest.fixture
    def world(self, postgres_url, tmp_path, monkeypatch):
        monkeypatch.setattr("penstock.adapters.postgres.loading.SMALL_ROWS", 0)
        world = PostgresWorld(postgres_url, tmp_path / "work")
        yield world
        world.close()


class TestPostgresWithManyEntities(TestPostgresWithoutHaste):
    """Every load as if it said more than can be sent beside its rows."""

    @pytest.fixture(autouse=True)
    def much(self, monkeypatch):
        monkeypatch.setattr("penstock.adapters.postgres.stream.MOST_WORDS", 0)


class TestPostgresWithForeignKeys(SlotContract):
    @pytest.fixture
    def world(self, postgres_url, tmp_path):
        world = PostgresWorld(postgres_url, tmp_path / "work", foreign_keys=True)
        yield world
        world.close()
