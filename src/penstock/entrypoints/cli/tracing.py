"""Where an error happened, for `--verbose` and `PENSTOCK_DEBUG`."""

from __future__ import annotations

import logging
import sys
import traceback
from typing import TextIO


def trace(error: BaseException, stream: TextIO) -> None:
    """Print where it happened, without what was said: messages of engines and drivers may hold data."""
    chain: BaseException | None = error
    while chain is not None:
        stream.write("".join(traceback.format_tb(chain.__traceback__)) + type(chain).__name__ + "\n")
        chain = chain.__cause__ or chain.__context__
    stream.flush()


def listen(*, verbose: bool) -> None:
    """What the library logs while a command works: nothing, or where errors happened."""
    log = logging.getLogger("penstock")
    # Without a handler of its own, its warnings would reach standard error as they are.
    log.handlers = [_Places() if verbose else logging.NullHandler()]
    log.setLevel(logging.INFO if verbose else logging.NOTSET)


class _Places(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] is not None:
            trace(record.exc_info[1], sys.stderr)
