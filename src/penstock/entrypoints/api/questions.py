"""From a query string to what is asked: parameters of their declared types, the size of the page, its beginning."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from penstock.authoring.endpoints import MOST_ROWS, Endpoint, Parameter
from penstock.entrypoints.api.answers import Refusal
from penstock.errors import nearest

LIMIT, CURSOR = "limit", "cursor"
LONGEST = 1000
NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class Question:
    """What a request asks of an endpoint: columns and the texts that they must equal, and which page."""

    where: tuple[tuple[str, str], ...]
    limit: int
    after: tuple[str | None, ...] = ()


class Seal:
    """Cursors: sealed, so that they show no values, cannot be made up, and fit the question that they came from."""

    def __init__(self, key: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._cipher = AESGCM(key)

    def close(self, after: Sequence[str | None], about: str) -> str:
        import os

        nonce = os.urandom(NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, json.dumps(list(after)).encode(), about.encode())
        return base64.urlsafe_b64encode(nonce + sealed).decode().rstrip("=")

    def open(self, text: str, about: str) -> tuple[str | None, ...]:
        """What `close` sealed. Raises `Refusal`."""
        from cryptography.exceptions import InvalidTag

        try:
            data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            return tuple(json.loads(self._cipher.decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], about.encode())))
        except (ValueError, InvalidTag):
            fix = "pass on the cursor of the page before as it is, with the same parameters"
            raise Refusal(400, "the cursor is not one of this question's", fix=fix) from None


def question(endpoint: Endpoint, items: Iterable[tuple[str, str]], seal: Seal) -> Question:
    """What a query string asks. Raises `Refusal` (400) that names the parameter, never its value."""
    given: dict[str, str] = {}
    known = [parameter.name for parameter in endpoint.parameters]
    for name, text in items:
        if name not in (*known, LIMIT, CURSOR):
            raise Refusal(400, "there is a parameter that is not known here", fix=nearest(name, [*known, LIMIT]))
        if name in given:
            raise Refusal(400, f"the parameter {name!r} is given twice", fix="give it once")
        given[name] = text
    where = tuple(_condition(parameter, given) for parameter in endpoint.parameters if _given(parameter, given))
    limit = _limit(given[LIMIT]) if LIMIT in given else endpoint.limit
    after = seal.open(given[CURSOR], about(endpoint, where)) if CURSOR in given else ()
    return Question(where, limit, after)


def about(endpoint: Endpoint, where: Sequence[tuple[str, str]]) -> str:
    """What a cursor belongs to."""
    return json.dumps([endpoint.path, endpoint.table, endpoint.columns, [str(item) for item in endpoint.sort], where])


def _given(parameter: Parameter, given: dict[str, str]) -> bool:
    if parameter.name in given:
        return True
    if parameter.required:
        message = f"the parameter {parameter.name!r} is missing"
        raise Refusal(400, message, fix=f"?{parameter.name}={_EXAMPLES[parameter.kind]}")
    return False


def _condition(parameter: Parameter, given: dict[str, str]) -> tuple[str, str]:
    text = given[parameter.name]
    try:
        return parameter.column, PARSERS[parameter.kind](_usable(text))
    except (ValueError, OverflowError, InvalidOperation):
        why = "it is empty" if not text else f"it is no {_WORDS[parameter.kind]}"
        fix = f"?{parameter.name}={_EXAMPLES[parameter.kind]}"
        raise Refusal(400, f"the parameter {parameter.name!r} is malformed", why=why, fix=fix) from None


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 8 and 1 <= int(text) <= MOST_ROWS):
        raise Refusal(400, "the parameter 'limit' is malformed", fix=f"a whole number from 1 to {MOST_ROWS}")
    return int(text)


def _usable(text: str) -> str:
    if not text or len(text) > LONGEST or "\0" in text:
        raise ValueError
    text.encode()  # lone surrogates are no text
    return text


def _integer(text: str) -> str:
    if not text.removeprefix("-").isascii() or not text.removeprefix("-").isdigit():
        raise ValueError
    return str(int(text))


def _decimal(text: str) -> str:
    number = Decimal(text) if text.isascii() and "_" not in text else Decimal("NaN")
    if not number.is_finite() or abs(number.adjusted()) > 300:
        raise ValueError
    return format(number, "f")


def _truth(text: str) -> str:
    if text not in ("true", "false"):
        raise ValueError
    return text


def _date(text: str) -> str:
    return date.fromisoformat(text).isoformat()


def _moment(text: str) -> str:
    """ISO 8601; with an offset it becomes UTC, without one it is UTC."""
    # A plus sign that was not escaped arrives as a space.
    moment = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
    return (moment.astimezone(UTC) if moment.tzinfo else moment).replace(tzinfo=None).isoformat(sep=" ")


PARSERS: dict[type, Callable[[str], str]] = {
    str: str, int: _integer, float: _decimal, Decimal: _decimal, bool: _truth, date: _date, datetime: _moment,
}  # fmt: skip
_WORDS = {
    str: f"text of at most {LONGEST} characters", int: "whole number", float: "number", Decimal: "number",
    bool: "true or false", date: "date", datetime: "point in time",
}  # fmt: skip
_EXAMPLES: dict[type, Any] = {
    str: "foo", int: 7, float: 1.5, Decimal: 1.5, bool: "true", date: "2024-03-01", datetime: "2024-03-01T09:30:00Z",
}  # fmt: skip
