"""What a person chose to publish, and how columns have drifted, are told as events and change nothing else."""

# ruff: noqa: S101 - assert is the language of tests

from __future__ import annotations

from penstock.ledger.port import Ledger
from penstock.testing.clerk import NOW, PIPELINE

DRIFT = {"kind": "added", "column": "area", "before": "", "after": "VARCHAR", "since": "2"}


class CatalogContract:
    """Versions and drifts in the record."""

    def test_which_version_is_published_is_told(self, ledger: Ledger) -> None:
        ledger.shown(PIPELINE, 17, NOW, before=19, newest=19, by="publish")
        (event,) = ledger.events()
        assert (event.type, event.source, event.subject) == ("version.published", PIPELINE, PIPELINE)
        assert dict(event.data) == {"version": 17, "before": 19, "newest": 19, "by": "publish"}

    def test_each_drift_is_an_event_of_its_table(self, ledger: Ledger) -> None:
        ledger.drifted(PIPELINE, "orders", [DRIFT, {**DRIFT, "column": "free"}], NOW)
        found = [(event.type, event.subject, event.data["column"]) for event in ledger.events()]
        assert found == [("schema.drifted", "orders", "area"), ("schema.drifted", "orders", "free")]
