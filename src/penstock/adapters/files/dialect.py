"""How a delimited file is written, and how much of one is read before it is refused."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from penstock.authoring.sources import Source
from penstock.errors import DefinitionError

MIB = 1 << 20
COMPRESSIONS = ("auto", "none", "gzip", "zstd")


@dataclass(frozen=True, slots=True)
class Dialect:
    """The writing of a delimited file.

    `escape=None` means that a quote inside a quoted field is doubled; `quote=""` that nothing is ever quoted.
    `compression="auto"` goes by the first bytes of the file, never by its name.
    """

    delimiter: str = ","
    quote: str = '"'
    escape: str | None = None
    header: bool = True
    encoding: str = "utf-8"
    compression: str = "auto"

    def __post_init__(self) -> None:
        signs = {"delimiter": self.delimiter, "quote": self.quote or None, "escape": self.escape}
        for name, sign in signs.items():
            _check_sign(name, sign)
        if self.delimiter in (self.quote, self.escape):
            raise DefinitionError("the delimiter is also the quote or escape character", fix="choose another delimiter")
        if self.compression not in COMPRESSIONS:
            raise DefinitionError(
                f"compression {self.compression!r} is not known", fix=f"use one of {', '.join(COMPRESSIONS)}"
            )

    @property
    def doubled(self) -> bool:
        """Whether a quote inside a quoted field is written twice."""
        return self.escape is None or self.escape == self.quote

    def written(self) -> tuple[str, str]:
        """Delimiter and quote of the numbered chunks: the file's own where these are ASCII."""
        delimiter = self.delimiter if self.delimiter.isascii() else next(sign for sign in ",;" if sign != self.quote)
        quote = self.quote if self.quote and self.quote.isascii() else next(s for s in "\"'" if s != delimiter)
        return delimiter, quote

    @property
    def kept(self) -> bool:
        """Whether numbered chunks are written with the file's own signs."""
        return self.written() == (self.delimiter, self.quote)

    def options(self) -> dict[str, Any]:
        """The same dialect in the words of Python's `csv`, strict."""
        return {
            "delimiter": self.delimiter,
            "quotechar": self.quote or None,
            "escapechar": None if self.doubled else self.escape,
            "doublequote": self.doubled,
            "quoting": csv.QUOTE_MINIMAL if self.quote else csv.QUOTE_NONE,
            "strict": True,
        }


def dialect_of(source: Source) -> Dialect:
    """How a source's files are written."""
    return Dialect(source.delimiter, source.quote, None, source.header, source.encoding, source.compression)


def _check_sign(name: str, sign: str | None) -> None:
    if sign is None and name != "delimiter":
        return
    if sign is None or len(sign) != 1 or sign in "\r\n\0\ufeff" or (sign == " " and name != "delimiter"):
        raise DefinitionError(
            f"{name} {sign!r} cannot be used",
            why="it must be one character, and no line end, NUL, byte order mark or (but for a delimiter) space",
            fix=f"give one character, such as {name}={';' if name == 'delimiter' else chr(34)!r}",
        )


@dataclass(frozen=True, slots=True)
class Limits:
    """How far reading goes before a file, or one record of it, is set aside.

    `ratio` (decompressed to stored bytes) counts from `ratio_from` decompressed bytes on. A record over
    `record_bytes` is rejected if its line ends within `skip_bytes`; otherwise the file is refused. A quoted field
    that is open at the end of its line is looked for in the next `span_lines` lines and `span_chars` characters.
    """

    file_bytes: int = 64 << 30
    ratio: int = 200
    ratio_from: int = 64 * MIB
    record_bytes: int = 16 * MIB
    skip_bytes: int = 256 * MIB
    span_lines: int = 1000
    span_chars: int = MIB


@dataclass(frozen=True, slots=True)
class Layout:
    """What a file is declared to be. Without a header, `columns` are in the order of the file.

    `aliases` maps names as they stand in headers (or as JSON keys) to declared ones.
    """

    columns: tuple[str, ...]
    dialect: Dialect = Dialect()
    aliases: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = Limits()
    documents: frozenset[str] = frozenset()
    """The columns that hold JSON: in them a JSON text stays one, quotes and all."""
    path: tuple[str, ...] = ()
    """The keys that lead to a JSON document's array; none where it is the array itself."""
