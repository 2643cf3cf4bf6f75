"""Records as rows, and rows as records. Both ways read like the tables of `migrations`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from penstock.model.events import Event
from penstock.model.fates import Fates
from penstock.model.refusals import Aside, Refused
from penstock.model.runs import Portion, Result, Run, RunState, Stage, Staged
from penstock.model.slots import Content, Generation, Kind, Member, Slot, Standing

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

KINDS = {kind.value: kind for kind in Kind}
STANDINGS = {standing.value: standing for standing in Standing}

GENERATION = (
    "g.number, g.kind, g.sequence, g.accepted_at, g.sha256, g.size, g.version, g.parts, g.cause, g.fingerprint,"
    " g.hard, g.lines, g.fixes, g.heals, g.standing, g.run, g.vector, g.run_time"
)
"""The columns that `generation` reads, in its order."""

RUN = (
    "r.id, r.pipeline, r.parent, r.created_at, r.run_time, r.stage, r.state, r.attempt, r.first_attempt, r.epoch,"
    " r.deaths, r.worker, r.due, r.fingerprint, r.staged_attempt, r.error, r.finished_at, r.tries, r.revision"
)
"""The columns that `run` reads, in its order."""

# `default=dict`: a mapping of any other kind is written as an object.
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False, default=dict).encode
Found = Sequence[Any]
"""A result as it is kept, without its place."""

_read = json.JSONDecoder().raw_decode


def _decode(text: str) -> Any:
    """What `_encode` wrote: without the search for blanks around it, which costs more than the reading."""
    return _read(text)[0]


@lru_cache(maxsize=1024)
def instant(moment: datetime) -> int:
    """Microseconds since 1970-01-01 UTC."""
    return (moment - EPOCH) // MICROSECOND


@lru_cache(maxsize=1024)
def moment(instant: int) -> datetime:
    """The instant so many microseconds after 1970-01-01 UTC."""
    return EPOCH + timedelta(microseconds=instant)


def _maybe_instant(value: datetime | None) -> int | None:
    return None if value is None else instant(value)


def _maybe_moment(value: int | None) -> datetime | None:
    return None if value is None else moment(value)


# --- generations -------------------------------------------------------------------------------------------------


def generation(slot: Slot, row: Sequence[Any]) -> Generation:
    """A row of `GENERATION`."""
    (
        number, kind, sequence, accepted_at, sha256, size, version, parts, cause, fingerprint,
        hard, lines, fixes, heals, standing, run, vector, run_time,
    ) = row  # fmt: skip
    return Generation(
        slot,
        number,
        KINDS[kind],
        sequence,
        moment(accepted_at),
        None if sha256 is None else Content(sha256, size, version),
        _decode(parts),
        cause,
        fingerprint,
        None if hard is None else bool(hard),
        () if lines is None else tuple(_decode(lines)),
        fixes,
        heals,
        STANDINGS[standing],
        run or "",
        () if vector is None else members_of(vector),
        None if run_time is None else moment(run_time),
    )


def generation_row(slot: int, item: Generation, queue: str | None) -> tuple[Any, ...]:
    """A new row of `generations`, without its id."""
    content = item.content
    return (
        slot,
        item.number,
        str(item.kind),
        item.sequence,
        instant(item.accepted_at),
        content and content.sha256,
        content and content.size,
        content and content.version,
        _encode(item.parts) if item.parts else "{}",
        item.cause,
        item.fingerprint,
        item.hard,
        _encode(item.lines) if item.lines else None,
        item.fixes,
        item.heals,
        str(item.standing),
        item.run or None,
        queue,
        vector_text(item.members),
        None if item.run_time is None else instant(item.run_time),
    )


def vector_text(members: Sequence[Member]) -> str | None:
    """The inputs of a generation that has several."""
    return _encode([(m.name, m.address, m.pipeline, *_content(m)) for m in members]) if members else None


def _content(member: Member) -> tuple[str, int, str]:
    return member.content.sha256, member.content.size, member.content.version


def members_of(vector: str) -> tuple[Member, ...]:
    """The inputs again."""
    return tuple(member(*found) for found in _decode(vector))


def member(name: str, address: str, pipeline: str, sha256: str, size: int, version: str) -> Member:
    """A row of `marks`."""
    return Member(name, address, Content(sha256, size, version), pipeline)


def mark_row(item: Member) -> tuple[Any, ...]:
    """A member as a row of `marks`, without its key."""
    return (item.name, item.address, item.pipeline, *_content(item))


def parts_text(parts: Mapping[str, str]) -> str:
    """A key's parts."""
    return _encode(parts)


def parts_of(text: str) -> dict[str, str]:
    """The parts again."""
    return dict(_decode(text))


# --- runs --------------------------------------------------------------------------------------------------------


def run(row: Sequence[Any], generations: tuple[Generation, ...], staged: str, results: str, refused: str) -> Run:
    """A row of `RUN`, with its generations and its bulk."""
    (
        name, pipeline, parent, created_at, run_time, stage, state, attempt, first_attempt, epoch,
        deaths, worker, due, fingerprint, staged_attempt, error, finished_at, tries, revision,
    ) = row  # fmt: skip
    running = state == RunState.RUNNING
    return Run(
        id=name,
        pipeline=pipeline,
        generations=generations,
        created_at=moment(created_at),
        stage=Stage(stage),
        state=RunState(state),
        attempt=attempt,
        first_attempt=first_attempt,
        epoch=epoch,
        deaths=deaths,
        worker=worker,
        lease_until=_maybe_moment(due) if running else None,
        retry_at=None if running else _maybe_moment(due),
        run_time=_maybe_moment(run_time),
        fingerprint=fingerprint,
        staged=_staged(staged),
        staged_attempt=staged_attempt,
        results=results_of(results, generations),
        error=None if error is None else _decode(error),
        finished_at=_maybe_moment(finished_at),
        tries=_decode(tries),
        parent=parent or "",
        refused=() if refused == "[]" else tuple(Refused(*item) for item in _decode(refused)),
        revision=revision,
    )


def run_row(item: Run) -> tuple[Any, ...]:
    """What changes of a row of `runs`."""
    return (
        str(item.stage),
        str(item.state),
        item.attempt,
        item.first_attempt,
        item.epoch,
        item.deaths,
        item.worker,
        _maybe_instant(item.lease_until if item.state is RunState.RUNNING else item.retry_at),
        item.fingerprint,
        item.staged_attempt,
        None if item.error is None else _encode(item.error),
        _maybe_instant(item.finished_at),
        _encode(item.tries),
        item.revision,
    )


def run_origin(item: Run) -> tuple[Any, ...]:
    """What never changes of a row of `runs`."""
    return (item.id, item.pipeline, item.parent or None, instant(item.created_at), _maybe_instant(item.run_time))


def refused_text(refused: Sequence[Refused]) -> str:
    """What destinations would not take of a run."""
    return _encode([(item.slot, item.row, item.table, item.reason, item.mark, item.round) for item in refused])


def aside_text(aside: Aside) -> str:
    """Rows that wait."""
    return _encode((aside.lines, aside.parked, aside.whole, aside.tries))


def aside_of(text: str) -> Aside:
    """They again."""
    return _aside(*_decode(text))


def _aside(lines: Sequence[int], parked: Sequence[int], whole: bool, tries: int) -> Aside:  # noqa: FBT001 - a record
    return Aside(tuple(lines), tuple(parked), whole, tries)


def members_text(members: Sequence[tuple[int, int]]) -> str:
    """The slots (by id) and numbers of a run's generations."""
    return _encode(members)


def staged_text(staged: Sequence[Staged]) -> str:
    """What a run has staged."""
    return _encode([(item.table, item.files, item.columns, item.rows) for item in staged])


def _staged(text: str) -> tuple[Staged, ...]:
    if text == "[]":
        return ()
    return tuple(
        Staged(table, tuple(files), tuple((name, kind) for name, kind in columns), rows)
        for table, files, columns, rows in _decode(text)
    )


def results_text(results: Sequence[Result], generations: Sequence[Generation]) -> str:
    """Results by the place of their generation in the run."""
    places = {item.slot.address: place for place, item in enumerate(generations)}
    return _encode(
        [
            (
                places[item.slot.address],
                str(item.standing),
                _fates_row(item.fates),
                item.span,
                item.reasons,
                item.warnings,
                item.rows,
                item.checksums,
                item.error,
                *_more(item),
            )
            for item in results
        ]
    )


_NOTHING_MORE: tuple[Any, ...] = ((), {}, {}, {}, ((), (), False, 1))
"""What `_more` says of most results; older ledgers know less of it."""


def _more(item: Result) -> tuple[Any, ...]:
    """What most results do not have."""
    if not (item.portions or item.digests or item.reached or item.retries or item.aside):
        return ()
    portions = [(each.name, _fates_row(each.fates), each.offset, each.span) for each in item.portions]
    more = (portions, item.digests, item.reached, item.retries)
    aside = item.aside
    return (*more, (aside.lines, aside.parked, aside.whole, aside.tries)) if aside else more


def _fates_row(fates: Fates) -> tuple[int, ...]:
    return (fates.read, fates.kept, fates.filtered, fates.deduplicated, fates.quarantined)


def results_of(text: str, generations: Sequence[Generation]) -> tuple[Result, ...]:
    """The results of a run over these generations."""
    if text == "[]":
        return ()
    return tuple(result(generations[place], found) for place, *found in _decode(text))


def found_of(members: str, results: str) -> dict[tuple[int, int], Found]:
    """What a run found out, by slot (its id) and number: less work than the run itself."""
    keys = _decode(members)
    return {tuple(keys[place]): found for place, *found in _decode(results)}


def result(item: Generation, found: Found) -> Result:
    """What a run found out about a generation."""
    standing, fates, span, reasons, warnings, rows, checksums, error, *more = found
    portions, digests, reached, retries, aside = (*more, *_NOTHING_MORE[len(more) :])
    return Result(
        slot=item.slot,
        number=item.number,
        standing=STANDINGS[standing],
        fates=Fates(*fates),
        span=span,
        reasons=reasons,
        warnings=warnings,
        rows=rows,
        checksums=checksums,
        error=error,
        portions=tuple(Portion(name, Fates(*each), offset, span) for name, each, offset, span in portions),
        digests=digests,
        reached=reached,
        retries=retries,
        aside=_aside(*aside),
    )


# --- events ------------------------------------------------------------------------------------------------------


def block(events: Sequence[Event]) -> str:
    """Events that are committed together."""
    return _encode([(item.type, item.source, item.subject, instant(item.time), item.data) for item in events])


def events(block: str, first: int) -> Iterator[Event]:
    """The events of a block, the first of which has this sequence."""
    for sequence, (kind, source, subject, time, data) in enumerate(_decode(block), first):
        yield Event(kind, source, subject, moment(time), data, sequence)


def json_list(values: Sequence[Any] | None) -> str | None:
    """Bound where a statement asks for `json_each`; NULL stands for all."""
    return None if values is None else _encode(list(values))
