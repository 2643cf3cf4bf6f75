"""What the command line can do is in the reference: verbs, options, settings, error codes."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

import penstock.errors
from penstock.entrypoints.cli.account import classes
from penstock.entrypoints.cli.main import VERBS, make_parser
from penstock.wiring.settings import KINDS, NAMED, OTHER_VARIABLES

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
PLACES = {f"{group}.<name>.{key}" for group, kinds in NAMED.items() for key in kinds}
GENERAL = {"-h", "--help", "--project", "--env", "--json", "-v", "--verbose"}


def page(name: str) -> str:
    return (REFERENCE / f"{name}.md").read_text(encoding="utf-8")


def section(verb: str) -> str:
    found = re.search(rf"(?ms)^## {verb}$(.*?)(?=^## |\Z)", page("cli"))
    assert found, f"docs/reference/cli.md has no section on {verb}"
    return found[1]


def options(verb: str) -> set[str]:
    parser = make_parser(verb)
    getattr(import_module(f"penstock.entrypoints.cli.{VERBS[verb].module}"), f"arguments_{verb}")(parser)
    return {name for action in parser._actions for name in action.option_strings} - GENERAL


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_a_section_with_its_options(verb):
    text = section(verb)
    assert [name for name in options(verb) if f"`{name}" not in text] == []


def test_no_section_is_about_a_verb_that_is_gone():
    assert set(re.findall(r"(?m)^## ([a-z]+)$", page("cli"))) == set(VERBS)


def test_the_general_options_are_documented():
    assert [name for name in GENERAL if f"`{name}" not in page("cli")] == []


@pytest.mark.parametrize("setting", [*KINDS, *sorted(PLACES)])
def test_every_setting_is_documented(setting):
    assert f"\n| `{setting}` |" in page("settings")


def test_no_documented_setting_is_unknown():
    table = page("settings").split("## All settings")[1].split("## ")[0]
    assert set(re.findall(r"(?m)^\| `([^`]+)`", table)) == {*KINDS} | PLACES


@pytest.mark.parametrize("variable", OTHER_VARIABLES)
def test_every_other_variable_is_documented(variable):
    assert f"`{variable}`" in page("settings")


ERRORS = [kind for kind in vars(penstock.errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]


def test_every_error_has_a_code_of_its_own():
    assert len({kind.code for kind in ERRORS}) == len(ERRORS)


def test_every_error_is_found_by_its_code():
    assert {kind.code: kind for kind in ERRORS}.items() <= classes().items()


@pytest.mark.parametrize("kind", ERRORS)
def test_every_error_is_documented_with_its_exit_code(kind):
    row = re.search(rf"(?m)^\| {kind.code} \| `{kind.__name__}` \| .+ \| (\d+) \|$", page("errors"))
    assert row, f"docs/reference/errors.md has no row for {kind.code}"
    assert int(row[1]) == kind.exit_code


def test_no_documented_error_is_gone():
    assert set(re.findall(r"(?m)^\| (E\d+) \|", page("errors"))) == {kind.code for kind in ERRORS}
