"""Every check of the project, one line each, with what failed in full. Exit 1 if anything did.

`python3 start.py check` runs it in .venv. The tests come last, so that the last line is pytest's own summary;
`--no-tests` leaves them out, and names of checks run only those.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = Path(sys.executable).parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "src")}


@dataclass(frozen=True)
class Outcome:
    """`passed` is None where the check could not be made; the note then says why."""

    passed: bool | None
    output: str = ""
    note: str = ""


def judge_status(done: subprocess.CompletedProcess[str]) -> Outcome:
    return Outcome(done.returncode == 0, done.stdout + done.stderr)


def judge_audit(done: subprocess.CompletedProcess[str]) -> Outcome:
    """pip-audit takes packages for sound when no service answers for them: these are counted here."""
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (json.JSONDecodeError, KeyError):
        reason = (done.stderr.strip() or "pip-audit said nothing").splitlines()[-1]
        return Outcome(None, note=f"skipped: no advisory service answers ({reason[:200]})")
    silent = sum("skip_reason" in package for package in packages)
    note = f"{silent} of {len(packages)} packages: no advisory service answers for them" if silent else ""
    if silent == len(packages):
        return Outcome(None, note=f"skipped: {note}")
    flaws = [f"{package['name']} {flaw['id']}" for package in packages for flaw in package.get("vulns", ())]
    return Outcome(not flaws, "\n".join(flaws), note)


@dataclass(frozen=True)
class Check:
    """A program that answers one question about the whole project, and how to read its answer."""

    name: str
    command: str
    judge: Callable[[subprocess.CompletedProcess[str]], Outcome] = judge_status

    def run(self) -> Outcome:
        program, *arguments = self.command.split()
        command = [PROGRAMS / program, *arguments]
        return self.judge(
            subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False)
        )


AUDIT = "pip-audit --require-hashes --disable-pip --format json --progress-spinner off -r requirements-dev.lock"
CHECKS = (
    Check("format", "ruff format --check ."),
    Check("lint", "ruff check ."),
    Check("security", "ruff check --select S ."),  # the rules of bandit
    Check("types", "mypy"),
    Check("layers", "lint-imports"),
    Check("advisories", AUDIT, judge_audit),
)
TESTS = ("-m", "pytest", "--cov")


def report(check: Check) -> bool:
    """Run a check and print its line; whether nothing is wrong."""
    started = time.perf_counter()
    outcome = check.run()
    mark = {True: "✓", False: "✗", None: "–"}[outcome.passed]
    print(f"{mark} {check.name:<10} {time.perf_counter() - started:5.1f} s  {outcome.note}".rstrip(), flush=True)
    if outcome.passed is False:
        print(outcome.output, flush=True)
    return outcome.passed is not False


def main(arguments: list[str]) -> int:
    known = [*(check.name for check in CHECKS), "tests"]
    names = [argument for argument in arguments if argument != "--no-tests"]
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"error: there is no check {unknown[0]!r}\n  fix  choose from {', '.join(known)}", file=sys.stderr)
        return 2
    passed = [report(check) for check in CHECKS if not names or check.name in names]
    if "--no-tests" not in arguments and (not names or "tests" in names):
        passed.append(subprocess.run([sys.executable, *TESTS], cwd=ROOT, check=False).returncode == 0)
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
