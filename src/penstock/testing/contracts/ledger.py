"""What every ledger must do. Inherit from `LedgerContract` and give it a fresh `ledger`.

class TestMine(LedgerContract):
    @pytest.fixture
    def ledger(self):
        yield MyLedger()
"""

from __future__ import annotations

from penstock.testing.contracts.acceptance import AcceptanceContract
from penstock.testing.contracts.catalog import CatalogContract
from penstock.testing.contracts.claims import ClaimContract
from penstock.testing.contracts.firings import FiringContract
from penstock.testing.contracts.outbox import OutboxContract
from penstock.testing.contracts.readiness import ReadinessContract
from penstock.testing.contracts.refusals import RefusalContract
from penstock.testing.contracts.runs import RunContract
from penstock.testing.contracts.stages import StageContract


class LedgerContract(
    AcceptanceContract,
    CatalogContract,
    ReadinessContract,
    ClaimContract,
    FiringContract,
    OutboxContract,
    RefusalContract,
    RunContract,
    StageContract,
):
    """The whole contract. Instants are passed in, so that it takes no time."""
