"""Write the lock files again: exact versions with the hashes of their wheels, and no word about where they came from.

`python tools/lock.py` keeps what is locked unless pyproject.toml no longer allows it; `--upgrade` takes the newest.
It needs uv. requirements.lock holds what the demonstration needs, requirements-dev.lock that and what the checks need.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = {"requirements.lock": "demo", "requirements-dev.lock": "dev"}
RESOLVE = ("uv", "pip", "compile", "--universal", "--python-version", "3.11", "--generate-hashes", "--quiet")
PLAIN = ("--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links")


def compile_lock(name: str, extra: str, options: list[str]) -> None:
    """Resolve one extra; the development lock never disagrees with the smaller one."""
    agree = ["--constraint", "requirements.lock"] if name != "requirements.lock" else []
    where = ["--extra", extra, "pyproject.toml", "--output-file", name]
    subprocess.run([*RESOLVE, *PLAIN, *agree, *options, *where], cwd=ROOT, check=True)


def main() -> None:
    for name, extra in LOCKS.items():
        compile_lock(name, extra, sys.argv[1:])
        lock = ROOT / name
        lock.write_text("# Written by tools/lock.py.\n" + lock.read_text(encoding="utf-8"), encoding="utf-8")


if __name__ == "__main__":
    main()
