"""Which staged rows of a table go in, after its write disposition has had its say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from penstock.adapters.staged import Reader, Survey, owned, partition_key
from penstock.compile.sql import quote_identifier
from penstock.errors import DestinationError
from penstock.model.loads import Holder, Verdict, partition_holders, shares, successor
from penstock.model.tables import Mode, TableLoad


@dataclass(frozen=True, slots=True)
class Held:
    """Whose rows a table holds, where its mode makes that a question."""

    table: Holder | None = None
    partitions: Mapping[str, Holder] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Choice:
    """The staged rows of one table that go in, and the rows of others that give way to them."""

    survey: Survey
    counts: Mapping[int, int]
    """Rows that go in, by ordinal of the change."""
    where: str = ""
    """Over staged rows and `change`; empty when every row goes in."""
    holder: Holder | None = None
    """Mode `replace`: the holder from now on."""
    clears: bool = False
    """Mode `replace`: all rows that are there go first."""
    partitions: Mapping[str, Holder] = field(default_factory=dict)
    """Mode `partition`: partitions that change hands or are written again, with their holders from now on."""
    cleared: tuple[str, ...] = ()
    """Mode `partition`: those whose rows of another slot go first."""

    @property
    def table(self) -> TableLoad:
        return self.survey.table

    @property
    def rows(self) -> int:
        return sum(self.counts.values())

    def query(self, rows: str, columns: str) -> str:
        """The chosen ones of some staged rows, as these columns."""
        if not self.where:
            return f"SELECT {columns} FROM {rows}"
        return f"SELECT {columns} FROM {owned(rows, self.table)} WHERE {self.where}"


def choose(reader: Reader, survey: Survey, verdict: Verdict, held: Held) -> Choice:
    """Decide about one table's staged rows. Raises `DestinationError` when they are not as many as were staged."""
    _complete(survey)
    mode = survey.table.spec.mode
    if mode is Mode.REPLACE:
        choice = _newest(survey, verdict, held)
    elif mode is Mode.PARTITION:
        choice = _newest_partitions(reader, survey, verdict, held)
    else:
        counts = {change: rows for change, rows in survey.counts.items() if change >= 0}
        choice = Choice(survey, counts, "change >= 0" if -1 in survey.counts else "")
    if choice.where:
        reader.share(shares(verdict))
    return choice


def _complete(survey: Survey) -> None:
    found, staged = sum(survey.counts.values()), survey.table.rows
    if found != staged:
        raise DestinationError(
            "the staged files are not what they were",
            at=f"table {survey.table.spec.name}",
            why=f"{staged} rows were staged, {found} are there",
            fix="run it again with --reload",
        )


def _newest(survey: Survey, verdict: Verdict, held: Held) -> Choice:
    number, holder = successor(verdict, held.table)
    counts = {number: survey.counts.get(number, 0)} if number >= 0 else {}
    where = "" if set(survey.counts) <= {number} else f"change = {number}"
    clears = number >= 0 and (held.table is None or held.table.slot != verdict.changes[number].slot)
    return Choice(survey, counts, where, holder, clears)


def _newest_partitions(reader: Reader, survey: Survey, verdict: Verdict, held: Held) -> Choice:
    reader.share(shares(verdict))
    brought = reader.partitions(survey.table)
    winners = partition_holders(((key, change) for key, change, _ in brought), verdict, held.partitions)
    counts: dict[int, int] = {}
    for key, change, rows in brought:
        if key in winners and winners[key][0] == change:
            counts[change] = counts.get(change, 0) + rows
    allowed = f"allowed_{survey.table.spec.name}"
    reader.allow(allowed, ((key, change) for key, (change, _) in winners.items()))
    where = f"({partition_key(survey.table)}, change) IN (SELECT (key, change) FROM {quote_identifier(allowed)})"
    holders = {key: holder for key, (_, holder) in winners.items()}
    others = tuple(key for key, holder in holders.items() if not _own(held.partitions.get(key), holder))
    return Choice(survey, counts, where, partitions=holders, cleared=others)


def _own(before: Holder | None, after: Holder) -> bool:
    return before is not None and before.slot == after.slot
