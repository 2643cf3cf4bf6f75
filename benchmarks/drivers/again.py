"""The same delivery twice in one process: how much of the first time does the second one cost?

Runs the command line itself, without the start of an interpreter between: `again.py run cafe FILE --json`.
"""

from __future__ import annotations

import io
import json
import sys
import time
from contextlib import redirect_stdout

from penstock.entrypoints.cli.main import main


def timed(arguments: list[str]) -> float:
    started = time.perf_counter()
    with redirect_stdout(io.StringIO()) as said:
        code = main(arguments)
    if code:
        raise SystemExit(said.getvalue())
    return time.perf_counter() - started


first = timed(sys.argv[1:])
again = [timed(sys.argv[1:]) for _ in range(3)]
second = sorted(again)[1]
print(json.dumps({"first": first, "second": second, "share": second / first}))
