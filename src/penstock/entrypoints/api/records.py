"""From a request's body to records: JSON objects, each as it was written, in one line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from penstock.entrypoints.api.answers import Refusal
from penstock.model.streams import Record

ONE, LINES = "application/json", ("application/x-ndjson", "application/jsonl")
MOST_RECORDS = 10_000
LONGEST_RECORD = 1_000_000
LONGEST_ID = 200
_SPACE = re.compile(r"[ \t\r\n]*")
_BREAKS = str.maketrans("\r\n", "  ")


def records(kind: str, body: bytes, key: str, field: str) -> list[Record]:
    """The records of a body. Raises `Refusal` that names the record by its number, never its content.

    `key` (the request's `Idempotency-Key`) names the events by their place in the request; `field` is the one of each
    record that names its event, and counts more.
    """
    text = _text(body)
    found = []
    for number, (line, value) in enumerate(_items(kind, text), 1):
        if not isinstance(value, dict):
            raise Refusal(400, f"record {number} is not a JSON object", fix='{"name": value, …}')
        if number > MOST_RECORDS or len(line) > LONGEST_RECORD:
            raise Refusal(
                413, f"at most {MOST_RECORDS} records of {LONGEST_RECORD} bytes each", fix="send fewer at a time"
            )
        found.append(Record(_encoded(line, number), _id(value, number, key, field)))
    if not found:
        raise Refusal(400, "there is no record", fix='send a JSON object such as {"name": "value"}')
    return found


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise Refusal(400, "the body is not UTF-8", fix="send JSON in UTF-8") from None


def _items(kind: str, text: str) -> Iterator[tuple[str, Any]]:
    if kind in LINES:
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                yield line.strip(), _value(line, f"line {number}")
    elif text.lstrip(" \t\r\n").startswith("["):
        yield from _elements(text)
    elif text.strip():
        yield text.strip().translate(_BREAKS), _value(text, "the body")


def _elements(text: str) -> Iterator[tuple[str, Any]]:
    """The elements of an array, each as it was written: numbers keep all their digits."""
    at = _after(text, text.index("[") + 1)
    number = 0
    while text[at : at + 1] != "]":
        number += 1
        value, end = _decoded(text, at, f"record {number}")
        yield text[at:end].translate(_BREAKS), value
        at = _after(text, end)
        if text[at : at + 1] == ",":
            at = _after(text, at + 1)
            if text[at : at + 1] == "]":
                raise _malformed(f"record {number + 1}")
        elif text[at : at + 1] != "]":
            raise _malformed(f"what follows record {number}")
    if text[at + 1 :].strip():
        raise _malformed("what follows the array")


def _after(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _value(text: str, what: str) -> Any:
    value, end = _decoded(text, _after(text, 0), what)
    if text[end:].strip(" \t\r\n"):
        raise _malformed(what)
    return value


def _decoded(text: str, at: int, what: str) -> tuple[Any, int]:
    try:
        return _DECODER.raw_decode(text, at)
    except (ValueError, RecursionError):
        raise _malformed(what) from None


def _no_number(_: str) -> NoReturn:
    raise ValueError("NaN and infinities are no JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_number)


def _malformed(what: str) -> Refusal:
    return Refusal(400, f"{what} is not JSON", fix="one object, an array of them, or (application/x-ndjson) one a line")


def _encoded(line: str, number: int) -> bytes:
    try:
        return line.encode()
    except UnicodeEncodeError:
        raise Refusal(400, f"record {number} is not text") from None


def _id(value: dict[str, Any], number: int, key: str, field: str) -> str:
    if not field:
        return f"{key}/{number}" if key else ""
    name = value.get(field)
    if isinstance(name, bool) or not isinstance(name, str | int) or name == "" or len(str(name)) > LONGEST_ID:
        why = f"a text of at most {LONGEST_ID} characters, or a whole number, names the event"
        raise Refusal(400, f"record {number} has no {field!r} that could name it", why=why)
    return f"{type(name).__name__}:{name}"
