"""Long arrays as PostgreSQL reads them. The client library looks at each value, and a load of thousands of files has
ten for each of them."""

from __future__ import annotations

from collections.abc import Sequence

_ESCAPES = str.maketrans({'"': '\\"', "\\": "\\\\"})


def of_numbers(values: Sequence[int]) -> str:
    """The parameter of a `$1::bigint[]`."""
    return f"{{{','.join(map(str, values))}}}"


def of_texts(values: Sequence[str]) -> str:
    """The parameter of a `$1::text[]`."""
    listed = '","'.join(values)
    if listed.count('"') != 2 * max(len(values) - 1, 0) or "\\" in listed:
        listed = '","'.join([value.translate(_ESCAPES) for value in values])
    return f'{{"{listed}"}}' if values else "{}"
