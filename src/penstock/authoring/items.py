"""Ingestions as items of `penstock status`, under the names that those who read them expect."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from string import Formatter

from penstock.errors import DefinitionError, nearest

FIELDS = (
    "accepted", "attempts", "error", "failed", "loaded", "number", "pipeline", "read", "run", "serial", "slot", "state",
    "status",
)  # fmt: skip
"""What can be said of every ingestion. `serial` is its place among all that the ledger ever accepted."""
DEFAULT = {
    "id": "{accepted:%Y%m%d}-{serial:03}",
    "pipeline": "{pipeline}",
    "slot": "{slot}",
    "state": "{state}",
    "status": "{status}",
    "attempts": "{attempts}",
}
_NUMBERS = ("attempts", "failed", "loaded", "number", "read", "serial")
_MOMENT = datetime(2024, 3, 1, 9, 30, tzinfo=UTC)


def checked_forms(forms: Mapping[str, str], parts: Iterable[str]) -> dict[str, str]:
    """Forms whose braces name fields, or parts of the trigger's path. Raises `DefinitionError`."""
    if not forms:
        raise DefinitionError("an item without names", fix='track(id="{accepted:%Y%m%d}-{serial:03}", …)')
    known = (*FIELDS, *parts)
    for name, form in forms.items():
        for field in _fields(name, form):
            if field not in known:
                raise DefinitionError(f"there is nothing called {field!r} for item {name!r}", fix=nearest(field, known))
        _try(name, form, known)
    return dict(forms)


def _try(name: str, form: str, known: Iterable[str]) -> None:
    """A format such as `:03` or `:%Y` must be one of what it formats."""
    example = {**dict.fromkeys(known, "text"), **dict.fromkeys(_NUMBERS, 1), "accepted": _MOMENT}
    try:
        form.format_map(example)
    except ValueError as error:
        raise DefinitionError(
            f"item {name!r} has the form {form!r}", why=str(error), fix="numbers take :03, `accepted` takes :%Y%m%d"
        ) from error


def _fields(name: str, form: str) -> list[str]:
    try:
        pieces = [(field, spec) for _, field, spec, _ in Formatter().parse(form) if field is not None]
    except ValueError as error:
        raise DefinitionError(f"item {name!r} has the form {form!r}", why=str(error), fix="close the brace") from error
    odd = next((field for field, spec in pieces if not field.isidentifier() or "{" in (spec or "")), None)
    if odd is not None:
        raise DefinitionError(
            f"item {name!r} has the form {form!r}", why="braces hold a name", fix='such as "{serial}"'
        )
    return [field for field, _ in pieces]
