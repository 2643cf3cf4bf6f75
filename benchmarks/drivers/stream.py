"""Small files that arrive while the project is served: `stream.py PROJECT URL FILES ORDERS`.

Measured from the first rename until all of their orders can be queried.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from served import arrive, copied, served


def main(folder: Path, url: str, source: Path, orders: int) -> None:
    warm_up, *files = copied(sorted(source.iterdir()), folder / "landing" / "cafe")
    with served(folder, url) as project:
        arrive(warm_up)
        project.reaches(1, every=0.01)
        started = time.perf_counter()
        for file in files:
            arrive(file)
        project.reaches(orders, every=0.25)
        seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "files_a_second": len(files) / seconds}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
