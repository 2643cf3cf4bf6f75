"""Loads one pickled load in a process of its own: `python loading.py PLACE LOAD [ROUNDS]`.

PLACE is the folder of a lake, or a PostgreSQL URL with the schema after a blank.
"""

from __future__ import annotations

import pickle
import sys
from dataclasses import replace
from pathlib import Path


def destination(place):
    from penstock.adapters.lake import Lake
    from penstock.adapters.postgres import Postgres

    url, _, schema = place.partition(" ")
    if not schema:
        return Lake(Path(place))
    return Postgres(url, schema, workdir=Path(sys.argv[2]).parent / "scratch", bulk_rows=2)


def main():
    load = pickle.loads(Path(sys.argv[2]).read_bytes())  # noqa: S301 - the test has just written it
    there = destination(sys.argv[1])
    for number in range(int(sys.argv[3]) if len(sys.argv) > 3 else 1):
        units = tuple(replace(unit, number=unit.number + number) for unit in load.units)
        sys.stdout.write(f"{len(there.load(replace(load, units=units)).applied)}\n")
        sys.stdout.flush()
    there.close()


if __name__ == "__main__":
    main()
