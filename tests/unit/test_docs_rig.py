"""The rig that runs the examples of the docs, on pages that are right and pages that are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

RIG = Path(__file__).resolve().parents[2] / "conftest.py"


@pytest.fixture
def outcome(pytester: pytest.Pytester):
    """What becomes of a page: the outcomes of its examples, and the report."""
    pytester.makeconftest(RIG.read_text(encoding="utf-8"))

    def run(page: str) -> tuple[dict[str, int], str]:
        pytester.path.joinpath("page.md").write_text(page.replace("'''", "```"), encoding="utf-8")
        result = pytester.runpytest_inprocess("page.md", "-p", "no:cacheprovider", "-rs")
        return result.parseoutcomes(), result.stdout.str()

    return run


def test_python_blocks_share_a_page_and_print_what_is_shown(outcome):
    page = "'''python\nx = 20\n'''\ntext\n'''python\nprint(x + 1)\n#> 21\nprint(x)\n#> ...0\n'''\n"
    assert outcome(page)[0] == {"passed": 2}


def test_a_python_block_that_prints_something_else_fails(outcome):
    outcomes, report = outcome("'''python\nprint(1)\n#> 2\n'''\n")
    assert outcomes == {"failed": 1}
    assert "is shown to print:\n2\nbut printed:\n1" in report


def test_a_python_block_that_raises_fails(outcome):
    assert outcome("'''python\n1 / 0\n'''\n")[0] == {"failed": 1}


def test_console_output_is_compared_line_by_line_with_wildcards(outcome):
    page = "'''console\n$ printf 'took 3 ms\\na\\nb\\nend\\n'\ntook ... ms\n...\nend\n$ echo\n'''\n"
    assert outcome(page)[0] == {"passed": 1}


def test_console_output_that_differs_fails(outcome):
    outcomes, report = outcome("'''console\n$ echo one\ntwo\n'''\n")
    assert outcomes == {"failed": 1}
    assert "but printed:\none" in report


def test_a_command_without_output_must_succeed(outcome):
    assert outcome("'''console\n$ false\n'''\n")[0] == {"failed": 1}


def test_a_shown_error_may_be_the_point(outcome):
    assert outcome("'''console\n$ echo 'error[E002]' >&2; exit 2\nerror[E002]\n'''\n")[0] == {"passed": 1}


def test_titled_blocks_become_files_and_cd_and_export_last(outcome):
    page = (
        "'''toml title=\"shop/a.toml\"\nx = 1\n'''\n"
        "'''console\n$ cd shop\n$ export WHO=me\n'''\n"
        "'''console\n$ cat a.toml; echo $WHO\nx = 1\nme\n'''\n"
    )
    assert outcome(page)[0] == {"passed": 3}


def test_a_backslash_continues_a_command(outcome):
    assert outcome("'''console\n$ echo one \\\n    two\none two\n'''\n")[0] == {"passed": 1}


def test_hidden_examples_run_in_their_place(outcome):
    page = "<!-- console\n$ echo 7 > number\n-->\n'''console\n$ cat number\n7\n'''\n"
    assert outcome(page)[0] == {"passed": 2}


def test_a_skip_is_reported_with_its_reason(outcome):
    outcomes, report = outcome("<!-- skip: it serves for ever -->\n'''console\n$ sleep 99\n'''\n")
    assert outcomes == {"skipped": 1}
    assert "it serves for ever" in report


def test_a_skip_without_a_reason_fails(outcome):
    assert outcome("<!-- skip -->\n'''console\n$ true\n'''\n")[0] == {"failed": 1}


def test_other_languages_and_longer_fences_are_left_alone(outcome):
    page = "'''text\n$ false\n'''\n````markdown\n'''python\n1 / 0\n'''\n````\n"
    assert outcome(page)[0] == {}


def test_the_package_in_examples_is_this_checkout(outcome):
    page = "'''console\n$ python -c 'import penstock.errors as e; print(e.__file__)'\n...src/penstock/errors.py\n'''\n"
    assert outcome(page)[0] == {"passed": 1}


def test_each_page_starts_in_an_empty_folder(outcome):
    assert outcome("'''console\n$ ls -A | wc -l | tr -d ' '\n0\n'''\n")[0] == {"passed": 1}
