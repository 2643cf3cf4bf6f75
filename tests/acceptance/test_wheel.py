"""The wheel, built and installed without a network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.packaging

ROOT = Path(__file__).resolve().parents[2]
PIP = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-warn-script-location")
OFFLINE = ("--no-deps", "--no-index", "--target")


def run(*command: str | Path, cwd: Path = ROOT, **environment: str) -> str:
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy in which an example has been run and holds what must not be published."""
    checkout = tmp_path_factory.mktemp("checkout")
    for name in ("src", "examples"):
        shutil.copytree(ROOT / name, checkout / name)
    for name in (".gitignore", "LICENSE", "README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, checkout)
    (checkout / "examples" / ".env").write_text("PENSTOCK_SECRET_TOKEN=invented")
    (checkout / "examples" / ".penstock").mkdir(exist_ok=True)
    (checkout / "examples" / ".penstock" / "ledger.db").touch()
    run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", cwd=checkout)
    return next(checkout.glob("dist/*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    run(*PIP, *OFFLINE, folder, wheel)
    return folder


def test_it_holds_every_file_of_the_package(wheel):
    source = ROOT / "src"
    files = {path for path in source.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    expected = {path.relative_to(source).as_posix() for path in files}
    assert expected - set(zipfile.ZipFile(wheel).namelist()) == set()


def test_it_holds_nothing_else_but_its_description(wheel):
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top.partition("-")[0] for top in tops} == {"penstock"}
    assert any(name.endswith("licenses/LICENSE") for name in zipfile.ZipFile(wheel).namelist())


def test_it_holds_nothing_that_running_an_example_leaves_behind(wheel):
    left = {"__pycache__", ".penstock", ".env"}
    assert [name for name in zipfile.ZipFile(wheel).namelist() if left & set(name.split("/"))] == []


def test_its_command_answers(installed):
    said = run(sys.executable, installed / "bin" / "penstock", "--help", PYTHONPATH=str(installed))
    assert "penstock" in said


def test_what_runs_is_what_was_installed(installed):
    where = run(sys.executable, "-c", "import penstock; print(penstock.__file__)", PYTHONPATH=str(installed))
    assert Path(where.strip()).is_relative_to(installed)


def test_uv_installs_it_too(wheel, tmp_path):
    uv = shutil.which("uv")
    if uv is None:
        pytest.skip("there is no uv on the path")
    run(uv, "pip", "install", "--quiet", "--python", sys.executable, *OFFLINE, tmp_path, wheel)
    assert (tmp_path / "penstock" / "__init__.py").exists()
