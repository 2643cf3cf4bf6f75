"""Penstock: event-driven ETL. `import penstock as ps`, and everything that a pipeline file needs is here.

Names are resolved when they are first used, so that importing the package costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock import errors
    from penstock.authoring.arrivals import ready
    from penstock.authoring.charts import (
        Dashboard,
        avg,
        bucket,
        count,
        day,
        hour,
        last,
        max,  # noqa: A004  the words authors look for
        min,  # noqa: A004
        month,
        sum,  # noqa: A004
    )
    from penstock.authoring.notices import notify
    from penstock.authoring.origins import git, http, secret
    from penstock.authoring.pipeline import Pipeline
    from penstock.authoring.privacy import drop, encrypt, hash, mask, tokenize  # noqa: A004  the words authors look for
    from penstock.authoring.schedules import every, schedule
    from penstock.authoring.sources import csv, json, json_lines, parquet, table, tables
    from penstock.authoring.streams import stream
    from penstock.authoring.tables import entity, lake, owned, postgres
    from penstock.authoring.triggers import event, manual, upload
    from penstock.errors import PenstockError
    from penstock.wiring.streams import writer

__version__ = "0.1.0"

_HOMES = {
    "Dashboard": "authoring.charts",
    "PenstockError": "errors",
    "Pipeline": "authoring.pipeline",
    "avg": "authoring.charts",
    "bucket": "authoring.charts",
    "count": "authoring.charts",
    "csv": "authoring.sources",
    "day": "authoring.charts",
    "drop": "authoring.privacy",
    "encrypt": "authoring.privacy",
    "entity": "authoring.tables",
    "errors": "",
    "event": "authoring.triggers",
    "every": "authoring.schedules",
    "git": "authoring.origins",
    "hash": "authoring.privacy",
    "hour": "authoring.charts",
    "http": "authoring.origins",
    "json": "authoring.sources",
    "json_lines": "authoring.sources",
    "lake": "authoring.tables",
    "last": "authoring.charts",
    "manual": "authoring.triggers",
    "mask": "authoring.privacy",
    "max": "authoring.charts",
    "min": "authoring.charts",
    "month": "authoring.charts",
    "notify": "authoring.notices",
    "owned": "authoring.tables",
    "parquet": "authoring.sources",
    "postgres": "authoring.tables",
    "ready": "authoring.arrivals",
    "schedule": "authoring.schedules",
    "secret": "authoring.origins",
    "stream": "authoring.streams",
    "sum": "authoring.charts",
    "table": "authoring.sources",
    "tables": "authoring.sources",
    "tokenize": "authoring.privacy",
    "upload": "authoring.triggers",
    "writer": "wiring.streams",
}

__all__ = [
    "Dashboard",
    "PenstockError",
    "Pipeline",
    "avg",
    "bucket",
    "count",
    "csv",
    "day",
    "drop",
    "encrypt",
    "entity",
    "errors",
    "event",
    "every",
    "git",
    "hash",
    "hour",
    "http",
    "json",
    "json_lines",
    "lake",
    "last",
    "manual",
    "mask",
    "max",
    "min",
    "month",
    "notify",
    "owned",
    "parquet",
    "postgres",
    "ready",
    "schedule",
    "secret",
    "stream",
    "sum",
    "table",
    "tables",
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
