"""Secrets: from the environment, from `.env` (on `local` only), from files of mode 0600. Never logged, never copied.

`Secrets.get("smtp_password")` looks at `PENSTOCK_SECRET_SMTP_PASSWORD`, then at `.penstock/secrets/smtp_password`.
"""

from __future__ import annotations

import os
import re
import secrets as randomness
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from penstock.authoring.origins import SECRET_NAME
from penstock.errors import MissingSecret, SetupError, StorageUnavailable
from penstock.model.settings import Settings

PREFIX = "PENSTOCK_SECRET_"
PRIVACY_KEY = "privacy_key"
FIRST_KEY = "k1"
KEY_BYTES = 32
_KEY = re.compile(r"(?:([a-z0-9]{1,16}):)?([0-9a-fA-F]{32,})")
_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*")


class Secrets:
    """The secret store of one project. Values are looked up each time, so a rotated one is seen without a restart."""

    def __init__(self, folder: Path, variables: Mapping[str, str]) -> None:
        """`folder` holds one file for each secret; `variables` is the environment, `.env` included."""
        self.folder = folder
        self._variables = variables

    def get(self, name: str) -> str:
        """The secret of that name. Raises `MissingSecret`."""
        value = self.find(name)
        if value is None:
            variable, file = f"{PREFIX}{name.upper()}", self.folder / name
            raise MissingSecret(
                f"there is no secret {name!r}",
                why=f"neither {variable} nor the file {file} is there",
                fix=f"export {variable}=…   or   (umask 077; mkdir -p {self.folder}; cat > {file})",
            )
        return value

    def find(self, name: str) -> str | None:
        """The secret of that name, or None."""
        value = self._variables.get(PREFIX + _checked(name).upper())
        return value or self._read(self.folder / name)

    def names(self) -> list[str]:
        """Every name that has a value."""
        told = {
            key.removeprefix(PREFIX).lower()
            for key, value in self._variables.items()
            if key.startswith(PREFIX) and value
        }
        kept = {path.name for path in self.folder.glob("*") if SECRET_NAME.fullmatch(path.name) and path.is_file()}
        return sorted(told | kept)

    def origin(self, name: str) -> str:
        """Where the value of a secret comes from, for `doctor`; empty when there is none."""
        if self._variables.get(PREFIX + name.upper()):
            return PREFIX + name.upper()
        return str(self.folder / name) if (self.folder / name).is_file() else ""

    def keep(self, name: str, value: str) -> str:
        """Store a first value in the file store; where another process was faster, its value stands and is returned."""
        self._make_folder()
        draft = self.folder / f".{_checked(name)}.{os.getpid()}.{randomness.token_hex(4)}"
        _write(draft, value)
        try:
            os.link(draft, self.folder / name)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
        _sync(self.folder)
        return self.get(name)

    def exposed(self) -> list[Path]:
        """Files and folders of the store that others on this machine may read."""
        paths = [self.folder, *self.folder.glob("*")] if self.folder.is_dir() else []
        return [path for path in paths if is_exposed(path)]

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StorageUnavailable(
                "the folder of secrets cannot be made", at=str(self.folder), why=error.strerror or ""
            ) from error

    def _read(self, path: Path) -> str | None:
        try:
            return path.read_text(encoding="utf-8").strip() or None
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SetupError(
                f"the secret {path.name!r} cannot be read", at=str(path), why=error.strerror or ""
            ) from error


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of privacy marks: new values are made with the current one, old ones are kept to read and compare."""

    current: str
    """The id of the current key."""
    keys: Mapping[str, bytes] = field(repr=False)

    @property
    def key(self) -> bytes:
        """The current key."""
        return self.keys[self.current]


def privacy_keys(secrets: Secrets, *, generate: bool = False) -> Keys:
    """The secret `privacy_key` (`<id>:<hex>`) and every older one (`privacy_key_<id>`).

    With `generate` (on `local`) a missing first key is made and kept in the file store.
    """
    text = secrets.find(PRIVACY_KEY)
    if text is None and generate:
        text = secrets.keep(PRIVACY_KEY, f"{FIRST_KEY}:{randomness.token_hex(KEY_BYTES)}")
    if text is None:
        text = secrets.get(PRIVACY_KEY)
    current, key = _parse_key(PRIVACY_KEY, text)
    keys = {current: key}
    for name in secrets.names():
        if name.startswith(PRIVACY_KEY + "_"):
            identity, older = _parse_key(name, secrets.get(name))
            if keys.setdefault(identity, older) != older:
                raise SetupError(
                    f"two different privacy keys have the id {identity!r}",
                    at=secrets.origin(name),
                    why="values that were protected with one could not be told from those of the other",
                    fix="give the newer key an id of its own",
                )
    return Keys(current, keys)


def destination_url(settings: Settings, secrets: Secrets, name: str) -> str:
    """Where a destination is: its setting, or the secret `<name>_url`. Raises `MissingSecret`."""
    place = settings.destinations.get(name)
    url = (place.url if place else "") or secrets.find(f"{name}_url")
    if not url:
        raise MissingSecret(
            f"it is not known where the destination {name!r} is",
            why=f"neither PENSTOCK_{name.upper()}_URL nor the secret {name}_url is set",
            fix=f"export PENSTOCK_{name.upper()}_URL=postgresql://user:password@host/database",
        )
    return url


def dotenv(path: Path) -> dict[str, str]:
    """The variables of a `.env` file: `NAME=value` lines, quotes optional, `#` starts a comment."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError("the file .env cannot be read", at=str(path), fix="make it UTF-8 text of mode 0600") from error
    matches = (_LINE.fullmatch(line) for line in text.splitlines() if not line.lstrip().startswith("#"))
    return {match[1]: _unquoted(match[2]) for match in matches if match}


def is_exposed(path: Path) -> bool:
    """Whether anybody but its owner may read a file or enter a folder."""
    return path.exists() and bool(path.stat().st_mode & 0o077)


def _checked(name: str) -> str:
    if not SECRET_NAME.fullmatch(name):
        raise SetupError(
            f"{name!r} cannot name a secret", fix="lower-case letters, digits and underscores, a letter first"
        )
    return name


def _parse_key(name: str, text: str) -> tuple[str, bytes]:
    match = _KEY.fullmatch(text)
    suffix = name.removeprefix(PRIVACY_KEY).removeprefix("_")
    identity = match[1] or suffix if match else ""
    if not match or not identity or len(match[2]) % 2 or (suffix and suffix != identity):
        raise SetupError(
            f"the secret {name!r} is not a privacy key",
            why="a key is written <id>:<hex digits>, 32 digits or more; an older one is kept as privacy_key_<id>",
            fix=f"python3 -c \"import secrets; print('k2:' + secrets.token_hex({KEY_BYTES}))\"",
        )
    return identity, bytes.fromhex(match[2])


def _unquoted(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    return text.split(" #", 1)[0].rstrip()


def _write(path: Path, text: str) -> None:
    """A new file that only its owner may read, on disk before it has its name."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise StorageUnavailable("a secret cannot be stored", at=str(path.parent), why=error.strerror or "") from error


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
