"""Bernstein's synthesis: from functional dependencies to tables in third normal form, as pure functions.

P. A. Bernstein, “Synthesizing third normal form relations from functional dependencies”, ACM TODS 1(4), 1976.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

Rule = tuple[frozenset[str], str]
"""A determinant and one column that it determines."""


def closure(columns: Collection[str], rules: Iterable[Rule]) -> frozenset[str]:
    """Everything that some columns determine, themselves included."""
    known, rules = set(columns), list(rules)
    while more := {dependent for determinant, dependent in rules if determinant <= known} - known:
        known |= more
    return frozenset(known)


def minimal(rules: Sequence[Rule]) -> list[Rule]:
    """A minimal cover: no column of a determinant and no rule could be left out."""
    reduced = [_reduced(rule, rules) for rule in rules if rule[1] not in rule[0]]
    kept = list(dict.fromkeys(reduced))
    for rule in list(kept):
        others = [other for other in kept if other != rule]
        if rule[1] in closure(rule[0], others):
            kept = others
    return kept


def _reduced(rule: Rule, rules: Sequence[Rule]) -> Rule:
    determinant, dependent = rule
    for column in sorted(determinant):
        rest = determinant - {column}
        if rest and dependent in closure(rest, rules):
            determinant = rest
    return determinant, dependent


def tables(rules: Sequence[Rule], preferred: Sequence[str]) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """One table for each determinant of a minimal cover: its key and its other columns.

    Determinants that determine each other share a table; the one whose columns stand first in `preferred` is its key.
    """
    cover = minimal(rules)
    groups: list[list[frozenset[str]]] = []
    for determinant in dict.fromkeys(rule[0] for rule in cover):
        same = next((group for group in groups if _equal(group[0], determinant, cover)), None)
        if same is None:
            groups.append([determinant])
        else:
            same.append(determinant)
    return [_table(group, cover, preferred) for group in groups]


def _equal(first: frozenset[str], second: frozenset[str], rules: Sequence[Rule]) -> bool:
    return second <= closure(first, rules) and first <= closure(second, rules)


def _table(
    group: Sequence[frozenset[str]], cover: Sequence[Rule], preferred: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    rank = {name: place for place, name in enumerate(preferred)}
    key = min(group, key=lambda determinant: (len(determinant), sorted(rank[name] for name in determinant)))
    columns = {name for determinant in group for name in determinant}
    columns |= {dependent for determinant, dependent in cover if determinant in group}
    ordered = sorted(columns, key=rank.__getitem__)
    return tuple(name for name in ordered if name in key), tuple(name for name in ordered if name not in key)
