"""What the parts of the destination contract share."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.testing.deliveries import Sender


class Bench:
    """Each test has a world, which the inheriting test gives, and a sender."""

    @pytest.fixture
    def sender(self, tmp_path: Path) -> Sender:
        folder = tmp_path / "staged"
        folder.mkdir()
        return Sender(folder)
