#!/usr/bin/env python3
"""Set this checkout up and start it. Needs Python 3.11 or newer with pip, and nothing else.

python3 start.py                  the demonstration
python3 start.py test [ARGS]      the tests; ARGS go to pytest
python3 start.py check [NAMES]    every check: format, lint, security, types, layers, advisories, tests
python3 start.py bench [ARGS]     the benchmark
python3 start.py wheel            build the wheel into dist/
python3 start.py penstock ARGS    the penstock command

The first run makes .venv from a lock file, by hash, from wheels only. Later runs start at once.
"""

# Any Python 3 must be able to read this file, to be told that it is too old: hence no newer syntax here.
import sys

if sys.version_info < (3, 11):  # noqa: UP036 - see above
    found = "{}.{}".format(*sys.version_info)
    sys.exit("error: Penstock needs Python 3.11 or newer, and this is " + found + "; try python3.11 start.py")

import fcntl
import hashlib
import os
import shutil
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
SITE = VENV / "lib" / "python{}.{}".format(*sys.version_info) / "site-packages"
READY = VENV / ".ready"
UNFINISHED = VENV / ".unfinished"

LOCKS = ("requirements.lock", "requirements-dev.lock")  # the second holds the first
JOBS = {
    "demo": (LOCKS[0], "-m", "penstock", "demo"),
    "penstock": (LOCKS[0], "-m", "penstock"),
    "test": (LOCKS[1], "-m", "pytest"),
    "check": (LOCKS[1], "tools/check.py"),
    "bench": (LOCKS[1], "-m", "benchmarks"),
    "wheel": (LOCKS[1], "-m", "hatchling", "build", "--target", "wheel"),
}


def main(arguments: list[str]) -> None:
    """Prepare what the job needs, then become it."""
    job, *rest = arguments or ["demo"]
    if job in {"-h", "--help"}:
        print(__doc__, end="")
        return
    if job not in JOBS:
        fail(f"there is no job {job!r}", f"choose one of {', '.join(JOBS)}; python3 start.py --help explains them")
    lock, *command = JOBS[job]
    prepare(lock)
    if job != "penstock":
        os.chdir(ROOT)
    os.execv(PYTHON, [str(PYTHON), *command, *rest])  # noqa: S606 - the interpreter of .venv


def prepare(lock: str) -> None:
    """Make .venv hold what the lock file names, unless it does. Two at once take turns."""
    if is_ready(lock):
        return
    turn = take_turn()
    if not is_ready(lock):
        started = time.perf_counter()
        print(f"Setting up .venv from {lock} (first run only) …", flush=True)
        clear()
        create()
        install(lock, turn)
        finish(lock)
        print(f"Ready in {time.perf_counter() - started:.1f} s.\n", flush=True)
    os.close(turn)


def take_turn() -> int:
    """Lock the checkout: the descriptor that holds the lock."""
    turn = os.open(ROOT, os.O_RDONLY)
    try:
        fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("Waiting for another start.py, or what is left of it, to finish with .venv …", flush=True)
        fcntl.flock(turn, fcntl.LOCK_EX)
    return turn


def is_ready(lock: str) -> bool:
    """Whether .venv was finished for this lock file, or for one that holds it."""
    enough = LOCKS[LOCKS.index(lock) :]
    return PYTHON.exists() and READY.exists() and READY.read_text() in {stamp(name) for name in enough}


def stamp(lock: str) -> str:
    """What .venv was made from: the lock file, this Python, this place."""
    made_from = (ROOT / lock).read_bytes(), str(sys.version_info[:2]).encode(), str(ROOT).encode()
    return hashlib.sha256(b"\0".join(made_from)).hexdigest()


def clear() -> None:
    """Remove an environment that an interrupted run or another Python left. Downloads are still in pip's cache."""
    sound = PYTHON.exists() and SITE.is_dir() and not UNFINISHED.exists()
    if sound or not VENV.exists():
        return
    ours = READY.exists() or UNFINISHED.exists()
    if not ours and any(VENV.iterdir()):
        fail(f"{VENV} was made by something else, for another Python", "move it away, then run this again")
    shutil.rmtree(VENV)


def create() -> None:
    """Make an empty environment without pip, so that Debian's missing ensurepip does not matter."""
    VENV.mkdir(exist_ok=True)
    READY.unlink(missing_ok=True)
    UNFINISHED.touch()
    if PYTHON.exists():
        return
    made = subprocess.run([sys.executable, "-m", "venv", "--without-pip", VENV], capture_output=True, check=False)
    if made.returncode:
        create_by_hand()


def create_by_hand() -> None:
    """The same where Python comes without its venv module."""
    base = Path(getattr(sys, "_base_executable", sys.executable))
    SITE.mkdir(parents=True, exist_ok=True)
    PYTHON.parent.mkdir(exist_ok=True)
    (VENV / "pyvenv.cfg").write_text(f"home = {base.parent}\ninclude-system-site-packages = false\n")
    PYTHON.unlink(missing_ok=True)
    PYTHON.symlink_to(base)


def install(lock: str, turn: int) -> None:
    """Install what the lock file names, with uv or, where that fails, with pip."""
    what = ["--require-hashes", "--only-binary", ":all:", "-r", lock]
    for installer in installers():
        # An installer that outlives this process keeps the turn until it has ended.
        done = subprocess.run(
            [*installer, *what], cwd=ROOT, capture_output=True, text=True, pass_fds=[turn], check=False
        )
        if done.returncode == 0:
            return
        print(last_lines(done.stderr or done.stdout), file=sys.stderr)
    fail("the packages could not be installed", "check the network, then run this again")


def installers() -> list[list[str]]:
    """The ways to install into .venv that this machine offers, the fastest first."""
    quiet = ["--quiet", "--disable-pip-version-check", "--no-input", "--no-user"]
    uv = shutil.which("uv")
    found = [[uv, "pip", "install", "--quiet", "--python", str(PYTHON)]] if uv else []
    if succeeds(sys.executable, "-m", "pip", "--version"):
        found.append([sys.executable, "-m", "pip", "--python", str(PYTHON), "install", *quiet])
    elif succeeds(str(PYTHON), "-m", "ensurepip"):
        found.append([str(PYTHON), "-m", "pip", "install", *quiet])
    if not found:
        fail("this Python has no pip", "install it: sudo apt install python3-pip, or python3 -m ensurepip")
    return found


def finish(lock: str) -> None:
    """Put src on the path and the penstock command beside python; the stamp comes last."""
    (SITE / "penstock-checkout.pth").write_text(f"{ROOT / 'src'}\n")
    command = VENV / "bin" / "penstock"
    command.write_text(f'#!/bin/sh\nexec "{PYTHON}" -m penstock "$@"\n')
    command.chmod(0o755)
    READY.write_text(stamp(lock))
    UNFINISHED.unlink()


def succeeds(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def last_lines(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-15:])


def fail(what: str, fix: str) -> None:
    print(f"error: {what}\n  fix  {fix}", file=sys.stderr)
    sys.exit(1)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(130)
