"""The command itself: help, errors, exit codes, and what is never printed."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from penstock.entrypoints.cli import main as cli
from penstock.entrypoints.cli.main import main

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """Commands run in an empty folder, with a plain environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PENSTOCK_DEBUG", raising=False)


def penstock(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "penstock", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={"PYTHONPATH": str(ROOT / "src")})


def test_help_lists_every_verb(capsys):
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert all(f"\n  {verb} " in printed for verb in cli.VERBS)


@pytest.mark.parametrize(
    ("words", "fix"),
    [(["--jsno"], "did you mean '--json'?"), (["-x"], "penstock --help"), (["--json", "--prject=a"], "--project")],
)
def test_an_unknown_option_is_no_wish_for_help(words, fix, capsys):
    assert main(words) == 2
    printed = "".join(capsys.readouterr())
    assert ("has no option" in printed, fix in printed) == (True, True)


@pytest.mark.parametrize("words", [[], ["-h"], ["help"], ["--json", "help"]])
def test_help_has_many_names(words, capsys):
    assert main(words) == 0
    assert "quarantine" in capsys.readouterr().out


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_verb_has_help_with_examples(verb, capsys):
    assert main([verb, "--help"]) == 0
    printed = capsys.readouterr().out
    assert all(example in printed for example in cli.VERBS[verb].examples)


def test_help_of_a_verb_by_name(capsys):
    assert main(["help", "run"]) == 0
    assert "--reload" in capsys.readouterr().out


def test_an_unknown_verb_suggests_the_nearest(capsys):
    assert main(["quarantin"]) == 2
    printed = capsys.readouterr()
    assert ("did you mean 'quarantine'?" in printed.err, printed.out) == (True, "")


@pytest.mark.parametrize(
    ("words", "fix"),
    [
        (["run", "--relaod"], "did you mean '--reload'?"),
        (["logs", "-n", "many"], "penstock logs --help"),
        (["status", "a", "b"], "penstock status --help"),
        (["withdraw"], "penstock withdraw --help"),
        (["run", "--re"], "penstock run --help"),
    ],
)
def test_wrong_usage_is_2_with_the_way_out(words, fix, capsys):
    assert main(words) == 2
    assert fix in capsys.readouterr().err


def test_errors_are_json_for_programs(capsys):
    assert main(["statsu", "--json"]) == 2
    printed = capsys.readouterr()
    error = json.loads(printed.out)
    assert (error["event"], error["code"], printed.err) == ("error", "E002", "")


def test_no_project_is_wrong_usage(capsys):
    assert main(["status"]) == 2
    assert "penstock init" in capsys.readouterr().err


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("penstock 0.")


@pytest.mark.parametrize(
    ("words", "verb", "rest"),
    [
        (["run", "--json", "cafe"], "run", ["--json", "cafe"]),
        (["--json", "--env", "test", "run", "cafe"], "run", ["--json", "--env", "test", "cafe"]),
        (["--help"], "", ["--help"]),
    ],
)
def test_general_options_may_stand_before_the_verb(words, verb, rest):
    assert cli.split(words) == (verb, rest)


def test_an_option_may_stand_between_the_words(tmp_path, capsys):
    (tmp_path / "pyproject.toml").write_text("[tool.penstock]\n")
    assert cli.main(["run", "cafe", "--hard", "till.csv", "--project", str(tmp_path)]) == 2
    assert "there is no file 'till.csv'" in capsys.readouterr().err


def broken(options, out):
    card = "5494173772652516"
    raise ValueError(f"cannot convert {card}")


@pytest.mark.parametrize("words", [["status"], ["status", "-v"], ["status", "--json"]])
def test_an_unexpected_error_shows_no_data(words, monkeypatch, capsys):
    monkeypatch.setattr("penstock.entrypoints.cli.status.status", broken)
    assert main(words) == 1
    printed = capsys.readouterr()
    assert "5494173772652516" not in printed.out + printed.err
    assert "unexpected ValueError" in printed.out + printed.err
    assert ("Traceback" in printed.err or "test_cli_main.py" in printed.err) is True or "--json" in words


def test_the_traceback_is_shown_when_asked_for(monkeypatch, capsys):
    monkeypatch.setattr("penstock.entrypoints.cli.status.status", broken)
    monkeypatch.setenv("PENSTOCK_DEBUG", "1")
    main(["status"])
    assert "in broken" in capsys.readouterr().err


def test_interruption_is_130(monkeypatch, capsys):
    def interrupted(options, out):
        raise KeyboardInterrupt

    monkeypatch.setattr("penstock.entrypoints.cli.status.status", interrupted)
    assert main(["status"]) == 130


def test_a_closed_pipe_is_no_error():
    command = [sys.executable, "-m", "penstock", "help"]
    environment = {"PYTHONPATH": str(ROOT / "src")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        process.stdout.close()
        complaint = process.stderr.read()
    assert (process.returncode, complaint) == (0, b"")


def test_help_takes_less_than_100_ms():
    """The quickest of several: what it costs when nothing else keeps the machine busy."""
    times = []
    while len(times) < 20 and min(times, default=1) >= 0.1:
        began = time.perf_counter()
        assert penstock("--help").returncode == 0
        times.append(time.perf_counter() - began)
    assert min(times) < 0.1


STEP = """
import duckdb
import penstock as ps

sales = ps.Pipeline("sales", trigger=ps.manual(), source=ps.csv(columns={"id": "BIGINT"}))


@sales.step
def broken(source: duckdb.DuckDBPyRelation):
    raise KeyError("54941737" + "72652516")


sales.load("broken", to=ps.lake())
"""


@pytest.fixture
def delivered(tmp_path):
    """A command that runs a pipeline whose step raises."""
    (tmp_path / "pyproject.toml").write_text("[tool.penstock]\n")
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines/sales.py").write_text(STEP)
    (tmp_path / "a.csv").write_text("id\n1\n")
    return ["run", "sales", "a.csv"]


@pytest.mark.parametrize(("option", "shown"), [([], False), (["--verbose"], True)])
def test_the_traceback_of_an_authors_step_is_shown_when_asked_for(delivered, capsys, option, shown):
    assert main([*delivered, *option]) == 1
    printed = capsys.readouterr()
    assert ("in broken" in printed.err) is shown
    assert "5494173772652516" not in printed.out + printed.err


def test_a_mistake_of_ours_in_a_run_has_its_place(delivered, capsys, monkeypatch):
    monkeypatch.setattr("penstock.adapters.duckdb.engine.DuckEngine.prepare", broken)
    assert main(delivered) == 1
    told = capsys.readouterr().err
    assert all(part in told for part in ("unexpected ValueError", "test_cli_main.py:", "--verbose"))
    assert "5494173772652516" not in told
