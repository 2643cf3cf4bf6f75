"""Settings: flag, then `PENSTOCK_*` variable, then environment table, then project table, then default.

The one file that reads `os.environ` and `pyproject.toml`.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from penstock.adapters.secrets import PREFIX, Secrets, dotenv
from penstock.authoring.notices import WORDS
from penstock.errors import SettingsError, UsageError, nearest
from penstock.model.settings import LOCAL, Announcement, Limits, Place, Retention, Retry, Server, Settings

TABLE = "tool.penstock"
VARIABLE = "PENSTOCK_"
# Variables that are no settings: the choice of the environment, and what the command line alone looks at.
OTHER_VARIABLES = ("PENSTOCK_ENV", "PENSTOCK_DEBUG")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(|B|KB|MB|GB|TB|KIB|MIB|GIB|TIB)")
_UNITS = {"": 0, "B": 0, "K": 1, "M": 2, "G": 3, "T": 4}
_ENVIRONMENT = re.compile(r"[a-z][a-z0-9-]{0,31}")
_PLACE_VARIABLE = re.compile(rf"{VARIABLE}(?!SECRET_)([A-Z][A-Z0-9_]*?)_(URL|FOREIGN_KEYS)")

Kind = Callable[[Any], Any]


def text(value: Any) -> str:
    """Any text that is not empty."""
    if not isinstance(value, str) or not value:
        raise ValueError("a text")
    return value


def truth(value: Any) -> bool:
    """`true` or `false`."""
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if isinstance(value, bool):
        return value
    if str(value).lower() not in words:
        raise ValueError("true or false")
    return words[str(value).lower()]


def words(*known: str) -> Kind:
    """A list of words, of these or of any."""

    def parse(value: Any) -> tuple[str, ...]:
        found = (value,) if isinstance(value, str) else value
        if not isinstance(found, list | tuple) or not all(isinstance(word, str) for word in found):
            raise ValueError("a list of words")
        if known and not set(found) <= set(known):
            raise ValueError(f"some of {', '.join(known)}")
        return tuple(found)

    return parse


def count(least: int) -> Kind:
    """A whole number, `least` or more."""

    def parse(value: Any) -> int:
        if isinstance(value, bool) or not str(value).isascii() or not str(value).isdigit() or int(value) < least:
            raise ValueError(f"a whole number, {least} or more")
        return int(value)

    return parse


def seconds(value: Any) -> float:
    """A positive number."""
    try:
        number = 0.0 if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = 0.0
    if not 0 < number < float("inf"):
        raise ValueError("a number of seconds above 0")
    return number


def size(value: Any) -> int:
    """Bytes: a whole number, or `"512MB"` (powers of 1000), `"512MiB"` (powers of 1024)."""
    match = _SIZE.fullmatch(str(value).strip().upper())
    number = 0
    if match and not isinstance(value, bool):
        unit = 1024 if match[2].endswith("IB") else 1000
        number = int(float(match[1]) * unit ** _UNITS[match[2][:1]])
    if number <= 0:
        raise ValueError('a size such as "512MB"')
    return number


# Every setting but those of a destination, by its dotted name. Defaults stand in `penstock.model.settings`.
KINDS: dict[str, Kind] = {
    "project": text,
    "default_env": text,
    "store": text,
    "zones": text,
    "hard": truth,
    "workers": count(1),
    "threads": count(0),
    "memory_limit": size,
    "chunk_bytes": size,
    "rescan_seconds": seconds,
    "lease_seconds": seconds,
    "retry.attempts": count(1),
    "retry.first_seconds": seconds,
    "retry.longest_seconds": seconds,
    "retry.deaths": count(1),
    "limits.batch_files": count(1),
    "limits.refused_rows": count(0),
    "limits.batch_bytes": size,
    "limits.expanded_bytes": size,
    "limits.expansion": count(1),
    "versions.keep": count(1),
    "versions.keep_seconds": seconds,
    "server.host": text,
    "server.port": count(0),
    "server.names": text,
    "server.body_bytes": size,
    "server.proxies": text,
    "server.tls_cert": text,
    "server.tls_key": text,
}
# The settings of each destination, `destinations.<name>.…`.
PLACE_KINDS: dict[str, Kind] = {"url": text, "foreign_keys": truth}
GROUPS = {key.partition(".")[0] for key in KINDS if "." in key}
# The settings of each channel, `notify.<name>.…`.
NOTIFY_KINDS: dict[str, Kind] = {"on": words(*WORDS), "pipelines": words()}
NAMED = {"destinations": PLACE_KINDS, "notify": NOTIFY_KINDS}
_EXAMPLES = {"destinations": 'url = "postgresql://…"', "notify": 'on = ["failed"]'}


def find_project(start: Path) -> Path:
    """The nearest folder, from `start` upwards, whose `pyproject.toml` has a table `[tool.penstock]`."""
    for folder in (start, *start.parents):
        if _tool_table(folder / "pyproject.toml") is not None:
            return folder
    raise UsageError(
        "there is no Penstock project here",
        at=str(start),
        why="no pyproject.toml with a table [tool.penstock] in this folder or above it",
        fix="penstock init shop --example cafe   or   penstock --project FOLDER …",
    )


def process_variables() -> Mapping[str, str]:
    """The variables of this process."""
    return os.environ


def read(
    folder: Path,
    environment: str | None = None,
    *,
    flags: Mapping[str, Any] | None = None,
    variables: Mapping[str, str] | None = None,
) -> Settings:
    """The settings of the project in `folder`. Raises `SettingsError`.

    `flags` holds what a person typed, by dotted name; None means that they said nothing about it.
    """
    table = _tool_table(folder / "pyproject.toml") or {}
    environ = process_variables() if variables is None else variables
    name = _environment(environment or environ.get("PENSTOCK_ENV") or table.get("default_env") or LOCAL, table)
    environ = with_dotenv(folder, name, environ)
    layers = [
        *_flag_layer(flags or {}),
        *_variable_layer(environ),
        *_table_layer(table.get("env", {}).get(name, {}), f"[{TABLE}.env.{name}]"),
        *_table_layer({key: value for key, value in table.items() if key != "env"}, f"[{TABLE}]"),
    ]
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for key, value, origin in layers:
        if key not in values:
            values[key], origins[key] = _parsed(key, value, origin), origin
    return _record(folder, name, values, origins)


def with_dotenv(folder: Path, environment: str, variables: Mapping[str, str]) -> Mapping[str, str]:
    """The variables, and on `local` those of the project's `.env` that the process does not have."""
    return {**dotenv(folder / ".env"), **variables} if environment == LOCAL else variables


def open_secrets(settings: Settings, variables: Mapping[str, str] | None = None) -> Secrets:
    """The secret store of a project."""
    environ = process_variables() if variables is None else variables
    return Secrets(settings.store / "secrets", with_dotenv(settings.folder, settings.environment, environ))


def value_of(settings: Settings, key: str) -> Any:
    """A setting's value by its dotted name."""
    value: Any = settings
    for part in key.split("."):
        value = value[part] if isinstance(value, Mapping) else getattr(value, part)
    return value


def strange_variables(variables: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """`PENSTOCK_*` variables that nothing reads, each with the nearest one that something does."""
    known = {_variable(key) for key in KINDS}
    for name in sorted(variables):
        read_elsewhere = name in OTHER_VARIABLES or name.startswith(PREFIX) or _PLACE_VARIABLE.fullmatch(name)
        if name.startswith(VARIABLE) and name not in known and not read_elsewhere:
            yield name, nearest(name, known)


def _tool_table(path: Path) -> dict[str, Any] | None:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        why = error.strerror or "" if isinstance(error, OSError) else str(error)
        raise SettingsError("pyproject.toml cannot be read", at=str(path), why=why, fix="mend the file") from error
    table = content.get("tool", {}).get("penstock")
    if table is None:
        return None
    name = content.get("project", {}).get("name")
    return {"project": name, **table} if isinstance(name, str) and name else dict(table)


def _environment(name: str, table: Mapping[str, Any]) -> str:
    known = {LOCAL, *table.get("env", {})}
    if name not in known or not _ENVIRONMENT.fullmatch(name):
        raise UsageError(
            f"there is no environment {name!r}", at=f"[{TABLE}.env.{name}] in pyproject.toml", fix=nearest(name, known)
        )
    return name


def _flag_layer(flags: Mapping[str, Any]) -> Iterator[tuple[str, Any, str]]:
    for key, value in flags.items():
        if value is not None:
            yield key, value, f"--{key.rpartition('.')[2].replace('_', '-')}"


def _variable_layer(variables: Mapping[str, str]) -> Iterator[tuple[str, Any, str]]:
    for key in KINDS:
        if variables.get(_variable(key)):
            yield key, variables[_variable(key)], _variable(key)
    for name, value in variables.items():
        match = _PLACE_VARIABLE.fullmatch(name)
        if match and value:
            yield f"destinations.{match[1].lower()}.{match[2].lower()}", value, name


def _table_layer(table: Mapping[str, Any], origin: str) -> Iterator[tuple[str, Any, str]]:
    for name, value in table.items():
        if name in NAMED and isinstance(value, dict):
            yield from _named(name, value, origin)
        elif name in GROUPS and isinstance(value, dict):
            for inner, setting in value.items():
                yield _known(f"{name}.{inner}", origin), setting, origin
        else:
            yield _known(name, origin), value, origin


def _named(group: str, table: Mapping[str, Any], origin: str) -> Iterator[tuple[str, Any, str]]:
    for name, settings in table.items():
        if not isinstance(settings, dict):
            raise SettingsError(
                f"{group}.{name} is not a table",
                at=f"{origin} in pyproject.toml",
                fix=f"[{TABLE}.{group}.{name}]   {_EXAMPLES[group]}",
            )
        for key, value in settings.items():
            if key not in NAMED[group]:
                what = f"there is no setting {key!r} in {group}.{name}"
                raise SettingsError(what, at=f"{origin} in pyproject.toml", fix=nearest(key, NAMED[group]))
            yield f"{group}.{name}.{key}", value, origin


def _known(key: str, origin: str) -> str:
    if key not in KINDS:
        known = [*KINDS, *NAMED, "env"]
        raise SettingsError(f"there is no setting {key!r}", at=f"{origin} in pyproject.toml", fix=nearest(key, known))
    return key


def _parsed(key: str, value: Any, origin: str) -> Any:
    try:
        return _kind(key)(value)
    except ValueError as error:
        raise SettingsError(
            f"setting {key!r} has a value that it cannot have", at=origin, fix=f"give it {error}"
        ) from None


def _kind(key: str) -> Kind:
    group, _, rest = key.partition(".")
    return NAMED[group][rest.rpartition(".")[2]] if group in NAMED else KINDS[key]


def _record(folder: Path, environment: str, values: dict[str, Any], origins: dict[str, str]) -> Settings:
    # Environments never share a ledger or a landing zone by accident.
    apart = Path() if environment == LOCAL else Path(".penstock", "env", environment)
    own = {"project": folder.name, **{key: value for key, value in values.items() if "." not in key}}
    store, zones = own.pop("store", apart if apart.parts else ".penstock"), own.pop("zones", apart)
    return Settings(
        folder=folder,
        environment=environment,
        store=folder / store,
        zones=folder / zones,
        retry=Retry(**_below("retry", values)),
        limits=Limits(**_below("limits", values)),
        versions=Retention(**_below("versions", values)),
        server=Server(**_below("server", values)),
        destinations={name: Place(**found) for name, found in _each("destinations", values)},
        notify={name: Announcement(**found) for name, found in _each("notify", values)},
        origins={**dict.fromkeys(KINDS, "default"), **origins},
        **own,
    )


def _each(group: str, values: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The settings of each name in a group."""
    for name in sorted({key.rpartition(".")[0] for key in values if key.startswith(group + ".")}):
        yield name.partition(".")[2], _below(name, values)


def _below(group: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {key.removeprefix(group + "."): value for key, value in values.items() if key.startswith(group + ".")}


def _variable(key: str) -> str:
    return VARIABLE + key.replace(".", "_").upper()
