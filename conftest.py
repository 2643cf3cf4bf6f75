"""The examples in README.md and docs/ are tests.

Each page is run from top to bottom in an empty folder of its own, in which `penstock` is this checkout:

- A block with a title, as in `python title="pipelines/cafe.py"`, is written to the file of that name.
- A `python` block is executed; what it prints must be the text after its `#>` marks.
- A `console` block runs each line that begins with `$ `. Where output is shown it must match; where none is shown,
  the command must succeed. `cd` and `export` last until the page ends.
- `...` stands for any text, and on a line of its own for any lines.
- An HTML comment that begins with `python` or `console` is an example that readers do not see.
- `<!-- skip: reason -->` right before a block leaves it out, with the reason in the report.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from sybil import Document, Example, Region, Sybil
from sybil.parsers.markdown.lexers import RawFencedCodeBlockLexer

SECONDS = 60
BLOCKS = RawFencedCodeBlockLexer(re.compile(r"(?P<language>\w+)(?P<options>[^\n]*)\n"))
HIDDEN = re.compile(r"^<!--+ (?P<language>python|console)\n(?P<source>.*?)--+>", re.MULTILINE | re.DOTALL)
TITLE = re.compile(r'title="([^"]+)"')
SKIP = re.compile(r"<!--+\s*skip\b:?\s*(.*?)\s*--+>\s*\Z", re.DOTALL)


@dataclass
class Page:
    """Where a page's examples happen."""

    folder: Path
    here: Path
    environment: dict[str, str] = field(default_factory=dict)


def parse(document: Document) -> Iterator[Region]:
    """All examples of a page, in any order."""
    for region in outermost(list(BLOCKS(document))):
        language, options = region.lexemes["language"], region.lexemes["options"]
        title = TITLE.search(options)
        act = write_file(title[1]) if title else ACTS.get(language)
        if act:
            yield example(region, region.lexemes["source"], act)
    for found in HIDDEN.finditer(document.text):
        yield example(Region(found.start(), found.end()), found["source"], ACTS[found["language"]])


def outermost(regions: list[Region]) -> list[Region]:
    """Blocks that are not shown within another block."""
    return [one for one in regions if not any(each.start < one.start and one.end < each.end for each in regions)]


def example(region: Region, source: str, act: Callable[[Page, Example], str | None]) -> Region:
    def evaluate(example: Example) -> str | None:
        skipped = SKIP.search(example.document.text[: example.start])
        if skipped and not skipped[1]:
            return "`<!-- skip: reason -->` needs its reason"
        if skipped:
            pytest.skip(skipped[1])
        return act(example.namespace["__page__"], example)

    region.parsed, region.evaluator = source, evaluate
    return region


def write_file(name: str) -> Callable[[Page, Example], None]:
    def act(page: Page, example: Example) -> None:
        path = page.here / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(example.parsed, encoding="utf-8")

    return act


def run_python(page: Page, example: Example) -> str | None:
    source = str(example.parsed)
    marks = [line.lstrip()[2:].removeprefix(" ") for line in source.splitlines() if line.lstrip().startswith("#>")]
    at_its_line = "\n" * example.line + source  # so that errors and inspect find the page's own lines
    printed = io.StringIO()
    with contextlib.chdir(page.here), contextlib.redirect_stdout(printed):
        exec(compile(at_its_line, example.path, "exec"), example.namespace)  # noqa: S102 - the purpose
    return difference("the block", "\n".join(marks), printed.getvalue()) if marks else None


def run_console(page: Page, example: Example) -> str | None:
    for command, expected in commands(str(example.parsed)):
        status, output = run_command(page, command)
        if status and not expected.strip():
            return f"$ {command}\nfailed with {status}:\n{output}"
        wrong = expected.strip() and difference(f"$ {command}", expected, output)
        if wrong:
            return wrong
    return None


ACTS: dict[str, Callable[[Page, Example], str | None]] = {"python": run_python, "console": run_console}


def commands(source: str) -> Iterator[tuple[str, str]]:
    """Each command of a console block, with the output shown below it. A backslash continues a command."""
    for block in re.split(r"(?m)^\$ ", source)[1:]:
        lines = block.splitlines()
        length = next(number for number, line in enumerate(lines, 1) if not line.endswith("\\"))
        yield "\n".join(lines[:length]), "\n".join(lines[length:])


def run_command(page: Page, command: str) -> tuple[int, str]:
    if command.startswith("cd "):
        page.here = page.here / command.removeprefix("cd ").strip()
        return 0, ""
    if command.startswith("export "):
        name, _, value = command.removeprefix("export ").partition("=")
        page.environment[name] = value.strip("'\"")
        return 0, ""
    return run_shell(page, command)


def run_shell(page: Page, command: str) -> tuple[int, str]:
    with subprocess.Popen(  # noqa: S602 - a page shows what people type into a shell
        command,
        shell=True,
        cwd=page.here,
        env=page.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            output = process.communicate()[0] + f"\n(killed after {SECONDS} s)"
    return process.returncode, output


def difference(what: str, expected: str, actual: str) -> str | None:
    """Nothing where the output is as shown, otherwise both."""
    expected, actual = tidy(expected), tidy(actual)
    pattern = re.escape(expected).replace(re.escape("\n...\n"), "\n(?:.*\n)?").replace(re.escape("..."), ".*")
    matched = re.fullmatch(pattern, actual, re.DOTALL)
    return None if matched else f"{what}\nis shown to print:\n{expected}\nbut printed:\n{actual}"


def tidy(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())


def open_page(namespace: dict[str, Any]) -> None:
    folder = Path(tempfile.mkdtemp(prefix="penstock-page-"))
    for name in ("bin", "home", "page"):
        (folder / name).mkdir()
    programs = {"penstock": "-m penstock", "python": "", "python3": ""}
    if not shutil.which("curl"):
        programs["curl"] = str(Path(__file__).parent / "tests/support/curl.py")
    for name, arguments in programs.items():
        program = folder / "bin" / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments} "$@"\n', encoding="utf-8")
        program.chmod(0o755)
    namespace["__page__"] = Page(folder, folder / "page", environment_in(folder))
    namespace["__name__"] = "page"


def environment_in(folder: Path) -> dict[str, str]:
    """What commands see: this checkout, a home of their own, and nobody's settings."""
    package = find_spec("penstock")
    assert package, "penstock is not importable"  # noqa: S101 - this file belongs to the tests
    assert package.submodule_search_locations, "penstock is not a package"  # noqa: S101 - the same
    source = Path(package.submodule_search_locations[0]).parent
    path = f"{folder / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    plain = {"LC_ALL": "C.UTF-8", "NO_COLOR": "1", "COLUMNS": "120", "TZ": "UTC"}
    return {"PATH": path, "HOME": str(folder / "home"), "PYTHONPATH": str(source), **plain}


def close_page(namespace: dict[str, Any]) -> None:
    shutil.rmtree(namespace["__page__"].folder, ignore_errors=True)


pytest_collect_file = Sybil(parsers=[parse], patterns=["*.md"], setup=open_page, teardown=close_page).pytest()
