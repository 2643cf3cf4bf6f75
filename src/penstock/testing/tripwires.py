"""Ports that die on command: a process's death at a call, simulated inside this process."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any


class Died(BaseException):
    """The process is thought to be dead. Nothing may handle this but whoever starts it again."""


class Clock:
    """A clock that stands still until it is turned."""

    def __init__(self, now: datetime = datetime(2024, 3, 4, 22, tzinfo=UTC)) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def turn(self, by: timedelta) -> None:
        self.now += by


class Trap:
    """Set to a call's name, it springs at the next call of that name, before or after it has worked."""

    def __init__(self) -> None:
        self._call, self._after = "", False

    def set(self, call: str, *, after: bool) -> None:
        self._call, self._after = call, after

    def clear(self) -> None:
        self._call = ""

    def passed(self, call: str, *, after: bool) -> None:
        if (call, after) == (self._call, self._after):
            self.clear()
            raise Died(f"{'after' if after else 'before'} {call}")


class Wired:
    """Any port, each call of which passes a trap as `<name>.<method>`."""

    def __init__(self, port: Any, name: str, trap: Trap) -> None:
        self._port, self._name, self._trap = port, name, trap

    def __getattr__(self, attribute: str) -> Any:
        found = getattr(self._port, attribute)
        return self._wired(found, f"{self._name}.{attribute}") if callable(found) else found

    def _wired(self, method: Callable[..., Any], call: str) -> Callable[..., Any]:
        def passing(*arguments: Any, **options: Any) -> Any:
            self._trap.passed(call, after=False)
            result = method(*arguments, **options)
            self._trap.passed(call, after=True)
            return result

        return passing
