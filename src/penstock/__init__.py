"""Penstock: event-driven ETL. `import penstock as ps`, and everything that a pipeline file needs is here.

Names are resolved when they are first used, so that importing the package costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock import errors
    from penstock.authoring.arrivals import ready
    from penstock.authoring.notices import notify
    from penstock.authoring.origins import git, http, secret
    from penstock.authoring.pipeline import Pipeline
    from penstock.authoring.privacy import drop, encrypt, hash, mask, tokenize  # noqa: A004  the words authors look for
    from penstock.authoring.schedules import every, schedule
    from penstock.authoring.sources import csv, json, json_lines, parquet, table
    from penstock.authoring.streams import stream
    from penstock.authoring.tables import entity, lake, owned, postgres
    from penstock.authoring.triggers import event, manual, upload
    from penstock.errors import PenstockError
    from penstock.wiring.streams import writer

__version__ = "0.1.0"

_HOMES = {
    "Pipeline": "authoring.pipeline",
    "PenstockError": "errors",
    "csv": "authoring.sources",
    "drop": "authoring.privacy",
    "encrypt": "authoring.privacy",
    "entity": "authoring.tables",
    "errors": "",
    "event": "authoring.triggers",
    "every": "authoring.schedules",
    "git": "authoring.origins",
    "hash": "authoring.privacy",
    "http": "authoring.origins",
    "json": "authoring.sources",
    "json_lines": "authoring.sources",
    "lake": "authoring.tables",
    "manual": "authoring.triggers",
    "mask": "authoring.privacy",
    "notify": "authoring.notices",
    "owned": "authoring.tables",
    "parquet": "authoring.sources",
    "postgres": "authoring.tables",
    "ready": "authoring.arrivals",
    "schedule": "authoring.schedules",
    "secret": "authoring.origins",
    "table": "authoring.sources",
    "stream": "authoring.streams",
    "tokenize": "authoring.privacy",
    "upload": "authoring.triggers",
    "writer": "wiring.streams",
}

__all__ = [
    "PenstockError",
    "Pipeline",
    "csv",
    "drop",
    "encrypt",
    "entity",
    "errors",
    "event",
    "every",
    "git",
    "hash",
    "http",
    "json",
    "json_lines",
    "lake",
    "manual",
    "mask",
    "notify",
    "owned",
    "parquet",
    "postgres",
    "ready",
    "schedule",
    "secret",
    "stream",
    "table",
    "tokenize",
    "upload",
    "writer",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        # `name` and `obj` let the caller, and the error messages of pipeline files, suggest the nearest word.
        raise AttributeError(f"module 'penstock' has no attribute {name!r}", name=name, obj=__import__(__name__))
    from importlib import import_module

    home = _HOMES[name]
    module = import_module(f"penstock.{home or name}")
    value = getattr(module, name) if home else module
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
