"""JSON objects as rows of text: numbers exactly as they are written, nested values as compact JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from penstock.adapters.files.dialect import Layout
from penstock.adapters.files.framing import flaw
from penstock.errors import ContractBroken
from penstock.model.reasons import DUPLICATE_KEY, NOT_JSON, NOT_OBJECT

SAMPLE = 20


class Number(str):
    """A number as it is written in the source."""

    __slots__ = ()


class Flawed(ValueError):
    """A value that parses, and is still not to be taken."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Flawed(DUPLICATE_KEY)
    return found


def _constant(_: str) -> Any:
    raise Flawed(NOT_JSON)


decoder = json.JSONDecoder(object_pairs_hook=_object, parse_float=Number, parse_int=Number, parse_constant=_constant)


class Rows:
    """Makes rows of objects, and sees to it that these have the declared keys at all."""

    def __init__(self, layout: Layout) -> None:
        self._aliases = layout.aliases
        self._columns = {name: document if name in layout.documents else render for name in layout.columns}
        self._seen = self._strange = 0

    def row(self, value: Any, text: str) -> list[str]:
        """The row of a decoded value, whose source is `text`. Raises `Flawed`."""
        if not isinstance(value, dict):
            raise Flawed(NOT_OBJECT)
        named = self._named(value) if self._aliases else value
        if self._seen < SAMPLE:
            self._judge(named)
        row = [text_of(named.get(name)) for name, text_of in self._columns.items()]
        # Only an escape can bring in what the text itself does not hold.
        if "\\u" in text and (reason := flaw("".join(row))):
            raise Flawed(reason)
        return row

    def finish(self) -> None:
        """Judge the first objects, when there were few."""
        if self._strange * 2 > self._seen:
            raise ContractBroken(
                "wrong columns: no declared name is a key",
                why=f"{self._strange} of the first {self._seen} objects have none of the {len(self._columns)} columns",
                fix="declare the keys as the file has them, in upper and lower case alike",
            )

    def _judge(self, value: Mapping[str, Any]) -> None:
        self._seen += 1
        self._strange += not any(name in value for name in self._columns)
        if self._seen == SAMPLE:
            self.finish()

    def _named(self, value: dict[str, Any]) -> dict[str, Any]:
        return _object([(self._aliases.get(key, key), inner) for key, inner in value.items()])


def render(value: Any) -> str:
    """A value as the text of a field; null is the empty field."""
    if isinstance(value, str):
        return value
    return "" if value is None else dump(value)


def document(value: Any) -> str:
    """A value as the text of a field that holds JSON."""
    return "" if value is None else dump(value)


def dump(value: Any) -> str:
    """A decoded value as compact JSON, its numbers as they were."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{dump(key)}:{dump(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(dump, value)) + "]"
    return str(value) if isinstance(value, Number) else json.dumps(value, ensure_ascii=False)
