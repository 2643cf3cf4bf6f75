"""A watcher over the landing zone: wakes the supervisor. What it misses, the rescan finds."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from penstock.adapters.files.landing import FolderLanding, is_final
from penstock.runtime.ports import Found

log = logging.getLogger("penstock")

STEP_MS = 20
DEBOUNCE_MS = 30
SETTLE_SECONDS = 0.03
"""A file that has not changed for this long is taken to be whole. One that goes on growing later is a new content of
its slot, whose rows replace: a wrong guess costs work, never rows."""
PATIENCE_SECONDS = 10.0
"""A file that keeps growing for longer is left to the rescan."""


class Watcher:
    """Tells of objects that have appeared and stand still."""

    def __init__(self, landing: FolderLanding, notify: Callable[[list[Found]], None]) -> None:
        self.landing, self.notify = landing, notify
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watcher", daemon=True)

    def start(self) -> None:
        self.landing.root.mkdir(parents=True, exist_ok=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(timeout=5)

    def _watch(self) -> None:
        from watchfiles import Change, watch

        try:
            for changes in watch(
                self.landing.root, stop_event=self._stop, step=STEP_MS, debounce=DEBOUNCE_MS, recursive=True
            ):
                self._tell(path for change, path in changes if change is not Change.deleted)
        except Exception:
            log.exception("Watcher stopped", extra={"action": "watcher_stopped"})

    def _tell(self, paths: Iterable[str]) -> None:
        root = str(self.landing.root)
        readable = [Path(path) for path in paths if _readable(path, root)]
        waiting = {address for address in self.landing.addresses_of(readable) if address}
        deadline = time.monotonic() + PATIENCE_SECONDS
        while waiting and time.monotonic() < deadline and not self._stop.is_set():
            before = {address: self.landing.stat(address) for address in waiting}
            time.sleep(SETTLE_SECONDS)
            still = [found for address, found in before.items() if found and self.landing.stat(address) == found]
            gone = {address for address, found in before.items() if found is None}
            if still:
                self.notify(still)
            waiting -= gone | {found.address for found in still}


def _readable(path: str, root: str) -> bool:
    """Whether every name on the way from the landing zone is final."""
    inside = path.startswith(f"{root}/")
    names = path.removeprefix(f"{root}/").split("/") if inside else path.rsplit("/", 1)[-1:]
    return all(map(is_final, names))
