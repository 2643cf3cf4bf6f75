"""Pipeline files: found, imported alone, and explained when they are wrong."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from penstock.errors import DefinitionError, StepError
from penstock.wiring import definitions

PIPELINE = """import penstock as ps

{name} = ps.Pipeline(
    "{name}",
    trigger=ps.upload("landing/{name}_{{day:%Y%m%d}}.csv"),
    source=ps.csv(columns={{"id": "BIGINT"}}),
)
{name}.load("{relation}", to=ps.lake(), table="{name}_rows")
"""


def write(folder: Path, path: str, text: str) -> Path:
    file = folder / "pipelines" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def pipeline(name: str = "sales", relation: str = "source") -> str:
    return PIPELINE.format(name=name, relation=relation)


def caught(folder: Path) -> DefinitionError:
    with pytest.raises(DefinitionError) as caught:
        definitions.load(folder)
    return caught.value


def test_both_forms_are_found(tmp_path):
    write(tmp_path, "a.py", pipeline("a"))
    write(tmp_path, "b/pipeline.py", pipeline("b"))
    write(tmp_path, "_parts.py", "raise SystemError")
    write(tmp_path, "b/other.py", "raise SystemError")
    assert list(definitions.load(tmp_path)) == ["a", "b"]


def test_a_project_without_pipelines_says_so(tmp_path):
    assert "penstock init" in caught(tmp_path).fix


def test_a_file_without_a_pipeline_says_so(tmp_path):
    write(tmp_path, "a.py", "x = 1\n")
    assert "_a.py" in caught(tmp_path).fix


def test_a_pipeline_that_two_names_hold_is_one(tmp_path):
    write(tmp_path, "a.py", pipeline("a") + "again = a\n")
    assert list(definitions.load(tmp_path)) == ["a"]


def test_two_pipelines_of_one_name_are_refused(tmp_path):
    write(tmp_path, "a.py", pipeline("sales"))
    write(tmp_path, "b.py", pipeline("sales"))
    error = caught(tmp_path)
    assert ("b.py:3" in error.at, "a.py:3" in error.why) == (True, True)


@pytest.mark.parametrize(
    ("text", "line", "why", "fix"),
    [
        (
            "import penstock as ps\nps.Pipeline(\n",
            2,
            "SyntaxError: '(' was never closed\nps.Pipeline(\n           ^",
            "mend the line",
        ),
        ("import penstock as ps\nps.tokenise()\n", 2, "AttributeError", "did you mean 'tokenize'?"),
        ("import penstock as ps\npz.csv()\n", 2, "NameError: name 'pz'", "did you mean 'ps'?"),
        ("\n\nimport pollars\n", 3, "No module named 'pollars'", "pip install pollars"),
        ("import penstock as ps\nps.csv(colums={})\n", 2, "TypeError", "mend the line"),
        ("int('4929 1234')\n", 1, "ValueError", "mend the line"),
    ],
)
def test_an_exception_names_file_line_and_fix(tmp_path, text, line, why, fix):
    write(tmp_path, "a.py", text)
    error = caught(tmp_path)
    assert error.at.endswith(f"pipelines/a.py:{line}")
    assert why in error.why
    assert fix in error.fix
    assert "4929" not in str(error.facts())


@pytest.mark.parametrize("kind", ["DECIMAL(39,2)", "DECIMAL(2,3)", "DECIMAL(0,0)"])
def test_a_decimal_has_a_size_that_can_be(tmp_path, kind):
    write(tmp_path, "a.py", f'import penstock as ps\nsource = ps.csv(columns={{"id": "{kind}"}})\n')
    assert f"there is no {kind}" in caught(tmp_path).what


def test_our_own_errors_keep_their_place(tmp_path):
    write(tmp_path, "a.py", 'import penstock as ps\n\nsource = ps.csv(columns={"id": "BIGINTT"})\n')
    assert caught(tmp_path).at.endswith("pipelines/a.py:3")
    assert caught(tmp_path).fix.startswith("did you mean 'BIGINT'?")


def test_what_only_the_whole_file_shows_is_found(tmp_path):
    write(tmp_path, "a.py", pipeline(relation="sorce"))
    error = caught(tmp_path)
    assert isinstance(error, StepError)
    assert "a.py:3" in error.at
    assert "'source'" in error.fix


def test_a_file_that_is_no_text_is_explained(tmp_path):
    write(tmp_path, "a.py", "").write_bytes(b"\xff\xfe\x00x")
    assert "a.py" in caught(tmp_path).at


def test_a_line_in_a_neighbour_is_named(tmp_path):
    write(tmp_path, "a/pipeline.py", "import parts\n")
    write(tmp_path, "a/parts.py", "x = 1\ny = undefined\n")
    assert caught(tmp_path).at.endswith("pipelines/a/parts.py:2")


def test_neighbours_of_one_name_do_not_meet(tmp_path):
    for name in ("a", "b"):
        write(tmp_path, f"{name}/pipeline.py", "from parts import NAME\n" + pipeline("{name}").replace("{name}", name))
        write(tmp_path, f"{name}/parts.py", f"NAME = '{name}'\n")
    found = definitions.load(tmp_path)
    modules = [sys.modules[name] for name in sys.modules if name.startswith("_penstock_pipeline_")]
    told = {module.NAME for module in modules if str(tmp_path) in str(module.__file__)}
    assert (set(found), told) == ({"a", "b"}, {"a", "b"})


def test_nothing_is_left_behind(tmp_path):
    path = list(sys.path)
    write(tmp_path, "a/pipeline.py", "import parts_of_a\n" + pipeline("a"))
    write(tmp_path, "a/parts_of_a.py", "")
    definitions.load(tmp_path)
    assert (sys.path, "parts_of_a" in sys.modules, list(tmp_path.rglob("__pycache__"))) == (path, False, [])


def test_an_edit_is_seen_at_once(tmp_path):
    write(tmp_path, "a.py", pipeline("aa"))
    assert list(definitions.load(tmp_path)) == ["aa"]
    write(tmp_path, "a.py", pipeline("bb"))
    assert list(definitions.load(tmp_path)) == ["bb"]


def test_stamps_differ_after_an_edit(tmp_path):
    file = write(tmp_path, "a.py", pipeline("aa"))
    before = definitions.stamps(tmp_path)
    file.write_text(pipeline("aaa"))
    assert definitions.stamps(tmp_path) != before


def test_sql_files_belong_to_the_definitions(tmp_path):
    write(tmp_path, "a.py", pipeline("aa"))
    before = definitions.stamps(tmp_path)
    write(tmp_path, "sql/items.sql", "SELECT 1")
    assert definitions.stamps(tmp_path) != before
