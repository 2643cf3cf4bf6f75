"""Something that is done again and again while others work."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def repeated(action: Callable[[], object], seconds: float, name: str | None = None) -> Iterator[None]:
    """Do it every so many seconds, in a thread of its own, for as long as the block lasts."""
    over = threading.Event()

    def work() -> None:
        while not over.wait(seconds):
            action()

    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
