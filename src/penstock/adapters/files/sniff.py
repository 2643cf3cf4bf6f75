"""A look at the first bytes of a file: what is plainly not delimited text is refused before it is read."""

from __future__ import annotations

from functools import lru_cache

from penstock.adapters.files.codec import Codec, marked, name_of, resolve
from penstock.errors import RefusedFile

HEAD = 4096
_FORMATS = {
    b"PK\x03\x04": "a zip archive",
    b"PK\x05\x06": "an empty zip archive",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "an old Excel or Word document",
    b"%PDF-": "a PDF document",
    b"\x89PNG\r\n": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF8": "a GIF picture",
    b"PAR1": "a Parquet file",
    b"Obj\x01": "an Avro file",
    b"ORC": "an ORC file",
    b"SQLite format 3\0": "a SQLite database",
    b"\x1f\x8b": "compressed with gzip",
    b"\x28\xb5\x2f\xfd": "compressed with zstd",
    b"BZh": "compressed with bzip2",
    b"\xfd7zXZ\0": "compressed with xz",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive",
    b"Rar!": "a RAR archive",
    b"\x7fELF": "a program",
    b"{\\rtf": "an RTF document",
}
_EXCEL = (b"[Content_Types].xml", b"xl/")
_PAGES = (b"<!doctype html", b"<html")
_FIXES = {
    "a Parquet file": "declare the source with ps.parquet",
    "compressed with gzip": 'set compression="gzip" or "auto"',
    "compressed with zstd": 'set compression="zstd" or "auto"',
    "an Excel workbook": "export the sheet as CSV",
}
_MAGICS = tuple(_FORMATS)
# What text never holds: control characters other than tab, line ends, page feed and escape.
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1b"))


def inspect(head: bytes, encoding: str, delimiter: str = ",") -> Codec:
    """The codec of a file that begins with `head`; raises `RefusedFile` when that is no delimited text."""
    if head.startswith(_MAGICS):
        _refuse_format(head)
    if head[:16].lstrip().lower().startswith(_PAGES):
        raise RefusedFile("the file is a web page", why="it begins like HTML", fix="check where the file came from")
    _check_mark(head, encoding)
    codec = resolve(encoding, head)
    if codec.name.startswith(("utf-16", "utf-32")):
        _check_wide(head[codec.mark :], encoding)
    elif "A".encode(codec.name) == b"A":
        _check_binary(head, encoding, delimiter)
    return codec


def _refuse_format(head: bytes) -> None:
    kind = next(kind for magic, kind in _FORMATS.items() if head.startswith(magic))
    if kind == "a zip archive" and any(sign in head for sign in _EXCEL):
        kind = "an Excel workbook"
    raise RefusedFile(
        f"the file is {kind}",
        why="its first bytes say so; delimited text was expected",
        fix=_FIXES.get(kind, "deliver delimited text"),
    )


def _check_mark(head: bytes, encoding: str) -> None:
    mark, announced = marked(head)
    if mark and not announced.startswith(name_of(encoding)):
        _refuse_encoding(encoding, announced.upper()[:6], "its byte order mark says so")


def _check_wide(head: bytes, encoding: str) -> None:
    if head and b"\0" not in head:
        _refuse_encoding(encoding, "UTF-8 or a single-byte encoding", "it holds no zero bytes, as delimiters would")


def _check_binary(head: bytes, encoding: str, delimiter: str) -> None:
    zeros = head.count(0)
    if zeros >= 4 and zeros * 10 >= len(head):
        _refuse_zeros(head, encoding, zeros)
    strange = len(head) - len(head.translate(None, _controls(delimiter)))
    if strange * 20 > len(head) >= 512:  # a shorter text may well have a few
        raise RefusedFile("the file is binary", why="its first bytes are not text", fix="deliver delimited text")


@lru_cache(maxsize=64)
def _controls(delimiter: str) -> bytes:
    return _CONTROLS.replace(delimiter.encode(), b"")


def _refuse_zeros(head: bytes, encoding: str, zeros: int) -> None:
    if max(head[0::2].count(0), head[1::2].count(0)) == zeros and zeros < len(head):
        _refuse_encoding(encoding, "UTF-16", "every other byte is zero")
    raise RefusedFile("the file is binary", why="it is full of zero bytes", fix="deliver delimited text")


def _refuse_encoding(encoding: str, likely: str, why: str) -> None:
    raise RefusedFile(
        f"wrong encoding: declared {encoding}, the file looks like {likely}",
        why=why,
        fix=f'set encoding="{likely.lower() if likely.startswith("UTF-") and " " not in likely else "utf-8"}"',
    )
