"""The reference describes every rule type, operator and directive, and each of its examples is a rule."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from penstock.authoring.parts import _DIRECTIVES
from penstock.authoring.patterns import _OPERATORS
from penstock.authoring.rules import KINDS, Severity, parse_rule
from penstock.authoring.tree import ELSEWHERE
from penstock.compile.checks import row_predicate

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
CHECKS = (REFERENCE / "checks.md").read_text(encoding="utf-8")
PATTERNS = (REFERENCE / "patterns.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", CHECKS, re.MULTILINE | re.DOTALL))
EXAMPLES = [line for block in re.findall(r"```dqdl\n(.*?)```", CHECKS, re.DOTALL) for line in block.splitlines()]


def test_every_rule_type_has_a_section_and_no_section_lacks_its_type():
    assert set(SECTIONS) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_every_rule_type_has_an_example(kind):
    assert re.search(rf"```dqdl\n{kind}\b", SECTIONS[kind])


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_a_rule(example):
    rule = parse_rule(example)
    assert rule.scope == "slot" or row_predicate(rule)


def test_every_missing_type_and_every_severity_is_named():
    assert {name for name in ELSEWHERE if name not in CHECKS} == set()
    assert {each.value for each in Severity if f"| `{each.value}` |" not in CHECKS} == set()


def test_every_operator_and_directive_is_described():
    assert {name for name in _OPERATORS if f'{{"{name}": ' not in PATTERNS} == set()
    assert {code for code in _DIRECTIVES if f"%{code}" not in PATTERNS} == set()
