"""Event patterns with the semantics of Amazon EventBridge.

Sources: "Creating Amazon EventBridge event patterns" and "Comparison operators for use in event patterns" in the
EventBridge User Guide, and the README of Event Ruler (github.com/aws/event-ruler), which EventBridge runs on.

A pattern has the shape of the events it matches. Every field that it names must match; a leaf is a list of which one
entry must match; fields that it does not name may hold anything. Where an event holds a list, one of its elements
must match, and the fields of one nested pattern must all match within the same element. Only values that are not
objects count as present for `exists`. Numbers are compared as numbers (5 equals 5.0), never with text.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from penstock.errors import TriggerError, nearest

Test = Callable[[Any], bool]
"""A test of one value that is present."""

_ABSENT = object()
"""What a leaf's tests are asked about a field that the event does not have."""


@dataclass(frozen=True, slots=True)
class EventPattern:
    """A pattern, validated. `pattern` is what was declared, fit to be handed to EventBridge as it is."""

    pattern: Mapping[str, Any]
    _matches: Callable[[Any], bool] = field(repr=False, compare=False)

    @classmethod
    def parse(cls, pattern: Mapping[str, Any]) -> EventPattern:
        """Validate a pattern. Raises `TriggerError` for anything that EventBridge would refuse, or take otherwise than
        it reads: an unknown operator, a bare value instead of a list, `$or` with fewer than two alternatives."""
        return cls(pattern, _fields(pattern, ""))

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Whether the event is one that the pattern describes."""
        return self._matches(event)


# --- structure --------------------------------------------------------------------------------------------------------


def _fields(pattern: Any, path: str) -> Callable[[Any], bool]:
    if not isinstance(pattern, Mapping) or not pattern:
        raise _wrong(path, "a pattern is an object with at least one field", '{"source": ["aws.s3"]}')
    tests = [
        _alternatives(value, path) if name == "$or" else _field(name, value, path) for name, value in pattern.items()
    ]

    def matches(value: Any) -> bool:
        return any(all(test(element) for test in tests) for element in _objects(value))

    return matches


def _field(name: Any, pattern: Any, path: str) -> Callable[[Mapping[str, Any]], bool]:
    if not isinstance(name, str):
        raise _wrong(path, f"the field name {name!r} is not text", "use text for names")
    here = f"{path}.{name}" if path else name
    if isinstance(pattern, Mapping):
        inner = _fields(pattern, here)
        return lambda element: inner(element.get(name))
    leaf = _leaf(pattern, here)
    return lambda element: leaf(element.get(name, _ABSENT))


def _alternatives(pattern: Any, path: str) -> Callable[[Mapping[str, Any]], bool]:
    if not isinstance(pattern, Sequence) or isinstance(pattern, str) or len(pattern) < 2:
        raise _wrong(f"{path}.$or" if path else "$or", "$or is a list of two or more patterns", '"$or": [{…}, {…}]')
    inner = [_fields(alternative, path) for alternative in pattern]
    return lambda element: any(matches(element) for matches in inner)


def _leaf(pattern: Any, path: str) -> Callable[[Any], bool]:
    if not isinstance(pattern, Sequence) or isinstance(pattern, str):
        raise _wrong(path, "it wants a list of values", f"write [{pattern!r}]")
    if not pattern:
        raise _wrong(path, "its list is empty, so that nothing can match", "name at least one value")
    tests = [_entry(entry, path) for entry in pattern]

    def matches(value: Any) -> bool:
        values = list(_values(value)) or [_ABSENT]
        return any(test(each) for test in tests for each in values)

    return matches


def _objects(value: Any) -> list[Mapping[str, Any]]:
    """The objects that a nested pattern is tried on. Something else than an object has none of the fields."""
    found: list[Mapping[str, Any]] = [each for each in _flat(value) if isinstance(each, Mapping)]
    return found or [{}]


def _values(value: Any) -> Iterator[Any]:
    return (each for each in _flat(value) if each is not _ABSENT and not isinstance(each, Mapping))


def _flat(value: Any) -> Iterator[Any]:
    """Lists within lists count as one list."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, list | tuple):
            waiting += reversed(each)
        else:
            yield each


# --- what one value may be --------------------------------------------------------------------------------------------


def _entry(entry: Any, path: str) -> Test:
    if isinstance(entry, Mapping):
        return _operator(entry, path, _OPERATORS)
    if not _scalar(entry):
        raise _wrong(path, f"{entry!r} cannot be compared with", "use text, a number, true, false, null or an operator")
    return lambda value: _equal(value, entry)


def _operator(entry: Mapping[str, Any], path: str, known: Mapping[str, Callable[[Any, str], Test]]) -> Test:
    if len(entry) != 1:
        raise _wrong(path, f"{dict(entry)!r} does not hold exactly one operator", "write one object for each operator")
    [(name, argument)] = entry.items()
    if name not in known:
        raise _wrong(path, f"{name!r} is not an operator here", nearest(str(name), known))
    return known[name](argument, f"{path}.{name}")


def _exists(argument: Any, path: str) -> Test:
    if not isinstance(argument, bool):
        raise _wrong(path, "exists is true or false", '{"exists": true}')
    return lambda value: (value is not _ABSENT) is argument


def _prefix(argument: Any, path: str) -> Test:
    if isinstance(argument, Mapping):
        text = _ignoring_case(argument, path)
        return lambda value: isinstance(value, str) and value.lower().startswith(text)
    start = _text(argument, path)
    return lambda value: isinstance(value, str) and value.startswith(start)


def _suffix(argument: Any, path: str) -> Test:
    if isinstance(argument, Mapping):
        text = _ignoring_case(argument, path)
        return lambda value: isinstance(value, str) and value.lower().endswith(text)
    end = _text(argument, path)
    return lambda value: isinstance(value, str) and value.endswith(end)


def _equals_ignore_case(argument: Any, path: str) -> Test:
    text = _text(argument, path).lower()
    return lambda value: isinstance(value, str) and value.lower() == text


def _wildcard(argument: Any, path: str) -> Test:
    pieces = _pieces(_text(argument, path), path)
    return lambda value: isinstance(value, str) and _fits(value, pieces)


def _numeric(argument: Any, path: str) -> Test:
    if not isinstance(argument, Sequence) or len(argument) not in (2, 4):
        raise _wrong(path, "numeric is a list of one or two comparisons", '{"numeric": [">", 0, "<=", 5]}')
    pairs = list(zip(argument[::2], argument[1::2], strict=True))
    for sign, bound in pairs:
        if sign not in _COMPARISONS or not _number(bound):
            raise _wrong(
                path, f"{sign!r} {bound!r} is not a comparison", f"one of {' '.join(_COMPARISONS)}, then a number"
            )
    if len(pairs) == 2 and not (
        pairs[0][0] in (">", ">=") and pairs[1][0] in ("<", "<=") and pairs[0][1] < pairs[1][1]
    ):
        raise _wrong(path, "a range goes from its lower to its upper end", '[">=", 1, "<", 10]')
    tests = [(_COMPARISONS[sign], bound) for sign, bound in pairs]
    return lambda value: _number(value) and all(holds(value, bound) for holds, bound in tests)


def _cidr(argument: Any, path: str) -> Test:
    try:
        network = ipaddress.ip_network(_text(argument, path), strict=False)
    except ValueError:
        raise _wrong(path, f"{argument!r} is not a range of addresses", '{"cidr": "10.0.0.0/24"}') from None

    def within(value: Any) -> bool:
        try:
            return isinstance(value, str) and ipaddress.ip_address(value) in network
        except ValueError:
            return False

    return within


def _anything_but(argument: Any, path: str) -> Test:
    """Present, and none of these. Nested operators take one text or a list of them."""
    if isinstance(argument, Mapping):
        if len(argument) != 1 or next(iter(argument)) not in _NEGATABLE:
            raise _wrong(path, f"{dict(argument)!r} cannot be negated", f"one of {', '.join(_NEGATABLE)}")
        [(name, inner)] = argument.items()
        refused = [_NEGATABLE[name](each, f"{path}.{name}") for each in _listed(inner, f"{path}.{name}")]
    else:
        excluded = _listed(argument, path)
        if not (all(isinstance(each, str) for each in excluded) or all(_number(each) for each in excluded)):
            raise _wrong(path, "anything-but takes texts or numbers, not both", '{"anything-but": ["a", "b"]}')
        refused = [_entry(each, path) for each in excluded]
    return lambda value: value is not _ABSENT and not any(test(value) for test in refused)


_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda value, bound: value == bound,
    "<": lambda value, bound: value < bound,
    "<=": lambda value, bound: value <= bound,
    ">": lambda value, bound: value > bound,
    ">=": lambda value, bound: value >= bound,
}
_NEGATABLE: dict[str, Callable[[Any, str], Test]] = {
    "prefix": _prefix,
    "suffix": _suffix,
    "equals-ignore-case": _equals_ignore_case,
    "wildcard": _wildcard,
}
_OPERATORS: dict[str, Callable[[Any, str], Test]] = {
    **_NEGATABLE,
    "anything-but": _anything_but,
    "numeric": _numeric,
    "exists": _exists,
    "cidr": _cidr,
}


# --- arguments --------------------------------------------------------------------------------------------------------


def _scalar(value: Any) -> bool:
    return value is None or isinstance(value, str | bool | int | float | Decimal)


def _number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _equal(value: Any, wanted: Any) -> bool:
    """Equality of JSON: 1 equals 1.0, but neither true nor "1"."""
    if _number(wanted):
        return _number(value) and bool(value == wanted)
    kind = str if isinstance(wanted, str) else type(wanted)
    return isinstance(value, kind) and bool(value == wanted)


def _text(argument: Any, path: str) -> str:
    if not isinstance(argument, str):
        raise _wrong(path, f"it takes a text, not {argument!r}", "put it in quotes")
    return argument


def _listed(argument: Any, path: str) -> list[Any]:
    values = list(argument) if isinstance(argument, list | tuple) else [argument]
    if not values:
        raise _wrong(path, "its list is empty", "name at least one value")
    return values


def _ignoring_case(argument: Mapping[str, Any], path: str) -> str:
    if list(argument) != ["equals-ignore-case"]:
        raise _wrong(path, f"{dict(argument)!r} is not an operator here", '{"equals-ignore-case": "…"} is')
    return _text(argument["equals-ignore-case"], path).lower()


def _pieces(text: str, path: str) -> list[str]:
    r"""The texts between the wildcards. `\*` is an asterisk, `\\` a backslash."""
    pieces = [""]
    characters = iter(text)
    for character in characters:
        if character == "\\":
            escaped = next(characters, "")
            if escaped not in ("*", "\\"):
                raise _wrong(
                    path, f"the backslash in {text!r} escapes nothing", r"write \\ for a backslash, \* for a *"
                )
            pieces[-1] += escaped
        elif character == "*":
            if len(pieces) > 1 and not pieces[-1]:
                raise _wrong(path, f"{text!r} has two wildcards in a row", "one * is enough")
            pieces.append("")
        else:
            pieces[-1] += character
    return pieces


def _fits(value: str, pieces: list[str]) -> bool:
    """Each piece at the first place behind the one before it; the last at the end."""
    first, *others = pieces
    if not others:
        return value == first
    last = others.pop()
    if not value.startswith(first) or len(value) < len(first) + len(last) or not value.endswith(last):
        return False
    at, end = len(first), len(value) - len(last)
    for piece in others:
        found = value.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True


def _wrong(path: str, why: str, fix: str) -> TriggerError:
    return TriggerError(f"the event pattern is not usable{f' at {path!r}' if path else ''}", why=why, fix=fix)
