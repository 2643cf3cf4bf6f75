"""Who hears of a run's end: words for what happened, names for channels."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from penstock.errors import DefinitionError, nearest

DEFAULT = ("succeeded", "failed")
WORDS = (*DEFAULT, "partial", "suspended", "dead", "retrying", "late", "stray")
"""`failed` is every end but success; `partial`, `suspended` and `dead` are parts of it. `retrying`: an attempt failed,
and another will follow. `late`: the deadline has passed, and something that the pipeline waits for is missing.
`stray`: a file fits no pipeline, and this one's paths best."""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")


@dataclass(frozen=True, slots=True)
class Channel:
    """A way to people, by name; the secret `notify_<name>` says where it leads."""

    name: str


@dataclass(frozen=True, slots=True)
class Notice:
    """What is told, and to whom."""

    on: tuple[str, ...]
    to: tuple[str, ...]


def notify(name: str) -> Channel:
    """A channel: `ps.notify("team")`. Its URL is the secret `notify_team`."""
    return Channel(checked_name(name))


def notice(on: str | Iterable[str], to: Channel | Iterable[Channel]) -> Notice:
    """Checked. Raises `DefinitionError`."""
    channels = (to,) if isinstance(to, Channel) else tuple(to)
    if not channels:
        raise DefinitionError("a notice goes to nobody", fix='to=ps.notify("team")')
    return Notice(checked_words(on), tuple(channel.name for channel in channels))


def checked_words(on: str | Iterable[str]) -> tuple[str, ...]:
    """Words that are known, each once. Raises `DefinitionError`."""
    words = (on,) if isinstance(on, str) else tuple(dict.fromkeys(on))
    for word in words:
        if word not in WORDS:
            raise DefinitionError(f"there is no notice on {word!r}", fix=nearest(word, WORDS))
    if not words:
        raise DefinitionError("a notice is about nothing", fix='on=("succeeded", "failed")')
    return words


def checked_name(name: str) -> str:
    """A name that can be part of a secret's. Raises `DefinitionError`."""
    if not _NAME.fullmatch(name):
        raise DefinitionError(
            f"{name!r} cannot name a channel", fix="lower-case letters, digits and underscores, a letter first"
        )
    return name
