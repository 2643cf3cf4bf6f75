"""The public surface: which names there are, and what importing costs."""

from __future__ import annotations

import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

import penstock as ps

ROOT = Path(__file__).parents[2]
HEAVY = {"duckdb", "sqlglot", "psycopg", "pyarrow", "polars", "cryptography", "sqlite3", "watchfiles"}


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT / "src")
    return done.stdout.strip()


def quickest(code: str) -> float:
    """Seconds of the quickest of several processes: what the code costs when nothing else disturbs it."""
    times = []
    for _ in range(5):
        began = time.perf_counter()
        python(code)
        times.append(time.perf_counter() - began)
    return min(times)


def test_the_exports():
    assert ps.__all__ == [
        "Dashboard", "PenstockError", "Pipeline", "avg", "bucket", "count", "csv", "day", "drop", "encrypt",
        "entity", "errors", "event", "every", "git", "hash", "hour", "http", "json", "json_lines", "lake", "last",
        "manual", "mask", "max", "min", "month", "notify", "owned", "parquet", "postgres", "ready", "schedule",
        "secret", "stream", "sum", "table", "tables", "tokenize", "upload", "writer",
    ]  # fmt: skip
    assert set(dir(ps)) == {*ps.__all__, "__version__"}


@pytest.mark.parametrize("name", ps.__all__)
def test_every_export_is_there_and_documented(name):
    assert getattr(ps, name).__doc__


def test_an_unknown_name_says_which():
    with pytest.raises(AttributeError, match="tokenise") as caught:
        ps.tokenise  # noqa: B018  the look-up is the test
    assert caught.value.obj is ps


def test_the_version_is_the_packages():
    assert ps.__version__ == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


@pytest.mark.parametrize(
    "code", ["import penstock", "import penstock as ps; ps.Pipeline; ps.csv; ps.lake; ps.upload; ps.drop"]
)
def test_nothing_heavy_is_imported(code):
    loaded = python(f"{code}\nimport sys; print(*sys.modules)").split()
    assert not HEAVY & set(loaded)


def test_importing_takes_less_than_50_ms():
    assert quickest("import penstock") - quickest("pass") < 0.05
