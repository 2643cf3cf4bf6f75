"""`penstock chart` and `penstock query --chart`: numbers, pictures, dashboards."""

from __future__ import annotations

import json

import pytest

from penstock.entrypoints.cli.main import main

PIPELINE = """
import penstock as ps

taxis = ps.Pipeline(
    "taxis", trigger=ps.upload("landing/{day}.csv"), source=ps.csv(columns={"at": "TIMESTAMPTZ", "free": "BIGINT"}),
)
taxis.load("source", to=TARGET, table="taxis")
available = taxis.chart(
    "Taxis available", table="taxis", kind="area", x=ps.bucket("at", "15m"), y=ps.sum("free", per=100, label="free"),
    tz="Asia/Singapore", span="day", between=("08:00", "20:00"), caption="hundreds",
)
taxis.chart("Readings", table="taxis", kind="number", y=ps.count())
taxis.chart("Newest", table="taxis", kind="table", columns={"when": "at", "free": "free"}, order="-at", limit=1)
city = ps.Dashboard("City", available)
"""
TIMES = {"13T00:00": 100, "14T00:00": 2400, "14T00:20": 2500, "14T13:00": 9}
ROWS = "at,free\n" + "".join(f"2026-11-{time}:00Z,{free}\n" for time, free in TIMES.items())


def make(folder, target):
    (folder / "pipelines").mkdir(parents=True)
    (folder / "pyproject.toml").write_text("[tool.penstock]\n")
    (folder / "pipelines/taxis.py").write_text(PIPELINE.replace("TARGET", target))
    (folder / "landing").mkdir()
    (folder / "landing/14.csv").write_text(ROWS)
    return folder


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    folder = make(tmp_path_factory.mktemp("chart") / "city", "ps.lake()")
    assert main(["run", "--project", str(folder), "--json"]) == 0
    return folder


@pytest.fixture
def call(city, capsys):
    def call_(*words):
        capsys.readouterr()
        code = main([*words, "--project", str(city)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call_


def test_what_is_declared(call):
    code, out, _ = call("chart")
    assert code == 0
    assert "taxis-available  taxis     area    Taxis available" in out
    assert [line.split() for line in out.splitlines()[-2:]] == [
        ["city", "taxis-available"],
        ["taxis", "readings,", "newest"],
    ]


def test_the_numbers_of_the_newest_day(call):
    _, out, _ = call("chart", "taxis-available", "--json")
    assert [json.loads(line) for line in out.splitlines()] == [
        {"at": "2026-11-14T08:00:00", "free": 24.0}, {"at": "2026-11-14T08:15:00", "free": 25.0},
    ]  # fmt: skip


def test_the_numbers_of_a_day(call):
    assert call("chart", "taxis/taxis-available", "--day", "2026-11-13", "--json")[1] == (
        '{"at": "2026-11-13T08:00:00", "free": 1.0}\n'
    )


def test_rows_and_single_numbers(call):
    assert call("chart", "newest", "--json")[1] == '{"when": "2026-11-14T13:00:00", "free": 9}\n'
    assert call("chart", "readings")[1].split() == ["Readings", "rows", "────", "4"]


@pytest.mark.parametrize("name", ["a.svg", "a.png"])
def test_a_picture(call, tmp_path, name):
    if name.endswith(".png"):
        pytest.importorskip("resvg_py")
    file = tmp_path / name
    code, out, _ = call("chart", "taxis-available", "--out", str(file), "--size", "400x300")
    assert (code, out) == (0, f"✓ {file}\n")
    assert file.read_bytes().startswith(b"<svg" if name == "a.svg" else b"\x89PNG")


def test_the_picture_of_a_query(call, tmp_path):
    file = tmp_path / "q.svg"
    sql = 'select "at", free from taxis order by "at"'
    assert call("query", sql, "--chart", "line", "--title", "Free & easy", "--out", str(file))[0] == 0
    assert "<title>Free &amp; easy</title>" in file.read_text()


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("chart", "taxi-available"), 2, "did you mean 'taxis-available'?"),
        (("chart", "readings", "--day", "2026-11-13"), 2, "does not show one day"),
        (("chart", "taxis-available", "--day", "monday"), 2, "is no day"),
        (("chart", "taxis-available", "--out", "a.gif"), 2, "--out FILE.svg or --out FILE.png"),
        (("chart", "taxis-available", "--out", "a.png", "--theme", "auto"), 2, "one set of colours"),
        (("chart", "taxis-available", "--out", "nowhere/a.svg"), 3, "there is no folder 'nowhere'"),
        (("chart", "taxis-available", "--out", "a.svg", "--size", "10x10"), 2, "is no size"),
        (("chart", "citty", "--out", "a.json"), 2, "did you mean 'city'?"),
        (("chart", "citty"), 2, "did you mean 'city'?"),
        (("chart", "city", "--out", "a.svg", "--size", "400x300"), 2, "as large as its charts"),
        (("chart", "city", "--out", "a.gif"), 2, "--out FILE.svg or --out FILE.png"),
        (("chart", "city", "--out", "a.json"), 2, "only the lake has"),
        (("query", "select 1", "--chart", "pie", "--out", "a.svg"), 2, "there is no kind of chart 'pie'"),
        (("query", "select 1", "--chart", "bar"), 2, "a kind and a file"),
        (("query", "select 1", "--chart", "bar", "--out", "a.svg"), 2, "needs two columns"),
    ],
)
def test_what_cannot_be_drawn(call, words, code, message):
    found, _, err = call(*words)
    assert found == code
    assert message in err


def test_no_rows_are_said(call):
    code, out, _ = call("chart", "taxis-available", "--day", "2020-01-01")
    assert (code, out.splitlines()[-1]) == (0, "no rows on 2020-01-01 in taxis")


@pytest.mark.parametrize("name", ["a.svg", "a.png"])
def test_a_dashboard_is_one_picture(call, tmp_path, name):
    if name.endswith(".png"):
        pytest.importorskip("resvg_py")
    file = tmp_path / name
    code, out, _ = call("chart", "taxis", "--out", str(file))
    assert (code, out) == (0, f"✓ {file}\n")
    assert file.read_bytes().startswith(b"<svg" if name == "a.svg" else b"\x89PNG")
    if name == "a.svg":
        assert all(f"<title>{title}</title>" in file.read_text() for title in ("taxis", "Readings", "Newest"))


def test_a_dashboard_s_numbers_are_those_of_its_charts(call):
    lines = [json.loads(line) for line in call("chart", "city", "--day", "2026-11-13", "--json")[1].splitlines()]
    assert lines == [{"chart": "taxis-available", "at": "2026-11-13T08:00:00", "free": 1.0}]
    assert call("chart", "taxis")[1].split("\n\n")[0].split() == ["Readings", "rows", "────", "4"]


def test_a_dashboard_for_grafana(tmp_path, capsys):
    folder = make(tmp_path / "city", 'ps.postgres("warehouse")')
    file = tmp_path / "city.json"
    assert main(["chart", "city", "--out", str(file), "--project", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["panels"] == 1
    assert json.loads(file.read_text())["title"] == "City"
