"""The timekeeper and the courier at a clock that stands until it is turned."""

from __future__ import annotations

import time
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.support.web import site

import penstock as ps
from penstock.adapters.files.landing import FolderLanding
from penstock.adapters.http import HttpPuller
from penstock.adapters.scratch import Scratch
from penstock.compile.readiness import conditions
from penstock.errors import LedgerBusy, SourceUnavailable
from penstock.ledger.port import RetryPolicy
from penstock.model.firings import FiringState
from penstock.model.slots import Kind, Slot
from penstock.runtime.courier import Courier, Route
from penstock.runtime.timekeeper import Timekeeper
from penstock.testing.memory import MemoryLedger

NOW = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
FORM = ps.csv(columns={"date": "DATE", "cases": "BIGINT"})
POLICY = RetryPolicy(attempts=3, first=timedelta(seconds=10), longest=timedelta(minutes=1))


class Feed:
    """Somebody else's server, which knows versions. Text that is None is an outage."""

    def __init__(self, **texts: str | None) -> None:
        self.texts = texts
        self.asked = 0

    def pull(self, origin, known, into):
        self.asked += 1
        text = self.texts[origin.url.rsplit("/", 1)[-1]]
        if text is None:
            raise SourceUnavailable("the source does not answer")
        if known.get("etag") == text:
            return None
        into.write_text(text)
        return {"etag": text} if text.isupper() else {}


@contextmanager
def room(scratch):
    with closing(Scratch(scratch)) as place:
        yield place.folder


class World:
    """One project with one pipeline, and any number of processes that keep its time."""

    def __init__(self, folder, pipeline, feed=None, ledger=None):
        self.now, self.feed = NOW, feed
        self.ledger, self.landing, self.pipeline = ledger or MemoryLedger(), FolderLanding(folder), pipeline
        self.courier = Courier(
            Route(
                self.ledger, self.landing, {pipeline.name: pipeline}, conditions({pipeline.name: pipeline}),
                {pipeline.name: "f1"}, lambda _: self.feed,
                lambda: room(folder / "scratch"), lambda: self.now, POLICY,
            )
        )  # fmt: skip
        self.keeper = Timekeeper(self.courier, "keeper-1")

    def turn(self, time=timedelta()):
        """Turn the clock, and let what is due happen. Returns when somebody should look again."""
        self.now += time
        again = self.keeper.look()
        self.keeper.rest(10)
        return again

    def states(self):
        return [item.state for item in reversed(self.ledger.firings())]

    def addresses(self):
        return [slot.address for slot in self.ledger.slots(self.pipeline.name)]

    def texts(self):
        return [(self.landing.zones / found.address).read_text() for found in self.landing.scan()]


def pulling(trigger=None, **sources):
    origins = {name: ps.http(f"http://feed.example/{name}", FORM) for name in sources.values()}
    trigger = trigger or ps.schedule("0 9 * * *")
    if list(sources) == ["source"]:
        return ps.Pipeline("covid", trigger=trigger, source=origins[sources["source"]])
    return ps.Pipeline("covid", trigger=trigger, sources={key: origins[name] for key, name in sources.items()})


@pytest.fixture
def feed():
    return Feed(cases="A", recoveries="R")


@pytest.fixture
def world(tmp_path, feed):
    found = World(tmp_path, pulling(source="cases"), feed)
    found.turn()
    return found


# --- time ------------------------------------------------------------------------------------------------------------


def test_nothing_happens_before_it_is_due(world):
    assert world.turn(timedelta(minutes=59)) == NOW + HOUR
    assert world.states() == []


def test_nobody_sleeps_for_longer_than_a_minute(world):
    assert world.turn() == NOW + timedelta(minutes=1)


def test_what_is_due_is_fetched_and_accepted(world):
    world.turn(HOUR)
    assert world.states() == [FiringState.DONE]
    assert world.addresses() == ["landing/covid/source.csv"]
    assert world.texts() == ["A"]


def test_however_late_the_firing_has_its_own_time(world):
    world.turn(5 * HOUR)
    generation = world.ledger.current(Slot("covid", "landing/covid/source.csv"))
    assert (generation.run_time, generation.accepted_at, generation.cause) == (NOW + HOUR, NOW + 5 * HOUR, "schedule")


def test_a_schedule_that_is_off_does_nothing(world):
    world.ledger.switch("covid", world.pipeline.trigger.text, NOW, on=False, by="me")
    world.turn(2 * DAY)
    assert world.feed.asked == 0


def test_when_it_is_on_again_the_next_firing_happens(world):
    text = world.pipeline.trigger.text
    world.ledger.switch("covid", text, NOW, on=False, by="me")
    world.turn(2 * DAY)
    world.ledger.switch("covid", text, world.now, on=True, by="me")
    world.turn(HOUR)
    assert world.states() == [FiringState.DONE]


def test_two_processes_fire_once(world):
    other = Timekeeper(world.courier, "keeper-2")
    world.now += HOUR
    for keeper in (world.keeper, other, world.keeper):
        keeper.look()
        keeper.rest(10)
    assert len(world.ledger.firings()) == world.feed.asked == 1


def test_what_a_dead_process_had_claimed_is_done_by_the_next(world):
    world.now += HOUR
    world.keeper._over = True  # it dies before it acts
    world.keeper.look()
    assert world.ledger.claim_firing("keeper-1", world.now, HOUR) is not None
    other = Timekeeper(world.courier, "keeper-2")
    world.now += HOUR
    other.look()
    other.rest(10)
    assert world.states() == [FiringState.DONE]


def test_every_missed_firing_has_its_own_time(tmp_path, feed):
    world = World(tmp_path, pulling(ps.schedule("0 9 * * *", missed="all"), source="cases"), feed)
    world.turn()
    world.now += 3 * DAY
    for _ in range(4):
        world.turn()
    assert [item.due for item in world.ledger.firings()] == [NOW + HOUR + n * DAY for n in (2, 1, 0)]
    assert world.states() == [FiringState.DONE, FiringState.UNCHANGED, FiringState.UNCHANGED]


class Forgetful(MemoryLedger):
    """A ledger that cannot be reached when the first firing ends, and not when somebody looks for the second time."""

    ends = looks = 0

    def fired(self, *arguments, **named):
        self.ends += 1
        if self.ends == 1:
            raise LedgerBusy("the ledger is held by somebody else")
        return super().fired(*arguments, **named)

    def timetables(self):
        self.looks += 1
        if self.looks == 2:
            raise LedgerBusy("the ledger is held by somebody else")
        return super().timetables()


def test_an_end_that_could_not_be_recorded_is_tried_again(tmp_path, feed):
    world = World(tmp_path, pulling(source="cases"), feed, Forgetful())
    world.ledger.looks = 2
    world.turn()
    world.turn(HOUR)
    assert world.states() == [FiringState.WAITING]
    world.turn(timedelta(minutes=1))
    assert world.states() == [FiringState.DONE]


def test_the_time_is_kept_by_a_thread_that_survives_trouble(tmp_path, feed):
    world = World(tmp_path, pulling(ps.every(seconds=1), source="cases"), feed, Forgetful())
    world.courier = Courier(replace(world.courier.route, clock=lambda: datetime.now(UTC)))
    keeper = Timekeeper(world.courier, "keeper-1")
    keeper.start()
    deadline = time.monotonic() + 20
    while FiringState.DONE not in world.states() and time.monotonic() < deadline:
        time.sleep(0.05)
    keeper.stop(10)
    assert FiringState.DONE in world.states()


# --- what is fetched -------------------------------------------------------------------------------------------------


def test_what_has_not_changed_is_a_recorded_no_op(world):
    world.turn(HOUR)
    world.turn(DAY)
    assert world.states() == [FiringState.DONE, FiringState.UNCHANGED]
    assert world.ledger.events()[-1].data["sources"] == {"source": "not modified"}


def test_equal_bytes_are_no_change(world):
    world.feed.texts["cases"] = "no versions here"
    world.turn(HOUR)
    world.turn(DAY)
    assert world.ledger.events()[-1].data["sources"] == {"source": "equal"}
    assert len(world.ledger.history(Slot("covid", "landing/covid/source.csv"))) == 1


def test_a_new_content_is_the_next_generation(world):
    for text in "ABA":
        world.feed.texts["cases"] = text
        world.turn(DAY)
    assert len(world.ledger.history(Slot("covid", "landing/covid/source.csv"))) == 3
    assert world.texts() == ["A"]


def test_what_somebody_removed_is_fetched_again(world):
    world.turn(HOUR)
    (world.landing.zones / "landing/covid/source.csv").unlink()
    world.turn(DAY)
    assert world.texts() == ["A"]
    assert world.states() == [FiringState.DONE, FiringState.UNCHANGED]


def test_what_is_reloaded_is_fetched_whatever_the_server_says(world):
    world.turn(HOUR)
    item = world.ledger.fire_by_hand("covid", world.now, world.now, reload=True, hard=True)
    world.turn()
    generation = world.ledger.current(Slot("covid", "landing/covid/source.csv"))
    assert (generation.kind, generation.hard, generation.number) == (Kind.RELOAD, True, 2)
    assert world.ledger.firing(item.id).state is FiringState.DONE


def test_each_firing_may_have_a_place_of_its_own(tmp_path):
    place = "landing/taxis/day={day:%Y-%m-%d}/{time:%H%M}.json"
    form = ps.json(columns={"free": "INTEGER"})
    source = ps.http("http://feed.example/taxis", form, to=place)
    trigger = ps.every(minutes=1, tz="Asia/Singapore")
    world = World(tmp_path, ps.Pipeline("taxis", trigger=trigger, source=source), Feed(taxis="A"))
    world.turn()
    for text in "AAB":
        world.feed.texts["taxis"] = text
        world.turn(timedelta(minutes=1))
    assert world.addresses() == [f"landing/taxis/day=2026-03-01/{time}.json" for time in ("1601", "1603")]
    parts = world.ledger.current(Slot("taxis", world.addresses()[1])).parts
    assert parts == {"day": "2026-03-01", "time": "1603"}


def test_an_outage_is_tried_again_and_then_over(world):
    world.feed.texts["cases"] = None
    world.turn(HOUR)
    assert world.states() == [FiringState.WAITING]
    world.feed.texts["cases"] = "A"
    world.turn(timedelta(minutes=1))
    assert world.states() == [FiringState.DONE]


def test_an_outage_that_lasts_fails(world):
    world.feed.texts["cases"] = None
    world.turn(HOUR)
    for _ in range(3):
        world.turn(timedelta(minutes=1))
    assert world.states() == [FiringState.FAILED]
    assert world.addresses() == []


@pytest.fixture
def web():
    with site() as found:
        yield found


@pytest.fixture
def polled(tmp_path, web):
    """A real server, asked every minute."""
    source = ps.http(f"{web.url}/taxis", ps.json(columns={"free": "INTEGER"}))
    world = World(tmp_path, ps.Pipeline("taxis", trigger=ps.every(minutes=1), source=source))
    puller = HttpPuller({}.__getitem__, wait=0.001)
    world.courier.route = replace(world.courier.route, puller=lambda _: puller)
    world.turn()
    return world


def test_a_source_that_asks_to_be_left_alone_is(polled, web):
    web.serve(b"", 429, Retry_After="600")
    polled.turn(timedelta(minutes=1))
    web.serve(b"[]")
    for _ in range(9):
        polled.turn(timedelta(minutes=1))
    assert len(web.asked) == 1
    polled.turn(timedelta(minutes=1))
    assert len(web.asked) == 2
    assert polled.states()[-1] is FiringState.DONE


def test_a_person_is_not_kept_waiting_for_longer_than_by_any_other_retry(polled, web):
    web.serve(b"", 503, Retry_After="600")
    item = polled.ledger.fire_by_hand("taxis", polled.now, polled.now)
    polled.turn()
    found = polled.ledger.firing(item.id)
    assert found.state is FiringState.FAILED
    assert found.held_until == polled.now + timedelta(minutes=10)
    assert "asks to be left alone for 600 s" in found.error["why"]


def test_a_mistake_in_a_puller_is_a_failed_firing(world):
    world.feed.texts.clear()
    world.turn(HOUR)
    assert world.states() == [FiringState.FAILED]
    assert world.ledger.firings()[0].error["message"] == "unexpected KeyError"


def test_nothing_is_left_behind(world):
    world.turn(HOUR)
    assert list((world.landing.zones / "scratch").glob("*")) == []


# --- several sources -------------------------------------------------------------------------------------------------


@pytest.fixture
def joined(tmp_path, feed):
    found = World(tmp_path, pulling(cases="cases", recoveries="recoveries"), feed)
    found.turn()
    return found


def test_several_sources_are_one_delivery(joined):
    joined.turn(HOUR)
    assert joined.addresses() == ["key/all"]
    members = joined.ledger.current(Slot("covid", "key/all")).members
    assert [(item.name, item.address) for item in members] == [
        ("cases", "landing/covid/cases.csv"), ("recoveries", "landing/covid/recoveries.csv")
    ]  # fmt: skip


def test_one_new_source_makes_a_new_delivery_of_all(joined):
    joined.turn(HOUR)
    joined.feed.texts["recoveries"] = "S"
    joined.turn(DAY)
    assert joined.ledger.events()[-1].data["sources"] == {"cases": "not modified", "recoveries": "fetched"}
    assert joined.ledger.current(Slot("covid", "key/all")).number == 2


def test_what_is_there_of_a_key_is_known(joined):
    joined.turn(HOUR)
    joined.feed.texts["recoveries"] = "S"
    joined.turn(DAY)
    generation = joined.ledger.current(Slot("covid", "key/all"))
    assert set(joined.ledger.key(Slot("covid", "key/all")).members) == set(generation.members)


def test_nothing_new_anywhere_is_a_no_op(joined):
    joined.turn(HOUR)
    joined.turn(DAY)
    assert joined.states() == [FiringState.DONE, FiringState.UNCHANGED]


def test_of_half_of_them_nothing_is_delivered(joined):
    joined.feed.texts["recoveries"] = None
    joined.turn(HOUR)
    assert joined.addresses() == joined.texts() == []
    joined.feed.texts["recoveries"] = "R"
    joined.turn(timedelta(minutes=1))
    assert joined.addresses() == ["key/all"]


# --- files of a day --------------------------------------------------------------------------------------------------


@pytest.fixture
def daily(tmp_path):
    trigger = ps.schedule(
        "0 6 * * *", tz="Asia/Singapore", missed="all", lag=DAY, submit="landing/day={day:%Y-%m-%d}/{shop}.csv"
    )
    found = World(tmp_path, ps.Pipeline("shop", trigger=trigger, source=FORM))
    for day in ("2026-03-01", "2026-03-02", "2026-03-03"):
        for shop in ("leeds", "york"):
            found.landing.store(f"{day} {shop}".encode(), f"landing/day={day}/{shop}.csv")
    found.turn()
    return found


def test_a_firing_submits_the_files_of_its_day(daily):
    daily.turn(14 * HOUR)  # 06:00 on 2 March in Singapore
    assert daily.addresses() == ["landing/day=2026-03-01/leeds.csv", "landing/day=2026-03-01/york.csv"]
    assert daily.ledger.current(Slot("shop", daily.addresses()[0])).parts == {"day": "2026-03-01", "shop": "leeds"}


def test_a_late_firing_submits_its_own_day_and_not_todays(daily):
    daily.now += 2 * DAY
    for _ in range(3):
        daily.turn()
    assert len(daily.ledger.firings()) == 2
    assert {address.split("/")[1] for address in daily.addresses()} == {"day=2026-03-01", "day=2026-03-02"}


def test_a_day_without_files_is_no_change(daily):
    daily.ledger.fire_by_hand("shop", datetime(2020, 1, 1, tzinfo=UTC), daily.now)
    daily.turn()
    assert daily.states() == [FiringState.UNCHANGED]


def test_the_files_of_a_day_twice_are_accepted_once(daily):
    daily.turn(14 * HOUR)
    daily.ledger.fire_by_hand("shop", NOW + 14 * HOUR, daily.now)
    daily.turn()
    assert daily.states() == [FiringState.DONE, FiringState.UNCHANGED]
