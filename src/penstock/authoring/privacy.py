"""Marks for personal data, applied while a source is read: nothing behind the landing zone sees the clear value.

Every keyed mark uses a key of the secret store by its id (`privacy_key` holds the current id and key; see the how-to
on rotation). HMAC-SHA256 follows RFC 2104; encryption is AES-SIV, RFC 5297.
"""

from __future__ import annotations

from dataclasses import dataclass

from penstock.errors import DefinitionError

KINDS = ("drop", "mask", "hash", "tokenize", "encrypt")


@dataclass(frozen=True, slots=True)
class Mark:
    """How a column is protected."""

    kind: str
    keep_last: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.keep_last <= 4:
            raise DefinitionError(
                f"{self.kind}(keep_last={self.keep_last}) shows too much or nothing that exists",
                why="at most the last four characters of a protected value may stay readable",
                fix="use keep_last=0 to 4",
            )

    @property
    def keyed(self) -> bool:
        return self.kind in ("hash", "tokenize", "encrypt")


def drop() -> Mark:
    """The column is never read."""
    return Mark("drop")


def mask(*, keep_last: int = 0) -> Mark:
    """Every character becomes `*` but the last few; the length stays. Not reversible, not linkable."""
    return Mark("mask", keep_last)


def hash() -> Mark:  # noqa: A001  the word that authors look for
    """64 hex digits of HMAC-SHA256: equal values stay equal within one key."""
    return Mark("hash")


def tokenize(*, keep_last: int = 0) -> Mark:
    """`<key id>:<HMAC-SHA256>`, with `:<last characters>` where asked for. Equal values stay equal within one key."""
    return Mark("tokenize", keep_last)


def encrypt() -> Mark:
    """`<key id>:<AES-SIV ciphertext in base64>`: whoever holds the key can read it back; equal values stay equal."""
    return Mark("encrypt")
