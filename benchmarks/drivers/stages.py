"""How long each stage of a run takes, told by the moment at which the command line reports its end.

`stages.py run cafe FILE --json` prints `{"seconds": {"prepared": ..., "loaded": ..., "published": ...}}` last.
"""

from __future__ import annotations

import io
import json
import sys
import time
from collections import Counter
from contextlib import redirect_stdout

from penstock.entrypoints.cli.main import main


class Stamped(io.StringIO):
    """Output that remembers how long each line was waited for, by the event that the line tells."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: Counter[str] = Counter()
        self._last = time.perf_counter()

    def write(self, text: str) -> int:
        for line in text.splitlines():
            if line.startswith("{"):
                self._stamp(json.loads(line))
        return super().write(text)

    def _stamp(self, event: dict[str, object]) -> None:
        now = time.perf_counter()
        self.seconds[str(event.get("event")).removeprefix("run_")] += now - self._last
        self._last = now


said = Stamped()
try:
    with redirect_stdout(said):
        code = main(sys.argv[1:])
finally:
    print(said.getvalue(), end="")
print(json.dumps({"seconds": said.seconds}))
raise SystemExit(code)
