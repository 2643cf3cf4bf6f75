"""What a rule is once it is read: single rules, and combinations of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from penstock.authoring.conditions import Condition, quoted, raw_text

Level = Literal["row", "key", "slot"]


@dataclass(frozen=True, slots=True)
class Kind:
    """A rule type: how many columns it takes, which condition, and what it judges.

    `row` kinds judge each row by itself; `key` kinds judge a delivery, but name the rows that fail; `slot` kinds judge
    a delivery as a whole.
    """

    name: str
    level: Level
    least: int = 1
    most: int = 1
    condition: Literal["", "values", "number", "count", "ratio", "duration"] = ""
    where: bool = True


MANY = 1000

KINDS = {
    kind.name: kind
    for kind in (
        Kind("IsComplete", "row"),
        Kind("ColumnValues", "row", condition="values"),
        Kind("ColumnLength", "row", condition="count"),
        Kind("DataFreshness", "row", condition="duration"),
        Kind("Sql", "row", least=0, most=0),
        Kind("IsUnique", "key", most=MANY),
        Kind("IsPrimaryKey", "key", most=MANY),
        Kind("Completeness", "slot", condition="ratio"),
        Kind("Uniqueness", "slot", most=MANY, condition="ratio"),
        Kind("UniqueValueRatio", "slot", condition="ratio"),
        Kind("DistinctValuesCount", "slot", condition="count"),
        Kind("RowCount", "slot", least=0, most=0, condition="count"),
        Kind("ColumnCount", "slot", least=0, most=0, condition="count", where=False),
        Kind("ColumnExists", "slot", where=False),
        Kind("Mean", "slot", condition="number"),
        Kind("Sum", "slot", condition="number"),
        Kind("StandardDeviation", "slot", condition="number"),
        Kind("Entropy", "slot", condition="number"),
    )
}
"""Every rule type that Penstock knows; `docs/reference/checks.md` describes each."""

ELSEWHERE = frozenset((
    "AggregateMatch", "AllStatistics", "ColumnCorrelation", "ColumnDataType", "ColumnNamesMatchPattern", "CustomSql",
    "DatasetMatch", "DetectAnomalies", "FileFreshness", "FileMatch", "FileSize", "FileUniqueness",
    "ReferentialIntegrity", "RowCountMatch", "SchemaMatch", "Variance",
))  # fmt: skip
"""DQDL's other rule types, which AWS Glue has and Penstock has not."""


@dataclass(frozen=True, slots=True)
class Single:
    """One rule. `predicate` is the SQL of a `Sql` rule, `where` that of a filter."""

    kind: str
    named: tuple[str, ...] = ()
    condition: Condition | None = None
    predicate: str = ""
    where: str = ""
    threshold: Condition | None = None

    @property
    def text(self) -> str:
        """The rule as DQDL, in one form however it was written."""
        parts = [self.kind, *map(quoted, self.named)]
        parts += [raw_text(self.predicate)] if self.predicate else []
        parts += [self.condition.text] if self.condition else []
        parts += [f"where {raw_text(self.where)}"] if self.where else []
        parts += [f"with threshold {self.threshold.text}"] if self.threshold else []
        return " ".join(parts)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it reads; empty when it may read any, because it holds SQL, or reads none."""
        return () if self.where or self.predicate else self.named

    @property
    def level(self) -> Level:
        return KINDS[self.kind].level

    @property
    def scope(self) -> Literal["row", "slot"]:
        """Whether each row is judged by itself, or the whole delivery at once."""
        return "row" if self.level == "row" and self.threshold is None else "slot"

    @property
    def names_rows(self) -> bool:
        """Whether it can say which rows fail."""
        return self.level != "slot"

    @property
    def singles(self) -> tuple[Single, ...]:
        return (self,)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Combined:
    """Rules joined by `and` or `or`."""

    operator: Literal["and", "or"]
    parts: tuple[Rule, ...]

    @property
    def text(self) -> str:
        """The rule as DQDL: each part in parentheses."""
        return f" {self.operator} ".join(f"({part.text})" for part in self.parts)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it reads; empty when it may read any."""
        known = [part.columns for part in self.singles]
        return tuple(dict.fromkeys(name for names in known for name in names)) if all(known) else ()

    @property
    def scope(self) -> Literal["row", "slot"]:
        """Rows are judged one by one only if every part judges rows."""
        return "row" if all(part.scope == "row" for part in self.parts) else "slot"

    @property
    def names_rows(self) -> bool:
        """Whether it can say which rows fail."""
        return self.scope == "row"

    @property
    def singles(self) -> tuple[Single, ...]:
        """The rules that it is made of, from left to right."""
        return tuple(single for part in self.parts for single in part.singles)

    def __str__(self) -> str:
        return self.text


Rule = Single | Combined
