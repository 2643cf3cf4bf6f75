"""Generations with several inputs: each input passes its part of the plan alone, then wide steps see them together.

The inputs are read in their declared order, so that only one is in memory; what wide steps read of them is kept. Where
an input's rows begin in a slot's range is known when the inputs before it have been read.

Small deliveries are worked on together: planning costs more than their rows. Where something is wrong with one of
them, the group is halved until that one stands alone, and what is said of it is what would have been said anyway. A
long delivery is alone from the beginning.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from penstock.adapters.duckdb import waits
from penstock.adapters.duckdb.engine import DuckEngine, Preparing
from penstock.adapters.duckdb.feeding import SMALL
from penstock.adapters.duckdb.partners import Partners
from penstock.adapters.duckdb.session import Resources
from penstock.adapters.duckdb.shares import Apart, Share, extracted
from penstock.adapters.duckdb.tally import Tally
from penstock.adapters.duckdb.whole import find_late, late_relations, rejects_late
from penstock.adapters.duckdb.wide import Wide
from penstock.compile.plan import Plan
from penstock.errors import DataError, RefusedFile
from penstock.model.faults import point
from penstock.model.rows import SLOT
from penstock.model.runs import Portion, Result
from penstock.model.slots import Member, Standing
from penstock.runtime.ports import Earlier, Preparation, Prepared

TOGETHER = 100
"""So many deliveries share what planning costs; more would gain nothing."""
_LONG = SMALL * 16
_ROW_BYTES = 200
"""What a row of a table is taken to weigh."""


class Several:
    """One attempt's way through generations with several inputs."""

    def __init__(self, engine: DuckEngine, resources: Resources, work: Preparation) -> None:
        self.engine, self.resources, self.work = engine, resources, work
        self.files = itertools.count()
        self.whole = Preparing(engine, resources, work, files=self.files)
        self.whole.lane.name_slots(self.whole.tallies.values())
        self.session, self.tallies = self.whole.session, self.whole.tallies
        self._blocks = itertools.count(1)
        self._quarantines = [self.whole.lane.quarantine]
        self._read = 0

    def close(self) -> None:
        self.whole.close()

    def run(self) -> Prepared:
        """See `penstock.runtime.ports.Engine`."""
        self.whole.staging.begin()
        self.whole.lane.quarantine.begin()
        results: dict[int, Result] = {}
        for group in groups(list(self.tallies.values()), self.work.plan, self.whole.refusals.of):
            results |= self._worked(group)
        point("prepare.before_durable")
        for quarantine in self._quarantines:
            quarantine.finish()
        staged = self.whole.staging.finish([table.spec.name for table in self.work.plan.tables])
        point("prepare.after_durable")
        return Prepared(tuple(results[ordinal] for ordinal in self.tallies), staged)

    # --- a group -------------------------------------------------------------------------------------------------

    def _worked(self, group: list[Tally]) -> dict[int, Result]:
        """What became of each delivery, by ordinal."""
        mark, read, shares = self.whole.staging.mark(), self._read, list[Share]()
        apart = False
        try:
            self._through(group, shares)
        except Apart:
            apart = True
        except DataError as error:
            if error.exit_code == 1:
                raise
            group[0].end(Standing.REFUSED, error)
        apart = apart or (len(group) > 1 and not all(tally.good for tally in group))
        self._settle(group, shares, mark, apart=apart)
        for tally in group if not apart else ():
            self.whole.refusals.close(tally)
        if not apart:
            return {tally.ordinal: _result(tally, [share.of(tally) for share in shares]) for tally in group}
        self._read, again, half = read, [tally.blank() for tally in group], len(group) // 2
        return self._worked(again[:half]) | self._worked(again[half:])

    def _settle(self, group: list[Tally], shares: list[Share], mark: int, *, apart: bool) -> None:
        """Let go of what is not needed any more, and of all that will not be loaded."""
        if apart or not group[0].good:
            self.whole.staging.rollback(mark)
        if apart or group[0].standing is Standing.REFUSED:
            for share in shares:
                share.preparing.lane.quarantine.rollback(0)
        for share in shares:
            share.clear()
        self.session.run("DELETE FROM main._late")
        self.session.run(f"DELETE FROM main._slots WHERE ordinal >= {len(self.tallies)}")

    def _through(self, group: list[Tally], shares: list[Share]) -> None:
        plan, waiting = self.work.plan, self._waiting(group)
        if waiting:
            waits.begin(self.session)
            waits.remember(self.session, self._earlier(group))
        for member in plan.members:
            shares.append(self._share(group, member))  # noqa: PERF401 - those before one that fails are settled
        late = waiting or any(rejects_late(share.preparing.plan) for share in shares)
        if late:
            self._look(group, shares)
            self._match(group, shares)
            for share in shares:
                share.preparing.late, share.preparing.lanes = True, 1
        offsets = dict.fromkeys((tally.ordinal for tally in group), 0)
        for share in shares:
            if not late:
                share.place(offsets)
            self._carry(share)
            for tally in group:
                mine = share.of(tally)
                offsets[tally.ordinal] += mine.lines + 1
                tally.standing, tally.error = mine.standing, mine.error
            if not all(tally.good for tally in group):
                return
        Wide(self.whole.lane).run(group, _together(shares))

    def _waiting(self, group: list[Tally]) -> bool:
        """Whether rows may wait for anything. What a destination has refused of a delivery leaves it alone."""
        return bool(self.work.plan.matches) or self.whole.refusals.of(group[0])

    def _earlier(self, group: list[Tally]) -> dict[int, tuple[str, Earlier]]:
        """By ordinal, with the slot's address: what deliveries have set aside before."""
        addresses = {tally.generation.slot.address: tally.ordinal for tally in group}
        return {addresses[name]: (name, found) for name, found in self.work.earlier.items() if name in addresses}

    def _look(self, group: list[Tally], shares: list[Share]) -> None:
        """Find the rows that only whole inputs can reject, in a pass of their own."""
        offsets, waiting = dict.fromkeys((tally.ordinal for tally in group), 0), self._waiting(group)
        refusals = self.whole.refusals
        for share in shares:
            share.place(offsets)
            preparing = share.preparing
            relations = late_relations(preparing.plan) | preparing.plan.sought
            if waiting:
                relations |= {preparing.plan.relation} | refusals.relations(preparing.plan)
            with share.concerning():
                share.seen = share.shelf("seen", relations)
                preparing.look(share.counted(), share.tallies, share.seen, rejected=waiting)
                if rejects_late(preparing.plan):
                    find_late(self.session, preparing.plan, share.seen.sources(), share.tallies)
                if refusals.of(group[0]):
                    mine = share.of(group[0])
                    last = share.lines.get(mine.ordinal, 0)
                    refusals.find(mine, preparing.plan, share.seen.sources(), key=group[0].ordinal, last=last)
            for tally in group:
                offsets[tally.ordinal] += share.lines.get(share.first + tally.ordinal, 0) + 1

    def _match(self, group: list[Tally], shares: list[Share]) -> None:
        """Find the rows that have no partner in another input of their delivery."""
        plan = self.work.plan
        if not self._waiting(group):
            return
        sources = {name: origin for share in shares if share.seen for name, origin in share.seen.sources().items()}
        plans = {share.preparing.plan.relation: share.preparing.plan for share in shares}
        partners = Partners(self.session, plan, sources, plans, keys=len(self.tallies))
        partners.judge(self._earlier(group))
        refused = self.whole.refusals.of(group[0])
        tallies = {tally.ordinal: tally for tally in group}
        for member in plans:
            for ordinal, counts in partners.retries(member, refused=refused).items():
                tallies[ordinal].retries.update(counts)

    def _carry(self, share: Share) -> None:
        with share.concerning():
            share.preparing.carry(share.parts(), share.tallies)
        self._read += sum(tally.read for tally in share.tallies.values())

    # --- inputs --------------------------------------------------------------------------------------------------

    def _share(self, group: list[Tally], plan: Plan) -> Share:
        first = next(self._blocks) * len(self.tallies)
        members = {first + tally.ordinal: _members(tally, plan) for tally in group}
        tallies = {
            first + tally.ordinal: Tally(tally.generation, first + tally.ordinal, tally.hard, member=found[0])
            for tally, found in zip(group, members.values(), strict=True)
        }
        resources = replace(self.resources, scratch=self.resources.scratch / f"input-{first}")
        engine, extract = self.engine, None
        if plan.source.reads_table:
            readers, folder = list(members.values()), resources.scratch / "landing"
            engine, plan, extract = extracted(engine, plan, readers, self.session, folder)
            for tally in tallies.values():
                tally.member = extract.member(plan.relation)
        work = replace(self.work, plan=plan, inputs=(), progress=self._progress)
        preparing = Preparing(engine, resources, work, self.session, self.files)
        preparing.tallies.update(tallies)
        preparing.staging = preparing.lane.staging = self.whole.staging
        self._quarantines.append(preparing.lane.quarantine)
        small = len(group) > 1 or (extract is not None and weight(group[0], self.work.plan) <= SMALL)
        share = Share(preparing, first, tallies, extract, small)
        preparing.lane.good = share.good = share.shelf("good", set(plan.spilled))
        return share

    def _progress(self, read: int) -> None:
        self.work.progress(self._read + read)


def groups(
    tallies: Sequence[Tally], plan: Plan, alone: Callable[[Tally], bool] = lambda _: False
) -> Iterator[list[Tally]]:
    """Deliveries that are worked on together, in order: many small ones, or a long one alone, or one that must be."""
    group: list[Tally] = []
    room = 0
    for tally in tallies:
        size = _LONG if alone(tally) else weight(tally, plan)
        if group and (len(group) == TOGETHER or size > room):
            yield group
            group = []
        room = (room if group else SMALL * 8) - size
        group.append(tally)
    if group:
        yield group


def weight(tally: Tally, plan: Plan) -> int:
    """About how many bytes must be read for a delivery; more than any group has room for where they cannot be told,
    or where it must be read in parts."""
    whole = {item.relation for item in plan.members if item.source.reads_table or item.source.format != "parquet"}
    sizes = [_bytes(member) for member in tally.generation.members]
    if any(size > SMALL for size in sizes) or any(member.name not in whole for member in tally.generation.members):
        return _LONG
    return sum(sizes)


def _bytes(member: Member) -> int:
    return member.content.size * (_ROW_BYTES if member.pipeline else 1)


def _members(whole: Tally, plan: Plan) -> list[Member]:
    """What a delivery has of an input."""
    found = [member for member in whole.generation.members if member.name == plan.relation]
    if not found:
        raise RefusedFile(
            f"the delivery has no {plan.relation!r}",
            why="it was accepted when the pipeline had other sources",
            fix="deliver its files again, or fill it in with penstock backfill",
        )
    return found


def _together(shares: list[Share]) -> dict[str, str]:
    """What was kept of all inputs, as rows of the deliveries."""
    kept = [(share.first, share.good.sources()) for share in shares if share.good]
    return {
        name: f"(SELECT * REPLACE (({SLOT} - {first})::INTEGER AS {SLOT}) FROM {origin})"
        for first, sources in kept
        for name, origin in sources.items()
    }


def _result(whole: Tally, parts: list[Tally]) -> Result:
    """The generation's account: the sum of its inputs', each of which balances unless reading ended early."""
    for tally in parts:
        tally.standing = whole.standing
    portions = tuple(
        Portion(tally.member.name if tally.member else "", tally.fates(), tally.offset, tally.lines + 1)
        for tally in parts
    )
    for tally in parts:
        whole.read, whole.kept = whole.read + tally.read, whole.kept + tally.kept
        whole.filtered, whole.deduplicated = whole.filtered + tally.filtered, whole.deduplicated + tally.deduplicated
        whole.quarantined += tally.quarantined
        for mine, its in (
            (whole.reasons, tally.reasons),
            (whole.warnings, tally.warnings),
            (whole.rows, tally.rows),
            (whole.checksums, tally.checksums),
            (whole.digests, tally.digests),
        ):
            mine.update(its)
    whole.lines = sum(portion.span for portion in portions) - 1
    return replace(whole.result(), portions=portions)
