"""What a person chose to publish, how columns have drifted and what fits no pipeline are told as events; runs may begin
with the catalog."""

# ruff: noqa: S101 - assert is the language of tests

from __future__ import annotations

from dataclasses import replace

import pytest

from penstock.errors import ClaimLost, UsageError
from penstock.ledger.port import Ledger
from penstock.model.runs import RunState, Stage
from penstock.model.slots import Standing
from penstock.model.strays import Stray
from penstock.testing.clerk import LEASE, NOW, PIPELINE, RAW, Clerk

DRIFT = {"kind": "added", "column": "area", "before": "", "after": "VARCHAR", "since": "2"}


class CatalogContract:
    """Versions, drifts, and the stage of a run that finds them."""

    @pytest.fixture
    def surveyor(self, ledger: Ledger) -> Clerk:
        clerk = Clerk(ledger)
        clerk.surveyed = (PIPELINE,)
        return clerk

    def test_which_version_is_published_is_told(self, ledger: Ledger) -> None:
        ledger.shown(PIPELINE, 17, NOW, before=19, newest=19, by="publish")
        (event,) = ledger.events()
        assert (event.type, event.source, event.subject) == ("version.published", PIPELINE, PIPELINE)
        assert dict(event.data) == {"version": 17, "before": 19, "newest": 19, "by": "publish"}

    def test_each_drift_is_an_event_of_its_table(self, ledger: Ledger) -> None:
        ledger.drifted(PIPELINE, "orders", [DRIFT, {**DRIFT, "column": "free"}], NOW)
        found = [(event.type, event.subject, event.data["column"]) for event in ledger.events()]
        assert found == [("schema.drifted", "orders", "area"), ("schema.drifted", "orders", "free")]

    def test_a_drift_is_told_once(self, ledger: Ledger) -> None:
        for column in ("area", "area", "free"):
            ledger.drifted(PIPELINE, "orders", [{**DRIFT, "column": column}], NOW)
        ledger.drifted(PIPELINE, "other", [DRIFT], NOW)
        assert [event.subject for event in ledger.events()] == ["orders", "orders", "other"]

    def test_a_stray_is_told_once_for_each_version(self, ledger: Ledger) -> None:
        first, other = Stray("landing/x.csv", "1", 7, "shop", "no day"), Stray("landing/a.csv", "1")
        ledger.strayed([first, other], NOW)
        ledger.strayed([first], NOW)
        ledger.strayed([replace(first, version="2", size=8)], NOW)
        told = [(event.type, event.source, event.subject, dict(event.data)) for event in ledger.events()]
        assert told == [
            ("object.stray", "shop", "landing/x.csv", {"size": 7, "why": "no day"}),
            ("object.stray", "", "landing/a.csv", {"size": 0, "why": ""}),
            ("object.stray", "shop", "landing/x.csv", {"size": 8, "why": "no day"}),
        ]
        assert ledger.strays() == [other, replace(first, version="2", size=8)]

    # --- the stage of a run --------------------------------------------------------------------------------------

    def test_a_run_begins_with_the_catalog_where_that_is_wanted(self, surveyor: Clerk) -> None:
        surveyor.deliver("leeds")
        run = surveyor.start()
        assert (run.stage, dict(run.tries)) == (Stage.CATALOG, {"catalog": 1})
        run = surveyor.catalogue(run)
        assert (run.stage, surveyor.ledger.run(run.id)) == (Stage.PREPARE, run)
        run = surveyor.complete(run)
        assert (run.state, dict(run.tries)) == (RunState.SUCCEEDED, {"catalog": 1, "prepare": 1, "load": 1})

    def test_other_pipelines_patches_and_withdrawals_begin_as_ever(self, surveyor: Clerk) -> None:
        other = Clerk(surveyor.ledger, "other")
        other.deliver("leeds")
        assert surveyor.start().stage is Stage.PREPARE
        surveyor.deliver("york")
        surveyor.complete(surveyor.start())
        surveyor.patch("york", 3)
        surveyor.complete(surveyor.start())
        assert "catalog" not in surveyor.ledger.runs()[0].tries
        surveyor.withdraw("york")
        assert surveyor.start().stage is Stage.LOAD

    def test_what_a_run_has_found_is_told_with_its_boundary(self, surveyor: Clerk) -> None:
        surveyor.deliver("leeds")
        run = surveyor.catalogue(surveyor.start(), DRIFT)
        first, second = surveyor.ledger.events()[-2:]
        assert (first.type, first.subject) == ("run.catalogued", run.id)
        assert first.data == {"attempt": 1, "tables": {RAW: {"files": 2, "columns": 3, "unreadable": 0}}}
        assert (second.type, second.subject, dict(second.data)) == ("schema.drifted", RAW, {**DRIFT, "run": run.id})

    def test_the_next_run_tells_only_what_is_new(self, surveyor: Clerk) -> None:
        surveyor.ledger.drifted(PIPELINE, RAW, [DRIFT], NOW)
        for name in ("leeds", "york"):
            surveyor.deliver(name)
            surveyor.complete(surveyor.catalogue(surveyor.start(), DRIFT, {**DRIFT, "column": name}))
        told = [event.data["column"] for event in surveyor.ledger.events() if event.type == "schema.drifted"]
        assert told == ["area", "leeds", "york"]

    def test_the_boundary_is_recorded_once(self, surveyor: Clerk) -> None:
        surveyor.deliver("leeds")
        run = surveyor.start()
        assert surveyor.catalogue(run, DRIFT) == surveyor.catalogue(run, DRIFT)
        assert surveyor.told("run.catalogued") == [("run.catalogued", run.id)]
        surveyor.turn(LEASE)
        surveyor.start("other")
        with pytest.raises(ClaimLost):
            surveyor.catalogue(run)

    def test_nothing_is_prepared_before_it(self, surveyor: Clerk) -> None:
        surveyor.deliver("leeds")
        with pytest.raises(UsageError, match="cannot be prepared now"):
            surveyor.prepare(surveyor.start())

    def test_a_lost_worker_s_run_begins_with_the_catalog_again(self, surveyor: Clerk) -> None:
        surveyor.deliver("leeds")
        surveyor.start()
        surveyor.turn(LEASE)
        run = surveyor.start("other")
        assert (run.stage, run.attempt, dict(run.tries)) == (Stage.CATALOG, 2, {"catalog": 2})

    def test_what_deadly_files_are_bisected_into_begins_with_it_too(self, surveyor: Clerk) -> None:
        surveyor.deliver_all("ab")
        for _ in range(surveyor.policy.deaths):
            surveyor.start()
            surveyor.turn(LEASE)
        half = surveyor.start()
        assert (half.stage, len(half.generations), dict(half.tries)) == (Stage.CATALOG, 1, {"catalog": 1})

    def test_what_died_there_is_redriven_there(self, surveyor: Clerk) -> None:
        surveyor.deliver("leeds")
        (dead,) = surveyor.fail(surveyor.start())
        assert (dead.state, dead.stage) == (RunState.DEAD, Stage.CATALOG)
        surveyor.redrive(dead)
        assert surveyor.start().stage is Stage.CATALOG
        assert surveyor.stands("leeds") == [Standing.ACCEPTED]

    def test_what_is_made_again_is_not_looked_at_again(self, surveyor: Clerk) -> None:
        surveyor.deliver("leeds")
        again = surveyor.restage(surveyor.prepare(surveyor.catalogue(surveyor.start())))
        assert (again.stage, dict(again.tries)) == (Stage.PREPARE, {"catalog": 1, "prepare": 2, "load": 1})
