"""Character encodings. Everything downstream sees UTF-8; the bytes of the file are never lost on the way.

A byte that its encoding does not allow becomes the lone surrogate U+DC00 + byte, which no valid text holds. So a
record with such a byte is recognised, and the length of any text in the file's own bytes is known exactly.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from penstock.errors import DefinitionError

KEEP = "penstock.keep"
_BROKEN = re.compile("[\udc00-\udcff]")
_PROBE = "".join(map(chr, range(32, 127))) + "\r\n"
# These carry state from one line to the next, or turn text into other text.
_UNFIT = ("utf-7", "hz", "idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined", "iso2022")
# The longer marks first: that of UTF-32-LE begins like that of UTF-16-LE.
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
    codecs.BOM_UTF8: "utf-8",
}
_ANY_MARK = tuple(_MARKS)


@dataclass(frozen=True, slots=True)
class Codec:
    """One file's encoding, byte order settled. `text` and `back` change between the UTF-8 stream and text."""

    name: str
    mark: int = 0
    """Bytes of the byte order mark at the start of the file."""

    @property
    def native(self) -> bool:
        return self.name == "utf-8"

    @property
    def errors(self) -> str:
        """In a native stream broken bytes stand as they came; in a transcoded one as encoded surrogates."""
        return "surrogateescape" if self.native else "surrogatepass"

    def text(self, data: bytes) -> str:
        return data.decode("utf-8", self.errors)

    def back(self, text: str) -> bytes:
        return text.encode("utf-8", self.errors)

    def size(self, data: bytes) -> int:
        """How many bytes of the file stand behind whole characters of the UTF-8 stream."""
        if self.native:
            return len(data)
        text, broken = _BROKEN.subn("", self.text(data))
        return len(text.encode(self.name, "replace")) + broken

    def stream(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """The file's bytes, without the mark, as UTF-8; a transcoded piece never ends inside a character."""
        skipped = _skip(pieces, self.mark)
        return skipped if self.native else self._transcode(skipped)

    def _transcode(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        decoder = codecs.getincrementaldecoder(self.name)(KEEP)
        for piece in pieces:
            yield self.back(decoder.decode(piece))
        yield self.back(decoder.decode(b"", final=True))


@lru_cache(maxsize=64)
def name_of(encoding: str) -> str:
    """The canonical name of an encoding, checked to be one that lines can be cut in."""
    try:
        name = codecs.lookup(encoding).name.replace("_", "-")
        usable = _PROBE.encode(name).decode(name) == _PROBE
    except (LookupError, UnicodeError):
        usable = False
    if not usable or name.startswith(_UNFIT):
        raise DefinitionError(
            f"encoding {encoding!r} is not supported", fix="name a text encoding, such as utf-8, utf-16 or cp1252"
        )
    return "utf-8" if name == "utf-8-sig" else name


def resolve(encoding: str, head: bytes) -> Codec:
    """The codec of a file that begins with `head`: its mark found, its byte order settled."""
    name = name_of(encoding)
    mark, announced = marked(head)
    if announced.startswith(name):
        return Codec(announced, len(mark))
    return Codec(f"{name}-{_order(head)}") if name in ("utf-16", "utf-32") else Codec(name)


def marked(head: bytes) -> tuple[bytes, str]:
    """The byte order mark at the start and the encoding that it announces, or nothing."""
    if not head.startswith(_ANY_MARK):
        return b"", ""
    return next(((mark, name) for mark, name in _MARKS.items() if head.startswith(mark)), (b"", ""))


def _order(head: bytes) -> str:
    """Without a mark: delimiters and line ends put their zeros after (little endian) or before the character."""
    return "be" if head[0::2].count(0) > head[1::2].count(0) else "le"


def _skip(pieces: Iterable[bytes], count: int) -> Iterator[bytes]:
    for piece in pieces:
        yield piece[count:]
        count = max(0, count - len(piece))


def _keep(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error(KEEP, _keep)
