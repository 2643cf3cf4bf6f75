"""`init`: new projects, and what it refuses to touch."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from penstock.entrypoints.cli import init
from penstock.entrypoints.cli.main import main
from penstock.wiring import definitions, settings


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("example", init.examples())
def test_a_new_project_is_complete(example, here, capsys):
    assert main(["init", "shop", "--example", example]) == 0
    assert settings.read(here / "shop", variables={}).project == "shop"
    assert definitions.load(here / "shop")
    assert {"pyproject.toml", ".gitignore"} < files(here / "shop")
    assert "cd shop" in capsys.readouterr().out


def test_the_minimal_project_is_the_default(here):
    main(["init", "shop"])
    assert files(here / "shop") == {
        ".gitignore", "pyproject.toml", "pipelines/sales.py", "fixtures/sales_2024-03-04.csv"
    }  # fmt: skip


def test_it_prints_the_files_and_two_commands(capsys, monkeypatch):
    monkeypatch.setattr(init, "command", lambda: "penstock")
    main(["init", "shop"])
    assert capsys.readouterr().out == (
        "✓ shop\n  .gitignore\n  pyproject.toml\n  fixtures/\n    sales_2024-03-04.csv\n  pipelines/\n    sales.py\n"
        "  landing/\n\nNext:\n  cd shop && penstock test\n  penstock run sales fixtures/sales_2024-03-04.csv\n"
    )


def test_an_example_says_how_to_begin(capsys, monkeypatch):
    monkeypatch.setattr(init, "command", lambda: "penstock")
    monkeypatch.setattr(init.sys, "executable", "python3")
    main(["init", "health", "--example", "covid"])
    assert capsys.readouterr().out.split("Next:\n")[1].splitlines() == [
        "  cd health && python3 make_data.py feed --until 2020-05-23",
        "  python3 -m http.server 8765 --bind 127.0.0.1 --directory feed &",
        "  penstock run covid",
    ]


def test_json_tells_the_same(here, capsys):
    main(["init", "shop", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert (told["event"], set(told["files"])) == ("project_created", files(here / "shop"))
    assert len(told["next"]) == 2


def test_a_folder_that_is_not_empty_is_refused(here, capsys):
    (here / "shop").mkdir()
    (here / "shop/notes.txt").write_text("mine")
    assert main(["init", "shop"]) == 2
    assert "penstock init --here" in capsys.readouterr().err
    assert files(here / "shop") == {"notes.txt"}


def test_here_lives_beside_what_is_there(here):
    (here / "notes.txt").write_text("mine")
    (here / "pyproject.toml").write_text('[project]\nname = "mine"\n')
    assert main(["init", "--here"]) == 0
    assert (here / "notes.txt").read_text() == "mine"
    assert (here / "pyproject.toml").read_text() == (
        '[project]\nname = "mine"\n\n[tool.penstock]\ndefault_env = "local"\n'
    )


def test_here_overwrites_nothing(here, capsys):
    (here / "pipelines").mkdir()
    (here / "pipelines/sales.py").write_text("mine")
    assert main(["init", "--here"]) == 2
    assert files(here) == {"pipelines/sales.py"}
    assert "pipelines/sales.py is already there" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "fix"),
    [
        (["init"], "penstock init shop"),
        (["init", "9shop"], "a letter first"),
        (["init", "shop", "--here"], "penstock init --here"),
        (["init", "shop", "--example", "caffe"], "did you mean 'cafe'?"),
    ],
)
def test_wrong_usage_says_the_way(words, fix, here, capsys):
    assert main(words) == 2
    assert fix in capsys.readouterr().err
    assert files(here) == set()


def test_files_can_be_put_into_the_landing_zone_at_once(here, capsys):
    assert main(["init", "shop"]) == 0
    assert (here / "shop/landing").is_dir()
    assert "\n  landing/\n" in capsys.readouterr().out
    (here / "shop/landing").rmdir()
    (here / "shop/landing").write_text("id\n1\n")
    assert main(["run", "--project", "shop"]) == 1
    assert "the landing zone is a file, not a folder" in capsys.readouterr().err


def test_leftovers_of_an_example_are_not_copied(here, monkeypatch, tmp_path_factory):
    home = tmp_path_factory.mktemp("example")
    init.create(home, "minimal")
    for name in ("landing", ".penstock", "pipelines/__pycache__"):
        (home / name).mkdir()
        (home / name / "left").write_text("over")
    monkeypatch.setattr(init, "examples", lambda: {"left": home})
    init.create(here / "shop", "left")
    assert not [name for name in files(here / "shop") if name.endswith("left")]


def test_a_folder_that_cannot_be_made_is_explained(here, capsys):
    (here / "file").write_text("")
    assert main(["init", "file/shop"]) == 1
    assert "E301" in capsys.readouterr().err
