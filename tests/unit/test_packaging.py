"""What pyproject.toml promises, the lock files, the changelog and the code agree."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCKS = {"requirements.lock": "demo", "requirements-dev.lock": "dev"}
PACKAGE = re.compile(r"^(\S+)==(\S+)(?: ; [^\\]*)? \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.MULTILINE)


def requirements(extra: str) -> Iterator[Requirement]:
    """What an extra asks for, with what it takes over from other extras and from the package itself."""
    for text in PROJECT["dependencies"] + PROJECT["optional-dependencies"][extra]:
        requirement = Requirement(text)
        if requirement.name == PROJECT["name"]:
            for other in requirement.extras:
                yield from requirements(other)
        else:
            yield requirement


def locked(name: str) -> dict[str, tuple[str, str]]:
    """The packages of a lock file: name → version and hashes."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return {package: (version, hashes) for package, version, hashes in PACKAGE.findall(text)}


def imports(path: Path) -> Iterator[str]:
    """The first names of the absolute imports of a module, wherever they stand."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name.split(".")[0] for name in node.names)
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


@pytest.mark.parametrize(("name", "extra"), LOCKS.items())
def test_a_lock_satisfies_the_bounds(name, extra):
    packages = locked(name)
    wrong = [
        str(requirement)
        for requirement in requirements(extra)
        if not requirement.specifier.contains(packages[canonicalize_name(requirement.name)][0])
    ]
    assert wrong == [], "run tools/lock.py"


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_says_nothing_but_versions_and_hashes(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert PACKAGE.sub("", text) == "# Written by tools/lock.py.\n"


def test_the_development_lock_holds_the_other():
    assert locked("requirements.lock").items() <= locked("requirements-dev.lock").items()


def test_every_package_that_the_code_imports_is_declared():
    declared = {canonicalize_name(requirement.name) for requirement in requirements("dev")}
    owners = packages_distributions()
    names = {name for path in (ROOT / "src").rglob("*.py") for name in imports(path)}
    foreign = {name for name in names if name not in sys.stdlib_module_names and name != "penstock"}
    undeclared = {
        name for name in foreign if not declared & {canonicalize_name(owner) for owner in owners.get(name, ())}
    }
    assert undeclared == set()


def test_dependencies_have_an_upper_bound():
    open_ended = [text for text in PROJECT["dependencies"] if "<" not in text]
    assert open_ended == []


def test_the_newest_entry_of_the_changelog_is_this_version():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## \[(\d[^\]]*)\] - \d{4}-\d\d-\d\d$", changelog, re.MULTILINE)[0] == PROJECT["version"]


def test_every_page_of_the_docs_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = [path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")]
    assert [page for page in pages if f": {page}\n" not in navigation] == []
