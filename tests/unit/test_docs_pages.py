"""Pages lead to pages that are there, every exported name is explained, and promises name tests that exist."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import penstock as ps

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)#\s]*)(?:#([^)\s]+))?\)")
PYTHON = (DOCS / "reference/python.md").read_text(encoding="utf-8")
SECTIONS = {
    name: text
    for title, text in re.findall(r"(?ms)^### (`.*?`)$(.*?)(?=^##+ |\Z)", PYTHON)
    for name in re.findall(r"`([^`]+)`", title)
}


def headings(text: str) -> set[str]:
    """The anchors of a page, as Markdown makes them of its headings."""
    plain = (re.sub(r"[^\w\s-]", "", title).strip().lower() for title in re.findall(r"(?m)^#+ (.+)$", text))
    return {re.sub(r"\s+", "-", title) for title in plain}


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    wrong = []
    for target, anchor in LINK.findall(text):
        if "://" in target:
            continue
        file = (page.parent / target).resolve() if target else page
        if not file.is_file() or (anchor and anchor not in headings(file.read_text(encoding="utf-8"))):
            wrong.append(f"{target}#{anchor}")
    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_docs_do_not_lead_out_of_the_site(page):
    targets = [target for target, _ in LINK.findall(page.read_text(encoding="utf-8")) if target and "://" not in target]
    assert [target for target in targets if not (page.parent / target).resolve().is_relative_to(DOCS)] == []


def test_the_index_leads_to_every_page():
    targets = {target for target, _ in LINK.findall((DOCS / "index.md").read_text(encoding="utf-8"))}
    assert [page.name for page in PAGES if page.relative_to(DOCS).as_posix() not in {*targets, "index.md"}] == []


@pytest.mark.parametrize("name", ps.__all__)
def test_every_exported_name_has_a_section_with_an_example(name):
    assert "```python" in SECTIONS[name]
    assert f"ps.{name}" in SECTIONS[name]


METHODS = [name for name, _ in inspect.getmembers(ps.Pipeline, inspect.isfunction) if not name.startswith("_")]
OPTIONS = {
    **{f"Pipeline.{name}": getattr(ps.Pipeline, name) for name in METHODS if name not in ("validate", "order")},
    **{name: getattr(ps, name) for name in ps.__all__ if name not in ("PenstockError", "errors")},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_every_argument_is_in_its_section(name):
    parameters = inspect.signature(OPTIONS[name]).parameters.values()
    names = [item.name for item in parameters if item.kind is inspect.Parameter.KEYWORD_ONLY]
    assert [word for word in names if not re.search(rf"\b{word}\b", SECTIONS[name])] == []


def test_promises_are_held_by_tests_that_exist():
    text = (DOCS / "explanation/promises.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)`", text)
    assert len(re.findall(r"(?m)^- Held by ", text)) == len(re.findall(r"(?m)^## \d", text)) == 9
    assert [name for name in named if not (ROOT / name).is_file()] == []
