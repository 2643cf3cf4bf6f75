"""Path templates: which files set a pipeline off, and which parts of their names mean something.

    landing/{branch}_{day:%d-%m-%Y}_{time}.csv
    landing/table={table}/year={year:%Y}/**/{name}.csv

A part in braces captures one or more characters and never crosses a `/`; `*` stands for any characters within a
folder's or a file's name, `**` for any number of folders; `{{` and `}}` are braces. Where a name can be divided in
several ways, each part, from left to right, is as short as it can be for the rest still to match; a date counts only
if it exists.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from penstock.authoring.parts import Anything, Dated, Literal, Part, Piece, Segment, format_mistake
from penstock.errors import TriggerError, UsageError, nearest

LANDING = "landing/"
"""Every template begins with it: only what lies in the landing zone can set a pipeline off."""

_TOKEN = re.compile(r"\{\{|\}\}|\{[^{}]*\}|[{}]|\*+|[^{}*]+")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@dataclass(frozen=True)
class PathTemplate:
    """A parsed template. Make one with `PathTemplate.parse`."""

    text: str
    segments: tuple[Segment, ...]

    @classmethod
    def parse(cls, text: str) -> PathTemplate:
        """Read a template. Raises `TriggerError` for what could not match, or could not mean what it seems to."""
        _check_path(text)
        template = cls(text, _segments(text))
        names = template.names
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise _wrong(text, f"the part {twice!r} stands in it twice", "give each part a name of its own")
        return template

    @cached_property
    def _deep(self) -> bool:
        return any(segment.deep for segment in self.segments)

    @property
    def names(self) -> tuple[str, ...]:
        """The captured parts, from left to right."""
        return tuple(piece.name for piece in self._pieces() if not isinstance(piece, Literal) and piece.name)

    @property
    def prefix(self) -> str:
        """The deepest folder that every matching path lies in, with its `/`: what a watcher watches."""
        folders: list[str] = []
        for segment in self.segments[:-1]:
            if segment.literal is None:
                break
            folders.append(segment.literal)
        return "".join(f"{folder}/" for folder in folders)

    def match(self, path: str) -> Mapping[str, Part] | None:
        """The captured parts of a path, or None."""
        names = path.split("/")
        if not all(map(_is_name, names)):
            return None
        return _walk(self.segments, names) if self._deep else _along(self.segments, names)

    def text_of(self, part: str, value: str) -> str:
        """A captured part as it stands in the path: a date in its form."""
        piece = next((piece for piece in self._pieces() if isinstance(piece, Dated) and piece.name == part), None)
        if piece is None:
            return value
        with suppress(ValueError):
            return piece.write(datetime.fromisoformat(value))
        return value

    def format(self, **parts: Part) -> str:
        """The path with these parts. Raises `UsageError` for missing, unknown or unfitting parts, and for globs."""
        for name in parts:
            if name not in self.names:
                raise UsageError(f"{self.text!r} has no part {name!r}", fix=nearest(name, self.names))
        if any(segment.deep for segment in self.segments) or any(
            isinstance(piece, Anything) and not piece.name for piece in self._pieces()
        ):
            raise UsageError(f"{self.text!r} stands for many paths", why="it holds a *")
        path = "/".join("".join(_written(piece, parts) for piece in segment.pieces) for segment in self.segments)
        if self.match(path) is None:
            raise UsageError(f"these parts do not make a path of {self.text!r}", why=self.explain(path))
        return path

    def at(self, moment: datetime) -> PathTemplate:
        """The template with its dated parts filled: they are captured no more."""
        segments = tuple(
            Segment(
                tuple(Literal(piece.write(moment)) if isinstance(piece, Dated) else piece for piece in segment.pieces)
            )
            for segment in self.segments
        )
        return PathTemplate("/".join(map(str, segments)), segments)

    def explain(self, path: str) -> str:
        """Why a path does not match (or that it does), for a person."""
        if self.match(path) is not None:
            return f"{path!r} matches {self.text!r}"
        names = path.split("/")
        odd = next((name for name in names if not _is_name(name)), None)
        if odd is not None:
            return f"{path!r} has the folder {odd!r}, which no template matches"
        deep = next((place for place, segment in enumerate(self.segments) if segment.deep), None)
        if deep is None and len(names) != len(self.segments):
            return f"{path!r} has {_folders(names)}, {self.text!r} has {_folders(self.segments)}"
        for segment, name in zip(self.segments[:deep], names, strict=False):
            if segment.match(name) is None:
                return segment.trouble(name)
        return f"what follows {'/'.join(map(str, self.segments[:deep]))!r} in {path!r} does not fit {self.text!r}"

    def _pieces(self) -> Iterator[Piece]:
        for segment in self.segments:
            yield from segment.pieces

    def __str__(self) -> str:
        return self.text


def _along(segments: Sequence[Segment], names: Sequence[str]) -> dict[str, Part] | None:
    """Segments and names one beside the other: there is no `**` that stands for several."""
    if len(segments) != len(names):
        return None
    parts: dict[str, Part] = {}
    for segment, name in zip(segments, names, strict=True):
        if segment.literal is not None:
            if segment.literal != name:
                return None
            continue
        found = segment.match(name)
        if found is None:
            return None
        parts |= found
    return parts


def _walk(segments: Sequence[Segment], names: Sequence[str]) -> dict[str, Part] | None:
    """Lay segments over names. From the right: which names each segment can begin at; from the left: the first way."""
    rests: list[set[int]] = [{len(names)}]
    for segment in reversed(segments):
        rest = rests[0]
        if segment.deep:
            # The file itself has a name: a `**` at the end stands for at least that.
            here = set(range(max(rest, default=-1) + (len(rests) > 1)))
        else:
            here = {at for at, name in enumerate(names) if at + 1 in rest and segment.match(name) is not None}
        rests.insert(0, here)
    if 0 not in rests[0]:
        return None
    parts: dict[str, Part] = {}
    at = 0
    for segment, rest in zip(segments, rests[1:], strict=True):
        if segment.deep:
            at = min(place for place in rest if place >= at)
        else:
            parts |= segment.match(names[at]) or {}
            at += 1
    return parts


def _is_name(name: str) -> bool:
    return name not in ("", ".", "..")


def _folders(parts: Sequence[object]) -> str:
    return f"{len(parts) - 1} folder{'' if len(parts) == 2 else 's'}"


def _written(piece: Piece, parts: Mapping[str, Part]) -> str:
    if isinstance(piece, Literal):
        return piece.text
    if piece.name not in parts:
        raise UsageError(f"the part {piece.name!r} is missing", fix=f"format({piece.name}=…)")
    value = parts[piece.name]
    if isinstance(piece, Dated):
        return piece.write(value)
    return value if isinstance(value, str) else value.isoformat()


# --- reading a template ---------------------------------------------------------------------------------------------


def _check_path(text: str) -> None:
    if not text.startswith(LANDING):
        raise _wrong(text, "only files in the landing zone set a pipeline off", f"begin it with {LANDING}")
    if text.endswith("/"):
        raise _wrong(text, "it names a folder", "say which files: add a name, or *")
    if "\\" in text or not all(_is_name(name) for name in text.split("/")):
        raise _wrong(text, "it is not a plain path", "separate folders by one /, without . and ..")


def _segments(text: str) -> tuple[Segment, ...]:
    """The template cut at its slashes; a slash inside braces is a mistake of its own."""
    segments: list[list[Piece | None]] = [[]]
    for token in _TOKEN.findall(text):
        if token in ("{{", "}}"):
            segments[-1].append(Literal(token[0]))
        elif token[0] in "{}":
            segments[-1].append(_capture(token, text))
        elif token.startswith("*"):
            segments[-1].append(_glob(token, text))
        else:
            first, *others = token.split("/")
            segments[-1] += [Literal(first)] if first else []
            segments += [[Literal(name)] if name else [] for name in others]
    return tuple(_segment(pieces, text) for pieces in segments)


def _segment(pieces: list[Piece | None], text: str) -> Segment:
    if None in pieces and len(pieces) > 1:
        raise _wrong(text, "** stands for whole folders", "write it alone between two slashes, or use *")
    return Segment(tuple(piece for piece in pieces if piece is not None))


def _glob(token: str, text: str) -> Piece | None:
    if len(token) > 2:
        raise _wrong(text, f"{token} means nothing", "use * within a name, ** for any number of folders")
    return Anything(0) if len(token) == 1 else None


def _capture(token: str, text: str) -> Piece:
    if len(token) == 1:
        raise _wrong(text, f"the brace {token!r} has no partner", "close it, or write {{ or }} for a brace")
    name, colon, form = token[1:-1].partition(":")
    if not _NAME.fullmatch(name):
        why = "a pair of braces is empty" if not name and not colon else f"{name!r} cannot name a part"
        raise _wrong(text, why, "name it with letters, digits and underscores, a letter first: {branch}")
    if not colon:
        return Anything(1, name)
    mistake = format_mistake(form)
    if mistake:
        raise _wrong(text, *mistake)
    return Dated(name, form)


def _wrong(text: str, why: str, fix: str) -> TriggerError:
    return TriggerError(f"the path template {text!r} is not usable", why=why, fix=fix)
