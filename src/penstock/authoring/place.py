"""Where in a pipeline file something was written, so that an error can point at it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from penstock.errors import DefinitionError, PenstockError

_PACKAGE = str(Path(__file__).resolve().parents[1])


@dataclass(frozen=True, slots=True)
class Place:
    """A file and a line, printed as `pipelines/cafe.py:12`."""

    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.file else ""


def here() -> Place:
    """The place of the nearest caller outside this package."""
    frame = sys._getframe(1)  # noqa: SLF001  the standard way to a caller, as in logging
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    return Place(shorten(frame.f_code.co_filename), frame.f_lineno)


def shorten(file: str) -> str:
    """A path as its reader knows it: relative to the working folder where it lies below it."""
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_absolute() and path.is_relative_to(Path.cwd()) else file


class Placed(Protocol):
    """Something that was written somewhere."""

    @property
    def place(self) -> Place: ...


T = TypeVar("T", bound=Placed)


def declare(known: dict[str, T], name: str, new: T, what: str, kind: str) -> None:
    """Add a declaration to those that are known. Raises `DefinitionError` when another one has its name."""
    other = known.setdefault(name, new)
    if other is not new:
        raise DefinitionError(
            f"{what} is declared twice",
            at=str(new.place),
            why=f"first at {other.place}",
            fix=f"give one of them another {kind}",
        )


class Located:
    """Gives an error that passes through it the pipeline and the place."""

    def __init__(self, pipeline: str, place: Place) -> None:
        self.pipeline, self.place = pipeline, place

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, PenstockError):
            error.at = error.at or str(self.place)
            if self.pipeline not in error.what:
                error.what = f"pipeline {self.pipeline!r}: {error.what}"
