"""Every ledger keeps the same contract: in memory, in a SQLite file, and in another process."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from penstock.adapters.sqlite import SqliteLedger, open_ledger
from penstock.adapters.sqlite.client import RemoteLedger
from penstock.testing.contracts.ledger import LedgerContract
from penstock.testing.memory import MemoryLedger

MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it: the contract is not about the disk


@pytest.fixture
def folder():
    room = MEMORY if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="penstock-ledger-", dir=room) as name:
        yield Path(name)


class TestMemory(LedgerContract):
    @pytest.fixture
    def ledger(self):
        return MemoryLedger()


class TestSqlite(LedgerContract):
    @pytest.fixture
    def ledger(self, folder):
        with SqliteLedger(folder / "ledger.db") as ledger:
            yield ledger


class TestSocket(LedgerContract):
    @pytest.fixture
    def ledger(self, folder):
        with open_ledger(folder), open_ledger(folder) as ledger:
            assert isinstance(ledger, RemoteLedger)
            yield ledger
