"""Runs: one execution over one or more generations of a pipeline, in stages, with attempts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from penstock.model.fates import Fates
from penstock.model.refusals import NOTHING, Aside, Refused
from penstock.model.slots import OPEN, Generation, Slot, Standing

Reached = Mapping[str, Mapping[str, int]]
"""Rows by address and table that one destination holds already, while another does not answer."""


class Stage(StrEnum):
    """What a run does next. The boundary behind each stage is durable: a crash resumes from the last one."""

    CATALOG = "catalog"
    """Only where a pipeline asks for it: the catalog learns what lies in the landing zone."""
    PREPARE = "prepare"
    TEST = "test"
    """Only where a step has a boundary: what that step made is staged, and the rest of `prepare` is to come."""
    LOAD = "load"
    PUBLISH = "publish"


STAGES = (Stage.CATALOG, Stage.PREPARE, Stage.TEST, Stage.LOAD, Stage.PUBLISH)
KEPT = "_kept"
"""The name under which a run's staged things hold what lies behind a step's boundary."""


class RunState(StrEnum):
    """`waiting` has a next attempt and a time for it; the last five are final, except that a person may release
    what is `suspended` and redrive what is `dead`."""

    RUNNING = "running"
    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    SUSPENDED = "suspended"
    FAILED = "failed"
    DEAD = "dead"

    @property
    def final(self) -> bool:
        return self not in (RunState.RUNNING, RunState.WAITING)


@dataclass(frozen=True, slots=True)
class Portion:
    """One input's part of a result: its own account, and where its rows begin in the slot's range."""

    name: str
    fates: Fates
    offset: int
    span: int


@dataclass(frozen=True, slots=True)
class Result:
    """What one run has found out about one of its generations; grows stage by stage."""

    slot: Slot
    number: int
    standing: Standing = Standing.ACCEPTED
    fates: Fates = field(default_factory=Fates)
    span: int = 0
    """How many row identities the slot's range covers (physical lines + 1)."""
    reasons: Mapping[str, int] = field(default_factory=dict)
    """Rejected rows by rule or reason; a row with two reasons counts under both."""
    warnings: Mapping[str, int] = field(default_factory=dict)
    rows: Mapping[str, int] = field(default_factory=dict)
    """Rows by table: staged after `prepare`, loaded after `load`."""
    checksums: Mapping[str, int] = field(default_factory=dict)
    """The sum of the staged row identities by owned table: tells a lost and a doubled row from none."""
    error: Mapping[str, str] | None = None
    portions: tuple[Portion, ...] = ()
    """Of a generation with several inputs: each input's part, in order."""
    digests: Mapping[str, str] = field(default_factory=dict)
    """A digest of the staged rows of each table that another pipeline reads."""
    retries: Mapping[str, int] = field(default_factory=dict)
    """Rows that are tried again by themselves: `healed` (they waited before), `waiting` (they do now), `parked`."""
    reached: Mapping[str, int] = field(default_factory=dict)
    """Rows by table that one destination holds already, while another does not answer."""
    aside: Aside = NOTHING
    """Rows that a destination refused."""


@dataclass(frozen=True, slots=True)
class Staged:
    """One table's rows as `prepare` left them: Parquet files with the table's columns and the row identity."""

    table: str
    files: tuple[str, ...]
    columns: tuple[tuple[str, str], ...]
    """Name and canonical type, in order."""
    rows: int


@dataclass(frozen=True, slots=True)
class Run:
    """A claim's unit of work. `epoch` grows with every claim; a transition under an older epoch is refused."""

    id: str
    pipeline: str
    generations: tuple[Generation, ...]
    created_at: datetime
    stage: Stage = Stage.PREPARE
    state: RunState = RunState.RUNNING
    attempt: int = 1
    """Grows with every claim and never starts again: no two attempts share a staging path. 0 before the first."""
    first_attempt: int = 1
    """The attempt with which the present round began: whoever redrives or releases a run begins a new one."""
    epoch: int = 1
    deaths: int = 0
    """How many workers have vanished while they held it, since its last boundary."""
    worker: str = ""
    lease_until: datetime | None = None
    retry_at: datetime | None = None
    run_time: datetime | None = None
    """`ps.run_time`: recorded with the first attempt, the same in every later one."""
    fingerprint: str = ""
    """The definition under which the staged rows were made."""
    staged: tuple[Staged, ...] = ()
    staged_attempt: int = 0
    results: tuple[Result, ...] = ()
    error: Mapping[str, str] | None = None
    finished_at: datetime | None = None
    tries: Mapping[str, int] = field(default_factory=dict)
    """How often each stage was attempted."""
    parent: str = ""
    """The run that was bisected into this one."""
    refused: tuple[Refused, ...] = ()
    """What destinations would not take: what is prepared leaves these rows out."""
    revision: int = 0
    """How often what was prepared has given way to other rows of the same generations."""

    @property
    def open(self) -> tuple[Generation, ...]:
        """The generations that still have a way to go in this run."""
        return tuple(item for item in self.generations if item.standing in OPEN and item.run == self.id)

    @property
    def kept(self) -> Staged | None:
        """What a step with a boundary left, once it has."""
        return next((item for item in self.staged if item.table == KEPT), None)

    @property
    def fates(self) -> Fates:
        each = [result.fates for result in self.results]
        return Fates(*(sum(getattr(fates, fate) for fates in each) for fate in Fates.__slots__))

    @property
    def loaded(self) -> dict[str, int]:
        """Rows by table over all generations that were loaded, be it to some of their destinations alone."""
        totals: dict[str, int] = {}
        for result in self.results:
            held = result.rows if result.standing is Standing.LOADED else result.reached
            for table, rows in held.items():
                totals[table] = totals.get(table, 0) + rows
        return totals

    @property
    def retries(self) -> dict[str, int]:
        """Rows by what became of their waiting, over all generations: see `Result.retries`."""
        totals: dict[str, int] = {}
        for result in self.results:
            for word, rows in result.retries.items():
                totals[word] = totals.get(word, 0) + rows
        return totals

    @property
    def rounds(self) -> int:
        """How often destinations have refused rows since it left out none."""
        return max((item.round for item in self.refused), default=0)

    def result(self, slot: Slot) -> Result | None:
        return next((result for result in self.results if result.slot == slot), None)
