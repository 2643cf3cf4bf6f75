"""Checks: a rule about a relation, and what happens when it fails."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from penstock.authoring.parser import parse
from penstock.authoring.tree import KINDS, Combined, Rule, Single
from penstock.errors import RuleError, nearest

__all__ = ["KINDS", "CheckSpec", "Combined", "Rule", "Severity", "Single", "check", "parse_rule"]


class Severity(StrEnum):
    """What a failing check does.

    `quarantine` puts the failing rows aside (and suspends the run of a `hard` pipeline); `warn` loads them and
    reports; `stop` ends the run of that delivery.
    """

    QUARANTINE = "quarantine"
    WARN = "warn"
    STOP = "stop"


def parse_rule(text: str, *, at: str = "") -> Rule:
    """Read one rule. Raises `RuleError`, whose `why` shows the place with a caret."""
    return parse(text, at=at)


@dataclass(frozen=True, slots=True)
class CheckSpec:
    """A rule about a relation, with its severity."""

    relation: str
    rule: Rule
    severity: Severity

    def __post_init__(self) -> None:
        if self.severity is Severity.QUARANTINE and not self.rule.names_rows:
            raise RuleError(
                f"{self.rule.text} cannot have the severity 'quarantine'",
                why="it judges a delivery as a whole and names no rows that could go aside",
                fix="severity='stop' or severity='warn'; of rules that are joined, give each as a rule of its own",
            )


def check(relation: str, text: str, severity: str = "") -> CheckSpec:
    """A check from its text. Without a severity, rules that name failing rows quarantine them, the others stop.

    Raises `RuleError` for a rule that cannot be read and for a severity that it cannot have.
    """
    rule = parse_rule(text)
    if not severity:
        return CheckSpec(relation, rule, Severity.QUARANTINE if rule.names_rows else Severity.STOP)
    known = [each.value for each in Severity]
    if severity not in known:
        raise RuleError(f"severity={severity!r} is unknown", fix=nearest(severity, known))
    return CheckSpec(relation, rule, Severity(severity))
