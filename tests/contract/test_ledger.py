"""Every ledger keeps the same contract: in memory, in a SQLite file, and in another process."""

from __future__ import annotations

import pytest

from penstock.adapters.sqlite import SqliteLedger, open_ledger
from penstock.adapters.sqlite.client import RemoteLedger
from penstock.testing.contracts.ledger import LedgerContract
from penstock.testing.memory import MemoryLedger


class TestMemory(LedgerContract):
    @pytest.fixture
    def ledger(self):
        return MemoryLedger()


class TestSqlite(LedgerContract):
    @pytest.fixture
    def ledger(self, tmp_path):
        with SqliteLedger(tmp_path / "ledger.db") as ledger:
            yield ledger


class TestSocket(LedgerContract):
    @pytest.fixture
    def ledger(self, tmp_path):
        with open_ledger(tmp_path), open_ledger(tmp_path) as ledger:
            assert isinstance(ledger, RemoteLedger)
            yield ledger
