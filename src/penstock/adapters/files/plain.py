r"""The fast path: proves for a slab, without looking at its lines one by one, that each line is one record.

The proof, at the price of one split at the quotes: no NUL, no blank line, one kind of line end, and every quoted
field stands alone between delimiters or line ends and does not cross a line. Then no reading of the quotes can join
two lines, and the engine and `framing` agree on every field. Anything else goes the careful way. Not covered, since
it moves no line end: the number of columns and bytes that are not UTF-8. The engine finds those.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from penstock.adapters.files.dialect import Dialect

_BLANK = {"\n": re.compile(rb"\n\n"), "\r\n": re.compile(rb"\n\r")}


class Plain(NamedTuple):
    r"""What a plain slab consists of: `newline` is `"\n"`, `"\r\n"`, or `""` where there is none."""

    newline: str
    lines: int


def plain(data: bytes, dialect: Dialect) -> Plain | None:
    """What is proven of a slab, or None for the careful way."""
    if (found := prove(data, dialect)) is None:
        return None
    newline, outside = found
    return Plain(newline, outside.count(b"\n") + (data[-1:] not in (b"", b"\n")))


def prove(data: bytes, dialect: Dialect) -> tuple[str, bytes] | None:
    """The line end of a plain slab, and its text with each quoted part shrunk to one quote."""
    newline = _newline(data)
    if newline is None or b"\0" in data or data.startswith((b"\r", b"\n")):
        return None
    outside = _unquoted(data, dialect)
    if outside is None or (newline and _BLANK[newline].search(outside)):
        return None
    return newline, outside


def _unquoted(data: bytes, dialect: Dialect) -> bytes | None:
    """The shrunk text; None unless each quoted part fills its field and closes on its line."""
    delimiter, quote = dialect.delimiter.encode(), dialect.quote.encode()
    escape = b"" if dialect.doubled else (dialect.escape or "").encode()
    if len(delimiter) > 1 or len(quote) > 1 or (escape and escape in data):
        return None
    if not quote or quote not in data:
        return data
    parts = data.split(quote)
    if len(parts) % 2 == 0 or b"\n" in b"".join(parts[1::2]):
        return None
    outside = quote.join(parts[::2])
    return None if _stray(delimiter, quote, doubled=dialect.doubled).search(outside) else outside


@lru_cache(maxsize=64)
def _stray(delimiter: bytes, quote: bytes, *, doubled: bool) -> re.Pattern[bytes]:
    """A shrunk part without a delimiter or line end at either side. Two in a row were one, with a doubled quote."""
    # The quote comes first in the pattern: the search then runs from quote to quote at the speed of memchr.
    mark, sign = re.escape(quote), re.escape(delimiter) + (re.escape(quote) if doubled else b"")
    return re.compile(rb"%b(?:(?<![%b\n]%b)(?<!\A%b)|(?![%b\r\n]|\Z))" % (mark, sign, mark, mark, sign))


def _newline(data: bytes) -> str | None:
    """The one kind of line end, or None for a mixture."""
    if b"\r" not in data:
        return "\n" if b"\n" in data else ""
    return "\r\n" if data.count(b"\r") == data.count(b"\n") == data.count(b"\r\n") else None
