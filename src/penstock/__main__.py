"""`python -m penstock` is the `penstock` command."""

from __future__ import annotations

import sys

from penstock.entrypoints.cli.main import command

if __name__ == "__main__":
    sys.exit(command())
