"""start.py in checkouts of their own, with a package index of their own: one folder with one small wheel."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

pytestmark = pytest.mark.packaging

START = Path(__file__).resolve().parents[2] / "start.py"
MAIN = "import sys, small\nprint('ran', *sys.argv[1:], 'with', small.size)\nsys.exit(len(sys.argv) - 2)\n"
TOO_OLD = "import runpy, sys; sys.version_info = (3, 10, 4); runpy.run_path(sys.argv[1], run_name='__main__')"


@dataclass(frozen=True)
class Checkout:
    root: Path
    wheels: Path
    environment: dict[str, str] = field(default_factory=dict)

    def start(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return self.python(str(self.root / "start.py"), *arguments, **environment)

    def python(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.root,
            env={**self.bare(), **environment},
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def bare(self) -> Mapping[str, str]:
        pip = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.wheels)}
        return {"PATH": "/usr/bin:/bin", "HOME": str(self.root / "home"), **pip, **self.environment}


def make_wheel(folder: Path) -> str:
    folder.mkdir()
    wheel = folder / "small-1.0-py3-none-any.whl"
    described = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("small.py", "size = 1\n")
        archive.writestr("small-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: small\nVersion: 1.0\n")
        archive.writestr("small-1.0.dist-info/WHEEL", described)
        archive.writestr("small-1.0.dist-info/RECORD", "small.py,,\n")
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


def make_checkout(folder: Path) -> Checkout:
    digest = make_wheel(folder / "wheels")
    root = folder / "a checkout"
    (root / "src" / "penstock").mkdir(parents=True)
    (root / "tools").mkdir()
    shutil.copy(START, root)
    (root / "requirements.lock").write_text(f"small==1.0 --hash=sha256:{digest}\n")
    (root / "requirements-dev.lock").write_text(f"# more\nsmall==1.0 --hash=sha256:{digest}\n")
    (root / "src" / "penstock" / "__main__.py").write_text(MAIN)
    (root / "tools" / "check.py").write_text("print('checked')\n")
    return Checkout(root, folder / "wheels")


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return make_checkout(tmp_path)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    checkout = make_checkout(tmp_path_factory.mktemp("prepared"))
    checkout.start()
    return checkout


def test_the_first_run_installs_and_runs_the_demonstration(checkout):
    finished = checkout.start()
    assert "Setting up .venv" in finished.stdout
    assert finished.stdout.endswith("ran demo with 1\n"), finished.stderr


def test_later_runs_neither_install_nor_say_so(prepared):
    finished = prepared.start(PIP_FIND_LINKS="/nowhere")
    assert finished.stdout == "ran demo with 1\n"


def test_arguments_and_the_exit_code_pass_through(prepared):
    finished = prepared.start("penstock", "query", "select 1")
    assert (finished.stdout, finished.returncode) == ("ran query select 1 with 1\n", 1)


def test_the_penstock_command_is_in_the_environment(prepared):
    finished = subprocess.run([prepared.root / ".venv/bin/penstock", "status"], capture_output=True, check=False)
    assert finished.stdout == b"ran status with 1\n"


def test_another_lock_file_is_installed_when_a_job_needs_it(checkout):
    checkout.start()
    finished = checkout.start("check")
    assert "Setting up .venv from requirements-dev.lock" in finished.stdout
    assert finished.stdout.endswith("checked\n")
    assert checkout.start().stdout == "ran demo with 1\n"


def test_an_interrupted_installation_is_made_good(checkout):
    checkout.start()
    (checkout.root / ".venv" / ".ready").unlink()
    (checkout.root / ".venv" / ".unfinished").touch()
    next(checkout.root.glob(".venv/lib/*/site-packages/small.py")).unlink()
    assert checkout.start().stdout.endswith("ran demo with 1\n")


def test_a_wheel_with_another_hash_is_refused(checkout):
    (checkout.root / "requirements.lock").write_text(f"small==1.0 --hash=sha256:{'0' * 64}\n")
    finished = checkout.start()
    assert finished.returncode == 1
    assert "do not match the hashes" in finished.stderr.lower()
    assert "error: the packages could not be installed" in finished.stderr


def test_where_uv_fails_pip_takes_over(checkout, tmp_path):
    uv = tmp_path / "uv"
    uv.write_text("#!/bin/sh\necho 'no network' >&2\nexit 2\n")
    uv.chmod(0o755)
    finished = checkout.start(PATH=f"{tmp_path}:/usr/bin:/bin")
    assert "no network" in finished.stderr
    assert finished.stdout.endswith("ran demo with 1\n")


def test_a_python_without_its_venv_module_will_do(checkout, tmp_path):
    (tmp_path / "venv.py").write_text("raise ImportError('not installed')\n")
    assert checkout.start(PYTHONPATH=str(tmp_path)).stdout.endswith("ran demo with 1\n")


def test_two_that_start_at_once_take_turns(checkout):
    command = [sys.executable, checkout.root / "start.py"]
    both = [subprocess.Popen(command, env=checkout.bare(), stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate()[0] for process in both]
    assert all(output.endswith("ran demo with 1\n") for output in said)
    assert sum("Setting up" in output for output in said) == 1
    assert sum("Waiting for another" in output for output in said) == 1


def test_an_environment_that_somebody_else_made_is_left_alone(checkout):
    theirs = checkout.root / ".venv" / "lib" / "python2.7"
    theirs.mkdir(parents=True)
    assert "was made by something else" in checkout.start().stderr
    assert theirs.exists()


def test_an_old_python_is_told_so_in_one_line(checkout):
    finished = checkout.python("-c", TOO_OLD, "start.py")
    assert finished.stderr == (
        "error: Penstock needs Python 3.11 or newer, and this is 3.10; try python3.11 start.py\n"
    )
    assert finished.returncode == 1


def test_an_unknown_job_is_answered_with_the_known_ones(checkout):
    finished = checkout.start("tset")
    assert "choose one of demo, penstock, test, check, bench, wheel;" in finished.stderr
    assert not (checkout.root / ".venv").exists()
